//! Lists of tokens, quick also where there are very many.
//!
//! 1. Whose tokens are asked for decides the index ([`Selection`]), and so does the order. Each of
//!    these indexes has nothing that was revoked, and no sessions, so that a page is read where it
//!    is, from either end, and what is skipped is skipped in the index. What somebody owns or acts as
//!    is two such lists, merged.
//! 2. By name and by the last use there is an index of all tokens, and none for each owner and actor,
//!    since each has its price with every new token and some with every use: the tokens of somebody
//!    are found by whose they are, and sorted.
//! 3. When they are over is a range of the index in that order. In other orders it is looked at in
//!    their indexes, too, unless it leaves so few tokens that sorting these is quicker.
//! 4. How many there are is kept by triggers for each owner, actor, and pair of them, and so is in
//!    which span of time they are over. Only within a span are they counted one by one.
//! 5. What a rule covers is neither in the pages nor in the total. Usually it is nothing, which is
//!    found by one look-up for each rule; else it is collected once.
//!
//! Only a query with other conditions is counted one by one.

mod total;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use self::total::{count, count_covered, kept, number, push_covered};
use super::{error::unavailable, filter::push_filter, row};
use crate::{
    backend::StoreError,
    store::{
        order::compare,
        selection::{Selection, Whose},
        span::{End, Span},
    },
    token_service::{TokenPage, TokenQuery, TokenSort},
};

/// Answers `query` as of one point in time, which is the transaction of `connection`.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    query: &TokenQuery,
) -> Result<TokenPage, StoreError> {
    let selection = Selection::of(query);
    if selection.ends.is_empty() {
        return Ok(TokenPage { tokens: Vec::new(), total: 0 });
    }
    let covered = number(connection, count_covered(&selection)).await?;
    let total = if selection.rest.is_empty() {
        number(connection, kept(selection.whose, selection.ends)).await?.saturating_sub(covered)
    } else {
        number(connection, count(&selection, covered > 0)).await?
    };
    if u64::from(query.start) >= total || query.count == 0 {
        // Skipping all there is would find nothing.
        return Ok(TokenPage { tokens: Vec::new(), total });
    }
    let way = match Way::only(query, &selection) {
        Some(way) => way,
        None => Way::of(query, total, number(connection, kept(selection.whose, Span::ALL)).await?),
    };
    let mut page = page(query, &selection, way, covered > 0);
    let rows = page.build().fetch_all(connection).await.map_err(unavailable)?;
    let mut tokens = rows.iter().map(row::token).collect::<Result<Vec<_>, _>>()?;
    tokens.sort_by(|a, b| compare(query, a, b));
    Ok(TokenPage { tokens, total })
}

/// How to come by a page of tokens that are over in some span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Read all in their order until there are enough that are over then.
    InOrder,
    /// Find all that are over then, and sort them.
    Sorted,
}

impl Way {
    /// The way if there is but one.
    fn only(query: &TokenQuery, selection: &Selection<'_>) -> Option<Self> {
        match query.sort {
            TokenSort::ExpiresAt => Some(Self::InOrder),
            // No index has this order.
            TokenSort::Name | TokenSort::LastUsedAt if selection.whose != Whose::Anybodys => {
                Some(Self::Sorted)
            }
            TokenSort::CreatedAt | TokenSort::Name | TokenSort::LastUsedAt => {
                (selection.ends == Span::ALL).then_some(Self::InOrder)
            }
        }
    }

    /// The shorter one to a page of `total` tokens among `all`.
    fn of(query: &TokenQuery, total: u64, all: u64) -> Self {
        let wanted = u64::from(query.start).saturating_add(query.count.into()).min(total);
        // As many are passed over for each that is found.
        let read = u128::from(wanted) * u128::from(all) / u128::from(total.max(1));
        // What sorting one costs, beside reading one in an index: the time of its last use is not in
        // the index by which it is found, and so is looked up in the table.
        let sorting = if query.sort == TokenSort::LastUsedAt { 12 } else { 3 };
        if u128::from(total) * sorting < read { Self::Sorted } else { Self::InOrder }
    }
}

