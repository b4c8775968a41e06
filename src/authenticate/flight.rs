//! One look-up for all requests that bring the same token at the same time.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{runtime::Handle, sync::watch};

use super::{AuthenticateError, Authentication, authenticator::Start};
use crate::{
    backend::StoreError, caught::Caught, clock::Monotonic, token::TokenId,
    token_service::TokenPlace,
};

/// The look-ups that are under way.
///
/// Each is a task of its own, so it goes on if the request that began it is given up. A request
/// joins one that began no longer before itself than a limit, so it never gets an answer that is
/// older than what may be remembered.
///
/// Only what has a good signature is looked up, and each look-up has a time limit, so there are never
/// more of them than different tokens were brought within that. How many of them ask a store at the
/// same time is up to its pool.
pub(super) struct Flights {
    /// Where a task is spawned for a request that is not polled by a runtime.
    runtime: Handle,
    limit: Duration,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    flights: HashMap<Key, Flight>,
    /// How many began so far.
    begun: u64,
}

/// A token and where it was found, since that decides too.
pub(super) type Key = (TokenPlace, TokenId);

struct Flight {
    number: u64,
    began: Monotonic,
    epoch: u64,
    outcome: watch::Receiver<Option<Outcome>>,
}

/// What all who wait get.
type Outcome = Result<Authentication, Arc<AuthenticateError>>;

impl Flights {
    /// A request joins a look-up that began at most `limit` before itself.
    pub(super) fn new(runtime: Handle, limit: Duration) -> Arc<Self> {
        Arc::new(Self { runtime, limit, running: Mutex::default() })
    }

    /// The outcome of the look-up of this token for a request that began at `start`: of one that is
    /// under way, or of `look_up`, which is begun.
    pub(super) async fn share<F>(
        self: &Arc<Self>,
        key: Key,
        start: Start,
        look_up: impl FnOnce() -> F,
    ) -> Result<Authentication, AuthenticateError>
    where
        F: Future<Output = Result<Authentication, AuthenticateError>> + Send + 'static,
    {
        let mut outcome = self.join(key, start, look_up);
        let outcome = match outcome.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone(),
            Err(_) => None,
        };
        match outcome {
            Some(Ok(authentication)) => Ok(authentication),
            Some(Err(error)) => Err(AuthenticateError::of_shared(&error)),
            // The runtime ended under it.
            None => Err(StoreError::unavailable("the look-up was given up").into()),
        }
    }

    fn join<F>(
        self: &Arc<Self>,
        key: Key,
        start: Start,
        look_up: impl FnOnce() -> F,
    ) -> watch::Receiver<Option<Outcome>>
    where
        F: Future<Output = Result<Authentication, AuthenticateError>> + Send + 'static,
    {
        let mut running = self.running();
        if let Some(flight) = running.flights.get(&key)
            && flight.epoch == start.epoch
            && start.monotonic.since(flight.began) <= self.limit
        {
            return flight.outcome.clone();
        }
        running.begun += 1;
        let number = running.begun;
        let (sender, outcome) = watch::channel(None);
        let flight =
            Flight { number, began: start.monotonic, epoch: start.epoch, outcome: outcome.clone() };
        running.flights.insert(key, flight);
        drop(running);
        let ended = Ended { flights: self.clone(), key, number };
        let look_up = Caught::new(look_up());
        let task = async move {
            let outcome = look_up.await.unwrap_or_else(|panicked| {
                Err(AuthenticateError::Unavailable(StoreError::unavailable(panicked)))
            });
            // First, so that nobody joins what has ended.
            drop(ended);
            let _ = sender.send(Some(outcome.map_err(Arc::new)));
        };
        Handle::try_current().unwrap_or_else(|_| self.runtime.clone()).spawn(task);
        outcome
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

/// Takes a look-up off the list when it has ended, however it did.
struct Ended {
    flights: Arc<Flights>,
    key: Key,
    number: u64,
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut running = self.flights.running();
        // A later one may have taken its place.
        if running.flights.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            running.flights.remove(&self.key);
        }
        // What a flood of different tokens took is given back.
        if running.flights.is_empty() {
            running.flights.shrink_to(KEPT);
        }
    }
}

