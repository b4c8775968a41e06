use std::{
    fmt,
    sync::{Arc, OnceLock, Weak, atomic::AtomicU64},
    time::Duration,
};

use tokio::task::AbortHandle;
use zeroize::Zeroizing;

use super::{
    AccessToken, Attempt, AuthenticateError, Authentication, AuthenticatorBuilder, Credential,
    CredentialAuthenticator, Identity, PendingVerdict, RequestHead, Verdict,
    bearer::{self, Presented},
    policies::CompiledPolicies,
    uses::{Origin, Uses},
    verified::{Entry, Subject, Verified},
};
use crate::{
    actor::{Directory, Urn},
    backend::StoreError,
    clock::{Clock, Monotonic, Timestamp},
    config::Config,
    epoch::Epoch,
    feed::{Change, ChangeFeed, ChangeSink, Follower, Freshness, RecentChanges},
    policy::{PolicySource, ResourceFacts},
    token::TokenType,
    token_service::{
        SignedToken, Stored, TokenLookup, TokenPlace, TokenUses, Verification, VerifyError,
    },
};

/// Turns a request's credentials into an [`Authentication`]. Cheap to clone; see the
/// [module docs](super) for how.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
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

struct Inner {
    verification: Verification,
    tokens: Arc<dyn TokenLookup>,
    directory: Arc<dyn Directory>,
    /// The shorter of the times to live of tokens and directory, where they have one.
    time_to_live: Option<Duration>,
    policies: CompiledPolicies,
    uses: Option<Arc<Uses>>,
    facts: Option<Arc<dyn ResourceFacts>>,
    before: Vec<Arc<dyn CredentialAuthenticator>>,
    after: Vec<Arc<dyn CredentialAuthenticator>>,
    clock: Arc<dyn Clock>,
    verified: Verified,
    /// Apart from the others: what is good as a session is none in the header, nor the other way.
    sessions: Verified,
    recent: RecentChanges,
    epoch: Epoch,
    feeds: Vec<Arc<Freshness>>,
    followers: OnceLock<Vec<AbortHandle>>,
}

/// A token that is good as far as can be told without a store.
struct Unknown {
    token: SignedToken,
    /// Its text, if it is to be remembered.
    text: Option<Zeroizing<Box<[u8]>>>,
    place: TokenPlace,
    /// Where it comes from, if that is to be noted.
    origin: Option<Origin>,
    start: Start,
}

/// What was so before anything was looked up.
#[derive(Clone, Copy)]
struct Start {
    now: Timestamp,
    monotonic: Monotonic,
    position: u64,
    epoch: u64,
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
        let bound = config.settings.revocation_bound;
        let mut followers = Vec::with_capacity(parts.feeds.len());
        for feed in parts.feeds {
            followers.push(Follower::start(feed, parts.clock.clone(), bound).await?);
        }
        let policies = CompiledPolicies::new(
            parts.policies,
            parts.policies_ttl,
            config.settings.system_actor.clone(),
        );
        // Read now, so that a store that cannot be read is noticed at the start.
        policies.current(&*parts.clock, parts.clock.monotonic(), true).await?;
        let feeds = followers.iter().map(Follower::freshness).collect();
        let inner = Arc::new(Inner {
            verification: Verification::new(config),
            tokens: parts.tokens,
            directory: parts.directory,
            time_to_live: earlier(parts.tokens_ttl, parts.directory_ttl),
            policies,
            uses: parts.token_uses.map(|store| Arc::new(Uses::new(store))),
            facts: parts.facts,
            before: parts.before,
            after: parts.after,
            clock: parts.clock,
            verified: Verified::new(config.settings.cache_capacity),
            sessions: Verified::new(config.settings.cache_capacity),
            recent: RecentChanges::new(RECENT_CHANGES),
            epoch: Epoch::default(),
            feeds,
            followers: OnceLock::new(),
        });
        let spawn = |follower| tokio::spawn(follow(follower, Arc::downgrade(&inner)));
        let tasks = followers.into_iter().map(|follower| spawn(follower).abort_handle()).collect();
        if let Some(uses) = &inner.uses {
            tokio::spawn(uses.clone().run());
        }
        // Nobody else has `inner` yet, so it is set here and nowhere else.
        let _ = inner.followers.set(tasks);
        Ok(Self { inner })
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

