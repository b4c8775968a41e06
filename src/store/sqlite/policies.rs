//! Policies, as JSON in DataHub's names.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::sqlite::SqliteRow;

use super::{SqliteStore, error::unavailable, row, write::Write};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    feed::Change,
    policy::{Policy, PolicyRecord, PolicySource, PolicyStore},
    store::seed,
};

impl PolicySource for SqliteStore {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT * FROM policies ORDER BY urn")
                .fetch_all(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            rows.iter().map(record).collect()
        })
    }
}

impl PolicyStore for SqliteStore {
    fn policy<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PolicyRecord>, StoreError>> {
        Box::pin(async move {
            let found = sqlx::query(FIND)
                .bind(urn.as_str())
                .fetch_optional(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            found.as_ref().map(record).transpose()
        })
    }

    fn put_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let changed = write.write_policies(seed::last_of_each(records)).await?;
            write.end_with(changed > 0, &Change::Policies).await?;
            Ok(())
        })
    }

    fn replace_policy<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
        new: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            if !write.has_policy(urn, expected).await? {
                return Ok(false);
            }
            let changed = write.write_policies(BTreeMap::from([(urn, new)])).await?;
            write.end_with(changed > 0, &Change::Policies).await?;
            Ok(true)
        })
    }

    fn delete_policy_if<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let deleted =
                write.has_policy(urn, expected).await? && write.delete_policy(urn).await?;
            write.end_with(deleted, &Change::Policies).await
        })
    }

    fn delete_policy<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let deleted = write.delete_policy(urn).await?;
            write.end_with(deleted, &Change::Policies).await
        })
    }

    fn seed_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let stored: BTreeSet<String> = sqlx::query_scalar("SELECT urn FROM policies")
                .fetch_all(write.connection())
                .await
                .map_err(unavailable)?
                .into_iter()
                .collect();
            let wanted = seed::defaults(records, |urn| stored.contains(urn.as_str()));
            let changed = write.write_policies(wanted).await?;
            write.end_with(changed > 0, &Change::Policies).await?;
            Ok(changed)
        })
    }
}

impl Write<'_> {
    /// Stores all of `wanted`, and returns how many differ from what was there.
    async fn write_policies(
        &mut self,
        wanted: BTreeMap<&Urn, &Policy>,
    ) -> Result<usize, StoreError> {
        let mut changed = 0;
        for (urn, policy) in wanted {
            let info = serde_json::to_string(policy).map_err(StoreError::unavailable)?;
            let written = sqlx::query(
                "INSERT INTO policies (urn, info) VALUES (?, ?)
                 ON CONFLICT (urn) DO UPDATE SET info = excluded.info WHERE info <> excluded.info",
            )
            .bind(urn.as_str())
            .bind(info)
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
            if written.rows_affected() > 0 {
                changed += 1;
            }
        }
        Ok(changed)
    }

    /// Whether this is what is stored. By what it says, and not by its text, which another version
    /// may have written in other words.
    async fn has_policy(&mut self, urn: &Urn, policy: &Policy) -> Result<bool, StoreError> {
        let found = sqlx::query(FIND)
            .bind(urn.as_str())
            .fetch_optional(self.connection())
            .await
            .map_err(unavailable)?;
        let stored = found.as_ref().map(record).transpose()?;
        Ok(stored.is_some_and(|stored| stored.info == *policy))
    }

    async fn delete_policy(&mut self, urn: &Urn) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM policies WHERE urn = ?")
            .bind(urn.as_str())
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(deleted.rows_affected() > 0)
    }
}

const FIND: &str = "SELECT * FROM policies WHERE urn = ?";

fn record(row: &SqliteRow) -> Result<PolicyRecord, StoreError> {
    let info: &str = row::value(row, "policies.info")?;
    Ok(PolicyRecord {
        urn: row::parsed(row, "policies.urn")?,
        // Without the cause, which quotes what it does not understand.
        info: serde_json::from_str(info)
            .map_err(|_| StoreError::Corrupt { what: "policies.info", source: None })?,
    })
}
