//! What is still answered while nothing can be known: `serve_stale_for`.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::Monotonic;

/// Whether the store fails, and what was answered nevertheless.
#[derive(Debug)]
pub(super) struct Outage {
    serve_stale_for: Duration,
    /// How often the store is tried while it fails.
    interval: Duration,
    /// Whether the last look-up failed.
    is_failing: AtomicBool,
    /// From when on a request tries it again, in nanoseconds of monotonic time.
    next_try: AtomicU64,
    /// How many requests were answered in this outage.
    served: AtomicU64,
    served_in_all: AtomicU64,
}

impl Outage {
    pub(super) fn new(serve_stale_for: Duration, interval: Duration) -> Self {
        Self {
            serve_stale_for,
            interval,
            is_failing: AtomicBool::new(false),
            next_try: AtomicU64::new(0),
            served: AtomicU64::new(0),
            served_in_all: AtomicU64::new(0),
        }
    }

    /// How long after the feed was fresh what is remembered is an answer; `None` for not at all.
    pub(super) fn serve_stale_for(&self) -> Option<Duration> {
        Some(self.serve_stale_for).filter(|time| !time.is_zero())
    }

    /// Whether a request asks the store. One that is known to fail is asked now and then, so that
    /// not everybody waits for what takes long to fail.
    pub(super) fn is_to_be_asked(&self, now: Monotonic) -> bool {
        if !self.is_failing.load(Ordering::Acquire) {
            return true;
        }
        let next_try = self.next_try.load(Ordering::Relaxed);
        let following = now.saturating_add(self.interval).as_nanos();
        // One of those who come at the same time.
        now.as_nanos() >= next_try
            && self
                .next_try
                .compare_exchange(next_try, following, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Notes that a look-up failed.
    pub(super) fn failed(&self, now: Monotonic) {
        let next_try = now.saturating_add(self.interval).as_nanos();
        self.next_try.fetch_max(next_try, Ordering::Relaxed);
        self.note(true);
    }

    /// Notes that a look-up was answered.
    pub(super) fn answered(&self) {
        self.note(false);
    }

    fn note(&self, is_failing: bool) {
        if self.is_failing.load(Ordering::Relaxed) != is_failing {
            self.is_failing.store(is_failing, Ordering::Release);
        }
    }

    /// Notes that a request was answered by what is remembered, though that may be wrong.
    pub(super) fn served(&self) {
        self.served_in_all.fetch_add(1, Ordering::Relaxed);
        if self.served.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                serve_stale_for = ?self.serve_stale_for,
                "the store cannot be asked and changes are unknown; tokens that were verified \
                 before are accepted without knowing whether they are still good"
            );
        }
    }

    /// Notes that nothing is answered so any more, or that it need not be.
    pub(super) fn ended(&self) {
        if self.served.load(Ordering::Relaxed) > 0 {
            let requests = self.served.swap(0, Ordering::Relaxed);
            tracing::warn!(
                requests,
                "tokens are accepted only as far as they are known to be good again"
            );
        }
    }

    /// Notes that everything is known again.
    pub(super) fn over(&self) {
        self.ended();
        self.is_failing.store(false, Ordering::Release);
    }

    pub(super) fn served_in_all(&self) -> u64 {
        self.served_in_all.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_fails_is_asked_now_and_then() {
        let outage = Outage::new(Duration::from_secs(1), Duration::from_nanos(10));
        let at = Monotonic::from_nanos;
        assert!(outage.is_to_be_asked(at(0)) && outage.is_to_be_asked(at(0)));
        outage.failed(at(5));
        assert!(!outage.is_to_be_asked(at(14)));
        assert!(outage.is_to_be_asked(at(15)));
        assert!(!outage.is_to_be_asked(at(24)));
        assert!(outage.is_to_be_asked(at(25)));
        outage.answered();
        assert!(outage.is_to_be_asked(at(26)) && outage.is_to_be_asked(at(26)));
    }
}
