//! A store, a clock, an authenticator and the follower of its feed, on loom's threads.

use std::{
    cell::{Cell, OnceCell},
    future::Future,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64 as Counter, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::{Request, header, request::Parts as Head};
use loom::{
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64},
    },
    thread::{Builder, JoinHandle},
};
use tokio::runtime::Runtime;

use crate::{
    Config,
    actor::{ActorProfile, Directory, DirectoryStore, GroupKind, Urn},
    authenticate::{
        AuthenticateError, Authentication, Authenticator, Verdict, authenticator::Parts,
        following::Search, tidy::Walk,
    },
    backend::{BoxFuture, StoreError},
    clock::{Clock, Monotonic, Timestamp},
    config::ConfigBuilder,
    feed::{ChangeBatch, ChangeFeed, FeedCursor, Follower},
    policy::{PolicyRecord, PolicySource, PolicyStore, parse_policies},
    store::MemoryStore,
    token::{AccessTokenDuration, KeyRecord, RevocationRule, TokenId, TokenRecord, TokenType},
    token_service::{MintRequest, MintedToken, RuleSubject, TokenLookup, TokenService, TokenStore},
};

/// What a scenario happens in. It is made anew for each interleaving.
pub(super) struct World {
    pub(super) config: Config,
    pub(super) store: Arc<ModelStore>,
    pub(super) clock: Arc<ModelClock>,
    pub(super) authenticator: Authenticator,
    /// Whether the follower has handled the change that the scenario is about.
    handled: AtomicBool,
}

/// Tokens that every scenario has, made once: their texts are the same in each interleaving.
pub(super) struct Tokens {
    /// Alice's, made by Carol.
    pub(super) alice: MintedToken,
    /// Alice's, made with the other one.
    pub(super) child: MintedToken,
    pub(super) bob: MintedToken,
}

/// Whether time moves in a scenario, which makes many more interleavings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    Stands,
    Moves,
}

impl World {
    /// One in which nobody has asked for anything yet, and the follower of its feed.
    pub(super) fn new(time: Time, config: ConfigBuilder) -> (Arc<Self>, Follower) {
        let config = config.revocation_bound(BOUND).build().unwrap();
        let clock = Arc::new(ModelClock::new(time));
        let store = Arc::new(ModelStore::with(tokens()));
        let parts = Parts {
            tokens: store.clone(),
            tokens_ttl: None,
            directory: store.clone(),
            directory_ttl: None,
            policies: store.clone(),
            policies_ttl: None,
            token_uses: None,
            facts: None,
            before: Vec::new(),
            after: Vec::new(),
            clock: clock.clone(),
            feeds: vec![store.clone()],
        };
        let (authenticator, mut followers) =
            drive(Authenticator::assemble(&config, parts)).unwrap();
        let handled = AtomicBool::new(false);
        let world = Self { config, store, clock, authenticator, handled };
        (Arc::new(world), followers.pop().unwrap())
    }

    /// A thread of a scenario.
    pub(super) fn spawn(
        self: &Arc<Self>,
        thread: impl FnOnce(&Self) + Send + 'static,
    ) -> JoinHandle<()> {
        let world = self.clone();
        spawn(move || thread(&world))
    }

    /// What the authenticator answers, however long that takes.
    pub(super) fn request(&self, token: &MintedToken) -> Result<Authentication, AuthenticateError> {
        let answer = drive(self.authenticator.authenticate(&head(token)));
        let counter = if answer.is_ok() { &ACCEPTED } else { &REFUSED };
        counter.set(counter.get() + 1);
        answer
    }

    /// What it answers at once, by what is remembered.
    pub(super) fn remembered(&self, token: &MintedToken) -> Option<Authentication> {
        match self.authenticator.verdict((&head(token)).into()) {
            Verdict::Ready(Ok(authentication)) => Some(authentication),
            _ => None,
        }
    }

    /// What the task that follows the feed does once.
    pub(super) fn follow(&self, follower: &mut Follower) {
        drive(follower.read(&*self.authenticator.inner));
        self.authenticator.inner.after_reading();
    }

    /// What the task does once that judges suspects anew, and has everybody's privileges by the
    /// policies in force.
    pub(super) fn revalidate(&self) {
        let inner = &self.authenticator.inner;
        drive(inner.read_policies());
        let mut search = Search::default();
        if let Some(suspects) = drive(inner.suspects(&mut search, usize::MAX)) {
            drive(inner.judge_batch(search.place, &suspects)).unwrap();
        }
        let mut walk = Walk::default();
        while inner.tidy(&mut walk) {}
    }

    /// From here on it counts.
    pub(super) fn handled(&self) {
        self.handled.store(true, Ordering::Release);
    }

    pub(super) fn is_handled(&self) -> bool {
        self.handled.load(Ordering::Acquire)
    }
}

