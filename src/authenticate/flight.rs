//! One look-up for all requests that bring the same token at the same time.

use std::{
    collections::HashMap,
    fmt,
    hash::{Hash, Hasher},
    sync::{Arc, PoisonError},
    task::Poll,
    time::Duration,
};

use foldhash::fast::RandomState;
use tokio::{runtime::Handle, sync::watch, time::timeout};

use super::{AuthenticateError, Authentication, judge::Start, tasks::Tasks};
use crate::{
    backend::StoreError,
    caught::Caught,
    clock::Monotonic,
    sync::{Mutex, MutexGuard},
    token::TokenId,
    token_service::TokenPlace,
};

/// The look-ups that are under way.
///
/// A store that answers at once is asked in place. Else the look-up becomes a task of its own, so
/// it goes on if the request that began it is given up. A request joins one
///
/// * that began no longer before itself than a limit, so it never gets an answer that is older than
///   what may be remembered,
/// * since which nothing has changed that this process knows of.
///
/// A token may have become good after the look-up read that it is not. So a refusal counts only for
/// requests that had begun by then; the others share one more look-up.
///
/// Only what has a good signature is looked up, and each look-up has a time limit, so there are never
/// more of them than different tokens were brought within that. How many of them ask a store at the
/// same time is up to its pool.
pub(super) struct Flights {
    tasks: Tasks,
    limit: Duration,
    /// How long a request waits.
    patience: Duration,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    flights: HashMap<Key, Flight, RandomState>,
    /// What is waited for, by the numbers of the look-ups. Most end at once, and nobody waits.
    awaited: HashMap<u64, watch::Sender<Option<Outcome>>, RandomState>,
    /// How many began so far.
    begun: u64,
}

impl Running {
    /// What will come of a look-up that is under way.
    fn outcome(&mut self, number: u64) -> watch::Receiver<Option<Outcome>> {
        self.awaited.entry(number).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }
}

/// A token and where it was found, since that decides too.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) place: TokenPlace,
    pub(super) id: TokenId,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The beginning of a hash of what only this service signs is as good as all of it.
        let [first, ..] = self.id.as_bytes().as_chunks().0 else { return };
        state.write_u64(u64::from_le_bytes(*first) ^ self.place as u64);
    }
}

#[derive(Clone, Copy)]
struct Flight {
    /// Of the one that began last. 0 if that has ended.
    number: u64,
    start: Start,
    /// How many there are, with those that began before and have not ended.
    under_way: usize,
}

/// What all who wait get.
type Outcome = Result<Authentication, Arc<AuthenticateError>>;

/// Which look-ups a request joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// One that is recent enough.
    Recent,
    /// One that began when the request had begun.
    Later,
}

enum Boarded {
    Joined { outcome: watch::Receiver<Option<Outcome>>, began: Monotonic },
    Leads(Lead),
}

impl Flights {
    /// A request joins a look-up that began at most `limit` before itself, and waits for `patience`.
    pub(super) fn new(runtime: Handle, limit: Duration, patience: Duration) -> Arc<Self> {
        Arc::new(Self { tasks: Tasks::new(runtime), limit, patience, running: Mutex::default() })
    }

    /// The outcome of the look-up of this token for a request that began at `start`: of one that is
    /// under way, or of `look_up`, which is begun. One that is begun later begins at `now`.
    pub(super) async fn share<F>(
        self: &Arc<Self>,
        key: Key,
        start: Start,
        now: impl Fn() -> Start,
        look_up: impl Fn(Start) -> F,
    ) -> Result<Authentication, AuthenticateError>
    where
        F: Future<Output = Result<Authentication, AuthenticateError>> + Send + 'static,
    {
        let mut joins = Joins::Recent;
        for _ in 0..ATTEMPTS {
            let (outcome, began) = match self.board(key, start, joins, &now) {
                Boarded::Joined { outcome, began } => (outcome, began),
                Boarded::Leads(lead) => {
                    let mut look_up = Caught::new(look_up(lead.start));
                    if let Poll::Ready(outcome) = self.tasks.poll_once(&mut look_up).await {
                        return lead.end(outcome.unwrap_or_else(|it| Err(it.into())));
                    }
                    let (outcome, began) = (lead.outcome(), lead.start.monotonic);
                    let task = async move {
                        let outcome = look_up.await;
                        let _ = lead.end(outcome.unwrap_or_else(|it| Err(it.into())));
                    };
                    self.tasks.spawn(task);
                    (outcome, began)
                }
            };
            // In a box of its own: most requests do not wait, and need no room for it.
            match Box::pin(self.wait(outcome)).await? {
                Some(Ok(authentication)) => return Ok(authentication),
                Some(Err(error)) if began < start.monotonic && !error.is_unavailable() => {
                    joins = Joins::Later;
                }
                Some(Err(error)) => return Err(AuthenticateError::of_shared(&error)),
                // The runtime of whoever began it has ended under it.
                None => {}
            }
        }
        Err(StoreError::unavailable("the look-up was given up").into())
    }

