//! Opening: the file, its connections and its schema.

use std::{
    fs::OpenOptions,
    io,
    path::{self, Path},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection, SqliteConnection,
    migrate::{AppliedMigration, Migrate, Migrator},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    Shared, SqliteStore,
    changes::Poller,
    error::{is_busy, unavailable},
};
use crate::backend::StoreError;

impl SqliteStore {
    /// Opens the store in the file at `path`, which is created if it is not there, and brings its
    /// schema up to date. Several processes may do so at once.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if the directory is missing, or the schema is that of a newer version
    /// of this crate; [`StoreError::Unavailable`] if the file cannot be opened or is no such
    /// database.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        // Absolute, since SQLite reads something else into `:memory:` and `file:name`.
        let path = path::absolute(path).map_err(StoreError::unavailable)?;
        create(&path)?;

        let writing = SqliteConnectOptions::new()
            .filename(&path)
            .busy_timeout(BUSY_TIMEOUT)
            .synchronous(SqliteSynchronous::Full)
            // Where `fsync` alone does not reach the disk (macOS).
            .pragma("fullfsync", "ON")
            .pragma("trusted_schema", "OFF")
            .foreign_keys(true);
        let reading = writing.clone().pragma("query_only", "ON");

        let mut first = SqliteConnection::connect_with(&writing).await.map_err(unavailable)?;
        write_ahead(&mut first).await?;
        migrate(&mut first).await?;
        first.close().await.map_err(unavailable)?;

        let writer = pool(1).connect_with(writing).await.map_err(unavailable)?;
        let readers = pool(READERS).connect_lazy_with(reading.clone());
        let poller = Poller::new(reading);
        Ok(Self {
            shared: Arc::new(Shared { path, writer, readers, poller, changed: Notify::new() }),
        })
    }
}

/// Creates the file for its owner alone, unless it is there. SQLite gives the files beside it the
/// same mode.
fn create(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Invalid(format!(
            "the database {} cannot be created: its directory does not exist",
            path.display()
        ))),
        Err(error) => Err(StoreError::unavailable(error)),
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection to a file does not go stale.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_release(|connection, _| {
            Box::pin(async move {
                // Whatever was abandoned is rolled back before this is answered. A transaction that
                // could not even be rolled back (a full disk) ends with its connection.
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

/// Switches the file to WAL, for good. SQLite does not wait for others who do the same, so this does.
async fn write_ahead(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match sqlx::query("PRAGMA journal_mode = WAL").execute(&mut *connection).await {
            Ok(_) => return Ok(()),
            Err(error) if is_busy(&error) && Instant::now() < deadline => {
                sleep(Duration::from_millis(5)).await;
            }
            Err(error) => return Err(unavailable(error)),
        }
    }
}

/// Brings the schema up to date, all or nothing. `Migrator::run` knows no lock for SQLite; here it is
/// that of a writing transaction: one process does it, while others wait and then find it done.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
    transaction.ensure_migrations_table(TABLE).await.map_err(StoreError::unavailable)?;
    let applied =
        transaction.list_applied_migrations(TABLE).await.map_err(StoreError::unavailable)?;
    for AppliedMigration { version, checksum } in &applied {
        let known = MIGRATOR.iter().find(|known| known.version == *version).ok_or_else(|| {
            StoreError::Invalid(format!(
                "the database has migration {version}, which this version does not know: it was \
                 written by a newer one"
            ))
        })?;
        if known.checksum != *checksum {
            return Err(StoreError::Invalid(format!(
                "the database was made by another migration {version} than that of this version"
            )));
        }
    }
    let is_applied = |version| applied.iter().any(|applied| applied.version == version);
    for migration in MIGRATOR.iter().filter(|migration| !is_applied(migration.version)) {
        let (version, begun) = (migration.version, Instant::now());
        // In a new file it takes no time.
        if !applied.is_empty() {
            tracing::info!(version, "bringing the database up to date, for as long as it takes");
        }
        transaction.apply(TABLE, migration).await.map_err(StoreError::unavailable)?;
        if !applied.is_empty() {
            tracing::info!(version, took = ?begun.elapsed(), "the database has this migration");
        }
    }
    transaction.commit().await.map_err(unavailable)
}

// A migration that is added is noticed when this file is compiled again. None is ever altered: the
// databases that have it would be refused.
static MIGRATOR: Migrator = sqlx::migrate!("src/store/migrations/sqlite");

/// Where applied migrations are noted; the one that `sqlx`'s own tool looks at.
const TABLE: &str = "_sqlx_migrations";

const READERS: u32 = 4;

/// How long to wait for writers of other processes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long to wait for a connection, behind others of this process.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
