//! What a feed on PostgreSQL must cope with: transactions that commit late and out of order, lost
//! connections, and rows that go.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::{
    runtime::Handle,
    task::block_in_place,
    time::{sleep, timeout},
};
use tower_pat::{
    actor::{Directory, DirectoryStore},
    backend::StoreError,
    feed::{Change, ChangeFeed, FeedCursor},
    store::PostgresStore,
    token_service::{Retention, TokenStore},
};

use super::{SOON, at, read, user};
use crate::postgres::Database;

async fn connect(database: &Database) -> PostgresStore {
    PostgresStore::connect(&database.url()).await.unwrap()
}

/// Somebody who announces changes and commits when it pleases them.
struct Writer(PgConnection);

impl Writer {
    async fn new(database: &Database) -> Self {
        Self(database.connection().await)
    }

    async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut self.0).await.unwrap();
    }

    async fn announce(&mut self, name: &str) {
        self.run(&format!(
            "INSERT INTO changes (kind, subject) VALUES ('actor', 'urn:li:corpuser:{name}')"
        ))
        .await;
    }

    async fn begin(database: &Database, name: &str) -> Self {
        let mut writer = Self::new(database).await;
        writer.run("BEGIN").await;
        writer.announce(name).await;
        writer
    }
}

/// What was announced, by name.
async fn names(store: &PostgresStore, cursor: &mut FeedCursor) -> Vec<String> {
    let changes = read(store, cursor).await.into_iter();
    changes
        .map(|change| match change {
            Change::Actor(urn) => urn.key().to_owned(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn what_commits_late_is_read_late_and_holds_nothing_up() {
    let (database, elsewhere) = (Database::new().await, Database::new().await);
    let store = connect(&database).await;
    let mut cursor = store.head().await.unwrap();
    // In another database of the same server, for as long as this test.
    let mut other = Writer::new(&elsewhere).await;
    other.run("BEGIN; CREATE TABLE anything (id BIGINT)").await;

    let mut first = Writer::begin(&database, "first").await;
    let mut second = Writer::begin(&database, "second").await;
    let mut third = Writer::begin(&database, "third").await;
    assert!(names(&store, &mut cursor).await.is_empty());
    third.run("COMMIT").await;
    assert_eq!(names(&store, &mut cursor).await, ["third"]);
    assert!(names(&store, &mut cursor).await.is_empty());
    // Begun before both that are open, and after one that was read.
    let mut fourth = Writer::begin(&database, "fourth").await;
    fourth.run("COMMIT").await;
    first.run("COMMIT").await;
    assert_eq!(names(&store, &mut cursor).await, ["first", "fourth"]);
    second.announce("second too").await;
    assert!(names(&store, &mut cursor).await.is_empty());
    second.run("COMMIT").await;
    assert_eq!(names(&store, &mut cursor).await, ["second", "second too"]);
    assert!(names(&store, &mut cursor).await.is_empty());
    other.run("ROLLBACK").await;
    assert!(names(&store, &mut cursor).await.is_empty());
}

#[tokio::test]
async fn what_is_rolled_back_is_never_read() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let mut cursor = store.head().await.unwrap();
    let mut writer = Writer::begin(&database, "undone").await;
    let mut half = Writer::begin(&database, "kept").await;
    half.run("SAVEPOINT here").await;
    half.announce("taken back").await;
    half.run("ROLLBACK TO here").await;
    half.run("SAVEPOINT here").await;
    half.announce("kept, too").await;
    assert!(names(&store, &mut cursor).await.is_empty());
    writer.run("ROLLBACK").await;
    half.run("COMMIT").await;
    let mut killed = Writer::begin(&database, "killed").await;
    assert!(names(&store, &mut cursor).await == ["kept", "kept, too"]);
    assert_eq!(database.disconnect("state = 'idle in transaction'").await, 1);
    assert!(sqlx::raw_sql("COMMIT").execute(&mut killed.0).await.is_err());
    assert!(names(&store, &mut cursor).await.is_empty());
}

#[derive(Debug, Clone)]
enum Step {
    Announce(usize),
    Savepoint(usize),
    Commit(usize),
    RollBack(usize),
    Read(usize),
    Sweep,
}

/// Writers in transactions, in this database and in another, and readers who read now and then: each
/// reader reads what was committed, once, and in the first read that begins after it was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_committed_is_read_once_by_everybody() {
    const WRITERS: usize = 4;
    const READERS: usize = 2;
    let runtime = Handle::current();
    let (database, elsewhere) = (Database::new().await, Database::new().await);
    let store = connect(&database).await;
    elsewhere.execute("CREATE TABLE changes (kind TEXT, subject TEXT)").await.unwrap();
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let steps = vec(
        prop_oneof![
            5 => (0..WRITERS).prop_map(Step::Announce),
            1 => (0..WRITERS).prop_map(Step::Savepoint),
            3 => (0..WRITERS).prop_map(Step::Commit),
            1 => (0..WRITERS).prop_map(Step::RollBack),
            4 => (0..READERS).prop_map(Step::Read),
            1 => Just(Step::Sweep),
        ],
        1..40,
    );
    block_in_place(|| {
        runner.run(&steps, |steps| {
            runtime.block_on(async {
                let mut writers = Vec::new();
                for number in 0..WRITERS {
                    // The last one is not of here, and none of its business is.
                    let is_here = number + 1 < WRITERS;
                    let database = if is_here { &database } else { &elsewhere };
                    let mut writer = Writer::new(database).await;
                    writer.run("BEGIN").await;
                    writers.push((writer, is_here, Vec::new()));
                }
                let start = store.head().await.unwrap();
                let mut cursors = vec![start; READERS];
                let mut unread = vec![Vec::<String>::new(); READERS];
                let last = (0..READERS).map(Step::Read);
                let steps = steps.into_iter().chain((0..WRITERS).map(Step::Commit)).chain(last);
                for (number, step) in steps.enumerate() {
                    match step {
                        Step::Announce(writer) => {
                            let (writer, _, announced) = &mut writers[writer];
                            writer.announce(&number.to_string()).await;
                            announced.push(number.to_string());
                        }
                        Step::Savepoint(writer) => writers[writer].0.run("SAVEPOINT here").await,
                        Step::Commit(writer) => {
                            let (writer, is_here, announced) = &mut writers[writer];
                            writer.run("COMMIT; BEGIN").await;
                            let committed = std::mem::take(announced);
                            for unread in unread.iter_mut().filter(|_| *is_here) {
                                unread.extend(committed.iter().cloned());
                            }
                        }
                        Step::RollBack(writer) => {
                            let (writer, _, announced) = &mut writers[writer];
                            writer.run("ROLLBACK; BEGIN").await;
                            announced.clear();
                        }
                        Step::Read(reader) => {
                            let mut read = names(&store, &mut cursors[reader]).await;
                            let mut expected = std::mem::take(&mut unread[reader]);
                            read.sort();
                            expected.sort();
                            prop_assert_eq!(read, expected);
                        }
                        // Long before anything is old enough.
                        Step::Sweep => {
                            store.sweep(at(100), &Retention::default()).await.unwrap();
                        }
                    }
                }
                for (writer, ..) in writers {
                    writer.0.close().await.unwrap();
                }
                Ok(())
            })
        })
    })
    .unwrap();
}

/// That reads the feed, whatever it does just now.
const READER: &str = "query LIKE '%pg_current_snapshot%'";
const LISTENER: &str = "query LIKE 'LISTEN%'";

#[tokio::test]
async fn a_new_connection_is_a_gap_and_has_what_there_is() {
    let database = Database::new().await;
    let (store, other) = (connect(&database).await, connect(&database).await);
    let mut cursor = store.head().await.unwrap();
    store.create_user(&user("alice")).await.unwrap();
    assert_eq!(database.disconnect(READER).await, 1);
    // Noticed by a read that fails, and not before.
    let lost = store.since(&cursor).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    let batch = store.since(&cursor).await.unwrap();
    assert!(batch.gap);
    assert_eq!(batch.changes, [Change::Actor(user("alice"))]);
    cursor = batch.next;
    assert_eq!(read(&store, &mut cursor).await, []);
    store.create_user(&user("bob")).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("bob"))]);
    // Another reader of the same database is another connection, too.
    assert!(other.since(&cursor).await.unwrap().gap);
}

