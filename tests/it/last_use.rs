//! When a token was used, from where and by what: noted within a minute, and on no request's path.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, header};
use tower_pat::{
    Authenticator,
    authenticate::{ClientAddress, Freshness},
    backend::{BoxFuture, StoreError},
    clock::{Clock, Timestamp},
    feed::ChangeFeed,
    token::{LastUse, TokenId, TokenRecord},
    token_service::{MintedToken, TokenLookup, TokenUses},
};

use crate::support::{Log, World, answer, config, with_token};

const BEGIN: Timestamp = Timestamp::from_seconds(1_750_000_000);

fn from(token: &str, address: &str, agent: &'static str) -> Request<String> {
    let mut request = with_token(token);
    let address: IpAddr = address.parse().unwrap();
    request.extensions_mut().insert(ClientAddress(address));
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static(agent));
    request
}

fn used(at: Timestamp, address: &str, agent: &str) -> LastUse {
    LastUse { at, address: Some(address.to_owned()), agent: Some(agent.to_owned()) }
}

fn at(minted: &MintedToken) -> String {
    minted.token.expose().to_owned()
}

impl World {
    async fn record(&self, minted: &MintedToken) -> TokenRecord {
        self.store.inner.find(&minted.record.id).await.unwrap().unwrap()
    }

    async fn last_use(&self, minted: &MintedToken) -> Option<LastUse> {
        self.record(minted).await.last_used
    }

    fn batches(&self) -> u64 {
        self.store.faults.batches.load(Ordering::SeqCst)
    }

    async fn send(&self, request: Request<String>) -> u16 {
        answer(&self.layer(), request).await.status
    }
}

/// Waits, in the runtime's paused time, until what was noted has been written.
async fn a_while() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_use_is_written_soon_with_address_and_agent() {
    let world = World::new().await;
    let minted = world.mint().await;
    assert_eq!(world.send(from(&at(&minted), "192.0.2.7", "curl/8.5.0")).await, 200);
    assert_eq!(world.last_use(&minted).await, None, "not on the request's path");
    a_while().await;
    let record = world.record(&minted).await;
    assert_eq!(record.first_used, Some(BEGIN));
    assert_eq!(record.last_used, Some(used(BEGIN, "192.0.2.7", "curl/8.5.0")));
}

#[tokio::test(start_paused = true)]
async fn what_the_request_does_not_say_is_not_noted() {
    let world = World::new().await;
    let minted = world.mint().await;
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    a_while().await;
    assert_eq!(
        world.last_use(&minted).await,
        Some(LastUse { at: BEGIN, address: None, agent: None })
    );
    // What a header says of the client counts for nothing.
    let minted = world.mint().await;
    let mut request = with_token(&at(&minted));
    request.headers_mut().insert("x-forwarded-for", HeaderValue::from_static("192.0.2.1"));
    assert_eq!(world.send(request).await, 200);
    a_while().await;
    assert_eq!(world.last_use(&minted).await.unwrap().address, None);
}

#[tokio::test(start_paused = true)]
async fn a_use_is_noted_once_a_minute_whether_the_token_is_remembered_or_not() {
    for capacity in [10_000, 0] {
        let world = World::with(config().cache_capacity(capacity)).await;
        let minted = world.mint().await;
        // At the seconds 0, 20, 40, ...; noted are those at 0, 60, 120, ...
        for step in 0..12_u64 {
            let agent = if step % 3 == 0 { "noted" } else { "between" };
            assert_eq!(world.send(from(&at(&minted), "::1", agent)).await, 200);
            a_while().await;
            let minute = BEGIN.saturating_add(Duration::from_secs(step / 3 * 60));
            assert_eq!(world.last_use(&minted).await, Some(used(minute, "::1", "noted")));
            assert_eq!(world.batches(), step / 3 + 1);
            world.clock.advance(Duration::from_secs(20));
            // The feed is read at the new time, so that what is remembered is an answer.
            a_while().await;
        }
        assert_eq!(world.record(&minted).await.first_used, Some(BEGIN));
        assert_eq!(world.store.finds(), if capacity == 0 { 12 } else { 1 });
    }
}

