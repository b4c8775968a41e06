//! What a feed on PostgreSQL must notice though its connection stays: a server that crashed behind a
//! pooler, and tables that were replaced. And what it must not take for that.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;
use tower_pat::{
    actor::{DirectoryStore, PasswordHash, PasswordStore},
    feed::{Change, ChangeBatch, ChangeFeed, FeedCursor},
    store::PostgresStore,
    token_service::{Retention, TokenStore},
};

use super::{SOON, at, read, user};
use crate::postgres::{Database, Server};

async fn connect(database: &Database) -> PostgresStore {
    PostgresStore::connect(&database.url()).await.unwrap()
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// `cursor` as if it had been read by the connection of `other`, as behind a pooler, where one
/// connection on this side is another one at the server each time.
fn by_connection_of(other: &FeedCursor, cursor: &FeedCursor) -> FeedCursor {
    let (number, _) = other.as_str().split_once('/').unwrap();
    let (_, rest) = cursor.as_str().split_once('/').unwrap();
    FeedCursor::new(format!("{number}/{rest}"))
}

/// Uses up numbers of transactions, of which nothing is written to the disk.
async fn use_numbers(connection: &mut PgConnection, count: u32) {
    for _ in 0..count {
        run(connection, "BEGIN; SELECT pg_current_xact_id(); ROLLBACK").await;
    }
}

/// Reads on with a new connection, once there is one: the server does not end all at once.
async fn read_anew(store: &PostgresStore, cursor: &FeedCursor) -> ChangeBatch {
    let begun = Instant::now();
    loop {
        match store.since(cursor).await {
            Ok(batch) if batch.gap => return batch,
            answer => assert!(begun.elapsed() < SOON, "{answer:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_behind_a_pooler_is_a_gap() {
    let server = Server::start(&["wal_writer_delay=10s"]);
    let database = Database::on(&server).await;
    let store = connect(&database).await;
    store.create_user(&user("alice")).await.unwrap();
    let mut writer = database.connection().await;
    use_numbers(&mut writer, 40).await;
    let before = store.head().await.unwrap();

    // One process alone: the server ends the others and recovers, and itself goes on.
    let id: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut writer).await.unwrap();
    let killed = Command::new("kill").args(["-9", &id.to_string()]).status().unwrap();
    assert!(killed.success());
    let begun = Instant::now();
    while writer.ping().await.is_ok() {
        assert!(begun.elapsed() < SOON);
    }
    let after = read_anew(&store, &before).await;
    let mut writer = database.connection().await;
    use_numbers(&mut writer, 10).await;
    connect(&database).await.create_user(&user("bob")).await.unwrap();
    use_numbers(&mut writer, 60).await;

    // By what there is to see of the server, this user was made before the cursor was read.
    let batch = store.since(&by_connection_of(&after.next, &before)).await.unwrap();
    assert!(batch.gap, "{batch:?}");
    let mut cursor = after.next;
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("bob"))]);
    assert_eq!(read(&store, &mut cursor).await, []);
}

#[tokio::test]
async fn what_a_pooler_had_open_already_is_no_gap_and_what_it_opens_is() {
    let database = Database::new().await;
    let (one, other) = (connect(&database).await, connect(&database).await);
    let others = other.head().await.unwrap();
    let cursor = one.head().await.unwrap();
    one.create_user(&user("alice")).await.unwrap();
    let mut cursor = by_connection_of(&others, &cursor);
    assert_eq!(read(&other, &mut cursor).await, [Change::Actor(user("alice"))]);

    let new = connect(&database).await;
    let news = new.head().await.unwrap();
    assert!(new.since(&by_connection_of(&news, &cursor)).await.unwrap().gap);
}

#[tokio::test]
async fn a_session_that_takes_another_role_reads_the_feed() {
    // The role is of the whole server.
    let server = Server::start(&[]);
    let database = Database::on(&server).await;
    connect(&database).await.close().await;
    let name = database.name();
    let sql = format!(
        "CREATE ROLE plain; GRANT ALL ON ALL TABLES IN SCHEMA public TO plain;
         CREATE ROLE login LOGIN; GRANT plain TO login;
         ALTER ROLE login IN DATABASE {name} SET role = plain"
    );
    database.execute(&sql).await.unwrap();
    let url = database.url().replace("tower_pat@", "login@");
    let store = PostgresStore::connect(&url).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    store.create_user(&user("alice")).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("alice"))]);
    assert_eq!(read(&store, &mut cursor).await, []);
}

