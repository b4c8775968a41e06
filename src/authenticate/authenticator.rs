use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{runtime::Handle, sync::Notify};
use zeroize::Zeroizing;

use super::{
    Attempt, AuthenticateError, Authentication, AuthenticatorBuilder, Credential,
    CredentialAuthenticator, Identity, PendingVerdict, RequestHead, Verdict,
    bearer::{self, Presented},
    flight::Flights,
    following,
    judge::{Inner, Unknown, earlier},
    kept::LIMITS,
    keys::{KeyUse, KnownKeys},
    outage::Outage,
    policies::CompiledPolicies,
    tasks::{Tasks, within},
    tidy,
    uses::{Origin, Uses},
    verified::{Found, Verified},
};
use crate::{
    actor::{Directory, Urn},
    backend::StoreError,
    clock::Clock,
    config::Config,
    epoch::Epoch,
    feed::{ChangeFeed, Follower, LatestChanges},
    policy::{PolicySource, ResourceFacts},
    sync::{AtomicBool, AtomicU64, IS_MODEL},
    token_service::{TokenLookup, TokenPlace, TokenUses, Verification, VerifyError},
};

/// Turns a request's credentials into an [`Authentication`]. Cheap to clone; see the
/// [module docs](super) for how.
#[derive(Clone)]
pub struct Authenticator {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Parts {
    pub(super) tokens: Arc<dyn TokenLookup>,
    pub(super) tokens_ttl: Option<Duration>,
    pub(super) directory: Arc<dyn Directory>,
    pub(super) directory_ttl: Option<Duration>,
    pub(super) policies: Arc<dyn PolicySource>,
    pub(super) policies_ttl: Option<Duration>,
    pub(super) token_uses: Option<Arc<dyn TokenUses>>,
    pub(super) facts: Option<Arc<dyn ResourceFacts>>,
    pub(super) before: Vec<Arc<dyn CredentialAuthenticator>>,
    pub(super) after: Vec<Arc<dyn CredentialAuthenticator>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) feeds: Vec<Arc<dyn ChangeFeed>>,
}

impl Authenticator {
    /// An authenticator for which one store is everything: tokens, when they were used, directory,
    /// policies and feed.
    pub fn builder<S>(config: Config, store: S) -> AuthenticatorBuilder
    where
        S: TokenLookup + TokenUses + Directory + PolicySource + ChangeFeed,
    {
        AuthenticatorBuilder::new(config, store)
    }

    /// An authenticator of parts from different places, each with how its changes become known.
    pub fn builder_from_parts(
        config: Config,
        tokens: (Arc<dyn TokenLookup>, super::Freshness),
        directory: (Arc<dyn Directory>, super::Freshness),
        policies: (Arc<dyn PolicySource>, super::Freshness),
    ) -> AuthenticatorBuilder {
        AuthenticatorBuilder::from_parts(config, tokens, directory, policies)
    }

    pub(super) async fn start(config: &Config, parts: Parts) -> Result<Self, StoreError> {
        let (authenticator, followers) = Self::assemble(config, parts).await?;
        let inner = &authenticator.inner;
        let spawn = |follower| tokio::spawn(following::follow(follower, Arc::downgrade(inner)));
        let mut tasks: Vec<_> =
            followers.into_iter().map(|follower| spawn(follower).abort_handle()).collect();
        if inner.verified.is_on() {
            tasks.push(tokio::spawn(following::revalidate(Arc::downgrade(inner))).abort_handle());
            tasks.push(tokio::spawn(tidy::tidy(Arc::downgrade(inner))).abort_handle());
        }
        if let Some(uses) = &inner.uses {
            tokio::spawn(uses.clone().run());
        }
        // Nobody else has `inner` yet, so it is set here and nowhere else.
        let _ = inner.tasks.set(tasks);
        Ok(authenticator)
    }