/// The rows of a page. Those of a merged or sorted one come in no order.
fn page(
    query: &TokenQuery,
    selection: &Selection<'_>,
    way: Way,
    with_rules: bool,
) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT * FROM tokens WHERE ");
    let direction = if query.descending { " DESC" } else { "" };
    let parts = parts(selection.whose);
    if let ([part], Way::InOrder) = (parts.as_slice(), way) {
        push_part(&mut sql, part);
        push_conditions(&mut sql, query, selection, way, with_rules);
        sql.push(" ORDER BY ").push(key(query, way));
        sql.push(direction).push(", id").push(direction);
        push_limit(&mut sql, query);
        return sql;
    }
    sql.push("rowid IN (SELECT number FROM (");
    for (number, part) in parts.iter().enumerate() {
        sql.push(if number == 0 { "" } else { " UNION ALL " });
        // No more than what the order needs, which an index has.
        sql.push("SELECT rowid AS number, id AS named, ").push(key(query, way));
        sql.push(" AS sorted FROM tokens WHERE ");
        push_part(&mut sql, part);
        push_conditions(&mut sql, query, selection, way, with_rules);
    }
    sql.push(" ORDER BY sorted").push(direction).push(", named").push(direction);
    push_limit(&mut sql, query);
    sql.push("))");
    sql
}

/// What a list is sorted by. With a sign it is in no index.
fn key(query: &TokenQuery, way: Way) -> &'static str {
    match (query.sort, way) {
        (TokenSort::ExpiresAt, _) => "ends_at",
        (TokenSort::CreatedAt, Way::InOrder) => "created_at",
        (TokenSort::CreatedAt, Way::Sorted) => "+created_at",
        (TokenSort::Name, Way::InOrder) => "name",
        (TokenSort::Name, Way::Sorted) => "+name",
        (TokenSort::LastUsedAt, Way::InOrder) => "last_used_at",
        (TokenSort::LastUsedAt, Way::Sorted) => "+last_used_at",
    }
}

