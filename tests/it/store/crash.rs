//! What was answered outlives `kill -9`.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tower_pat::{
    feed::{Change, FeedCursor},
    store::Store,
};

use super::{at, id, read, record, user};

const PLACE: &str = "TOWER_PAT_CRASH_TEST_PLACE";
const FIRST: &str = "TOWER_PAT_CRASH_TEST_FIRST";
const ROUNDS: u64 = 30;

/// Where the process that is killed writes, which is where no test runs.
fn place() -> Option<String> {
    std::env::var(PLACE).ok()
}

async fn write_until_killed(store: &impl Store) {
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    for number in first.. {
        store.insert(&record(number)).await.unwrap();
        say('I', number);
        if number % 2 == 0 {
            assert!(store.revoke(&id(number), &user("bob"), at(200)).await.unwrap());
            say('R', number);
        }
    }
}

fn say(what: char, number: u64) {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "\n{what} {number}").unwrap();
    stdout.flush().unwrap();
}

/// What those who were killed have been told.
#[derive(Default)]
struct Answered {
    inserted: BTreeSet<u64>,
    revoked: BTreeSet<u64>,
}

impl Answered {
    fn add(&mut self, lines: Vec<String>) {
        for line in lines {
            // The last line may be half a line, or the test's own.
            let Some((what, number)) = line.split_once(' ') else { continue };
            match (what, number.parse::<u64>()) {
                ("I", Ok(number)) => self.inserted.insert(number),
                ("R", Ok(number)) => self.revoked.insert(number),
                _ => continue,
            };
        }
    }

    async fn check(&self, store: &impl Store, start: &FeedCursor) {
        let mut announced = BTreeSet::new();
        for change in read(store, &mut start.clone()).await {
            let Change::Token(id) = change else { panic!("{change:?}") };
            assert!(store.find(&id).await.unwrap().unwrap().revoked.is_some());
            assert!(announced.insert(id), "announced twice");
        }
        for number in &self.inserted {
            let found = store.find(&id(*number)).await.unwrap();
            let found = found.unwrap_or_else(|| panic!("{number} is lost"));
            assert!(found.revoked.is_some() || !self.revoked.contains(number), "it came back");
            let is_announced = announced.contains(&id(*number));
            assert_eq!(found.revoked.is_some(), is_announced, "{number} is half revoked");
        }
    }

    fn is_enough(&self) -> bool {
        self.inserted.len() as u64 > ROUNDS && self.revoked.len() as u64 > ROUNDS / 2
    }
}

/// What the writer said before it was killed, at another moment in every round.
fn run_and_kill(writer: &str, place: &str, round: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", writer, "--nocapture"])
        .env(PLACE, place)
        .env(FIRST, (round * 1_000_000).to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    let wanted = usize::try_from(1 + round % 12).unwrap();
    while lines.len() < wanted {
        let mut line = String::new();
        assert!(output.read_line(&mut line).unwrap() > 0, "the writer ended by itself");
        if line.starts_with(['I', 'R']) {
            lines.push(line.trim_end().to_owned());
        }
    }
    // Into the next write, somewhere.
    thread::sleep(Duration::from_micros(round * 137 % 3_000));
    child.kill().unwrap();
    child.wait().unwrap();
    lines.extend(output.split(b'\n').map_while(|line| String::from_utf8(line.unwrap()).ok()));
    lines
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::path::Path;

    use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
    use tower_pat::{feed::ChangeFeed, store::SqliteStore};

    use super::*;

    /// Not a test by itself: the process that is killed.
    #[tokio::test]
    async fn writer_that_will_be_killed() {
        let Some(place) = place() else { return };
        write_until_killed(&SqliteStore::open(place).await.unwrap()).await;
    }

    #[tokio::test]
    async fn what_was_answered_outlives_a_kill() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.db");
        let store = SqliteStore::open(&path).await.unwrap();
        let start = store.head().await.unwrap();
        store.close().await;

        let mut answered = Answered::default();
        for round in 0..ROUNDS {
            let writer = "store::crash::sqlite::writer_that_will_be_killed";
            answered.add(run_and_kill(writer, path.to_str().unwrap(), round));
            let store = SqliteStore::open(&path).await.unwrap();
            check_integrity(&path).await;
            answered.check(&store, &start).await;
            store.close().await;
        }
        assert!(answered.is_enough());
    }

    async fn check_integrity(path: &Path) {
        let options = SqliteConnectOptions::new().filename(path);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        let answer: String =
            sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
        assert_eq!(answer, "ok");
        connection.close().await.unwrap();
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::PgConnection;
    use tokio::time::{sleep, timeout};
    use tower_pat::{feed::ChangeFeed, store::PostgresStore};

    use super::{super::SOON, *};
    use crate::postgres::Database;

    /// Not a test by itself: the process that is killed.
    #[tokio::test]
    async fn writer_that_will_be_killed() {
        let Some(place) = place() else { return };
        let store = PostgresStore::builder(place).application_name(KILLED).connect().await;
        write_until_killed(&store.unwrap()).await;
    }

    #[tokio::test]
    async fn what_was_answered_outlives_a_kill() {
        let database = Database::new().await;
        let store = PostgresStore::connect(&database.url()).await.unwrap();
        let start = store.head().await.unwrap();
        let mut watching = database.connection().await;
        let mut answered = Answered::default();
        for round in 0..ROUNDS {
            let writer = "store::crash::postgres::writer_that_will_be_killed";
            answered.add(run_and_kill(writer, &database.url(), round));
            // The server may be doing what it was asked for last.
            timeout(SOON, gone(&mut watching)).await.unwrap();
            answered.check(&store, &start).await;
        }
        assert!(answered.is_enough());
    }

    async fn gone(watching: &mut PgConnection) {
        let left = "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = $1 AND datname = current_database()";
        while sqlx::query_scalar::<_, i64>(left)
            .bind(KILLED)
            .fetch_one(&mut *watching)
            .await
            .unwrap()
            > 0
        {
            sleep(Duration::from_millis(1)).await;
        }
    }

    const KILLED: &str = "tower-pat-killed";
}
