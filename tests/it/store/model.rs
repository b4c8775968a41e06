//! Whatever happens, all stores have the same, and SQLite counts right.

use proptest::{collection::vec, option, prelude::*, test_runner::TestRunner};
use tokio::{runtime::Handle, task::block_in_place};
use tower_pat::{
    actor::Urn,
    backend::StoreError,
    store::{MemoryStore, Store},
    token::{KeyId, LastUse, Revocation, RevocationRule, RuleScope, TokenRecord, TokenType},
    token_service::{
        Retention, TextTest, TokenFilter, TokenLookup, TokenQuery, TokenSort, TokenStore,
        TokenTextField,
    },
};

use super::{at, id, record, user};

#[derive(Debug, Clone)]
enum Step {
    Insert(Box<TokenRecord>),
    Import(Vec<TokenRecord>),
    Revoke(u64),
    AddRule(RuleScope, i64),
    Sweep(i64),
}

/// What came of a step.
async fn take(store: &impl Store, step: &Step, now: i64) -> Result<u64, String> {
    let result: Result<u64, StoreError> = match step {
        Step::Insert(record) => store.insert(record).await.map(|()| 0),
        Step::Import(records) => store.import(records).await,
        Step::Revoke(number) => {
            store.revoke(&id(*number), &user("bob"), at(now)).await.map(u64::from)
        }
        Step::AddRule(scope, seconds) => {
            let by = user("admin");
            let rule = RevocationRule { scope: scope.clone(), issued_before: at(*seconds), by };
            store.add_rule(&rule).await.map(|()| 0)
        }
        Step::Sweep(seconds) => {
            let mut retention = Retention::default();
            retention.expired = std::time::Duration::from_secs(2);
            retention.revoked = std::time::Duration::from_secs(4);
            store.sweep(at(*seconds), &retention).await
        }
    };
    result.map_err(|error| error.to_string())
}

/// Does anything to a store that begins empty, and looks whether it has what the one in memory has.
fn check<S: Store>(
    cases: u32,
    fresh: impl AsyncFn() -> S,
    is_whole: &impl AsyncFn(&S) -> Result<(), TestCaseError>,
) {
    let runtime = Handle::current();
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    block_in_place(|| {
        runner.run(&vec(steps(), 1..25), |steps| {
            runtime.block_on(async {
                let (memory, store) = (MemoryStore::default(), fresh().await);
                for (step, now) in steps.iter().zip(10..) {
                    let expected = take(&memory, step, now).await;
                    prop_assert_eq!(take(&store, step, now).await, expected, "{:?}", step);
                    is_whole(&store).await?;
                    for number in 0..NUMBERS {
                        let expected = memory.find(&id(number)).await.unwrap();
                        prop_assert_eq!(store.find(&id(number)).await.unwrap(), expected);
                    }
                }
                for query in queries() {
                    let expected = memory.list(&query).await.unwrap();
                    prop_assert_eq!(store.list(&query).await.unwrap(), expected, "{:?}", query);
                }
                Ok(())
            })
        })
    })
    .unwrap();
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use std::{cell::RefCell, path::PathBuf};

    use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
    use tempfile::{TempDir, tempdir};
    use tower_pat::store::SqliteStore;

    use super::*;

    fn file(folder: &TempDir) -> PathBuf {
        folder.path().join("store.db")
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_has_what_the_one_in_memory_has_after_anything() {
        let folder = RefCell::new(tempdir().unwrap());
        let path = || file(&folder.borrow());
        check(
            60,
            async || {
                folder.replace(tempdir().unwrap());
                SqliteStore::open(path()).await.unwrap()
            },
            &async |_| {
                let options = SqliteConnectOptions::new().filename(path());
                let mut raw = SqliteConnection::connect_with(&options).await.unwrap();
                prop_assert_eq!(miscounted(&mut raw).await, 0);
                Ok(())
            },
        );
    }

    /// How many of the counts that are kept are not what is there.
    async fn miscounted(connection: &mut SqliteConnection) -> i64 {
        let listed =
            "SELECT owner, actor, coalesce(valid_until, expires_at) >> 22 AS span FROM tokens
            WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION'";
        // Those of an owner, of an actor, of both, and all.
        let each = format!(
            "SELECT owner, actor, span FROM ({listed}) UNION ALL SELECT owner, '', span FROM ({listed})
             UNION ALL SELECT '', actor, span FROM ({listed}) UNION ALL SELECT '', '', span
                 FROM ({listed})"
        );
        let mut miscounted = 0;
        for (table, real) in [
            ("token_counts", format!("SELECT owner, actor, count(*) FROM ({each}) GROUP BY 1, 2")),
            (
                "token_ends",
                format!(
                    "SELECT owner, actor, span, count(*) FROM ({each}) WHERE span IS NOT NULL
                     GROUP BY 1, 2, 3"
                ),
            ),
        ] {
            let sql = format!(
                "SELECT count(*) FROM (
                     SELECT * FROM (SELECT * FROM {table} EXCEPT SELECT * FROM ({real}))
                     UNION ALL
                     SELECT * FROM (SELECT * FROM ({real}) EXCEPT SELECT * FROM {table}))"
            );
            let sql = sqlx::AssertSqlSafe(sql);
            miscounted +=
                sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut *connection).await.unwrap();
        }
        miscounted
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use tower_pat::store::PostgresStore;

    use super::*;
    use crate::postgres::Database;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn it_has_what_the_one_in_memory_has_after_anything() {
        let database = Database::new().await;
        let store = PostgresStore::connect(&database.url()).await.unwrap();
        check(
            25,
            async || {
                let empty = "TRUNCATE tokens, token_counts, token_ends, token_deltas,
                    revocation_rules, changes";
                database.execute(empty).await.unwrap();
                store.clone()
            },
            &async |_| Ok(()),
        );
    }
}

