//! What a million tokens in PostgreSQL cost: `cargo bench --all-features --bench load`, with `-- --help`
//! behind it for what can be chosen. It starts a server of its own, in a temporary folder, and prints
//! times and then the plans by which the server goes about each statement of a request.
//!
//! Times are of whole calls, over a socket of the same machine, with whatever the operating system
//! has in memory by then.
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::print_stderr)]
// The server's support is for tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tests/common/postgres.rs"]
mod postgres;

use std::{
    collections::HashSet,
    env,
    error::Error,
    fmt,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use http::{Request, header, request::Parts};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tower_pat::{
    Authenticator, Config, TokenService,
    actor::{DirectoryStore, Urn},
    clock::{Clock, SystemClock},
    random::{OsRandom, secret},
    store::PostgresStore,
    token::{AccessTokenDuration, RevocationRule, RuleScope, TokenId, TokenType},
    token_service::{MintRequest, Retention, TokenFilter, TokenQuery, TokenStore},
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt};

type BoxError = Box<dyn Error + Send + Sync>;

/// What a million tokens in PostgreSQL cost.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Args {
    /// How many tokens there are.
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    rows: u64,
    /// An empty database for it, of a superuser if the plans are to be seen. Default a server of its
    /// own.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    // As `cargo test` runs a bench: whether it works at all.
    let is_bench = env::args().any(|argument| argument == "--bench" || argument == "--help");
    let args =
        if is_bench { Args::parse() } else { Args { rows: 20_000, url: None, bench: false } };
    match load(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("a table is read from end to end on the way of a request");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn load(args: &Args) -> Result<bool, BoxError> {
    let plans = Plans::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(plans.clone()))?;
    // It ends with this, and its folder goes.
    let server = args.url.is_none().then(|| postgres::Server::start(&["--durable"]));
    let url = match (&server, &args.url) {
        (Some(server), _) => server.url().to_owned(),
        (None, Some(url)) => url.clone(),
        (None, None) => return Err("no database".into()),
    };
    let store = PostgresStore::connect(&url).await?;
    let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
    let service = TokenService::new(&config, Arc::new(store.clone()));
    let alice = Urn::corpuser("alice")?;
    store.create_user(&alice).await?;

    let count = usize::try_from(args.rows / 100)?.clamp(1, 20_000);
    // In portions, so that they lie all over the table.
    let (mut minted, mut filled) = (Vec::new(), 0);
    for portion in 1..=PORTIONS {
        minted.extend(mint(&service, &alice, count / PORTIONS).await?);
        let to = args.rows.saturating_sub(count as u64) * portion as u64 / PORTIONS as u64;
        fill(&url, filled, to).await?;
        filled = to;
    }
    fill_others(&url).await?;
    let minted_among = mint(&service, &alice, count.min(2_000)).await?;
    println!("(the last {} among all the others)", minted_among.len());
    verify(&service, &minted).await?;
    lists(&store, &alice, "").await?;
    revoke(&store, &minted, &alice).await?;

    let begun = Instant::now();
    let deleted = store.sweep(SystemClock::default().now(), &Retention::default()).await?;
    if deleted == 0 {
        return Err("nothing was swept".into());
    }
    println!("sweep      {deleted} expired tokens deleted in {:.2?}", begun.elapsed());
    // As they are for long: a sweep has added up what was made and revoked.
    lists(&store, &alice, ", swept").await?;

    let is_good = explain(&url, &plans, &config, &alice, &minted).await?;
    rule(&url, &store, &config, &alice, &minted_among).await?;
    lists(&store, &alice, ", all of them covered by a rule but the last").await?;
    store.close().await;
    Ok(is_good)
}

/// A token that was made: its text and its id.
type Minted = (String, TokenId);

async fn mint(service: &TokenService, alice: &Urn, count: usize) -> Result<Vec<Minted>, BoxError> {
    let request = MintRequest::new(
        TokenType::Personal,
        alice.clone(),
        AccessTokenDuration::ThreeMonths.lifetime(),
    );
    let minted = Mutex::new(Vec::with_capacity(count));
    let figures = at_once(16, count, async |_| {
        let token = service.mint(request.clone().name("minted")).await?;
        let token = (token.token.expose().to_owned(), token.record.id);
        minted.lock().unwrap_or_else(PoisonError::into_inner).push(token);
        Ok(())
    })
    .await?;
    println!("mint       {figures}");
    Ok(minted.into_inner()?)
}

/// Tokens of alice with these numbers, of which every tenth acts as a service and every tenth expired
/// long ago.
async fn fill(url: &str, mut from: u64, rows: u64) -> Result<(), BoxError> {
    let begun = Instant::now();
    let now = SystemClock::default().now().as_millis();
    let (month, kept) = (30 * DAY, 300 * DAY);
    let mut connection = PgConnection::connect(url).await?;
    while from < rows {
        let to = (from + STEP).min(rows);
        let sql = format!(
            "INSERT INTO tokens (
                 id, name, owner, actor, created_at, expires_at, token_type, key_id, last_used_at
             )
             SELECT sha256(int8send(i)), 'token ' || (i * 7919 % 1000003), 'urn:li:corpuser:alice',
                 CASE WHEN i % 10 = 0 THEN 'urn:li:corpuser:service' ELSE 'urn:li:corpuser:alice' END,
                 {now} - {kept} + i,
                 CASE WHEN i % 10 = 1 THEN {now} - {month} - {DAY} - i
                      WHEN i % 3 = 0 THEN NULL
                      ELSE {now} + (i * 2654435761) % {kept} END,
                 'PERSONAL', '0123456789abcdef',
                 CASE WHEN i % 4 <> 0 THEN {now} - (i * 40503) % {month} END
             FROM generate_series({from}::bigint, {to}::bigint - 1) AS i"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        from = to;
        eprintln!("filled {from} of {rows}, {:.0?}", begun.elapsed());
    }
    connection.close().await?;
    Ok(())
}

/// Users and rules, so that those tables are not small either.
async fn fill_others(url: &str) -> Result<(), BoxError> {
    let now = SystemClock::default().now().as_millis();
    let mut connection = PgConnection::connect(url).await?;
    let sql = format!(
        "INSERT INTO users (urn) SELECT 'urn:li:corpuser:user' || i FROM generate_series(1, 10000) i;
         INSERT INTO revocation_rules (scope, subject, issued_before, made_by)
             SELECT 'actor', 'urn:li:corpuser:user' || i, {now}, 'urn:li:corpuser:admin'
             FROM generate_series(1, 1000) i;
         INSERT INTO memberships (user_urn, kind, group_urn)
             SELECT 'urn:li:corpuser:user' || i, 'native', 'urn:li:corpGroup:group' || i % 100
             FROM generate_series(1, 10000) i;
         INSERT INTO roles (holder, role)
             SELECT 'urn:li:corpuser:user' || i, 'urn:li:dataHubRole:Reader'
             FROM generate_series(1, 10000) i;
         VACUUM (ANALYZE)"
    );
    for sql in sql.split(';') {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

async fn verify(service: &TokenService, minted: &[Minted]) -> Result<(), BoxError> {
    let random = AtomicU64::new(1);
    let figures = at_once(8, minted.len(), async |_| {
        // Any, in no order: an odd step goes through all numbers.
        let number = random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) >> 20;
        let number = usize::try_from(number % minted.len() as u64)?;
        let (text, _) = minted.get(number).ok_or("none")?;
        service.verify(text).await?;
        Ok(())
    })
    .await?;
    println!("verify     not remembered by the node: {figures}");
    Ok(())
}

async fn lists(store: &PostgresStore, alice: &Urn, when: &str) -> Result<(), BoxError> {
    let now = SystemClock::default().now();
    let mine = TokenFilter::AnyOf(vec![
        TokenFilter::Owner(vec![alice.clone()]),
        TokenFilter::Actor(vec![alice.clone()]),
    ]);
    let query = TokenQuery::default();
    let queries = [
        ("all", query.clone()),
        ("owner", query.clone().filter(TokenFilter::Owner(vec![alice.clone()]))),
        ("owner or actor", query.clone().filter(mine)),
        ("expired", query.clone().filter(TokenFilter::over(now))),
        ("not expired", query.filter(TokenFilter::Not(Box::new(TokenFilter::over(now))))),
    ];
    for (name, query) in queries {
        for page in [1, 1_000] {
            let query = query.clone().page((page - 1) * PAGE, PAGE);
            let mut best = Duration::MAX;
            let mut total = 0;
            for _ in 0..5 {
                let begun = Instant::now();
                total = store.list(&query).await?.total;
                best = best.min(begun.elapsed());
            }
            println!("list{when}  {name:>16}, page {page:>5}: best of five {best:.1?}, of {total}");
        }
    }
    Ok(())
}

/// Half of them.
async fn revoke(store: &PostgresStore, minted: &[Minted], by: &Urn) -> Result<(), BoxError> {
    let figures = at_once(8, minted.len() / 2, async |number| {
        let (_, id) = minted.get(number).ok_or("none")?;
        let revoked = store.revoke(id, by, SystemClock::default().now()).await?;
        if revoked { Ok(()) } else { Err("there was nothing to revoke".into()) }
    })
    .await?;
    println!("revoke     {figures}");
    Ok(())
}

/// One rule over all tokens, and when another node knows.
async fn rule(
    url: &str,
    store: &PostgresStore,
    config: &Config,
    alice: &Urn,
    minted: &[Minted],
) -> Result<(), BoxError> {
    let other = PostgresStore::connect(url).await?;
    let authenticator = Authenticator::builder(config.clone(), other.clone()).build().await?;
    let (text, _) = minted.first().ok_or("none")?;
    let request = request(text)?;
    authenticator.authenticate(&request).await?;
    let service = TokenService::new(config, Arc::new(store.clone()));
    let issued_before = SystemClock::default().now();
    let rule = RevocationRule { scope: RuleScope::All, issued_before, by: alice.clone() };
    let begun = Instant::now();
    store.add_rule(&rule).await?;
    let written = begun.elapsed();
    while authenticator.authenticate(&request).await.is_ok() {
        if begun.elapsed() > BOUND {
            return Err("the other node does not know of the rule within the bound".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let known = begun.elapsed();
    println!(
        "rule       over everything: written in {written:.1?}, known elsewhere after {known:.1?}"
    );
    mint(&service, alice, 1).await?;
    other.close().await;
    Ok(())
}

fn request(text: &str) -> Result<Parts, BoxError> {
    let request = Request::builder().header(header::AUTHORIZATION, format!("Bearer {text}"));
    Ok(request.body(())?.into_parts().0)
}

/// Shows what the server says of how it goes about each statement of a request; whether none reads a
/// whole table. It fails if the server tells no plan of one of them.
async fn explain(
    url: &str,
    plans: &Plans,
    config: &Config,
    alice: &Urn,
    minted: &[Minted],
) -> Result<bool, BoxError> {
    let options = "-c session_preload_libraries=auto_explain -c auto_explain.log_min_duration=0 \
                   -c client_min_messages=log";
    let question = if url.contains('?') { '&' } else { '?' };
    let options = options.replace(' ', "%20").replace('=', "%3D");
    let store = PostgresStore::connect(&format!("{url}{question}options={options}")).await?;
    let service = TokenService::new(config, Arc::new(store.clone()));
    let authenticator = Authenticator::builder(config.clone(), store.clone()).build().await?;
    let (text, _) = minted.last().ok_or("none")?;
    let mut is_good = true;
    // By then a statement has had a plan that is for any values, if the server makes one.
    for last in 0..=6 {
        let is_last = last == 6;
        plans.take();
        service.verify(text).await?;
        is_good &= plans.show("verify", is_last);
        authenticator.authenticate(&request(text)?).await?;
        tokio::time::sleep(BOUND / 2).await;
        is_good &= plans.show("the feed", is_last);
        let (_, id) = &mint_quietly(&service, alice).await?;
        is_good &= plans.show("mint", is_last);
        store.revoke(id, alice, SystemClock::default().now()).await?;
        is_good &= plans.show("revoke", is_last);
        for page in [0, 999] {
            store.list(&TokenQuery::default().page(page * PAGE, PAGE)).await?;
        }
        plans.show("list all, pages 1 and 1,000", is_last);
        let owner = TokenFilter::Owner(vec![alice.clone()]);
        store.list(&TokenQuery::default().filter(owner).page(999 * PAGE, PAGE)).await?;
        plans.show("list of an owner, page 1,000", is_last);
    }
    drop(authenticator);
    store.close().await;
    for of in ["verify", "the feed", "mint", "revoke"] {
        if !plans.has(of) {
            return Err(format!("the server told no plan of {of}").into());
        }
    }
    Ok(is_good)
}

async fn mint_quietly(service: &TokenService, alice: &Urn) -> Result<Minted, BoxError> {
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let token =
        service.mint(MintRequest::new(TokenType::Personal, alice.clone(), lifetime)).await?;
    Ok((token.token.expose().to_owned(), token.record.id))
}

/// Does something so many times, so many at once.
async fn at_once(
    workers: usize,
    count: usize,
    work: impl AsyncFn(usize) -> Result<(), BoxError>,
) -> Result<Figures, BoxError> {
    let (next, begun) = (AtomicUsize::new(0), Instant::now());
    let each = (0..workers).map(async |_| {
        let mut times = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok::<_, BoxError>(times);
            }
            let begun = Instant::now();
            work(number).await?;
            times.push(begun.elapsed());
        }
    });
    let mut times = futures_util::future::try_join_all(each).await?.concat();
    times.sort();
    Ok(Figures { workers, times, took: begun.elapsed() })
}

/// How long something took that was done many times.
struct Figures {
    workers: usize,
    times: Vec<Duration>,
    took: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |percent: usize| {
            self.times.get(self.times.len().saturating_sub(1) * percent / 100).copied()
        };
        let (count, took) = (self.times.len(), self.took.as_secs_f64());
        write!(
            f,
            "{count}, {} at once: {:.0} in a second, p50 {:.1?}, p99 {:.1?}, max {:.1?}",
            self.workers,
            f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took,
            at(50).unwrap_or_default(),
            at(99).unwrap_or_default(),
            at(100).unwrap_or_default()
        )
    }
}

/// The plans that the server tells (`auto_explain`), as `sqlx` passes on what it says.
#[derive(Clone, Default)]
struct Plans {
    is_on: Arc<AtomicBool>,
    texts: Arc<Mutex<Vec<String>>>,
    shown: Arc<Mutex<HashSet<String>>>,
    /// What there were plans of.
    told: Arc<Mutex<HashSet<String>>>,
}

impl Plans {
    fn take(&self) -> Vec<String> {
        self.is_on.store(true, Ordering::Relaxed);
        std::mem::take(&mut *self.texts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn has(&self, of: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).contains(of)
    }

    /// Prints those since the last time, each once, if they are wanted. Whether none of them reads a
    /// whole table.
    fn show(&self, of: &str, wanted: bool) -> bool {
        let mut is_good = true;
        for text in self.take() {
            let Some((_, text)) = text.split_once("Query Text: ") else { continue };
            // The plan begins with the line that has the first cost.
            let lines: Vec<&str> = text.lines().collect();
            let begin = lines.iter().position(|line| line.contains("(cost=")).unwrap_or_default();
            let (query, plan) = lines.split_at(begin);
            if plan.iter().any(|line| line.contains("(cost=")) {
                self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(of.to_owned());
            }
            // A table of one row has no other way, and all the few keys are asked for.
            is_good &= !plan.iter().any(|line| {
                line.contains("Seq Scan on")
                    && !SMALL.iter().any(|table| line.contains(&format!(" on {table} ")))
            });
            let words: Vec<&str> = query.iter().flat_map(|line| line.split_whitespace()).collect();
            let query = words.join(" ");
            // That of the feed has other numbers each time.
            let name: String = query.chars().filter(|c| !c.is_ascii_digit()).collect();
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            if wanted && shown.insert(name) {
                println!("\nplan       {of}: {query}\n    {}", plan.join("\n    "));
            }
        }
        is_good
    }
}

impl<S: Subscriber> Layer<S> for Plans {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if self.is_on.load(Ordering::Relaxed)
            && event.metadata().target() == "sqlx::postgres::notice"
        {
            event.record(&mut self.clone());
        }
    }
}

impl Visit for Plans {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.push(value.to_owned());
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Without quotes, since it is a `format_args`.
        self.record_str(field, &format!("{value:?}"));
    }
}

/// In how many portions tokens are made between the others.
const PORTIONS: usize = 20;
const PAGE: u32 = 20;
const DAY: i64 = 86_400_000;
/// How many are filled at once.
const STEP: u64 = 50_000;
/// Tables that are read as a whole.
const SMALL: [&str; 2] = ["feed_state", "token_keys"];
/// The bound on revocations, which is the default.
const BOUND: Duration = Duration::from_secs(1);
