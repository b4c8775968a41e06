//! What becomes of what is remembered when a change arrives, or may have been missed.

use std::{
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::yield_now,
    time::{Instant, sleep, timeout},
};

use super::{
    AuthenticateError,
    judge::Inner,
    revalidate::{BATCH, Known, Suspect},
    verified::{Hand, Renewal},
};
use crate::{
    backend::chain,
    caught::Caught,
    feed::{Change, ChangeSink, Follower},
    token_service::TokenPlace,
};

impl Inner {
    /// After each reading of a feed, whatever came of it.
    pub(super) fn after_reading(&self) {
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
        let policies = self.policies.version();
        let has_new_policies = self.seen_policies.swap(policies, Ordering::AcqRel) != policies;
        if is_fresh && (has_new_policies || self.has_suspects.load(Ordering::Acquire)) {
            self.suspected.notify_one();
        }
    }

    /// The next tokens that are suspect. `None` if this search has come to its end, and while the feed
    /// is stale: whatever is found out then is no answer until it is read.
    pub(super) async fn suspects(&self, search: &mut Search, limit: usize) -> Option<Vec<Suspect>> {
        let (mut suspects, mut busy) = (Vec::new(), Duration::ZERO);
        loop {
            let begun = Instant::now();
            let now = self.clock.monotonic();
            if !self.is_fresh(now) {
                self.has_suspects.fetch_or(search.is_under_way, Ordering::AcqRel);
                return None;
            }
            if !search.is_under_way {
                // First, so that what comes to be suspect meanwhile is not overlooked.
                self.has_suspects.store(false, Ordering::Release);
                search.is_under_way = true;
            }
            let (current, verified) = (self.current(now), self.verified(search.place));
            let is_at_end = verified.suspects(&mut search.hand, current, limit, &mut suspects);
            if suspects.len() >= limit || (is_at_end && !suspects.is_empty()) {
                // What becomes of them is seen in the next search.
                self.has_suspects.store(true, Ordering::Release);
                return Some(suspects);
            }
            if is_at_end && !search.goes_on() {
                return None;
            }
            // Others have their turn, and at least half of the time.
            busy += begun.elapsed();
            if busy < SHORTEST_SLEEP {
                yield_now().await;
            } else {
                sleep(std::mem::take(&mut busy)).await;
            }
        }
    }

    /// Judges these anew. What was not judged, since that failed, stays suspect.
    pub(super) async fn judge_batch(
        &self,
        place: TokenPlace,
        suspects: &[Suspect],
    ) -> Result<(), AuthenticateError> {
        let start = self.begin();
        let (mut known_by, mut signed) = (Vec::new(), Vec::new());
        for suspect @ Suspect { text, .. } in suspects {
            // From the start, so that a key that is gone and whatever else was decided by the text
            // alone counts too. Nobody waits for it.
            match self.verification.check_as(text, place, start.now) {
                Ok(token) => {
                    known_by.push(suspect);
                    signed.push(token);
                }
                Err(_) => self.verified(place).forget(text),
            }
        }
        let known = Known::read(&*self.tokens, &*self.directory, &signed).await?;
        let is_fresh = |now| self.is_fresh(now);
        let policies = self.policies.current(&*self.clock, start.monotonic, is_fresh).await?;
        for (Suspect { text, use_is_due }, token) in known_by.into_iter().zip(&signed) {
            match self.judge(&known, &known, token, place, &start, Some(&policies)).await {
                Ok(judged) => {
                    let text = text.clone();
                    self.remember(place, text, judged, *use_is_due, start, Renewal::Yes);
                }
                Err(error) if error.is_outage() => return Err(error),
                Err(_) => self.refused(text, place, token.id, 0),
            }
        }
        Ok(())
    }
}

impl ChangeSink for Inner {
    fn apply(&self, changes: &[Change]) {
        let is_about = |kind: Change| {
            changes.iter().any(|change| *change == kind || *change == Change::Unknown)
        };
        if is_about(Change::Policies) {
            self.policies.changed();
        }
        if is_about(Change::Keys) {
            self.keys.changed();
        }
        let is_about_all =
            |change: &Change| change.subject().is_none() && *change != Change::Policies;
        let are_many = self.changes.is_many(changes);
        if are_many || changes.iter().any(is_about_all) {
            self.epoch.advance();
        }
        // What they are about is suspect then, with the rest, and is judged anew in batches. If all of
        // it were over, with much else by chance, each token would be looked up on a request's way.
        if are_many {
            return;
        }
        // Last: a look-up that begins at the new position has to know of the rest, since a request that
        // comes later may join it.
        self.changes.push(changes);
    }

    fn suspect_all(&self) {
        self.policies.changed();
        self.keys.changed();
        self.epoch.advance();
    }
}

