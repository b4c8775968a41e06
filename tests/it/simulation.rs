//! Requests, revocations, gaps, outages and slow answers, in any order that chance makes of them: a
//! change counts within the bound, what is good is never refused, and nobody has a privilege that was
//! withdrawn.
//!
//! All of it happens in the virtual time of a paused runtime, in which waiting takes no time. A seed
//! decides everything, so a failure can be repeated.

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep};
use tower_pat::{
    Authenticator, Privilege, TokenService,
    actor::{ActorProfile, Directory, DirectoryStore, GroupKind, Urn},
    authenticate::AuthenticateError,
    backend::{BoxFuture, StoreError},
    clock::{Clock, Monotonic, Timestamp},
    feed::{ChangeBatch, ChangeFeed, FeedCursor},
    policy::{PolicyRecord, PolicySource, PolicyStore, parse_policies},
    store::MemoryStore,
    token::{
        AccessTokenDuration, KeyRecord, LastUse, RevocationRule, TokenId, TokenRecord, TokenType,
    },
    token_service::{MintRequest, MintedToken, RuleSubject, TokenLookup, TokenUses},
};

use crate::support::{config, urn, user, with_token};

const BOUND: Duration = Duration::from_secs(1);
const USERS: u64 = 4;
const CLIENTS: usize = 6;
const LASTS: Duration = Duration::from_secs(40);
const POLICY: &str = r#"{
    "urn": "urn:li:dataHubPolicy:admins",
    "info": {
        "displayName": "Admins manage policies",
        "type": "PLATFORM",
        "state": "ACTIVE",
        "privileges": ["MANAGE_POLICIES"],
        "actors": { "groups": ["urn:li:corpGroup:admins"] }
    }
}"#;

/// The time of the paused runtime.
#[derive(Debug)]
struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_750_000_000).saturating_add(self.0.elapsed())
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(0).saturating_add(self.0.elapsed())
    }
}

/// Chance: splitmix64.
#[derive(Debug)]
struct Chance(AtomicU64);

impl Chance {
    fn below(&self, end: u64) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut x = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % end
    }

    fn one_in(&self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// A store that takes its time before and after it reads, fails, and loses changes.
#[derive(Clone)]
struct Unreliable {
    inner: MemoryStore,
    chance: Arc<Chance>,
    /// How bad it is: of a hundred answers, so many are none; and of the feed's.
    store_fails: Arc<AtomicU32>,
    feed_fails: Arc<AtomicU32>,
}

impl fmt::Debug for Unreliable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unreliable")
    }
}

impl Unreliable {
    async fn pass(&self, fails: &AtomicU32) -> Result<(), StoreError> {
        // Mostly quick, now and then slower than a reader of the feed has patience.
        let longest = if self.chance.one_in(8) { 700 } else { 20 };
        sleep(Duration::from_millis(self.chance.below(longest))).await;
        if self.chance.below(100) < u64::from(fails.load(Ordering::Relaxed)) {
            if self.chance.one_in(4) {
                return std::future::pending().await;
            }
            return Err(StoreError::unavailable("out of order"));
        }
        Ok(())
    }

    async fn ask<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.pass(&self.store_fails).await?;
        let answer = asked.await;
        self.pass(&self.store_fails).await?;
        answer
    }
}

impl TokenLookup for Unreliable {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(self.ask(self.inner.find(id)))
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(self.ask(self.inner.rules(subject)))
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        Box::pin(self.ask(self.inner.keys()))
    }

    fn find_all<'a>(
        &'a self,
        ids: &'a [TokenId],
    ) -> BoxFuture<'a, Result<Vec<Option<TokenRecord>>, StoreError>> {
        Box::pin(self.ask(self.inner.find_all(ids)))
    }
}

impl TokenUses for Unreliable {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.record_uses(uses)
    }
}

impl Directory for Unreliable {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        Box::pin(self.ask(self.inner.profile(urn)))
    }
}

impl PolicySource for Unreliable {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        Box::pin(self.ask(self.inner.policies()))
    }
}

impl ChangeFeed for Unreliable {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        self.inner.head()
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        Box::pin(async move {
            self.pass(&self.feed_fails).await?;
            let mut batch = self.inner.since(cursor).await?;
            if self.chance.one_in(20) {
                batch.changes.clear();
                batch.gap = true;
            }
            self.pass(&self.feed_fails).await?;
            Ok(batch)
        })
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        match self.chance.one_in(3) {
            true => self.inner.woken(),
            false => Box::pin(std::future::pending()),
        }
    }
}

