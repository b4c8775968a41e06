//! Everything in one SQLite file.

mod changes;
mod covered;
mod directory;
mod error;
mod filter;
mod groups;
mod keys;
mod list;
mod open;
mod passwords;
#[cfg(test)]
mod plan;
mod policies;
mod revoke;
mod row;
mod tokens;
mod write;

use std::{fmt, path::PathBuf, sync::Arc};

use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::Notify;

use self::changes::Poller;
use crate::backend::StoreError;

/// A store in one SQLite file, for one machine. Several processes may share the file.
///
/// A clone is the same store. See the [module docs](super) for what it guarantees.
///
/// # How it works
///
/// 1. The file is in WAL mode, and a write is flushed to disk before it is answered
///    (`synchronous=FULL`). Reading and writing do not wait for each other.
/// 2. One connection writes, in transactions that take the write lock first (`BEGIN IMMEDIATE`), and
///    waits for writers of other processes for up to 5 seconds. A few others read.
/// 3. One more connection watches for what was committed, by whatever process, and reads the feed.
///
/// # In deployment
///
/// * The file must be on a local disk: WAL does not work over a network file system.
/// * A file that is created here can be read and written by its owner alone (mode 0600 on Unix), and
///   so can the two files beside it (`-wal` and `-shm`). Those belong to it: a copy of the file alone
///   is no backup (`VACUUM INTO` makes one).
/// * Restoring a backup brings back what was valid then, also tokens revoked since.
///
/// # Example
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_pat::store::SqliteStore;
///
/// let store = SqliteStore::open("tower-pat.db").await?;
/// // ...
/// store.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    poller: Poller,
    changed: Notify,
}

impl SqliteStore {
    /// Closes the store and all its clones, when what they are doing is done. Whatever is asked of
    /// them afterwards is [`StoreError::Unavailable`].
    ///
    /// Nothing is lost without it; with it, the last one to close leaves a single file.
    pub async fn close(&self) {
        self.shared.readers.close().await;
        self.shared.poller.close().await;
        // Last: the last connection of all moves the log into the file, which only this one may.
        self.shared.writer.close().await;
    }

    /// A transaction that reads from one point in time.
    async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.shared.readers.begin().await.map_err(error::unavailable)
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.shared.path).finish_non_exhaustive()
    }
}
