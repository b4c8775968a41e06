//! A deployment in memory of any size, whose store tells when it is asked.

use std::{
    error::Error,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use http::Request;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service};
use tower_pat::{
    AuthenticateLayer, Authenticator, Config, TokenService,
    actor::{DirectoryStore, Urn},
    authenticate::{Authenticate, Freshness},
    backend::{BoxFuture, StoreError},
    clock::{Clock, SystemClock},
    feed::{ChangeBatch, ChangeFeed, FeedCursor},
    policy::{PolicyRecord, PolicyStore, default_policies},
    store::MemoryStore,
    token::{
        AccessTokenDuration, KeyRecord, Revocation, RevocationRule, RuleScope, TokenId,
        TokenRecord, TokenType,
    },
    token_service::{MintRequest, RuleSubject, TokenLookup, TokenStore},
};

use crate::{
    Outcome,
    common::{Inner, KEY, SALT, bare, request},
    marks,
};

/// How large a deployment is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// How many tokens there are.
    pub tokens: usize,
    /// How many actors they belong to.
    pub actors: usize,
    /// How many policies there are besides DataHub's own.
    pub policies: usize,
    /// How many tokens, and actors by a rule, are revoked.
    pub revocations: usize,
    /// How many tokens may be remembered.
    pub capacity: usize,
    /// How late a revocation may be.
    pub bound: Duration,
}

impl Size {
    /// One token. Its feed is not read while it is measured: under callgrind a second is over soon.
    pub const ONE: Self = Self {
        tokens: 1,
        actors: 1,
        policies: 0,
        revocations: 0,
        capacity: 1_024,
        bound: Duration::from_hours(1),
    };

    /// So many tokens, each of which can be remembered.
    pub const fn of(tokens: usize, actors: usize) -> Self {
        // Not each part of what is remembered gets the same.
        Self { tokens, actors, capacity: 2 * tokens + 1_024, ..Self::ONE }
    }
}

/// A deployment in memory.
pub struct Deployment {
    /// Drives the task that follows the feed.
    pub runtime: Runtime,
    pub store: MemoryStore,
    pub observer: Arc<Observer>,
    pub tokens: TokenService,
    pub layer: AuthenticateLayer,
    pub service: Authenticate<Inner>,
    /// What stands in the header of requests, for each token.
    pub headers: Vec<String>,
}

impl Deployment {
    pub fn new(size: Size) -> Outcome<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let config = Config::builder(KEY, SALT)
            .revocation_bound(size.bound)
            .cache_capacity(size.capacity)
            .build()?;
        let store = MemoryStore::default();
        let observer = Arc::new(Observer::new(store.clone()));
        let tokens = TokenService::new(&config, Arc::new(store.clone()));
        let (layer, headers) = runtime.block_on(async {
            for number in 0..size.actors {
                store.create_user(&actor(number)?).await?;
            }
            store.seed_policies(&default_policies()).await?;
            store.put_policies(&policies(size.policies)?).await?;
            revoke(&store, size.revocations).await?;
            let lifetime = AccessTokenDuration::OneMonth.lifetime();
            let mut headers = Vec::with_capacity(size.tokens);
            for number in 0..size.tokens {
                let actor = actor(number % size.actors)?;
                let request = MintRequest::new(TokenType::Personal, actor, lifetime);
                let minted = tokens.mint(request.name("bench")).await?;
                headers.push(format!("Bearer {}", minted.token.expose()));
            }
            let feed: Arc<dyn ChangeFeed> = observer.clone();
            let feed = Freshness::Feed(feed);
            let authenticator = Authenticator::builder_from_parts(
                config,
                (observer.clone(), feed.clone()),
                (Arc::new(store.clone()), feed.clone()),
                (Arc::new(store.clone()), feed),
            )
            .token_uses(Arc::new(store.clone()))
            .build()
            .await?;
            Ok::<_, Box<dyn Error>>((AuthenticateLayer::new(authenticator), headers))
        })?;
        let service = layer.clone().layer(bare());
        Ok(Self { runtime, store, observer, tokens, layer, service, headers })
    }

    /// Has each token remembered.
    pub fn remember(&mut self) -> Outcome<()> {
        for header in &self.headers {
            let status = answer(&self.runtime, &mut self.service, request(header));
            if status != 200 {
                return Err(format!("a token was answered with {status}").into());
            }
        }
        Ok(())
    }
}

/// The status of the answer to a request, also where that has to be waited for.
pub fn answer(
    runtime: &Runtime,
    service: &mut Authenticate<Inner>,
    request: Request<String>,
) -> u16 {
    let mut response = pin!(service.call(request));
    let response = match response.as_mut().now_or_never() {
        Some(response) => response,
        None => runtime.block_on(response),
    };
    response.map_or(0, |response| response.status().as_u16())
}

/// Who tokens belong to, by number. Names are equally long up to a million, and so are tokens.
pub fn actor(number: usize) -> Outcome<Urn> {
    Ok(Urn::corpuser(&format!("u{number:06}"))?)
}

fn policies(count: usize) -> Outcome<Vec<PolicyRecord>> {
    (0..count)
        .map(|number| {
            let urn = format!("urn:li:dataHubPolicy:{number}").parse()?;
            Ok(PolicyRecord { urn, info: crate::common::policy(number)? })
        })
        .collect()
}

/// Half of these are tokens that were revoked, half rules about actors.
async fn revoke(store: &MemoryStore, count: usize) -> Outcome<()> {
    let (now, by) = (SystemClock::default().now(), actor(0)?);
    let mut records = Vec::new();
    for number in 0..count {
        let who = Urn::corpuser(&format!("gone-{number}"))?;
        if number % 2 == 0 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let id = TokenId::from_bytes(id);
            let mut record = TokenRecord::new(id, "gone", who.clone(), who, now);
            record.revoked = Some(Revocation { at: now, by: by.clone() });
            records.push(record);
        } else {
            let scope = RuleScope::Actor(who);
            store.add_rule(&RevocationRule { scope, issued_before: now, by: by.clone() }).await?;
        }
    }
    store.import(&records).await?;
    Ok(())
}

/// Looks tokens up and reads changes for an authenticator, and notes when.
#[derive(Debug)]
pub struct Observer {
    store: MemoryStore,
    asked: AtomicU64,
    asked_at: Mutex<Option<Instant>>,
    changed_at: Mutex<Option<Instant>>,
}

impl Observer {
    fn new(store: MemoryStore) -> Self {
        Self {
            store,
            asked: AtomicU64::new(0),
            asked_at: Mutex::default(),
            changed_at: Mutex::default(),
        }
    }

    /// How often a token was looked up.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// When a token was looked up last.
    pub fn asked_at(&self) -> Option<Instant> {
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When changes were read last, and not only that there are none.
    pub fn changed_at(&self) -> Option<Instant> {
        *self.changed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TokenLookup for Observer {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        marks::store_is_asked();
        *self.asked_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.store.find(id)
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        self.store.rules(subject)
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        self.store.keys()
    }
}

impl ChangeFeed for Observer {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        self.store.head()
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        Box::pin(async move {
            let batch = self.store.since(cursor).await?;
            if !batch.changes.is_empty() {
                let now = Some(Instant::now());
                *self.changed_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
            }
            Ok(batch)
        })
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        self.store.woken()
    }
}
