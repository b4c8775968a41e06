//! What the errors of PostgreSQL mean.

use sqlx::error::DatabaseError;

use crate::backend::StoreError;

/// The database failed, or refuses what it was given for its size.
pub(super) fn unavailable(error: sqlx::Error) -> StoreError {
    let is_too_long = |said: &dyn DatabaseError| {
        // The same code is also that of a server that takes no more commands for now.
        said.code().as_deref() == Some(PROGRAM_LIMIT_EXCEEDED)
            && (said.constraint().is_some() || said.message().starts_with("index row"))
    };
    if error.as_database_error().is_some_and(is_too_long) {
        return StoreError::Invalid("an urn or another text is too long for the database".into());
    }
    StoreError::unavailable(error)
}

/// Whether what was tried can go well when it is tried again, since another transaction was in its
/// way and it has left nothing.
pub(super) fn is_conflict(error: &StoreError) -> bool {
    let StoreError::Unavailable(source) = error else { return false };
    source
        .downcast_ref::<sqlx::Error>()
        .and_then(code)
        .is_some_and(|code| [SERIALIZATION_FAILURE, DEADLOCK_DETECTED].contains(&code.as_str()))
}

/// The SQLSTATE, where the server gave one.
pub(super) fn code(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(DatabaseError::code).map(std::borrow::Cow::into_owned)
}

const SERIALIZATION_FAILURE: &str = "40001";
const DEADLOCK_DETECTED: &str = "40P01";
const PROGRAM_LIMIT_EXCEEDED: &str = "54000";
