//! Judging a token that is not remembered: what is asked, in which order, and what is kept of it.

use std::{
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle};
use zeroize::Zeroizing;

use super::{
    AccessToken, AuthenticateError, Authentication, Credential, CredentialAuthenticator,
    PendingVerdict, RequestHead, Verdict,
    flight::{Flights, Key},
    kept::Snapshot,
    keys::KnownKeys,
    outage::Outage,
    policies::CompiledPolicies,
    tasks::within,
    uses::{Origin, Uses},
    verified::{Basis, Current, Entry, Found, Renewal, Verified},
};
use crate::{
    actor::{Directory, Urn},
    backend::StoreError,
    caught::Caught,
    clock::{Clock, Monotonic, Timestamp},
    epoch::Epoch,
    feed::{Change, Freshness, LatestChanges, Subject, Subjects},
    policy::{PolicyIndex, ResourceFacts},
    sync::{AtomicBool, AtomicU64},
    token::{KeyId, KeyStates, TokenId, TokenRecord, TokenType},
    token_service::{
        Ancestor, KeyMissing, SignedToken, Stored, TokenLookup, TokenPlace, Verification,
        VerifyError,
    },
};

/// What the clones of an authenticator share.
pub(super) struct Inner {
    pub(super) verification: Verification,
    pub(super) tokens: Arc<dyn TokenLookup>,
    pub(super) directory: Arc<dyn Directory>,
    /// The shorter of the times to live of tokens and directory, where they have one.
    pub(super) time_to_live: Option<Duration>,
    pub(super) policies: CompiledPolicies,
    pub(super) keys: KnownKeys,
    pub(super) uses: Option<Arc<Uses>>,
    pub(super) facts: Option<Arc<dyn ResourceFacts>>,
    pub(super) before: Vec<Arc<dyn CredentialAuthenticator>>,
    pub(super) after: Vec<Arc<dyn CredentialAuthenticator>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) verified: Verified,
    /// Apart from the others: what is good as a session is none in the header, nor the other way.
    pub(super) sessions: Verified,
    pub(super) flights: Arc<Flights>,
    pub(super) outage: Outage,
    pub(super) changes: LatestChanges,
    pub(super) epoch: Epoch,
    /// The epoch that the feed's follower saw last.
    pub(super) seen_epoch: AtomicU64,
    /// The version of the policies that it saw last.
    pub(super) seen_policies: AtomicU64,
    /// Something may be remembered that is to be judged anew.
    pub(super) has_suspects: AtomicBool,
    /// It can be now.
    pub(super) suspected: Arc<Notify>,
    /// How often feeds are read: a quarter of the revocation bound.
    pub(super) interval: Duration,
    pub(super) store_timeout: Duration,
    pub(super) feeds: Vec<Arc<Freshness>>,
    pub(super) tasks: OnceLock<Vec<AbortHandle>>,
}

/// A token that is good as far as can be told without a store.
pub(super) struct Unknown {
    pub(super) token: SignedToken,
    /// Its text, if it is to be remembered.
    pub(super) text: Option<Zeroizing<Box<[u8]>>>,
    pub(super) place: TokenPlace,
    /// Where it comes from, if that is to be noted.
    pub(super) origin: Option<Origin>,
    pub(super) start: Start,
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
pub(super) struct Judged {
    pub(super) authentication: Authentication,
    pub(super) key_id: KeyId,
    pub(super) subjects: Subjects,
    pub(super) deadline: Monotonic,
    /// The version of the policies by which it has its privileges.
    pub(super) policies: u64,
    pub(super) is_stored: bool,
}

impl Inner {
    pub(super) fn begin(&self) -> Start {
        self.begin_at(self.clock.monotonic())
    }

    /// As [`begin`](Self::begin), for a request that has looked at that clock just now.
    pub(super) fn begin_at(&self, monotonic: Monotonic) -> Start {
        // The wall clock last: if it jumps behind this, the epoch is an old one.
        let (position, epoch) = (self.changes.position(), self.current_epoch());
        Start { now: self.clock.now(), monotonic, position, epoch }
    }

