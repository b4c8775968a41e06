use std::{
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::{
    actor::Urn,
    backend::StoreError,
    clock::{Clock, Monotonic},
    policy::{PolicyIndex, PolicyOptions, PolicySource},
};

/// The policies in force, compiled, and read anew when they changed.
#[derive(Debug)]
pub(super) struct CompiledPolicies {
    source: Arc<dyn PolicySource>,
    time_to_live: Option<Duration>,
    system_actor: Option<Urn>,
    /// Moves when a change of the policies has arrived.
    wanted: AtomicU64,
    current: RwLock<Option<Arc<Snapshot>>>,
    /// Held while they are read, so that many requests read them once.
    reading: tokio::sync::Mutex<()>,
}

/// The policies as they were at one time.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) index: PolicyIndex,
    version: u64,
    /// Before the read was sent.
    read_at: Monotonic,
    /// Until when it may be used, if its source has no feed.
    pub(super) good_until: Option<Monotonic>,
}

impl CompiledPolicies {
    pub(super) fn new(
        source: Arc<dyn PolicySource>,
        time_to_live: Option<Duration>,
        system_actor: Option<Urn>,
    ) -> Self {
        Self {
            source,
            time_to_live,
            system_actor,
            wanted: AtomicU64::new(0),
            current: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
        }
    }

    /// Whatever was read until now is not enough any more.
    pub(super) fn changed(&self) {
        self.wanted.fetch_add(1, Ordering::AcqRel);
    }

    /// The policies as they are now, for a decision that began at `start`.
    ///
    /// With a feed that is not fresh, nothing says that what was read earlier is still so: then
    /// only what was read after `start` will do.
    pub(super) async fn current(
        &self,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
    ) -> Result<Arc<Snapshot>, StoreError> {
        if let Some(snapshot) = self.usable(start, feed_is_fresh(start)) {
            return Ok(snapshot);
        }
        let _reading = self.reading.lock().await;
        // Somebody else may have read them while this waited; and the feed may be stale by now.
        if let Some(snapshot) = self.usable(start, feed_is_fresh(clock.monotonic())) {
            return Ok(snapshot);
        }
        let version = self.wanted.load(Ordering::Acquire);
        let read_at = clock.monotonic();
        let policies = self.source.policies().await?.into_iter().map(|record| record.info);
        let options = PolicyOptions::default().system_actor(self.system_actor.clone());
        let index = PolicyIndex::with_options(policies, options);
        let good_until = self.time_to_live.map(|time| read_at.saturating_add(time));
        let snapshot = Arc::new(Snapshot { index, version, read_at, good_until });
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(snapshot.clone());
        Ok(snapshot)
    }

    fn usable(&self, start: Monotonic, feed_is_fresh: bool) -> Option<Arc<Snapshot>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let snapshot = current.as_ref()?;
        let is_in_time = match snapshot.good_until {
            Some(good_until) => start < good_until,
            None => feed_is_fresh || snapshot.read_at >= start,
        };
        let is_newest = snapshot.version == self.wanted.load(Ordering::Acquire);
        (is_in_time && is_newest).then(|| snapshot.clone())
    }
}
