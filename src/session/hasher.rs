//! Hashing, which takes memory and time on purpose, so that not too much of it goes on at once.

use std::{
    collections::HashMap,
    num::NonZero,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task,
    time::timeout,
};

use super::{Password, attempts::Place};
use crate::{
    actor::PasswordHash,
    random::{RandomError, RandomSource},
};

/// Hashes passwords by argon2id (RFC 9106), with the parameters that OWASP recommends: 19 MiB, 2
/// passes, 1 lane.
///
/// It does so in threads for what blocks, one for each processor and four at most, so that a flood
/// takes 76 MiB and leaves something of the machine to others. Who waits for longer than 5 seconds,
/// or behind 500 others, is told so; and so is who has eight waiting or running already, or one
/// place could have the whole queue.
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    shares: Shares,
    patience: Duration,
}

/// A place in the queue, for one password.
#[derive(Debug)]
#[must_use]
pub(super) struct Turn {
    running: Arc<Semaphore>,
    waiting: OwnedSemaphorePermit,
    share: Option<Share>,
    patience: Duration,
}

/// How many each place has waiting or running. As many entries as there are turns, at most.
#[derive(Debug, Clone, Default)]
struct Shares(Arc<Mutex<HashMap<Place, usize>>>);

/// One of a place's share, until it is dropped.
#[derive(Debug)]
struct Share {
    shares: Shares,
    place: Place,
}

/// Why nothing was hashed.
#[derive(Debug, thiserror::Error)]
pub(super) enum HashError {
    #[error("too many passwords are being checked")]
    Busy,
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Without cause: it could say how the hash begins.
    #[error("a stored hash of a password cannot be read")]
    Corrupt,
    #[error("hashing a password failed")]
    Failed,
}

impl Hasher {
    /// Takes a turn, for somebody from this place: before anything is asked of a store, or who finds
    /// the queue full would have been answered by it for nothing.
    pub(super) fn turn(&self, place: Option<Place>) -> Result<Turn, HashError> {
        let share = place.map(|place| self.shares.take(place)).transpose()?;
        let waiting = self.waiting.clone().try_acquire_owned().map_err(|_| HashError::Busy)?;
        Ok(Turn { running: self.running.clone(), waiting, share, patience: self.patience })
    }

    /// The hash of a new password, with a salt of its own.
    pub(super) async fn hash(
        &self,
        password: &Password,
        random: &dyn RandomSource,
    ) -> Result<PasswordHash, HashError> {
        let mut salt = [0; SALT_LENGTH];
        random.fill(&mut salt)?;
        let password = password.clone();
        let hashing = self.turn(None)?.run(move || {
            let hash = argon2()?
                .hash_password_with_salt(password.expose().as_bytes(), &salt)
                .map_err(|_| HashError::Failed)?;
            Ok(PasswordHash::from(hash.to_string()))
        });
        hashing.await
    }
}