    /// Moves whenever everything that was decided before may be wrong: by what changed in the
    /// stores, or since the keys were replaced. Neither ever goes back, so that the sum does not.
    pub(super) fn current_epoch(&self) -> u64 {
        self.epoch.current().wrapping_add(self.keys.generation())
    }

    /// What an entry is compared with. Freshness is looked at before.
    pub(super) fn current(&self, now: Monotonic) -> Current<'_> {
        let (epoch, policies) = (self.current_epoch(), self.policies.version());
        Current { now, epoch, policies, changes: &self.changes }
    }

    /// What becomes of a token whose signature fits no key. That says nothing if a key may be
    /// missing here, so what is known of keys has to be what they are now.
    ///
    /// Mostly it is, and nobody is asked: everybody can bring such tokens. Where it is not, the
    /// store is asked once for all who come meanwhile.
    pub(super) fn unknown_signature(
        self: &Arc<Self>,
        error: AuthenticateError,
        start: Start,
    ) -> Verdict {
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

    pub(super) fn is_fresh(&self, now: Monotonic) -> bool {
        self.feeds.iter().all(|feed| feed.is_fresh(now))
    }

    pub(super) fn verified(&self, place: TokenPlace) -> &Verified {
        match place {
            TokenPlace::Header => &self.verified,
            TokenPlace::Session => &self.sessions,
        }
    }

    /// Asks the stores, or waits for somebody who does already.
    pub(super) async fn find_out(
        self: Arc<Self>,
        unknown: Arc<Unknown>,
    ) -> Result<Authentication, AuthenticateError> {
        let (start, place, id) = (unknown.start, unknown.place, unknown.token.id);
        let look_up = |start| self.clone().look_up(unknown.clone(), start);
        let result = self.flights.share(Key { place, id }, start, || self.begin(), look_up).await;
        let (Err(error), Some(text)) = (&result, &unknown.text) else { return result };
        if !error.is_outage() {
            return result;
        }
        let now = self.clock.monotonic();
        self.outage.failed(now);
        // Not noted: it will be when it is used the next time.
        self.remembered_in_outage(text, place, now, |_, _| now).map_or(result, Ok)
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
            && let Some(found) =
                self.verified(unknown.place).peek(text, self.current(start.monotonic))
        {
            return Ok(found);
        }
        // Pinned where it is: to hand it on would copy it.
        let resolved = pin!(self.resolve(&unknown, &start));
        let result = self.within_time(resolved).await;
        if !result.as_ref().is_err_and(AuthenticateError::is_outage) {
            self.outage.answered();
        }
        result
    }

    /// What comes of asking stores, or an outage if that takes too long.
    pub(super) async fn within_time<T>(
        &self,
        asked: impl Future<Output = Result<T, AuthenticateError>>,
    ) -> Result<T, AuthenticateError> {
        within(self.store_timeout, asked).await
    }

    async fn resolve(
        &self,
        unknown: &Unknown,
        start: &Start,
    ) -> Result<Authentication, AuthenticateError> {
        let Unknown { token, text, place, origin, .. } = unknown;
        let place = *place;
        let judged = self.judge(&*self.tokens, &*self.directory, token, place, start, None).await;
        let judged = match judged {
            Ok(judged) => judged,
            Err(error) => {
                if let Some(text) = text.as_ref().filter(|_| !error.is_unavailable()) {
                    self.refused(text, place, token.id, 1);
                }
                return Err(error);
            }
        };
        self.keys.note_use(judged.key_id, start.now);
        // What is not stored has nothing in which its use could be noted, but for its key.
        let use_is_due = match (&self.uses, origin) {
            (Some(uses), Some(origin)) if judged.is_stored => {
                uses.note(token.id, origin, start.now, start.monotonic)
            }
            _ => start.monotonic.saturating_add(Uses::MINUTE),
        };
        let authentication = judged.authentication.clone();
        if let Some(text) = text {
            // The text was checked before, maybe long before this began: what was decided by it alone
            // is of that epoch.
            let start = Start { epoch: unknown.start.epoch, ..*start };
            self.remember(place, text.clone(), judged, use_is_due, start, Renewal::No);
        }
        Ok(authentication)
    }

    /// Notes that a token turned out not to be good, which the feed may never be able to say. `own` is
    /// how many look-ups of it are the caller's.
    pub(super) fn refused(&self, text: &[u8], place: TokenPlace, id: TokenId, own: usize) {
        if self.outage.serve_stale_for().is_some() {
            let places = [TokenPlace::Header, TokenPlace::Session];
            let of = |place| self.flights.under_way(Key { place, id });
            if places.map(of).iter().sum::<usize>() > own {
                // So that whoever read before does not have it remembered. If there is nobody, others
                // are spared: no look-up is shared across a change.
                self.changes.push(&[Change::Token(id)]);
            }
            // What was revoked is good nowhere.
            places.iter().for_each(|place| self.verified(*place).forget(text));
        } else {
            self.verified(place).forget(text);
        }
    }

    /// Judges a token whose text is good by what these say, and by these policies or the current
    /// ones.
    pub(super) async fn judge(
        &self,
        tokens: &dyn TokenLookup,
        directory: &dyn Directory,
        token: &SignedToken,
        place: TokenPlace,
        start: &Start,
        policies: Option<&Arc<Snapshot<PolicyIndex>>>,
    ) -> Result<Judged, AuthenticateError> {
        let is_fresh = |now| self.is_fresh(now);
        let keys = self.keys.current(&*self.clock, start.monotonic, is_fresh).await?;
        Verification::check_key(&keys.value, token.key_id)?;
        // Of the record no more than is needed, before anybody else is waited for.
        let keep =
            |record: TokenRecord| (record.ends_at(), record.token_type, record.name, record.owner);
        let stored = self.verification.look_up(tokens, token, start.now, keep).await?;
        let is_stored = stored.is_some();
        let (ends_at, token_type, name, owner, ancestors) = match stored {
            Some(Stored { record: (ends_at, token_type, name, owner), ancestors }) => {
                (ends_at, token_type, Some(name), Some(owner), ancestors)
            }
            None => (None, None, None, None, Box::default()),
        };
        // Log-out and a new password end what is stored as a session, and nothing else.
        if place == TokenPlace::Session && token_type != Some(TokenType::Session) {
            return Err(VerifyError::NotASession.into());
        }
        let expires_at = earlier(token.expires_at, ends_at);
        let credential = Credential::AccessToken(AccessToken {
            id: token.id,
            name,
            token_type: token.token_type,
            expires_at,
        });
        let (authentication, good_until, policies) =
            self.act_as(directory, token.actor.clone(), credential, start, policies).await?;
        let ends = expires_at.map(|at| start.monotonic.saturating_add(at.since(start.now)));
        let good_until = earlier(good_until, keys.good_until);
        let subjects = [Subject::Token(&token.id), Subject::Urn(&token.actor)].into_iter();
        let subjects = subjects.chain(owner.as_ref().map(Subject::Urn));
        let subjects = subjects.chain(ancestors.iter().flat_map(Ancestor::subjects));
        Ok(Judged {
            authentication,
            key_id: token.key_id,
            subjects: self.changes.subjects(subjects),
            deadline: earlier(ends, good_until).unwrap_or(NEVER),
            policies,
            is_stored,
        })
    }

    /// Remembers what was judged by what was so after `start`.
    pub(super) fn remember(
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
            key_id: judged.key_id,
            basis: Basis {
                subjects: judged.subjects,
                deadline: judged.deadline,
                position: start.position,
                epoch: start.epoch,
                policies: judged.policies,
            },
            use_is_due: use_is_due.as_nanos().into(),
            is_proven: false.into(),
        };
        let current = self.current(self.clock.monotonic());
        self.verified(place).insert(entry, renewal, current);
    }

