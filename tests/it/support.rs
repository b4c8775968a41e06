//! A deployment in a test: store, clock, keys, and a store that can fail.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_pat::{
    AuthenticateLayer, Authentication, Authenticator, Config, Privilege, TokenService,
    actor::{ActorProfile, Directory, DirectoryStore, Urn},
    backend::{BoxFuture, StoreError},
    clock::{ManualClock, Timestamp},
    config::ConfigBuilder,
    feed::{ChangeBatch, ChangeFeed, FeedCursor},
    policy::{PolicyRecord, PolicySource},
    store::MemoryStore,
    token::{
        AccessTokenDuration, KeyRecord, LastUse, RevocationRule, TokenId, TokenRecord, TokenType,
    },
    token_service::{MintRequest, MintedToken, RuleSubject, TokenLookup, TokenUses},
};

pub const KEY: &str = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";
pub const SALT: &str = "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ";

pub fn urn(text: &str) -> Urn {
    text.parse().unwrap()
}

pub fn user(id: &str) -> Urn {
    Urn::corpuser(id).unwrap()
}

pub fn config() -> ConfigBuilder {
    Config::builder(KEY, SALT)
}

/// One store, one clock, and everything that is built on them.
pub struct World {
    pub config: Config,
    pub store: FaultyStore,
    pub clock: Arc<ManualClock>,
    pub tokens: TokenService,
    pub authenticator: Authenticator,
}

impl World {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: ConfigBuilder) -> Self {
        let config = config.build().unwrap();
        let store = FaultyStore::default();
        store.inner.create_user(&user("alice")).await.unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_750_000_000)));
        let tokens = TokenService::new(&config, Arc::new(store.inner.clone())).clock(clock.clone());
        let authenticator = Authenticator::builder(config.clone(), store.clone())
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        Self { config, store, clock, tokens, authenticator }
    }

    pub fn layer(&self) -> AuthenticateLayer {
        AuthenticateLayer::new(self.authenticator.clone())
    }

    pub async fn mint_for(&self, id: &str) -> MintedToken {
        let lifetime = AccessTokenDuration::OneHour.lifetime();
        let request = MintRequest::new(TokenType::Personal, user(id), lifetime).name("laptop");
        self.tokens.mint(request).await.unwrap()
    }

    pub async fn mint(&self) -> MintedToken {
        self.mint_for("alice").await
    }

    /// What a service behind the layer answers to a request with this token.
    pub async fn answer(&self, token: &str) -> Answer {
        answer(&self.layer(), with_token(token)).await
    }

    /// Whether the bearer of this token may do this without regard to a resource.
    pub async fn may(&self, token: &str, privilege: Privilege) -> bool {
        let (parts, _) = with_token(token).into_parts();
        let authentication = self.authenticator.authenticate(&parts).await.unwrap();
        authentication.require(privilege).is_ok()
    }

    /// Waits until the bearer of this token may do this; at most a second, which is the bound.
    pub async fn gains(&self, token: &str, privilege: Privilege) {
        let poll = async {
            while !self.may(token, privilege.clone()).await {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), poll).await.expect("within the bound");
    }

    /// Waits until the request with this token is answered so; at most a second, which is the
    /// bound.
    pub async fn becomes(&self, token: &str, status: u16) -> Answer {
        let poll = async {
            loop {
                let answer = self.answer(token).await;
                if answer.status == status {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), poll).await.expect("within the bound")
    }
}

pub fn request() -> Request<String> {
    Request::get("/entities/urn:li:corpuser:alice").body(String::new()).unwrap()
}

pub fn with_header(value: &str) -> Request<String> {
    let mut request = request();
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    request
}