impl Turn {
    /// Whether the password is the one with this hash. Without a hash it is not, and that takes just
    /// as long.
    pub(super) async fn verify(
        self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HashError> {
        let password = password.clone();
        let hash = hash.cloned();
        self.run(move || {
            let found = hash.as_ref().map(read);
            if let Some(Some(hash)) = &found {
                return compare(&password, hash);
            }
            let nobodys = phc::PasswordHash::new(NOBODYS).map_err(|_| HashError::Failed)?;
            compare(&password, &nobodys)?;
            // Not at once, or it would be told that there is such a user.
            if found.is_some() { Err(HashError::Corrupt) } else { Ok(false) }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let Self { running, waiting, share, patience } = self;
        let running = timeout(patience, running.acquire_owned());
        // Nobody closes it.
        let running = running.await.map_err(|_| HashError::Busy)?.map_err(|_| HashError::Failed)?;
        drop(waiting);
        let working = task::spawn_blocking(move || {
            let result = work();
            // Not before: it goes on also if nobody waits for it any more.
            drop((running, share));
            result
        });
        working.await.map_err(|_| HashError::Failed)?
    }
}

impl Shares {
    fn take(&self, place: Place) -> Result<Share, HashError> {
        let mut shares = self.lock();
        let taken = shares.entry(place).or_default();
        if *taken >= SHARE {
            return Err(HashError::Busy);
        }
        *taken = taken.saturating_add(1);
        Ok(Share { shares: self.clone(), place })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, usize>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.shares.lock();
        match shares.get_mut(&self.place) {
            Some(taken) if *taken > 1 => *taken = taken.saturating_sub(1),
            _ => {
                shares.remove(&self.place);
            }
        }
    }
}

impl Default for Hasher {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            running: Arc::new(Semaphore::new(processors.min(4))),
            waiting: Arc::new(Semaphore::new(500)),
            shares: Shares::default(),
            patience: Duration::from_secs(5),
        }
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(|_| HashError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// A hash that can be compared with: argon2id, and computed with exactly the parameters in force.
/// With weaker ones it would take less time than nobody's, and with stronger ones whoever can write
/// into the store could take all memory with one row. Without salt or output nothing would be
/// computed at all.
fn read(hash: &PasswordHash) -> Option<phc::PasswordHash> {
    let hash = phc::PasswordHash::new(hash.expose()).ok()?;
    let params = Params::try_from(&hash).ok()?;
    let is_ours = hash.algorithm == Algorithm::Argon2id.ident()
        && hash.version == Some(Version::V0x13.into())
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY, PASSES, LANES)
        && hash.salt.is_some_and(|salt| salt.len() == SALT_LENGTH)
        && hash.hash.is_some_and(|output| output.len() == Params::DEFAULT_OUTPUT_LEN);
    is_ours.then_some(hash)
}

fn compare(password: &Password, hash: &phc::PasswordHash) -> Result<bool, HashError> {
    match argon2()?.verify_password(password.expose().as_bytes(), hash) {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(HashError::Corrupt),
    }
}

/// KiB.
const MEMORY: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
const SALT_LENGTH: usize = 16;

/// How many of one place wait or run at once.
const SHARE: usize = 8;

/// What is computed where there is no hash. It is that of no password that anybody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                       AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use std::{sync::RwLock, time::Instant};

    use super::*;
    use crate::random::OsRandom;

    fn password(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    async fn verify(
        hasher: &Hasher,
        text: &str,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HashError> {
        hasher.turn(None)?.verify(&password(text), hash).await
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash() {
        let hasher = Hasher::default();
        let good = password("correct horse battery");
        let hash = hasher.hash(&good, &OsRandom).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert_ne!(hasher.hash(&good, &OsRandom).await.unwrap(), hash);
        assert!(verify(&hasher, good.expose(), Some(&hash)).await.unwrap());
        for bad in ["", "correct horse batterx", "correct horse battery ", "Correct horse battery"]
        {
            assert!(!verify(&hasher, bad, Some(&hash)).await.unwrap(), "{bad}");
            assert!(!verify(&hasher, bad, None).await.unwrap(), "{bad}");
        }
    }

    #[test]
    fn what_is_computed_for_nobody_costs_what_a_hash_costs() {
        let nobodys = phc::PasswordHash::new(NOBODYS).unwrap();
        assert_eq!(Params::try_from(&nobodys).unwrap().m_cost(), MEMORY);
        assert_eq!(Params::try_from(&nobodys).unwrap().t_cost(), PASSES);
        assert_eq!(Params::try_from(&nobodys).unwrap().p_cost(), LANES);
        assert_eq!(nobodys.salt.unwrap().len(), SALT_LENGTH);
        assert!(read(&PasswordHash::from(NOBODYS.to_owned())).is_some());
        assert!(!compare(&password("x"), &nobodys).unwrap());
    }

    #[tokio::test]
    async fn nobodys_password_takes_as_long_as_a_wrong_one() {
        let hasher = Hasher::default();
        let hash = hasher.hash(&password("correct horse battery"), &OsRandom).await.unwrap();
        let corrupt = PasswordHash::from("$argon2id$v=19$m=19456,t=2,p=1".to_owned());
        let (mut wrong, mut nobodys, mut corrupts) = (Duration::MAX, Duration::MAX, Duration::MAX);
        // The quickest of each, whatever else the machine does.
        for _ in 0..7 {
            for (hash, best) in
                [(Some(&hash), &mut wrong), (None, &mut nobodys), (Some(&corrupt), &mut corrupts)]
            {
                let began = Instant::now();
                assert!(!verify(&hasher, "wrong", hash).await.unwrap_or_default());
                *best = began.elapsed().min(*best);
            }
        }
        assert!(corrupts * 2 > wrong, "{corrupts:?} {wrong:?}");
        assert!(nobodys * 2 > wrong && wrong * 2 > nobodys, "{nobodys:?} {wrong:?}");
    }

    #[tokio::test]
    async fn a_hash_that_is_not_like_ours_is_no_refusal() {
        let rest = "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for hash in [
            String::new(),
            "hunter2".to_owned(),
            "$argon2id$v=19$m=19456,t=2,p=1".to_owned(),
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            format!("$argon2i$v=19$m=19456,t=2,p=1{rest}"),
            format!("$argon2id$v=16$m=19456,t=2,p=1{rest}"),
            format!("$argon2id$m=19456,t=2,p=1{rest}"),
            // Too costly, or too weak.
            format!("$argon2id$v=19$m=19457,t=2,p=1{rest}"),
            format!("$argon2id$v=19$m=4194304,t=2,p=1{rest}"),
            format!("$argon2id$v=19$m=8,t=2,p=1{rest}"),
            format!("$argon2id$v=19$m=19456,t=2000,p=1{rest}"),
            format!("$argon2id$v=19$m=19456,t=1,p=1{rest}"),
            format!("$argon2id$v=19$m=19456,t=2,p=64{rest}"),
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAA".to_owned(),
            format!("$scrypt$ln=16,r=8,p=1{rest}"),
        ] {
            let found = verify(&Hasher::default(), "x", Some(&hash.clone().into())).await;
            assert!(matches!(found, Err(HashError::Corrupt)), "{hash}: {found:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_behind_too_many_is_told_so() {
        let mut hasher = Hasher { running: Arc::new(Semaphore::new(0)), ..Hasher::default() };
        let began = tokio::time::Instant::now();
        let busy = verify(&hasher, "x", None).await;
        assert!(matches!(busy, Err(HashError::Busy)));
        assert_eq!(began.elapsed(), Duration::from_secs(5));

        hasher.waiting = Arc::new(Semaphore::new(0));
        let began = tokio::time::Instant::now();
        assert!(matches!(hasher.turn(None), Err(HashError::Busy)));
        assert_eq!(began.elapsed(), Duration::ZERO);
        // Nobody's share is used up by it.
        let place = Place::of("192.0.2.1".parse().unwrap());
        for _ in 0..10 {
            assert!(matches!(hasher.turn(Some(place)), Err(HashError::Busy)));
        }
        assert!(hasher.shares.lock().is_empty());
    }

    #[test]
    fn one_place_has_only_its_share() {
        let hasher = Hasher::default();
        let place = |text: &str| Some(Place::of(text.parse().unwrap()));
        let mut turns: Vec<_> =
            (0..SHARE).map(|_| hasher.turn(place("192.0.2.1")).unwrap()).collect();
        assert!(matches!(hasher.turn(place("192.0.2.1")), Err(HashError::Busy)));
        assert!(hasher.turn(place("192.0.2.2")).is_ok());
        assert!(hasher.turn(None).is_ok());
        turns.pop();
        assert!(hasher.turn(place("192.0.2.1")).is_ok());
        turns.clear();
        assert!(hasher.shares.lock().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_are_computed_at_once_than_there_is_memory_for() {
        let running = Arc::new(Semaphore::new(3));
        let hasher = Hasher { running: running.clone(), ..Hasher::default() };
        // How many run, and how many did at most; and whether they may end.
        let counts = Arc::new(Mutex::new((0_usize, 0_usize)));
        let may_end = Arc::new(RwLock::new(()));
        let held = may_end.clone();
        let begin = |place: Option<Place>| {
            let (counts, may_end) = (counts.clone(), may_end.clone());
            let turn = hasher.turn(place).unwrap();
            tokio::spawn(turn.run(move || {
                {
                    let mut counts = counts.lock().unwrap();
                    counts.0 += 1;
                    counts.1 = counts.1.max(counts.0);
                }
                drop(may_end.read());
                counts.lock().unwrap().0 -= 1;
                Ok(())
            }))
        };
        let place = Some(Place::of("192.0.2.1".parse().unwrap()));
        let held = held.write().unwrap();
        let first: Vec<_> = (0..3).map(|_| begin(place)).collect();
        while counts.lock().unwrap().0 < 3 {
            thread::yield_now();
        }
        let others: Vec<_> = (0..50).map(|_| begin(None)).collect();
        // Who asked goes away; what they asked for is still computed.
        for task in first {
            task.abort();
        }
        thread::sleep(Duration::from_millis(20));
        assert_eq!(running.available_permits(), 0);
        assert_eq!(hasher.shares.lock().values().sum::<usize>(), 3);
        drop(held);
        for task in others {
            task.await.unwrap().unwrap();
        }
        // Those whose askers went away may be the last to end.
        while counts.lock().unwrap().0 > 0 {
            task::yield_now().await;
        }
        assert_eq!(counts.lock().unwrap().1, 3);
        // Those whose askers went away give theirs back a moment after they were computed.
        let given_back = async {
            while !hasher.shares.lock().is_empty() {
                task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), given_back).await.unwrap();
    }
}
