//! Writing aspects: all of a request, or nothing.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlx::{Sqlite, Transaction};
use tower_pat::{actor::Urn, backend::StoreError, clock::Timestamp};

use super::{EntityStore, SystemMetadata, series};
use crate::registry::EntityType;

/// One aspect to be written.
#[derive(Debug, Clone)]
pub(crate) struct AspectWrite {
    pub(crate) entity_type: &'static EntityType,
    pub(crate) urn: Urn,
    pub(crate) aspect: &'static str,
    pub(crate) value: Value,
    /// Left as it is where it is there already.
    pub(crate) only_if_absent: bool,
    pub(crate) metadata: SystemMetadata,
}

/// Whether writing came too late.
#[derive(Debug)]
pub(crate) enum Written {
    /// All is written, and counts once it is committed.
    Prepared(Prepared),
    /// Nothing is: this entity was changed since it was looked at.
    Changed(Urn),
}

/// Writes that are not committed yet; gone if this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Prepared {
    transaction: Transaction<'static, Sqlite>,
}

/// How much was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Deleted {
    pub(crate) rows: u64,
    pub(crate) series: u64,
}

/// What was there when it was decided that something may be written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expected {
    /// Whether entities were there.
    pub(crate) entities: BTreeMap<Urn, bool>,
    /// What aspects were, as they are stored, for those that the decision, or what is written now,
    /// depends on.
    pub(crate) aspects: BTreeMap<(Urn, &'static str), Option<String>>,
}

impl EntityStore {
    /// Writes all of `writes`, or nothing. A series gets an event; nothing else of it changes.
    pub(crate) async fn prepare(
        &self,
        writes: &[AspectWrite],
        expected: &Expected,
        by: &Urn,
        at: Timestamp,
    ) -> Result<Written, StoreError> {
        let mut transaction = self.begin().await?;
        if let Some(changed) = expected.changed(&mut transaction).await? {
            return Ok(Written::Changed(changed));
        }
        for write in writes {
            if write.entity_type.is_series(write.aspect) {
                series::insert(&mut transaction, write, by, at).await?;
                continue;
            }
            if !write.only_if_absent {
                keep_earlier(&mut transaction, write).await?;
            }
            let statement = if write.only_if_absent { INSERT } else { UPSERT };
            sqlx::query(statement)
                .bind(write.urn.as_str())
                .bind(&write.entity_type.name)
                .bind(write.aspect)
                .bind(write.value.to_string())
                .bind(at.as_millis())
                .bind(by.as_str())
                .bind(&write.metadata.json)
                .bind(&write.metadata.run_id)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::unavailable)?;
        }
        Ok(Written::Prepared(Prepared { transaction }))
    }

    /// Deletes an entity with all its aspects.
    pub(crate) async fn delete(&self, urn: &Urn) -> Result<Deleted, StoreError> {
        let mut transaction = self.begin().await?;
        let mut counts = [0; 3];
        for (count, statement) in counts.iter_mut().zip([
            "DELETE FROM aspect WHERE urn = ?",
            "DELETE FROM series WHERE urn = ?",
            "DELETE FROM earlier WHERE urn = ?",
        ]) {
            let deleted = sqlx::query(statement)
                .bind(urn.as_str())
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::unavailable)?;
            *count = deleted.rows_affected();
        }
        transaction.commit().await.map_err(StoreError::unavailable)?;
        let [rows, series, _] = counts;
        Ok(Deleted { rows, series })
    }

    /// Deletes one aspect; `false` if there is none.
    pub(crate) async fn delete_aspect(&self, urn: &Urn, name: &str) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let mut found = false;
        for statement in [
            "DELETE FROM earlier WHERE urn = ? AND name = ?",
            "DELETE FROM aspect WHERE urn = ? AND name = ?",
        ] {
            let deleted = sqlx::query(statement)
                .bind(urn.as_str())
                .bind(name)
                .execute(&mut *transaction)
                .await
                .map_err(StoreError::unavailable)?;
            found = deleted.rows_affected() > 0;
        }
        transaction.commit().await.map_err(StoreError::unavailable)?;
        Ok(found)
    }
}

impl Prepared {
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(StoreError::unavailable)
    }
}

