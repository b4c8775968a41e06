//! How often somebody may try to log in.
//!
//! Two limits on what failed: a narrow one for a user from an address, and a wide one for an
//! address, whatever users are tried from there. None for a user alone: whoever tries passwords from
//! one place cannot lock the user out everywhere else.
//!
//! And one on what was good, for a user from an address, or whoever has an account could keep all
//! threads busy, and fill the store with sessions.
//!
//! An attempt counts from when it begins, so that many at once are not more than many in a row, and
//! is given back if it was good or could not be decided.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::clock::Monotonic;

/// What was tried lately.
#[derive(Debug)]
pub(super) struct Attempts {
    /// Seeded, so that nobody can choose names that meet. No name is kept.
    hasher: RandomState,
    limits: Mutex<Limits>,
}

#[derive(Debug)]
struct Limits {
    narrow: Limit,
    wide: Limit,
    /// What was good, by the keys of `narrow`.
    good: Limit,
}

/// One attempt that has begun. It counts as failed unless something else is said of it.
#[derive(Debug)]
#[must_use]
pub(super) struct Attempt {
    narrow: u64,
    wide: u64,
}

impl Attempts {
    /// Begins an attempt, or says how long to wait.
    pub(super) fn begin(
        &self,
        user: &str,
        address: IpAddr,
        now: Monotonic,
    ) -> Result<Attempt, Duration> {
        let place = Place::of(address);
        let attempt = Attempt {
            narrow: self.hasher.hash_one((user, place)),
            wide: self.hasher.hash_one(place),
        };
        let mut limits = self.limits();
        let wait = limits.narrow.wait(attempt.narrow, now);
        let wait = wait.max(limits.wide.wait(attempt.wide, now));
        let wait = wait.max(limits.good.wait(attempt.narrow, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        limits.narrow.take(attempt.narrow, now);
        limits.wide.take(attempt.wide, now);
        Ok(attempt)
    }

    /// It was good: the user is not in anybody's way from there any more. What others were tried
    /// from there stays counted, or one's own password would buy guesses at those of others.
    pub(super) fn succeeded(&self, attempt: &Attempt, now: Monotonic) {
        let mut limits = self.limits();
        limits.good.take(attempt.narrow, now);
        limits.narrow.clear(attempt.narrow);
        limits.wide.give_back(attempt.wide);
    }

    /// There was no room to look at it. The address keeps it, or whoever fills the queue would ask
    /// free of charge.
    pub(super) fn not_begun(&self, attempt: &Attempt) {
        self.limits().narrow.give_back(attempt.narrow);
    }

    /// It could not be decided.
    pub(super) fn undecided(&self, attempt: &Attempt) {
        let mut limits = self.limits();
        limits.narrow.give_back(attempt.narrow);
        limits.wide.give_back(attempt.wide);
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        // Nothing panics while it holds the lock.
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Attempts {
    fn default() -> Self {
        let limits = Limits {
            narrow: Limit::new(10, Duration::from_secs(60)),
            wide: Limit::new(100, Duration::from_secs(6)),
            good: Limit::new(200, Duration::from_secs(10)),
        };
        Self { hasher: RandomState::new(), limits: Mutex::new(limits) }
    }
}

/// What counts as one place: an IPv4 address, or the /64 that a subscriber has of IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place(u128);

impl Place {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
            IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
        })
    }
}

/// So many at once, and one more each interval (the generic cell rate algorithm).
#[derive(Debug)]
struct Limit {
    interval: u64,
    at_once: u64,
    /// When all of it will be there again, in nanoseconds.
    whole_at: HashMap<u64, u64>,
}

impl Limit {
    fn new(burst: u64, interval: Duration) -> Self {
        let interval = u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX);
        let at_once = interval.saturating_mul(burst.saturating_sub(1));
        Self { interval, at_once, whole_at: HashMap::new() }
    }

    /// How long to wait for the next.
    fn wait(&self, key: u64, now: Monotonic) -> Duration {
        let whole_at = self.whole_at.get(&key).copied().unwrap_or_default();
        let left = whole_at.saturating_sub(now.as_nanos());
        Duration::from_nanos(left.saturating_sub(self.at_once))
    }