fn push_limit(sql: &mut QueryBuilder<Sqlite>, query: &TokenQuery) {
    sql.push(" LIMIT ").push_bind(query.count).push(" OFFSET ").push_bind(query.start);
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
fn push_part(sql: &mut QueryBuilder<Sqlite>, part: &Part<'_>) {
    // As the indexes say it.
    sql.push("revoked_at IS NULL AND token_type IS NOT 'SESSION'");
    match *part {
        Part::All => {}
        Part::OfOwner(urn) => {
            sql.push(" AND owner = ").push_bind(urn.to_owned());
        }
        Part::OfActor(urn) => {
            sql.push(" AND actor = ").push_bind(urn.to_owned());
        }
        Part::OfActorForOthers(urn) => {
            sql.push(" AND actor <> owner AND actor = ").push_bind(urn.to_owned());
        }
    }
}

/// What must hold whoever they belong to.
fn push_conditions(
    sql: &mut QueryBuilder<Sqlite>,
    query: &TokenQuery,
    selection: &Selection<'_>,
    way: Way,
    with_rules: bool,
) {
    // With a sign it is looked at, and not looked for.
    let is_range = way == Way::Sorted || query.sort == TokenSort::ExpiresAt;
    push_ends(sql, if is_range { "ends_at" } else { "+ends_at" }, selection.ends);
    push_rest(sql, selection, with_rules);
}

/// That they are over in this span.
fn push_ends(sql: &mut QueryBuilder<Sqlite>, column: &str, ends: Span) {
    if ends.from > Span::ALL.from {
        sql.push(" AND ").push(column).push(" >= ");
        push_end(sql, ends.from);
    }
    if ends.to < Span::ALL.to {
        sql.push(" AND ").push(column).push(" < ");
        push_end(sql, ends.to);
    }
}

fn push_end(sql: &mut QueryBuilder<Sqlite>, end: End) {
    match end {
        End::At(millis) => sql.push_bind(millis),
        End::Never | End::Beyond => sql.push("9e999"),
    };
}

/// What else must hold.
fn push_rest(sql: &mut QueryBuilder<Sqlite>, selection: &Selection<'_>, with_rules: bool) {
    if with_rules {
        sql.push(" AND rowid NOT IN (");
        push_covered(sql, selection);
        sql.push(")");
    }
    for filter in &selection.rest {
        sql.push(" AND ");
        push_filter(sql, filter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actor::Urn,
        clock::Timestamp,
        store::sqlite::plan::plan,
        token_service::{TextTest, TokenFilter, TokenTextField},
    };

    const SORTS: [TokenSort; 4] =
        [TokenSort::ExpiresAt, TokenSort::CreatedAt, TokenSort::Name, TokenSort::LastUsedAt];

    fn alice() -> Vec<Urn> {
        vec![Urn::corpuser("alice").unwrap()]
    }

    fn of_alice() -> [TokenFilter; 3] {
        let both = vec![TokenFilter::Owner(alice()), TokenFilter::Actor(alice())];
        [TokenFilter::Owner(alice()), TokenFilter::Actor(alice()), TokenFilter::AnyOf(both)]
    }

    /// Of everybody, and of somebody in every way.
    fn of_some() -> Vec<TokenQuery> {
        let mut queries = vec![TokenQuery::default()];
        queries.extend(of_alice().map(|filter| TokenQuery::default().filter(filter)));
        queries
    }

    /// What is over, what is not, and what soon will be.
    fn by_end() -> [Vec<TokenFilter>; 3] {
        let before = |millis| TokenFilter::EndsBefore(Timestamp::from_millis(millis));
        let not = |filter| TokenFilter::Not(Box::new(filter));
        [vec![before(7)], vec![not(before(7))], vec![not(before(7)), before(9)]]
    }

    fn with(query: &TokenQuery, filters: &[TokenFilter]) -> TokenQuery {
        filters.iter().cloned().fold(query.clone(), TokenQuery::filter)
    }

    fn sorted(query: &TokenQuery, sort: TokenSort) -> [TokenQuery; 2] {
        [query.clone().ascending(sort), query.clone().descending(sort)]
    }

    fn ways(query: &TokenQuery) -> Vec<Way> {
        let only = Way::only(query, &Selection::of(query));
        only.map_or_else(|| vec![Way::InOrder, Way::Sorted], |way| vec![way])
    }

    async fn page_plan(query: &TokenQuery, way: Way, with_rules: bool) -> Vec<String> {
        plan(page(query, &Selection::of(query), way, with_rules).sql().as_str()).await
    }

    /// The plans for everything that answers a query: its page with and without rules, its total.
    async fn plans(query: &TokenQuery) -> Vec<Vec<String>> {
        let selection = Selection::of(query);
        let mut plans = Vec::new();
        for way in ways(query) {
            for with_rules in [false, true] {
                plans.push(page_plan(query, way, with_rules).await);
            }
        }
        for sql in [
            count(&selection, false),
            count(&selection, true),
            kept(selection.whose, selection.ends),
            count_covered(&selection),
        ] {
            plans.push(plan(sql.sql().as_str()).await);
        }
        plans
    }

    fn scans_tokens(step: &str) -> bool {
        // A scan of all, or of an index of all. `token` is its name where rules are looked for.
        ["SCAN tokens", "SCAN token"].iter().any(|scan| {
            step.strip_prefix(scan).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    }

    #[tokio::test]
    async fn the_tokens_of_somebody_are_found_by_an_index() {
        let named = TokenFilter::text(TokenTextField::Name, TextTest::Contains, "a");
        let [over, ..] = by_end();
        for filter in of_alice() {
            let query = TokenQuery::default().filter(filter);
            for query in [query.clone(), with(&query, &over), query.filter(named.clone())] {
                for query in SORTS.iter().flat_map(|sort| sorted(&query, *sort)) {
                    for plan in plans(&query).await {
                        assert!(!plan.iter().any(|step| scans_tokens(step)), "{plan:#?}");
                    }
                }
            }
        }
    }

    /// Whether a plan has all that it sorts sorted.
    fn sorts(plan: &[String]) -> bool {
        plan.iter().any(|step| step.contains("TEMP B-TREE"))
    }

    /// How a plan comes by the tokens that it reads in some order.
    fn reads(plan: &[String]) -> Vec<&str> {
        let reads = |step: &&str| step.contains(" tokens USING ") && !step.contains("PRIMARY KEY");
        plan.iter().map(String::as_str).filter(reads).collect()
    }

    #[tokio::test]
    async fn by_name_and_last_use_the_tokens_of_somebody_are_sorted_and_all_else_is_in_order() {
        for query in of_some() {
            for (sort, has_index) in [
                (TokenSort::ExpiresAt, true),
                (TokenSort::CreatedAt, true),
                (TokenSort::Name, query.filters.is_empty()),
                (TokenSort::LastUsedAt, query.filters.is_empty()),
            ] {
                for query in sorted(&query, sort) {
                    for filters in by_end().into_iter().chain([Vec::new()]) {
                        let query = with(&query, &filters);
                        let ways = ways(&query);
                        assert_eq!(ways.contains(&Way::InOrder), has_index, "{query:?}");
                        let way = if has_index { Way::InOrder } else { Way::Sorted };
                        for with_rules in [false, true] {
                            let plan = page_plan(&query, way, with_rules).await;
                            assert_eq!(sorts(&plan), !has_index, "{query:?} {plan:#?}");
                            let is_read = |step: &String| step.contains(" INDEX tokens_by_");
                            assert!(plan.iter().any(is_read), "{query:?} {plan:#?}");
                        }
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_sorted_are_the_tokens_of_one_alone() {
        for filter in of_alice() {
            let query = TokenQuery::default().filter(filter);
            for sort in [TokenSort::Name, TokenSort::LastUsedAt] {
                for query in sorted(&query, sort) {
                    for filters in by_end().into_iter().chain([Vec::new()]) {
                        let query = with(&query, &filters);
                        let plan = page_plan(&query, Way::Sorted, false).await;
                        let reads = reads(&plan);
                        assert_eq!(reads.len(), parts(Selection::of(&query).whose).len());
                        for step in reads {
                            let of_one = ["(owner=?", "(actor=?"];
                            assert!(step.starts_with("SEARCH tokens USING "), "{plan:#?}");
                            assert!(of_one.iter().any(|one| step.contains(one)), "{plan:#?}");
                        }
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_over_is_a_range_of_an_index() {
        for query in of_some() {
            for filters in by_end() {
                let query = with(&query, &filters);
                for (sort, way) in [
                    (TokenSort::ExpiresAt, Way::InOrder),
                    (TokenSort::CreatedAt, Way::Sorted),
                    (TokenSort::Name, Way::Sorted),
                    (TokenSort::LastUsedAt, Way::Sorted),
                ] {
                    for query in sorted(&query, sort) {
                        let plan = page_plan(&query, way, false).await;
                        let reads = reads(&plan);
                        assert!(!reads.is_empty(), "{plan:#?}");
                        for step in reads {
                            assert!(
                                step.contains("ends_at<?") || step.contains("ends_at>?"),
                                "{step}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn a_list_of_both_is_two_lists_that_are_merged() {
        let [.., both] = of_alice();
        for (sort, behind) in
            [TokenSort::ExpiresAt, TokenSort::CreatedAt].into_iter().zip(["", "_and_created_at"])
        {
            for query in sorted(&TokenQuery::default().filter(both.clone()), sort) {
                let plan = page_plan(&query, Way::InOrder, false).await;
                for step in [
                    "MERGE (UNION ALL)".to_owned(),
                    format!("SEARCH tokens USING INDEX tokens_by_owner{behind} (owner=?)"),
                    format!(
                        "SEARCH tokens USING INDEX tokens_by_actor_for_others{behind} (actor=?)"
                    ),
                ] {
                    assert!(plan.contains(&step), "{step} {plan:#?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn rules_about_others_are_passed_over() {
        for filter in of_alice() {
            let query = TokenQuery::default().filter(filter);
            let plan = plan(count_covered(&Selection::of(&query)).sql().as_str()).await;
            let at = |start: &str| plan.iter().position(|step| step.starts_with(start)).unwrap();
            let pair = at("SEARCH pair USING PRIMARY KEY (owner=? AND actor=?)");
            assert!(plan[pair - 1].starts_with("SEARCH rule USING PRIMARY KEY"), "{plan:#?}");
            assert!(plan[pair + 1].starts_with("SEARCH token USING "), "{plan:#?}");
        }
    }

    #[tokio::test]
    async fn totals_are_looked_up_and_counted_only_at_the_ends_of_a_span() {
        for query in of_some() {
            for filters in by_end().into_iter().chain([Vec::new()]) {
                let selection = Selection::of(&query);
                let ends = Selection::of(&with(&query, &filters)).ends;
                let plan = plan(kept(selection.whose, ends).sql().as_str()).await;
                for step in plan.iter().filter(|step| !step.starts_with("SCALAR SUBQUERY")) {
                    let is_kept = ["token_counts", "token_ends"].iter().any(|table| {
                        step.starts_with(&format!("SEARCH {table} USING PRIMARY KEY"))
                    });
                    let is_counted = step.starts_with("SEARCH tokens USING INDEX ")
                        && step.contains("ends_at>? AND ends_at<?");
                    let is_nothing = step == "SCAN CONSTANT ROW";
                    assert!(is_kept || is_counted || is_nothing, "{step} {plan:#?}");
                }
            }
        }
    }

    #[test]
    fn the_shorter_way_is_taken() {
        let by_name = TokenQuery::default().ascending(TokenSort::Name);
        let page = |start| by_name.clone().page(start, 20);
        for (start, total, all, way) in [
            // All of them, and then fewer and fewer.
            (0, 1_000_000, 1_000_000, Way::InOrder),
            (19_980, 1_000_000, 1_000_000, Way::InOrder),
            (0, 10_000, 1_000_000, Way::InOrder),
            (0, 1_000, 1_000_000, Way::Sorted),
            (0, 1, 1_000_000, Way::Sorted),
            (19_980, 30_000, 1_000_000, Way::Sorted),
            (19_980, 51_000, 1_000_000, Way::Sorted),
            (0, 10, 20, Way::InOrder),
            (0, 0, 0, Way::InOrder),
        ] {
            assert_eq!(Way::of(&page(start), total, all), way, "{start} {total} {all}");
        }
        let by_use = page(19_980).ascending(TokenSort::LastUsedAt);
        assert_eq!(Way::of(&by_use, 51_000, 1_000_000), Way::InOrder);
        assert_eq!(Way::of(&by_use, 30_000, 1_000_000), Way::Sorted);
    }
}
