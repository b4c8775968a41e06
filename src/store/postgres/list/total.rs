//! How many tokens there are on all pages.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use super::{Part, parts, push_ends, push_part, push_rest};
use crate::{
    backend::StoreError,
    store::{
        postgres::{error::unavailable, text::stored},
        selection::{Selection, Whose},
        span::{End, Span},
    },
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
pub(super) fn count(selection: &Selection<'_>, with_rules: bool) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT 0::bigint");
    for part in parts(selection.whose) {
        sql.push(" + (SELECT count(*) FROM tokens WHERE ");
        push_part(&mut sql, &part);
        push_ends(&mut sql, "ends_at", selection.ends);
        push_rest(&mut sql, selection, with_rules);
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

/// How many there are that a rule covers.
pub(super) fn count_covered(selection: &Selection<'_>) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new("SELECT count(DISTINCT id) FROM (");
    let mut is_first = true;
    for part in parts(selection.whose) {
        for scope in ["owner", "actor", "key", "all"] {
            sql.push(if is_first { "" } else { " UNION ALL " });
            is_first = false;
            push_covered(&mut sql, &part, scope, selection.ends);
        }
    }
    sql.push(") AS covered");
    sql
}

/// The tokens of a part that a rule of a scope covers, as `RevocationRule::covers` says it. Starts
/// with the rules, of which there are few.
fn push_covered(sql: &mut QueryBuilder<Postgres>, part: &Part<'_>, scope: &str, ends: Span) {
    sql.push(
        "SELECT tokens.id FROM revocation_rules AS rule
             JOIN tokens ON tokens.created_at < rule.issued_before WHERE rule.scope = '",
    );
    sql.push(scope).push("' AND ");
    push_part(sql, part);
    push_ends(sql, "ends_at", ends);
    match scope {
        "all" => sql.push(" AND rule.subject = ''"),
        "key" => sql.push(" AND tokens.key_id = rule.subject"),
        "owner" => sql.push(" AND tokens.owner = rule.subject"),
        _ => sql.push(" AND tokens.actor = rule.subject"),
    };
}

/// That no rule covers the token, by look-ups by the primary key of the rules.
pub(super) fn push_uncovered(sql: &mut QueryBuilder<Postgres>) {
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

/// How long a span of `token_ends` is: 2 to the power of this, in milliseconds.
const SPAN_BITS: u32 = 22;
