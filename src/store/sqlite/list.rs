//! Lists of tokens, quick also where there are very many.
//!
//! 1. Whose tokens are asked for decides the index ([`Selection`]). Each of these indexes is in the
//!    default order and has nothing that was revoked, so that a page is read where it is, and what
//!    is skipped is skipped in the index. What somebody owns or acts as is two such lists, merged.
//! 2. How many there are is kept by triggers for each owner, actor, and pair of them.
//! 3. What a rule covers is neither in the pages nor in the total. Usually it is nothing, which is
//!    found by one look-up for each rule; else it is collected once.
//!
//! Only a query with other conditions is counted one by one.

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::{
    error::unavailable,
    filter::push_filter,
    row,
    selection::{Selection, Whose},
};
use crate::{
    backend::StoreError,
    store::order::compare,
    token_service::{TokenPage, TokenQuery, TokenSort},
};

/// Answers `query` as of one point in time, which is the transaction of `connection`.
pub(super) async fn list(
    connection: &mut SqliteConnection,
    query: &TokenQuery,
) -> Result<TokenPage, StoreError> {
    let selection = Selection::of(query);
    let covered = number(connection, count_covered(selection.whose)).await?;
    let total = if selection.rest.is_empty() {
        let kept = number(connection, kept_count(selection.whose)).await?;
        kept.saturating_sub(covered)
    } else {
        number(connection, count(&selection, covered > 0)).await?
    };
    if u64::from(query.start) >= total || query.count == 0 {
        // Skipping all there is would find nothing.
        return Ok(TokenPage { tokens: Vec::new(), total });
    }
    let mut page = page(query, &selection, covered > 0);
    let rows = page.build().fetch_all(connection).await.map_err(unavailable)?;
    let mut tokens = rows.iter().map(row::token).collect::<Result<Vec<_>, _>>()?;
    tokens.sort_by(|a, b| compare(query, a, b));
    Ok(TokenPage { tokens, total })
}

async fn number(
    connection: &mut SqliteConnection,
    mut sql: QueryBuilder<Sqlite>,
) -> Result<u64, StoreError> {
    sql.build_query_scalar().fetch_one(connection).await.map_err(unavailable)
}

/// The rows of a page. Those of a merged one come in no order.
fn page(query: &TokenQuery, selection: &Selection<'_>, with_rules: bool) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT * FROM tokens WHERE ");
    let parts = parts(selection.whose);
    if let [part] = parts.as_slice() {
        push_part(&mut sql, part, selection, with_rules);
        sql.push(match (query.sort, query.descending) {
            (TokenSort::ExpiresAt, false) => " ORDER BY expires_at IS NULL, expires_at, id",
            (TokenSort::ExpiresAt, true) => {
                " ORDER BY expires_at IS NULL DESC, expires_at DESC, id"
            }
            (TokenSort::CreatedAt, false) => " ORDER BY created_at, id",
            (TokenSort::CreatedAt, true) => " ORDER BY created_at DESC, id",
            (TokenSort::Name, false) => " ORDER BY name, id",
            (TokenSort::Name, true) => " ORDER BY name DESC, id",
        });
        push_limit(&mut sql, query);
        return sql;
    }
    sql.push("rowid IN (SELECT number FROM (");
    for (number, part) in parts.iter().enumerate() {
        sql.push(if number == 0 { "" } else { " UNION ALL " });
        // No more than what the order needs, which an index has.
        sql.push("SELECT rowid AS number, id AS named, ");
        sql.push(match query.sort {
            TokenSort::ExpiresAt => "expires_at IS NULL AS first, expires_at AS second",
            TokenSort::CreatedAt => "created_at AS first, NULL AS second",
            TokenSort::Name => "name AS first, NULL AS second",
        });
        sql.push(" FROM tokens WHERE ");
        push_part(&mut sql, part, selection, with_rules);
    }
    sql.push(if query.descending {
        " ORDER BY first DESC, second DESC, named"
    } else {
        " ORDER BY first, second, named"
    });
    push_limit(&mut sql, query);
    sql.push("))");
    sql
}

