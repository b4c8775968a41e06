//! The entity store: aspects that bear neither identity nor policy, in a SQLite file of their own.

mod metadata;
mod read;
mod runs;
mod series;
mod write;

use std::{fs::OpenOptions, io, path::Path, time::Duration};

use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tower_pat::backend::StoreError;

pub(crate) use self::{
    metadata::SystemMetadata,
    read::{Stamp, parse},
    runs::{Run, RunRow},
    series::{Event, Span, check as check_event},
    write::{AspectWrite, Deleted, Expected, Written},
};

/// Aspects of entities, as JSON. A clone is the same store.
#[derive(Debug, Clone)]
pub(crate) struct EntityStore {
    pool: SqlitePool,
}

impl EntityStore {
    /// Opens the store in the file at `path`, which is created for its owner alone.
    pub(crate) async fn open(path: &Path) -> Result<Self, StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(StoreError::unavailable(error));
            }
            _ => {}
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .map_err(StoreError::unavailable)?;
        let store = Self { pool };
        store.migrate().await?;
        Ok(store)
    }

    /// Closes the store and its clones.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&self.pool)
            .await
            .map_err(StoreError::unavailable)?;
        for (number, schema) in (1..).zip(SCHEMAS).filter(|(number, _)| *number > version) {
            let mut transaction = self.begin().await?;
            sqlx::raw_sql(schema)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::unavailable)?;
            // The pragma takes no bound value.
            sqlx::raw_sql(sqlx::AssertSqlSafe(format!("PRAGMA user_version = {number}")))
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::unavailable)?;
            transaction.commit().await.map_err(StoreError::unavailable)?;
        }
        Ok(())
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::unavailable)
    }
}

const SCHEMAS: [&str; 2] = [include_str!("schema/1.sql"), include_str!("schema/2.sql")];

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that an earlier release wrote.
    #[tokio::test]
    async fn what_was_written_before_there_were_runs_is_still_there() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("entities.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await.unwrap();
        sqlx::raw_sql(SCHEMAS[0]).execute(&pool).await.unwrap();
        sqlx::raw_sql(
            "INSERT INTO aspect (urn, type, name, value, written_at, written_by)
             VALUES ('urn:li:tag:a', 'tag', 'status', '{\"removed\":false}', 0, 'urn:li:corpuser:x')",
        )
        .execute(&pool)
        .await
        .unwrap();
        pool.close().await;
        for _ in 0..2 {
            let store = EntityStore::open(&path).await.unwrap();
            let aspects = store.aspects(&"urn:li:tag:a".parse().unwrap()).await.unwrap().unwrap();
            assert_eq!(aspects["status"], serde_json::json!({ "removed": false }));
            assert_eq!(store.runs(0, 10).await.unwrap()[0].run_id, "no-run-id-provided");
            store.close().await;
        }
    }
}
