//! The states of keys.

use sqlx::SqliteConnection;

use super::{SqliteStore, error::unavailable, row, write::Write};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    token::{KeyId, KeyRecord, KeyState},
    token_service::{KeyChange, KeyStore, MAX_COUNTED_TOKENS},
};

impl SqliteStore {
    pub(super) async fn key_records(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = sqlx::query("SELECT * FROM token_keys ORDER BY id")
            .fetch_all(&self.shared.readers)
            .await
            .map_err(unavailable)?;
        rows.iter().map(row::key).collect()
    }
}

impl KeyStore for SqliteStore {
    fn add_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let added = sqlx::query(ADD)
                .bind(id.to_string())
                .bind(at.as_millis())
                .bind(by.as_str())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            let changed = write.end_with(added.rows_affected() > 0, &Change::Keys).await?;
            Ok(if changed { KeyChange::Changed } else { KeyChange::Unchanged })
        })
    }

    fn promote_key<'a>(
        &'a self,
        id: KeyId,
        known: &'a [KeyId],
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            match state(write.connection(), id).await? {
                Some(KeyState::Signing) => return Ok(KeyChange::Unchanged),
                Some(KeyState::Retired) => return Ok(KeyChange::IsRetired),
                Some(KeyState::Verifying) | None => {}
            }
            for known in known.iter().chain([&id]) {
                write.know_key(*known, by, at).await?;
            }
            // Before the other, since one signs at most at any time.
            sqlx::query(DEMOTE)
                .bind(by.as_str())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            sqlx::query(PROMOTE)
                .bind(at.as_millis())
                .bind(by.as_str())
                .bind(id.to_string())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            write.end_with(true, &Change::Keys).await?;
            Ok(KeyChange::Changed)
        })
    }

    fn retire_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            match state(write.connection(), id).await? {
                Some(KeyState::Signing) => return Ok(KeyChange::IsSigning),
                Some(KeyState::Retired) => return Ok(KeyChange::Unchanged),
                Some(KeyState::Verifying) | None => {}
            }
            let one_signs: bool = sqlx::query_scalar(ONE_SIGNS)
                .fetch_one(write.connection())
                .await
                .map_err(unavailable)?;
            if !one_signs {
                return Ok(KeyChange::NoneSigns);
            }
            write.know_key(id, by, at).await?;
            sqlx::query(RETIRE)
                .bind(at.as_millis())
                .bind(by.as_str())
                .bind(id.to_string())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            write.end_with(true, &Change::Keys).await?;
            Ok(KeyChange::Changed)
        })
    }

    fn count_tokens_of_key<'a>(
        &'a self,
        id: Option<KeyId>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            let counted: i64 = sqlx::query_scalar(COUNT)
                .bind(id.map(|id| id.to_string()))
                .bind(now.as_millis())
                .bind(i64::try_from(MAX_COUNTED_TOKENS).unwrap_or(i64::MAX))
                .fetch_one(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            Ok(counted.try_into().unwrap_or_default())
        })
    }
}

impl Write<'_> {
    /// Adds the key as one that verifies, unless it is known.
    async fn know_key(&mut self, id: KeyId, by: &Urn, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(KNOW)
            .bind(id.to_string())
            .bind(at.as_millis())
            .bind(by.as_str())
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}

async fn state(
    connection: &mut SqliteConnection,
    id: KeyId,
) -> Result<Option<KeyState>, StoreError> {
    let found: Option<String> = sqlx::query_scalar("SELECT state FROM token_keys WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    found.map(|state| row::parse(&state, "token_keys.state")).transpose()
}

const KNOW: &str = "INSERT INTO token_keys (id, state, added_at, changed_by)
     VALUES (?, 'verifying', ?, ?) ON CONFLICT (id) DO NOTHING";

const ADD: &str = "INSERT INTO token_keys (id, state, added_at, changed_by)
     VALUES (?, 'verifying', ?, ?)
     ON CONFLICT (id) DO UPDATE
     SET state = 'verifying', retired_at = NULL, changed_by = excluded.changed_by
     WHERE state = 'retired'";

const DEMOTE: &str =
    "UPDATE token_keys SET state = 'verifying', changed_by = ? WHERE state = 'signing'";

const PROMOTE: &str =
    "UPDATE token_keys SET state = 'signing', signing_since = ?, changed_by = ? WHERE id = ?";

const ONE_SIGNS: &str = "SELECT EXISTS (SELECT 1 FROM token_keys WHERE state = 'signing')";

const RETIRE: &str =
    "UPDATE token_keys SET state = 'retired', retired_at = ?, changed_by = ? WHERE id = ?";

const COUNT: &str = "SELECT count(*) FROM (
         SELECT 1 FROM tokens
             WHERE key_id IS ?1 AND revoked_at IS NULL
                 AND coalesce(valid_until, expires_at, 9223372036854775807) > ?2
             LIMIT ?3
     )";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plan::plan;

    #[tokio::test]
    async fn the_tokens_of_a_key_are_counted_by_an_index() {
        let plan = plan(COUNT).await;
        let expected = "USING INDEX tokens_by_key_and_end (key_id=? AND <expr>>?)";
        assert!(plan.iter().any(|step| step.contains(expected)), "{plan:#?}");
    }

    #[tokio::test]
    async fn the_database_itself_lets_one_key_sign() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path().join("store.db")).await.unwrap();
        let mut write = store.write().await.unwrap();
        let insert = "INSERT INTO token_keys (id, state, added_at, signing_since, changed_by)
             VALUES (?, 'signing', 0, 0, '')";
        let one = sqlx::query(insert).bind("0123456789abcdef");
        one.execute(write.connection()).await.unwrap();
        let another = sqlx::query(insert).bind("fedcba9876543210");
        assert!(another.execute(write.connection()).await.is_err());
    }
}
