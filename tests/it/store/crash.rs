//! What was answered outlives `kill -9`.

use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tower_pat::{
    feed::{Change, ChangeFeed},
    store::SqliteStore,
    token_service::{TokenLookup, TokenStore},
};

use super::{at, id, read, record, user};

const PATH: &str = "TOWER_PAT_CRASH_TEST_PATH";
const FIRST: &str = "TOWER_PAT_CRASH_TEST_FIRST";
const ROUNDS: u64 = 30;

/// Not a test by itself: the process that is killed.
#[tokio::test]
async fn writer_that_will_be_killed() {
    let Ok(path) = std::env::var(PATH) else { return };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let store = SqliteStore::open(path).await.unwrap();
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

#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let start = store.head().await.unwrap();
    store.close().await;

    let mut inserted = BTreeSet::new();
    let mut revoked = BTreeSet::new();
    for round in 0..ROUNDS {
        for line in run_and_kill(&path, round) {
            // The last line may be half a line, or the test's own.
            let Some((what, number)) = line.split_once(' ') else { continue };
            match (what, number.parse::<u64>()) {
                ("I", Ok(number)) => inserted.insert(number),
                ("R", Ok(number)) => revoked.insert(number),
                _ => continue,
            };
        }
        let store = SqliteStore::open(&path).await.unwrap();
        check_integrity(&path).await;
        for number in &inserted {
            let found = store.find(&id(*number)).await.unwrap();
            let found = found.unwrap_or_else(|| panic!("{number} is lost"));
            assert!(found.revoked.is_some() || !revoked.contains(number), "{number} came back");
        }
        let mut announced = BTreeSet::new();
        for change in read(&store, &mut start.clone()).await {
            let Change::Token(id) = change else { panic!("{change:?}") };
            assert!(store.find(&id).await.unwrap().unwrap().revoked.is_some());
            assert!(announced.insert(id), "announced twice");
        }
        for number in &inserted {
            let found = store.find(&id(*number)).await.unwrap().unwrap();
            let is_announced = announced.contains(&id(*number));
            assert_eq!(found.revoked.is_some(), is_announced, "{number} is half revoked");
        }
        store.close().await;
    }
    assert!(inserted.len() as u64 > ROUNDS && revoked.len() as u64 > ROUNDS / 2);
}

/// What the writer said before it was killed, at another moment in every round.
fn run_and_kill(path: &Path, round: u64) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::crash::writer_that_will_be_killed", "--nocapture"])
        .env(PATH, path)
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

async fn check_integrity(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    let answer: String =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, "ok");
    connection.close().await.unwrap();
}
