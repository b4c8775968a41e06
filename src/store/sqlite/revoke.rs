//! Revoking, which is one small transaction whatever was made with a token, and marking what was.
//!
//! Verifying looks at the ancestors of a token, so a child is dead as soon as its parent is. It is
//! marked only for the sake of lists: afterwards, in transactions so small that other writers get
//! their turn, and without announcing it. What is not marked then, since the future was dropped or
//! the process ended, is marked by a sweep.

use std::{collections::BTreeSet, time::Instant};

use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};
use tokio::time::sleep;

use super::{
    SqliteStore,
    error::unavailable,
    row::{self, bytes},
    write::Write,
};
use crate::{
    backend::StoreError,
    clock::Timestamp,
    feed::Change,
    store::check,
    token::{Revocation, RevocationRule, RuleScope, TokenId},
    token_service::MAX_ANCESTORS,
};

/// Whether a rule covers the token, as `RevocationRule::covers` says it, by look-ups by the primary
/// key.
macro_rules! is_covered {
    ($token:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM revocation_rules AS rule
                 WHERE rule.issued_before > ",
            $token,
            ".created_at AND (
                     rule.scope = 'all' AND rule.subject = ''
                     OR rule.scope = 'key' AND rule.subject = ",
            $token,
            ".key_id
                     OR rule.scope = 'actor' AND rule.subject = ",
            $token,
            ".actor
                     OR rule.scope = 'owner' AND rule.subject = ",
            $token,
            ".owner))"
        )
    };
}

pub(super) use is_covered;

/// What is to be marked, if the condition that follows says which parents are revoked. The rule is
/// enough for what one covers, and what was made in a session stays.
macro_rules! lost_children {
    () => {
        concat!(
            "SELECT child.id AS id
                 FROM tokens AS parent CROSS JOIN tokens AS child ON child.parent = parent.id
                 WHERE child.revoked_at IS NULL AND parent.token_type IS NOT 'SESSION'
                     AND NOT ",
            is_covered!("child"),
            " AND "
        )
    };
}

/// Revokes the token alone; `false` if it is revoked already, or not there.
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
    Ok(true)
}

/// What a token that is made with `parent` comes to: an error if it cannot be made.
pub(super) async fn check_ancestors(
    connection: &mut SqliteConnection,
    parent: &TokenId,
) -> Result<(), StoreError> {
    let found = sqlx::query(ANCESTORS)
        .bind(bytes(parent))
        .bind(i64::try_from(MAX_ANCESTORS).unwrap_or(i64::MAX))
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    let depth: Option<i64> = found.try_get(0).map_err(unavailable)?;
    let is_revoked: Option<bool> = found.try_get(1).map_err(unavailable)?;
    if is_revoked == Some(true) {
        return Err(StoreError::ParentRevoked);
    }
    if depth.is_some_and(|depth| usize::try_from(depth).is_ok_and(|depth| depth > MAX_ANCESTORS)) {
        return Err(check::too_deep());
    }
    Ok(())
}

impl SqliteStore {
    /// If the tokens are revoked, by themselves or by rules, marks what was made with them.
    pub(super) async fn settle(&self, ids: &BTreeSet<TokenId>) -> Result<(), StoreError> {
        for id in ids {
            let mut reader = self.shared.readers.acquire().await.map_err(unavailable)?;
            let revocation = revocation(&mut reader, id).await?;
            drop(reader);
            if let Some(revocation) = revocation {
                let children = self.children(&[*id]).await?;
                self.mark(children, &revocation).await?;
            }
        }
        Ok(())
    }

    /// Marks what was made with the tokens that the rule covers.
    pub(super) async fn settle_rule(&self, rule: &RevocationRule) -> Result<(), StoreError> {
        let (_, subject) = row::scope_parts(&rule.scope);
        let finding = sqlx::query(match rule.scope {
            RuleScope::Actor(_) => CHILDREN_OF_ACTOR,
            RuleScope::Owner(_) => CHILDREN_OF_OWNER,
            RuleScope::Key(_) => CHILDREN_OF_KEY,
            RuleScope::All => CHILDREN_OF_ALL,
        });
        let finding = finding.bind(rule.issued_before.as_millis()).bind(subject);
        let found = finding.fetch_all(&self.shared.readers).await.map_err(unavailable)?;
        let revocation = Revocation { at: rule.issued_before, by: rule.by.clone() };
        self.mark(ids(&found)?, &revocation).await
    }

    /// Marks whatever was left unmarked.
    pub(super) async fn settle_all(&self) -> Result<(), StoreError> {
        let found = sqlx::query(PARENTS_OF_LEFT).fetch_all(&self.shared.readers).await;
        let parents = ids(&found.map_err(unavailable)?)?;
        self.settle(&parents.into_iter().collect()).await?;
        let rules = sqlx::query("SELECT * FROM revocation_rules ORDER BY issued_before DESC")
            .fetch_all(&self.shared.readers)
            .await
            .map_err(unavailable)?;
        for found in &rules {
            self.settle_rule(&row::rule(found)?).await?;
        }
        Ok(())
    }

