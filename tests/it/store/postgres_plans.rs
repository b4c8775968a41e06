//! That nothing a request asks for makes PostgreSQL go through a whole table, by the server's own
//! count of such scans.

use std::time::{Duration, Instant};

use tower_pat::{
    actor::{Directory, PasswordStore},
    feed::ChangeFeed,
    store::PostgresStore,
    token::LastUse,
    token_service::{
        Retention, RuleSubject, TokenFilter, TokenLookup, TokenQuery, TokenSort, TokenStore,
        TokenUses,
    },
};

use super::{SOON, at, id, record, user};
use crate::postgres::Database;

/// Enough of everything that going through it would be the longer way.
const FILL: &str = "
    INSERT INTO tokens (id, name, actor, owner, created_at, expires_at, key_id)
        SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), 'token ' || n,
            'urn:li:corpuser:user' || n % 500, 'urn:li:corpuser:user' || (n + n % 7 / 6) % 500,
            100000 + n, CASE WHEN n % 10 <> 0 THEN 200000 + n * 1000 END, '0123456789abcdef'
        FROM generate_series(1, 30000) AS n;
    UPDATE tokens SET parent = decode(lpad('1', 64, '0'), 'hex') WHERE created_at = 100002;
    INSERT INTO revocation_rules
        SELECT 'owner', 'urn:li:corpuser:user' || n, 1000, 'urn:li:corpuser:admin'
        FROM generate_series(1, 5000) AS n;
    INSERT INTO users (urn) SELECT 'urn:li:corpuser:user' || n FROM generate_series(1, 5000) AS n;
    INSERT INTO memberships SELECT urn, 'native', 'urn:li:corpGroup:g' || right(urn, 1) FROM users;
    INSERT INTO roles SELECT urn, 'urn:li:dataHubRole:Reader' FROM users;
    INSERT INTO passwords SELECT urn, 'hash', 1, urn FROM users;
    INSERT INTO changes (kind, subject) SELECT 'policies', '' FROM generate_series(1, 5000);
    ANALYZE";

/// How often each table that grows was gone through.
async fn scans(database: &Database) -> Vec<(String, i64)> {
    let sql = "SELECT relname::text, seq_scan FROM pg_stat_user_tables
        WHERE relname NOT IN ('token_deltas', 'feed_state', '_tower_pat_migrations') ORDER BY relname";
    let mut connection = database.connection().await;
    sqlx::query_as(sql).fetch_all(&mut connection).await.unwrap()
}

