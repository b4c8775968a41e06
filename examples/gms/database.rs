//! Where users, policies and tokens are: a file in the folder, or a PostgreSQL that several nodes share.

use std::{path::PathBuf, sync::Arc};

#[cfg(feature = "postgres")]
use tower_pat::store::PostgresStore;
use tower_pat::{
    actor::PasswordStore,
    backend::{BoxFuture, StoreError},
    store::{SqliteStore, Store},
};

/// Which database.
#[derive(Debug)]
pub(crate) enum Database {
    /// SQLite, in this file.
    File(PathBuf),
    /// PostgreSQL, at this URL.
    #[cfg(feature = "postgres")]
    Postgres(Url),
}

/// A URL that may hold a password.
#[cfg(feature = "postgres")]
#[derive(Clone)]
pub(crate) struct Url(String);

#[cfg(feature = "postgres")]
impl From<String> for Url {
    fn from(text: String) -> Self {
        Self(text)
    }
}

#[cfg(feature = "postgres")]
impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Url(..)")
    }
}

/// All parts in one, whichever database it is.
pub(crate) trait AnyStore: Store + PasswordStore {
    /// Ends its connections, in order.
    fn close(&self) -> BoxFuture<'_, ()>;
}

impl AnyStore for SqliteStore {
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.close())
    }
}

#[cfg(feature = "postgres")]
impl AnyStore for PostgresStore {
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.close())
    }
}

impl Database {
    pub(crate) async fn open(&self) -> Result<Arc<dyn AnyStore>, OpenError> {
        match self {
            Self::File(path) => match SqliteStore::open(path).await {
                Ok(store) => Ok(Arc::new(store)),
                Err(error) => Err(OpenError::file(path.clone(), error)),
            },
            #[cfg(feature = "postgres")]
            Self::Postgres(url) => match PostgresStore::connect(&url.0).await {
                Ok(store) => Ok(Arc::new(store)),
                Err(error) => Err(OpenError::Postgres(error)),
            },
        }
    }
}

/// A database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("cannot open {}", path.display())]
    File { path: PathBuf, source: StoreError },
    #[cfg(feature = "postgres")]
    #[error("cannot use the database of --database")]
    Postgres(#[source] StoreError),
}

impl OpenError {
    pub(crate) fn file(path: PathBuf, source: StoreError) -> Self {
        Self::File { path, source }
    }
}