    /// An authenticator, and the followers that somebody has to run.
    pub(super) async fn assemble(
        config: &Config,
        parts: Parts,
    ) -> Result<(Self, Vec<Follower>), StoreError> {
        let bound = config.settings.revocation_bound;
        let store_timeout = config.settings.store_timeout;
        let mut followers = Vec::with_capacity(parts.feeds.len());
        for feed in parts.feeds {
            let clock = parts.clock.clone();
            followers.push(Follower::start(feed, clock, bound, store_timeout).await?);
        }
        let interval = bound / 4;
        // Whatever is looked up ends by itself before.
        let patience = store_timeout.saturating_add(Duration::from_millis(100));
        let time_to_live = earlier(parts.tokens_ttl, parts.directory_ttl);
        // What is shared is no older than what may be remembered.
        let shared_for = earlier(earlier(time_to_live, parts.policies_ttl), Some(bound));
        let tasks = Tasks::new(Handle::current());
        let policies = CompiledPolicies::new(
            parts.policies,
            parts.policies_ttl,
            config.settings.system_actor.clone(),
            tasks.clone(),
            store_timeout,
        );
        // Read now, so that a store that cannot be read is noticed at the start. Policies are compiled,
        // too, which takes as long as it may for a request.
        let longest = store_timeout.saturating_mul(LIMITS);
        let read = policies.current(&*parts.clock, parts.clock.monotonic(), |_| true);
        within(longest, read).await?;
        let verification = Verification::new(config);
        let material = verification.verifier.material().clone();
        let keys =
            KnownKeys::new(parts.tokens.clone(), parts.tokens_ttl, material, tasks, store_timeout);
        let read = keys.current(&*parts.clock, parts.clock.monotonic(), |_| true);
        within(longest, read).await?;
        let feeds = followers.iter().map(Follower::freshness).collect();
        let inner = Arc::new(Inner {
            verification,
            tokens: parts.tokens,
            directory: parts.directory,
            time_to_live,
            policies,
            keys,
            uses: parts.token_uses.map(|store| Arc::new(Uses::new(store))),
            facts: parts.facts,
            before: parts.before,
            after: parts.after,
            clock: parts.clock,
            verified: Verified::new(config.settings.cache_capacity),
            sessions: Verified::new(config.settings.cache_capacity),
            flights: Flights::new(Handle::current(), shared_for.unwrap_or(bound), patience),
            outage: Outage::new(config.settings.serve_stale_for, interval),
            changes: LatestChanges::new(places(config.settings.cache_capacity)),
            epoch: Epoch::default(),
            seen_epoch: AtomicU64::new(0),
            seen_policies: AtomicU64::new(0),
            has_suspects: AtomicBool::new(false),
            suspected: Arc::new(Notify::new()),
            interval,
            store_timeout,
            feeds,
            tasks: OnceLock::new(),
        });
        Ok((Self { inner }, followers))
    }

    /// Authenticates a request outside of the layer: for WebSockets, forward-auth and tests.
    ///
    /// # Errors
    ///
    /// [`AuthenticateError`]; [`MissingToken`](AuthenticateError::MissingToken) if nothing was
    /// presented.
    pub async fn authenticate(
        &self,
        parts: &http::request::Parts,
    ) -> Result<Authentication, AuthenticateError> {
        match self.verdict(parts.into()) {
            Verdict::NotPresented => Err(AuthenticateError::MissingToken),
            Verdict::Ready(result) => result,
            Verdict::Pending(pending) => pending.await,
        }
    }

    /// Writes now when tokens were used, as far as that has not been written yet.
    ///
    /// It is written anyway about a second after the use, and when the last clone of the
    /// authenticator is gone. A service that ends has it written by this, before its runtime ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails. It is tried again, as long as there is an authenticator.
    pub async fn flush_uses(&self) -> Result<(), StoreError> {
        match &self.inner.uses {
            Some(uses) => uses.flush().await,
            None => Ok(()),
        }
    }

    /// How often tokens of each key were found good since this authenticator was built, by it and its
    /// clones; in the order of the keys' ids. A key whose count no longer grows, on any node, and of
    /// which the store has no good tokens
    /// ([`TokenService::keys`](crate::TokenService::keys)), can be retired without anybody noticing.
    /// Of tokens of version 1, and of those whose record does not say the key, only this tells, since
    /// the node was started.
    #[must_use]
    pub fn key_uses(&self) -> Vec<KeyUse> {
        self.inner.keys.uses()
    }

    /// How many requests were answered by what was remembered alone, while the store could not be
    /// asked and changes were unknown, since this authenticator was built: see
    /// [`serve_stale_for`](crate::config::ConfigBuilder::serve_stale_for), without which it is 0.
    #[must_use]
    pub fn served_stale(&self) -> u64 {
        self.inner.outage.served_in_all()
    }

