use std::time::Duration;

use super::{PasswordError, hasher::HashError};
use crate::{
    actor::Urn,
    backend::StoreError,
    rejection::{Rejection, RejectionCode},
    token_service::MintError,
};

/// Why somebody was not logged in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogInError {
    /// The password is not the user's. Also whatever else is wrong with the user: unknown, removed,
    /// suspended, a service account, without a password.
    #[error("Invalid Credentials")]
    InvalidCredentials,
    /// It was tried too often from this address.
    #[error("too many attempts to log in; try again in {} s", whole_seconds(*retry_after))]
    TooManyAttempts {
        /// How long to wait.
        retry_after: Duration,
    },
    /// More passwords are being checked than this machine has memory and time for.
    #[error("too many people log in at the same time")]
    Busy,
    /// A store could not answer, so nothing is known.
    #[error("the store could not answer")]
    Store(#[from] StoreError),
    /// The password is good, and its session could not be made.
    #[error("the session could not be made")]
    Mint(#[source] MintError),
    /// The user's hash cannot be read, or a password could not be hashed.
    #[error("the password could not be checked")]
    Hash(#[source] PasswordHashError),
}

impl LogInError {
    /// Whether the attempt is given back.
    pub(super) fn is_undecided(&self) -> bool {
        match self {
            // A hash that cannot be read is the same fault at every attempt, and each costs as much.
            Self::InvalidCredentials | Self::Hash(_) => false,
            Self::TooManyAttempts { .. } | Self::Busy | Self::Store(_) | Self::Mint(_) => true,
        }
    }
}

impl From<HashError> for LogInError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            error => Self::Hash(PasswordHashError(error)),
        }
    }
}

impl From<MintError> for LogInError {
    fn from(error: MintError) -> Self {
        match error {
            // Whoever gave them a password: nobody acts as these by a token.
            MintError::ReservedActor(_) | MintError::NotAUser(_) => Self::InvalidCredentials,
            MintError::Store(error) => Self::Store(error),
            error => Self::Mint(error),
        }
    }
}

impl From<&LogInError> for Rejection {
    fn from(error: &LogInError) -> Self {
        let (code, detail) = match error {
            LogInError::InvalidCredentials => {
                (RejectionCode::InvalidCredentials, error.to_string())
            }
            LogInError::TooManyAttempts { .. } => {
                (RejectionCode::TooManyRequests, error.to_string())
            }
            LogInError::Busy => (RejectionCode::Unavailable, error.to_string()),
            LogInError::Store(StoreError::Unavailable(_)) => (
                RejectionCode::Unavailable,
                "nobody can log in at the moment: the store could not answer".to_owned(),
            ),
            LogInError::Mint(MintError::SigningKeyMissing(_)) => (
                RejectionCode::Unavailable,
                "nobody can log in here at the moment: this node lacks a key".to_owned(),
            ),
            LogInError::Store(_) | LogInError::Mint(_) | LogInError::Hash(_) => {
                (RejectionCode::Internal, "the log-in failed by a fault of this service".to_owned())
            }
        };
        Self::new(code, detail)
    }
}

/// Why somebody's password was not set.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetPasswordError {
    /// It may not be a password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// There is no such user.
    #[error("there is no user {0}")]
    NoSuchUser(Urn),
    /// Nobody logs in as this: the system actor, `anonymous`, and whatever is no user.
    #[error("nobody can log in as {0}")]
    Reserved(Urn),
    /// More passwords are being checked than this machine has memory and time for.
    #[error("too many passwords are being checked at the same time")]
    Busy,
    /// The store refused it, as it does for service accounts ([`StoreError::Invalid`]), or failed.
    #[error("the password could not be stored")]
    Store(#[from] StoreError),
    /// It could not be hashed.
    #[error("the password could not be hashed")]
    Hash(#[source] PasswordHashError),
}

impl From<HashError> for SetPasswordError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            error => Self::Hash(PasswordHashError(error)),
        }
    }
}

/// Hashing failed, there were no random bytes, or a stored hash cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct PasswordHashError(HashError);

/// Seconds, rounded up, and at least one.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}
