//! What concerns everybody and is read once for all: policies, and the states of keys.

use std::{
    fmt,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::Poll,
    time::Duration,
};

use tokio::sync::watch;

use super::{AuthenticateError, tasks::Tasks};
use crate::{
    backend::StoreError,
    caught::Caught,
    clock::{Clock, Monotonic},
    sync::{AtomicU64, Mutex, MutexGuard, RwLock},
};

/// Something that was read from a store, and is read anew when it changed.
///
/// A store that answers at once is asked in place. Else reading becomes a task of its own: it goes on
/// and keeps what it read, whatever becomes of the request that began it, and no request holds
/// anything for which others wait.
pub(super) struct Kept<T> {
    time_to_live: Option<Duration>,
    /// Moves when a change of it has arrived.
    wanted: AtomicU64,
    current: RwLock<Option<Arc<Snapshot<T>>>>,
    /// The reading that is under way, so that many requests read it once.
    reading: Mutex<Option<Reading<T>>>,
    tasks: Tasks,
    /// After this long nobody joins a reading any more: its runtime may not run.
    patience: Duration,
}

/// What all who wait for a reading get.
type Outcome<T> = Result<Arc<Snapshot<T>>, Arc<AuthenticateError>>;

/// A reading that has begun.
struct Reading<T> {
    read_at: Monotonic,
    outcome: watch::Receiver<Option<Outcome<T>>>,
}

enum Boarded<T> {
    Known(Arc<Snapshot<T>>),
    Joined(watch::Receiver<Option<Outcome<T>>>),
    Leads(Lead<T>),
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
    /// Nothing yet, of a source that has a feed, or whose values are good for so long, and which
    /// answers within `limit`.
    pub(super) fn new(time_to_live: Option<Duration>, tasks: Tasks, limit: Duration) -> Arc<Self> {
        Arc::new(Self {
            time_to_live,
            wanted: AtomicU64::new(0),
            current: RwLock::default(),
            reading: Mutex::default(),
            tasks,
            patience: limit.saturating_mul(LIMITS),
        })
    }

    /// Whatever was read until now is not enough any more.
    pub(super) fn changed(&self) {
        self.wanted.fetch_add(1, Ordering::AcqRel);
    }

    /// What a snapshot has to be of, to be the newest.
    pub(super) fn version(&self) -> u64 {
        self.wanted.load(Ordering::Acquire)
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

    fn keep(&self, snapshot: &Arc<Snapshot<T>>) {
        let age = |it: &Snapshot<T>| (it.version, it.read_at);
        // What it replaces may be large, and is let go of without the lock.
        let replaced = {
            let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
            // One that nobody joined any more may have been overtaken.
            let is_newer = current.as_deref().is_none_or(|it| age(it) <= age(snapshot));
            is_newer.then(|| current.replace(snapshot.clone()))
        };
        drop(replaced);
    }

    fn reading(&self) -> MutexGuard<'_, Option<Reading<T>>> {
        // Nothing that runs under the lock panics half-way through a change.
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// What it is now, for a decision that began at `start`; by `read`, if it has to be read. That
    /// ends by itself.
    ///
    /// With a feed that is not fresh, nothing says that what was read earlier is still so: then
    /// only what was read after `start` will do.
    pub(super) async fn current<F>(
        self: &Arc<Self>,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
        read: impl Fn() -> F,
    ) -> Result<Arc<Snapshot<T>>, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        if let Some(snapshot) = self.usable(start, feed_is_fresh(start)) {
            return Ok(snapshot);
        }
        // In a box of its own: it is read seldom, and else no room is needed for it.
        Box::pin(self.read_anew(clock, start, feed_is_fresh, read)).await
    }