    /// Judges a request as far as it can be without waiting.
    #[must_use]
    pub fn verdict(&self, head: RequestHead<'_>) -> Verdict {
        for authenticator in &self.inner.before {
            if let Some(verdict) = self.attempt(&**authenticator, head) {
                return verdict;
            }
        }
        match bearer::present(head.headers) {
            Ok(Presented::Bearer(token)) => self.token(head, token, TokenPlace::Header),
            Ok(Presented::NoBearer) => self
                .inner
                .after
                .iter()
                .find_map(|authenticator| self.attempt(&**authenticator, head))
                .unwrap_or(Verdict::NotPresented),
            Err(error) => Verdict::Ready(Err(error)),
        }
    }

    /// The authentication of an actor by the word of somebody else.
    pub(super) fn identify(&self, actor: Urn, credential: Credential) -> PendingVerdict {
        let inner = self.inner.clone();
        PendingVerdict(Box::pin(async move { inner.identify(actor, credential).await }))
    }

    /// Judges the text of a token. That it is one is looked at only if it is not good.
    fn token(&self, head: RequestHead<'_>, raw: &[u8], place: TokenPlace) -> Verdict {
        let inner = &self.inner;
        let verified = inner.verified(place);
        let monotonic = inner.clock.monotonic();
        let is_fresh = inner.is_fresh(monotonic);
        if is_fresh {
            let note = |known: &_, key_id| inner.note_remembered(known, key_id, head, monotonic);
            match verified.get(raw, inner.current(monotonic), note) {
                Some(Found::Good(found)) => return Verdict::Ready(Ok(found)),
                Some(Found::Outdated(found)) => {
                    return inner.with_new_policies(raw, place, found, monotonic);
                }
                None => {}
            }
        } else if let Some(found) = inner.known_in_outage(raw, place, head, monotonic) {
            return Verdict::Ready(Ok(found));
        }
        let start = inner.begin_at(monotonic);
        match inner.verification.check_as(raw, place, start.now) {
            Err(error) if error.is_bad_signature() => inner.unknown_signature(error.into(), start),
            Err(VerifyError::Token(error))
                if place == TokenPlace::Header
                    && !error.is_after_signature()
                    && !bearer::is_token(raw) =>
            {
                Verdict::Ready(Err(AuthenticateError::MalformedHeader))
            }
            Err(error) => Verdict::Ready(Err(error.into())),
            Ok(token) => {
                let text = verified.is_on().then(|| Zeroizing::new(raw.into()));
                let origin = inner.uses.as_ref().map(|_| Origin::of(head));
                let unknown = Arc::new(Unknown { token, text, place, origin, start });
                Verdict::Pending(PendingVerdict(Box::pin(inner.clone().find_out(unknown))))
            }
        }
    }

    fn attempt(
        &self,
        authenticator: &dyn CredentialAuthenticator,
        head: RequestHead<'_>,
    ) -> Option<Verdict> {
        match authenticator.attempt(head) {
            Attempt::NotMine => None,
            Attempt::Refused(error) => Some(Verdict::Ready(Err(error))),
            Attempt::Accepted(Identity { actor, credential }) => {
                Some(Verdict::Pending(self.identify(actor, credential)))
            }
            Attempt::SessionToken(text) => {
                Some(self.token(head, text.expose().as_bytes(), TokenPlace::Session))
            }
            Attempt::Pending(identity) => {
                let inner = self.inner.clone();
                Some(Verdict::Pending(PendingVerdict(Box::pin(async move {
                    let Identity { actor, credential } = identity.await?;
                    inner.identify(actor, credential).await
                }))))
            }
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("tokens", &self.inner.tokens)
            .field("directory", &self.inner.directory)
            .finish_non_exhaustive()
    }
}

/// Of how many subjects changes are told apart where so much is remembered: so many that a change ends
/// hardly anything by chance. With 10,000 tokens they take 1 MiB, and a thousand changes end 1.5 % of
/// the tokens.
const fn places(capacity: usize) -> usize {
    if IS_MODEL {
        return 64;
    }
    let places = capacity.saturating_mul(8);
    if places < MIN_PLACES { MIN_PLACES } else { places }
}

/// Of how many subjects changes are told apart at least: 512 KiB.
const MIN_PLACES: usize = 1 << 16;
