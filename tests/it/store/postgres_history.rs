//! What a feed on PostgreSQL must notice though its connection stays: a server that crashed behind a
//! pooler, and tables that were replaced. And what it must not take for that.

use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::sleep;
use tower_pat::{
    actor::DirectoryStore,
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

/// Reads on with a new connection, once there is one.
async fn read_anew(store: &PostgresStore, cursor: &FeedCursor) -> ChangeBatch {
    let begun = Instant::now();
    loop {
        match store.since(cursor).await {
            Ok(batch) => return batch,
            Err(error) => assert!(begun.elapsed() < SOON, "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
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