#[tokio::test]
async fn a_restore_into_the_database_is_a_gap_and_keeping_it_in_order_is_none() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let mut cursor = store.head().await.unwrap();
    let mut backup = database.connection().await;
    store.create_user(&user("alice")).await.unwrap();
    run(&mut backup, "CREATE TEMPORARY TABLE kept AS SELECT * FROM changes").await;
    store.create_user(&user("bob")).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await.len(), 2);

    // As autovacuum does it, and others.
    for order in [
        "VACUUM tokens, users, policies, changes",
        "VACUUM (FREEZE, ANALYZE)",
        "ANALYZE",
        "REINDEX TABLE users",
        "CHECKPOINT",
    ] {
        run(&mut backup, order).await;
        assert_eq!(read(&store, &mut cursor).await, [], "{order}");
    }
    store.sweep(at(100), &Retention::default()).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, []);

    for restore in [
        // The changes of then, with their numbers.
        "BEGIN; TRUNCATE changes; INSERT INTO changes (id, xid, kind, subject)
             OVERRIDING SYSTEM VALUE SELECT id, xid, kind, subject FROM kept; COMMIT",
        "TRUNCATE policies",
        "TRUNCATE users CASCADE",
        "BEGIN; CREATE TABLE other (LIKE roles INCLUDING ALL); DROP TABLE roles;
             ALTER TABLE other RENAME TO roles; COMMIT",
    ] {
        run(&mut backup, restore).await;
        let batch = store.since(&cursor).await.unwrap();
        assert!(batch.gap, "{restore}");
        cursor = batch.next;
        assert_eq!(read(&store, &mut cursor).await, [], "{restore}");
    }
    store.create_user(&user("carol")).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("carol"))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_transaction_is_read_when_it_is_committed() {
    let server = Server::start(&["max_prepared_transactions=5"]);
    let database = Database::on(&server).await;
    let store = connect(&database).await;
    let mut cursor = store.head().await.unwrap();
    for name in ["one", "two", "three"] {
        let mut preparing = database.connection().await;
        let sql = format!(
            "BEGIN; INSERT INTO changes (kind, subject) VALUES ('actor', 'urn:li:corpuser:{name}');
             PREPARE TRANSACTION '{name}'"
        );
        run(&mut preparing, &sql).await;
        preparing.close().await.unwrap();
    }
    assert_eq!(read(&store, &mut cursor).await, []);
    store.create_user(&user("alice")).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("alice"))]);
    store.sweep(at(100), &Retention::default()).await.unwrap();
    let mut other = database.connection().await;
    run(&mut other, "COMMIT PREPARED 'two'").await;
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("two"))]);
    run(&mut other, "ROLLBACK PREPARED 'one'").await;
    assert_eq!(read(&store, &mut cursor).await, []);

    // The last one outlives the server.
    server.kill();
    server.start_again();
    let batch = read_anew(&store, &cursor).await;
    assert!(batch.gap);
    cursor = batch.next;
    assert_eq!(read(&store, &mut cursor).await, []);
    database.execute("COMMIT PREPARED 'three'").await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("three"))]);
    assert_eq!(read(&store, &mut cursor).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_outlives_the_server() {
    // Nothing but a commit writes to the disk.
    let server = Server::start(&["wal_writer_delay=10s"]);
    let database = Database::on(&server).await;
    let store = connect(&database).await;
    for number in 0..20 {
        assert!(store.create_user(&user(&number.to_string())).await.unwrap());
    }
    server.kill();
    server.start_again();
    let store = connect(&database).await;
    for number in 0..20 {
        assert!(store.user(&user(&number.to_string())).await.unwrap().is_some(), "{number}");
    }
}

#[tokio::test]
async fn a_column_more_is_no_failure() {
    let database = Database::new().await;
    let store = PostgresStore::builder(database.url()).max_connections(1).connect().await.unwrap();
    let query = tower_pat::actor::UserQuery::default();
    store.create_user(&user("alice")).await.unwrap();
    for column in ["nickname", "pronouns"] {
        assert!(store.user(&user("alice")).await.unwrap().is_some());
        assert_eq!(store.list_users(&query).await.unwrap().total, 1);
        database.execute(&format!("ALTER TABLE users ADD COLUMN {column} TEXT")).await.unwrap();
    }
    assert!(store.user(&user("alice")).await.unwrap().is_some());
    assert_eq!(store.list_users(&query).await.unwrap().users.len(), 1);
}

#[tokio::test]
async fn asking_for_a_password_writes_nothing_and_waits_for_who_changes_it() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    let (old, new) = (PasswordHash::from("$old".to_owned()), PasswordHash::from("$new".to_owned()));
    store.set_password_hash(&alice, Some(&old), &alice, at(100)).await.unwrap();
    let marked = "SELECT xmax::text FROM users";
    let mut watching = database.connection().await;
    let before: String = sqlx::query_scalar(marked).fetch_one(&mut watching).await.unwrap();
    assert_eq!(store.password_hash(&alice).await.unwrap(), Some(old));
    let after: String = sqlx::query_scalar(marked).fetch_one(&mut watching).await.unwrap();
    assert_eq!(before, after);

    // Stops the change at its announcement, behind everything that it locks and changes.
    run(
        &mut watching,
        "INSERT INTO tokens (id, name, actor, owner, created_at, token_type)
         VALUES (decode(repeat('00', 32), 'hex'), '', 'urn:li:corpuser:alice',
             'urn:li:corpuser:alice', 0, 'SESSION')",
    )
    .await;
    run(&mut watching, "BEGIN; LOCK TABLE changes").await;
    let (changing, asking) = (store.clone(), store.clone());
    let (hash, by) = (new.clone(), alice.clone());
    let changing =
        tokio::spawn(
            async move { changing.set_password_hash(&by, Some(&hash), &by, at(200)).await },
        );
    let waiting = async |count: i64| {
        let begun = Instant::now();
        let sql = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        // What an open transaction reads of it does not change.
        let mut seeing = database.connection().await;
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut seeing).await.unwrap() < count {
            assert!(begun.elapsed() < SOON);
            sleep(Duration::from_millis(5)).await;
        }
    };
    waiting(1).await;
    let asked = alice.clone();
    let asking = tokio::spawn(async move { asking.password_hash(&asked).await });
    waiting(2).await;
    assert!(!asking.is_finished());
    run(&mut watching, "COMMIT").await;
    assert!(changing.await.unwrap().unwrap());
    assert_eq!(asking.await.unwrap().unwrap(), Some(new));
}
