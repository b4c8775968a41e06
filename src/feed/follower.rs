use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Change, ChangeFeed, FeedCursor};
use crate::{
    backend::{BoxFuture, StoreError, chain},
    caught::Panicked,
    clock::{Clock, Monotonic, Timestamp},
    sync::AtomicU64,
};

/// What changes are told to.
pub(crate) trait ChangeSink: Send + Sync + 'static {
    /// These arrived, in this order. When it returns, nothing remembered that depends on them is
    /// an answer any more.
    fn apply(&self, changes: &[Change]);

    /// Changes may be missing, or the wall clock jumped: nothing remembered is an answer any more,
    /// until it was found to be still so.
    fn suspect_all(&self);
}

/// Until when what a feed has told may be relied on.
#[derive(Debug)]
pub(crate) struct Freshness {
    /// When the last successful read was sent, in nanoseconds of monotonic time.
    last_read: AtomicU64,
    bound: Duration,
    bound_nanos: u64,
}

impl Freshness {
    fn new(read: Monotonic, bound: Duration) -> Self {
        let bound_nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Self { last_read: AtomicU64::new(read.as_nanos()), bound, bound_nanos }
    }

    pub(crate) fn is_fresh(&self, now: Monotonic) -> bool {
        // As often as there are requests, so without making a duration of it.
        let last_read = self.last_read.load(Ordering::Acquire);
        now.as_nanos().saturating_sub(last_read) <= self.bound_nanos
    }

    /// Whether it was fresh `ago` at least.
    pub(crate) fn was_fresh(&self, now: Monotonic, ago: Duration) -> bool {
        self.age(now) <= self.bound.saturating_add(ago)
    }

    /// How long ago the last successful read was sent.
    fn age(&self, now: Monotonic) -> Duration {
        now.since(Monotonic::from_nanos(self.last_read.load(Ordering::Acquire)))
    }

    fn note(&self, sent: Monotonic) {
        self.last_read.store(sent.as_nanos(), Ordering::Release);
    }
}

/// Reads one feed.
#[derive(Debug)]
pub(crate) struct Follower {
    feed: Arc<dyn ChangeFeed>,
    cursor: FeedCursor,
    freshness: Arc<Freshness>,
    clock: Arc<dyn Clock>,
    /// Wall time at the monotonic clock's origin, in milliseconds.
    wall_origin: i64,
    /// When the last read was sent, by the runtime's clock, which paces the reads and no more.
    sent: Instant,
    is_failing: bool,
}

impl Follower {
    /// How far wall and monotonic time may drift apart between two reads. Expiry is remembered in
    /// monotonic time, so a jump of the wall clock must end what is remembered.
    const MAX_DRIFT_MS: u64 = 100;

    /// Starts at the feed's end, which must be known within `limit`.
    pub(crate) async fn start(
        feed: Arc<dyn ChangeFeed>,
        clock: Arc<dyn Clock>,
        bound: Duration,
        limit: Duration,
    ) -> Result<Self, StoreError> {
        let (sent, sent_at) = (clock.monotonic(), Instant::now());
        let wall_origin = wall_origin(clock.now(), sent);
        let cursor = timeout(limit, feed.head()).await.map_err(StoreError::unavailable)??;
        let freshness = Arc::new(Freshness::new(sent, bound));
        Ok(Self { feed, cursor, freshness, clock, wall_origin, sent: sent_at, is_failing: false })
    }

    pub(crate) fn freshness(&self) -> Arc<Freshness> {
        self.freshness.clone()
    }

    pub(crate) fn feed(&self) -> Arc<dyn ChangeFeed> {
        self.feed.clone()
    }

    /// How often the feed is read, and how long a read may take: a quarter of the bound each, so
    /// that one failed read does not make the feed stale.
    pub(crate) fn interval(&self) -> Duration {
        self.freshness.bound / 4
    }

    /// Waits until it is time to read again, or there may be something to read. The time is counted
    /// from when the last read was sent.
    pub(crate) async fn wait(&self, woken: BoxFuture<'_, ()>) {
        let interval = self.interval();
        if self.is_failing {
            // What cannot be read may still wake. A pause even if the read took all of its time.
            let pause = Instant::now() + interval / 8;
            return sleep_until(pause.max(self.sent + interval)).await;
        }
        if timeout_at(self.sent + interval, pin!(woken)).await.is_ok() {
            // However much is announced, there are no more reads than this.
            sleep_until(self.sent + interval / MAX_READS_PER_INTERVAL).await;
        }
    }

    /// Reads once, and tells `sink` what changed before it calls that knowledge fresh.
    pub(crate) async fn read(&mut self, sink: &dyn ChangeSink) {
        self.sent = Instant::now();
        let sent = self.clock.monotonic();
        let wall_origin = wall_origin(self.clock.now(), sent);
        if wall_origin.abs_diff(self.wall_origin) > Self::MAX_DRIFT_MS {
            tracing::info!("the wall clock jumped; verified tokens are judged anew");
            self.wall_origin = wall_origin;
            sink.suspect_all();
        }
        let read = timeout(self.interval(), self.feed.since(&self.cursor)).await;
        match read {
            Ok(Ok(batch)) => {
                if batch.gap {
                    tracing::warn!("changes may be missing; verified tokens are judged anew");
                    sink.suspect_all();
                }
                if !batch.changes.is_empty() {
                    sink.apply(&batch.changes);
                }
                self.cursor = batch.next;
                self.freshness.note(sent);
                if self.is_failing {
                    self.is_failing = false;
                    tracing::info!("the change feed can be read again");
                }
            }
            Ok(Err(error)) => self.failed(&error),
            Err(elapsed) => self.failed(&elapsed),
        }
    }