fn push_limit(sql: &mut QueryBuilder<Sqlite>, query: &TokenQuery) {
    sql.push(" LIMIT ").push_bind(query.count).push(" OFFSET ").push_bind(query.start);
}

/// How many there are, one by one.
fn count(selection: &Selection<'_>, with_rules: bool) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT 0");
    for part in parts(selection.whose) {
        sql.push(" + (SELECT count(*) FROM tokens WHERE ");
        push_part(&mut sql, &part, selection, with_rules);
        sql.push(")");
    }
    sql
}

/// Tokens that one index finds.
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

/// What must hold for the tokens of a part that are asked for.
fn push_part(
    sql: &mut QueryBuilder<Sqlite>,
    part: &Part<'_>,
    selection: &Selection<'_>,
    with_rules: bool,
) {
    // As the indexes say it.
    sql.push("revoked_at IS NULL");
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
    push_conditions(sql, selection, with_rules);
}

/// What must hold whoever they belong to.
fn push_conditions(sql: &mut QueryBuilder<Sqlite>, selection: &Selection<'_>, with_rules: bool) {
    if with_rules {
        sql.push(" AND rowid NOT IN (");
        push_covered(sql, selection.whose);
        sql.push(")");
    }
    for filter in &selection.rest {
        sql.push(" AND ");
        push_filter(sql, filter);
    }
}

/// How many there are by the counts that are kept, whether or not a rule covers them.
fn kept_count(whose: Whose<'_>) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT 0");
    let mut push = |sign: &str, owner: &str, actor: &str| {
        sql.push(sign).push("ifnull((SELECT tokens FROM token_counts WHERE owner = ");
        sql.push_bind(owner.to_owned());
        sql.push(" AND actor = ").push_bind(actor.to_owned()).push("), 0)");
    };
    match whose {
        Whose::Anybodys => push(" + ", ANY, ANY),
        Whose::Owner(urn) => push(" + ", urn, ANY),
        Whose::Actor(urn) => push(" + ", ANY, urn),
        Whose::OwnerOrActor(urn) => {
            push(" + ", urn, ANY);
            push(" + ", ANY, urn);
            push(" - ", urn, urn);
        }
    }
    sql
}

/// What stands for any owner or actor in `token_counts`.
const ANY: &str = "";

/// How many there are that a rule covers.
fn count_covered(whose: Whose<'_>) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("SELECT count(DISTINCT number) FROM (");
    push_covered(&mut sql, whose);
    sql.push(")");
    sql
}

/// The row numbers of what a rule covers, as `RevocationRule::covers` says it; some more than once.
fn push_covered(sql: &mut QueryBuilder<Sqlite>, whose: Whose<'_>) {
    match whose {
        Whose::Anybodys => {
            push_covered_of(sql, "owner", "actor", None);
        }
        Whose::Owner(urn) => push_covered_of(sql, "owner", "actor", Some(urn)),
        Whose::Actor(urn) => push_covered_of(sql, "actor", "owner", Some(urn)),
        Whose::OwnerOrActor(urn) => {
            push_covered_of(sql, "owner", "actor", Some(urn));
            sql.push(" UNION ALL ");
            push_covered_of(sql, "actor", "owner", Some(urn));
        }
    }
}

