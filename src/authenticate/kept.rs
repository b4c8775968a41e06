//! What concerns everybody and is read once for all: policies, and the states of keys.

use std::{
    future::Future,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use crate::{
    backend::StoreError,
    clock::{Clock, Monotonic},
    sync::{AtomicU64, RwLock},
};

/// Something that was read from a store, and is read anew when it changed.
#[derive(Debug)]
pub(super) struct Kept<T> {
    time_to_live: Option<Duration>,
    /// Moves when a change of it has arrived.
    wanted: AtomicU64,
    current: RwLock<Option<Arc<Snapshot<T>>>>,
    /// Held while it is read, so that many requests read it once.
    reading: tokio::sync::Mutex<()>,
}

/// What it was at one time.
#[derive(Debug)]
pub(super) struct Snapshot<T> {
    pub(super) value: T,
    version: u64,
    /// Before the read was sent.
    read_at: Monotonic,
    /// Until when it may be used, if its source has no feed.
    pub(super) good_until: Option<Monotonic>,
}

impl<T> Snapshot<T> {
    /// Of which version it is, at least: changes that arrived since it was read make it an old one.
    pub(super) fn version(&self) -> u64 {
        self.version
    }
}

impl<T> Kept<T> {
    /// Nothing yet, of a source that has a feed, or whose values are good for so long.
    pub(super) fn new(time_to_live: Option<Duration>) -> Self {
        Self {
            time_to_live,
            wanted: AtomicU64::new(0),
            current: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Whatever was read until now is not enough any more.
    pub(super) fn changed(&self) {
        self.wanted.fetch_add(1, Ordering::AcqRel);
    }

    /// What a snapshot has to be of, to be the newest.
    pub(super) fn version(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
    }

    /// What it is now, for a decision that began at `start`; by `read`, if it has to be read.
    ///
    /// With a feed that is not fresh, nothing says that what was read earlier is still so: then
    /// only what was read after `start` will do.
    pub(super) async fn current<F>(
        &self,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
        read: impl FnOnce() -> F,
    ) -> Result<Arc<Snapshot<T>>, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        if let Some(snapshot) = self.usable(start, feed_is_fresh(start)) {
            return Ok(snapshot);
        }
        // In a box of its own: it is read seldom, and else no room is needed for it.
        Box::pin(self.read_anew(clock, start, feed_is_fresh, read)).await
    }

    async fn read_anew<F>(
        &self,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
        read: impl FnOnce() -> F,
    ) -> Result<Arc<Snapshot<T>>, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let _reading = self.reading.lock().await;
        // Somebody else may have read it while this waited; and the feed may be stale by now.
        if let Some(snapshot) = self.usable(start, feed_is_fresh(clock.monotonic())) {
            return Ok(snapshot);
        }
        let version = self.version();
        let read_at = clock.monotonic();
        let value = read().await?;
        let good_until = self.time_to_live.map(|time| read_at.saturating_add(time));
        let snapshot = Arc::new(Snapshot { value, version, read_at, good_until });
        // What it replaces may be large, and is let go of without the lock.
        let replaced = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            current.replace(snapshot.clone())
        };
        drop(replaced);
        Ok(snapshot)
    }

    /// What was read, if that is what it is now for a decision that began at `start`.
    pub(super) fn usable(&self, start: Monotonic, feed_is_fresh: bool) -> Option<Arc<Snapshot<T>>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let snapshot = current.as_ref()?;
        let is_in_time = match snapshot.good_until {
            Some(good_until) => start < good_until,
            None => feed_is_fresh || snapshot.read_at >= start,
        };
        let is_newest = snapshot.version == self.version();
        (is_in_time && is_newest).then(|| snapshot.clone())
    }
}
