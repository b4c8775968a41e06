//! Making tombstones of what rules cover, so that lists need not look for it any more.
//!
//! A rule is enough for what it covers: that is neither verified nor listed. But a list looks at each
//! token that a rule covers, to leave it out, so a sweep marks them: in small transactions, between
//! which other writers get their turn, and without announcing it.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{
    PostgresStore,
    connection::{LEISURE, end_read},
    error::unavailable,
    list::BEGIN_BY_INDEX,
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
        for rule in self.rules_that_cover().await? {
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

    /// As the function of this name.
    pub(super) async fn rules_that_cover(&self) -> Result<Vec<RevocationRule>, StoreError> {
        let looking = async {
            let mut lease = self.begin_with(BEGIN_BY_INDEX).await?;
            let rules = rules_that_cover(&mut lease).await?;
            end_read(lease).await?;
            Ok(rules)
        };
        self.limited(looking).await
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

/// The rules that cover any token that is no session and is not marked, the one that reaches furthest
/// first. Most rules cover nothing, and there may be thousands. In a transaction of
/// [`BEGIN_BY_INDEX`].
pub(super) async fn rules_that_cover(
    connection: &mut PgConnection,
) -> Result<Vec<RevocationRule>, StoreError> {
    let mut sql = QueryBuilder::<Postgres>::new("");
    for (number, scope) in Scope::ALL.into_iter().enumerate() {
        sql.push(if number == 0 { "" } else { " UNION ALL " }).push(scope.rules_that_cover());
    }
    sql.push(" ORDER BY issued_before DESC, scope, subject");
    let found = sql.build().persistent(false).fetch_all(connection).await.map_err(unavailable)?;
    found.iter().map(row::rule).collect()
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

// Looks at one token for each rule: the oldest of its subject, if it has any, and else the next one.
// `=` would leave the order to each index on the age, and the choice to what the server knows of the
// values; in this order there is but one.
macro_rules! rules_that_cover {
    ($scope:literal, $column:literal) => {
        concat!(
            "SELECT rule.scope, rule.subject, rule.issued_before, rule.made_by
                 FROM revocation_rules AS rule CROSS JOIN LATERAL (
                     SELECT ",
            $column,
            " AS subject, created_at FROM tokens
                         WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'
                             AND ",
            $column,
            " >= rule.subject ORDER BY ",
            $column,
            ", created_at LIMIT 1
                 ) AS oldest
                 WHERE rule.scope = '",
            $scope,
            "' AND oldest.subject = rule.subject AND oldest.created_at < rule.issued_before"
        )
    };
}

/// What a rule can be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Owner,
    Actor,
    Key,
    All,
}

impl Scope {
    pub(super) const ALL: [Self; 4] = [Self::Owner, Self::Actor, Self::Key, Self::All];

    /// As the rules have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Actor => "actor",
            Self::Key => "key",
            Self::All => "all",
        }
    }

    /// Which column of a token has the subject of the rule.
    pub(super) fn column(self) -> Option<&'static str> {
        match self {
            Self::Owner => Some("owner"),
            Self::Actor => Some("actor"),
            Self::Key => Some("key_id"),
            Self::All => None,
        }
    }

    /// Finds the rules of the scope that cover any token that is no session and is not marked.
    /// Conditions on `rule` may follow.
    pub(super) fn rules_that_cover(self) -> &'static str {
        match self {
            Self::Owner => rules_that_cover!("owner", "owner"),
            Self::Actor => rules_that_cover!("actor", "actor"),
            Self::Key => rules_that_cover!("key", "key_id"),
            Self::All => RULES_THAT_COVER_ALL,
        }
    }
}

const RULES_THAT_COVER_ALL: &str =
    "SELECT rule.scope, rule.subject, rule.issued_before, rule.made_by
    FROM revocation_rules AS rule CROSS JOIN LATERAL (
        SELECT created_at FROM tokens
            WHERE revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'
            ORDER BY created_at LIMIT 1
    ) AS oldest
    WHERE rule.scope = 'all' AND rule.subject = '' AND oldest.created_at < rule.issued_before";

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
