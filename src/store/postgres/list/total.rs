//! How many tokens there are on all pages.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Part, parts, push_ends, push_part, push_rest};
use crate::{
    backend::StoreError,
    store::{
        postgres::{
            covered::{Scope, rules_that_cover},
            error::unavailable,
            row,
            text::stored,
        },
        selection::{Selection, Whose},
        span::{End, Span},
    },
    token::{RevocationRule, RuleScope},
};

pub(super) async fn number(
    connection: &mut PgConnection,
    mut sql: QueryBuilder<Postgres>,
) -> Result<u64, StoreError> {
    let number: i64 = sql
        .build_query_scalar()
        .persistent(false)
        .fetch_one(connection)
        .await
        .map_err(unavailable)?;
    u64::try_from(number).map_err(|error| StoreError::corrupt("token_counts.tokens", error))
}

/// How many there are, one by one.
pub(super) fn count(selection: &Selection<'_>, covered: &Covered) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT 0::bigint");
    for part in parts(selection.whose) {
        sql.push(" + (SELECT count(*) FROM tokens WHERE ");
        push_part(&mut sql, &part);
        push_ends(&mut sql, "ends_at", selection.ends);
        push_rest(&mut sql, selection, covered);
        sql.push(")");
    }
    sql
}

/// How many rows wait to be folded.
pub(super) fn deltas() -> QueryBuilder<Postgres> {
    QueryBuilder::new("SELECT count(*) FROM token_deltas")
}

/// How many there are by the counts that are kept, whether or not a rule covers them.
pub(super) fn kept(whose: Whose<'_>, ends: Span) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT (0");
    let (from, to) = (ends.from, ends.to);
    if to == End::Beyond {
        push_kept(&mut sql, whose);
        if from > Span::ALL.from {
            push_ended(&mut sql, " - ", whose, Span { to: from, ..Span::ALL });
        }
    } else if from < to {
        push_ended(&mut sql, " + ", whose, ends);
    }
    sql.push(")::bigint");
    sql
}

/// How many there are in all.
fn push_kept(sql: &mut QueryBuilder<Postgres>, whose: Whose<'_>) {
    for (sign, owner, actor) in counts(whose) {
        sql.push(sign).push(" coalesce((SELECT tokens FROM token_counts WHERE owner = ");
        sql.push_bind(stored(owner).into_owned());
        sql.push(" AND actor = ").push_bind(stored(actor).into_owned()).push("), 0)");
    }
    sql.push(" + coalesce((SELECT sum(tokens) FROM token_deltas WHERE ");
    push_whose(sql, whose);
    sql.push("), 0)");
}

/// How many there are that are over from one time on and before another.
fn push_ended(sql: &mut QueryBuilder<Postgres>, sign: &str, whose: Whose<'_>, ends: Span) {
    sql.push(sign).push("(0");
    for (sign, owner, actor) in counts(whose) {
        sql.push(sign).push(" coalesce((SELECT sum(tokens) FROM token_ends WHERE owner = ");
        sql.push_bind(stored(owner).into_owned());
        sql.push(" AND actor = ").push_bind(stored(actor).into_owned());
        push_spans(sql, ends);
        sql.push("), 0)");
    }
    sql.push(" + coalesce((SELECT sum(tokens) FROM token_deltas WHERE ");
    push_whose(sql, whose);
    sql.push(" AND span IS NOT NULL");
    push_spans(sql, ends);
    sql.push("), 0)");
    // What is in the spans at both ends, and not on this side of them.
    for (end, sign) in [(ends.from, " - "), (ends.to, " + ")] {
        let Some(millis) = millis(end) else { continue };
        let begin = End::At(millis >> SPAN_BITS << SPAN_BITS);
        for part in parts(whose) {
            push_counted(sql, sign, &part, Span { from: begin, to: end });
        }
    }
    sql.push(")");
}

fn push_spans(sql: &mut QueryBuilder<Postgres>, ends: Span) {
    for (end, operator) in [(ends.from, " AND span >= "), (ends.to, " AND span < ")] {
        if let Some(millis) = millis(end) {
            sql.push(operator).push_bind(millis >> SPAN_BITS);
        }
    }
}

fn push_counted(sql: &mut QueryBuilder<Postgres>, sign: &str, part: &Part<'_>, ends: Span) {
    sql.push(sign).push("(SELECT count(*) FROM tokens WHERE ");
    push_part(sql, part);
    push_ends(sql, "ends_at", ends);
    sql.push(")");
}

/// The time at which a span of the table begins or ends, if it is one.
fn millis(end: End) -> Option<i64> {
    match end {
        End::At(i64::MIN) | End::Never | End::Beyond => None,
        End::At(millis) => Some(millis),
    }
}

/// The counts that make up those of somebody, by owner and actor.
fn counts(whose: Whose<'_>) -> Vec<(&'static str, &str, &str)> {
    match whose {
        Whose::Anybodys => vec![(" +", ANY, ANY)],
        Whose::Owner(urn) => vec![(" +", urn, ANY)],
        Whose::Actor(urn) => vec![(" +", ANY, urn)],
        Whose::OwnerOrActor(urn) => {
            vec![(" +", urn, ANY), (" +", ANY, urn), (" -", urn, urn)]
        }
    }
}

/// Which rows of `token_deltas` are somebody's.
fn push_whose(sql: &mut QueryBuilder<Postgres>, whose: Whose<'_>) {
    let urn = |urn: &str| stored(urn).into_owned();
    match whose {
        Whose::Anybodys => sql.push("true"),
        Whose::Owner(owner) => sql.push("owner = ").push_bind(urn(owner)),
        Whose::Actor(actor) => sql.push("actor = ").push_bind(urn(actor)),
        Whose::OwnerOrActor(either) => {
            sql.push("(owner = ").push_bind(urn(either));
            sql.push(" OR actor = ").push_bind(urn(either)).push(")")
        }
    };
}