#[tokio::test]
async fn a_read_that_is_given_up_costs_the_connection_and_nothing_else() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let cursor = store.head().await.unwrap();
    let mut blocking = Writer::new(&database).await;
    blocking.run("BEGIN; LOCK TABLE changes").await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        assert!(timeout(Duration::from_millis(100), store.since(&cursor)).await.is_err());
    }
    // The server goes on with each for a while, and not for ever.
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = '{}' AND pid <> pg_backend_pid() AND {READER}",
        database.name()
    );
    let mut watching = database.connection().await;
    let waiting: i64 =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut watching).await.unwrap();
    assert!((1..30).contains(&waiting), "{waiting} reads are waiting");
    blocking.run("ROLLBACK").await;
    store.create_user(&user("alice")).await.unwrap();
    let batch = store.since(&cursor).await.unwrap();
    assert!(batch.gap && batch.changes == [Change::Actor(user("alice"))]);
}

#[tokio::test]
async fn a_full_pool_does_not_make_the_feed_late() {
    let database = Database::new().await;
    let store = PostgresStore::builder(database.url()).max_connections(2).connect().await.unwrap();
    let mut cursor = store.head().await.unwrap();
    let mut blocking = Writer::new(&database).await;
    blocking.run("BEGIN; LOCK TABLE users").await;
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.profile(&user("alice")).await })
        })
        .collect();
    let mut writer = Writer::new(&database).await;
    for number in 0..20 {
        writer.announce(&number.to_string()).await;
        let reading = timeout(Duration::from_secs(1), names(&store, &mut cursor));
        assert_eq!(reading.await.unwrap(), [number.to_string()]);
    }
    assert!(asking.iter().all(|asking| !asking.is_finished()));
    blocking.run("ROLLBACK").await;
    for asking in asking {
        assert_eq!(asking.await.unwrap().unwrap(), None);
    }
}