    async fn read_anew<F>(
        self: &Arc<Self>,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
        read: impl Fn() -> F,
    ) -> Result<Arc<Snapshot<T>>, StoreError>
    where
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let version = self.version();
        for attempt in 0..ATTEMPTS {
            let now = clock.monotonic();
            let (mut outcome, is_own) = match self.board(start, now, feed_is_fresh(now)) {
                Boarded::Known(snapshot) => return Ok(snapshot),
                Boarded::Joined(outcome) => (outcome, false),
                Boarded::Leads(lead) => {
                    let outcome = lead.sender.subscribe();
                    let mut value = Caught::new(read());
                    if let Poll::Ready(value) = self.tasks.poll_once(&mut value).await {
                        drop(outcome);
                        return lead
                            .end(value.unwrap_or_else(|it| Err(StoreError::unavailable(it))));
                    }
                    self.tasks.spawn(async move {
                        let value = value.await;
                        let _ =
                            lead.end(value.unwrap_or_else(|it| Err(StoreError::unavailable(it))));
                    });
                    (outcome, true)
                }
            };
            let outcome = outcome.wait_for(Option::is_some).await.ok();
            match outcome.as_deref() {
                // Else it has not seen what this request has to see. It may be enough nevertheless,
                // with a feed: it was kept.
                Some(Some(Ok(snapshot)))
                    if snapshot.read_at >= start && snapshot.version >= version =>
                {
                    return Ok(snapshot.clone());
                }
                // Since then the store may have recovered, if it was asked before this request came.
                Some(Some(Err(error))) if is_own || attempt > 0 => return Err(of_shared(error)),
                // Or the runtime of whoever began it has ended under it.
                _ => {}
            }
        }
        Err(StoreError::unavailable("the reading was given up"))
    }

    /// What is known, or the reading to wait for.
    fn board(
        self: &Arc<Self>,
        start: Monotonic,
        now: Monotonic,
        feed_is_fresh: bool,
    ) -> Boarded<T> {
        let mut reading = self.reading();
        // Somebody else may have read it meanwhile: it is kept before its reading ends.
        if let Some(snapshot) = self.usable(start, feed_is_fresh) {
            return Boarded::Known(snapshot);
        }
        if let Some(reading) = &*reading
            && now.since(reading.read_at) <= self.patience
        {
            return Boarded::Joined(reading.outcome.clone());
        }
        let sender = watch::Sender::new(None);
        let lead = Lead { kept: self.clone(), version: self.version(), read_at: now, sender };
        *reading = Some(Reading { read_at: now, outcome: lead.sender.subscribe() });
        Boarded::Leads(lead)
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("time_to_live", &self.time_to_live).finish_non_exhaustive()
    }
}

/// The right and the duty to say what came of a reading.
struct Lead<T> {
    kept: Arc<Kept<T>>,
    version: u64,
    /// Before the read was sent.
    read_at: Monotonic,
    sender: watch::Sender<Option<Outcome<T>>>,
}

impl<T> Lead<T> {
    fn end(self, value: Result<T, StoreError>) -> Result<Arc<Snapshot<T>>, StoreError> {
        let Self { version, read_at, .. } = self;
        let outcome = value.map(|value| {
            let good_until = self.kept.time_to_live.map(|time| read_at.saturating_add(time));
            Arc::new(Snapshot { value, version, read_at, good_until })
        });
        if let Ok(snapshot) = &outcome {
            self.kept.keep(snapshot);
        }
        // Before it is told, so that nobody joins what has ended.
        self.leave();
        if self.sender.receiver_count() == 0 {
            return outcome;
        }
        let outcome = outcome.map_err(|error| Arc::new(error.into()));
        let _ = self.sender.send(Some(outcome.clone()));
        outcome.map_err(|error| of_shared(&error))
    }

    fn leave(&self) {
        let mut reading = self.kept.reading();
        // A later one may have taken its place.
        let own = self.sender.subscribe();
        let left = reading.take_if(|it| it.outcome.same_channel(&own));
        drop(reading);
        drop(left);
    }
}

impl<T> Drop for Lead<T> {
    fn drop(&mut self) {
        // Whoever waits hears that it ended without an outcome.
        self.leave();
    }
}

/// The same error for one of several requests that waited for it.
fn of_shared(shared: &Arc<AuthenticateError>) -> StoreError {
    match AuthenticateError::of_shared(shared) {
        AuthenticateError::Unavailable(error) => error,
        other => StoreError::unavailable(other),
    }
}

/// How often the time that a store has passes before a reading is taken for one that will not end. To
/// compile what was read may take longer than to read it.
pub(super) const LIMITS: u32 = 8;