    /// What is remembered, if the store is known to fail: then nobody waits for it but one request
    /// now and then.
    #[cold]
    pub(super) fn known_in_outage(
        &self,
        text: &[u8],
        place: TokenPlace,
        head: RequestHead<'_>,
        now: Monotonic,
    ) -> Option<Authentication> {
        if self.outage.serve_stale_for().is_none() || self.outage.is_to_be_asked(now) {
            return None;
        }
        let note = |known: &_, key_id| self.note_remembered(known, key_id, head, now);
        self.remembered_in_outage(text, place, now, note)
    }

    /// What is remembered, as long as `serve_stale_for` allows to answer by it alone.
    fn remembered_in_outage(
        &self,
        text: &[u8],
        place: TokenPlace,
        now: Monotonic,
        note: impl FnOnce(&Authentication, KeyId) -> Monotonic,
    ) -> Option<Authentication> {
        if !self.may_serve_stale(now) {
            return None;
        }
        let found = match self.verified(place).get(text, self.current(now), note)? {
            Found::Good(found) => found,
            // By the policies in force as far as is known.
            Found::Outdated(found) => {
                let policies = self.policies.at_hand(now, true)?;
                self.narrow(text, place, &found, &policies)
            }
        };
        // What came to be known meanwhile is no news.
        if !self.is_fresh(now) {
            self.outage.served();
        }
        Some(found)
    }