    /// Judges a request as far as it can be without waiting.
    #[must_use]
    pub fn verdict(&self, head: RequestHead<'_>) -> Verdict {
        for authenticator in &self.inner.before {
            if let Some(verdict) = self.attempt(&**authenticator, head) {
                return verdict;
            }
        }
        match bearer::present(head.headers) {
            Ok(Presented::Bearer(token)) => {
                self.token(head, token.as_bytes(), TokenPlace::Header, || token.text())
            }
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

    /// Judges the text of a token. That it is one text is looked at only if it is not remembered.
    fn token<'a>(
        &self,
        head: RequestHead<'_>,
        raw: &[u8],
        place: TokenPlace,
        text: impl FnOnce() -> Result<&'a str, AuthenticateError>,
    ) -> Verdict {
        let inner = &self.inner;
        let verified = inner.verified(place);
        let monotonic = inner.clock.monotonic();
        if inner.is_fresh(monotonic)
            && let Some(found) = verified.get(raw, monotonic, inner.epoch.current(), |known| {
                inner.note_remembered(known, head, monotonic)
            })
        {
            return Verdict::Ready(Ok(found));
        }
        let start = inner.begin();
        let checked =
            text().and_then(|text| Ok(inner.verification.check_as(text, place, start.now)?));
        match checked {
            Err(error) => Verdict::Ready(Err(error)),
            Ok(token) => {
                let text = verified.is_on().then(|| Zeroizing::new(raw.into()));
                let origin = inner.uses.as_ref().map(|_| Origin::of(head));
                let unknown = Unknown { token, text, place, origin, start };
                Verdict::Pending(PendingVerdict(Box::pin(inner.clone().resolve(unknown))))
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
                let text = text.expose();
                Some(self.token(head, text.as_bytes(), TokenPlace::Session, || Ok(text)))
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

impl Inner {
    fn begin(&self) -> Start {
        // The clocks last: if they jump behind this, the epoch is an old one.
        let (position, epoch) = (self.recent.position(), self.epoch.current());
        Start { now: self.clock.now(), monotonic: self.clock.monotonic(), position, epoch }
    }

    fn is_fresh(&self, now: Monotonic) -> bool {
        self.feeds.iter().all(|feed| feed.is_fresh(now))
    }

    fn verified(&self, place: TokenPlace) -> &Verified {
        match place {
            TokenPlace::Header => &self.verified,
            TokenPlace::Session => &self.sessions,
        }
    }

    async fn resolve(
        self: Arc<Self>,
        unknown: Unknown,
    ) -> Result<Authentication, AuthenticateError> {
        let Unknown { token, text, place, origin, start } = unknown;
        let stored = self.verification.look_up(&*self.tokens, &token, start.now).await?;
        // Log-out and a new password end what is stored as a session, and nothing else.
        let token_type = stored.as_ref().and_then(|stored| stored.record.token_type);
        if place == TokenPlace::Session && token_type != Some(TokenType::Session) {
            return Err(VerifyError::NotASession.into());
        }
        let is_stored = stored.is_some();
        let ends_at = stored.as_ref().and_then(|stored| stored.record.ends_at());
        let expires_at = earlier(token.claims.expires_at, ends_at);
        let (name, owner, ancestors) = match stored {
            Some(Stored { record, ancestors }) => {
                (Some(record.name), Some(record.owner), ancestors)
            }
            None => (None, None, Box::default()),
        };
        let credential = Credential::AccessToken(AccessToken {
            id: token.id,
            name,
            token_type: token.claims.token_type,
            expires_at,
        });
        let (authentication, good_until) =
            self.act_as(token.actor.clone(), credential, start).await?;
        // What is not stored has nothing in which its use could be noted.
        let use_is_due = match (&self.uses, origin) {
            (Some(uses), Some(origin)) if is_stored => {
                uses.note(token.id, &origin, start.now, start.monotonic)
            }
            _ => NEVER,
        };
        let Some(text) = text else { return Ok(authentication) };
        let ends = expires_at.map(|at| start.monotonic.saturating_add(at.since(start.now)));
        let deadline = earlier(ends, good_until).unwrap_or(NEVER);
        let entry = Entry {
            text,
            authentication: authentication.clone(),
            subject: Subject {
                id: token.id,
                actor: token.actor,
                owner,
                key_id: token.key_id,
                ancestors,
            },
            deadline,
            epoch: start.epoch,
            use_is_due: AtomicU64::new(use_is_due.as_nanos()),
        };
        let now = self.clock.monotonic();
        self.verified(place).insert(entry, &self.recent, start.position, now);
        Ok(authentication)
    }

    /// Notes the use of a token that is remembered. Once a minute for each, so out of the way.
    #[cold]
    fn note_remembered(
        &self,
        known: &Authentication,
        head: RequestHead<'_>,
        now: Monotonic,
    ) -> Monotonic {
        match (&self.uses, known.credential()) {
            (Some(uses), Credential::AccessToken(token)) if !token.is_stateless() => {
                uses.note(token.id, &Origin::of(head), self.clock.now(), now)
            }
            _ => NEVER,
        }
    }

    async fn identify(
        &self,
        actor: Urn,
        credential: Credential,
    ) -> Result<Authentication, AuthenticateError> {
        let start = self.begin();
        let (authentication, _) = self.act_as(actor, credential, start).await?;
        Ok(authentication)
    }

    /// Whether the actor may act, and what they may do; and until when that may be remembered.
    async fn act_as(
        &self,
        actor: Urn,
        credential: Credential,
        start: Start,
    ) -> Result<(Authentication, Option<Monotonic>), AuthenticateError> {
        let actor = self.verification.actor(&*self.directory, &actor).await?;
        // The directory may have taken its time: what is in force is judged as of now.
        let now = self.clock.monotonic();
        let policies = self.policies.current(&*self.clock, now, self.is_fresh(now)).await?;
        let privileges = policies.index.privileges(Arc::new(actor));
        let good_until = self.time_to_live.map(|time| start.monotonic.saturating_add(time));
        let authentication = Authentication::new(credential, privileges, self.facts.clone());
        Ok((authentication, earlier(good_until, policies.good_until)))
    }
}

impl ChangeSink for Inner {
    fn apply(&self, changes: &[Change]) {
        // First where entries in the making look, then the entries that are made.
        self.recent.push(changes);
        if changes.len() >= RECENT_CHANGES {
            // Looking for each among all that is remembered takes longer than starting anew.
            return self.forget_all();
        }
        let mut everything = false;
        for change in changes {
            match change {
                Change::Token(_) | Change::Rule(_) | Change::Actor(_) => {}
                Change::Policies => {
                    self.policies.changed();
                    everything = true;
                }
                Change::Group(_) | Change::Keys => everything = true,
                Change::Unknown => {
                    self.policies.changed();
                    everything = true;
                }
            }
        }
        if everything {
            self.epoch.advance();
        }
        self.verified.remove(changes);
        self.sessions.remove(changes);
    }

    fn forget_all(&self) {
        self.policies.changed();
        self.epoch.advance();
        self.verified.clear();
        self.sessions.clear();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for follower in self.followers.get().into_iter().flatten() {
            follower.abort();
        }
        if let Some(uses) = &self.uses {
            uses.close();
        }
    }
}

async fn follow(mut follower: Follower, sink: Weak<Inner>) {
    loop {
        follower.wait().await;
        // Not held while waiting, so that the last clone of the authenticator ends this.
        let Some(sink) = sink.upgrade() else { return };
        follower.read(&*sink).await;
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

/// The earlier of two points, where there are two.
fn earlier<T: Ord>(first: Option<T>, second: Option<T>) -> Option<T> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (only, None) | (None, only) => only,
    }
}

/// The end of monotonic time.
const NEVER: Monotonic = Monotonic::from_nanos(u64::MAX);

/// How many changes may arrive while a token is looked up before that is not worth remembering.
const RECENT_CHANGES: usize = 1024;