/// Until nobody else is connected: only then has the server counted all that they did.
async fn until_alone(database: &Database) {
    let mut connection = database.connection().await;
    let sql = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND backend_type = 'client backend'";
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(sql).fetch_one(&mut connection).await.unwrap() > 0 {
        assert!(begun.elapsed() < SOON, "somebody stays connected");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_makes_the_server_go_through_a_whole_table() {
    let database = Database::new().await;
    let store = PostgresStore::connect(&database.url()).await.unwrap();
    store.close().await;
    database.execute(FILL).await.unwrap();
    let store = PostgresStore::connect(&database.url()).await.unwrap();
    // What was noted of the tokens is folded, which is no request's.
    store.list(&TokenQuery::default()).await.unwrap();
    store.close().await;
    until_alone(&database).await;
    let before = scans(&database).await;
    assert!(before.len() >= 9, "{before:?}");

    let store = PostgresStore::connect(&database.url()).await.unwrap();
    let alice = user("user7");
    let key = "0123456789abcdef".parse().unwrap();
    // More often than it takes for a plan that is the same for all values.
    for number in 10..20 {
        assert!(store.find(&id(number)).await.unwrap().is_some());
        let subject = RuleSubject::new(&alice, Some(&alice), Some(key));
        assert_eq!(store.rules(subject).await.unwrap().len(), 1);
        assert_eq!(store.rules_for_any(&[subject]).await.unwrap().len(), 1);
        store.find_all(&[id(number), id(50_000)]).await.unwrap();
        assert!(store.profile(&alice).await.unwrap().is_some());
        store.profiles(&[alice.clone(), user("user8")]).await.unwrap();
        assert!(store.password_hash(&alice).await.unwrap().is_some());
        let cursor = store.head().await.unwrap();
        store.since(&cursor).await.unwrap();
        let mut child = record(60_000 + number);
        child.parent = Some(id(9));
        store.insert(&child).await.unwrap();
        let used = LastUse { at: at(1_000), address: None, agent: None };
        store.record_uses(&[(id(number), used)]).await.unwrap();
        assert!(store.revoke(&id(number), &alice, at(2_000)).await.unwrap());
    }
    for sort in [TokenSort::ExpiresAt, TokenSort::CreatedAt, TokenSort::Name, TokenSort::LastUsedAt]
    {
        let mine = || vec![user("user7")];
        let both = vec![TokenFilter::Owner(mine()), TokenFilter::Actor(mine())];
        for whose in [
            None,
            Some(TokenFilter::Owner(mine())),
            Some(TokenFilter::Actor(mine())),
            Some(TokenFilter::AnyOf(both)),
        ] {
            for over in [None, Some(at(10_000))] {
                let over = over.map(|at| TokenFilter::Not(Box::new(TokenFilter::EndsBefore(at))));
                let filters = whose.clone().into_iter().chain(over);
                let query = filters.fold(TokenQuery::default(), TokenQuery::filter);
                for query in [query.clone().ascending(sort), query.descending(sort)] {
                    for start in [0, 500] {
                        let page = store.list(&query.clone().page(start, 20)).await.unwrap();
                        let left = page.total.saturating_sub(start.into()).min(20);
                        assert_eq!(page.tokens.len() as u64, left, "{query:?}");
                    }
                }
            }
        }
    }
    store.close().await;
    drop(store);
    until_alone(&database).await;
    assert_eq!(scans(&database).await, before);
}

/// Tokens of one owner, and rules about others, so that the values tell the server nothing.
const FILL_OF_ONE: &str = "
    INSERT INTO tokens (id, name, actor, owner, created_at, expires_at, key_id)
        SELECT decode(lpad(to_hex(n), 64, '0'), 'hex'), 'token ' || n,
            'urn:li:corpuser:' || CASE WHEN n % 10 = 0 THEN 'service' ELSE 'alice' END,
            'urn:li:corpuser:alice',
            100000 + n, CASE WHEN n % 10 <> 0 THEN 9000000 + n * 1000 END, '0123456789abcdef'
        FROM generate_series(1, 30000) AS n;
    UPDATE tokens SET actor = 'urn:li:corpuser:user7' WHERE name = 'token 20000';
    INSERT INTO revocation_rules
        SELECT 'actor', 'urn:li:corpuser:user' || n, 4000000, 'urn:li:corpuser:admin'
        FROM generate_series(1, 1000) AS n;
    INSERT INTO revocation_rules VALUES
        ('owner', 'urn:li:corpuser:alice', 100003, 'urn:li:corpuser:admin'),
        ('key', '0123456789abcdef', 100004, 'urn:li:corpuser:admin'),
        ('all', '', 100002, 'urn:li:corpuser:admin')";

/// How many entries of the indexes of tokens were read, and how many transactions there were.
async fn work(database: &Database) -> (i64, i64) {
    let sql = "SELECT
            (SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes WHERE relname = 'tokens'),
            (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())";
    let mut connection = database.connection().await;
    sqlx::query_as(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cover_little_cost_a_look_up_each() {
    let database = Database::new().await;
    let store = PostgresStore::connect(&database.url()).await.unwrap();
    store.close().await;
    database.execute(FILL_OF_ONE).await.unwrap();
    database.execute("VACUUM (ANALYZE)").await.unwrap();
    let store = PostgresStore::connect(&database.url()).await.unwrap();
    store.list(&TokenQuery::default()).await.unwrap();
    store.close().await;
    until_alone(&database).await;
    let (before, _) = work(&database).await;

    let store = PostgresStore::connect(&database.url()).await.unwrap();
    let mine = || vec![user("alice")];
    let both = vec![TokenFilter::Owner(mine()), TokenFilter::Actor(mine())];
    let of = |filter| TokenQuery::default().filter(filter);
    // Three by the key, of which others cover some, too; and one by its actor.
    for (query, total) in [
        (TokenQuery::default(), 29_996),
        (of(TokenFilter::Owner(mine())), 29_996),
        (of(TokenFilter::Actor(mine())), 26_997),
        (of(TokenFilter::AnyOf(both)), 29_996),
    ] {
        assert_eq!(store.list(&query).await.unwrap().total, total, "{query:?}");
    }
    store.close().await;
    until_alone(&database).await;
    let (after, begun) = work(&database).await;
    assert!(after - before < 10_000, "{} entries read", after - before);

    let store = PostgresStore::connect(&database.url()).await.unwrap();
    assert_eq!(store.sweep(at(4_000), &Retention::default()).await.unwrap(), 0);
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 29_996);
    store.close().await;
    until_alone(&database).await;
    let (_, ended) = work(&database).await;
    assert!(ended - begun < 200, "{} transactions", ended - begun);
}
