//! Filters of lists, as SQL. What they mean is
//! [`TokenFilter::matches`](crate::token_service::TokenFilter::matches).

use sqlx::{QueryBuilder, Sqlite};

use crate::{
    actor::Urn,
    token_service::{
        TextTest, TimeTest, TokenFilter, TokenOptional, TokenTextField, TokenTimeField,
    },
};

/// A condition in parentheses that is true or false, and never `NULL`: else `NOT` would not be the
/// opposite.
pub(super) fn push_filter(sql: &mut QueryBuilder<Sqlite>, filter: &TokenFilter) {
    match filter {
        TokenFilter::Id(ids) => push_in(sql, "id", ids.iter().map(|id| id.as_bytes().as_slice())),
        TokenFilter::Actor(urns) => push_in(sql, "actor", urns.iter().map(Urn::as_str)),
        TokenFilter::Owner(urns) => push_in(sql, "owner", urns.iter().map(Urn::as_str)),
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
            let (column, close) = match field {
                TokenTimeField::CreatedAt => ("(created_at", ")"),
                // Never is no time that is later.
                TokenTimeField::ExpiresAt if is_later => ("(ends_at < 9e999 AND ends_at", ")"),
                TokenTimeField::ExpiresAt => ("(ends_at", ")"),
            };
            sql.push(column).push(operator).push_bind(at.as_millis()).push(close);
        }
        TokenFilter::Has(TokenOptional::ExpiresAt) => {
            sql.push("(ends_at < 9e999)");
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
        // None of nothing holds, all of nothing do. Only then is there a constant: SQLite does not
        // look into an `OR` with one for what an index could answer.
        TokenFilter::AnyOf(filters) => push_joined(sql, filters, " OR ", "0"),
        TokenFilter::AllOf(filters) => push_joined(sql, filters, " AND ", "1"),
    }
}

fn text_column(field: TokenTextField) -> &'static str {
    match field {
        TokenTextField::Name => "name",
        TokenTextField::Description => "description",
        TokenTextField::Actor => "actor",
        TokenTextField::Owner => "owner",
    }
}

/// Not `LIKE`, which has wildcards, nor `substr` on texts, which ends at a NUL. `lower` is about
/// ASCII alone, as wanted.
fn push_text(sql: &mut QueryBuilder<Sqlite>, column: &'static str, test: TextTest, value: &str) {
    let folded = || value.to_ascii_lowercase();
    // A description can be missing, and the last bytes of nothing are `NULL`. All else is left bare,
    // for the sake of indexes.
    let can_be_null = column == "description" || test == TextTest::EndsWith;
    let (open, close) = if can_be_null { ("(ifnull(", ", 0))") } else { ("(", ")") };
    sql.push(open);
    match test {
        TextTest::Equals => {
            sql.push(column).push(" = ").push_bind(value.to_owned());
        }
        TextTest::EqualsIgnoreCase => {
            sql.push("lower(").push(column).push(") = ").push_bind(folded());
        }
        TextTest::Contains => {
            sql.push("instr(lower(").push(column).push("), ").push_bind(folded()).push(") > 0");
        }
        TextTest::StartsWith => {
            sql.push("instr(lower(").push(column).push("), ").push_bind(folded()).push(") = 1");
        }
        // The last bytes; there are no last 0 of them to ask for.
        TextTest::EndsWith if value.is_empty() => {
            sql.push(column).push(" IS NOT NULL");
        }
        TextTest::EndsWith => {
            sql.push("substr(CAST(lower(").push(column).push(") AS BLOB), -length(");
            sql.push_bind(folded().into_bytes()).push(")) = ").push_bind(folded().into_bytes());
        }
    }
    sql.push(close);
}

fn push_in<'a, T>(sql: &mut QueryBuilder<Sqlite>, column: &str, values: impl Iterator<Item = T>)
where
    T: sqlx::Encode<'a, Sqlite> + sqlx::Type<Sqlite> + 'a,
{
    sql.push("(").push(column).push(" IN (");
    let mut list = sql.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    sql.push("))");
}

fn push_joined(
    sql: &mut QueryBuilder<Sqlite>,
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
