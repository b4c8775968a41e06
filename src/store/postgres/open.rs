//! Opening: the URL, the connections and the schema.

use std::{str::FromStr, sync::Arc, time::Duration};

use sqlx::{
    Connection, PgConnection, Row,
    migrate::{AppliedMigration, Migrate, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, timeout};

use super::{PostgresStore, Shared, changes::Feed, error};
use crate::backend::StoreError;

/// How to connect to a database. Made by [`PostgresStore::builder`].
#[derive(Clone)]
#[must_use]
pub struct PostgresStoreBuilder {
    url: String,
    application_name: String,
    max_connections: u32,
    acquire_timeout: Duration,
    statement_timeout: Duration,
}

impl PostgresStore {
    /// Connects to the database at `url` with the defaults of [`builder`](Self::builder), and brings
    /// its schema up to date. Many nodes may do so at once.
    ///
    /// # Errors
    ///
    /// As [`PostgresStoreBuilder::connect`].
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::builder(url).connect().await
    }

    /// Begins with the URL of a database: `postgres://user:password@host:port/database`, and behind
    /// that, as in `?sslmode=verify-full&sslrootcert=/etc/ca.pem`:
    ///
    /// | parameter | what it says |
    /// | --- | --- |
    /// | `sslmode` | `disable`, `allow`, `prefer` (default), `require`, `verify-ca` or `verify-full`; all but the first three need the feature `postgres-tls` |
    /// | `sslrootcert`, `sslcert`, `sslkey` | files with the certificate authority, and with certificate and key of this client |
    /// | `host`, `hostaddr`, `port`, `user`, `password`, `dbname` | the same as before the `?`; a `host` that begins with `/` is the folder of a socket |
    /// | `options` | settings of the session, such as `-c search_path=tokens` |
    /// | `application_name` | default `tower-pat` |
    /// | `statement-cache-capacity` | how many prepared statements a connection keeps, default 100 |
    ///
    /// What is not said there is taken from `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE`,
    /// `PGSSLMODE` and their like, and the password from `~/.pgpass`.
    pub fn builder(url: impl Into<String>) -> PostgresStoreBuilder {
        PostgresStoreBuilder {
            url: url.into(),
            application_name: "tower-pat".to_owned(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
        }
    }
}

impl PostgresStoreBuilder {
    /// How many connections the pool has at most. Default 10; the change feed has two more, of its
    /// own. Each node has its own, so the server's `max_connections` must be enough for all nodes.
    pub fn max_connections(mut self, max_connections: u32) -> Self {
        self.max_connections = max_connections;
        self
    }

    /// How long to wait for a connection, be it that all are in use or that a new one is made.
    /// Default 3 seconds.
    pub fn acquire_timeout(mut self, acquire_timeout: Duration) -> Self {
        self.acquire_timeout = acquire_timeout;
        self
    }

    /// How long a statement of a request may take, and how long the server lets a transaction wait
    /// for its next statement. Default 5 seconds, at least 1 millisecond. Sweeps and migrations have
    /// no such limit.
    pub fn statement_timeout(mut self, statement_timeout: Duration) -> Self {
        self.statement_timeout = statement_timeout;
        self
    }

    /// What the server shows connections as (`pg_stat_activity`), unless the URL says another name.
    /// Default `tower-pat`.
    pub fn application_name(mut self, application_name: impl Into<String>) -> Self {
        self.application_name = application_name.into();
        self
    }

    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if the URL is not understood, the server refuses the user, has no
    /// such database or does not let the user make tables, is older than version 13, is a standby,
    /// does not store texts as UTF-8, or if the schema is that of a newer version of this crate;
    /// [`StoreError::Unavailable`] if the server cannot be reached or fails. None of them has the
    /// password.
    pub async fn connect(self) -> Result<PostgresStore, StoreError> {
        let options = self.options()?;
        let mut first = timeout(self.acquire_timeout, PgConnection::connect_with(&options))
            .await
            .map_err(|_| StoreError::unavailable(sqlx::Error::PoolTimedOut))?
            .map_err(refused)?;
        check_server(&mut first).await?;
        migrate(&mut first).await?;
        // It has nothing to lose.
        let _ = first.close().await;

        let limit = self.statement_timeout.as_millis().clamp(1, i32::MAX as u128).to_string();
        let pool = PgPoolOptions::new()
            .max_connections(self.max_connections.max(1))
            .acquire_timeout(self.acquire_timeout)
            // One that was used a moment ago is there; asking it costs as much as most queries.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > FRESH {
                        timeout(PATIENCE, connection.ping())
                            .await
                            .map_err(|_| sqlx::Error::PoolTimedOut)??;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| {
                let limit = limit.clone();
                Box::pin(async move { begin_session(connection, limit).await })
            })
            .connect_lazy_with(options.clone());
        let feed = Feed::new(options.clone());
        let call_timeout = self
            .acquire_timeout
            .saturating_add(self.statement_timeout)
            .saturating_add(Duration::from_secs(1));
        Ok(PostgresStore { shared: Arc::new(Shared { pool, options, call_timeout, feed }) })
    }

    fn options(&self) -> Result<PgConnectOptions, StoreError> {
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|s| self.url.starts_with(s));
        if !is_postgres {
            return Err(StoreError::Invalid(
                "the URL of a PostgreSQL database begins with postgres://".into(),
            ));
        }
        let (_, parameters) = self.url.split_once('?').unwrap_or_default();
        let names = parameters.split('&').filter(|parameter| !parameter.is_empty());
        let names: Vec<_> = names
            .map(|parameter| parameter.split_once('=').map_or(parameter, |(n, _)| n))
            .collect();
        // Not left to the library, which would log it with its value and go on without.
        if let Some(name) = names.iter().find(|name| {
            !(PARAMETERS.contains(name)
                || name.starts_with("options[")
                || name.starts_with("options%5B"))
        }) {
            return Err(StoreError::Invalid(format!(
                "the URL of the database has a parameter {name:?} that is not known"
            )));
        }
        let options = PgConnectOptions::from_str(&self.url).map_err(|error| {
            StoreError::Invalid(format!("the URL of the database is not understood: {error}"))
        })?;
        Ok(match names.contains(&"application_name") {
            true => options,
            false => options.application_name(&self.application_name),
        })
    }
}