    pub(super) fn may_serve_stale(&self, now: Monotonic) -> bool {
        let longest = self.outage.serve_stale_for();
        longest.is_some_and(|time| self.feeds.iter().all(|feed| feed.was_fresh(now, time)))
    }

    /// Notes the use of a token that is remembered. Once a minute for each, so out of the way.
    #[cold]
    pub(super) fn note_remembered(
        &self,
        known: &Authentication,
        key_id: KeyId,
        head: RequestHead<'_>,
        now: Monotonic,
    ) -> Monotonic {
        let at = self.clock.now();
        self.keys.note_use(key_id, at);
        match (&self.uses, known.credential()) {
            (Some(uses), Credential::AccessToken(token)) if !token.is_stateless() => {
                uses.note(token.id, &Origin::of(head), at, now)
            }
            _ => now.saturating_add(Uses::MINUTE),
        }
    }

    pub(super) async fn identify(
        &self,
        actor: Urn,
        credential: Credential,
    ) -> Result<Authentication, AuthenticateError> {
        let start = self.begin();
        let acting = self.act_as(&*self.directory, actor, credential, &start, None);
        let (authentication, ..) = self.within_time(acting).await?;
        Ok(authentication)
    }

    /// Whether the actor may act, and what they may do; until when that may be remembered, and the
    /// version of the policies.
    async fn act_as(
        &self,
        directory: &dyn Directory,
        actor: Urn,
        credential: Credential,
        start: &Start,
        policies: Option<&Arc<Snapshot<PolicyIndex>>>,
    ) -> Result<(Authentication, Option<Monotonic>, u64), AuthenticateError> {
        let actor = self.verification.actor(directory, &actor).await?;
        let policies = match policies {
            Some(policies) => policies.clone(),
            None => {
                // The directory may have taken its time: what is in force is judged as of now.
                let now = self.clock.monotonic();
                self.policies.current(&*self.clock, now, |now| self.is_fresh(now)).await?
            }
        };
        let privileges = policies.value.shared_privileges(actor);
        let good_until = self.time_to_live.map(|time| start.monotonic.saturating_add(time));
        let authentication = Authentication::new(credential, privileges, self.facts.clone());
        Ok((authentication, earlier(good_until, policies.good_until), policies.version()))
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

/// The earlier of two points, where there are two.
pub(super) fn earlier<T: Ord>(first: Option<T>, second: Option<T>) -> Option<T> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.min(second)),
        (only, None) | (None, only) => only,
    }
}

/// The end of monotonic time.
const NEVER: Monotonic = Monotonic::from_nanos(u64::MAX);