    fn take(&mut self, key: u64, now: Monotonic) {
        if self.whole_at.len() >= CAPACITY && !self.whole_at.contains_key(&key) {
            self.make_room(now);
        }
        let whole_at = self.whole_at.entry(key).or_default();
        *whole_at = (*whole_at).max(now.as_nanos()).saturating_add(self.interval);
    }

    fn give_back(&mut self, key: u64) {
        if let Some(whole_at) = self.whole_at.get_mut(&key) {
            *whole_at = whole_at.saturating_sub(self.interval);
        }
    }

    fn clear(&mut self, key: u64) {
        self.whole_at.remove(&key);
    }

    /// Forgets who has everything again, and of the others, if they are too many, those who lack the
    /// least. An eighth is free then, so that not every new one looks at all that there are.
    fn make_room(&mut self, now: Monotonic) {
        self.whole_at.retain(|_, whole_at| *whole_at > now.as_nanos());
        let mut surplus = self.whole_at.len().saturating_sub(CAPACITY - CAPACITY / 8);
        let Some(last) = surplus.checked_sub(1) else { return };
        let mut all: Vec<u64> = self.whole_at.values().copied().collect();
        let (_, bound, _) = all.select_nth_unstable(last);
        let bound = *bound;
        self.whole_at.retain(|_, whole_at| {
            let goes = surplus > 0 && *whole_at <= bound;
            surplus = surplus.saturating_sub(usize::from(goes));
            !goes
        });
    }
}

