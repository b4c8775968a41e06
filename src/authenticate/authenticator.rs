use std::{
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep, timeout},
};
use zeroize::Zeroizing;

use super::{
    AccessToken, Attempt, AuthenticateError, Authentication, AuthenticatorBuilder, Credential,
    CredentialAuthenticator, Identity, PendingVerdict, RequestHead, Verdict,
    bearer::{self, Presented},
    flight::Flights,
    kept::Snapshot,
    keys::{KeyUse, KnownKeys},
    outage::Outage,
    policies::CompiledPolicies,
    revalidate::{BATCH, Known, Suspect},
    uses::{Origin, Uses},
    verified::{Entry, Renewal, Subject, Verified},
};
use crate::{
    actor::{Directory, Urn},
    backend::{StoreError, chain},
    caught::Caught,
    clock::{Clock, Monotonic, Timestamp},
    config::Config,
    epoch::Epoch,
    feed::{Change, ChangeFeed, ChangeSink, Follower, Freshness, RecentChanges},
    policy::{PolicyIndex, PolicySource, ResourceFacts},
    token::{KeyStates, TokenId, TokenType},
    token_service::{
        KeyMissing, SignedToken, Stored, TokenLookup, TokenPlace, TokenUses, Verification,
        VerifyError,
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
    keys: KnownKeys,
    uses: Option<Arc<Uses>>,
    facts: Option<Arc<dyn ResourceFacts>>,
    before: Vec<Arc<dyn CredentialAuthenticator>>,
    after: Vec<Arc<dyn CredentialAuthenticator>>,
    clock: Arc<dyn Clock>,
    verified: Verified,
    /// Apart from the others: what is good as a session is none in the header, nor the other way.
    sessions: Verified,
    flights: Arc<Flights>,
    outage: Outage,
    recent: RecentChanges,
    epoch: Epoch,
    /// The epoch that the feed's follower saw last.
    seen_epoch: AtomicU64,
    /// Something may be remembered that is to be judged anew.
    has_suspects: AtomicBool,
    /// It can be now.
    suspected: Arc<Notify>,
    /// How often feeds are read: a quarter of the revocation bound.
    interval: Duration,
    store_timeout: Duration,
    feeds: Vec<Arc<Freshness>>,
    tasks: OnceLock<Vec<AbortHandle>>,
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
pub(super) struct Start {
    pub(super) now: Timestamp,
    pub(super) monotonic: Monotonic,
    pub(super) position: u64,
    pub(super) epoch: u64,
}

/// A token that is good.
struct Judged {
    authentication: Authentication,
    subject: Subject,
    deadline: Monotonic,
    is_stored: bool,
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
        let policies = CompiledPolicies::new(
            parts.policies,
            parts.policies_ttl,
            config.settings.system_actor.clone(),
        );
        // Read now, so that a store that cannot be read is noticed at the start.
        let read = policies.current(&*parts.clock, parts.clock.monotonic(), |_| true);
        timeout(store_timeout, read).await.map_err(StoreError::unavailable)??;
        let verification = Verification::new(config);
        let material = verification.verifier.material().clone();
        let keys = KnownKeys::new(parts.tokens.clone(), parts.tokens_ttl, material);
        let read = keys.current(&*parts.clock, parts.clock.monotonic(), |_| true);
        timeout(store_timeout, read).await.map_err(StoreError::unavailable)??;
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
            recent: RecentChanges::new(RECENT_CHANGES),
            epoch: Epoch::default(),
            seen_epoch: AtomicU64::new(0),
            has_suspects: AtomicBool::new(false),
            suspected: Arc::new(Notify::new()),
            interval,
            store_timeout,
            feeds,
            tasks: OnceLock::new(),
        });
        let spawn = |follower| tokio::spawn(follow(follower, Arc::downgrade(&inner)));
        let mut tasks: Vec<_> =
            followers.into_iter().map(|follower| spawn(follower).abort_handle()).collect();
        if inner.verified.is_on() {
            tasks.push(tokio::spawn(revalidate(Arc::downgrade(&inner))).abort_handle());
        }
        if let Some(uses) = &inner.uses {
            tokio::spawn(uses.clone().run());
        }
        // Nobody else has `inner` yet, so it is set here and nowhere else.
        let _ = inner.tasks.set(tasks);
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
        let is_fresh = inner.is_fresh(monotonic);
        if is_fresh
            && let Some(found) = verified.get(raw, monotonic, inner.current_epoch(), |known| {
                inner.note_remembered(known, head, monotonic)
            })
        {
            return Verdict::Ready(Ok(found));
        }
        if !is_fresh && let Some(found) = inner.known_in_outage(raw, place, head, monotonic) {
            return Verdict::Ready(Ok(found));
        }
        let start = inner.begin();
        let checked =
            text().and_then(|text| Ok(inner.verification.check_as(text, place, start.now)?));
        match checked {
            Err(error) if error.is_bad_signature() => inner.unknown_signature(error, start),
            Err(error) => Verdict::Ready(Err(error)),
            Ok(token) => {
                let text = verified.is_on().then(|| Zeroizing::new(raw.into()));
                let origin = inner.uses.as_ref().map(|_| Origin::of(head));
                let unknown = Unknown { token, text, place, origin, start };
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
        let (position, epoch) = (self.recent.position(), self.current_epoch());
        Start { now: self.clock.now(), monotonic: self.clock.monotonic(), position, epoch }
    }

    /// Moves whenever everything that was decided before may be wrong: by what changed in the
    /// stores, or since the keys were replaced. Neither ever goes back, so that the sum does not.
    fn current_epoch(&self) -> u64 {
        self.epoch.current().wrapping_add(self.keys.generation())
    }

    /// What becomes of a token whose signature fits no key. That says nothing if a key may be
    /// missing here, so what is known of keys has to be what they are now.
    ///
    /// Mostly it is, and nobody is asked: everybody can bring such tokens. Where it is not, the
    /// store is asked once for all who come meanwhile.
    fn unknown_signature(self: &Arc<Self>, error: AuthenticateError, start: Start) -> Verdict {
        if let Some(keys) = self.keys.known(start.monotonic, self.is_fresh(start.monotonic)) {
            return Verdict::Ready(Err(self.of_unknown_signature(error, &keys.value)));
        }
        let inner = self.clone();
        Verdict::Pending(PendingVerdict(Box::pin(async move {
            let read = async {
                let is_fresh = |now| inner.is_fresh(now);
                Ok(inner.keys.current(&*inner.clock, start.monotonic, is_fresh).await?)
            };
            let keys =
                Caught::new(inner.within_time(read)).await.unwrap_or_else(|it| Err(it.into()));
            Err(match keys {
                Ok(keys) => inner.of_unknown_signature(error, &keys.value),
                Err(AuthenticateError::Unavailable(cause)) => {
                    AuthenticateError::UnknownSignature(cause)
                }
                Err(other) => other,
            })
        })))
    }

    /// The error of a token whose signature fits no key, if these are the states of keys.
    fn of_unknown_signature(
        &self,
        error: AuthenticateError,
        states: &KeyStates,
    ) -> AuthenticateError {
        match self.keys.missing(states) {
            Some(id) => {
                AuthenticateError::UnknownSignature(StoreError::unavailable(KeyMissing(id)))
            }
            None => error,
        }
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

    /// Asks the stores, or waits for somebody who does already.
    async fn find_out(
        self: Arc<Self>,
        unknown: Unknown,
    ) -> Result<Authentication, AuthenticateError> {
        let (start, place, id) = (unknown.start, unknown.place, unknown.token.id);
        let unknown = Arc::new(unknown);
        let look_up = |start| self.clone().look_up(unknown.clone(), start);
        let result = self.flights.share((place, id), start, || self.begin(), look_up).await;
        let (Err(error), Some(text)) = (&result, &unknown.text) else { return result };
        if !error.is_outage() {
            return result;
        }
        let now = self.clock.monotonic();
        self.outage.note(true, now);
        // Not noted: it will be when it is used the next time.
        self.remembered_in_outage(text, place, now, |_| now).map_or(result, Ok)
    }

    /// Asks the stores, for all who wait for this token.
    async fn look_up(
        self: Arc<Self>,
        unknown: Arc<Unknown>,
        start: Start,
    ) -> Result<Authentication, AuthenticateError> {
        // Somebody may have looked it up since it was found not to be remembered.
        if let Some(text) = &unknown.text
            && self.is_fresh(start.monotonic)
            && let Some(found) = self.verified(unknown.place).get(
                text,
                start.monotonic,
                self.current_epoch(),
                // Not noted: it will be when it is used the next time.
                |_| start.monotonic,
            )
        {
            return Ok(found);
        }
        let result = self.within_time(self.resolve(&unknown, start)).await;
        if !result.as_ref().is_err_and(AuthenticateError::is_outage) {
            self.outage.note(false, self.clock.monotonic());
        }
        result
    }

    /// What comes of asking stores, or an outage if that takes too long.
    async fn within_time<T>(
        &self,
        asked: impl Future<Output = Result<T, AuthenticateError>>,
    ) -> Result<T, AuthenticateError> {
        if Handle::try_current().is_err() {
            // There is nobody to say that time is over.
            return asked.await;
        }
        match timeout(self.store_timeout, asked).await {
            Ok(result) => result,
            Err(elapsed) => Err(StoreError::unavailable(elapsed).into()),
        }
    }

    async fn resolve(
        &self,
        unknown: &Unknown,
        start: Start,
    ) -> Result<Authentication, AuthenticateError> {
        let Unknown { token, text, place, origin, .. } = unknown;
        let place = *place;
        let judged = self.judge(&*self.tokens, &*self.directory, token, place, start, None).await;
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => {
                if let Some(text) = text.as_ref().filter(|_| !error.is_unavailable()) {
                    self.refused(text, place, token.id);
                }
                return Err(error);
            }
        };
        self.keys.note_use(judged.subject.key_id, start.now);
        // What is not stored has nothing in which its use could be noted, but for its key.
        let use_is_due = match (&self.uses, origin) {
            (Some(uses), Some(origin)) if judged.is_stored => {
                uses.note(token.id, origin, start.now, start.monotonic)
            }
            _ => start.monotonic.saturating_add(Uses::MINUTE),
        };
        let authentication = judged.authentication.clone();
        if let Some(text) = text {
            self.remember(place, text.clone(), judged, use_is_due, start, Renewal::No);
        }
        Ok(authentication)
    }

    /// Notes that a token turned out not to be good, which the feed may not be able to say now.
    fn refused(&self, text: &[u8], place: TokenPlace, id: TokenId) {
        if self.outage.serve_stale_for().is_some() && !self.is_fresh(self.clock.monotonic()) {
            // So that whoever read before does not have it remembered.
            self.recent.push(&[Change::Token(id)]);
        }
        self.verified(place).forget(text);
    }

    /// Judges a token whose text is good by what these say, and by these policies or the current
    /// ones.
    async fn judge(
        &self,
        tokens: &dyn TokenLookup,
        directory: &dyn Directory,
        token: &SignedToken,
        place: TokenPlace,
        start: Start,
        policies: Option<&Arc<Snapshot<PolicyIndex>>>,
    ) -> Result<Judged, AuthenticateError> {
        let is_fresh = |now| self.is_fresh(now);
        let keys = self.keys.current(&*self.clock, start.monotonic, is_fresh).await?;
        Verification::check_key(&keys.value, token.key_id)?;
        let stored = self.verification.look_up(tokens, token, start.now).await?;
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
            self.act_as(directory, token.actor.clone(), credential, start, policies).await?;
        let ends = expires_at.map(|at| start.monotonic.saturating_add(at.since(start.now)));
        let good_until = earlier(good_until, keys.good_until);
        let (id, actor, key_id) = (token.id, token.actor.clone(), token.key_id);
        Ok(Judged {
            authentication,
            subject: Subject { id, actor, owner, key_id, ancestors },
            deadline: earlier(ends, good_until).unwrap_or(NEVER),
            is_stored,
        })
    }

    /// Remembers what was judged by what was so after `start`.
    fn remember(
        &self,
        place: TokenPlace,
        text: Zeroizing<Box<[u8]>>,
        judged: Judged,
        use_is_due: Monotonic,
        start: Start,
        renewal: Renewal,
    ) {
        let entry = Entry {
            text,
            authentication: judged.authentication,
            subject: judged.subject,
            deadline: judged.deadline,
            epoch: start.epoch,
            use_is_due: AtomicU64::new(use_is_due.as_nanos()),
        };
        let (position, now) = (start.position, self.clock.monotonic());
        let epoch = || self.current_epoch();
        self.verified(place).insert(entry, renewal, &self.recent, position, now, epoch);
    }

    /// What is remembered, if the store is known to fail: then nobody waits for it but one request
    /// now and then.
    #[cold]
    fn known_in_outage(
        &self,
        text: &[u8],
        place: TokenPlace,
        head: RequestHead<'_>,
        now: Monotonic,
    ) -> Option<Authentication> {
        if self.outage.serve_stale_for().is_none() || self.outage.is_to_be_asked(now) {
            return None;
        }
        let note = |known: &Entry| self.note_remembered(known, head, now);
        self.remembered_in_outage(text, place, now, note)
    }

    /// What is remembered, as long as `serve_stale_for` allows to answer by it alone.
    fn remembered_in_outage(
        &self,
        text: &[u8],
        place: TokenPlace,
        now: Monotonic,
        note: impl FnOnce(&Entry) -> Monotonic,
    ) -> Option<Authentication> {
        if !self.may_serve_stale(now) {
            return None;
        }
        let found = self.verified(place).get(text, now, self.current_epoch(), note)?;
        // What came to be known meanwhile is no news.
        if !self.is_fresh(now) {
            self.outage.served();
        }
        Some(found)
    }

    fn may_serve_stale(&self, now: Monotonic) -> bool {
        let longest = self.outage.serve_stale_for();
        longest.is_some_and(|time| self.feeds.iter().all(|feed| feed.was_fresh(now, time)))
    }

    /// After each reading of a feed, whatever came of it.
    fn after_reading(&self) {
        let now = self.clock.monotonic();
        let is_fresh = self.is_fresh(now);
        if is_fresh {
            self.outage.over();
        } else if !self.may_serve_stale(now) {
            self.outage.ended();
        }
        // Here and not where it moves, since that is also elsewhere.
        let epoch = self.current_epoch();
        if self.seen_epoch.swap(epoch, Ordering::AcqRel) != epoch {
            self.has_suspects.store(true, Ordering::Release);
        }
        if is_fresh && self.has_suspects.load(Ordering::Acquire) {
            self.suspected.notify_one();
        }
    }

    /// Some tokens that are suspect. None while the feed is stale: whatever is found out then is no
    /// answer until it is read.
    fn suspects(&self, limit: usize) -> Option<(TokenPlace, Vec<Suspect>)> {
        let now = self.clock.monotonic();
        if !self.is_fresh(now) {
            return None;
        }
        // First, so that what comes to be suspect meanwhile is not overlooked.
        self.has_suspects.store(false, Ordering::Release);
        let epoch = self.current_epoch();
        let found = [TokenPlace::Header, TokenPlace::Session]
            .map(|place| (place, self.verified(place).suspects(epoch, now, limit)))
            .into_iter()
            .find(|(_, suspects)| !suspects.is_empty());
        if found.is_some() {
            self.has_suspects.store(true, Ordering::Release);
        }
        found
    }

    /// Judges these anew. What was not judged, since that failed, stays suspect.
    async fn judge_batch(
        &self,
        place: TokenPlace,
        suspects: &[Suspect],
    ) -> Result<(), AuthenticateError> {
        let start = self.begin();
        let (mut texts, mut signed) = (Vec::new(), Vec::new());
        for Suspect { text } in suspects {
            // From the start, so that a key that is gone and whatever else was decided by the text
            // alone counts too. Nobody waits for it.
            let checked = std::str::from_utf8(text)
                .ok()
                .and_then(|text| self.verification.check_as(text, place, start.now).ok());
            match checked {
                Some(token) => {
                    texts.push(text);
                    signed.push(token);
                }
                None => self.verified(place).forget(text),
            }
        }
        let known = Known::read(&*self.tokens, &*self.directory, &signed).await?;
        let is_fresh = |now| self.is_fresh(now);
        let policies = self.policies.current(&*self.clock, start.monotonic, is_fresh).await?;
        for (text, token) in texts.into_iter().zip(&signed) {
            match self.judge(&known, &known, token, place, start, Some(&policies)).await {
                // That its use may be noted already is known where uses are.
                Ok(judged) => {
                    let text = text.clone();
                    self.remember(place, text, judged, start.monotonic, start, Renewal::Yes);
                }
                Err(error) if error.is_outage() => return Err(error),
                Err(_) => self.refused(text, place, token.id),
            }
        }
        Ok(())
    }

    /// Notes the use of a token that is remembered. Once a minute for each, so out of the way.
    #[cold]
    fn note_remembered(&self, known: &Entry, head: RequestHead<'_>, now: Monotonic) -> Monotonic {
        let at = self.clock.now();
        self.keys.note_use(known.subject.key_id, at);
        match (&self.uses, known.authentication.credential()) {
            (Some(uses), Credential::AccessToken(token)) if !token.is_stateless() => {
                uses.note(token.id, &Origin::of(head), at, now)
            }
            _ => now.saturating_add(Uses::MINUTE),
        }
    }

    async fn identify(
        &self,
        actor: Urn,
        credential: Credential,
    ) -> Result<Authentication, AuthenticateError> {
        let start = self.begin();
        let acting = self.act_as(&*self.directory, actor, credential, start, None);
        let (authentication, _) = self.within_time(acting).await?;
        Ok(authentication)
    }

    /// Whether the actor may act, and what they may do; and until when that may be remembered.
    async fn act_as(
        &self,
        directory: &dyn Directory,
        actor: Urn,
        credential: Credential,
        start: Start,
        policies: Option<&Arc<Snapshot<PolicyIndex>>>,
    ) -> Result<(Authentication, Option<Monotonic>), AuthenticateError> {
        let actor = self.verification.actor(directory, &actor).await?;
        let policies = match policies {
            Some(policies) => policies.clone(),
            None => {
                // The directory may have taken its time: what is in force is judged as of now.
                let now = self.clock.monotonic();
                self.policies.current(&*self.clock, now, |now| self.is_fresh(now)).await?
            }
        };
        let privileges = policies.value.privileges(Arc::new(actor));
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
            // Looking for each among all that is remembered takes longer than judging it anew.
            return self.suspect_all();
        }
        let is_about = |kind: Change| {
            changes.iter().any(|change| *change == kind || *change == Change::Unknown)
        };
        if is_about(Change::Policies) {
            self.policies.changed();
        }
        if is_about(Change::Keys) {
            self.keys.changed();
        }
        if !changes.iter().all(Change::is_about_some) {
            self.epoch.advance();
        }
        self.verified.remove(changes);
        self.sessions.remove(changes);
    }

    fn suspect_all(&self) {
        self.policies.changed();
        self.keys.changed();
        self.epoch.advance();
    }

    fn forget_all(&self) {
        self.suspect_all();
        self.verified.clear();
        self.sessions.clear();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for task in self.tasks.get().into_iter().flatten() {
            task.abort();
        }
        if let Some(uses) = &self.uses {
            uses.close();
        }
    }
}