/// What rules cover of what is asked for.
#[derive(Debug)]
pub(super) enum Covered {
    Nothing,
    /// The ids.
    Few(Vec<Vec<u8>>),
    Many(u64),
}

impl Covered {
    pub(super) async fn of(
        connection: &mut PgConnection,
        selection: &Selection<'_>,
    ) -> Result<Self, StoreError> {
        let rules = rules_that_cover(connection).await?;
        if rules.is_empty() {
            return Ok(Self::Nothing);
        }
        // One rule covers a token once.
        let counting =
            if rules.len() == 1 { "SELECT count(*)" } else { "SELECT count(DISTINCT id)" };
        let count = number(connection, covered(counting, selection, &rules)).await?;
        if count == 0 {
            return Ok(Self::Nothing);
        }
        if count > FEW_TOKENS {
            return Ok(Self::Many(count));
        }
        let mut sql = covered("SELECT DISTINCT id", selection, &rules);
        let ids = sql.build_query_scalar().persistent(false).fetch_all(connection).await;
        ids.map(Self::Few).map_err(unavailable)
    }

    pub(super) fn count(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Few(ids) => ids.len().try_into().unwrap_or(u64::MAX),
            Self::Many(count) => *count,
        }
    }
}

/// What one of `rules`, which are all that cover anything, covers.
fn covered(
    wanted: &str,
    selection: &Selection<'_>,
    rules: &[RevocationRule],
) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(wanted);
    sql.push(" FROM (SELECT NULL::bytea AS id WHERE false");
    for part in parts(selection.whose) {
        let few = if matches!(part, Part::All) { FEW_OF_ALL } else { FEW_OF_SOMEBODY };
        if rules.len() <= few {
            for rule in rules {
                push_covered(&mut sql, &part, rule, selection.ends);
            }
        } else {
            for scope in Scope::ALL {
                push_covered_by_any(&mut sql, &part, scope, selection.ends);
            }
        }
    }
    sql.push(") AS covered");
    sql
}

/// The tokens of a part that the rule covers, as `RevocationRule::covers` says it. The server knows
/// all values, and so which index has the fewest.
fn push_covered(
    sql: &mut QueryBuilder<Postgres>,
    part: &Part<'_>,
    rule: &RevocationRule,
    ends: Span,
) {
    let (scope, subject) = row::scope_parts(&rule.scope);
    match (part, &rule.scope) {
        (Part::OfOwner(urn), RuleScope::Owner(_))
        | (Part::OfActor(urn) | Part::OfActorForOthers(urn), RuleScope::Actor(_))
            if *urn != subject =>
        {
            return;
        }
        _ => {}
    }
    sql.push(" UNION ALL SELECT id FROM tokens WHERE ");
    push_part(sql, part);
    push_ends(sql, "ends_at", ends);
    sql.push(" AND created_at < ").push_bind(rule.issued_before.as_millis());
    if let Some(column) =
        Scope::ALL.into_iter().find(|it| it.name() == scope).and_then(Scope::column)
    {
        sql.push(" AND ").push(column).push(" = ").push_bind(stored(&subject).into_owned());
    }
}

/// The same for all rules of a scope, where writing down each would be long. Each is looked up by
/// itself (the server leaves an `OFFSET 0` where it is): joined, it could go through all tokens.
fn push_covered_by_any(
    sql: &mut QueryBuilder<Postgres>,
    part: &Part<'_>,
    scope: Scope,
    ends: Span,
) {
    sql.push(" UNION ALL SELECT found.id FROM (").push(scope.rules_that_cover());
    sql.push(" OFFSET 0) AS rule CROSS JOIN LATERAL (SELECT id FROM tokens WHERE ");
    push_part(sql, part);
    push_ends(sql, "ends_at", ends);
    sql.push(" AND created_at < rule.issued_before");
    if let Some(column) = scope.column() {
        sql.push(" AND ").push(column).push(" = rule.subject");
    }
    sql.push(" OFFSET 0) AS found");
}

/// That no rule covers the token: if many are, by look-ups by the primary key of the rules.
pub(super) fn push_uncovered(sql: &mut QueryBuilder<Postgres>, covered: &Covered) {
    match covered {
        Covered::Nothing => return,
        Covered::Few(ids) => {
            sql.push(" AND id NOT IN (SELECT unnest(").push_bind(ids.clone()).push("::bytea[]))");
            return;
        }
        Covered::Many(_) => {}
    }
    for subject in [
        "rule.scope = 'all' AND rule.subject = ''",
        "rule.scope = 'key' AND rule.subject = tokens.key_id",
        "rule.scope = 'owner' AND rule.subject = tokens.owner",
        "rule.scope = 'actor' AND rule.subject = tokens.actor",
    ] {
        sql.push(" AND NOT EXISTS (SELECT 1 FROM revocation_rules AS rule WHERE ");
        sql.push(subject).push(" AND rule.issued_before > tokens.created_at)");
    }
}

/// What stands for any owner or actor in the tables of counts.
const ANY: &str = "";

/// How many rules are written down in a statement. Each takes about a quarter of a millisecond to plan.
const FEW_OF_ALL: usize = 100;
/// The same where else the server would have to choose between whose tokens and which rule without
/// knowing how many either has.
const FEW_OF_SOMEBODY: usize = 1_000;

/// How many tokens are left out by their ids, for which an index does to find the others.
const FEW_TOKENS: u64 = 1_000;

/// How long a span of `token_ends` is: 2 to the power of this, in milliseconds.
const SPAN_BITS: u32 = 22;
