//! Revoking, which is one small transaction whatever was made with a token, and marking what was.
//!
//! Verifying looks at the ancestors of a token, so a child is dead as soon as its parent is. It is
//! marked only for the sake of lists: afterwards, in transactions so small that other writers get
//! their turn, and without announcing it. What is not marked then, since the future was dropped or
//! the process ended, is marked by a sweep.
//!
//! Whoever locks several tokens does so in the order of their ids, so that none waits for another
//! that waits for it.

use std::collections::BTreeSet;

use sqlx::{
    PgConnection, Postgres, Row,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    PostgresStore,
    connection::{LEISURE, end_read, retrying},
    error::unavailable,
    row::{self, bytes},
    text::stored,
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
                 FROM tokens AS parent JOIN tokens AS child ON child.parent = parent.id
                 WHERE child.revoked_at IS NULL AND parent.token_type IS DISTINCT FROM 'SESSION'
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
        "UPDATE tokens SET revoked_at = $1, revoked_by = $2 WHERE id = $3 AND revoked_at IS NULL";
    let revoked = sqlx::query(sql)
        .bind(revocation.at.as_millis())
        .bind(stored(revocation.by.as_str()))
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

/// What is known of the token that another one is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    Known,
    Unknown,
}

/// What a token that is made with `parent` comes to: an error if it cannot be made. From here on
/// nobody revokes any of its ancestors, until the transaction ends.
pub(super) async fn check_ancestors(
    connection: &mut PgConnection,
    parent: &TokenId,
) -> Result<Result<Parent, StoreError>, StoreError> {
    let max = i64::try_from(MAX_ANCESTORS).unwrap_or(i64::MAX);
    let chain = sqlx::query(ANCESTORS)
        .bind(bytes(parent))
        .bind(max)
        .fetch_all(&mut *connection)
        .await
        .map_err(unavailable)?;
    if chain.is_empty() {
        return Ok(Ok(Parent::Unknown));
    }
    let mut depth = 0;
    for ancestor in &chain {
        depth = depth.max(ancestor.try_get::<i64, _>("depth").map_err(unavailable)?);
    }
    let ancestors: BTreeSet<_> = ids(&chain)?.into_iter().collect();
    let locked = sqlx::query(LOCKED)
        .bind(all_bytes(&ancestors))
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    for ancestor in &locked {
        if ancestor.try_get("is_revoked").map_err(unavailable)? {
            return Ok(Err(StoreError::ParentRevoked));
        }
    }
    Ok(if depth > max { Err(check::too_deep()) } else { Ok(Parent::Known) })
}