#[tokio::test]
async fn a_change_elsewhere_wakes_also_after_the_listener_was_lost() {
    let database = Database::new().await;
    let (here, there) = (connect(&database).await, connect(&database).await);
    let mut name = 0;
    for _ in 0..2 {
        // When it listens, it wakes by itself, for what it may have missed.
        timeout(SOON, here.woken()).await.unwrap();
        let mut woken = here.woken();
        assert!((&mut woken).now_or_never().is_none());
        name += 1;
        there.create_user(&user(&name.to_string())).await.unwrap();
        timeout(SOON, woken).await.unwrap();
        assert_eq!(database.disconnect(LISTENER).await, 1);
        // What is not told is read all the same.
        let mut cursor = here.head().await.unwrap();
        there.create_user(&user(&format!("{name} unheard"))).await.unwrap();
        assert_eq!(names(&here, &mut cursor).await, [format!("{name} unheard")]);
    }
}

#[tokio::test]
async fn the_last_clone_takes_its_connections_with_it() {
    let database = Database::new().await;
    let mut watching = database.connection().await;
    let mut connections = async || -> i64 {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = '{}' AND pid <> pg_backend_pid()",
            database.name()
        );
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut watching).await.unwrap()
    };
    for is_closed in [false, true] {
        let store = connect(&database).await;
        let clone = store.clone();
        let cursor = store.head().await.unwrap();
        timeout(SOON, store.woken()).await.unwrap();
        clone.profile(&user("alice")).await.unwrap();
        drop(store);
        assert!(connections().await >= 3);
        if is_closed {
            clone.close().await;
            let closed = clone.since(&cursor).await;
            assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
            assert!(clone.woken().now_or_never().is_none());
        }
        drop(clone);
        let begun = Instant::now();
        while connections().await > 0 {
            assert!(begun.elapsed() < SOON);
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn retention() -> Retention {
    let mut retention = Retention::default();
    retention.changes = Duration::from_secs(10);
    retention
}

#[tokio::test]
async fn trimming_breaks_no_reader_that_has_read_and_tells_one_that_has_not() {
    let (database, elsewhere) = (Database::new().await, Database::new().await);
    let store = connect(&database).await;
    let mut other = Writer::new(&elsewhere).await;
    other.run("BEGIN; CREATE TABLE anything (id BIGINT)").await;
    let slow = store.head().await.unwrap();
    let mut quick = slow.clone();
    // Open while others come, are read, and go.
    let mut late = Writer::begin(&database, "late").await;
    store.create_user(&user("alice")).await.unwrap();
    assert_eq!(names(&store, &mut quick).await, ["alice"]);
    assert_eq!(names(&store, &mut slow.clone()).await, ["alice"]);
    for now in [100, 200, 300] {
        store.sweep(at(now), &retention()).await.unwrap();
        assert!(names(&store, &mut quick).await.is_empty());
    }
    assert!(store.since(&slow).await.unwrap().gap);
    late.run("COMMIT").await;
    assert_eq!(names(&store, &mut quick.clone()).await, ["late"]);
    other.run("COMMIT").await;
    assert_eq!(names(&store, &mut quick.clone()).await, ["late"]);
    // Seen by a sweep, but kept until it is old enough.
    store.sweep(at(400), &retention()).await.unwrap();
    store.sweep(at(409), &retention()).await.unwrap();
    assert_eq!(names(&store, &mut quick.clone()).await, ["late"]);
    store.sweep(at(410), &retention()).await.unwrap();
    let batch = store.since(&quick).await.unwrap();
    assert!(batch.gap && batch.changes.is_empty());
    assert_eq!(names(&store, &mut batch.next.clone()).await, Vec::<String>::new());
}

#[tokio::test]
async fn sweeps_at_once_leave_the_feed_whole() {
    let database = Database::new().await;
    let stores = [connect(&database).await, connect(&database).await];
    let mut cursor = stores[0].head().await.unwrap();
    let mut none = retention();
    none.changes = Duration::ZERO;
    for round in 0..20 {
        let urn = user(&round.to_string());
        let (one, two, made) = tokio::join!(
            stores[0].sweep(at(100 + round), &none),
            stores[1].sweep(at(100 + round), &none),
            stores[1].create_user(&urn)
        );
        assert!(one.is_ok() && two.is_ok() && made.unwrap());
        let batch = stores[0].since(&cursor).await.unwrap();
        assert!(batch.gap || batch.changes == [Change::Actor(urn)], "{batch:?}");
        cursor = batch.next;
    }
}

#[tokio::test]
async fn a_backlog_that_takes_long_to_read_is_a_gap() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let add = async |count: u32| {
        let sql = format!(
            "INSERT INTO changes (kind, subject)
             SELECT 'policies', '' FROM generate_series(1, {count})"
        );
        database.execute(&sql).await.unwrap();
    };
    let start = store.head().await.unwrap();
    add(1_000).await;
    let whole = store.since(&start).await.unwrap();
    assert!(!whole.gap && whole.changes.len() == 1_000);
    add(1_001).await;
    let gap = store.since(&whole.next).await.unwrap();
    assert!(gap.gap && gap.changes.is_empty());
    // It goes on behind the gap, and misses nothing there.
    add(1).await;
    let next = store.since(&gap.next).await.unwrap();
    assert!(!next.gap && next.changes.len() == 1);
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_an_unknown_one() {
    let database = Database::new().await;
    let store = connect(&database).await;
    let mut cursor = store.head().await.unwrap();
    let strange = "INSERT INTO changes (kind, subject)
        VALUES ('lunar-phase', 'full'), ('token', '?'), ('actor', E'\\x01')";
    database.execute(strange).await.unwrap();
    let unknown = [Change::Unknown, Change::Unknown, Change::Unknown];
    assert_eq!(read(&store, &mut cursor).await, unknown);
}

#[tokio::test]
async fn a_database_from_a_server_that_was_further_on_is_read_as_any() {
    let database = Database::new().await;
    let store = connect(&database).await;
    store.create_user(&user("alice")).await.unwrap();
    // As `pg_restore` leaves it: the rows have the numbers of another server's transactions.
    database
        .execute(
            "UPDATE changes SET xid = '9000000000000', swept_at = 1, swept_by = '9000000000001';
             UPDATE feed_state SET trimmed_through = '8999999999999'",
        )
        .await
        .unwrap();
    let mut cursor = store.head().await.unwrap();
    for name in ["bob", "carol"] {
        assert!(names(&store, &mut cursor).await.is_empty());
        store.create_user(&user(name)).await.unwrap();
        assert_eq!(names(&store, &mut cursor).await, [name]);
    }
    // When they go, nobody can say who has read them; once.
    store.sweep(at(100), &retention()).await.unwrap();
    let batch = store.since(&cursor).await.unwrap();
    assert!(batch.gap);
    cursor = batch.next;
    store.create_user(&user("dave")).await.unwrap();
    assert_eq!(names(&store, &mut cursor).await, ["dave"]);
    store.sweep(at(200), &retention()).await.unwrap();
    assert!(names(&store, &mut cursor).await.is_empty());
}
