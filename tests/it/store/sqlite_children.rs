//! What SQLite does about very many tokens that were made with one, and what is left of that.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::tempdir;
use tower_pat::{
    backend::StoreError,
    store::SqliteStore,
    token::{KeyId, RevocationRule, RuleScope, TokenRecord},
    token_service::{Retention, TokenLookup, TokenQuery, TokenStore},
};

use super::{at, id, record, user};

fn child(number: u64, parent: u64) -> TokenRecord {
    let mut record = record(number);
    record.parent = Some(id(parent));
    record
}

fn key() -> KeyId {
    "0123456789abcdef".parse().unwrap()
}

/// As if the process had ended before it marked any.
async fn unmark_children(path: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
    let sql = "UPDATE tokens SET revoked_at = NULL, revoked_by = NULL WHERE parent IS NOT NULL";
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut raw).await.unwrap();
    raw.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_write_while_very_many_are_marked() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (here, there) =
        (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    const CHILDREN: u64 = 20_000;
    let records: Vec<_> =
        std::iter::once(record(0)).chain((1..=CHILDREN).map(|n| child(n, 0))).collect();
    assert_eq!(here.import(&records).await.unwrap(), CHILDREN + 1);
    let begun = Instant::now();
    let revoking = tokio::spawn({
        let there = there.clone();
        async move { there.revoke(&id(0), &user("bob"), at(200)).await }
    });
    while here.find(&id(0)).await.unwrap().unwrap().revoked.is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!revoking.is_finished() && begun.elapsed() < Duration::from_secs(1));
    let mut written = 0;
    while !revoking.is_finished() {
        written += 1;
        // One of another process, and one that stands in line with what is marked.
        here.insert(&record(CHILDREN + 2 * written)).await.unwrap();
        there.insert(&record(CHILDREN + 2 * written + 1)).await.unwrap();
    }
    assert!(revoking.await.unwrap().unwrap());
    // Half of the time is theirs. If all were marked at once, they would get to write once or so.
    assert!(written > 20, "others had to wait until all was done");
    let page = here.list(&TokenQuery::default()).await.unwrap();
    assert_eq!(page.total, 2 * written);
    here.close().await;
    there.close().await;
}

#[tokio::test]
async fn what_was_left_is_marked_by_a_sweep_and_mints_nothing() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    let mut session = record(10);
    session.token_type = Some(tower_pat::token::TokenType::Session);
    let mut covered = record(20);
    covered.key_id = Some(key());
    covered.created_at = at(90);
    let mut also_covered = child(21, 20);
    also_covered.key_id = Some(key());
    also_covered.created_at = at(90);
    let records = [
        record(1),
        child(2, 1),
        child(3, 2),
        session,
        child(11, 10),
        covered,
        also_covered,
        child(22, 20),
        child(23, 21),
        record(30),
        child(31, 30),
    ];
    assert_eq!(store.import(&records).await.unwrap(), records.len() as u64);
    for number in [1, 10] {
        store.revoke(&id(number), &user("bob"), at(200)).await.unwrap();
    }
    let by = user("admin");
    let rule = RevocationRule { scope: RuleScope::Key(key()), issued_before: at(95), by };
    store.add_rule(&rule).await.unwrap();
    unmark_children(&path).await;

    for (parent, is_refused) in [(3, true), (11, false), (22, true), (23, true), (31, false)] {
        let made = store.insert(&child(100 + parent, parent)).await;
        assert_eq!(
            matches!(made, Err(StoreError::ParentRevoked)),
            is_refused,
            "{parent}: {made:?}"
        );
    }
    // Also if the sweep deletes what they were made with.
    let mut retention = Retention::default();
    retention.revoked = Duration::ZERO;
    store.sweep(at(200), &retention).await.unwrap();
    assert_eq!(store.find(&id(1)).await.unwrap(), None);
    for (number, is_marked) in
        [(2, true), (3, true), (11, false), (21, true), (22, true), (23, true), (31, false)]
    {
        // What was marked is gone with the parent, or with the rule that covers it.
        let found = store.find(&id(number)).await.unwrap();
        let is_good = found.is_some_and(|record| record.revoked.is_none());
        assert_eq!(is_good, !is_marked, "{number}");
    }
    let listed = store.list(&TokenQuery::default().page(0, 100)).await.unwrap();
    assert_eq!(listed.total, 5, "{listed:?}");
}

#[tokio::test]
async fn revoking_again_marks_what_was_left() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("store.db");
    let store = SqliteStore::open(&path).await.unwrap();
    store.import(&[record(1), child(2, 1), child(3, 2)]).await.unwrap();
    assert!(store.revoke(&id(1), &user("bob"), at(200)).await.unwrap());
    unmark_children(&path).await;
    assert!(!store.revoke(&id(1), &user("carol"), at(300)).await.unwrap());
    for number in 2..=3 {
        let revoked = store.find(&id(number)).await.unwrap().unwrap().revoked.unwrap();
        assert_eq!((revoked.at, revoked.by), (at(200), user("bob")));
    }
}