/// Follows a feed until the last clone of the authenticator is gone. A panic in the store is an
/// attempt that failed, and no end.
async fn follow(mut follower: Follower, sink: Weak<Inner>) {
    while Caught::new(follow_on(&mut follower, &sink)).await.is_err() {
        follower.panicked();
        sleep(follower.interval()).await;
    }
}

async fn follow_on(follower: &mut Follower, sink: &Weak<Inner>) {
    let feed = follower.feed();
    loop {
        // Asked for before reading, so that what is announced meanwhile wakes.
        let woken = feed.woken();
        // Not held while waiting, so that the last clone of the authenticator ends this.
        let Some(inner) = sink.upgrade() else { return };
        follower.read(&*inner).await;
        inner.after_reading();
        drop(inner);
        follower.wait(woken).await;
    }
}

/// Judges anew what is suspect, until the last clone of the authenticator is gone. One batch at a
/// time, with pauses, so that the store has time for requests.
async fn revalidate(inner: Weak<Inner>) {
    let Some(suspected) = inner.upgrade().map(|inner| inner.suspected.clone()) else { return };
    let (mut is_failing, mut size) = (false, BATCH);
    loop {
        suspected.notified().await;
        loop {
            let Some(inner) = inner.upgrade() else { return };
            let Some((place, suspects)) = inner.suspects(size) else { break };
            let begun = Instant::now();
            let judging = Caught::new(inner.judge_batch(place, &suspects));
            let judged = timeout(inner.store_timeout, judging).await;
            let mut pause = inner.interval;
            match judged {
                Ok(Ok(Ok(()))) => {
                    is_failing = false;
                    size = (size * 2).min(BATCH);
                    pause = begun.elapsed();
                }
                Ok(Ok(Err(error))) if error.is_outage() => {
                    // Once, and not at every attempt.
                    if !std::mem::replace(&mut is_failing, true) {
                        let cause = chain(&error);
                        tracing::warn!(%cause, "verified tokens cannot be judged anew yet");
                    }
                }
                // Too slow, unreadable or a panic (its hook has seen what it said): less at once
                // then, and in the end whose token it is is asked when it is used.
                Ok(_) | Err(_) if suspects.len() == 1 => {
                    suspects.iter().for_each(|it| inner.verified(place).forget(&it.text));
                }
                Ok(_) | Err(_) => size = suspects.len().div_ceil(2),
            }
            drop(inner);
            sleep(pause).await;
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
