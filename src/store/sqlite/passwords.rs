//! Hashes of passwords, and the sessions that end when one is changed.

use super::{
    SqliteStore,
    error::unavailable,
    row::{self, PERSON},
    write::Write,
};
use crate::{
    actor::{PasswordHash, PasswordStore, Urn},
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    store::check,
};

impl PasswordStore for SqliteStore {
    fn password_hash<'a>(
        &'a self,
        user: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PasswordHash>, StoreError>> {
        Box::pin(async move {
            let found: Option<String> =
                sqlx::query_scalar("SELECT hash FROM passwords WHERE user_urn = ?")
                    .bind(user.as_str())
                    .fetch_optional(&self.shared.readers)
                    .await
                    .map_err(unavailable)?;
            Ok(found.map(PasswordHash::from))
        })
    }

    fn set_password_hash<'a>(
        &'a self,
        user: &'a Urn,
        hash: Option<&'a PasswordHash>,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let kind: Option<String> = sqlx::query_scalar("SELECT kind FROM users WHERE urn = ?")
                .bind(user.as_str())
                .fetch_optional(write.connection())
                .await
                .map_err(unavailable)?;
            let Some(kind) = kind else { return Ok(false) };
            let changing = match hash {
                Some(_) if kind != PERSON => return Err(check::no_password()),
                Some(hash) => sqlx::query(SET)
                    .bind(user.as_str())
                    .bind(hash.expose())
                    .bind(at.as_millis())
                    .bind(by.as_str()),
                None => sqlx::query("DELETE FROM passwords WHERE user_urn = ?").bind(user.as_str()),
            };
            changing.execute(write.connection()).await.map_err(unavailable)?;
            write.end_sessions(user, by, at).await?;
            write.commit().await?;
            Ok(true)
        })
    }
}

impl Write<'_> {
    /// Ends every session of the user.
    pub(super) async fn end_sessions(
        &mut self,
        user: &Urn,
        by: &Urn,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let ended = sqlx::query(END_SESSIONS)
            .bind(at.as_millis())
            .bind(by.as_str())
            .bind(user.as_str())
            .fetch_all(self.connection())
            .await
            .map_err(unavailable)?;
        for session in &ended {
            self.announce(&Change::Token(row::token_id(session)?)).await?;
        }
        Ok(())
    }
}

const SET: &str = "INSERT INTO passwords (user_urn, hash, set_at, set_by) VALUES (?, ?, ?, ?)
     ON CONFLICT (user_urn) DO UPDATE
     SET hash = excluded.hash, set_at = excluded.set_at, set_by = excluded.set_by";

const END_SESSIONS: &str = "UPDATE tokens SET revoked_at = ?, revoked_by = ?
     WHERE actor = ? AND token_type = 'SESSION' AND revoked_at IS NULL RETURNING id";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plan::plan;

    #[tokio::test]
    async fn the_sessions_of_a_user_are_looked_up_and_not_searched_for() {
        let plan = plan(END_SESSIONS).await;
        assert!(plan.iter().any(|step| step.contains("sessions_by_actor")), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{plan:#?}");
    }
}
