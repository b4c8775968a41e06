//! Hashes of passwords, and the sessions that end when one is changed.

use super::{
    PostgresStore,
    connection::retrying,
    error::unavailable,
    row::{self, PERSON},
    text::{self, stored},
    write::Write,
};
use crate::{
    actor::{PasswordHash, PasswordStore, Urn},
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    store::check,
};

impl PasswordStore for PostgresStore {
    fn password_hash<'a>(
        &'a self,
        user: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PasswordHash>, StoreError>> {
        self.limited(retrying(move || async move {
            let mut connection = self.connection().await?;
            // Waits for who is changing it: that one may have ended the sessions already, without one
            // that was made since. What is read behind this is read as of now. It writes nothing, as
            // a lock of the row would: anybody may try passwords.
            sqlx::query("SELECT pg_advisory_xact_lock_shared($1, hashtext($2))")
                .bind(LOCKS)
                .bind(stored(user.as_str()))
                .execute(&mut *connection)
                .await
                .map_err(unavailable)?;
            let found: Option<String> =
                sqlx::query_scalar("SELECT hash FROM passwords WHERE user_urn = $1")
                    .bind(stored(user.as_str()))
                    .fetch_optional(&mut *connection)
                    .await
                    .map_err(unavailable)?;
            connection.release();
            found.map(|hash| Ok(text::read(&hash, "passwords.hash")?.into())).transpose()
        }))
    }

    fn set_password_hash<'a>(
        &'a self,
        user: &'a Urn,
        hash: Option<&'a PasswordHash>,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.limited(retrying(move || async move {
            let mut write = self.write().await?;
            write.lock_password(user).await?;
            let kind: Option<String> =
                sqlx::query_scalar("SELECT kind FROM users WHERE urn = $1 FOR UPDATE")
                    .bind(stored(user.as_str()))
                    .fetch_optional(write.connection())
                    .await
                    .map_err(unavailable)?;
            let Some(kind) = kind else {
                write.roll_back().await?;
                return Ok(false);
            };
            let changing = match hash {
                Some(_) if kind != PERSON => {
                    write.roll_back().await?;
                    return Err(check::no_password());
                }
                Some(hash) => sqlx::query(SET)
                    .bind(stored(user.as_str()))
                    .bind(stored(hash.expose()))
                    .bind(at.as_millis())
                    .bind(stored(by.as_str())),
                None => sqlx::query("DELETE FROM passwords WHERE user_urn = $1")
                    .bind(stored(user.as_str())),
            };
            changing.execute(write.connection()).await.map_err(unavailable)?;
            write.end_sessions(user, by, at).await?;
            write.commit().await?;
            Ok(true)
        }))
    }
}

impl Write<'_> {
    /// Makes who asks for the user's password wait until this transaction ends. It comes before the
    /// lock of the user's row.
    pub(super) async fn lock_password(&mut self, user: &Urn) -> Result<(), StoreError> {
        sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
            .bind(LOCKS)
            .bind(stored(user.as_str()))
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    /// Ends every session of the user, whose password is locked: see [`PasswordStore::password_hash`].
    pub(super) async fn end_sessions(
        &mut self,
        user: &Urn,
        by: &Urn,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let ended = sqlx::query(END_SESSIONS)
            .bind(at.as_millis())
            .bind(stored(by.as_str()))
            .bind(stored(user.as_str()))
            .fetch_all(self.connection())
            .await
            .map_err(unavailable)?;
        for session in &ended {
            self.announce(&Change::Token(row::token_id(session)?)).await?;
        }
        Ok(())
    }
}

const SET: &str = "INSERT INTO passwords (user_urn, hash, set_at, set_by) VALUES ($1, $2, $3, $4)
     ON CONFLICT (user_urn) DO UPDATE
     SET hash = excluded.hash, set_at = excluded.set_at, set_by = excluded.set_by";

// Locked in the order of their ids, as by everybody who locks several.
const END_SESSIONS: &str = "WITH ended AS (
         SELECT id FROM tokens
         WHERE actor = $3 AND token_type = 'SESSION' AND revoked_at IS NULL ORDER BY id FOR UPDATE
     )
     UPDATE tokens SET revoked_at = $1, revoked_by = $2 FROM ended
     WHERE tokens.id = ended.id RETURNING tokens.id";

/// Any number that nobody else locks with a second one.
const LOCKS: i32 = 1_940_275;