#[tokio::test(start_paused = true)]
async fn uses_of_many_tokens_are_written_together() {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for _ in 0..20 {
        tokens.push(world.mint().await);
    }
    for minted in &tokens {
        assert_eq!(world.send(with_token(&at(minted))).await, 200);
        // Whoever writes has its turn.
        tokio::task::yield_now().await;
    }
    assert_eq!(world.batches(), 0);
    a_while().await;
    assert_eq!(world.batches(), 1);
    for minted in &tokens {
        assert!(world.last_use(minted).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn many_uses_are_written_before_the_second_is_over() {
    let world = World::new().await;
    let begin = tokio::time::Instant::now();
    for sent in 1..=1_000 {
        assert_eq!(world.batches(), 0, "{sent}");
        let minted = world.mint().await;
        assert_eq!(world.send(with_token(&at(&minted))).await, 200);
        tokio::task::yield_now().await;
    }
    while world.batches() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(begin.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_is_no_use() {
    let world = World::new().await;
    let minted = world.mint().await;
    world.tokens.revoke(&minted.record.id, &minted.record.owner).await.unwrap();
    assert_eq!(world.send(with_token(&at(&minted))).await, 401);
    let excluded = world.layer().exclude(["/entities/*"]);
    let minted = world.mint().await;
    assert_eq!(answer(&excluded, with_token(&at(&minted))).await.status, 200);
    a_while().await;
    assert_eq!(world.batches(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flush_writes_at_once() {
    let world = World::new().await;
    let minted = world.mint().await;
    world.authenticator.flush_uses().await.unwrap();
    assert_eq!(world.batches(), 0);
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    world.authenticator.flush_uses().await.unwrap();
    assert!(world.last_use(&minted).await.is_some());
    // And the task does not write it again.
    a_while().await;
    assert_eq!(world.batches(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_written_when_the_last_clone_is_gone() {
    let mut world = World::new().await;
    let minted = world.mint().await;
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    let other = Authenticator::builder(world.config.clone(), world.store.clone());
    world.authenticator = other.build().await.unwrap();
    let begin = tokio::time::Instant::now();
    let written = async {
        while world.last_use(&minted).await.is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), written).await.unwrap();
    // At once, and not when a second is over.
    assert!(begin.elapsed() < Duration::from_millis(900));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_delays_uses_and_no_request() {
    let world = World::new().await;
    let minted = world.mint().await;
    world.store.faults.uses_are_down.store(true, Ordering::SeqCst);
    assert_eq!(world.send(from(&at(&minted), "::1", "first")).await, 200);
    a_while().await;
    assert_eq!(world.last_use(&minted).await, None);
    assert!(world.batches() > 1, "it is tried again");
    assert!(world.authenticator.flush_uses().await.is_err());
    // A later use takes the place of the one that waits.
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(world.send(from(&at(&minted), "::1", "second")).await, 200);
    world.store.faults.uses_are_down.store(false, Ordering::SeqCst);
    a_while().await;
    let later = BEGIN.saturating_add(Duration::from_secs(60));
    assert_eq!(world.last_use(&minted).await, Some(used(later, "::1", "second")));
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_logged_once_and_so_is_its_end() {
    let log = Log::default();
    let _guard = log.capture(tracing::Level::INFO);
    let world = World::new().await;
    let minted = world.mint().await;
    for round in 0..3 {
        log.take();
        let batches = world.batches();
        world.store.faults.uses_are_down.store(true, Ordering::SeqCst);
        assert_eq!(world.send(with_token(&at(&minted))).await, 200);
        a_while().await;
        a_while().await;
        assert!(world.batches() > batches + 2, "it is tried again");
        world.store.faults.uses_are_down.store(false, Ordering::SeqCst);
        a_while().await;
        let logged = log.take();
        // Whether a line is logged is remembered from whoever came to it first, such as a test
        // beside this one, which logs nothing.
        if round == 0 {
            tracing::callsite::rebuild_interest_cache();
        } else {
            for line in ["the uses of tokens are not noted", "the uses of tokens are noted again"] {
                assert_eq!(logged.matches(line).count(), 1, "{logged}");
            }
        }
        world.clock.advance(Duration::from_secs(60));
        a_while().await;
    }
}

/// Notes uses for itself, and says of each batch that it cannot be noted, or never answers.
#[derive(Debug, Default)]
struct Broken {
    hangs: bool,
    batches: AtomicU64,
}

impl TokenUses for Broken {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            assert_eq!(uses.len(), 1);
            self.batches.fetch_add(1, Ordering::SeqCst);
            if self.hangs {
                std::future::pending::<()>().await;
            }
            Err(StoreError::Invalid("no".to_owned()))
        })
    }
}

async fn with_uses(world: &World, uses: Option<Arc<dyn TokenUses>>) -> Authenticator {
    let store = Arc::new(world.store.clone());
    let feed: Arc<dyn ChangeFeed> = store.clone();
    let feed = Freshness::Feed(feed);
    let mut builder = Authenticator::builder_from_parts(
        config().build().unwrap(),
        (store.clone(), feed.clone()),
        (store.clone(), feed.clone()),
        (store, feed),
    )
    .clock(world.clock.clone());
    if let Some(uses) = uses {
        builder = builder.token_uses(uses);
    }
    builder.build().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_store_can_never_note_is_not_tried_again() {
    let mut world = World::new().await;
    let minted = world.mint().await;
    let broken = Arc::new(Broken::default());
    world.authenticator = with_uses(&world, Some(broken.clone())).await;
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    a_while().await;
    a_while().await;
    assert_eq!(broken.batches.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_never_answers_holds_nothing_up() {
    let mut world = World::new().await;
    let minted = world.mint().await;
    let broken = Arc::new(Broken { hangs: true, ..Broken::default() });
    world.authenticator = with_uses(&world, Some(broken.clone())).await;
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    let tried = broken.batches.load(Ordering::SeqCst);
    assert!((8..=11).contains(&tried), "{tried} times in a minute");
    // And it does not outlive the authenticator for long.
    drop(world);
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn parts_note_uses_only_where_they_are_told() {
    for told in [false, true] {
        let mut world = World::new().await;
        let minted = world.mint().await;
        let uses: Arc<dyn TokenUses> = Arc::new(world.store.clone());
        world.authenticator = with_uses(&world, told.then_some(uses)).await;
        for _ in 0..2 {
            assert_eq!(world.send(with_token(&at(&minted))).await, 200);
        }
        world.authenticator.flush_uses().await.unwrap();
        assert_eq!(world.last_use(&minted).await.is_some(), told);
    }
}

#[tokio::test(start_paused = true)]
async fn the_use_of_a_token_that_is_not_stored_is_not_noted() {
    use tower_pat::token::{
        ActorType, KeyRing, TokenClaims, TokenKey, TokenType, TokenVerifier, TokenVersion,
    };
    let world = World::with(config().accept_stateless(true)).await;
    let claims = TokenClaims {
        version: TokenVersion::Stateless,
        token_type: TokenType::Personal,
        actor_type: ActorType::User,
        actor_id: "alice".to_owned(),
        jti: None,
        expires_at: None,
    };
    let key = KeyRing::new(TokenKey::new(crate::support::KEY).unwrap());
    let token = TokenVerifier::new(key).sign(&claims).unwrap();
    for _ in 0..2 {
        assert_eq!(world.send(with_token(token.expose())).await, 200);
    }
    a_while().await;
    assert_eq!(world.batches(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_wall_clock_that_goes_back_does_not_undo_a_later_use() {
    let world = World::new().await;
    let minted = world.mint().await;
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    a_while().await;
    world.clock.advance(Duration::from_secs(60));
    world.clock.set_wall(BEGIN.saturating_sub(Duration::from_secs(5)));
    assert!(world.clock.now() < BEGIN);
    assert_eq!(world.send(with_token(&at(&minted))).await, 200);
    a_while().await;
    assert_eq!(world.last_use(&minted).await.unwrap().at, BEGIN);
}
