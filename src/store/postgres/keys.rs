//! The states of keys.

use sqlx::PgConnection;

use super::{
    PostgresStore, connection::retrying, error::unavailable, row, text::stored, write::Write,
};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    token::{KeyId, KeyRecord, KeyState},
    token_service::{KeyChange, KeyStore, MAX_COUNTED_TOKENS},
};

impl PostgresStore {
    pub(super) async fn key_records(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let mut connection = self.connection().await?;
        let rows = sqlx::query(RECORDS).fetch_all(&mut *connection).await.map_err(unavailable)?;
        connection.release();
        rows.iter().map(row::key).collect()
    }
}

impl KeyStore for PostgresStore {
    fn add_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            write.lock_keys().await?;
            let added = sqlx::query(ADD)
                .bind(id.to_string())
                .bind(at.as_millis())
                .bind(stored(by.as_str()))
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            let changed = added.rows_affected() > 0;
            write.end_keys(if changed { KeyChange::Changed } else { KeyChange::Unchanged }).await
        }))
    }

    fn promote_key<'a>(
        &'a self,
        id: KeyId,
        known: &'a [KeyId],
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            write.lock_keys().await?;
            match state(write.connection(), id).await? {
                Some(KeyState::Signing) => return write.end_keys(KeyChange::Unchanged).await,
                Some(KeyState::Retired) => return write.end_keys(KeyChange::IsRetired).await,
                Some(KeyState::Verifying) | None => {}
            }
            for known in known.iter().chain([&id]) {
                write.know_key(*known, by, at).await?;
            }
            // Before the other, since one signs at most at any time.
            sqlx::query(DEMOTE)
                .bind(stored(by.as_str()))
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            sqlx::query(PROMOTE)
                .bind(at.as_millis())
                .bind(stored(by.as_str()))
                .bind(id.to_string())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            write.end_keys(KeyChange::Changed).await
        }))
    }

    fn retire_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            write.lock_keys().await?;
            match state(write.connection(), id).await? {
                Some(KeyState::Signing) => return write.end_keys(KeyChange::IsSigning).await,
                Some(KeyState::Retired) => return write.end_keys(KeyChange::Unchanged).await,
                Some(KeyState::Verifying) | None => {}
            }
            let one_signs: bool = sqlx::query_scalar(ONE_SIGNS)
                .fetch_one(write.connection())
                .await
                .map_err(unavailable)?;
            if !one_signs {
                return write.end_keys(KeyChange::NoneSigns).await;
            }
            write.know_key(id, by, at).await?;
            sqlx::query(RETIRE)
                .bind(at.as_millis())
                .bind(stored(by.as_str()))
                .bind(id.to_string())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            write.end_keys(KeyChange::Changed).await
        }))
    }

    fn count_tokens_of_key<'a>(
        &'a self,
        id: Option<KeyId>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let limit = i64::try_from(MAX_COUNTED_TOKENS).unwrap_or(i64::MAX);
            let counting = match id {
                Some(id) => {
                    sqlx::query_scalar(COUNT).bind(now.as_millis()).bind(limit).bind(id.to_string())
                }
                None => sqlx::query_scalar(COUNT_UNKNOWN).bind(now.as_millis()).bind(limit),
            };
            let counted: i64 = counting.fetch_one(&mut *connection).await.map_err(unavailable)?;
            connection.release();
            Ok(counted.try_into().unwrap_or_default())
        })
    }
}

impl Write<'_> {
    /// One at a time changes keys. Who only reads them does not wait.
    async fn lock_keys(&mut self) -> Result<(), StoreError> {
        sqlx::query("LOCK TABLE token_keys IN SHARE ROW EXCLUSIVE MODE")
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    /// Adds the key as one that verifies, unless it is known.
    async fn know_key(&mut self, id: KeyId, by: &Urn, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(KNOW)
            .bind(id.to_string())
            .bind(at.as_millis())
            .bind(stored(by.as_str()))
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    async fn end_keys(mut self, change: KeyChange) -> Result<KeyChange, StoreError> {
        if change == KeyChange::Changed {
            self.announce(&Change::Keys).await?;
            self.commit().await?;
        } else {
            self.roll_back().await?;
        }
        Ok(change)
    }
}

async fn state(connection: &mut PgConnection, id: KeyId) -> Result<Option<KeyState>, StoreError> {
    let found: Option<String> = sqlx::query_scalar("SELECT state FROM token_keys WHERE id = $1")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    found.map(|state| row::parse(&state, "token_keys.state")).transpose()
}

// By name: with `*`, a statement that was prepared before a column was added would fail.
const RECORDS: &str = "SELECT id, state, added_at, signing_since, retired_at, changed_by
     FROM token_keys ORDER BY id";

const KNOW: &str = "INSERT INTO token_keys (id, state, added_at, changed_by)
     VALUES ($1, 'verifying', $2, $3) ON CONFLICT (id) DO NOTHING";

const ADD: &str = "INSERT INTO token_keys (id, state, added_at, changed_by)
     VALUES ($1, 'verifying', $2, $3)
     ON CONFLICT (id) DO UPDATE
     SET state = 'verifying', retired_at = NULL, changed_by = excluded.changed_by
     WHERE token_keys.state = 'retired'";

const DEMOTE: &str =
    "UPDATE token_keys SET state = 'verifying', changed_by = $1 WHERE state = 'signing'";

const PROMOTE: &str =
    "UPDATE token_keys SET state = 'signing', signing_since = $1, changed_by = $2 WHERE id = $3";

const ONE_SIGNS: &str = "SELECT EXISTS (SELECT 1 FROM token_keys WHERE state = 'signing')";

const RETIRE: &str =
    "UPDATE token_keys SET state = 'retired', retired_at = $1, changed_by = $2 WHERE id = $3";

const COUNT: &str = "SELECT count(*) FROM (
         SELECT 1 FROM tokens
             WHERE key_id = $3 AND revoked_at IS NULL AND ends_at > $1 LIMIT $2
     ) AS counted";

// An index finds what is NULL, but not what is equal to a value that may be.
const COUNT_UNKNOWN: &str = "SELECT count(*) FROM (
         SELECT 1 FROM tokens
             WHERE key_id IS NULL AND revoked_at IS NULL AND ends_at > $1 LIMIT $2
     ) AS counted";