/// For how many look-ups room is kept.
const KEPT: usize = 256;

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{
        actor::{Actor, Urn},
        clock::Timestamp,
        token_service::VerifyError,
    };

    const LIMIT: Duration = Duration::from_nanos(100);

    fn flights() -> Arc<Flights> {
        Flights::new(Handle::current(), LIMIT)
    }

    fn at(nanos: u64) -> Start {
        Start {
            now: Timestamp::from_millis(0),
            monotonic: Monotonic::from_nanos(nanos),
            position: 0,
            epoch: 0,
        }
    }

    fn key(byte: u8) -> Key {
        (TokenPlace::Header, TokenId::from_bytes([byte; 32]))
    }

    async fn good() -> Result<Authentication, AuthenticateError> {
        Ok(Authentication::for_tests(Actor::new(Urn::corpuser("alice").unwrap()), []))
    }

    async fn revoked() -> Result<Authentication, AuthenticateError> {
        Err(VerifyError::Revoked { since: None }.into())
    }

    #[tokio::test]
    async fn a_look_up_is_joined_by_those_who_came_soon_enough() {
        let flights = flights();
        let may_end = Arc::new(Semaphore::new(0));
        let held = may_end.clone();
        let mut first = flights.join(key(1), at(1_000), || async move {
            held.acquire().await.unwrap().forget();
            revoked().await
        });
        let second = flights.share(key(1), at(1_100), good);
        // Its answer would be older than the limit.
        assert!(flights.share(key(1), at(1_101), good).await.is_ok());
        assert!(flights.share(key(2), at(1_000), good).await.is_ok());
        assert!(flights.share((TokenPlace::Session, key(1).1), at(1_000), good).await.is_ok());
        let later = Start { epoch: 1, ..at(1_000) };
        assert!(flights.share(key(1), later, good).await.is_ok());
        may_end.add_permits(1);
        first.wait_for(Option::is_some).await.unwrap();
        // It was joined before the later ones took its place, but not polled until now.
        drop(second);
        assert!(flights.running().flights.is_empty());
    }

    #[tokio::test]
    async fn who_waits_gets_the_outcome_whoever_has_given_up() {
        let flights = flights();
        let may_end = Arc::new(Semaphore::new(0));
        let held = may_end.clone();
        let first = flights.join(key(1), at(0), || async move {
            held.acquire().await.unwrap().forget();
            revoked().await
        });
        drop(first);
        let waiting = [(); 3].map(|()| flights.join(key(1), at(50), good));
        may_end.add_permits(1);
        for mut waiting in waiting {
            let outcome = waiting.wait_for(Option::is_some).await.unwrap().clone();
            assert!(matches!(outcome, Some(Err(_))));
        }
    }

    #[tokio::test]
    async fn a_panic_is_an_outage_for_all_and_the_next_begins_anew() {
        let flights = flights();
        let panicking = || async { panic!("on purpose") };
        let outcome = flights.share(key(1), at(0), panicking).await;
        assert!(matches!(outcome, Err(AuthenticateError::Unavailable(_))), "{outcome:?}");
        assert!(flights.share(key(1), at(0), good).await.is_ok());
    }

    #[tokio::test]
    async fn a_runtime_that_ends_is_an_outage_and_no_hang() {
        let flights = flights();
        let waiting = std::thread::spawn({
            let flights = flights.clone();
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let pending = std::future::pending;
                runtime.block_on(async { flights.join(key(1), at(0), pending) })
            }
        });
        let mut waiting = waiting.join().unwrap();
        assert!(waiting.wait_for(Option::is_some).await.is_err());
        assert!(flights.share(key(1), at(0), good).await.is_ok());
    }

    #[tokio::test]
    async fn a_flood_leaves_nothing() {
        let flights = flights();
        for number in 0..2_000_u32 {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let key = (TokenPlace::Header, TokenId::from_bytes(id));
            let waiting = flights.join(key, at(0), revoked);
            drop(waiting);
        }
        while !flights.running().flights.is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(flights.running().flights.capacity() < 2_000);
    }
}