/// Of somebody who asked after something had ended, or maybe before: that they did not get it after.
/// Somewhere in the scenario there has to be one of each, and one that got it before.
pub(super) fn after_the_end(is_after: bool, is_given: bool) {
    let counter = if is_after { &ASKED_AFTER } else { &ASKED_BEFORE };
    counter.set(counter.get() + 1);
    GIVEN_BEFORE.set(GIVEN_BEFORE.get() + u64::from(!is_after && is_given));
    assert!(!is_after || !is_given, "by what had ended");
}

/// A store in memory in which everything happens at one point in time.
#[derive(Debug)]
pub(super) struct ModelStore {
    pub(super) inner: MemoryStore,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    fails: bool,
    /// The feed has lost what it had, and says so.
    has_gap: bool,
}

impl ModelStore {
    fn with(tokens: &Tokens) -> Self {
        let inner = MemoryStore::default();
        for name in ["alice", "bob", "carol"] {
            at_once(inner.create_user(&user(name))).unwrap();
        }
        let records = [&tokens.alice, &tokens.child, &tokens.bob].map(|it| it.record.clone());
        at_once(inner.import(&records)).unwrap();
        let (group, role) = (GROUP.parse().unwrap(), "urn:li:dataHubRole:Admin".parse().unwrap());
        at_once(inner.set_groups(&user("alice"), GroupKind::External, &[group])).unwrap();
        at_once(inner.set_roles(&GROUP.parse().unwrap(), &[role])).unwrap();
        at_once(inner.put_policies(&parse_policies(POLICY).unwrap())).unwrap();
        Self { inner, state: Mutex::default() }
    }

    /// Writes something, and announces it.
    pub(super) fn write<T>(&self, written: impl Future<Output = Result<T, StoreError>>) -> T {
        let _state = self.state.lock().unwrap();
        at_once(written).unwrap()
    }

    /// From here on it answers nothing.
    pub(super) fn fail(&self) {
        self.state.lock().unwrap().fails = true;
    }

    /// The next reading of the feed finds that changes are missing.
    pub(super) fn lose_changes(&self) {
        self.state.lock().unwrap().has_gap = true;
    }

    async fn ask<T>(
        &self,
        asked: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let state = self.state.lock().unwrap();
        if state.fails {
            return Err(StoreError::unavailable("out of order"));
        }
        at_once(asked)
    }
}

impl TokenLookup for ModelStore {
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

impl Directory for ModelStore {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        Box::pin(self.ask(self.inner.profile(urn)))
    }
}

impl PolicySource for ModelStore {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        Box::pin(self.ask(self.inner.policies()))
    }
}

impl ChangeFeed for ModelStore {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        Box::pin(self.ask(self.inner.head()))
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap();
            if state.fails {
                return Err(StoreError::unavailable("out of order"));
            }
            let mut batch = at_once(self.inner.since(cursor))?;
            if std::mem::take(&mut state.has_gap) {
                batch.changes.clear();
                batch.gap = true;
            }
            Ok(batch)
        })
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// The time of a scenario: everybody reads the newest, and learns nothing else by that.
#[derive(Debug)]
pub(super) struct ModelClock {
    time: Time,
    wall_millis: AtomicU64,
    monotonic_nanos: AtomicU64,
}

impl ModelClock {
    fn new(time: Time) -> Self {
        Self { time, wall_millis: AtomicU64::new(0), monotonic_nanos: AtomicU64::new(0) }
    }

    /// Moves wall and monotonic time, one after the other.
    pub(super) fn advance(&self, by: Duration) {
        self.jump(by);
        self.monotonic_nanos.fetch_add(by.as_nanos().try_into().unwrap(), Ordering::Relaxed);
    }

    /// Sets the wall time forward, and monotonic time goes on.
    pub(super) fn jump(&self, by: Duration) {
        self.wall_millis.fetch_add(by.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }

    fn read(&self, time: &AtomicU64) -> u64 {
        match self.time {
            Time::Stands => 0,
            // A load may find an old value.
            Time::Moves => time.fetch_add(0, Ordering::Relaxed),
        }
    }
}

impl Clock for ModelClock {
    fn now(&self) -> Timestamp {
        BEGIN.saturating_add(Duration::from_millis(self.read(&self.wall_millis)))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic::from_nanos(self.read(&self.monotonic_nanos))
    }
}

/// Runs `scenario` in every interleaving that has at most `preemptions` of them.
pub(super) fn explore(preemptions: usize, scenario: impl Fn() + Send + Sync + 'static) {
    tokens();
    RUNTIME.with(|runtime| {
        let runtime = runtime.get_or_init(|| {
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
        });
        // Once, since loom's threads are all on this one.
        let _entered = runtime.enter();
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound.get_or_insert(preemptions);
        builder.max_branches = 50_000;
        let (scenario, tried) = (Arc::new(scenario), Arc::new(Counter::new(0)));
        let (counter, begun) = (tried.clone(), Instant::now());
        builder.check(move || {
            counter.fetch_add(1, Ordering::Relaxed);
            let scenario = scenario.clone();
            // The thread that begins has not much of a stack.
            spawn(move || scenario()).join().unwrap();
            assert_eq!(runtime_tasks(), 0);
        });
        let tried = tried.load(Ordering::Relaxed);
        let (accepted, refused) = (ACCEPTED.take(), REFUSED.take());
        println!(
            "{tried} interleavings in {:?}: {accepted} requests accepted, {refused} refused",
            begun.elapsed()
        );
        // Somebody was answered, and threads met in more ways than one after the other.
        assert!(tried > 100 && accepted > 0);
        let (before, after) = (ASKED_BEFORE.take(), ASKED_AFTER.take());
        let given = GIVEN_BEFORE.take();
        if before + after > 0 {
            println!("{before} of them asked before the end, {given} got it; {after} asked after");
            assert!(given > 0 && after > 0);
        }
    });
}

fn spawn(thread: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().stack_size(STACK_WORDS).spawn(thread).unwrap()
}

/// Waits until these threads have ended.
pub(super) fn join<const COUNT: usize>(threads: [JoinHandle<()>; COUNT]) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// Polls a future to its end on the thread of a scenario.
pub(super) fn drive<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        run_tasks();
        loom::thread::yield_now();
    }
}