    /// Notes that the feed panicked, so that it is read again after a pause.
    pub(crate) fn panicked(&mut self) {
        self.failed(&Panicked);
    }

    fn failed(&mut self, error: &dyn std::error::Error) {
        // Once, and not at every attempt.
        if !self.is_failing {
            self.is_failing = true;
            tracing::warn!(
                cause = %chain(error),
                "the change feed cannot be read; every request asks the store until it can"
            );
        }
    }
}

fn wall_origin(now: Timestamp, monotonic: Monotonic) -> i64 {
    now.saturating_sub(monotonic.since(Monotonic::from_nanos(0))).as_millis()
}

/// A quarter of the bound has so many reads at most: at the default bound, one every 5 milliseconds.
const MAX_READS_PER_INTERVAL: u32 = 50;

#[cfg(test)]
mod tests {
    use std::sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32},
    };

    use super::*;
    use crate::{clock::ManualClock, feed::ChangeBatch, store::MemoryStore};

    const BOUND: Duration = Duration::from_secs(1);

    /// A feed without changes that takes its time and always wakes.
    #[derive(Debug)]
    struct Slow {
        clock: Arc<ManualClock>,
        takes: Mutex<Duration>,
        fails: AtomicBool,
        reads: AtomicU32,
    }

    impl ChangeFeed for Slow {
        fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
            Box::pin(async { MemoryStore::default().head().await })
        }

        fn since<'a>(
            &'a self,
            cursor: &'a FeedCursor,
        ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
            Box::pin(async move {
                let takes = *self.takes.lock().unwrap();
                self.reads.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(takes).await;
                self.clock.advance(takes);
                if self.fails.load(Ordering::SeqCst) {
                    return Err(StoreError::unavailable("out of order"));
                }
                Ok(ChangeBatch { changes: Vec::new(), next: cursor.clone(), gap: false })
            })
        }

        fn woken(&self) -> BoxFuture<'_, ()> {
            Box::pin(async {})
        }
    }

    struct Nobody;

    impl ChangeSink for Nobody {
        fn apply(&self, _: &[Change]) {}
        fn suspect_all(&self) {}
    }

    async fn following() -> (Arc<Slow>, Follower) {
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(0)));
        let slow = Arc::new(Slow {
            clock: clock.clone(),
            takes: Mutex::default(),
            fails: AtomicBool::new(false),
            reads: AtomicU32::new(0),
        });
        let follower = Follower::start(slow.clone(), clock, BOUND, BOUND).await.unwrap();
        (slow, follower)
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_counts_from_when_it_was_sent() {
        let (slow, mut follower) = following().await;
        let freshness = follower.freshness();
        let takes = Duration::from_millis(200);
        *slow.takes.lock().unwrap() = takes;
        slow.clock.advance(Duration::from_secs(10));
        let sent = slow.clock.monotonic();
        follower.read(&Nobody).await;
        assert!(freshness.is_fresh(sent.saturating_add(BOUND)));
        let behind = sent.saturating_add(BOUND + Duration::from_nanos(1));
        assert!(!freshness.is_fresh(behind));
        assert!(freshness.was_fresh(behind, Duration::from_nanos(1)));
        assert!(!freshness.was_fresh(behind, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn what_fails_or_takes_too_long_does_not_refresh_and_is_not_asked_all_the_time() {
        for (takes, fails) in [(0, true), (251, false)] {
            let (slow, mut follower) = following().await;
            let freshness = follower.freshness();
            *slow.takes.lock().unwrap() = Duration::from_millis(takes);
            slow.fails.store(fails, Ordering::SeqCst);
            let (begun, sent) = (Instant::now(), slow.clock.monotonic());
            while begun.elapsed() < Duration::from_secs(10) {
                follower.read(&Nobody).await;
                // It wakes always, which says nothing.
                follower.wait(slow.woken()).await;
            }
            assert!(freshness.is_fresh(sent.saturating_add(BOUND)));
            assert!(!freshness.is_fresh(sent.saturating_add(BOUND + Duration::from_nanos(1))));
            let reads = slow.reads.load(Ordering::SeqCst);
            assert!((34..=41).contains(&reads), "{reads} reads");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn however_often_it_wakes_there_are_so_many_reads_and_no_more() {
        let (slow, mut follower) = following().await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(1) {
            follower.read(&Nobody).await;
            follower.wait(slow.woken()).await;
        }
        let reads = slow.reads.load(Ordering::SeqCst);
        assert!((190..=201).contains(&reads), "{reads} reads");
    }

    #[tokio::test(start_paused = true)]
    async fn one_failed_read_does_not_make_it_stale() {
        let (slow, mut follower) = following().await;
        let never = || Box::pin(std::future::pending());
        let begun = Instant::now();
        let takes = |millis| *slow.takes.lock().unwrap() = Duration::from_millis(millis);
        let mut sent = Vec::new();
        // One that takes as long as it may, one too long, one that takes as long as it may.
        for millis in [249, 1_000, 249] {
            takes(millis);
            sent.push(begun.elapsed());
            follower.read(&Nobody).await;
            follower.wait(never()).await;
        }
        let between = begun.elapsed().checked_sub(sent[0]).unwrap();
        assert!(between < BOUND, "{between:?}: the third read was in time");
    }
}
