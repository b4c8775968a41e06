//! Filters of lists, as SQL. What they mean is
//! [`TokenFilter::matches`](crate::token_service::TokenFilter::matches).

use sqlx::{Postgres, QueryBuilder};

use super::text::stored;
use crate::{
    actor::Urn,
    token_service::{
        TextTest, TimeTest, TokenFilter, TokenOptional, TokenTextField, TokenTimeField,
    },
};

/// A condition in parentheses that is true or false, and never `NULL`: else `NOT` would not be the
/// opposite.
pub(super) fn push_filter(sql: &mut QueryBuilder<Postgres>, filter: &TokenFilter) {
    match filter {
        TokenFilter::Id(ids) => {
            let ids: Vec<_> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
            sql.push("(id = ANY(").push_bind(ids).push("))");
        }
        TokenFilter::Actor(urns) => push_any(sql, "actor", urns),
        TokenFilter::Owner(urns) => push_any(sql, "owner", urns),
        TokenFilter::Text { field, test, value } => {
            push_text(sql, text_column(*field), *test, value);
        }
        TokenFilter::Time { field, test, at } => {
            let (operator, is_later) = match test {
                TimeTest::Before => (" < ", false),
                TimeTest::AtOrBefore => (" <= ", false),
                TimeTest::At => (" = ", false),
                TimeTest::AtOrAfter => (" >= ", true),
                TimeTest::After => (" > ", true),
            };
            match field {
                TokenTimeField::CreatedAt => sql.push("(created_at"),
                // Never is no time that is later.
                TokenTimeField::ExpiresAt if is_later => {
                    sql.push("(ends_at < ").push(NEVER).push(" AND ends_at")
                }
                TokenTimeField::ExpiresAt => sql.push("(ends_at"),
            };
            sql.push(operator).push_bind(at.as_millis()).push(")");
        }
        TokenFilter::Has(TokenOptional::ExpiresAt) => {
            sql.push("(ends_at < ").push(NEVER).push(")");
        }
        TokenFilter::Has(TokenOptional::Description) => {
            sql.push("(description IS NOT NULL)");
        }
        TokenFilter::EndsBefore(at) => {
            sql.push("(ends_at < ").push_bind(at.as_millis()).push(")");
        }
        TokenFilter::Not(filter) => {
            sql.push("(NOT ");
            push_filter(sql, filter);
            sql.push(")");
        }
        // None of nothing holds, all of nothing do.
        TokenFilter::AnyOf(filters) => push_joined(sql, filters, " OR ", "false"),
        TokenFilter::AllOf(filters) => push_joined(sql, filters, " AND ", "true"),
    }
}

/// `ends_at` of what never ends: later than every time.
pub(super) const NEVER: &str = "9223372036854775808";

fn text_column(field: TokenTextField) -> &'static str {
    match field {
        TokenTextField::Name => "name",
        TokenTextField::Description => "description",
        TokenTextField::Actor => "actor",
        TokenTextField::Owner => "owner",
    }
}

/// Not `LIKE`, which has wildcards. `lower` is about ASCII alone, as wanted, by the collation of the
/// columns.
fn push_text(sql: &mut QueryBuilder<Postgres>, column: &'static str, test: TextTest, value: &str) {
    let folded = || stored(&value.to_ascii_lowercase()).into_owned();
    // A description can be missing. All else is left bare, for the sake of indexes.
    let (open, close) =
        if column == "description" { ("(coalesce(", ", false))") } else { ("(", ")") };
    sql.push(open);
    match test {
        TextTest::Equals => {
            sql.push(column).push(" = ").push_bind(stored(value).into_owned());
        }
        TextTest::EqualsIgnoreCase => {
            sql.push("lower(").push(column).push(") = ").push_bind(folded());
        }
        TextTest::Contains => {
            sql.push("strpos(lower(").push(column).push("), ").push_bind(folded()).push(") > 0");
        }
        TextTest::StartsWith => {
            sql.push("starts_with(lower(").push(column).push("), ").push_bind(folded()).push(")");
        }
        TextTest::EndsWith => {
            let folded = folded();
            let length = i32::try_from(folded.chars().count()).unwrap_or(i32::MAX);
            sql.push("right(lower(").push(column).push("), ").push_bind(length);
            sql.push(") = ").push_bind(folded);
        }
    }
    sql.push(close);
}

fn push_any(sql: &mut QueryBuilder<Postgres>, column: &str, urns: &[Urn]) {
    let urns: Vec<_> = urns.iter().map(|urn| stored(urn.as_str()).into_owned()).collect();
    sql.push("(").push(column).push(" = ANY(").push_bind(urns).push("))");
}

fn push_joined(
    sql: &mut QueryBuilder<Postgres>,
    filters: &[TokenFilter],
    operator: &str,
    of_nothing: &str,
) {
    sql.push("(");
    if filters.is_empty() {
        sql.push(of_nothing);
    }
    for (number, filter) in filters.iter().enumerate() {
        sql.push(if number == 0 { "" } else { operator });
        push_filter(sql, filter);
    }
    sql.push(")");
}
