use std::{fs, path::Path, time::Duration};

use futures_util::future::join_all;
use sqlx::{
    AssertSqlSafe, Connection, SqliteConnection, migrate::Migrator, sqlite::SqliteConnectOptions,
};
use tempfile::{TempDir, tempdir};
use tokio::time::timeout;
use tower_pat::{
    actor::{Directory, DirectoryStore, GroupKind, User, UserQuery},
    backend::StoreError,
    feed::{Change, ChangeFeed},
    policy::{PolicyRecord, PolicySource, PolicyStore},
    store::SqliteStore,
    token::{KeyId, LastUse, RevocationRule, RuleScope, TokenId},
    token_service::{Retention, RuleSubject, TokenFilter, TokenLookup, TokenQuery, TokenStore},
};

use super::{at, group, id, read, record, role, user};

fn directory() -> TempDir {
    tempdir().unwrap()
}

fn file(directory: &TempDir) -> std::path::PathBuf {
    directory.path().join("store.db")
}

async fn open(directory: &TempDir) -> SqliteStore {
    SqliteStore::open(file(directory)).await.unwrap()
}

async fn raw(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn execute(path: &Path, sql: &str) -> Result<(), sqlx::Error> {
    let mut connection = raw(path).await;
    let result = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
    connection.close().await?;
    result.map(|_| ())
}

fn key() -> KeyId {
    "0123456789abcdef".parse().unwrap()
}

/// Something in every table.
async fn fill(store: &SqliteStore) {
    let alice = user("alice");
    let mut full = record(1);
    full.key_id = Some(key());
    full.parent = Some(id(2));
    full.expires_at = Some(at(900));
    full.last_used = Some(LastUse { at: at(150), address: None, agent: None });
    store.insert(&full).await.unwrap();
    store.revoke(&id(1), &alice, at(200)).await.unwrap();
    store.insert(&record(2)).await.unwrap();
    for scope in [RuleScope::Actor(alice.clone()), RuleScope::Key(key())] {
        let rule = RevocationRule { scope, issued_before: at(50), by: alice.clone() };
        store.add_rule(&rule).await.unwrap();
    }
    store.create_user(&alice).await.unwrap();
    store.set_groups(&alice, GroupKind::Native, &[group("a")]).await.unwrap();
    store.set_roles(&alice, &[role("Reader")]).await.unwrap();
    let info = serde_json::json!({
        "displayName": "p", "type": "PLATFORM", "state": "ACTIVE", "privileges": [], "actors": {}
    });
    let urn = "urn:li:dataHubPolicy:p".parse().unwrap();
    store
        .put_policies(&[PolicyRecord { urn, info: serde_json::from_value(info).unwrap() }])
        .await
        .unwrap();
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let directory = directory();
    let store = open(&directory).await;
    let start = store.head().await.unwrap();
    fill(&store).await;
    let alice = user("alice");
    let token = store.find(&id(1)).await.unwrap();
    let rules = store.rules(RuleSubject::new(&alice, None, Some(key()))).await.unwrap();
    let profile = store.profile(&alice).await.unwrap();
    let policies = store.policies().await.unwrap();
    let changes = read(&store, &mut start.clone()).await;
    assert!(token.is_some() && rules.len() == 2 && profile.is_some() && policies.len() == 1);
    assert_eq!(changes.len(), 8);
    store.close().await;
    drop(store);

    let store = open(&directory).await;
    assert_eq!(store.find(&id(1)).await.unwrap(), token);
    assert_eq!(store.rules(RuleSubject::new(&alice, None, Some(key()))).await.unwrap(), rules);
    assert_eq!(store.profile(&alice).await.unwrap(), profile);
    assert_eq!(store.policies().await.unwrap(), policies);
    assert_eq!(read(&store, &mut start.clone()).await, changes);
}

#[tokio::test]
async fn closing_leaves_a_single_file_and_a_store_that_says_so() {
    let directory = directory();
    let store = open(&directory).await;
    fill(&store).await;
    let cursor = store.head().await.unwrap();
    let clone = store.clone();
    store.close().await;
    let names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["store.db"]);
    assert!(matches!(clone.find(&id(1)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(clone.insert(&record(9)).await, Err(StoreError::Unavailable(_))));
    assert!(matches!(clone.since(&cursor).await, Err(StoreError::Unavailable(_))));
    clone.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_can_open_a_fresh_file_at_once() {
    for _ in 0..20 {
        let directory = directory();
        let opens = (0..8).map(|_| {
            let path = file(&directory);
            tokio::spawn(async move { SqliteStore::open(path).await.unwrap() })
        });
        for (number, store) in (0..).zip(join_all(opens).await) {
            store.unwrap().insert(&record(number)).await.unwrap();
        }
        let page = open(&directory).await.list(&TokenQuery::default()).await.unwrap();
        assert_eq!(page.total, 8);
    }
}

#[tokio::test]
async fn opening_waits_for_who_reads_a_file_that_is_not_yet_in_wal_mode() {
    let directory = directory();
    let path = file(&directory);
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut other = SqliteConnection::connect_with(&options).await.unwrap();
    let mut transaction = other.begin().await.unwrap();
    sqlx::query("SELECT * FROM sqlite_master").fetch_all(&mut *transaction).await.unwrap();
    let mut opening = tokio::spawn(SqliteStore::open(path.clone()));
    assert!(timeout(Duration::from_millis(50), &mut opening).await.is_err());
    transaction.commit().await.unwrap();
    opening.await.unwrap().unwrap().insert(&record(1)).await.unwrap();
}

#[tokio::test]
async fn the_schema_of_a_newer_version_is_refused() {
    let directory = directory();
    open(&directory).await.close().await;
    let newer =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (9999, 'from the future', 1, x'00', 0)";
    execute(&file(&directory), newer).await.unwrap();
    let error = SqliteStore::open(file(&directory)).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)));
    assert!(error.to_string().contains("9999"), "{error}");
    assert!(error.to_string().contains("newer"), "{error}");
}