    /// Marks the tokens, and what was made with them.
    pub(super) async fn mark(
        &self,
        mut lost: Vec<TokenId>,
        revocation: &Revocation,
    ) -> Result<(), StoreError> {
        while !lost.is_empty() {
            let batch = lost.split_off(lost.len().saturating_sub(BATCH));
            let begun = Instant::now();
            let marked = self.mark_batch(&batch, revocation).await?;
            let took = begun.elapsed();
            lost.extend(self.children(&marked).await?);
            if !lost.is_empty() {
                // Writers of other processes do not stand in line but try again and again: half of
                // the time is theirs.
                sleep(took).await;
            }
        }
        Ok(())
    }

    /// Marks those of the tokens that are not revoked, and returns which.
    async fn mark_batch(
        &self,
        batch: &[TokenId],
        revocation: &Revocation,
    ) -> Result<Vec<TokenId>, StoreError> {
        let mut sql = QueryBuilder::new("UPDATE tokens SET revoked_at = ");
        sql.push_bind(revocation.at.as_millis());
        sql.push(", revoked_by = ").push_bind(revocation.by.as_str());
        sql.push(" WHERE revoked_at IS NULL AND id IN ");
        push_ids(&mut sql, batch);
        sql.push(" RETURNING id");
        let mut write = self.write().await?;
        let marked = sql.build().fetch_all(write.connection()).await.map_err(unavailable)?;
        write.commit().await?;
        ids(&marked)
    }

    /// What is to be marked since these are revoked.
    async fn children(&self, parents: &[TokenId]) -> Result<Vec<TokenId>, StoreError> {
        let mut sql = QueryBuilder::new(concat!(lost_children!(), "parent.id IN "));
        push_ids(&mut sql, parents);
        let found = sql.build().fetch_all(&self.shared.readers).await.map_err(unavailable)?;
        ids(&found)
    }
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

fn push_ids(sql: &mut QueryBuilder<Sqlite>, ids: &[TokenId]) {
    sql.push("(");
    let mut list = sql.separated(", ");
    for id in ids {
        list.push_bind(id.as_bytes().as_slice());
    }
    sql.push(")");
}

pub(super) fn ids(rows: &[SqliteRow]) -> Result<Vec<TokenId>, StoreError> {
    rows.iter().map(row::token_id).collect()
}

/// How many tokens are marked or deleted in one transaction: what takes about a tenth of a second on a
/// machine that is busy.
pub(super) const BATCH: usize = 200;

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

// A session as parent is looked at itself, since who was logged out makes nothing, and is no
// ancestor. From there on it is what verifying walks.
const ANCESTORS: &str = concat!(
    "WITH RECURSIVE ancestor (parent, actor, owner, key_id, created_at, revoked_at, depth) AS (
         SELECT parent, actor, owner, key_id, created_at, revoked_at, token_type IS NOT 'SESSION'
             FROM tokens WHERE id = ?1
         UNION ALL
         SELECT next.parent, next.actor, next.owner, next.key_id, next.created_at,
                 next.revoked_at, ancestor.depth + 1
             FROM ancestor CROSS JOIN tokens AS next ON next.id = ancestor.parent
             WHERE next.token_type IS NOT 'SESSION' AND ancestor.depth <= ?2
     )
     SELECT max(depth), max(revoked_at IS NOT NULL OR ",
    is_covered!("ancestor"),
    ") FROM ancestor"
);

// The indexes have only what was not revoked. What was made with what was revoked is marked already,
// or will be by a sweep.
const CHILDREN_OF_ACTOR: &str = concat!(
    lost_children!(),
    "parent.revoked_at IS NULL AND parent.actor = ?2 AND parent.created_at < ?1"
);
const CHILDREN_OF_OWNER: &str = concat!(
    lost_children!(),
    "parent.revoked_at IS NULL AND parent.owner = ?2 AND parent.created_at < ?1"
);
const CHILDREN_OF_KEY: &str = concat!(
    lost_children!(),
    "parent.revoked_at IS NULL AND parent.key_id = ?2 AND parent.created_at < ?1"
);
const CHILDREN_OF_ALL: &str =
    concat!(lost_children!(), "parent.revoked_at IS NULL AND parent.created_at < ?1 AND ?2 = ''");

const PARENTS_OF_LEFT: &str = concat!(
    "SELECT parent.id AS id FROM tokens AS parent
         WHERE parent.revoked_at IS NOT NULL AND parent.token_type IS NOT 'SESSION'
             AND EXISTS (SELECT 1 FROM tokens AS child
                 WHERE child.parent = parent.id AND child.revoked_at IS NULL
                     AND NOT ",
    is_covered!("child"),
    ")"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plan::plan;

    #[tokio::test]
    async fn what_is_revoked_with_a_token_is_looked_up_and_not_searched_for() {
        for sql in [
            REVOCATION,
            ANCESTORS,
            concat!(lost_children!(), "parent.id IN (?, ?)"),
            CHILDREN_OF_ACTOR,
            CHILDREN_OF_OWNER,
            CHILDREN_OF_KEY,
            CHILDREN_OF_ALL,
            PARENTS_OF_LEFT,
        ] {
            let plan = plan(sql).await;
            let is_scan = |step: &&String| {
                step.starts_with("SCAN")
                    && !["SCAN ancestor", "SCAN (subquery"].iter().any(|own| step.starts_with(own))
            };
            assert_eq!(plan.iter().find(is_scan), None, "{plan:#?}");
        }
    }
}
