//! Making tombstones of what rules cover, so that lists need not look for it any more.
//!
//! A rule is enough for what it covers: that is neither verified nor listed. But a list looks at each
//! token that a rule covers, to leave it out, so a sweep marks them: in small transactions, between
//! which other writers get their turn, and without announcing it.

use std::time::Instant;

use sqlx::SqliteConnection;
use tokio::time::sleep;

use super::{
    SqliteStore,
    error::unavailable,
    revoke::{BATCH, ids, is_covered, revocation},
    row,
};
use crate::{
    backend::StoreError,
    token::{Revocation, RevocationRule, RuleScope, TokenId},
};

impl SqliteStore {
    /// Marks what a rule covers as revoked by the rule that reaches furthest.
    pub(super) async fn mark_covered(&self) -> Result<(), StoreError> {
        let rules = sqlx::query("SELECT * FROM revocation_rules ORDER BY issued_before DESC")
            .fetch_all(&self.shared.readers)
            .await
            .map_err(unavailable)?;
        for rule in &rules {
            let rule = row::rule(rule)?;
            let revocation = Revocation { at: rule.issued_before, by: rule.by.clone() };
            loop {
                let begun = Instant::now();
                let covered = self.covered(&rule).await?;
                if covered.is_empty() {
                    break;
                }
                self.mark(covered, &revocation).await?;
                sleep(begun.elapsed()).await;
            }
        }
        self.mark_covered_sessions().await
    }

    /// Some of the tokens that the rule covers and that are no sessions.
    async fn covered(&self, rule: &RevocationRule) -> Result<Vec<TokenId>, StoreError> {
        let (_, subject) = row::scope_parts(&rule.scope);
        let found = sqlx::query(match rule.scope {
            RuleScope::Actor(_) => OF_ACTOR,
            RuleScope::Owner(_) => OF_OWNER,
            RuleScope::Key(_) => OF_KEY,
            RuleScope::All => OF_ALL,
        })
        .bind(rule.issued_before.as_millis())
        .bind(subject)
        .bind(batch())
        .fetch_all(&self.shared.readers)
        .await
        .map_err(unavailable)?;
        ids(&found)
    }

    /// The same for sessions, which are few, and have no index for every scope.
    async fn mark_covered_sessions(&self) -> Result<(), StoreError> {
        loop {
            let begun = Instant::now();
            let mut reader = self.shared.readers.acquire().await.map_err(unavailable)?;
            let covered = covered_sessions(&mut reader).await?;
            drop(reader);
            if covered.is_empty() {
                return Ok(());
            }
            for (revocation, sessions) in covered {
                self.mark(sessions, &revocation).await?;
            }
            sleep(begun.elapsed()).await;
        }
    }
}

/// Some of the sessions that rules cover, by what they are revoked by.
async fn covered_sessions(
    connection: &mut SqliteConnection,
) -> Result<Vec<(Revocation, Vec<TokenId>)>, StoreError> {
    let found = sqlx::query(SESSIONS)
        .bind(batch())
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    let mut covered: Vec<(Revocation, Vec<TokenId>)> = Vec::new();
    for session in ids(&found)? {
        let Some(revocation) = revocation(connection, &session).await? else { continue };
        match covered.iter_mut().find(|(known, _)| *known == revocation) {
            Some((_, sessions)) => sessions.push(session),
            None => covered.push((revocation, vec![session])),
        }
    }
    Ok(covered)
}

fn batch() -> i64 {
    i64::try_from(BATCH).unwrap_or(i64::MAX)
}

macro_rules! covered {
    ($scope:literal) => {
        concat!(
            "SELECT id FROM tokens
                 WHERE revoked_at IS NULL AND token_type IS NOT 'SESSION' AND created_at < ?1 AND ",
            $scope,
            " LIMIT ?3"
        )
    };
}

const OF_ACTOR: &str = covered!("actor = ?2");
const OF_OWNER: &str = covered!("owner = ?2");
const OF_KEY: &str = covered!("key_id = ?2");
const OF_ALL: &str = covered!("?2 = ''");

const SESSIONS: &str = concat!(
    "SELECT id FROM tokens AS session INDEXED BY sessions_by_actor
         WHERE revoked_at IS NULL AND token_type = 'SESSION' AND ",
    is_covered!("session"),
    " LIMIT ?1"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plan::plan;

    #[tokio::test]
    async fn what_a_rule_covers_is_looked_up_and_not_searched_for() {
        for (sql, found) in [
            (OF_ACTOR, "tokens_by_actor_and_created_at (actor=? AND created_at<?)"),
            (OF_OWNER, "tokens_by_owner_and_created_at (owner=? AND created_at<?)"),
            (OF_KEY, "tokens_by_key_and_created_at (key_id=? AND created_at<?)"),
            (OF_ALL, "tokens_by_created_at (created_at<?)"),
        ] {
            let plan = plan(sql).await;
            assert!(plan[0].starts_with("SEARCH tokens USING "), "{plan:#?}");
            assert!(plan[0].ends_with(found), "{plan:#?}");
        }
        let plan = plan(SESSIONS).await;
        assert!(plan[0].contains(" INDEX sessions_by_actor"), "{plan:#?}");
    }
}
