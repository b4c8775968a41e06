//! Hashing, which takes memory and time on purpose, so that not too much of it goes on at once.

use std::{num::NonZero, sync::Arc, thread, time::Duration};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::{self, phc},
};
use tokio::{sync::Semaphore, task, time::timeout};

use super::Password;
use crate::{
    actor::PasswordHash,
    random::{RandomError, RandomSource},
};

/// Hashes passwords by argon2id (RFC 9106), with the parameters that OWASP recommends: 19 MiB, 2
/// passes, 1 lane.
///
/// It does so in threads for what blocks, one for each processor and four at most, so that a flood
/// takes 76 MiB and leaves something of the machine to others. Who waits for longer than 5 seconds,
/// or behind 500 others, is told so.
#[derive(Debug, Clone)]
pub(super) struct Hasher {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    patience: Duration,
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
    /// The hash of a new password, with a salt of its own.
    pub(super) async fn hash(
        &self,
        password: &Password,
        random: &dyn RandomSource,
    ) -> Result<PasswordHash, HashError> {
        let mut salt = [0; SALT_LENGTH];
        random.fill(&mut salt)?;
        let password = password.clone();
        self.run(move || {
            let hash = argon2()?
                .hash_password_with_salt(password.expose().as_bytes(), &salt)
                .map_err(|_| HashError::Failed)?;
            Ok(PasswordHash::from(hash.to_string()))
        })
        .await
    }

    /// Whether the password is the one with this hash. Without a hash it is not, and that takes just
    /// as long.
    pub(super) async fn verify(
        &self,
        password: &Password,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, HashError> {
        let password = password.clone();
        let text = zeroize::Zeroizing::new(hash.map_or(NOBODYS, PasswordHash::expose).to_owned());
        let is_somebodys = hash.is_some();
        self.run(move || Ok(verify(&password, &text)? && is_somebodys)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let waiting = self.waiting.try_acquire().map_err(|_| HashError::Busy)?;
        let running = timeout(self.patience, self.running.clone().acquire_owned());
        // Nobody closes it.
        let running = running.await.map_err(|_| HashError::Busy)?.map_err(|_| HashError::Failed)?;
        drop(waiting);
        let working = task::spawn_blocking(move || {
            let result = work();
            // Not before: it goes on also if nobody waits for it any more.
            drop(running);
            result
        });
        working.await.map_err(|_| HashError::Failed)?
    }
}

impl Default for Hasher {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            running: Arc::new(Semaphore::new(processors.min(4))),
            waiting: Arc::new(Semaphore::new(500)),
            patience: Duration::from_secs(5),
        }
    }
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY, PASSES, LANES, None).map_err(|_| HashError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn verify(password: &Password, hash: &str) -> Result<bool, HashError> {
    let hash = phc::PasswordHash::new(hash).map_err(|_| HashError::Corrupt)?;
    let params = Params::try_from(&hash).map_err(|_| HashError::Corrupt)?;
    // Whoever can write into the store must not be able to take all memory and time with one row.
    let is_argon2id = hash.algorithm == Algorithm::Argon2id.ident();
    let is_bounded = params.m_cost() <= 4 * MEMORY && params.t_cost() <= 4 * PASSES;
    // Without these, nothing would be computed, and every password would be a wrong one.
    let is_whole = hash.salt.is_some() && hash.hash.is_some();
    if !is_argon2id || !is_bounded || !is_whole || params.p_cost() > 4 {
        return Err(HashError::Corrupt);
    }
    match argon2()?.verify_password(password.expose().as_bytes(), &hash) {
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

/// What is computed where there is no hash. It is that of no password that anybody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                       AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::random::OsRandom;

    fn password(text: &str) -> Password {
        Password::from(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash() {
        let hasher = Hasher::default();
        let good = password("correct horse battery");
        let hash = hasher.hash(&good, &OsRandom).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert_ne!(hasher.hash(&good, &OsRandom).await.unwrap(), hash);
        assert!(hasher.verify(&good, Some(&hash)).await.unwrap());
        for bad in ["", "correct horse batterx", "correct horse battery ", "Correct horse battery"]
        {
            assert!(!hasher.verify(&password(bad), Some(&hash)).await.unwrap(), "{bad}");
            assert!(!hasher.verify(&password(bad), None).await.unwrap(), "{bad}");
        }
    }

    #[test]
    fn what_is_computed_for_nobody_costs_what_a_hash_costs() {
        let nobodys = phc::PasswordHash::new(NOBODYS).unwrap();
        assert_eq!(Params::try_from(&nobodys).unwrap().m_cost(), MEMORY);
        assert_eq!(Params::try_from(&nobodys).unwrap().t_cost(), PASSES);
        assert_eq!(Params::try_from(&nobodys).unwrap().p_cost(), LANES);
        assert_eq!(nobodys.salt.unwrap().len(), SALT_LENGTH);
        assert!(!verify(&password("x"), NOBODYS).unwrap());
    }

    #[tokio::test]
    async fn nobodys_password_takes_as_long_as_a_wrong_one() {
        let hasher = Hasher::default();
        let hash = hasher.hash(&password("correct horse battery"), &OsRandom).await.unwrap();
        let (mut wrong, mut nobodys) = (Duration::MAX, Duration::MAX);
        // The quickest of each, whatever else the machine does.
        for _ in 0..7 {
            for (hash, best) in [(Some(&hash), &mut wrong), (None, &mut nobodys)] {
                let began = Instant::now();
                assert!(!hasher.verify(&password("wrong"), hash).await.unwrap());
                *best = began.elapsed().min(*best);
            }
        }
        assert!(nobodys * 2 > wrong && wrong * 2 > nobodys, "{nobodys:?} {wrong:?}");
    }

    #[tokio::test]
    async fn a_hash_that_is_none_or_too_costly_is_no_refusal() {
        let rest = "$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for hash in [
            String::new(),
            "hunter2".to_owned(),
            "$argon2id$v=19$m=19456,t=2,p=1".to_owned(),
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            format!("$argon2i$v=19$m=19456,t=2,p=1{rest}"),
            format!("$argon2id$v=19$m=4194304,t=2,p=1{rest}"),
            format!("$argon2id$v=19$m=19456,t=2000,p=1{rest}"),
            format!("$argon2id$v=19$m=19456,t=2,p=64{rest}"),
            format!("$scrypt$ln=16,r=8,p=1{rest}"),
        ] {
            let found = Hasher::default().verify(&password("x"), Some(&hash.clone().into())).await;
            assert!(matches!(found, Err(HashError::Corrupt)), "{hash}: {found:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_or_behind_too_many_is_told_so() {
        let mut hasher = Hasher { running: Arc::new(Semaphore::new(0)), ..Hasher::default() };
        let began = tokio::time::Instant::now();
        let busy = hasher.verify(&password("x"), None).await;
        assert!(matches!(busy, Err(HashError::Busy)));
        assert_eq!(began.elapsed(), Duration::from_secs(5));

        hasher.waiting = Arc::new(Semaphore::new(0));
        let began = tokio::time::Instant::now();
        assert!(matches!(hasher.verify(&password("x"), None).await, Err(HashError::Busy)));
        assert_eq!(began.elapsed(), Duration::ZERO);
    }
}