impl PostgresStore {
    /// If the tokens are revoked, by themselves or by rules, marks what was made with them.
    pub(super) async fn settle(&self, ids: &BTreeSet<TokenId>) -> Result<(), StoreError> {
        for id in ids {
            let looking = async {
                let mut connection = self.connection().await?;
                let revocation = revocation(&mut connection, id).await?;
                connection.release();
                Ok(revocation)
            };
            if let Some(revocation) = self.limited(looking).await? {
                let children = self.limited(self.children(&[*id])).await?;
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
        let finding = finding.bind(rule.issued_before.as_millis()).bind(stored(&subject));
        let lost = self.find_at_leisure(finding).await?;
        let revocation = Revocation { at: rule.issued_before, by: rule.by.clone() };
        self.mark(lost, &revocation).await
    }

    /// Marks whatever was left unmarked.
    pub(super) async fn settle_all(&self) -> Result<(), StoreError> {
        let parents = self.find_at_leisure(sqlx::query(PARENTS_OF_LEFT)).await?;
        self.settle(&parents.into_iter().collect()).await?;
        for rule in self.rules_that_cover().await? {
            self.settle_rule(&rule).await?;
        }
        Ok(())
    }

    /// The tokens that a statement of a sweep finds.
    pub(super) async fn find_at_leisure(
        &self,
        finding: Query<'_, Postgres, PgArguments>,
    ) -> Result<Vec<TokenId>, StoreError> {
        let finding = async {
            let mut lease = self.read_at_leisure().await?;
            let found = finding.persistent(false).fetch_all(&mut *lease).await;
            let found = ids(&found.map_err(unavailable)?)?;
            end_read(lease).await?;
            Ok(found)
        };
        self.limited_to(LEISURE, finding).await
    }

    /// Marks the tokens, and what was made with them.
    pub(super) async fn mark(
        &self,
        mut lost: Vec<TokenId>,
        revocation: &Revocation,
    ) -> Result<(), StoreError> {
        while !lost.is_empty() {
            let batch = lost.split_off(lost.len().saturating_sub(BATCH));
            let marking = retrying(|| self.mark_batch(&batch, revocation));
            let marked = self.limited(marking).await?;
            lost.extend(self.limited(self.children(&marked)).await?);
        }
        Ok(())
    }

    /// Marks those of the tokens that are not revoked, and returns which.
    async fn mark_batch(
        &self,
        batch: &[TokenId],
        revocation: &Revocation,
    ) -> Result<Vec<TokenId>, StoreError> {
        let mut write = self.write().await?;
        let marked = sqlx::query(MARK)
            .bind(revocation.at.as_millis())
            .bind(stored(revocation.by.as_str()))
            .bind(all_bytes(batch))
            .fetch_all(write.connection())
            .await
            .map_err(unavailable)?;
        write.commit().await?;
        ids(&marked)
    }

    /// What is to be marked since these are revoked.
    async fn children(&self, parents: &[TokenId]) -> Result<Vec<TokenId>, StoreError> {
        let mut connection = self.connection().await?;
        let found = sqlx::query(CHILDREN)
            .bind(all_bytes(parents))
            .fetch_all(&mut *connection)
            .await
            .map_err(unavailable)?;
        connection.release();
        ids(&found)
    }
}

/// Whether the token is revoked, by itself or by the rule that reaches furthest, and if so, since
/// when and by whom.
pub(super) async fn revocation(
    connection: &mut PgConnection,
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

/// The ids, as an array that a statement takes.
pub(super) fn all_bytes<'a>(ids: impl IntoIterator<Item = &'a TokenId>) -> Vec<&'a [u8]> {
    ids.into_iter().map(bytes).collect()
}

pub(super) fn ids(rows: &[PgRow]) -> Result<Vec<TokenId>, StoreError> {
    rows.iter().map(row::token_id).collect()
}

/// How many tokens are marked or deleted in one transaction.
pub(super) const BATCH: usize = 500;

const MARK: &str = "WITH lost AS (
        SELECT id FROM tokens WHERE id = ANY($3) AND revoked_at IS NULL
            ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE tokens SET revoked_at = $1, revoked_by = $2
        FROM lost WHERE tokens.id = lost.id AND tokens.revoked_at IS NULL RETURNING tokens.id AS id";

// As `RevocationRule::covers` says it, by look-ups by the primary key.
const REVOCATION: &str = "SELECT revoked_at, revoked_by FROM (
        SELECT revoked_at, revoked_by, 0 AS is_rule FROM tokens
            WHERE id = $1 AND revoked_at IS NOT NULL
        UNION ALL
        SELECT rule.issued_before, rule.made_by, 1 FROM tokens JOIN revocation_rules AS rule
            ON tokens.created_at < rule.issued_before AND (
                rule.scope = 'all' AND rule.subject = ''
                OR rule.scope = 'key' AND rule.subject = tokens.key_id
                OR rule.scope = 'actor' AND rule.subject = tokens.actor
                OR rule.scope = 'owner' AND rule.subject = tokens.owner)
            WHERE tokens.id = $1
    ) AS revocations ORDER BY is_rule, revoked_at DESC LIMIT 1";

// A session as parent is looked at itself, since who was logged out makes nothing, and is no
// ancestor. From there on it is what verifying walks. None of these texts ever changes.
const ANCESTORS: &str = "WITH RECURSIVE ancestor (id, parent, depth) AS (
         SELECT id, parent,
                 CASE WHEN token_type IS DISTINCT FROM 'SESSION' THEN 1 ELSE 0 END::bigint
             FROM tokens WHERE id = $1
         UNION ALL
         SELECT next.id, next.parent, ancestor.depth + 1
             FROM ancestor JOIN tokens AS next ON next.id = ancestor.parent
             WHERE next.token_type IS DISTINCT FROM 'SESSION' AND ancestor.depth <= $2
     )
     SELECT id, depth FROM ancestor";

// Waits for who is revoking one of them, and sees then that it is revoked. Rules are locked already.
const LOCKED: &str = concat!(
    "SELECT id, revoked_at IS NOT NULL OR ",
    is_covered!("tokens"),
    " AS is_revoked FROM tokens WHERE id = ANY($1) ORDER BY id FOR SHARE"
);

const CHILDREN: &str = concat!(lost_children!(), "parent.id = ANY($1)");

// The indexes have only what was not revoked. What was made with what was revoked is marked already,
// or will be by a sweep.
const CHILDREN_OF_ACTOR: &str = concat!(
    lost_children!(),
    "parent.revoked_at IS NULL AND parent.actor = $2 AND parent.created_at < $1"
);
const CHILDREN_OF_OWNER: &str = concat!(
    lost_children!(),
    "parent.revoked_at IS NULL AND parent.owner = $2 AND parent.created_at < $1"
);
const CHILDREN_OF_KEY: &str = concat!(
    lost_children!(),
    "parent.revoked_at IS NULL AND parent.key_id = $2 AND parent.created_at < $1"
);
const CHILDREN_OF_ALL: &str =
    concat!(lost_children!(), "parent.revoked_at IS NULL AND parent.created_at < $1 AND $2 = ''");

const PARENTS_OF_LEFT: &str = concat!(
    "SELECT parent.id AS id FROM tokens AS parent
         WHERE parent.revoked_at IS NOT NULL AND parent.token_type IS DISTINCT FROM 'SESSION'
             AND EXISTS (SELECT 1 FROM tokens AS child
                 WHERE child.parent = parent.id AND child.revoked_at IS NULL
                     AND NOT ",
    is_covered!("child"),
    ")"
);
