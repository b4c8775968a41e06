//! What lists and new tokens cost among a million tokens of one owner in SQLite, beside budgets:
//! `cargo bench --features sqlite --bench store`. Prints the plans, too.
//!
//! Times are of whole calls, rows and total, from a warm cache of the operating system; the best of
//! several, since whatever else the machine does only adds. The tokens are written at once, in a
//! temporary folder.
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::print_stderr)]

use std::{
    env,
    error::Error,
    fmt,
    path::Path,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};
use tower_pat::{
    Config, TokenService,
    actor::Urn,
    clock::Timestamp,
    store::SqliteStore,
    token::{AccessTokenDuration, LastUse, RevocationRule, RuleScope, TokenType},
    token_service::{MintRequest, TokenFilter, TokenQuery, TokenSort, TokenStore, TokenUses},
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

/// Rows and total together, for which the rows alone have 20 ms, and with the total 50.
const LIST_BUDGET: Duration = Duration::from_millis(20);

/// The same of what is over, is not, or soon will be, in any order; where those of somebody are
/// sorted, of one who has a few thousand.
const STATUS_BUDGET: Duration = Duration::from_millis(50);

/// A thousand new tokens, one by one, each flushed to the disk.
const MINT_BUDGET: Duration = Duration::from_secs(5);

const PAGE: u32 = 20;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // As `cargo test` runs a bench: whether it works at all.
    let whole = env::args().any(|argument| argument == "--bench");
    match measure(if whole { 1_000_000 } else { 30_000 }).await {
        Ok(within) if within || !whole => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("over budget");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(tokens: u32) -> Result<bool, Box<dyn Error>> {
    let statements = Statements::default();
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(statements.clone()),
    )?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store.db");
    // For its schema.
    SqliteStore::open(&path).await?.close().await;
    let begun = Instant::now();
    fill(&path, tokens).await?;
    println!("{tokens} tokens of one owner, written in {:.1?}", begun.elapsed());

    let store = SqliteStore::open(&path).await?;
    let mut within = lists(&store, "").await?;
    within &= statuses(&store).await?;
    sorted(&store).await?;
    plans(&store, &statements, &path).await?;
    for number in 0..1_000 {
        add_rule(&store, RuleScope::Actor(user(&format!("gone{number}"))?), i64::MAX).await?;
    }
    within &= lists(&store, "with 1,000 rules about others").await?;
    // Covers the first thousand of all.
    add_rule(&store, RuleScope::All, FIRST + 1_001).await?;
    within &= lists(&store, "with 1,001 rules, and 1,000 tokens that one covers").await?;
    within &= mint(store.clone()).await?;
    note_uses(&store).await?;
    store.close().await;
    Ok(within)
}

/// Tokens of alice, of which every tenth acts as a service, and some of others, of which every
/// second acts as alice. Bob has a few in the same way.
async fn fill(path: &Path, tokens: u32) -> Result<(), Box<dyn Error>> {
    let options = SqliteConnectOptions::new().filename(path).pragma("cache_size", "-600000");
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let rows = |count: u32, owner: &str, actor: &str| {
        format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
             INSERT INTO tokens (
                 id, name, owner, actor, created_at, expires_at, token_type, key_id, last_used_at
             )
             SELECT randomblob(32), 'token ' || (i * 7919 % 1000003), {owner}, {actor}, {FIRST} + i,
                 iif(i % 3 = 0, NULL, {FIRST} + i * 2654435761 % {KEPT}), 'PERSONAL',
                 '0123456789abcdef', iif(i % 4 = 0, NULL, {FIRST} + i * 40503 % {MONTH})
             FROM n;"
        )
    };
    let sql = [
        "BEGIN;".to_owned(),
        rows(
            tokens,
            "'urn:li:corpuser:alice'",
            "iif(i % 10 = 0, 'urn:li:corpuser:service', 'urn:li:corpuser:alice')",
        ),
        rows(
            tokens / 100,
            "'urn:li:corpuser:user' || i",
            "iif(i % 2 = 0, 'urn:li:corpuser:alice', 'urn:li:corpuser:user' || i)",
        ),
        rows(
            tokens / 200,
            "'urn:li:corpuser:bob'",
            "iif(i % 10 = 0, 'urn:li:corpuser:service', 'urn:li:corpuser:bob')",
        ),
        rows(tokens / 20_000, "'urn:li:corpuser:user' || i", "'urn:li:corpuser:bob'"),
        "COMMIT; PRAGMA wal_checkpoint(TRUNCATE);".to_owned(),
    ];
    sqlx::raw_sql(AssertSqlSafe(sql.concat())).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// When the first token was made.
const FIRST: i64 = 1_750_000_000_000;

/// How long a token is there at most: a year, and a month in which it is over.
const KEPT: i64 = 395 * DAY;
const MONTH: i64 = 30 * DAY;
const DAY: i64 = 86_400_000;

async fn add_rule(
    store: &SqliteStore,
    scope: RuleScope,
    before: i64,
) -> Result<(), Box<dyn Error>> {
    let issued_before = Timestamp::from_millis(before);
    store.add_rule(&RevocationRule { scope, issued_before, by: user("admin")? }).await?;
    Ok(())
}

fn user(name: &str) -> Result<Urn, Box<dyn Error>> {
    Ok(Urn::corpuser(name)?)
}

fn queries(name: &str) -> Result<[(&'static str, TokenQuery); 4], Box<dyn Error>> {
    let (owner, actor) =
        (TokenFilter::Owner(vec![user(name)?]), TokenFilter::Actor(vec![user(name)?]));
    let query = |filter: &TokenFilter| TokenQuery::default().filter(filter.clone());
    Ok([
        ("all", TokenQuery::default()),
        ("owner", query(&owner)),
        ("actor", query(&actor)),
        ("owner or actor", TokenQuery::default().filter(TokenFilter::AnyOf(vec![owner, actor]))),
    ])
}

async fn lists(store: &SqliteStore, when: &str) -> Result<bool, Box<dyn Error>> {
    println!("\nrows and total {when}");
    let mut within = true;
    for (name, query) in queries("alice")? {
        for page in [1, 1_000] {
            let query = query.clone().page((page - 1) * PAGE, PAGE);
            let mut best = Duration::MAX;
            let mut total = 0;
            for _ in 0..10 {
                let begun = Instant::now();
                total = store.list(&query).await?.total;
                best = best.min(begun.elapsed());
            }
            let over = if best > LIST_BUDGET { "  over 20 ms" } else { "" };
            within &= best <= LIST_BUDGET;
            let milliseconds = best.as_secs_f64() * 1e3;
            println!("{name:>16}  page {page:>5}  {milliseconds:>8.2} ms  of {total}{over}");
        }
    }
    Ok(within)
}

/// Every order of what is over, is not, and soon will be: the slowest of them.
async fn statuses(store: &SqliteStore) -> Result<bool, Box<dyn Error>> {
    println!("\nrows and total by status, in the slowest of all orders that an index has");
    let mut within = true;
    for (whose, query) in queries("alice")? {
        let sorts = if query.filters.is_empty() { &SORTS[..] } else { &SORTS[..2] };
        within &= slowest(store, whose, &query, sorts, &[1, 1_000]).await?;
    }
    println!("\nthe same by name and by the last use, of one who has a few thousand");
    for (whose, query) in queries("bob")? {
        if !query.filters.is_empty() {
            within &= slowest(store, whose, &query, &SORTS[2..], &[1, 10]).await?;
        }
    }
    Ok(within)
}

async fn slowest(
    store: &SqliteStore,
    whose: &str,
    query: &TokenQuery,
    sorts: &[TokenSort],
    pages: &[u32],
) -> Result<bool, Box<dyn Error>> {
    let mut within = true;
    for (what, filters) in by_end() {
        let query = filters.into_iter().fold(query.clone(), TokenQuery::filter);
        for page in pages {
            let (mut slowest, mut order, mut total) = (Duration::ZERO, String::new(), 0);
            for sort in sorts {
                for query in [query.clone().ascending(*sort), query.clone().descending(*sort)] {
                    let query = query.page((page - 1) * PAGE, PAGE);
                    let mut best = Duration::MAX;
                    for _ in 0..3 {
                        let begun = Instant::now();
                        total = store.list(&query).await?.total;
                        best = best.min(begun.elapsed());
                    }
                    if best > slowest {
                        let turned = if query.descending { "descending" } else { "ascending" };
                        (slowest, order) = (best, format!("{sort:?}, {turned}"));
                    }
                }
            }
            let over = if slowest > STATUS_BUDGET { "  over 50 ms" } else { "" };
            within &= slowest <= STATUS_BUDGET;
            let milliseconds = slowest.as_secs_f64() * 1e3;
            println!(
                "{whose:>16}, {what:<8}  page {page:>5}  {milliseconds:>8.2} ms  of {total} \
                 ({order}){over}"
            );
        }
    }
    Ok(within)
}

/// What it takes to sort a million, for which there is no budget.
async fn sorted(store: &SqliteStore) -> Result<(), Box<dyn Error>> {
    println!("\nthe same of one who has very many, which no budget is for");
    for (whose, query) in queries("alice")? {
        for sort in SORTS[2..].iter().filter(|_| !query.filters.is_empty()) {
            let begun = Instant::now();
            store.list(&query.clone().ascending(*sort)).await?;
            let milliseconds = begun.elapsed().as_secs_f64() * 1e3;
            println!("{whose:>16}  {milliseconds:>8.2} ms  ({sort:?})");
        }
    }
    Ok(())
}

/// The first two have an index for everybody, the others only for all.
const SORTS: [TokenSort; 4] =
    [TokenSort::ExpiresAt, TokenSort::CreatedAt, TokenSort::Name, TokenSort::LastUsedAt];

/// A month on, when some of the tokens are over.
fn by_end() -> [(&'static str, Vec<TokenFilter>); 4] {
    let over = |at: i64| TokenFilter::over(Timestamp::from_millis(at));
    let now = FIRST + MONTH;
    let not_over = || TokenFilter::Not(Box::new(over(now)));
    [
        ("any", vec![]),
        ("active", vec![not_over()]),
        ("expired", vec![over(now)]),
        ("expiring", vec![not_over(), over(now + 7 * DAY)]),
    ]
}

/// What SQLite says of how it goes about each statement.
async fn plans(
    store: &SqliteStore,
    statements: &Statements,
    path: &Path,
) -> Result<(), Box<dyn Error>> {
    let options = SqliteConnectOptions::new().filename(path);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let mut asked = queries("alice")?.to_vec();
    for (name, query) in queries("alice")? {
        let [_, _, (_, expired), _] = by_end();
        let query = expired.into_iter().fold(query, TokenQuery::filter);
        for sort in SORTS {
            asked.push((name, query.clone().descending(sort)));
        }
    }
    for (name, query) in asked {
        statements.start();
        store.list(&query).await?;
        for statement in statements.take() {
            if !statement.contains("FROM token") {
                continue;
            }
            let words: Vec<_> = statement.split_whitespace().collect();
            println!("\n{name}: {}", words.join(" "));
            let sql = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"));
            for row in sqlx::query(sql).fetch_all(&mut connection).await? {
                println!("    {}", row.try_get::<String, _>("detail")?);
            }
        }
    }
    connection.close().await?;
    Ok(())
}

/// Of a thousand tokens all over the lists, in one batch.
async fn note_uses(store: &SqliteStore) -> Result<(), Box<dyn Error>> {
    let mut uses = Vec::new();
    for page in 0..50 {
        let query = queries("alice")?[1].1.clone().page(page * PAGE, PAGE);
        for token in store.list(&query).await?.tokens {
            let at = Timestamp::from_millis(FIRST + MONTH + 1);
            uses.push((token.id, LastUse { at, address: None, agent: None }));
        }
    }
    let begun = Instant::now();
    store.record_uses(&uses).await?;
    println!("{} noted uses: {:.2?}", uses.len(), begun.elapsed());
    Ok(())
}

async fn mint(store: SqliteStore) -> Result<bool, Box<dyn Error>> {
    let config = Config::builder(
        "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=",
        "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ",
    )
    .build()?;
    let service = TokenService::new(&config, Arc::new(store));
    let lifetime = AccessTokenDuration::OneMonth.lifetime();
    let request = || {
        Ok::<_, Box<dyn Error>>(
            MintRequest::new(TokenType::Personal, user("alice")?, lifetime).name("new"),
        )
    };
    let parent = service.mint(request()?).await?.record.id;
    let mut within = true;
    println!();
    for (name, request) in
        [("1,000 new tokens", request()?), ("1,000 made with a token", request()?.parent(parent))]
    {
        let begun = Instant::now();
        for _ in 0..1_000 {
            service.mint(request.clone()).await?;
        }
        let taken = begun.elapsed();
        within &= taken <= MINT_BUDGET;
        println!("{name}: {taken:.2?}");
    }
    Ok(within)
}

/// The statements that are executed, as `sqlx` tells them, while somebody wants to know.
#[derive(Clone, Default)]
struct Statements {
    is_on: Arc<AtomicBool>,
    texts: Arc<Mutex<Vec<String>>>,
}

impl Statements {
    fn start(&self) {
        self.is_on.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> Vec<String> {
        self.is_on.store(false, Ordering::Relaxed);
        std::mem::take(&mut *self.texts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.is_on.load(Ordering::Relaxed) && event.metadata().target() == "sqlx::query" {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Statements {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "db.statement" {
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.push(value.trim().to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}
