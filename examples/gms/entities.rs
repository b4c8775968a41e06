//! The entity store: aspects that bear neither identity nor policy, in a SQLite file of their own.

use std::{collections::BTreeMap, fs::OpenOptions, io, path::Path, time::Duration};

use serde_json::Value;
use sqlx::{
    Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tower_pat::{actor::Urn, backend::StoreError, clock::Timestamp};

use crate::registry::EntityType;

/// Aspects of entities, as JSON. A clone is the same store.
#[derive(Debug, Clone)]
pub(crate) struct EntityStore {
    pool: SqlitePool,
}

/// One aspect to be written.
#[derive(Debug, Clone)]
pub(crate) struct AspectWrite {
    pub(crate) entity_type: &'static EntityType,
    pub(crate) urn: Urn,
    pub(crate) aspect: &'static str,
    pub(crate) value: Value,
    /// Left as it is where it is there already.
    pub(crate) only_if_absent: bool,
}

/// Whether writing came too late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Written {
    /// All is written.
    Done,
    /// Nothing is: this entity came or went since it was looked at.
    Changed(Urn),
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
        sqlx::query(SCHEMA).execute(&pool).await.map_err(StoreError::unavailable)?;
        Ok(Self { pool })
    }

    /// The aspects of an entity by name; `None` if there is no such entity.
    pub(crate) async fn aspects(
        &self,
        urn: &Urn,
    ) -> Result<Option<BTreeMap<String, Value>>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT name, value FROM aspect WHERE urn = ?")
                .bind(urn.as_str())
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::unavailable)?;
        let read = |(name, value): (String, String)| match serde_json::from_str(&value) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(StoreError::Corrupt { what: "aspect.value", source: None }),
        };
        let aspects: BTreeMap<_, _> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
        Ok((!aspects.is_empty()).then_some(aspects))
    }

    /// Up to `count` entities of a type, behind the urn `after`.
    pub(crate) async fn list(
        &self,
        entity_type: &EntityType,
        after: &str,
        count: u32,
    ) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT DISTINCT urn FROM aspect WHERE type = ? AND urn > ? ORDER BY urn LIMIT ?",
        )
        .bind(&entity_type.name)
        .bind(after)
        .bind(count)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::unavailable)
    }

    /// Writes all of `writes`, or nothing. Each entity gets its key aspect with its first aspect.
    /// `expected` says which entities were there when it was decided that they may be written.
    pub(crate) async fn write(
        &self,
        writes: &[AspectWrite],
        expected: &BTreeMap<Urn, bool>,
        by: &Urn,
        at: Timestamp,
    ) -> Result<Written, StoreError> {
        let mut transaction = self.begin().await?;
        for (urn, expected) in expected {
            let exists: bool =
                sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM aspect WHERE urn = ?)")
                    .bind(urn.as_str())
                    .fetch_one(&mut *transaction)
                    .await
                    .map_err(StoreError::unavailable)?;
            if exists != *expected {
                return Ok(Written::Changed(urn.clone()));
            }
        }
        for write in writes {
            let statement = if write.only_if_absent { INSERT } else { UPSERT };
            sqlx::query(statement)
                .bind(write.urn.as_str())
                .bind(&write.entity_type.name)
                .bind(write.aspect)
                .bind(write.value.to_string())
                .bind(at.as_millis())
                .bind(by.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::unavailable)?;
        }
        transaction.commit().await.map_err(StoreError::unavailable)?;
        Ok(Written::Done)
    }

    /// Deletes an entity with all its aspects; `false` if there is none.
    pub(crate) async fn delete(&self, urn: &Urn) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM aspect WHERE urn = ?")
            .bind(urn.as_str())
            .execute(&self.pool)
            .await
            .map_err(StoreError::unavailable)?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Deletes one aspect; `false` if there is none.
    pub(crate) async fn delete_aspect(&self, urn: &Urn, name: &str) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM aspect WHERE urn = ? AND name = ?")
            .bind(urn.as_str())
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(StoreError::unavailable)?;
        Ok(deleted.rows_affected() > 0)
    }

    /// Closes the store and its clones.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::unavailable)
    }
}

const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS aspect (
    urn TEXT NOT NULL,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL DEFAULT 1,
    written_at INTEGER NOT NULL,
    written_by TEXT NOT NULL,
    PRIMARY KEY (urn, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS aspect_type ON aspect (type, urn);";

const INSERT: &str = "INSERT INTO aspect (urn, type, name, value, written_at, written_by)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (urn, name) DO NOTHING";

// The same once more changes nothing.
const UPSERT: &str = "INSERT INTO aspect (urn, type, name, value, written_at, written_by)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (urn, name) DO UPDATE SET value = excluded.value,
    version = version + 1, written_at = excluded.written_at, written_by = excluded.written_by
    WHERE value <> excluded.value";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn what_came_or_went_in_the_meantime_is_not_written() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = EntityStore::open(&folder.path().join("entities.db")).await.unwrap();
        let entity_type = EntityType::find("tag").unwrap();
        let urn: Urn = "urn:li:tag:gold".parse().unwrap();
        let write = |name: &str| AspectWrite {
            entity_type,
            urn: urn.clone(),
            aspect: entity_type.aspect("tagProperties").unwrap(),
            value: json!({ "name": name }),
            only_if_absent: false,
        };
        for (exists, expected, name, stored) in [
            (false, true, "a", None),
            (false, false, "b", Some("b")),
            (true, false, "c", Some("b")),
            (true, true, "d", Some("d")),
        ] {
            let expectation = BTreeMap::from([(urn.clone(), expected)]);
            let now = Timestamp::from_seconds(0);
            let written = store.write(&[write(name)], &expectation, &urn, now).await.unwrap();
            let outcome =
                if exists == expected { Written::Done } else { Written::Changed(urn.clone()) };
            assert_eq!(written, outcome);
            let aspects = store.aspects(&urn).await.unwrap();
            let value = stored.map(|name| json!({ "name": name }));
            assert_eq!(aspects.and_then(|mut it| it.remove("tagProperties")), value);
        }
    }
}
