//! Making tombstones of what rules cover, so that lists need not look for it any more.
//!
//! A rule is enough for what it covers: that is neither verified nor listed. But a list looks at each
//! token that a rule covers, to leave it out, so a sweep marks them: in small transactions, between
//! which other writers get their turn, and without announcing it.

use sqlx::PgConnection;

use super::{
    PostgresStore,
    connection::{LEISURE, end_read},
    error::unavailable,
    revoke::{BATCH, ids, is_covered, revocation},
    row,
    text::stored,
};
use crate::{
    backend::StoreError,
    token::{Revocation, RevocationRule, RuleScope, TokenId},
};

impl PostgresStore {
    /// Marks what a rule covers as revoked by the rule that reaches furthest.
    pub(super) async fn mark_covered(&self) -> Result<(), StoreError> {
        for rule in self.limited(self.all_rules()).await? {
            let revocation = Revocation { at: rule.issued_before, by: rule.by.clone() };
            loop {
                let covered = self.covered(&rule).await?;
                if covered.is_empty() {
                    break;
                }
                self.mark(covered, &revocation).await?;
            }
        }
        self.mark_covered_sessions().await
    }

    /// Some of the tokens that the rule covers and that are no sessions.
    async fn covered(&self, rule: &RevocationRule) -> Result<Vec<TokenId>, StoreError> {
        let (_, subject) = row::scope_parts(&rule.scope);
        let finding = sqlx::query(match rule.scope {
            RuleScope::Actor(_) => OF_ACTOR,
            RuleScope::Owner(_) => OF_OWNER,
            RuleScope::Key(_) => OF_KEY,
            RuleScope::All => OF_ALL,
        });
        let finding = finding.bind(rule.issued_before.as_millis()).bind(stored(&subject));
        self.find_at_leisure(finding.bind(batch())).await
    }

    /// The same for sessions, which are few, and have no index for every scope.
    async fn mark_covered_sessions(&self) -> Result<(), StoreError> {
        loop {
            let looking = async {
                let mut lease = self.read_at_leisure().await?;
                let covered = covered_sessions(&mut lease).await?;
                end_read(lease).await?;
                Ok(covered)
            };
            let covered = self.limited_to(LEISURE, looking).await?;
            if covered.is_empty() {
                return Ok(());
            }
            for (revocation, sessions) in covered {
                self.mark(sessions, &revocation).await?;
            }
        }
    }
}

/// Some of the sessions that rules cover, by what they are revoked by.
async fn covered_sessions(
    connection: &mut PgConnection,
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
                 WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'
                     AND created_at < $1 AND ",
            $scope,
            " LIMIT $3"
        )
    };
}

const OF_ACTOR: &str = covered!("actor = $2");
const OF_OWNER: &str = covered!("owner = $2");
const OF_KEY: &str = covered!("key_id = $2");
const OF_ALL: &str = covered!("$2 = ''");

const SESSIONS: &str = concat!(
    "SELECT id FROM tokens AS session
         WHERE revoked_at IS NULL AND token_type = 'SESSION' AND ",
    is_covered!("session"),
    " LIMIT $1"
);
