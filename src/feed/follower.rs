use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{Change, ChangeFeed, FeedCursor};
use crate::{
    backend::{StoreError, chain},
    clock::{Clock, Monotonic, Timestamp},
};

/// What changes are told to.
pub(crate) trait ChangeSink: Send + Sync + 'static {
    /// These arrived, in this order. When it returns, nothing remembered that depends on them is
    /// an answer any more.
    fn apply(&self, changes: &[Change]);

    /// Changes may be missing, or the wall clock jumped: everything remembered may be wrong.
    fn forget_all(&self);
}

/// Until when what a feed has told may be relied on.
#[derive(Debug)]
pub(crate) struct Freshness {
    /// When the last successful read was sent, in nanoseconds of monotonic time.
    last_read: AtomicU64,
    bound: Duration,
}

impl Freshness {
    pub(crate) fn is_fresh(&self, now: Monotonic) -> bool {
        now.since(Monotonic::from_nanos(self.last_read.load(Ordering::Acquire))) <= self.bound
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
    is_failing: bool,
}

impl Follower {
    /// How far wall and monotonic time may drift apart between two reads. Expiry is remembered in
    /// monotonic time, so a jump of the wall clock must end what is remembered.
    const MAX_DRIFT_MS: u64 = 100;

    /// Starts at the feed's end.
    pub(crate) async fn start(
        feed: Arc<dyn ChangeFeed>,
        clock: Arc<dyn Clock>,
        bound: Duration,
    ) -> Result<Self, StoreError> {
        let sent = clock.monotonic();
        let wall_origin = wall_origin(clock.now(), sent);
        let cursor = feed.head().await?;
        let freshness = Arc::new(Freshness { last_read: AtomicU64::new(sent.as_nanos()), bound });
        Ok(Self { feed, cursor, freshness, clock, wall_origin, is_failing: false })
    }

    pub(crate) fn freshness(&self) -> Arc<Freshness> {
        self.freshness.clone()
    }

    /// How often the feed is read, and how long a read may take: a quarter of the bound each, so
    /// that one failed read does not make the feed stale.
    pub(crate) fn interval(&self) -> Duration {
        self.freshness.bound / 4
    }

    /// Waits until it is time to read again, or there may be something to read.
    pub(crate) async fn wait(&self) {
        let _ = tokio::time::timeout(self.interval(), self.feed.woken()).await;
    }

    /// Reads once, and tells `sink` what changed before it calls that knowledge fresh.
    pub(crate) async fn read(&mut self, sink: &dyn ChangeSink) {
        let sent = self.clock.monotonic();
        let wall_origin = wall_origin(self.clock.now(), sent);
        if wall_origin.abs_diff(self.wall_origin) > Self::MAX_DRIFT_MS {
            tracing::info!("the wall clock jumped; verified tokens are judged anew");
            self.wall_origin = wall_origin;
            sink.forget_all();
        }
        let read = tokio::time::timeout(self.interval(), self.feed.since(&self.cursor)).await;
        match read {
            Ok(Ok(batch)) => {
                if batch.gap {
                    tracing::warn!("changes may be missing; verified tokens are judged anew");
                    sink.forget_all();
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
