//! Filters and orders of lists, as SQL. What they mean is
//! [`TokenFilter::matches`](crate::token_service::TokenFilter::matches).

use sqlx::{QueryBuilder, Sqlite};

use crate::{
    actor::Urn,
    token_service::{TokenFilter, TokenQuery, TokenSort},
};

/// `FROM` and `WHERE` of a list.
pub(super) fn push_selection(sql: &mut QueryBuilder<Sqlite>, query: &TokenQuery) {
    sql.push(NOT_REVOKED);
    for filter in &query.filters {
        sql.push(" AND ");
        push_filter(sql, filter);
    }
}

// As `RevocationRule::covers` says it; four look-ups by the primary key for each token.
const NOT_REVOKED: &str = " FROM tokens
    WHERE revoked_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM revocation_rules AS rule
        WHERE tokens.created_at < rule.issued_before AND (
            rule.scope = 'all' AND rule.subject = ''
            OR rule.scope = 'key' AND rule.subject = tokens.key_id
            OR rule.scope = 'actor' AND rule.subject = tokens.actor
            OR rule.scope = 'owner' AND rule.subject = tokens.owner))";

/// `ORDER BY` and `LIMIT` of a list.
pub(super) fn push_page(sql: &mut QueryBuilder<Sqlite>, query: &TokenQuery) {
    sql.push(match (query.sort, query.descending) {
        (TokenSort::ExpiresAt, false) => " ORDER BY expires_at IS NULL, expires_at, id",
        (TokenSort::ExpiresAt, true) => " ORDER BY expires_at IS NULL DESC, expires_at DESC, id",
        (TokenSort::CreatedAt, false) => " ORDER BY created_at, id",
        (TokenSort::CreatedAt, true) => " ORDER BY created_at DESC, id",
        (TokenSort::Name, false) => " ORDER BY name, id",
        (TokenSort::Name, true) => " ORDER BY name DESC, id",
    });
    sql.push(" LIMIT ").push_bind(query.count).push(" OFFSET ").push_bind(query.start);
}

/// A condition in parentheses that is true or false, and never `NULL`: else `NOT` would not be the
/// opposite.
fn push_filter(sql: &mut QueryBuilder<Sqlite>, filter: &TokenFilter) {
    match filter {
        TokenFilter::Actor(urns) => push_in(sql, "actor", urns),
        TokenFilter::Owner(urns) => push_in(sql, "owner", urns),
        TokenFilter::NameContains(text) => {
            // Not `LIKE`, which has wildcards. `lower` is about ASCII alone, as wanted.
            sql.push("(instr(lower(name), ").push_bind(text.to_ascii_lowercase()).push(") > 0)");
        }
        TokenFilter::CreatedBefore(at) => {
            sql.push("(created_at < ").push_bind(at.as_millis()).push(")");
        }
        TokenFilter::EndsBefore(at) => {
            // `valid_until` is never later than `expires_at`.
            sql.push("(ifnull(coalesce(valid_until, expires_at) < ")
                .push_bind(at.as_millis())
                .push(", 0))");
        }
        TokenFilter::Not(filter) => {
            sql.push("(NOT ");
            push_filter(sql, filter);
            sql.push(")");
        }
        TokenFilter::AnyOf(filters) => {
            // None of nothing holds. Only then is there a constant: SQLite does not look into an
            // `OR` with one for what an index could answer.
            sql.push(if filters.is_empty() { "(0" } else { "(" });
            for (number, filter) in filters.iter().enumerate() {
                sql.push(if number == 0 { "" } else { " OR " });
                push_filter(sql, filter);
            }
            sql.push(")");
        }
    }
}

fn push_in(sql: &mut QueryBuilder<Sqlite>, column: &str, urns: &[Urn]) {
    sql.push("(").push(column).push(" IN (");
    let mut list = sql.separated(", ");
    for urn in urns {
        list.push_bind(urn.as_str());
    }
    sql.push("))");
}