/// What is true, and since when: states in the order in which they were committed.
#[derive(Debug, Default)]
struct History(Mutex<Vec<(Instant, bool)>>);

impl History {
    fn becomes(&self, is_good: bool) {
        self.0.lock().unwrap().push((Instant::now(), is_good));
    }

    /// Whether it was so at some time from `from` to now. Good before the first entry.
    fn was(&self, is_good: bool, from: Instant) -> bool {
        let states = self.0.lock().unwrap();
        let last_before = states.iter().rev().find(|(at, _)| *at < from).is_none_or(|(_, is)| *is);
        last_before == is_good || states.iter().any(|(at, is)| *at >= from && *is == is_good)
    }
}

struct Token {
    minted: MintedToken,
    actor: usize,
    /// Whether it is not revoked.
    history: History,
}

struct Simulation {
    store: Unreliable,
    tokens: TokenService,
    authenticator: Authenticator,
    minted: Mutex<Vec<Arc<Token>>>,
    actors: Vec<History>,
    /// Whether each actor is in the group to which the policy grants something.
    members: Vec<History>,
    /// Whether there is that policy.
    policy: History,
    accepted: AtomicU64,
    granted: AtomicU64,
    denied: AtomicU64,
    refused: AtomicU64,
    unavailable: AtomicU64,
}

impl Simulation {
    async fn mint(&self) {
        let actor = self.store.chance.below(USERS);
        let lifetime = AccessTokenDuration::OneHour.lifetime();
        let actor_urn = user(&format!("user {actor}"));
        let minted = self.tokens.mint(MintRequest::new(TokenType::Personal, actor_urn, lifetime));
        let minted = minted.await.unwrap();
        let token = Token { minted, actor: actor as usize, history: History::default() };
        self.minted.lock().unwrap().push(Arc::new(token));
    }

    fn any_token(&self) -> Arc<Token> {
        let minted = self.minted.lock().unwrap();
        // Mostly of the newest, since the others are revoked more and more.
        let count = minted.len() as u64;
        let behind = self.store.chance.below(count.min(12));
        minted[(count - 1 - behind) as usize].clone()
    }