/// What waits for a look-up that did not end at once waits for a task: one thread runs them.
fn run_tasks() {
    RUNTIME.with(|runtime| {
        let is_run = RUNS_TASKS.replace(true);
        if !is_run {
            runtime.get().unwrap().block_on(tokio::task::yield_now());
            RUNS_TASKS.set(false);
        }
    });
}

fn runtime_tasks() -> usize {
    RUNTIME.with(|runtime| runtime.get().unwrap().metrics().num_alive_tasks())
}

/// The outcome of what needs nobody.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

pub(super) fn config() -> ConfigBuilder {
    // Everything that is looked through is one of loom's objects.
    Config::builder(KEY, SALT).cache_capacity(4)
}

pub(super) fn user(name: &str) -> Urn {
    Urn::corpuser(name).unwrap()
}

pub(super) fn tokens() -> &'static Tokens {
    static TOKENS: OnceLock<Tokens> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let made = Arc::new(OnceLock::new());
        let result = made.clone();
        // Keys have locks of loom's, which are nowhere else.
        loom::model(move || {
            let made = made.clone();
            spawn(move || {
                let _ = made.set(mint());
            })
            .join()
            .unwrap();
        });
        Arc::into_inner(result).and_then(OnceLock::into_inner).unwrap()
    })
}

fn mint() -> Tokens {
    let config = config().build().unwrap();
    let clock = Arc::new(ModelClock::new(Time::Stands));
    let service = TokenService::new(&config, Arc::new(MemoryStore::default())).clock(clock);
    let request = |name: &str| {
        MintRequest::new(TokenType::Personal, user(name), AccessTokenDuration::OneHour.lifetime())
    };
    let mint = |request| at_once(service.mint(request)).unwrap();
    let alice = mint(request("alice").owner(user("carol")));
    let child = mint(request("alice").parent(alice.record.id));
    Tokens { alice, child, bob: mint(request("bob")) }
}

fn head(token: &MintedToken) -> Head {
    let value = format!("Bearer {}", token.token.expose());
    Request::get("/").header(header::AUTHORIZATION, value).body(()).unwrap().into_parts().0
}

thread_local! {
    static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() };
    static ACCEPTED: Cell<u64> = const { Cell::new(0) };
    static REFUSED: Cell<u64> = const { Cell::new(0) };
    static ASKED_BEFORE: Cell<u64> = const { Cell::new(0) };
    static GIVEN_BEFORE: Cell<u64> = const { Cell::new(0) };
    static ASKED_AFTER: Cell<u64> = const { Cell::new(0) };
    static RUNS_TASKS: Cell<bool> = const { Cell::new(false) };
}

pub(super) const BOUND: Duration = Duration::from_secs(1);

pub(super) const BEGIN: Timestamp = Timestamp::from_seconds(1_750_000_000);

pub(super) const GROUP: &str = "urn:li:corpGroup:admins";

pub(super) const POLICY_URN: &str = "urn:li:dataHubPolicy:tokens";

pub(super) const KEY: &str = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";
pub(super) const OTHER_KEY: &str = "Zk4uV9sLx2Qe7rTb1NcYp5wHd8gJf3mA0oRiKtBvXhE=";
const SALT: &str = "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ";

const POLICY: &str = r#"{
    "urn": "urn:li:dataHubPolicy:tokens",
    "info": {
        "displayName": "Admins manage tokens",
        "type": "PLATFORM",
        "state": "ACTIVE",
        "privileges": ["MANAGE_ACCESS_TOKENS"],
        "actors": { "roles": ["urn:li:dataHubRole:Admin"] }
    }
}"#;

pub(super) const OTHER_POLICY: &str = r#"{
    "urn": "urn:li:dataHubPolicy:other",
    "info": {
        "displayName": "Everybody manages policies",
        "type": "PLATFORM",
        "state": "ACTIVE",
        "privileges": ["MANAGE_POLICIES"],
        "actors": { "allUsers": true }
    }
}"#;

/// For signatures and texts in a build without optimization.
const STACK_WORDS: usize = 0x2_0000;