#[tokio::test]
async fn a_schema_that_was_altered_is_refused() {
    let directory = directory();
    open(&directory).await.close().await;
    execute(&file(&directory), "UPDATE _sqlx_migrations SET checksum = x'00'").await.unwrap();
    let error = SqliteStore::open(file(&directory)).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)), "{error:?}");
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let directory = directory();
    let migrations = directory.path().join("migrations");
    fs::create_dir(&migrations).unwrap();
    let first = "0001_initial.sql";
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/migrations/sqlite");
    fs::copy(source.join(first), migrations.join(first)).unwrap();
    let options = SqliteConnectOptions::new().filename(file(&directory)).create_if_missing(true);
    let mut old = SqliteConnection::connect_with(&options).await.unwrap();
    Migrator::new(migrations).await.unwrap().run(&mut old).await.unwrap();
    old.close().await.unwrap();
    let insert = "INSERT INTO tokens (
                id, name, actor, owner, created_at, expires_at, token_type, revoked_at, revoked_by,
                valid_until
            )
            SELECT CAST(printf('%032d', column1) AS BLOB), 'old', 'urn:li:corpuser:' || column2,
                'urn:li:corpuser:' || column3, 100000, column4, column5, column6, column7,
                iif(column1 = 1, 20000000, NULL)
            FROM (VALUES
                (1, 'alice', 'alice', 90000000, NULL, NULL, NULL),
                (2, 'service', 'alice', 10000000, 'PERSONAL', NULL, NULL),
                (3, 'alice', 'bob', NULL, 'SERVICE_ACCOUNT', NULL, NULL),
                (4, 'alice', 'alice', NULL, NULL, 1, 'urn:li:corpuser:bob'),
                (5, 'alice', 'alice', 90000000, 'SESSION', NULL, NULL));
        INSERT INTO users (urn, suspended) VALUES ('urn:li:corpuser:alice', 1)";
    execute(&file(&directory), insert).await.unwrap();

    let store = open(&directory).await;
    let mut alice = User::new(user("alice"));
    alice.suspended = true;
    assert_eq!(store.user(&user("alice")).await.unwrap(), Some(alice));
    let (owner, actor) =
        (TokenFilter::Owner(vec![user("alice")]), TokenFilter::Actor(vec![user("alice")]));
    for (filter, total, over) in [
        (TokenFilter::AllOf(vec![]), 3, 1),
        (owner.clone(), 2, 1),
        (actor.clone(), 2, 0),
        (TokenFilter::AnyOf(vec![owner, actor]), 3, 1),
    ] {
        let query = TokenQuery::default().filter(filter);
        let page = store.list(&query).await.unwrap();
        assert_eq!((page.tokens.len() as u64, page.total), (total, total));
        let query = query.filter(TokenFilter::over(at(15_000)));
        let page = store.list(&query).await.unwrap();
        assert_eq!((page.tokens.len() as u64, page.total), (over, over));
    }
    // The triggers go on from there.
    let third = TokenId::from_bytes(*b"00000000000000000000000000000003");
    let totals = async || {
        let all = TokenQuery::default();
        let over = all.clone().filter(TokenFilter::over(at(50_000)));
        (store.list(&all).await.unwrap().total, store.list(&over).await.unwrap().total)
    };
    assert_eq!(totals().await, (3, 2));
    assert!(store.revoke(&third, &user("bob"), at(200)).await.unwrap());
    assert_eq!(totals().await, (2, 2));
    assert!(store.sweep(at(20_000 + 86_400 * 30), &Retention::default()).await.unwrap() >= 2);
    assert_eq!(totals().await, (0, 0));
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let directory = directory();
    let path = directory.path().join("missing").join("store.db");
    let error = SqliteStore::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Invalid(_)));
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[tokio::test]
async fn what_is_no_database_is_refused() {
    let directory = directory();
    fs::write(file(&directory), "this is a text, and quite a long one".repeat(100)).unwrap();
    let error = SqliteStore::open(file(&directory)).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
}