/// Every way of asking that has an index, a count or a merge of its own.
fn queries() -> Vec<TokenQuery> {
    let alice = || vec![user("alice")];
    let either =
        || TokenFilter::AnyOf(vec![TokenFilter::Owner(alice()), TokenFilter::Actor(alice())]);
    let over = |seconds| TokenFilter::over(at(seconds));
    let not = |filter| TokenFilter::Not(Box::new(filter));
    let named = || TokenFilter::text(TokenTextField::Name, TextTest::Contains, "1");
    let mut queries = Vec::new();
    for filters in [
        vec![],
        vec![TokenFilter::Owner(alice())],
        vec![TokenFilter::Actor(alice())],
        vec![either()],
        vec![either(), TokenFilter::Actor(alice())],
        vec![either(), named()],
        vec![named()],
        vec![over(10_806)],
        vec![not(over(5))],
        vec![TokenFilter::Owner(alice()), over(10_806)],
        vec![TokenFilter::Actor(alice()), not(over(5))],
        vec![either(), not(over(5)), over(10_807)],
        vec![either(), over(7), named()],
        vec![TokenFilter::Owner(vec![user("alice"), user("bob")])],
    ] {
        for sort in
            [TokenSort::ExpiresAt, TokenSort::CreatedAt, TokenSort::Name, TokenSort::LastUsedAt]
        {
            let query = filters.iter().cloned().fold(TokenQuery::default(), TokenQuery::filter);
            queries.push(query.clone().ascending(sort));
            queries.push(query.descending(sort).page(2, 3));
        }
    }
    queries
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => records().prop_map(|record| Step::Insert(Box::new(record))),
        2 => vec(records(), 0..4).prop_map(Step::Import),
        2 => (0..NUMBERS).prop_map(Step::Revoke),
        2 => (scopes(), 0..6_i64).prop_map(|(scope, seconds)| Step::AddRule(scope, seconds)),
        1 => (0..12_i64).prop_map(Step::Sweep),
    ]
}

fn records() -> impl Strategy<Value = TokenRecord> {
    let types = prop::sample::select(vec![
        None,
        Some(TokenType::Personal),
        Some(TokenType::ServiceAccount),
        Some(TokenType::Session),
    ]);
    // Some of them much longer than others.
    let ends = prop_oneof![4..9_i64, 10_800..10_809_i64];
    let lives = (0..6_i64, option::of(ends), option::of(3..6_i64), prop::bool::weighted(0.1));
    let parents = option::of(0..NUMBERS);
    let keys = option::of(prop::sample::select(vec!['a', 'b']).prop_map(key));
    (0..NUMBERS, people(), people(), lives, parents, types, keys).prop_map(
        |(number, actor, owner, lives, parent, token_type, key_id)| {
            let (created_at, expires_at, used_at, revoked) = lives;
            let mut record = record(number);
            record.actor = actor;
            record.owner = owner;
            record.created_at = at(created_at);
            record.expires_at = expires_at.map(at);
            record.last_used =
                used_at.map(|seconds| LastUse { at: at(seconds), address: None, agent: None });
            record.revoked = revoked.then(|| Revocation { at: at(3), by: user("carol") });
            record.parent = parent.map(id);
            record.token_type = token_type;
            record.key_id = key_id;
            record
        },
    )
}

fn scopes() -> impl Strategy<Value = RuleScope> {
    prop_oneof![
        3 => people().prop_map(RuleScope::Actor),
        3 => people().prop_map(RuleScope::Owner),
        2 => prop::sample::select(vec!['a', 'b']).prop_map(|digit| RuleScope::Key(key(digit))),
        1 => Just(RuleScope::All),
    ]
}

fn people() -> impl Strategy<Value = Urn> {
    prop::sample::select(vec!["alice", "bob", "service"]).prop_map(user)
}

fn key(digit: char) -> KeyId {
    digit.to_string().repeat(16).parse().unwrap()
}

/// So few that tokens meet their parents.
const NUMBERS: u64 = 12;
