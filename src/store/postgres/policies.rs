//! Policies, as JSON in DataHub's names.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;

use super::{
    PostgresStore,
    connection::retrying,
    error::unavailable,
    row,
    text::{self, stored},
    write::Write,
};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    feed::Change,
    policy::{Policy, PolicyRecord, PolicySource, PolicyStore},
    store::seed,
};

impl PolicySource for PostgresStore {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let rows = sqlx::query("SELECT urn, info FROM policies ORDER BY urn")
                .fetch_all(&mut *connection)
                .await
                .map_err(unavailable)?;
            connection.release();
            rows.iter().map(record).collect()
        })
    }
}

impl PolicyStore for PostgresStore {
    fn policy<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PolicyRecord>, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let found = sqlx::query("SELECT urn, info FROM policies WHERE urn = $1")
                .bind(stored(urn.as_str()))
                .fetch_optional(&mut *connection)
                .await
                .map_err(unavailable)?;
            connection.release();
            found.as_ref().map(record).transpose()
        })
    }

    fn put_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            let mut changed = false;
            // In the order of their urns, in which everybody locks them.
            for (urn, policy) in seed::last_of_each(records) {
                changed |= write.write_policy(urn, policy, REPLACE).await?;
            }
            write.end_with(changed, &Change::Policies).await?;
            Ok(())
        }))
    }

    fn replace_policy<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
        new: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            if !write.has_policy(urn, expected).await? {
                write.roll_back().await?;
                return Ok(false);
            }
            let changed = write.write_policy(urn, new, REPLACE).await?;
            write.end_with(changed, &Change::Policies).await?;
            Ok(true)
        }))
    }

    fn delete_policy_if<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            let deleted =
                write.has_policy(urn, expected).await? && write.delete_policy(urn).await?;
            write.end_with(deleted, &Change::Policies).await
        }))
    }

    fn delete_policy<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            let deleted = write.delete_policy(urn).await?;
            write.end_with(deleted, &Change::Policies).await
        }))
    }

    fn seed_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            let found: BTreeSet<String> = sqlx::query_scalar("SELECT urn FROM policies")
                .fetch_all(write.connection())
                .await
                .map_err(unavailable)?
                .into_iter()
                .collect();
            let wanted: BTreeMap<_, _> =
                seed::defaults(records, |urn| found.contains(&*stored(urn.as_str())));
            let mut changed = 0;
            for (urn, policy) in wanted {
                // One that somebody else has stored meanwhile is left as it is, too.
                let sql = if policy.editable { ADD } else { REPLACE };
                changed += usize::from(write.write_policy(urn, policy, sql).await?);
            }
            write.end_with(changed > 0, &Change::Policies).await?;
            Ok(changed)
        }))
    }
}

impl Write<'_> {
    /// Stores a policy by the statement `sql`, and returns whether that made a difference.
    async fn write_policy(
        &mut self,
        urn: &Urn,
        policy: &Policy,
        sql: &'static str,
    ) -> Result<bool, StoreError> {
        let info = serde_json::to_string(policy).map_err(StoreError::unavailable)?;
        let written = sqlx::query(sql)
            .bind(stored(urn.as_str()))
            .bind(stored(&info))
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(written.rows_affected() > 0)
    }

    /// Whether this is what is stored; if so, it stays so until the transaction ends. By what it
    /// says, and not by its text, which another version may have written in other words.
    async fn has_policy(&mut self, urn: &Urn, policy: &Policy) -> Result<bool, StoreError> {
        let found = sqlx::query("SELECT urn, info FROM policies WHERE urn = $1 FOR UPDATE")
            .bind(stored(urn.as_str()))
            .fetch_optional(self.connection())
            .await
            .map_err(unavailable)?;
        let found = found.as_ref().map(record).transpose()?;
        Ok(found.is_some_and(|found| found.info == *policy))
    }

    async fn delete_policy(&mut self, urn: &Urn) -> Result<bool, StoreError> {
        let deleted = sqlx::query("DELETE FROM policies WHERE urn = $1")
            .bind(stored(urn.as_str()))
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(deleted.rows_affected() > 0)
    }
}

const ADD: &str = "INSERT INTO policies (urn, info) VALUES ($1, $2) ON CONFLICT (urn) DO NOTHING";

const REPLACE: &str = "INSERT INTO policies (urn, info) VALUES ($1, $2)
     ON CONFLICT (urn) DO UPDATE SET info = excluded.info WHERE policies.info <> excluded.info";

fn record(row: &PgRow) -> Result<PolicyRecord, StoreError> {
    let info = text::read(row::value(row, "policies.info")?, "policies.info")?;
    Ok(PolicyRecord {
        urn: row::parsed(row, "policies.urn")?,
        // Without the cause, which quotes what it does not understand.
        info: serde_json::from_str(&info)
            .map_err(|_| StoreError::Corrupt { what: "policies.info", source: None })?,
    })
}