impl Expected {
    async fn changed(
        &self,
        transaction: &mut Transaction<'static, Sqlite>,
    ) -> Result<Option<Urn>, StoreError> {
        for (urn, expected) in &self.entities {
            let exists: bool =
                sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM aspect WHERE urn = ?)")
                    .bind(urn.as_str())
                    .fetch_one(&mut **transaction)
                    .await
                    .map_err(StoreError::unavailable)?;
            if exists != *expected {
                return Ok(Some(urn.clone()));
            }
        }
        for ((urn, aspect), expected) in &self.aspects {
            let value: Option<String> =
                sqlx::query_scalar("SELECT value FROM aspect WHERE urn = ? AND name = ?")
                    .bind(urn.as_str())
                    .bind(*aspect)
                    .fetch_optional(&mut **transaction)
                    .await
                    .map_err(StoreError::unavailable)?;
            if value != *expected {
                return Ok(Some(urn.clone()));
            }
        }
        Ok(None)
    }
}

/// Keeps what will be overwritten, unless the same is written once more.
async fn keep_earlier(
    transaction: &mut Transaction<'static, Sqlite>,
    write: &AspectWrite,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO earlier
         SELECT urn, name, version, value, written_at, written_by, system_metadata, run_id
         FROM aspect WHERE urn = ? AND name = ? AND (value <> ? OR run_id <> ?)",
    )
    .bind(write.urn.as_str())
    .bind(write.aspect)
    .bind(write.value.to_string())
    .bind(&write.metadata.run_id)
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::unavailable)?;
    sqlx::query(
        "DELETE FROM earlier WHERE urn = ?1 AND name = ?2 AND version <= (
             SELECT version - ?3 FROM aspect WHERE urn = ?1 AND name = ?2)",
    )
    .bind(write.urn.as_str())
    .bind(write.aspect)
    .bind(KEPT_VERSIONS)
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::unavailable)?;
    Ok(())
}

/// How many earlier versions of an aspect are kept (DataHub's default retention).
const KEPT_VERSIONS: i64 = 20;

const INSERT: &str = "INSERT INTO aspect
    (urn, type, name, value, written_at, written_by, system_metadata, run_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (urn, name) DO NOTHING";

// The same once more changes nothing but its metadata.
const UPSERT: &str = "INSERT INTO aspect
    (urn, type, name, value, written_at, written_by, system_metadata, run_id)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (urn, name) DO UPDATE SET
    version = version + (value <> excluded.value OR run_id <> excluded.run_id),
    value = excluded.value, written_at = excluded.written_at, written_by = excluded.written_by,
    system_metadata = excluded.system_metadata, run_id = excluded.run_id";

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
        let aspect = entity_type.aspect("tagProperties").unwrap();
        let write = |name: &str| AspectWrite {
            entity_type,
            urn: urn.clone(),
            aspect,
            value: json!({ "name": name }),
            only_if_absent: false,
            metadata: SystemMetadata::default(),
        };
        for (exists, expected, was, name, stored) in [
            (false, true, None, "a", None),
            (false, false, None, "b", Some("b")),
            (true, false, None, "c", Some("b")),
            (true, true, None, "d", Some("d")),
            (true, true, Some("other"), "e", Some("d")),
            (true, true, Some("d"), "f", Some("f")),
        ] {
            let mut expectation = Expected::default();
            expectation.entities.insert(urn.clone(), expected);
            if let Some(was) = was {
                let was = Some(json!({ "name": was }).to_string());
                expectation.aspects.insert((urn.clone(), aspect), was);
            }
            let now = Timestamp::from_seconds(0);
            match store.prepare(&[write(name)], &expectation, &urn, now).await.unwrap() {
                Written::Prepared(prepared) => {
                    assert!(exists == expected && was != Some("other"), "{name}");
                    prepared.commit().await.unwrap();
                }
                Written::Changed(changed) => assert_eq!(changed, urn, "{name}"),
            }
            let aspects = store.aspects(&urn).await.unwrap();
            let value = stored.map(|name| json!({ "name": name }));
            assert_eq!(aspects.and_then(|mut it| it.remove("tagProperties")), value);
        }
        // What is prepared and not committed is gone.
        let (writes, now) = ([write("g")], Timestamp::from_seconds(0));
        let expected = Expected::default();
        let prepared = store.prepare(&writes, &expected, &urn, now).await.unwrap();
        drop(prepared);
        assert_eq!(store.aspects(&urn).await.unwrap().unwrap()["tagProperties"]["name"], "f");
    }
}