impl std::fmt::Debug for PostgresStoreBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the URL, which has the password.
        f.debug_struct("PostgresStoreBuilder")
            .field("application_name", &self.application_name)
            .field("max_connections", &self.max_connections)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

/// What every connection of the pool begins with: time limits, and another look at the server, which
/// may be another one than at first.
async fn begin_session(connection: &mut PgConnection, limit: String) -> Result<(), sqlx::Error> {
    let is_standby: bool = sqlx::query_scalar(
        "SELECT pg_is_in_recovery() FROM (SELECT
             set_config('statement_timeout', $1, false),
             set_config('idle_in_transaction_session_timeout', $1, false)) AS limits",
    )
    .bind(limit)
    .persistent(false)
    .fetch_one(connection)
    .await?;
    if is_standby {
        return Err(sqlx::Error::Configuration(STANDBY.into()));
    }
    Ok(())
}

async fn check_server(connection: &mut PgConnection) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::bigint, pg_is_in_recovery(),
             current_setting('server_encoding')",
    )
    .fetch_one(connection)
    .await
    .map_err(error::unavailable)?;
    let version: i64 = row.try_get(0).map_err(error::unavailable)?;
    let is_standby: bool = row.try_get(1).map_err(error::unavailable)?;
    let encoding: String = row.try_get(2).map_err(error::unavailable)?;
    check_facts(version, is_standby, &encoding)
}

fn check_facts(version: i64, is_standby: bool, encoding: &str) -> Result<(), StoreError> {
    let invalid = |text: String| Err(StoreError::Invalid(text));
    if version < OLDEST {
        return invalid(format!(
            "the server is PostgreSQL {}, and {} is the oldest that is good enough",
            version / 10_000,
            OLDEST / 10_000
        ));
    }
    if is_standby {
        return invalid(STANDBY.into());
    }
    if encoding != "UTF8" {
        return invalid(format!("the database stores texts as {encoding}, and not as UTF8"));
    }
    Ok(())
}

