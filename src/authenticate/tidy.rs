//! Going through what is remembered, without end: what nobody asks for again does not stay.
//!
//! Nothing that is found here has been an answer since what ended it arrived. It is here for memory:
//! so that texts of tokens that were revoked or have expired are wiped, and no policies of earlier
//! times are held by tokens that are not used.

use std::{
    sync::{Weak, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

use super::{
    Authentication,
    judge::Inner,
    narrow::renewed,
    verified::{Current, Verified},
};
use crate::{caught::Caught, token_service::TokenPlace};

/// A walk through all that is remembered, and then from the beginning.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Which shard is the next.
    next: usize,
    /// How many are to be gone through now, and what is left of the time for one more.
    due: usize,
    rest: usize,
    /// How many are to be gone through sooner, since something has changed.
    hurried: usize,
    /// How many may have privileges by other policies than those of this version.
    outdated: usize,
    policies_version: u64,
    /// What was so when a change was looked for last: position and epoch.
    seen: (u64, u64),
    /// Whether a round has ended since the copies were looked at.
    has_been_around: bool,
}

impl Walk {
    /// As much is due as one [`TICK`] is of a [`ROUND`] through so many shards.
    fn ticks(&mut self, shards: usize) {
        let pace = if self.hurried > 0 { HURRY } else { 1 };
        self.rest += shards * pace;
        self.due += self.rest / TICKS;
        self.rest %= TICKS;
    }
}

impl Inner {
    /// Some time has gone by: more is due.
    fn tick(&self, walk: &mut Walk) {
        let shards = 2 * self.verified.shards();
        let current = self.current(self.clock.monotonic());
        let seen = (self.changes.position(), current.epoch);
        let has_changed = std::mem::replace(&mut walk.seen, seen) != seen;
        if has_changed {
            walk.hurried = shards;
        }
        walk.ticks(shards);
        if std::mem::take(&mut walk.has_been_around) || has_changed {
            self.tidy_copies(current);
        }
    }

    fn tidy_copies(&self, current: Current<'_>) {
        for place in [TokenPlace::Header, TokenPlace::Session] {
            self.verified(place).tidy_copies(current);
        }
    }

    /// Whether the walk waits for policies that nobody may have read yet.
    pub(super) fn wants_policies(&self, walk: &Walk) -> bool {
        walk.policies_version != self.policies.version() || walk.outdated > 0
    }

    /// Goes on with `walk`: removes what is over, and takes the privileges of what nobody has used since
    /// the policies changed from those in force. Whether there is more to do now.
    pub(super) fn tidy(&self, walk: &mut Walk) -> bool {
        let now = self.clock.monotonic();
        let shards = self.verified.shards();
        if walk.policies_version != self.policies.version() {
            walk.policies_version = self.policies.version();
            // Once around, from wherever it is, so that everything has its turn.
            walk.outdated = 2 * shards;
            self.tidy_copies(self.current(now));
        }
        let policies = self.policies.at_hand(now, true).filter(|_| self.is_fresh(now));
        let renew = |outdated: &Authentication| Some(renewed(outdated, policies.as_deref()?));
        let version = policies.as_ref().map_or(0, |policies| policies.version());
        let now_due = |walk: &Walk| match policies {
            Some(_) => walk.due.max(walk.outdated),
            None => walk.due,
        };
        for _ in 0..now_due(walk).min(SHARDS_AT_ONCE) {
            let (verified, shard) = self.at(walk.next);
            // First, so that it goes on behind what panics.
            walk.next = (walk.next + 1) % (2 * shards);
            walk.has_been_around |= walk.next == 0;
            walk.due = walk.due.saturating_sub(1);
            walk.hurried = walk.hurried.saturating_sub(1);
            if policies.is_some() {
                walk.outdated = walk.outdated.saturating_sub(1);
            }
            if verified.tidy(shard, self.current(now), version, renew) {
                // One may have been put in behind a search.
                self.has_suspects.store(true, Ordering::Release);
            }
        }
        now_due(walk) > 0
    }

    /// The shard with this number, of those for both places.
    fn at(&self, number: usize) -> (&Verified, usize) {
        match number.checked_sub(self.verified.shards()) {
            None => (&self.verified, number),
            Some(shard) => (&self.sessions, shard),
        }
    }
}

/// Tidies what is remembered, until the last clone of the authenticator is gone.
pub(super) async fn tidy(inner: Weak<Inner>) {
    let mut walk = Walk::default();
    let mut pause = TICK;
    loop {
        sleep(pause).await;
        // Not held while waiting, so that the last clone of the authenticator ends this.
        let Some(inner) = inner.upgrade() else { return };
        let begun = Instant::now();
        // Whatever panics, the rest has its turn.
        let going_on = Caught::new(async {
            if pause == TICK {
                inner.tick(&mut walk);
                if inner.wants_policies(&walk) {
                    // If that fails it is tried again, and if it takes longer it goes on without this.
                    let _ = timeout(TICK, inner.read_policies()).await;
                }
            }
            let begun = Instant::now();
            (inner.tidy(&mut walk), begun.elapsed())
        });
        let (has_more, took) = going_on.await.unwrap_or_else(|_| (false, begun.elapsed()));
        // Half of a core's time at most.
        pause = if has_more { took.min(TICK / 2) } else { TICK };
    }
}

/// How often it is looked whether there is something to do.
const TICK: Duration = Duration::from_millis(250);

/// So many of them are a minute: all that is remembered is gone through as often.
const TICKS: usize = 240;

/// So many times as fast after a change that may have ended something: within a quarter of a minute.
const HURRY: usize = 4;

/// Less than a millisecond's work, if nearly all is as it should be.
const SHARDS_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{Request, header};

    use crate::{
        Authentication, Authenticator, Config, TokenService,
        actor::{DirectoryStore, Urn},
        authenticate::Freshness,
        clock::{ManualClock, Timestamp},
        policy::{PolicyStore, default_policies},
        store::MemoryStore,
        token::{AccessTokenDuration, TokenType},
        token_service::{MintRequest, MintedToken},
    };

    use super::*;

    struct World {
        store: MemoryStore,
        clock: Arc<ManualClock>,
        service: TokenService,
        authenticator: Authenticator,
    }

    impl World {
        async fn new(has_feed: bool) -> Self {
            let config = Config::builder(
                "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=",
                "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ",
            );
            let config = config.build().unwrap();
            let store = MemoryStore::default();
            store.create_user(&Urn::corpuser("alice").unwrap()).await.unwrap();
            let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_750_000_000)));
            let service = TokenService::new(&config, Arc::new(store.clone())).clock(clock.clone());
            let parts = Arc::new(store.clone());
            let time = || Freshness::TimeToLive(Duration::from_secs(1));
            let builder = if has_feed {
                Authenticator::builder(config, store.clone())
            } else {
                Authenticator::builder_from_parts(
                    config,
                    (parts.clone(), time()),
                    (parts.clone(), time()),
                    (parts, time()),
                )
            };
            let authenticator = builder.clock(clock.clone()).build().await.unwrap();
            Self { store, clock, service, authenticator }
        }

        async fn mint(&self) -> MintedToken {
            let lifetime = AccessTokenDuration::OneHour.lifetime();
            let actor = Urn::corpuser("alice").unwrap();
            self.service.mint(MintRequest::new(TokenType::Personal, actor, lifetime)).await.unwrap()
        }

        async fn uses(&self, token: &MintedToken) -> Authentication {
            let value = format!("Bearer {}", token.token.expose());
            let request = Request::get("/").header(header::AUTHORIZATION, value);
            let (parts, ()) = request.body(()).unwrap().into_parts();
            self.authenticator.authenticate(&parts).await.unwrap()
        }

        fn remembered(&self) -> usize {
            self.authenticator.inner.verified.len()
        }
    }

    /// Nobody presents it again, and nothing else happens.
    #[tokio::test(start_paused = true)]
    async fn what_was_revoked_is_soon_wiped_also_from_copies() {
        let world = World::new(true).await;
        let (token, other) = (world.mint().await, world.mint().await);
        for _ in 0..100 {
            let _ = (world.uses(&token).await, world.uses(&other).await);
        }
        let copy = world.uses(&token).await;
        assert_eq!((world.remembered(), copy.holders()), (2, 2));
        let by = Urn::corpuser("alice").unwrap();
        world.service.revoke(&token.record.id, &by).await.unwrap();
        sleep(Duration::from_secs(20)).await;
        assert_eq!((world.remembered(), copy.holders()), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_expired_goes_within_a_round_also_without_a_feed() {
        for has_feed in [true, false] {
            let world = World::new(has_feed).await;
            let token = world.mint().await;
            let _ = world.uses(&token).await;
            assert_eq!(world.remembered(), 1);
            sleep(Duration::from_secs(90)).await;
            assert_eq!(world.remembered(), 1);
            world.clock.advance(Duration::from_secs(3_600));
            sleep(Duration::from_secs(90)).await;
            assert_eq!(world.remembered(), 0, "{has_feed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_outdated_is_let_go_of_also_if_it_is_put_in_behind_the_walk() {
        let world = World::new(true).await;
        let token = world.mint().await;
        let held = Arc::downgrade(&world.authenticator.inner);
        let old = world.uses(&token).await;
        assert_eq!(old.holders(), 2);
        world.store.seed_policies(&default_policies()).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        assert_eq!(old.holders(), 1);
        // As by a look-up that began before the change.
        let inner = held.upgrade().unwrap();
        let new = world.uses(&token).await;
        let version = inner.policies.version();
        assert!(!new.is_same(&old));
        let late = new.apart();
        inner.verified.narrow(token.token.expose().as_bytes(), &new, &late, version - 1);
        assert_eq!(late.holders(), 2);
        sleep(Duration::from_secs(90)).await;
        assert_eq!(late.holders(), 1);
        assert_eq!(world.remembered(), 1);
    }
}