    fn board(
        self: &Arc<Self>,
        key: Key,
        start: Start,
        joins: Joins,
        now: impl Fn() -> Start,
    ) -> Boarded {
        let mut running = self.running();
        let mut under_way = 1;
        if let Some(flight) = running.flights.get(&key).copied() {
            under_way += flight.under_way;
            let Flight { start: flight, number, .. } = flight;
            let began = flight.monotonic;
            let is_good = match joins {
                Joins::Recent => {
                    flight.epoch == start.epoch
                        && flight.position == start.position
                        && start.monotonic.since(began) <= self.limit
                }
                Joins::Later => began >= start.monotonic,
            };
            if is_good && number != 0 {
                return Boarded::Joined { outcome: running.outcome(number), began };
            }
        }
        let start = match joins {
            Joins::Recent => start,
            Joins::Later => now(),
        };
        running.begun += 1;
        let number = running.begun;
        running.flights.insert(key, Flight { number, start, under_way });
        drop(running);
        Boarded::Leads(Lead { flights: Some(self.clone()), key, number, start })
    }

    /// How many look-ups of this token have not ended.
    pub(super) fn under_way(&self, key: Key) -> usize {
        self.running().flights.get(&key).map_or(0, |flight| flight.under_way)
    }

    /// What came of a look-up; `None` if it ended without.
    async fn wait(
        &self,
        mut outcome: watch::Receiver<Option<Outcome>>,
    ) -> Result<Option<Outcome>, AuthenticateError> {
        let ended =
            async { outcome.wait_for(Option::is_some).await.ok().and_then(|it| it.clone()) };
        if Handle::try_current().is_err() {
            return Ok(ended.await);
        }
        // Of its own, since the runtime in which it is looked up may not run any more.
        let ended = timeout(self.patience, ended).await;
        ended.map_err(|elapsed| StoreError::unavailable(elapsed).into())
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        // Nothing that runs under the lock panics half-way through a change.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("running", &self.running().flights.len()).finish()
    }
}

/// The right and the duty to say what came of a look-up.
struct Lead {
    /// `None` when it has ended.
    flights: Option<Arc<Flights>>,
    key: Key,
    number: u64,
    start: Start,
}

impl Lead {
    fn outcome(&self) -> watch::Receiver<Option<Outcome>> {
        match &self.flights {
            Some(flights) => flights.running().outcome(self.number),
            None => watch::Sender::new(None).subscribe(),
        }
    }

    fn end(
        mut self,
        outcome: Result<Authentication, AuthenticateError>,
    ) -> Result<Authentication, AuthenticateError> {
        // First, so that nobody joins what has ended.
        let awaited = self.leave();
        let Some(sender) = awaited.filter(|sender| sender.receiver_count() > 0) else {
            return outcome;
        };
        let outcome = outcome.map_err(Arc::new);
        let _ = sender.send(Some(outcome.clone()));
        outcome.map_err(|error| AuthenticateError::of_shared(&error))
    }

    /// Takes a look-up off the list when it has ended, and says who is to be told what came of it.
    fn leave(&mut self) -> Option<watch::Sender<Option<Outcome>>> {
        let flights = self.flights.take()?;
        let mut running = flights.running();
        if let Some(flight) = running.flights.get_mut(&self.key) {
            flight.under_way = flight.under_way.saturating_sub(1);
            // A later one may have taken its place.
            if flight.number == self.number {
                flight.number = 0;
            }
            if flight.under_way == 0 {
                running.flights.remove(&self.key);
            }
        }
        let awaited = match running.awaited.is_empty() {
            true => None,
            false => running.awaited.remove(&self.number),
        };
        // What a flood of different tokens took is given back.
        let Running { flights, awaited: all_awaited, .. } = &mut *running;
        shrink(flights);
        shrink(all_awaited);
        awaited
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        // Whoever waits hears that it ended without an outcome.
        drop(self.leave());
    }
}

fn shrink<K: Eq + Hash, V>(map: &mut HashMap<K, V, RandomState>) {
    let (under_way, room) = (map.len(), map.capacity());
    if room > KEPT && under_way < room / 8 {
        map.shrink_to(KEPT.max(under_way * 2));
    }
}