/// Why there is no connection, where the server said so and waiting would not help.
fn refused(error: sqlx::Error) -> StoreError {
    // Invalid authorization, a database or schema that is not there, a privilege that is missing.
    let is_final = error::code(&error).is_some_and(|code| {
        code.starts_with("28") || ["3D000", "3F000", "42501"].contains(&&*code)
    });
    match error.as_database_error() {
        Some(said) if is_final => {
            StoreError::Invalid(format!("the database refuses: {}", said.message()))
        }
        _ => error::unavailable(error),
    }
}

/// Brings the schema up to date, all or nothing. One node does it, under a lock that ends with its
/// transaction, while others wait and then find it done.
async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    // Usually there is nothing to do, for which a user needs no right to make tables.
    if missing(connection).await?.is_empty() {
        return Ok(());
    }
    let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    let mut transaction = connection.begin_with(begin).await.map_err(refused)?;
    for sql in [
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL lock_timeout = 0",
        "SET LOCAL idle_in_transaction_session_timeout = 0",
        LOCK,
    ] {
        sqlx::query(sql).execute(&mut *transaction).await.map_err(refused)?;
    }
    transaction.ensure_migrations_table(TABLE).await.map_err(failed)?;
    let missing = missing(&mut transaction).await?;
    // In a new database it takes no time.
    let is_new = missing.len() == MIGRATOR.iter().count();
    for migration in MIGRATOR.iter().filter(|migration| missing.contains(&migration.version)) {
        let (version, begun) = (migration.version, Instant::now());
        if !is_new {
            tracing::info!(version, "bringing the database up to date, for as long as it takes");
        }
        transaction.apply(TABLE, migration).await.map_err(failed)?;
        if !is_new {
            tracing::info!(version, took = ?begun.elapsed(), "the database has this migration");
        }
    }
    transaction.commit().await.map_err(refused)
}

/// The migrations that the database does not have. An error if it has others than these.
async fn missing(connection: &mut PgConnection) -> Result<Vec<i64>, StoreError> {
    let found = sqlx::query(
        "SELECT current_schema() IS NOT NULL,
             to_regclass(quote_ident(current_schema()) || '._tower_pat_migrations') IS NOT NULL",
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(refused)?;
    let has_schema: bool = found.try_get(0).map_err(refused)?;
    if !has_schema {
        return Err(StoreError::Invalid(
            "the search path of the database has no schema that exists".into(),
        ));
    }
    let has_table: Option<bool> = found.try_get(1).map_err(refused)?;
    let applied = match has_table {
        Some(true) => connection.list_applied_migrations(TABLE).await.map_err(failed)?,
        _ => Vec::new(),
    };
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
    Ok(MIGRATOR.iter().map(|known| known.version).filter(|version| !is_applied(*version)).collect())
}

fn failed(error: sqlx::migrate::MigrateError) -> StoreError {
    match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => refused(error),
        other => StoreError::unavailable(other),
    }
}

// A migration that is added is noticed when this file is compiled again. None is ever altered: the
// databases that have it would be refused.
static MIGRATOR: Migrator = sqlx::migrate!("src/store/migrations/postgres");

/// Where applied migrations are noted. Not where `sqlx` does by itself: the database may be one that a
/// service has migrations of its own for.
const TABLE: &str = "_tower_pat_migrations";

/// Any number that nobody else locks.
const LOCK: &str = "SELECT pg_advisory_xact_lock(8391168452057813)";

const OLDEST: i64 = 130_000;

const STANDBY: &str = "the server is in recovery: a standby, and not the primary";

/// For how long a connection is taken to be there after it was used.
const FRESH: Duration = Duration::from_secs(1);

/// How long to wait for a sign of life of a connection before another one is tried.
const PATIENCE: Duration = Duration::from_secs(1);

const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];
