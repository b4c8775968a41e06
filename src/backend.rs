//! What all traits over a backend share: their boxed future and their error.

use std::{error::Error, future::Future, pin::Pin};

/// The future that object-safe traits return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a store could not do what it was asked.
///
/// "Not found" is never among these: that is `Ok(None)` or `Ok(false)`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key is taken; nothing was written.
    #[error("a record with this key exists already")]
    AlreadyExists,
    /// The token was to be made with a token that has been revoked; nothing was written.
    #[error("the token that this one is made with has been revoked")]
    ParentRevoked,
    /// The request itself cannot be fulfilled, whatever the state of the store.
    #[error("{0}")]
    Invalid(String),
    /// A stored value could not be understood, so nothing is known.
    #[error("stored {what} cannot be read")]
    Corrupt {
        /// What was read: a table and column, never the value.
        what: &'static str,
        /// The cause, where there is one.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// The backend failed or could not be reached, so nothing is known.
    #[error("the store could not answer")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}

impl StoreError {
    /// An outage with its cause.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    /// A stored value that cannot be read, with its cause.
    pub fn corrupt(what: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Corrupt { what, source: Some(source.into()) }
    }
}

/// An error and its causes, for the log. No error of this crate has anything of a token in it.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