/// For how many look-ups room is kept.
const KEPT: usize = 256;

/// How often a request begins anew whose look-up ended without an answer, or with a refusal from
/// before it began.
const ATTEMPTS: usize = 4;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::{sync::Semaphore, task::JoinHandle};

    use super::*;
    use crate::{
        actor::{Actor, Urn},
        clock::Timestamp,
        token_service::VerifyError,
    };

    const LIMIT: Duration = Duration::from_nanos(100);

    fn at(nanos: u64) -> Start {
        Start {
            now: Timestamp::from_millis(0),
            monotonic: Monotonic::from_nanos(nanos),
            position: 0,
            epoch: 0,
        }
    }

    fn key(byte: u8) -> Key {
        Key { place: TokenPlace::Header, id: TokenId::from_bytes([byte; 32]) }
    }

    fn good() -> Result<Authentication, AuthenticateError> {
        Ok(Authentication::for_tests(Actor::new(Urn::corpuser("alice").unwrap()), []))
    }

    fn revoked() -> Result<Authentication, AuthenticateError> {
        Err(VerifyError::Revoked { since: None }.into())
    }

    /// Look-ups that are counted, and end when they may.
    struct World {
        flights: Arc<Flights>,
        begun: Arc<AtomicU64>,
        may_end: Arc<Semaphore>,
    }

    impl World {
        fn new() -> Self {
            let patience = Duration::from_secs(60);
            Self {
                flights: Flights::new(Handle::current(), LIMIT, patience),
                begun: Arc::default(),
                may_end: Arc::new(Semaphore::new(0)),
            }
        }

        /// A request that has done what it can do at once.
        async fn request(
            &self,
            key: Key,
            start: Start,
            outcome: fn() -> Result<Authentication, AuthenticateError>,
        ) -> JoinHandle<Result<Authentication, AuthenticateError>> {
            let (flights, begun) = (self.flights.clone(), self.begun.clone());
            let may_end = self.may_end.clone();
            let look_up = move |_| {
                begun.fetch_add(1, Ordering::SeqCst);
                let may_end = may_end.clone();
                async move {
                    may_end.acquire().await.unwrap().forget();
                    outcome()
                }
            };
            let request =
                tokio::spawn(async move { flights.share(key, start, || at(5_000), look_up).await });
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            request
        }

        fn begun(&self) -> u64 {
            self.begun.load(Ordering::SeqCst)
        }

        fn under_way(&self) -> usize {
            self.flights.running().flights.len()
        }
    }

    #[tokio::test]
    async fn a_look_up_is_joined_by_those_who_came_soon_enough() {
        let world = World::new();
        let first = world.request(key(1), at(1_000), good).await;
        let second = world.request(key(1), at(1_100), good).await;
        assert_eq!(world.begun(), 1);
        let mut others = Vec::new();
        for (key, start) in [
            (key(2), at(1_000)),
            (Key { place: TokenPlace::Session, ..key(1) }, at(1_000)),
            // Something has changed since.
            (key(1), Start { epoch: 1, ..at(1_000) }),
            (key(1), Start { position: 1, ..at(1_000) }),
            // Its answer would be older than the limit.
            (key(1), at(1_101)),
        ] {
            others.push(world.request(key, start, good).await);
            assert_eq!(world.begun(), 1 + others.len() as u64);
        }
        world.may_end.add_permits(6);
        for request in others.into_iter().chain([first, second]) {
            assert!(request.await.unwrap().is_ok());
        }
        assert_eq!((world.begun(), world.under_way()), (6, 0));
    }

    #[tokio::test]
    async fn a_refusal_counts_for_those_who_had_begun() {
        let world = World::new();
        let first = world.request(key(1), at(1_000), revoked).await;
        let at_once = world.request(key(1), at(1_000), good).await;
        let later = [
            world.request(key(1), at(1_010), good).await,
            world.request(key(1), at(1_020), good).await,
        ];
        assert_eq!(world.begun(), 1);
        world.may_end.add_permits(1);
        assert!(first.await.unwrap().is_err() && at_once.await.unwrap().is_err());
        world.may_end.add_permits(1);
        for request in later {
            assert!(request.await.unwrap().is_ok());
        }
        assert_eq!((world.begun(), world.under_way()), (2, 0));
    }

    #[tokio::test]
    async fn all_look_ups_of_a_token_that_have_not_ended_are_counted() {
        let world = World::new();
        let lead = |number| {
            let start = Start { epoch: number, ..at(0) };
            match world.flights.board(key(1), start, Joins::Recent, || at(0)) {
                Boarded::Leads(lead) => lead,
                Boarded::Joined { .. } => panic!("there is none to join"),
            }
        };
        let of = |byte| world.flights.under_way(key(byte));
        let joins = |number| {
            let start = Start { epoch: number, ..at(0) };
            let boarded = world.flights.board(key(1), start, Joins::Recent, || at(0));
            matches!(boarded, Boarded::Joined { .. })
        };
        let (first, second, third) = (lead(1), lead(2), lead(3));
        assert_eq!((of(1), of(2)), (3, 0));
        drop(first);
        assert!(of(1) == 2 && joins(3));
        // The last has ended, and there is one from before: nobody joins either.
        drop(third);
        assert!(of(1) == 1 && !joins(3) && !joins(2));
        let fourth = lead(4);
        drop(second);
        assert!(of(1) == 1 && joins(4));
        drop(fourth);
        assert_eq!((of(1), world.under_way()), (0, 0));
    }

    #[tokio::test]
    async fn who_waits_gets_the_outcome_whoever_has_given_up() {
        let world = World::new();
        let first = world.request(key(1), at(0), good).await;
        let waiting = world.request(key(1), at(50), revoked).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        world.may_end.add_permits(1);
        assert!(waiting.await.unwrap().is_ok());
        assert_eq!((world.begun(), world.under_way()), (1, 0));
    }

    #[tokio::test]
    async fn what_needs_no_waiting_needs_no_task_and_no_runtime() {
        let world = World::new();
        let flights = world.flights.clone();
        let answer = std::thread::spawn(move || {
            let look_up =
                |_| async { timeout(Duration::from_secs(1), async { good() }).await.unwrap() };
            let mut asked = Box::pin(flights.share(key(1), at(0), || at(0), look_up));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            asked.as_mut().poll(&mut context).map(|answer| answer.is_ok())
        });
        assert_eq!(answer.join().unwrap(), Poll::Ready(true));
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    }

    #[tokio::test]
    async fn a_panic_is_an_outage_for_all_and_the_next_begins_anew() {
        let world = World::new();
        let first = world.request(key(1), at(0), || panic!("on purpose")).await;
        let second = world.request(key(1), at(1), good).await;
        world.may_end.add_permits(2);
        for request in [first, second] {
            let outcome = request.await.unwrap();
            assert!(matches!(outcome, Err(AuthenticateError::Unavailable(_))), "{outcome:?}");
        }
        assert!(world.request(key(1), at(0), good).await.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_runtime_that_ends_or_stands_still_is_no_hang() {
        for ends in [true, false] {
            let world = World::new();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let flights = world.flights.clone();
            let (may_stop, stops) = std::sync::mpsc::channel::<()>();
            let (begun, has_begun) = tokio::sync::oneshot::channel();
            let thread = std::thread::spawn(move || {
                let entered = runtime.enter();
                let never = |_| std::future::pending();
                let mut asked = Box::pin(flights.share(key(1), at(0), || at(0), never));
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                // Spawned, and never polled again.
                assert!(asked.as_mut().poll(&mut context).is_pending());
                drop(entered);
                let runtime = (!ends).then_some(runtime);
                begun.send(()).unwrap();
                let _ = stops.recv();
                drop((asked, runtime));
            });
            has_begun.await.unwrap();
            let answer = world.request(key(1), at(1), good).await;
            world.may_end.add_permits(1);
            match answer.await.unwrap() {
                Ok(_) => assert!(ends),
                Err(error) => assert!(!ends && error.is_unavailable(), "{error:?}"),
            }
            drop(may_stop);
            thread.join().unwrap();
        }
    }

    #[tokio::test]
    async fn a_flood_leaves_nothing() {
        let world = World::new();
        let kept = world.request(key(255), at(0), good).await;
        let mut waiting = Vec::new();
        for number in 0..2_000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let key = Key { place: TokenPlace::Header, id: TokenId::from_bytes(id) };
            let Boarded::Leads(lead) = world.flights.board(key, at(0), Joins::Recent, || at(0))
            else {
                panic!("there is none to join");
            };
            waiting.push(lead);
        }
        assert!(world.flights.running().flights.capacity() > 2_000);
        waiting.clear();
        // Also if there is always one under way.
        assert_eq!(world.under_way(), 1);
        assert!(world.flights.running().flights.capacity() <= 2 * KEPT);
        world.may_end.add_permits(1);
        assert!(kept.await.unwrap().is_ok());
    }
}