pub fn with_token(token: &str) -> Request<String> {
    with_header(&format!("Bearer {token}"))
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn challenge(&self) -> Option<&str> {
        self.headers.get(header::WWW_AUTHENTICATE).map(|value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

/// Sends a request through `layer` to a service that answers with the actor's urn, or `nobody`.
pub async fn answer<L>(layer: &L, request: Request<String>) -> Answer
where
    L: Layer<WhoAmI>,
    L::Service: Service<Request<String>, Error = Infallible>,
    <L::Service as Service<Request<String>>>::Response: IntoAnswer,
{
    layer.layer(who_am_i()).oneshot(request).await.unwrap().into_answer().await
}

pub type WhoAmI = tower::util::ServiceFn<
    fn(Request<String>) -> std::future::Ready<Result<Response<String>, Infallible>>,
>;

pub fn who_am_i() -> WhoAmI {
    service_fn(|request: Request<String>| {
        let actor = request.extensions().get::<Authentication>();
        let text = actor.map_or("nobody".to_owned(), |auth| auth.actor().urn().to_string());
        std::future::ready(Ok(Response::new(text)))
    })
}

pub trait IntoAnswer {
    fn into_answer(self) -> impl Future<Output = Answer>;
}

impl<B: http_body::Body<Error: std::fmt::Debug>> IntoAnswer for Response<B> {
    async fn into_answer(self) -> Answer {
        let (parts, body) = self.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }
}

/// A store in memory whose answers can be made to fail, counted, and held back.
#[derive(Debug, Clone)]
pub struct FaultyStore {
    pub inner: MemoryStore,
    pub faults: Arc<Faults>,
}

#[derive(Debug)]
pub struct Faults {
    pub store_is_down: AtomicBool,
    pub feed_is_down: AtomicBool,
    /// The feed has lost its changes, and says so.
    pub feed_has_gap: AtomicBool,
    /// How often a token was looked up.
    pub finds: AtomicU64,
    /// How often the states of keys were read.
    pub key_reads: AtomicU64,
    /// How often policies were read.
    pub policy_reads: AtomicU64,
    /// A permit for each look-up of an actor, if they are held back.
    pub hold_profiles: AtomicBool,
    pub profiles: Semaphore,
    /// How many batches of uses came.
    pub batches: AtomicU64,
    /// Uses are not taken.
    pub uses_are_down: AtomicBool,
    /// The feed has lost its changes, and says so once.
    pub gap_once: AtomicBool,
    /// Reading the feed panics.
    pub feed_panics: AtomicBool,
    /// How often the feed was read.
    pub feed_reads: AtomicU64,
    /// How often many tokens were looked up at once.
    pub batch_finds: AtomicU64,
    /// A permit for each look-up of many users at once, which is the last of a batch, if they are
    /// held back.
    pub hold_batches: AtomicBool,
    pub batch_permits: Semaphore,
    /// With this user among them, many users cannot be looked up at once.
    pub broken_user: Mutex<Option<Urn>>,
    /// What goes wrong in a part of the store, beside the above.
    faults: Mutex<HashMap<Part, Fault>>,
}

/// A question to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Part {
    Find,
    Rules,
    Keys,
    Profile,
    Policies,
    /// Of many tokens at once.
    Batch,
    Head,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Fails,
    /// What is stored cannot be read.
    Corrupt,
    /// There is never an answer.
    Hangs,
    Panics,
}

impl Default for FaultyStore {
    fn default() -> Self {
        Self {
            inner: MemoryStore::default(),
            faults: Arc::new(Faults {
                store_is_down: AtomicBool::new(false),
                feed_is_down: AtomicBool::new(false),
                feed_has_gap: AtomicBool::new(false),
                finds: AtomicU64::new(0),
                key_reads: AtomicU64::new(0),
                policy_reads: AtomicU64::new(0),
                hold_profiles: AtomicBool::new(false),
                profiles: Semaphore::new(0),
                batches: AtomicU64::new(0),
                uses_are_down: AtomicBool::new(false),
                gap_once: AtomicBool::new(false),
                feed_panics: AtomicBool::new(false),
                feed_reads: AtomicU64::new(0),
                batch_finds: AtomicU64::new(0),
                hold_batches: AtomicBool::new(false),
                batch_permits: Semaphore::new(0),
                broken_user: Mutex::default(),
                faults: Mutex::default(),
            }),
        }
    }
}

impl FaultyStore {
    pub fn set_down(&self, down: bool) {
        self.faults.store_is_down.store(down, Ordering::SeqCst);
        self.faults.feed_is_down.store(down, Ordering::SeqCst);
    }

    pub fn finds(&self) -> u64 {
        self.faults.finds.load(Ordering::SeqCst)
    }

    pub fn key_reads(&self) -> u64 {
        self.faults.key_reads.load(Ordering::SeqCst)
    }

    /// From now on this goes wrong in this part; `None` for nothing.
    pub fn set_fault(&self, part: Part, fault: impl Into<Option<Fault>>) {
        let mut faults = self.faults.faults.lock().unwrap();
        match fault.into() {
            Some(fault) => faults.insert(part, fault),
            None => faults.remove(&part),
        };
    }

    /// Waits until the feed was read, from the beginning, after this was called.
    pub async fn feed_was_read(&self) {
        let begun = self.faults.feed_reads.load(Ordering::SeqCst);
        let read = async {
            // One may have begun before, so the one behind the next is certain.
            while self.faults.feed_reads.load(Ordering::SeqCst) < begun + 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), read).await.expect("the feed is read");
    }

    async fn ask(&self, part: Part) -> Result<(), StoreError> {
        let fault = self.faults.faults.lock().unwrap().get(&part).copied();
        match fault {
            None => self.check(&self.faults.store_is_down),
            Some(Fault::Fails) => Err(StoreError::unavailable(io::Error::other("out of order"))),
            Some(Fault::Corrupt) => Err(StoreError::Corrupt { what: "tokens.id", source: None }),
            Some(Fault::Hangs) => std::future::pending().await,
            Some(Fault::Panics) => panic!("on purpose"),
        }
    }

    fn check(&self, is_down: &AtomicBool) -> Result<(), StoreError> {
        if is_down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable(io::Error::other("the disk is on fire")));
        }
        Ok(())
    }
}