    async fn request(&self) {
        let token = self.any_token();
        let (parts, _) = with_token(token.minted.token.expose()).into_parts();
        let began = Instant::now();
        let result = self.authenticator.authenticate(&parts).await;
        // What was so at the bound before the request began may still count.
        let from = began.checked_sub(BOUND).unwrap_or(began);
        let histories = [&token.history, &self.actors[token.actor]];
        match result {
            Ok(authentication) => {
                let may_be = histories.iter().all(|history| history.was(true, from));
                assert!(may_be, "accepted {:?} after {histories:?}", began);
                self.accepted.fetch_add(1, Ordering::Relaxed);
                let histories = [&self.policy, &self.members[token.actor]];
                if authentication.require(Privilege::MANAGE_POLICIES).is_ok() {
                    let may_be = histories.iter().all(|history| history.was(true, from));
                    assert!(may_be, "granted {:?} after {histories:?}", began);
                    self.granted.fetch_add(1, Ordering::Relaxed);
                } else {
                    let may_be = histories.iter().any(|history| history.was(false, from));
                    assert!(may_be, "denied {:?} after {histories:?}", began);
                    self.denied.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(AuthenticateError::Unavailable(_)) => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                // A refusal is never older than the request.
                let may_be = histories.iter().any(|history| history.was(false, began));
                assert!(may_be, "refused {:?} after {histories:?}: {error}", began);
                self.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn change(&self) {
        let chance = &self.store.chance;
        match chance.below(6) {
            0 | 1 => self.mint().await,
            2 => self.change_policy(!chance.one_in(3)).await,
            3 => {
                let actor = chance.below(USERS);
                self.change_membership(actor, !chance.one_in(3)).await;
            }
            4 => {
                let token = self.any_token();
                self.tokens.revoke(&token.minted.record.id, &user("admin")).await.unwrap();
                token.history.becomes(false);
            }
            _ => {
                let actor = chance.below(USERS);
                let is_active = !chance.one_in(3);
                let urn = user(&format!("user {actor}"));
                self.store.inner.set_suspended(&urn, !is_active).await.unwrap();
                self.actors[actor as usize].becomes(is_active);
            }
        }
    }
}

impl Simulation {
    async fn change_policy(&self, is_there: bool) {
        let store = &self.store.inner;
        if is_there {
            let policy = parse_policies(POLICY).unwrap();
            store.put_policies(&policy).await.unwrap();
        } else {
            store.delete_policy(&urn("urn:li:dataHubPolicy:admins")).await.unwrap();
        }
        self.policy.becomes(is_there);
    }

    async fn change_membership(&self, actor: u64, is_member: bool) {
        let (actor_urn, group) = (user(&format!("user {actor}")), urn("urn:li:corpGroup:admins"));
        let groups = if is_member { vec![group] } else { Vec::new() };
        let store = &self.store.inner;
        assert!(store.set_groups(&actor_urn, GroupKind::Native, &groups).await.unwrap());
        self.members[actor as usize].becomes(is_member);
    }
}

async fn simulate(seed: u64, capacity: usize) -> Arc<Simulation> {
    let clock = Arc::new(VirtualClock(Instant::now()));
    let store = Unreliable {
        inner: MemoryStore::default(),
        chance: Arc::new(Chance(AtomicU64::new(seed))),
        store_fails: Arc::default(),
        feed_fails: Arc::default(),
    };
    let mut actors = Vec::new();
    for number in 0..USERS {
        let (actor, group) = (user(&format!("user {number}")), urn("urn:li:corpGroup:admins"));
        store.inner.create_user(&actor).await.unwrap();
        store.inner.set_groups(&actor, GroupKind::Native, &[group]).await.unwrap();
        actors.push(History::default());
    }
    store.inner.put_policies(&parse_policies(POLICY).unwrap()).await.unwrap();
    let members = (0..USERS).map(|_| History::default()).collect();
    let config = config().revocation_bound(BOUND).cache_capacity(capacity).build().unwrap();
    let tokens = TokenService::new(&config, Arc::new(store.inner.clone())).clock(clock.clone());
    let authenticator =
        Authenticator::builder(config, store.clone()).clock(clock).build().await.unwrap();
    let simulation = Arc::new(Simulation {
        store,
        tokens,
        authenticator,
        minted: Mutex::default(),
        actors,
        members,
        policy: History::default(),
        accepted: AtomicU64::default(),
        granted: AtomicU64::default(),
        denied: AtomicU64::default(),
        refused: AtomicU64::default(),
        unavailable: AtomicU64::default(),
    });
    for _ in 0..8 {
        simulation.mint().await;
    }
    let end = Instant::now() + LASTS;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let simulation = simulation.clone();
        clients.push(tokio::spawn(async move {
            while Instant::now() < end {
                simulation.request().await;
                sleep(Duration::from_millis(simulation.store.chance.below(30))).await;
            }
        }));
    }
    while Instant::now() < end {
        simulation.change().await;
        let chance = &simulation.store.chance;
        if chance.one_in(10) {
            // Good times and bad ones, apart for the store and its feed.
            let fails = |bad| if chance.one_in(3) { bad } else { 0 };
            simulation.store.store_fails.store(fails(60), Ordering::Relaxed);
            simulation.store.feed_fails.store(fails(100), Ordering::Relaxed);
        }
        sleep(Duration::from_millis(chance.below(600))).await;
    }
    for client in clients {
        client.await.unwrap_or_else(|error| panic!("seed {seed}, capacity {capacity}: {error}"));
    }
    simulation
}

#[tokio::test(start_paused = true)]
async fn a_change_counts_within_the_bound_and_what_is_good_is_not_refused() {
    let (mut accepted, mut refused, mut unavailable) = (0, 0, 0);
    let (mut granted, mut denied) = (0, 0);
    for seed in 0..24 {
        let capacity = [1_000, 4, 0][seed as usize % 3];
        let simulation = simulate(seed * 1_000, capacity).await;
        accepted += simulation.accepted.load(Ordering::Relaxed);
        refused += simulation.refused.load(Ordering::Relaxed);
        granted += simulation.granted.load(Ordering::Relaxed);
        denied += simulation.denied.load(Ordering::Relaxed);
        unavailable += simulation.unavailable.load(Ordering::Relaxed);
    }
    // All of it was there.
    assert!(
        accepted > 5_000 && refused > 1_000 && unavailable > 200,
        "{accepted} {refused} {unavailable}"
    );
    assert!(granted > 1_000 && denied > 1_000, "{granted} {denied}");
}
