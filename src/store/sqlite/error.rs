//! What the errors of SQLite mean. Their texts name tables and columns, never values.

use sqlx::error::{DatabaseError, ErrorKind};

use crate::backend::StoreError;

/// The database failed.
pub(super) fn unavailable(error: sqlx::Error) -> StoreError {
    StoreError::unavailable(error)
}

/// A row could not be added.
pub(super) fn not_added(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if database.kind() == ErrorKind::UniqueViolation => {
            StoreError::AlreadyExists
        }
        _ => unavailable(error),
    }
}

/// Whether another connection has what is needed, for now.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    const BUSY: i32 = 5;
    error
        .as_database_error()
        .and_then(DatabaseError::code)
        .and_then(|code| code.parse::<i32>().ok())
        // The lower byte is the kind; the rest says more of it.
        .is_some_and(|code| code & 0xff == BUSY)
}
