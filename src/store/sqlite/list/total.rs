//! How many tokens there are on all pages.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{Part, parts, push_ends, push_part, push_rest};
use crate::{
    backend::StoreError,
    store::{
        selection::{Selection, Whose},
        span::{End, Span},
        sqlite::error::unavailable,
    },
};

pub(super) async fn number(
    connection: &mut SqliteConnection,
    mut sql: QueryBuilder<Sqlite>,
) -> Result<u64, StoreError> {
    sql.build_query_scalar().fetch_one(connection).await.map_err(unavailable)
}

/// How many there are, one by one.
pub(super) fn count(selection: &Selection<'_>, with_rules: bool) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT 0");
    for part in parts(selection.whose) {
        sql.push(" + (SELECT count(*) FROM tokens WHERE ");
        push_part(&mut sql, &part);
        push_ends(&mut sql, "ends_at", selection.ends);
        push_rest(&mut sql, selection, with_rules);
        sql.push(")");
    }
    sql
}

/// How many there are by the counts that are kept, whether or not a rule covers them.
pub(super) fn kept(whose: Whose<'_>, ends: Span) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT 0");
    let (from, to) = (ends.from, ends.to);
    if to == End::Beyond {
        push_kept(&mut sql, whose);
        if from > Span::ALL.from {
            push_ended(&mut sql, " - ", whose, Span { to: from, ..Span::ALL });
        }
    } else if from < to {
        push_ended(&mut sql, " + ", whose, ends);
    }
    sql
}

/// How many there are in all.
fn push_kept(sql: &mut QueryBuilder<Sqlite>, whose: Whose<'_>) {
    for (sign, owner, actor) in counts(whose) {
        sql.push(sign).push(" ifnull((SELECT tokens FROM token_counts WHERE owner = ");
        sql.push_bind(owner.to_owned());
        sql.push(" AND actor = ").push_bind(actor.to_owned()).push("), 0)");
    }
}

/// How many there are that are over from one time on and before another.
fn push_ended(sql: &mut QueryBuilder<Sqlite>, sign: &str, whose: Whose<'_>, ends: Span) {
    sql.push(sign).push("(SELECT 0");
    for (sign, owner, actor) in counts(whose) {
        sql.push(sign).push(" ifnull((SELECT sum(tokens) FROM token_ends WHERE owner = ");
        sql.push_bind(owner.to_owned());
        sql.push(" AND actor = ").push_bind(actor.to_owned());
        for (end, operator) in [(ends.from, " AND span >= "), (ends.to, " AND span < ")] {
            if let Some(millis) = millis(end) {
                sql.push(operator).push_bind(millis >> SPAN_BITS);
            }
        }
        sql.push("), 0)");
    }
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

fn push_counted(sql: &mut QueryBuilder<Sqlite>, sign: &str, part: &Part<'_>, ends: Span) {
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

/// How many there are that a rule covers.
pub(super) fn count_covered(selection: &Selection<'_>) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT count(DISTINCT number) FROM (");
    push_covered(&mut sql, selection);
    sql.push(")");
    sql
}

/// The row numbers of what a rule covers, as `RevocationRule::covers` says it; some more than once.
pub(super) fn push_covered(sql: &mut QueryBuilder<Sqlite>, selection: &Selection<'_>) {
    let ends = selection.ends;
    match selection.whose {
        Whose::Anybodys => push_covered_of(sql, ends, "owner", "actor", None),
        Whose::Owner(urn) => push_covered_of(sql, ends, "owner", "actor", Some(urn)),
        Whose::Actor(urn) => push_covered_of(sql, ends, "actor", "owner", Some(urn)),
        Whose::OwnerOrActor(urn) => {
            push_covered_of(sql, ends, "owner", "actor", Some(urn));
            sql.push(" UNION ALL ");
            push_covered_of(sql, ends, "actor", "owner", Some(urn));
        }
    }
}

/// The same of the tokens that have `urn` in the column `column`, if there is one; `other` is the
/// other column of its kind. Starts with the rules, of which there are few.
fn push_covered_of(
    sql: &mut QueryBuilder<Sqlite>,
    ends: Span,
    column: &str,
    other: &str,
    urn: Option<&str>,
) {
    for (number, scope) in [column, other, "key", "all"].into_iter().enumerate() {
        sql.push(if number == 0 { "" } else { " UNION ALL " });
        sql.push("SELECT token.rowid AS number FROM revocation_rules AS rule");
        if let Some(urn) = urn.filter(|_| scope == other) {
            // Most rules are about people who have nothing to do with this one.
            sql.push(" CROSS JOIN token_counts AS pair ON pair.").push(column).push(" = ");
            sql.push_bind(urn.to_owned());
            sql.push(" AND pair.").push(other).push(" = rule.subject");
        }
        sql.push(
            " CROSS JOIN tokens AS token
             WHERE token.revoked_at IS NULL AND token.token_type IS NOT 'SESSION'
                 AND token.created_at < rule.issued_before AND rule.scope = '",
        );
        sql.push(scope).push("'");
        push_ends(sql, "+token.ends_at", ends);
        match scope {
            "all" => sql.push(" AND rule.subject = ''"),
            "key" => sql.push(" AND token.key_id = rule.subject"),
            _ => sql.push(" AND token.").push(scope).push(" = rule.subject"),
        };
        let Some(urn) = urn else { continue };
        sql.push(" AND token.").push(column).push(" = ").push_bind(urn.to_owned());
        if scope == column {
            sql.push(" AND rule.subject = ").push_bind(urn.to_owned());
        }
    }
}

/// What stands for any owner or actor in the tables of counts.
const ANY: &str = "";

/// How long a span of `token_ends` is: 2 to the power of this, in milliseconds.
const SPAN_BITS: u32 = 22;
