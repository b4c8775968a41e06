//! Revoking, and what is revoked with a token: what was made with it.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{
    error::unavailable,
    row::{self, bytes},
    write::Write,
};
use crate::{
    backend::StoreError,
    clock::Timestamp,
    feed::Change,
    token::{Revocation, RevocationRule, RuleScope, TokenId},
};

/// Revokes the token and what was made with it; `false` if it is revoked already, or not there.
pub(super) async fn revoke(
    write: &mut Write<'_>,
    id: &TokenId,
    revocation: &Revocation,
) -> Result<bool, StoreError> {
    let sql =
        "UPDATE tokens SET revoked_at = ?, revoked_by = ? WHERE id = ? AND revoked_at IS NULL";
    let revoked = sqlx::query(sql)
        .bind(revocation.at.as_millis())
        .bind(revocation.by.as_str())
        .bind(bytes(id))
        .execute(write.connection())
        .await
        .map_err(unavailable)?;
    if revoked.rows_affected() == 0 {
        return Ok(false);
    }
    write.announce(&Change::Token(*id)).await?;
    revoke_children(write, id, revocation).await?;
    Ok(true)
}

/// Whether the token is revoked, by itself or by the rule that reaches furthest, and if so, since
/// when and by whom.
pub(super) async fn revocation(
    connection: &mut SqliteConnection,
    id: &TokenId,
) -> Result<Option<Revocation>, StoreError> {
    let found = sqlx::query(REVOCATION)
        .bind(bytes(id))
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    found
        .map(|row| {
            let at = row.try_get(0).map_err(unavailable)?;
            let by = row::parse(row.try_get(1).map_err(unavailable)?, "tokens.revoked_by")?;
            Ok(Revocation { at: Timestamp::from_millis(at), by })
        })
        .transpose()
}

/// Revokes and announces what was made with the token, and what was made with that.
pub(super) async fn revoke_children(
    write: &mut Write<'_>,
    parent: &TokenId,
    revocation: &Revocation,
) -> Result<(), StoreError> {
    let revoking = sqlx::query(CHILDREN_OF_TOKEN)
        .bind(revocation.at.as_millis())
        .bind(revocation.by.as_str())
        .bind(bytes(parent));
    let revoked = revoking.fetch_all(write.connection()).await.map_err(unavailable)?;
    announce(write, &revoked).await
}

/// Revokes and announces what was made with the tokens that the rule covers.
pub(super) async fn revoke_children_of_covered(
    write: &mut Write<'_>,
    rule: &RevocationRule,
) -> Result<(), StoreError> {
    let (_, subject) = row::scope_parts(&rule.scope);
    let revoking = sqlx::query(match rule.scope {
        RuleScope::Actor(_) => CHILDREN_OF_ACTOR,
        RuleScope::Owner(_) => CHILDREN_OF_OWNER,
        RuleScope::Key(_) => CHILDREN_OF_KEY,
        RuleScope::All => CHILDREN_OF_ALL,
    });
    let revoking =
        revoking.bind(rule.issued_before.as_millis()).bind(rule.by.as_str()).bind(subject);
    let revoked = revoking.fetch_all(write.connection()).await.map_err(unavailable)?;
    announce(write, &revoked).await
}

async fn announce(write: &mut Write<'_>, revoked: &[SqliteRow]) -> Result<(), StoreError> {
    for row in revoked {
        write.announce(&Change::Token(row::token_id(row)?)).await?;
    }
    Ok(())
}

// As `RevocationRule::covers` says it, by look-ups by the primary key.
const REVOCATION: &str = "SELECT revoked_at, revoked_by FROM (
        SELECT revoked_at, revoked_by, 0 AS is_rule FROM tokens
            WHERE id = ?1 AND revoked_at IS NOT NULL
        UNION ALL
        SELECT rule.issued_before, rule.made_by, 1 FROM tokens JOIN revocation_rules AS rule
            ON tokens.created_at < rule.issued_before AND (
                rule.scope = 'all' AND rule.subject = ''
                OR rule.scope = 'key' AND rule.subject = tokens.key_id
                OR rule.scope = 'actor' AND rule.subject = tokens.actor
                OR rule.scope = 'owner' AND rule.subject = tokens.owner)
            WHERE tokens.id = ?1
    ) ORDER BY is_rule, revoked_at DESC LIMIT 1";

// What was revoked before took what was made with it along, so nothing is looked for behind it.
macro_rules! revoke_children_of {
    ($parent:literal) => {
        concat!(
            "WITH RECURSIVE lost (id) AS (
                 SELECT child.id
                     FROM tokens AS parent CROSS JOIN tokens AS child ON child.parent = parent.id
                     WHERE child.revoked_at IS NULL
                         AND parent.token_type IS NOT 'SESSION' AND ",
            $parent,
            "    UNION
                 SELECT child.id
                     FROM lost CROSS JOIN tokens AS parent ON parent.id = lost.id
                         CROSS JOIN tokens AS child ON child.parent = parent.id
                     WHERE child.revoked_at IS NULL AND parent.token_type IS NOT 'SESSION'
             )
             UPDATE tokens SET revoked_at = ?1, revoked_by = ?2
                 WHERE id IN (SELECT id FROM lost)
                 RETURNING id"
        )
    };
}

const CHILDREN_OF_TOKEN: &str = revoke_children_of!("parent.id = ?3");
// The indexes have only what was not revoked.
const CHILDREN_OF_ACTOR: &str = revoke_children_of!(
    "parent.revoked_at IS NULL AND parent.actor = ?3 AND parent.created_at < ?1"
);
const CHILDREN_OF_OWNER: &str = revoke_children_of!(
    "parent.revoked_at IS NULL AND parent.owner = ?3 AND parent.created_at < ?1"
);
const CHILDREN_OF_KEY: &str = revoke_children_of!(
    "parent.revoked_at IS NULL AND parent.key_id = ?3 AND parent.created_at < ?1"
);
const CHILDREN_OF_ALL: &str =
    revoke_children_of!("parent.revoked_at IS NULL AND parent.created_at < ?1 AND ?3 = ''");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plan::plan;

    #[tokio::test]
    async fn what_is_revoked_with_a_token_is_looked_up_and_not_searched_for() {
        for sql in [
            REVOCATION,
            CHILDREN_OF_TOKEN,
            CHILDREN_OF_ACTOR,
            CHILDREN_OF_OWNER,
            CHILDREN_OF_KEY,
            CHILDREN_OF_ALL,
        ] {
            let plan = plan(sql).await;
            let is_scan = |step: &&String| {
                step.starts_with("SCAN")
                    && !["SCAN lost", "SCAN (subquery"].iter().any(|own| step.starts_with(own))
            };
            assert_eq!(plan.iter().find(is_scan), None, "{plan:#?}");
        }
    }
}