/// Follows a feed until the last clone of the authenticator is gone. A panic in the store is an
/// attempt that failed, and no end.
pub(super) async fn follow(mut follower: Follower, sink: Weak<Inner>) {
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

/// Judges anew what is suspect, until the last clone of the authenticator is gone. A panic is no end:
/// what it kept from being judged is looked for again.
pub(super) async fn revalidate(inner: Weak<Inner>) {
    let known = inner.upgrade().map(|inner| (inner.suspected.clone(), inner.interval));
    let Some((suspected, interval)) = known else { return };
    while Caught::new(revalidate_on(&inner, &suspected)).await.is_err() {
        let Some(inner) = inner.upgrade() else { return };
        inner.has_suspects.store(true, Ordering::Release);
        drop(inner);
        sleep(interval).await;
    }
}

/// One batch at a time, with pauses, so that the store has time for requests.
async fn revalidate_on(inner: &Weak<Inner>, suspected: &Notify) {
    let (mut is_failing, mut size) = (false, BATCH);
    let (mut search, mut retry) = (Search::default(), Retry::default());
    loop {
        suspected.notified().await;
        if let Some(inner) = inner.upgrade() {
            inner.read_policies().await;
            if !inner.has_suspects.load(Ordering::Acquire) {
                continue;
            }
        }
        let mut failures = 0;
        loop {
            let Some(inner) = inner.upgrade() else { return };
            if !retry.is_due(inner.current_epoch()) {
                break;
            }
            let before = search.clone();
            let Some(suspects) = inner.suspects(&mut search, size).await else {
                search = Search::default();
                if failures > 0 {
                    retry.later(&inner);
                }
                break;
            };
            let place = search.place;
            let begun = Instant::now();
            let judging = Caught::new(inner.judge_batch(place, &suspects));
            let judged = timeout(inner.store_timeout, judging).await;
            let mut pause = inner.interval;
            match judged {
                Ok(Ok(Ok(()))) => {
                    (is_failing, failures) = (false, 0);
                    retry = Retry::default();
                    size = (size * 2).min(BATCH);
                    pause = begun.elapsed();
                }
                Ok(Ok(Err(error))) if error.is_outage() => {
                    // Once, and not at every attempt.
                    if !std::mem::replace(&mut is_failing, true) {
                        let cause = chain(&error);
                        tracing::warn!(%cause, "verified tokens cannot be judged anew yet");
                    }
                    if suspects.len() > 1 {
                        // It may be about one of them, without which the others can be judged.
                        size = suspects.len().div_ceil(2);
                        search = before;
                    } else {
                        failures += 1;
                    }
                    if failures >= ENOUGH_FAILURES {
                        // Nothing is answered. It is gone on from here.
                        retry.later(&inner);
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

/// When it is tried again to judge what could not be judged.
#[derive(Default)]
struct Retry {
    /// From when on, unless the epoch moves.
    at: Option<(Instant, u64)>,
    /// How often it was put off.
    times: u32,
}

impl Retry {
    fn is_due(&self, epoch: u64) -> bool {
        self.at.is_none_or(|(at, of)| at <= Instant::now() || of != epoch)
    }

    /// Puts it off for twice as long each time.
    fn later(&mut self, inner: &Inner) {
        let pause = inner.interval * (1 << self.times.min(MOST_DOUBLED));
        self.times = self.times.saturating_add(1);
        self.at = Some((Instant::now() + pause, inner.current_epoch()));
    }
}

/// How many that fail alone one after the other are taken for a store that does not answer at all.
const ENOUGH_FAILURES: u32 = 16;

/// How often a pause is doubled: up to 16 seconds at the default bound.
const MOST_DOUBLED: u32 = 6;

/// A timer cannot tell less.
const SHORTEST_SLEEP: Duration = Duration::from_millis(1);

/// A walk through all that is remembered, for what is suspect.
#[derive(Clone)]
pub(super) struct Search {
    is_under_way: bool,
    pub(super) place: TokenPlace,
    hand: Hand,
}

impl Search {
    /// Goes on to the next place, or begins anew if that was the last.
    fn goes_on(&mut self) -> bool {
        let next = match self.place {
            TokenPlace::Header => Some(TokenPlace::Session),
            TokenPlace::Session => None,
        };
        *self = Self { is_under_way: next.is_some(), ..Self::default() };
        self.place = next.unwrap_or(self.place);
        next.is_some()
    }
}

impl Default for Search {
    fn default() -> Self {
        Self { is_under_way: false, place: TokenPlace::Header, hand: Hand::default() }
    }
}

#[cfg(all(test, not(tower_pat_model)))]
mod tests {
    use std::sync::{Arc, atomic::AtomicBool};

    use super::*;
    use crate::{
        Authenticator, Config,
        clock::{Clock, ManualClock, Monotonic, Timestamp},
        store::MemoryStore,
    };

    #[derive(Debug)]
    struct FragileClock {
        inner: ManualClock,
        panics: AtomicBool,
    }

    impl Clock for FragileClock {
        fn now(&self) -> Timestamp {
            self.inner.now()
        }

        fn monotonic(&self) -> Monotonic {
            assert!(!self.panics.load(Ordering::SeqCst), "on purpose");
            self.inner.monotonic()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_does_not_end_judging_anew() {
        let config = Config::builder(
            "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=",
            "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ",
        );
        let inner = ManualClock::new(Timestamp::from_seconds(1_750_000_000));
        let clock = Arc::new(FragileClock { inner, panics: AtomicBool::new(false) });
        let authenticator = Authenticator::builder(config.build().unwrap(), MemoryStore::default())
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        let inner = &authenticator.inner;
        let task = tokio::spawn(revalidate(Arc::downgrade(inner)));
        for panics in [true, false] {
            clock.panics.store(panics, Ordering::SeqCst);
            // Whoever of the two waits first.
            inner.suspected.notify_waiters();
            yield_now().await;
            inner.suspected.notify_one();
            sleep(Duration::from_secs(2)).await;
            assert!(!task.is_finished());
            assert_eq!(inner.has_suspects.load(Ordering::Acquire), panics);
        }
        task.abort();
    }
}
