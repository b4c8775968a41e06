//! Lists of tokens, quick also where there are very many.
//!
//! 1. Whose tokens are asked for ([`Selection`]) and the order say which index has a page in its
//!    order. Each of these indexes has nothing that was revoked, and no sessions, so that a page is
//!    read where it is, from either end, and what is skipped is skipped in the index: only the tokens
//!    of the page are read themselves. What somebody owns or acts as is two such lists, merged.
//! 2. By name and by the last use there is an index of all tokens, and none for each owner and actor,
//!    since each has its price with every new token: the tokens of somebody are found by whose they
//!    are, and sorted. The server chooses by what it knows of the values.
//! 3. How many there are is kept for each owner, actor, and pair of them, and so is in which span of
//!    time they are over. Only within a span are they counted one by one.
//! 4. What a rule covers is neither in the pages nor in the total. Usually it is nothing, which is
//!    found by one look-up for each rule, of the oldest token that it is about; else it is looked at
//!    token by token.
//!
//! Only a query with other conditions is counted one by one.

mod fold;
mod total;

use sqlx::{PgConnection, Postgres, QueryBuilder};

use self::total::{Covered, count, deltas, kept, number, push_uncovered};
use super::{
    PostgresStore,
    connection::end_read,
    error::unavailable,
    filter::{NEVER, push_filter},
    row,
    text::stored,
    tokens::columns,
};
use crate::{
    backend::StoreError,
    store::{
        order::compare,
        selection::{Selection, Whose},
        span::{End, Span},
    },
    token_service::{TokenPage, TokenQuery, TokenSort},
};

impl PostgresStore {
    /// Answers `query` as of one point in time, and says whether totals would be found quicker if
    /// they were folded.
    pub(super) async fn list_page(
        &self,
        query: &TokenQuery,
    ) -> Result<(TokenPage, bool), StoreError> {
        let selection = Selection::of(query);
        if selection.ends.is_empty() {
            return Ok((TokenPage { tokens: Vec::new(), total: 0 }, false));
        }
        let mut lease = self.begin_with(BEGIN_BY_INDEX).await?;
        let page = list(&mut lease, query, &selection).await?;
        let waiting = number(&mut lease, deltas()).await?;
        end_read(lease).await?;
        Ok((page, waiting > MAX_DELTAS))
    }
}

async fn list(
    connection: &mut PgConnection,
    query: &TokenQuery,
    selection: &Selection<'_>,
) -> Result<TokenPage, StoreError> {
    let covered = Covered::of(connection, selection).await?;
    let total = if selection.rest.is_empty() {
        number(connection, kept(selection.whose, selection.ends))
            .await?
            .saturating_sub(covered.count())
    } else {
        sqlx::raw_sql(ANY_WAY).execute(&mut *connection).await.map_err(unavailable)?;
        number(connection, count(selection, &covered)).await?
    };
    if u64::from(query.start) >= total || query.count == 0 {
        // Skipping all there is would find nothing.
        return Ok(TokenPage { tokens: Vec::new(), total });
    }
    let mut page = page(query, selection, &covered);
    let rows = page.build().persistent(false).fetch_all(connection).await.map_err(unavailable)?;
    let mut tokens = rows.iter().map(row::token).collect::<Result<Vec<_>, _>>()?;
    tokens.sort_by(|a, b| compare(query, a, b));
    Ok(TokenPage { tokens, total })
}

/// The tokens of a page, in no order.
fn page(
    query: &TokenQuery,
    selection: &Selection<'_>,
    covered: &Covered,
) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(concat!(
        "SELECT ",
        columns!(),
        " FROM tokens JOIN (SELECT id AS number FROM ("
    ));
    let parts = parts(selection.whose);
    // An index has the order of what was used, and that of what never was, though not of both.
    let is_of_all = selection.whose == Whose::Anybodys && query.sort == TokenSort::LastUsedAt;
    let uses: &[Uses] = if is_of_all { &[Uses::Some, Uses::None] } else { &[Uses::Any] };
    let mut is_first = true;
    let is_merged = parts.len() * uses.len() > 1;
    for part in &parts {
        for uses in uses {
            sql.push(if is_first { "(" } else { " UNION ALL (" });
            is_first = false;
            // No more than what the order needs, which an index has.
            sql.push("SELECT id, ").push(sorted(query.sort)).push(" FROM tokens WHERE ");
            push_part(&mut sql, part);
            sql.push(match uses {
                Uses::Any => "",
                Uses::Some => " AND last_used_span IS NOT NULL",
                Uses::None => " AND last_used_span IS NULL",
            });
            push_ends(&mut sql, "ends_at", selection.ends);
            push_rest(&mut sql, selection, covered);
            if is_merged {
                // With it, the server merges them.
                push_order(&mut sql, query, *uses);
                let wanted = i64::from(query.start) + i64::from(query.count);
                sql.push(" LIMIT ").push(wanted);
            }
            sql.push(")");
        }
    }
    sql.push(") AS parts");
    push_order(&mut sql, query, Uses::Any);
    sql.push(" LIMIT ").push(query.count).push(" OFFSET ").push(query.start);
    sql.push(") AS page ON tokens.id = page.number");
    sql
}