/// The same of the tokens that have `urn` in the column `column`, if there is one; `other` is the
/// other column of its kind. Starts with the rules, of which there are few.
fn push_covered_of(sql: &mut QueryBuilder<Sqlite>, column: &str, other: &str, urn: Option<&str>) {
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
             WHERE token.revoked_at IS NULL AND token.created_at < rule.issued_before
                 AND rule.scope = '",
        );
        sql.push(scope).push("'");
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actor::Urn,
        store::sqlite::plan::plan,
        token_service::{TextTest, TokenFilter, TokenTextField},
    };

    fn alice() -> Vec<Urn> {
        vec![Urn::corpuser("alice").unwrap()]
    }

    fn of_alice() -> [TokenFilter; 3] {
        let both = vec![TokenFilter::Owner(alice()), TokenFilter::Actor(alice())];
        [TokenFilter::Owner(alice()), TokenFilter::Actor(alice()), TokenFilter::AnyOf(both)]
    }

    /// The plans for everything that answers a query: its page with and without rules, its total.
    async fn plans(query: &TokenQuery) -> Vec<Vec<String>> {
        let selection = Selection::of(query);
        let mut plans = Vec::new();
        for sql in [
            page(query, &selection, false),
            page(query, &selection, true),
            count(&selection, false),
            count(&selection, true),
            kept_count(selection.whose),
            count_covered(selection.whose),
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
        for filter in of_alice() {
            for sort in [TokenSort::ExpiresAt, TokenSort::CreatedAt, TokenSort::Name] {
                let query = TokenQuery::default().filter(filter.clone());
                for query in [query.clone(), query.filter(named.clone())] {
                    for query in [query.clone().ascending(sort), query.descending(sort)] {
                        for plan in plans(&query).await {
                            assert!(!plan.iter().any(|step| scans_tokens(step)), "{plan:#?}");
                        }
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn the_default_order_needs_no_sorting() {
        let mut queries = vec![TokenQuery::default()];
        queries.extend(of_alice().map(|filter| TokenQuery::default().filter(filter)));
        for query in queries {
            let selection = Selection::of(&query);
            for with_rules in [false, true] {
                let plan = plan(page(&query, &selection, with_rules).sql().as_str()).await;
                assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:#?}");
                let is_covered = |step: &String| step.contains("_by_");
                assert!(plan.iter().any(is_covered), "{plan:#?}");
            }
        }
    }

    #[tokio::test]
    async fn a_list_of_both_is_two_lists_that_are_merged() {
        let [.., both] = of_alice();
        let query = TokenQuery::default().filter(both);
        let plan = plan(page(&query, &Selection::of(&query), false).sql().as_str()).await;
        for step in [
            "MERGE (UNION ALL)",
            "SEARCH tokens USING INDEX tokens_by_owner (owner=?)",
            "SEARCH tokens USING INDEX tokens_by_actor_for_others (actor=?)",
        ] {
            assert!(plan.iter().any(|found| found == step), "{plan:#?}");
        }
    }

    #[tokio::test]
    async fn rules_about_others_are_passed_over() {
        for filter in of_alice() {
            let query = TokenQuery::default().filter(filter);
            let plan = plan(count_covered(Selection::of(&query).whose).sql().as_str()).await;
            let at = |start: &str| plan.iter().position(|step| step.starts_with(start)).unwrap();
            let pair = at("SEARCH pair USING PRIMARY KEY (owner=? AND actor=?)");
            assert!(plan[pair - 1].starts_with("SEARCH rule USING PRIMARY KEY"), "{plan:#?}");
            assert!(plan[pair + 1].starts_with("SEARCH token USING INDEX"), "{plan:#?}");
        }
    }

    #[tokio::test]
    async fn the_first_page_by_age_needs_no_sorting_of_all() {
        let query = TokenQuery::default().descending(TokenSort::CreatedAt);
        let plan = plan(page(&query, &Selection::of(&query), false).sql().as_str()).await;
        assert!(plan[0].contains("USING INDEX"), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.ends_with("FOR ORDER BY")), "{plan:#?}");
    }

    #[tokio::test]
    async fn totals_are_not_counted() {
        for filter in of_alice() {
            let query = TokenQuery::default().filter(filter);
            let plan = plan(kept_count(Selection::of(&query).whose).sql().as_str()).await;
            let mut steps = plan.iter().filter(|step| step.contains("token_counts"));
            assert!(steps.all(|step| step.contains("SEARCH token_counts USING PRIMARY KEY")));
            assert!(!plan.iter().any(|step| step.contains("tokens ")), "{plan:#?}");
        }
    }
}