#[tokio::test]
async fn a_name_that_means_something_to_sqlite_is_a_file() {
    let directory = directory();
    for name in [":memory:", "file:a?mode=memory"] {
        let path = directory.path().join(name);
        let store = SqliteStore::open(&path).await.unwrap();
        store.insert(&record(1)).await.unwrap();
        assert!(store.find(&id(1)).await.unwrap().is_some());
        assert!(path.metadata().unwrap().len() > 0);
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_created_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let directory = directory();
    let store = open(&directory).await;
    store.insert(&record(1)).await.unwrap();
    let mut names = Vec::new();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        names.push(entry.file_name());
    }
    names.sort();
    assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_not_shown() {
    let alice = user("alice");
    for (what, sql) in [
        ("tokens.actor", "UPDATE tokens SET actor = 'SENTINEL'"),
        ("tokens.owner", "UPDATE tokens SET owner = 'SENTINEL'"),
        ("tokens.token_type", "UPDATE tokens SET token_type = 'SENTINEL'"),
        ("tokens.key_id", "UPDATE tokens SET key_id = 'SENTINEL'"),
        ("tokens.revoked_by", "UPDATE tokens SET revoked_by = 'SENTINEL'"),
        ("tokens.parent", "UPDATE tokens SET parent = CAST('SENTINEL' AS BLOB)"),
        ("tokens.name", "UPDATE tokens SET name = CAST(x'53454e54494e454cff' AS TEXT)"),
        ("revocation_rules.made_by", "UPDATE revocation_rules SET made_by = 'SENTINEL'"),
        ("users.kind", "UPDATE users SET kind = 'SENTINEL'"),
        ("users.created_by", "UPDATE users SET created_by = 'SENTINEL'"),
        ("users.email", "UPDATE users SET email = CAST(x'53454e54494e454cff' AS TEXT)"),
        ("memberships.group_urn", "UPDATE memberships SET group_urn = 'SENTINEL'"),
        ("roles.role", "UPDATE roles SET role = 'SENTINEL'"),
        ("policies.info", r#"UPDATE policies SET info = '{"displayName": ["SENTINEL"]}'"#),
        ("policies.info", r#"UPDATE policies SET info = '"SENTINEL"'"#),
        ("policies.urn", "UPDATE policies SET urn = 'SENTINEL'"),
    ] {
        let directory = directory();
        let store = open(&directory).await;
        fill(&store).await;
        let broken = format!("PRAGMA ignore_check_constraints = ON; {sql}");
        execute(&file(&directory), &broken).await.unwrap();
        let error = match what.split_once('.').unwrap().0 {
            "tokens" => store.find(&id(1)).await.map(|_| ()),
            "revocation_rules" => {
                store.rules(RuleSubject::new(&alice, None, Some(key()))).await.map(|_| ())
            }
            "policies" => store.policies().await.map(|_| ()),
            "users" => {
                let listed = store.list_users(&UserQuery::default()).await.unwrap_err();
                assert!(matches!(listed, StoreError::Corrupt { what: found, .. } if found == what));
                store.user(&alice).await.map(|_| ())
            }
            _ => store.profile(&alice).await.map(|_| ()),
        };
        let error = error.unwrap_err();
        assert!(
            matches!(error, StoreError::Corrupt { what: found, .. } if found == what),
            "{error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("SENTINEL"), "{error:?}");
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_read_is_an_unknown_one() {
    let directory = directory();
    let store = open(&directory).await;
    let mut cursor = store.head().await.unwrap();
    let strange =
        "INSERT INTO changes (kind, subject) VALUES ('lunar-phase', 'full'), ('token', '?')";
    execute(&file(&directory), strange).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Unknown, Change::Unknown]);
}

#[tokio::test]
async fn rules_hold_in_the_database_itself() {
    let directory = directory();
    let store = open(&directory).await;
    fill(&store).await;
    for sql in [
        "INSERT INTO tokens SELECT * FROM tokens",
        "UPDATE tokens SET id = x'00'",
        "UPDATE tokens SET parent = x'00'",
        "UPDATE tokens SET expires_at = 100, valid_until = 101",
        "UPDATE tokens SET revoked_by = NULL WHERE revoked_at IS NOT NULL",
        "UPDATE tokens SET revoked_at = 1 WHERE revoked_at IS NULL",
        "UPDATE tokens SET last_used_at = NULL, last_used_agent = 'curl'",
        "UPDATE tokens SET created_at = 'yesterday'",
        "INSERT INTO revocation_rules SELECT * FROM revocation_rules",
        "UPDATE revocation_rules SET scope = 'moon'",
        "UPDATE revocation_rules SET subject = ''",
        "UPDATE users SET removed = 2",
        "UPDATE users SET kind = 'moon'",
        "UPDATE token_counts SET tokens = 0",
        "INSERT INTO memberships VALUES ('urn:li:corpuser:nobody', 'native', 'urn:li:corpGroup:a')",
        "UPDATE memberships SET kind = 'moon'",
        "UPDATE policies SET info = '{'",
    ] {
        let error = execute(&file(&directory), sql).await.unwrap_err();
        assert!(matches!(error, sqlx::Error::Database(_)), "{sql}: {error:?}");
    }
}

#[tokio::test]
async fn a_database_restored_from_a_backup_is_a_gap() {
    let directory = directory();
    let backup = directory.path().join("backup.db");
    let store = open(&directory).await;
    let empty = store.head().await.unwrap();
    store.create_user(&user("alice")).await.unwrap();
    let kept = store.head().await.unwrap();
    execute(&file(&directory), &format!("VACUUM INTO '{}'", backup.display())).await.unwrap();
    store.create_user(&user("bob")).await.unwrap();
    let lost = store.head().await.unwrap();
    store.close().await;
    fs::rename(backup, file(&directory)).unwrap();

    let store = open(&directory).await;
    assert!(store.since(&lost).await.unwrap().gap);
    // The same number of changes again does not hide it.
    store.create_user(&user("carol")).await.unwrap();
    store.create_user(&user("dave")).await.unwrap();
    let batch = store.since(&lost).await.unwrap();
    assert!(batch.gap);
    assert_eq!(batch.next, store.head().await.unwrap());
    // Who had read no further than the backup goes on.
    assert_eq!(read(&store, &mut kept.clone()).await.len(), 2);
    assert_eq!(read(&store, &mut empty.clone()).await.len(), 3);
}

#[tokio::test]
async fn a_backlog_that_takes_long_to_read_is_a_gap() {
    let directory = directory();
    let store = open(&directory).await;
    let add = async |count: u32| {
        let sql = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO changes (kind, subject) SELECT 'policies', '' FROM n"
        );
        execute(&file(&directory), &sql).await.unwrap();
    };
    let start = store.head().await.unwrap();
    add(1_000).await;
    let whole = store.since(&start).await.unwrap();
    assert!(!whole.gap && whole.changes.len() == 1_000);
    add(1_001).await;
    let gap = store.since(&whole.next).await.unwrap();
    assert!(gap.gap && gap.changes.is_empty());
    // It goes on behind the gap, and misses nothing there.
    assert_eq!(gap.next, store.head().await.unwrap());
    add(1).await;
    let next = store.since(&gap.next).await.unwrap();
    assert!(!next.gap && next.changes.len() == 1);
}

#[tokio::test]
async fn the_file_stays_in_wal_mode() {
    let directory = directory();
    let store = open(&directory).await;
    store.insert(&record(1)).await.unwrap();
    let mut connection = raw(&file(&directory)).await;
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    assert_eq!(mode, "wal");
}

#[tokio::test]
async fn a_writer_waits_for_another_process_and_readers_do_not() {
    let directory = directory();
    let store = open(&directory).await;
    store.insert(&record(1)).await.unwrap();
    let mut other = raw(&file(&directory)).await;
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.revoke(&id(1), &user("bob"), at(200)).await }
    });
    let cursor = store.head().await.unwrap();
    for _ in 0..20 {
        assert!(store.find(&id(1)).await.unwrap().unwrap().revoked.is_none());
        assert_eq!(store.since(&cursor).await.unwrap().changes, []);
    }
    assert!(!writing.is_finished());
    transaction.commit().await.unwrap();
    assert!(writing.await.unwrap().unwrap());
}
