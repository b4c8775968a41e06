//! Connecting to a PostgreSQL server, and what only such a store has to get right.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::time::timeout;
use tower_pat::{
    actor::Directory,
    backend::StoreError,
    feed::{Change, ChangeFeed},
    store::PostgresStore,
    token::{LastUse, RevocationRule, RuleScope, TokenType},
    token_service::{
        Retention, TokenFilter, TokenLookup, TokenQuery, TokenSort, TokenStore, TokenUses,
    },
};

use super::{SOON, at, id, read, record, user};
use crate::postgres::{Database, execute, server};

async fn connect(database: &Database) -> PostgresStore {
    PostgresStore::connect(&database.url()).await.unwrap()
}

/// `url` with another parameter behind it.
fn with(url: &str, parameter: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameter}")
}

/// What the refusal of a URL says.
async fn refusal(url: &str) -> String {
    let error = PostgresStore::connect(url).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
    let text = format!("{error} {error:?}");
    assert!(!text.contains("hunter2"), "{text}");
    text
}

#[tokio::test]
async fn a_url_that_cannot_be_right_is_refused_without_its_password() {
    for (url, said) in [
        ("mysql://alice:hunter2@localhost/db", "postgres://"),
        ("postgres://alice:hunter2@localhost:port/db", "not understood"),
        ("postgres://alice:hunter2@localhost/db?sslmode=hunter2-ish&passwd=hunter2", "passwd"),
    ] {
        let text = refusal(url).await;
        assert!(text.contains(said), "{text}");
    }
    let builder = PostgresStore::builder("postgres://alice:hunter2@localhost/db");
    assert!(!format!("{builder:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_refuses_is_said() {
    let missing = server().url_of("tower_pat_test_that_is_not_there");
    assert!(refusal(&missing).await.contains("does not exist"));
    let database = Database::new().await;
    let nowhere = with(&database.url(), "options=-c%20search_path%3Dnowhere");
    assert!(refusal(&nowhere).await.contains("search path"));
    let store = connect(&database).await;
    assert!(!format!("{store:?}").contains("tower_pat@"));
    database
        .execute(
            "INSERT INTO _tower_pat_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'from the future', true, '\\x00', 0)",
        )
        .await
        .unwrap();
    let text = refusal(&database.url()).await;
    assert!(text.contains("9999") && text.contains("newer"), "{text}");
    let altered = "DELETE FROM _tower_pat_migrations WHERE version = 9999;
        UPDATE _tower_pat_migrations SET checksum = '\\x00'";
    database.execute(altered).await.unwrap();
    assert!(refusal(&database.url()).await.contains("another migration"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_is_an_outage() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("postgres://alice:hunter2@localhost/db?host={}", directory.path().display());
    let error = PostgresStore::connect(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_can_open_an_empty_database_at_once() {
    for _ in 0..3 {
        let database = Database::new().await;
        let opens = (0..10).map(|_| {
            let url = database.url();
            tokio::spawn(async move { PostgresStore::connect(&url).await.unwrap() })
        });
        for (number, store) in (0..).zip(join_all(opens).await) {
            store.unwrap().insert(&record(number)).await.unwrap();
        }
        let page = connect(&database).await.list(&TokenQuery::default()).await.unwrap();
        assert_eq!(page.total, 10);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_of_its_own_is_enough() {
    let database = Database::new().await;
    database.execute("CREATE SCHEMA one; CREATE SCHEMA two").await.unwrap();
    let url = |schema| with(&database.url(), &format!("options=-c%20search_path%3D{schema}"));
    let one = PostgresStore::connect(&url("one")).await.unwrap();
    let two = PostgresStore::connect(&url("two")).await.unwrap();
    one.insert(&record(1)).await.unwrap();
    assert!(one.find(&id(1)).await.unwrap().is_some());
    assert!(two.find(&id(1)).await.unwrap().is_none());
    assert_eq!(two.list(&TokenQuery::default()).await.unwrap().total, 0);
}

/// How many sessions of the store have a transaction open.
async fn open_transactions(database: &Database) -> i64 {
    let mut connection = database.connection().await;
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()
             AND state LIKE 'idle in transaction%'",
        database.name()
    );
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut connection).await.unwrap()
}

/// Until it holds, or for too long.
async fn until<F: Future<Output = bool>>(mut holds: impl FnMut() -> F) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < SOON, "it never came to hold");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_given_up_leave_nothing_open() {
    let database = Database::new().await;
    let store = PostgresStore::builder(database.url()).max_connections(2).connect().await.unwrap();
    store.insert(&record(1_000)).await.unwrap();
    for number in 0..60 {
        let mut child = record(number);
        child.parent = Some(id(1_000));
        // Given up at another point each time.
        let patience = Duration::from_micros(100 * number);
        let _ = timeout(patience, store.insert(&child)).await;
        let _ = timeout(patience, store.list(&TokenQuery::default())).await;
        let _ = timeout(patience, store.find(&id(1_000))).await;
        // Also on what was given up, everything is whole and nothing is in the way.
        let page = store.list(&TokenQuery::default().page(0, 100)).await.unwrap();
        assert_eq!(page.total, page.tokens.len() as u64);
    }
    until(async || open_transactions(&database).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_that_somebody_keeps_is_an_outage_and_no_hang() {
    let database = Database::new().await;
    let store = PostgresStore::builder(database.url())
        .statement_timeout(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    store.insert(&record(1)).await.unwrap();
    let mut other = database.connection().await;
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE tokens").execute(&mut *transaction).await.unwrap();
    let found = timeout(SOON, store.find(&id(1))).await.unwrap();
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    let revoked = timeout(SOON, store.revoke(&id(1), &user("bob"), at(200))).await.unwrap();
    assert!(matches!(revoked, Err(StoreError::Unavailable(_))), "{revoked:?}");
    transaction.rollback().await.unwrap();
    assert!(store.find(&id(1)).await.unwrap().unwrap().revoked.is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_full_is_an_outage_and_no_hang() {
    let database = Database::new().await;
    let store = PostgresStore::builder(database.url())
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(200))
        .connect()
        .await
        .unwrap();
    store.insert(&record(1)).await.unwrap();
    let mut other = database.connection().await;
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE tokens").execute(&mut *transaction).await.unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.find(&id(1)).await }
    });
    until(async || {
        let sql = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted";
        let mut connection = database.connection().await;
        sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut connection).await.unwrap()
    })
    .await;
    let found = timeout(SOON, store.find(&id(1))).await.unwrap();
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    transaction.rollback().await.unwrap();
    assert!(waiting.await.unwrap().unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_ended_are_replaced() {
    let database = Database::new().await;
    let store = connect(&database).await;
    store.insert(&record(1)).await.unwrap();
    database.disconnect_all().await;
    // Each that is left in the pool may be tried once.
    until(async || store.find(&id(1)).await.is_ok()).await;
    assert!(store.revoke(&id(1), &user("bob"), at(200)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_waits_for_who_makes_a_token_with_what_it_covers() {
    let database = Database::new().await;
    let store = connect(&database).await;
    store.insert(&record(1)).await.unwrap();
    // Holds up who inserts, after it has looked at its parent.
    let mut other = database.connection().await;
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("LOCK TABLE token_deltas").execute(&mut *transaction).await.unwrap();
    let inserting = tokio::spawn({
        let store = store.clone();
        let mut child = record(2);
        child.created_at = at(300);
        child.parent = Some(id(1));
        async move { store.insert(&child).await }
    });
    until(async || {
        let sql = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted";
        let mut connection = database.connection().await;
        sqlx::query_scalar::<_, bool>(sql).fetch_one(&mut connection).await.unwrap()
    })
    .await;
    let rule = RevocationRule { scope: RuleScope::All, issued_before: at(200), by: user("bob") };
    let mut ruling = tokio::spawn({
        let store = store.clone();
        async move { store.add_rule(&rule).await }
    });
    assert!(timeout(Duration::from_millis(200), &mut ruling).await.is_err());
    transaction.rollback().await.unwrap();
    inserting.await.unwrap().unwrap();
    ruling.await.unwrap().unwrap();
    // It was there before the rule, and ended with it.
    assert!(store.find(&id(2)).await.unwrap().unwrap().revoked.is_some());
    let mut late = record(3);
    late.parent = Some(id(1));
    let refused = store.insert(&late).await;
    assert!(matches!(refused, Err(StoreError::ParentRevoked)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn minting_does_not_wait_for_who_mints_for_the_same() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let mut other = database.connection().await;
    // A token of the same owner and actor that another node has not committed yet.
    let mut transaction = other.begin().await.unwrap();
    let sql = "INSERT INTO tokens (id, name, actor, owner, created_at)
        VALUES (decode(repeat('ab', 32), 'hex'), 'a', 'urn:li:corpuser:alice',
            'urn:li:corpuser:alice', 1)";
    sqlx::query(sql).execute(&mut *transaction).await.unwrap();
    timeout(SOON, store.insert(&record(1))).await.unwrap().unwrap();
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 1);
    transaction.commit().await.unwrap();
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_are_right_before_and_after_they_are_folded() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let many: Vec<_> = (0..1_500)
        .map(|number| {
            let mut record = record(number);
            record.expires_at =
                (number % 3 != 0).then(|| at(1_000 * i64::try_from(number).unwrap()));
            record.owner = user(if number % 2 == 0 { "alice" } else { "bob" });
            record
        })
        .collect();
    let check = async |gone: u64| {
        let filter = TokenFilter::Owner(vec![user("bob")]);
        for (filters, matching) in [
            (vec![], many.len() as u64),
            (vec![filter.clone()], 750),
            (vec![filter, TokenFilter::EndsBefore(at(600_000))], 200),
        ] {
            let query = filters.into_iter().fold(TokenQuery::default(), TokenQuery::filter);
            let expected = if query.filters.len() == 2 { matching } else { matching - gone };
            assert_eq!(store.list(&query).await.unwrap().total, expected, "{query:?}");
        }
    };
    // One by one, so that there is one row for each.
    for record in &many[..1_200] {
        store.insert(record).await.unwrap();
    }
    store.import(&many[1_200..]).await.unwrap();
    check(0).await;
    // What was too much to look through has been moved.
    let sql = "SELECT count(*) FROM token_deltas";
    let mut connection = database.connection().await;
    let left: i64 = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    assert!(left < 1_000, "{left}");
    check(0).await;
    // Without end, and bob's.
    assert!(store.revoke(&id(3), &user("bob"), at(200)).await.unwrap());
    check(1).await;
    store.sweep(at(201), &Retention::default()).await.unwrap();
    check(1).await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM token_deltas")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(kept, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_that_two_nodes_note_of_the_same_tokens_do_not_hold_each_other_up() {
    let database = Database::new().await;
    let stores = [connect(&database).await, connect(&database).await];
    let many: Vec<_> = (0..300).map(record).collect();
    stores[0].import(&many).await.unwrap();
    let used = |seconds| LastUse { at: at(seconds), address: None, agent: None };
    let noting = (0..16).map(|round: i64| {
        let store = stores[usize::try_from(round % 2).unwrap()].clone();
        let mut uses: Vec<_> = (0..300).map(|number| (id(number), used(200 + round))).collect();
        if round % 3 == 0 {
            uses.reverse();
        }
        tokio::spawn(async move { store.record_uses(&uses).await })
    });
    for noted in timeout(SOON, join_all(noting)).await.unwrap() {
        noted.unwrap().unwrap();
    }
    let found = stores[0].find(&id(7)).await.unwrap().unwrap();
    assert_eq!(found.last_used, Some(used(215)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_any_length_is_kept_and_listed_in_order() {
    let database = Database::new().await;
    let store = connect(&database).await;
    // Nothing that shrinks: an index takes no more than a third of a page.
    let noise = |seed: u32| -> String {
        let mut state = seed;
        (0..20_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                char::from(b'a' + u8::try_from(state >> 24).unwrap() % 26)
            })
            .collect()
    };
    let start = noise(1);
    let names =
        [format!("{start}a"), format!("{start}b"), start.clone(), "b".repeat(200), "b".repeat(300)];
    for (number, name) in (0..).zip(&names) {
        let mut record = record(number);
        record.name = name.clone();
        store.insert(&record).await.unwrap();
    }
    let mut sorted = names.to_vec();
    sorted.sort();
    let query = TokenQuery::default().ascending(TokenSort::Name);
    for (start, name) in (0..).zip(&sorted) {
        let page = store.list(&query.clone().page(start, 1)).await.unwrap();
        assert_eq!(page.tokens[0].name, *name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_with_a_token_keeps_it_from_being_forgotten() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let mut parent = record(1);
    parent.token_type = Some(TokenType::Personal);
    store.insert(&parent).await.unwrap();
    store.revoke(&id(1), &user("bob"), at(200)).await.unwrap();
    // As an import that ended before it had marked what it brought, just after a sweep had looked.
    let mut child = record(2);
    child.parent = Some(id(1));
    store.import(&[child]).await.unwrap();
    let unmark = "UPDATE tokens SET revoked_at = NULL, revoked_by = NULL WHERE parent IS NOT NULL;
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN IF NEW.parent IS NULL THEN RETURN NEW; END IF; RETURN NULL; END';
        CREATE TRIGGER keep BEFORE UPDATE ON tokens FOR EACH ROW EXECUTE FUNCTION keep()";
    database.execute(unmark).await.unwrap();
    let late = at(200 + 500 * 86_400);
    assert_eq!(store.sweep(late, &Retention::default()).await.unwrap(), 0);
    assert!(store.find(&id(1)).await.unwrap().is_some());
    database.execute("DROP TRIGGER keep ON tokens").await.unwrap();
    assert_eq!(store.sweep(late, &Retention::default()).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_outlives_the_crash_of_a_server_that_is_set_so() {
    let server = crate::postgres::Server::start(&["--durable"]);
    let database = Database::on(&server).await;
    let store = connect(&database).await;
    let mut cursor = store.head().await.unwrap();
    for number in 0..20 {
        store.insert(&record(number)).await.unwrap();
        assert!(store.revoke(&id(number), &user("bob"), at(200)).await.unwrap());
    }
    server.kill();
    assert!(store.find(&id(1)).await.is_err());
    server.start_again();
    until(async || store.find(&id(1)).await.is_ok()).await;
    for number in 0..20 {
        assert!(store.find(&id(number)).await.unwrap().unwrap().revoked.is_some(), "{number}");
    }
    // Also what was announced; a new connection is a gap. The old one is noticed first.
    until(async || store.since(&cursor).await.is_ok()).await;
    let batch = store.since(&cursor).await.unwrap();
    assert!(batch.gap);
    cursor = batch.next;
    store.insert(&record(30)).await.unwrap();
    store.revoke(&id(30), &user("bob"), at(200)).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(30))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_frozen_is_an_outage_and_no_hang() {
    let server = crate::postgres::Server::start(&[]);
    let database = Database::on(&server).await;
    let store = PostgresStore::builder(database.url())
        .max_connections(2)
        .acquire_timeout(Duration::from_millis(300))
        .statement_timeout(Duration::from_millis(300))
        .connect()
        .await
        .unwrap();
    store.insert(&record(1)).await.unwrap();
    server.stop();
    let begun = Instant::now();
    let (found, revoked, inserted, listed) = tokio::join!(
        async { store.find(&id(1)).await },
        async { store.revoke(&id(1), &user("bob"), at(200)).await },
        async { store.insert(&record(2)).await },
        async { store.list(&TokenQuery::default()).await },
    );
    let profile = store.profile(&user("alice")).await;
    let took = begun.elapsed();
    server.go_on();
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(matches!(found, Err(StoreError::Unavailable(_))), "{found:?}");
    assert!(matches!(revoked, Err(StoreError::Unavailable(_))), "{revoked:?}");
    assert!(matches!(inserted, Err(StoreError::Unavailable(_))), "{inserted:?}");
    assert!(matches!(listed, Err(StoreError::Unavailable(_))), "{listed:?}");
    assert!(matches!(profile, Err(StoreError::Unavailable(_))), "{profile:?}");
    until(async || store.find(&id(1)).await.is_ok()).await;
    until(async || open_transactions(&database).await == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_waits_for_a_standby_that_is_gone_is_an_outage_and_no_hang() {
    let server = crate::postgres::Server::start(&["--durable"]);
    let database = Database::on(&server).await;
    let store = PostgresStore::builder(database.url())
        .acquire_timeout(Duration::from_millis(300))
        .statement_timeout(Duration::from_millis(300))
        .connect()
        .await
        .unwrap();
    store.insert(&record(1)).await.unwrap();
    let standby = "ALTER SYSTEM SET synchronous_standby_names = 'nobody'";
    execute(server.url(), standby).await.unwrap();
    execute(server.url(), "SELECT pg_reload_conf()").await.unwrap();
    // Once the server has read it.
    until(async || {
        let revoked = timeout(SOON, store.revoke(&id(1), &user("bob"), at(200))).await.unwrap();
        matches!(revoked, Err(StoreError::Unavailable(_))) || {
            store.insert(&record(1)).await.ok();
            execute(
                &database.url(),
                "SET synchronous_commit = local; UPDATE tokens SET \
                revoked_at = NULL, revoked_by = NULL",
            )
            .await
            .unwrap();
            false
        }
    })
    .await;
    // Else the server would wait for it at its end, too.
    execute(server.url(), "ALTER SYSTEM RESET synchronous_standby_names").await.unwrap();
    execute(server.url(), "SELECT pg_reload_conf()").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_urn_that_is_too_long_is_refused_and_harms_nothing() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let noise: String = (0..1_500_u32)
        .map(|n| char::from(b'a' + u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap() % 26))
        .collect();
    let mut long = record(1);
    long.owner = user(&noise);
    long.actor = long.owner.clone();
    assert!(matches!(store.insert(&long).await, Err(StoreError::Invalid(_))));
    assert!(matches!(store.import(&[record(2), long]).await, Err(StoreError::Invalid(_))));
    let mut longest = record(3);
    longest.owner = user(&noise[..1_000 - "urn:li:corpuser:".len()]);
    longest.actor = longest.owner.clone();
    store.insert(&longest).await.unwrap();
    assert_eq!(store.sweep(at(300), &Retention::default()).await.unwrap(), 0);
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_are_kept_whatever_the_search_path_of_who_writes() {
    let database = Database::new().await;
    let store = connect(&database).await;
    store.insert(&record(1)).await.unwrap();
    let restored = "SET search_path = ''; DELETE FROM public.tokens";
    database.execute(restored).await.unwrap();
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_made_while_many_are_imported() {
    let database = Database::new().await;
    let store = connect(&database).await;
    // Holds the import up at its first record.
    let mut other = database.connection().await;
    let mut transaction = other.begin().await.unwrap();
    let sql = "INSERT INTO tokens (id, name, actor, owner, created_at)
        VALUES (decode(lpad('64', 64, '0'), 'hex'), 'a', 'urn:li:corpuser:alice',
            'urn:li:corpuser:alice', 1)";
    sqlx::query(sql).execute(&mut *transaction).await.unwrap();
    let mut importing = tokio::spawn({
        let store = store.clone();
        let many: Vec<_> = (100..200).map(record).collect();
        async move { store.import(&many).await }
    });
    assert!(timeout(Duration::from_millis(300), &mut importing).await.is_err());
    timeout(SOON, store.insert(&record(1))).await.unwrap().unwrap();
    // Also one that names what is being imported, which is told when that is there.
    let cursor = store.head().await.unwrap();
    let mut child = record(2);
    child.parent = Some(id(150));
    timeout(SOON, store.insert(&child)).await.unwrap().unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(importing.await.unwrap().unwrap(), 100);
    let mut cursor = cursor;
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(150))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_in_recovery_is_refused() {
    // It takes a server of its own, which is told that it is a standby.
    let server = crate::postgres::Server::start(&[]);
    let mut connection = PgConnection::connect(server.url()).await.unwrap();
    let folder: String =
        sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    server.kill();
    std::fs::write(format!("{folder}/standby.signal"), "").unwrap();
    server.start_again();
    assert!(execute(server.url(), "SELECT 1").await.is_ok());
    assert!(refusal(server.url()).await.contains("standby"));
}