/// How often a request begins anew whose reading began before itself, or ended without an outcome.
const ATTEMPTS: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::FutureExt;
    use tokio::{runtime::Handle, sync::Semaphore, task::yield_now};

    use super::*;
    use crate::clock::{ManualClock, Timestamp};

    const LIMIT: Duration = Duration::from_secs(5);

    /// A source that answers, or fails, when it gets a permit.
    struct Source {
        kept: Arc<Kept<usize>>,
        clock: ManualClock,
        reads: Arc<AtomicUsize>,
        permits: Arc<Semaphore>,
        failing: usize,
    }

    impl Source {
        /// Its first answers are failures.
        fn failing(failing: usize) -> Self {
            Self {
                kept: Kept::new(None, Tasks::new(Handle::current()), LIMIT),
                clock: ManualClock::new(Timestamp::from_seconds(1_750_000_000)),
                reads: Arc::default(),
                permits: Arc::new(Semaphore::new(0)),
                failing,
            }
        }

        /// How often it was read when this value was.
        async fn current(&self) -> Result<usize, StoreError> {
            let read = || {
                let (reads, permits, failing) =
                    (self.reads.clone(), self.permits.clone(), self.failing);
                async move {
                    let read = reads.fetch_add(1, Ordering::Relaxed) + 1;
                    permits.acquire().await.unwrap().forget();
                    match read > failing {
                        true => Ok(read),
                        false => Err(StoreError::unavailable("out of order")),
                    }
                }
            };
            let now = self.clock.monotonic();
            self.kept.current(&self.clock, now, |_| true, read).await.map(|it| it.value)
        }

        async fn answers(&self, times: usize) {
            self.permits.add_permits(times);
            for _ in 0..20 {
                yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn what_was_read_for_a_request_that_went_away_is_kept() {
        let source = Source::failing(0);
        assert!(source.current().now_or_never().is_none());
        source.answers(1).await;
        assert_eq!(source.current().now_or_never().unwrap().unwrap(), 1);
        assert_eq!(source.reads.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn nobody_waits_for_requests_that_are_not_polled() {
        let source = Source::failing(1);
        let (mut first, mut second) = (Box::pin(source.current()), Box::pin(source.current()));
        assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
        let mut third = Box::pin(source.current());
        assert!((&mut third).now_or_never().is_none());
        source.answers(2).await;
        // What failed had begun before it came.
        assert_eq!(third.await.unwrap(), 2);
        assert!(first.await.is_err());
        assert_eq!(second.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn an_outage_is_found_out_once_for_all_who_wait() {
        let source = Source::failing(usize::MAX);
        let mut waiting: Vec<_> = (0..10).map(|_| Box::pin(source.current())).collect();
        for request in &mut waiting {
            assert!(request.now_or_never().is_none());
        }
        source.answers(1).await;
        assert!((&mut waiting[0]).now_or_never().unwrap().is_err());
        for request in &mut waiting[1..] {
            assert!(request.now_or_never().is_none());
        }
        source.answers(1).await;
        for request in &mut waiting[1..] {
            assert!(request.now_or_never().unwrap().is_err());
        }
        // Once more for those who came while it was read.
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn what_changed_while_it_was_read_is_read_again_for_who_came_later() {
        let source = Source::failing(0);
        let mut early = Box::pin(source.current());
        assert!((&mut early).now_or_never().is_none());
        source.kept.changed();
        let mut late = Box::pin(source.current());
        assert!((&mut late).now_or_never().is_none());
        source.permits.add_permits(2);
        let (early, late) = futures_util::future::join(early, late).await;
        assert_eq!((early.unwrap(), late.unwrap()), (1, 2));
    }

    #[tokio::test]
    async fn a_reading_that_does_not_end_is_joined_no_more_in_the_end() {
        let source = Source::failing(0);
        assert!(source.current().now_or_never().is_none());
        source.clock.advance(LIMIT * LIMITS);
        assert!(source.current().now_or_never().is_none());
        assert_eq!(source.reads.load(Ordering::Relaxed), 1);
        source.clock.advance(Duration::from_nanos(1));
        assert!(source.current().now_or_never().is_none());
        assert_eq!(source.reads.load(Ordering::Relaxed), 2);
        source.answers(2).await;
        // The older ends last or first: the newer is kept.
        assert_eq!(source.current().now_or_never().unwrap().unwrap(), 2);
    }

    #[test]
    fn a_reading_whose_runtime_ends_keeps_nobody_waiting() {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        let (own, other) = (runtime().unwrap(), runtime().unwrap());
        let source = own.block_on(async { Source::failing(0) });
        assert!(other.block_on(async { source.current().now_or_never().is_none() }));
        let mut waiting = Box::pin(source.current());
        assert!((&mut waiting).now_or_never().is_none());
        drop(other);
        source.permits.add_permits(1);
        assert_eq!(own.block_on(waiting).unwrap(), 2);
    }
}