impl TokenLookup for FaultyStore {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        self.faults.finds.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            self.ask(Part::Find).await?;
            self.inner.find(id).await
        })
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(async move {
            self.ask(Part::Rules).await?;
            self.inner.rules(subject).await
        })
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        self.faults.key_reads.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            self.ask(Part::Keys).await?;
            self.inner.keys().await
        })
    }

    fn find_all<'a>(
        &'a self,
        ids: &'a [TokenId],
    ) -> BoxFuture<'a, Result<Vec<Option<TokenRecord>>, StoreError>> {
        self.faults.batch_finds.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            self.ask(Part::Batch).await?;
            self.inner.find_all(ids).await
        })
    }

    fn rules_for_any<'a>(
        &'a self,
        subjects: &'a [RuleSubject<'a>],
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(async move {
            self.ask(Part::Batch).await?;
            self.inner.rules_for_any(subjects).await
        })
    }
}

impl TokenUses for FaultyStore {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.faults.batches.fetch_add(1, Ordering::SeqCst);
            self.check(&self.faults.uses_are_down)?;
            self.inner.record_uses(uses).await
        })
    }
}

impl Directory for FaultyStore {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        Box::pin(async move {
            self.ask(Part::Profile).await?;
            let profile = self.inner.profile(urn).await;
            if self.faults.hold_profiles.load(Ordering::SeqCst) {
                self.faults.profiles.acquire().await.unwrap().forget();
            }
            profile
        })
    }

    fn profiles<'a>(
        &'a self,
        urns: &'a [Urn],
    ) -> BoxFuture<'a, Result<Vec<Option<ActorProfile>>, StoreError>> {
        Box::pin(async move {
            self.ask(Part::Batch).await?;
            let is_broken = |broken: &Urn| urns.contains(broken);
            if self.faults.broken_user.lock().unwrap().as_ref().is_some_and(is_broken) {
                return Err(StoreError::unavailable(io::Error::other("a referral timed out")));
            }
            let profiles = self.inner.profiles(urns).await;
            if self.faults.hold_batches.load(Ordering::SeqCst) {
                self.faults.batch_permits.acquire().await.unwrap().forget();
            }
            profiles
        })
    }
}

impl PolicySource for FaultyStore {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        self.faults.policy_reads.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            self.ask(Part::Policies).await?;
            self.inner.policies().await
        })
    }
}

impl ChangeFeed for FaultyStore {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        Box::pin(async move {
            self.ask(Part::Head).await?;
            self.inner.head().await
        })
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        Box::pin(async move {
            self.faults.feed_reads.fetch_add(1, Ordering::SeqCst);
            assert!(!self.faults.feed_panics.load(Ordering::SeqCst), "on purpose");
            self.check(&self.faults.feed_is_down)?;
            let mut batch = self.inner.since(cursor).await?;
            if self.faults.feed_has_gap.load(Ordering::SeqCst)
                || self.faults.gap_once.swap(false, Ordering::SeqCst)
            {
                batch.gap = true;
                batch.changes.clear();
            }
            Ok(batch)
        })
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        self.inner.woken()
    }
}

/// What is logged while it captures, on this thread.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn capture(&self, level: tracing::Level) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    /// What was logged since the last time.
    pub fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