/// How many are remembered of either kind: below a megabyte.
const CAPACITY: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000_000_000;

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn fails(attempts: &Attempts, user: &str, address: &str, now: u64) -> Result<(), Duration> {
        attempts.begin(user, ip(address), at(now)).map(|_| ())
    }

    #[test]
    fn ten_may_fail_and_then_one_a_minute() {
        let attempts = Attempts::default();
        for _ in 0..10 {
            assert_eq!(fails(&attempts, "alice", "192.0.2.1", 5), Ok(()));
        }
        assert_eq!(fails(&attempts, "alice", "192.0.2.1", 5), Err(Duration::from_secs(60)));
        let wait = fails(&attempts, "alice", "192.0.2.1", MINUTE);
        assert_eq!(wait, Err(Duration::from_nanos(5)));
        assert_eq!(fails(&attempts, "alice", "192.0.2.1", 5 + MINUTE), Ok(()));
        assert!(fails(&attempts, "alice", "192.0.2.1", 5 + MINUTE).is_err());
    }

    #[test]
    fn nobody_is_locked_out_from_elsewhere() {
        let attempts = Attempts::default();
        while fails(&attempts, "alice", "192.0.2.1", 5).is_ok() {}
        assert_eq!(fails(&attempts, "alice", "192.0.2.2", 5), Ok(()));
        assert_eq!(fails(&attempts, "bob", "192.0.2.1", 5), Ok(()));
    }

    #[test]
    fn an_address_is_limited_whoever_is_tried() {
        let attempts = Attempts::default();
        for number in 0..100 {
            assert_eq!(fails(&attempts, &number.to_string(), "192.0.2.1", 5), Ok(()), "{number}");
        }
        assert_eq!(fails(&attempts, "x", "192.0.2.1", 5), Err(Duration::from_secs(6)));
        assert_eq!(fails(&attempts, "x", "::ffff:192.0.2.1", 5), Err(Duration::from_secs(6)));
        assert_eq!(fails(&attempts, "x", "192.0.2.2", 5), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_place() {
        let attempts = Attempts::default();
        for number in 0..10 {
            let address = format!("2001:db8::{number}:1");
            assert_eq!(fails(&attempts, "alice", &address, 5), Ok(()));
        }
        assert!(fails(&attempts, "alice", "2001:db8::ffff:ffff:ffff:ffff", 5).is_err());
        assert!(fails(&attempts, "alice", "2001:db8:0:1::1", 5).is_ok());
    }

    #[test]
    fn a_success_clears_its_own_and_nothing_else() {
        let attempts = Attempts::default();
        while fails(&attempts, "bob", "192.0.2.1", 5).is_ok() {}
        for _ in 0..9 {
            fails(&attempts, "alice", "192.0.2.1", 5).unwrap();
        }
        for _ in 0..200 {
            let good = attempts.begin("alice", ip("192.0.2.1"), at(5)).unwrap();
            attempts.succeeded(&good, at(5));
        }
        assert!(fails(&attempts, "bob", "192.0.2.1", 5).is_err());
        // 10 of bob's and 9 of alice's are counted, and none of those that were good.
        let others = (0..).take_while(|number: &u32| {
            fails(&attempts, &number.to_string(), "192.0.2.1", 5).is_ok()
        });
        assert_eq!(others.count(), 81);
    }

    #[test]
    fn two_hundred_may_be_good_and_then_one_in_ten_seconds() {
        let attempts = Attempts::default();
        let logs_in = |address: &str, now: u64| {
            let good = attempts.begin("alice", ip(address), at(now))?;
            attempts.succeeded(&good, at(now));
            Ok::<_, Duration>(())
        };
        for _ in 0..200 {
            assert_eq!(logs_in("192.0.2.1", 5), Ok(()));
        }
        assert_eq!(logs_in("192.0.2.1", 5), Err(Duration::from_secs(10)));
        assert_eq!(logs_in("192.0.2.2", 5), Ok(()));
        assert_eq!(fails(&attempts, "bob", "192.0.2.1", 5), Ok(()));
        assert_eq!(logs_in("192.0.2.1", 5 + MINUTE / 6), Ok(()));
        assert!(logs_in("192.0.2.1", 5 + MINUTE / 6).is_err());
    }

    #[test]
    fn what_was_not_decided_does_not_count() {
        let attempts = Attempts::default();
        for _ in 0..1_000 {
            let undecided = attempts.begin("alice", ip("192.0.2.1"), at(5)).unwrap();
            attempts.undecided(&undecided);
        }
        // At once they count, or many together would be more than many in a row.
        let held: Vec<_> =
            (0..10).map(|_| attempts.begin("alice", ip("192.0.2.1"), at(5))).collect();
        assert!(held.iter().all(Result::is_ok));
        assert!(fails(&attempts, "alice", "192.0.2.1", 5).is_err());
    }

    #[test]
    fn what_found_no_room_counts_for_the_address() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            let attempt = attempts.begin("alice", ip("192.0.2.1"), at(5)).unwrap();
            attempts.not_begun(&attempt);
        }
        assert_eq!(fails(&attempts, "alice", "192.0.2.1", 5), Err(Duration::from_secs(6)));
        assert_eq!(fails(&attempts, "alice", "192.0.2.2", 5), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_busiest_stay() {
        let attempts = Attempts::default();
        while fails(&attempts, "alice", "192.0.2.1", 5).is_ok() {}
        for number in 0..3 * CAPACITY {
            let address = format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255);
            assert_eq!(fails(&attempts, "alice", &address, 5), Ok(()));
        }
        // As many as there is room for, but for those that made it.
        let kept = {
            let limits = attempts.limits();
            [limits.narrow.whole_at.len(), limits.wide.whole_at.len()]
        };
        assert!(kept.iter().all(|kept| (CAPACITY * 7 / 8..=CAPACITY).contains(kept)), "{kept:?}");
        assert!(fails(&attempts, "alice", "192.0.2.1", 5).is_err());
        // An hour later nobody counts any more.
        let later = 5 + 60 * MINUTE;
        for number in 0..CAPACITY {
            let address = format!("11.0.{}.{}", number >> 8, number & 255);
            assert_eq!(fails(&attempts, "alice", &address, later), Ok(()));
        }
        let limits = attempts.limits();
        assert!(limits.narrow.whole_at.values().all(|whole_at| *whole_at > later));
    }
}