/// Which tokens, by whether they were ever used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Uses {
    Any,
    Some,
    None,
}

/// What a list is sorted by, before the id.
fn sorted(sort: TokenSort) -> &'static str {
    match sort {
        TokenSort::ExpiresAt => "ends_at",
        TokenSort::CreatedAt => "created_at",
        TokenSort::Name => "name_start, name",
        TokenSort::LastUsedAt => "last_used_span, last_used_at",
    }
}

fn push_order(sql: &mut QueryBuilder<Postgres>, query: &TokenQuery, uses: Uses) {
    sql.push(" ORDER BY ");
    let direction = match (query.descending, query.sort) {
        // Nothing is less than everything else.
        (false, TokenSort::LastUsedAt) => " ASC NULLS FIRST",
        (true, TokenSort::LastUsedAt) => " DESC NULLS LAST",
        (false, _) => " ASC",
        (true, _) => " DESC",
    };
    let columns = match uses {
        // As the index has them, where the one time is as little there as the other.
        Uses::None => "last_used_span",
        Uses::Any | Uses::Some => sorted(query.sort),
    };
    for column in columns.split(", ") {
        sql.push(column).push(direction).push(", ");
    }
    sql.push(if query.descending { "id DESC" } else { "id ASC" });
}

/// Tokens that one index finds.
#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    All,
    OfOwner(&'a str),
    OfActor(&'a str),
    /// Those of an actor that it did not make itself.
    OfActorForOthers(&'a str),
}

/// Parts that have nothing in common. An `OR` would be one that no index finds in order.
fn parts(whose: Whose<'_>) -> Vec<Part<'_>> {
    match whose {
        Whose::Anybodys => vec![Part::All],
        Whose::Owner(urn) => vec![Part::OfOwner(urn)],
        Whose::Actor(urn) => vec![Part::OfActor(urn)],
        Whose::OwnerOrActor(urn) => vec![Part::OfOwner(urn), Part::OfActorForOthers(urn)],
    }
}

/// What must hold for the tokens of a part.
fn push_part(sql: &mut QueryBuilder<Postgres>, part: &Part<'_>) {
    // As the indexes say it.
    sql.push("revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION'");
    match *part {
        Part::All => {}
        Part::OfOwner(urn) => {
            sql.push(" AND owner = ").push_bind(stored(urn).into_owned());
        }
        Part::OfActor(urn) => {
            sql.push(" AND actor = ").push_bind(stored(urn).into_owned());
        }
        Part::OfActorForOthers(urn) => {
            sql.push(" AND actor <> owner AND actor = ").push_bind(stored(urn).into_owned());
        }
    }
}

/// That they are over in this span.
fn push_ends(sql: &mut QueryBuilder<Postgres>, column: &str, ends: Span) {
    if ends.from > Span::ALL.from {
        sql.push(" AND ").push(column).push(" >= ");
        push_end(sql, ends.from);
    }
    if ends.to < Span::ALL.to {
        sql.push(" AND ").push(column).push(" < ");
        push_end(sql, ends.to);
    }
}

fn push_end(sql: &mut QueryBuilder<Postgres>, end: End) {
    match end {
        End::At(millis) => sql.push_bind(millis),
        End::Never | End::Beyond => sql.push(NEVER),
    };
}

/// What else must hold.
fn push_rest(sql: &mut QueryBuilder<Postgres>, selection: &Selection<'_>, covered: &Covered) {
    push_uncovered(sql, covered);
    for filter in &selection.rest {
        sql.push(" AND ");
        push_filter(sql, filter);
    }
}

/// What is asked here an index answers, or a few of its rows do. How many tokens a rule covers, and so
/// whether going through all of them would be quicker, the server can only guess, and guesses a third.
pub(super) const BEGIN_BY_INDEX: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
    SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; \
    SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
    SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off";

/// From here on, the server chooses: tokens are looked at one by one, and it may be all of them.
const ANY_WAY: &str = "SET LOCAL max_parallel_workers_per_gather TO DEFAULT; \
    SET LOCAL enable_seqscan TO DEFAULT; SET LOCAL enable_bitmapscan TO DEFAULT; \
    SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT";

/// How many rows of `token_deltas` may wait to be moved where they are found quicker.
const MAX_DELTAS: u64 = 1_000;
