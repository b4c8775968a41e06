//! `POST /api/graphql`: what the crate offers, and searching.

use async_graphql::{Context, ID, InputObject, MergedObject, Object, Result, SimpleObject};
use tower_pat::{
    Authentication, Rejection,
    access::Access,
    actor::Urn,
    graphql::{
        AndFilterInput, Entity, EntityType, FacetFilterInput, FilterOperator, GraphqlService,
        Mutation, Query, SortCriterion,
    },
    rejection::RejectionCode,
};

use crate::{
    refused::Refused,
    registry,
    search::{Condition, Criterion, Hits, Search, Slice},
    service::MetadataService,
};

/// Tokens, policies and users as the crate has them, and the searches below.
pub(super) fn service(service: MetadataService, access: Access) -> GraphqlService {
    let query = AllQueries(Query::default(), SearchQueries { service });
    GraphqlService::with_roots(access, query, AllMutations::default())
}

#[derive(MergedObject)]
#[graphql(name = "Query")]
struct AllQueries(Query, SearchQueries);

#[derive(Default, MergedObject)]
#[graphql(name = "Mutation")]
struct AllMutations(Mutation);

struct SearchQueries {
    service: MetadataService,
}

/// Who asks finds what they may read; neither a hit nor a number tells of anything else. No
/// privilege is asked for besides, so who may read only some entities finds these.
#[Object]
impl SearchQueries {
    /// Entities of some types that match some conditions, one page after another.
    async fn scroll_across_entities(
        &self,
        context: &Context<'_>,
        input: ScrollAcrossEntitiesInput,
    ) -> Result<Option<ScrollResults>> {
        let auth = context.data::<Authentication>()?;
        let search = search(input.types, input.query, input.or_filters, input.search_flags)?;
        unsorted(input.sort_input.as_ref())?;
        let total = context.look_ahead().field("total").exists();
        let after = input.scroll_id.unwrap_or_default();
        let slice = Slice { after: &after, skip: 0, count: count(input.count)?, total };
        let hits = search.find(&self.service, slice, auth).await.map_err(rejection)?;
        Ok(Some(ScrollResults {
            next_scroll_id: hits.next.clone(),
            count: int(hits.urns.len()),
            total: int(hits.total),
            search_results: results(hits),
        }))
    }

    /// Entities of some types that match some conditions.
    async fn search_across_entities(
        &self,
        context: &Context<'_>,
        input: SearchAcrossEntitiesInput,
    ) -> Result<Option<SearchResults>> {
        let auth = context.data::<Authentication>()?;
        let search = search(input.types, Some(input.query), input.or_filters, input.search_flags)?;
        unsorted(input.sort_input.as_ref())?;
        let total = context.look_ahead().field("total").exists();
        let start = input.start.unwrap_or_default();
        let skip = usize::try_from(start).map_err(|_| bad("start must not be negative"))?;
        let slice = Slice { after: "", skip, count: count(input.count)?, total };
        let hits = search.find(&self.service, slice, auth).await.map_err(rejection)?;
        Ok(Some(SearchResults {
            start,
            count: int(hits.urns.len()),
            total: int(hits.total),
            search_results: results(hits),
        }))
    }
}

fn search(
    types: Option<Vec<EntityType>>,
    query: Option<String>,
    or_filters: Option<Vec<AndFilterInput>>,
    flags: Option<SearchFlags>,
) -> Result<Search> {
    let types = types.unwrap_or_default().into_iter().map(|entity_type| {
        let found = registry::EntityType::find(entity_type.as_str());
        found.ok_or_else(|| bad("there are no entities of this type"))
    });
    let all = |filter: AndFilterInput| {
        filter.and.unwrap_or_default().into_iter().map(criterion).collect()
    };
    Ok(Search {
        types: types.collect::<std::result::Result<_, _>>()?,
        text: query.unwrap_or_default(),
        any_of: or_filters.unwrap_or_default().into_iter().map(all).collect::<Result<_>>()?,
        include_removed: flags.and_then(|flags| flags.include_soft_deleted).unwrap_or_default(),
    })
}

fn criterion(input: FacetFilterInput) -> Result<Criterion> {
    let condition = match input.condition.unwrap_or_default() {
        FilterOperator::Equal | FilterOperator::In => Condition::Equal,
        FilterOperator::Iequal => Condition::EqualIgnoreCase,
        FilterOperator::Contain => Condition::Contain,
        FilterOperator::StartWith => Condition::StartWith,
        FilterOperator::EndWith => Condition::EndWith,
        FilterOperator::Exists => Condition::Exists,
        _ => return Err(bad("a search does not know this condition").into()),
    };
    Ok(Criterion {
        field: input.field,
        values: input.values.unwrap_or_default().into_iter().chain(input.value).collect(),
        condition,
        negated: input.negated.unwrap_or_default(),
    })
}

/// Hits come in the order of their urns.
fn unsorted(sort: Option<&SearchSortInput>) -> Result<()> {
    let Some(sort) = sort else { return Ok(()) };
    let all = sort.sort_criteria.iter().flatten().chain(&sort.sort_criterion);
    if all.into_iter().any(|criterion| criterion.field != "urn") {
        return Err(bad("a search is sorted by urn").into());
    }
    Ok(())
}

fn count(count: Option<i32>) -> Result<usize> {
    let count = usize::try_from(count.unwrap_or(DEFAULT_COUNT));
    let count = count.map_err(|_| bad("count must not be negative"))?;
    if count > MAX_COUNT {
        return Err(bad("count is 10000 at most").into());
    }
    Ok(count)
}

fn results(hits: Hits) -> Vec<SearchResult> {
    let result = |urn: Urn| SearchResult { entity: Entity::of(urn), extra_properties: Vec::new() };
    hits.urns.into_iter().map(result).collect()
}

fn int(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn bad(text: &'static str) -> Rejection {
    Rejection::new(RejectionCode::BadRequest, text)
}

fn rejection(refused: Refused) -> Rejection {
    let detail = refused.to_string();
    match refused {
        Refused::Unauthorized(error) => error.into(),
        Refused::BadRequest(_) => Rejection::new(RejectionCode::BadRequest, detail),
        _ => Rejection::new(RejectionCode::Unavailable, detail),
    }
}

/// What to search for, one page after another.
#[derive(Debug, InputObject)]
struct ScrollAcrossEntitiesInput {
    /// Types of entities; all unless some are given.
    types: Option<Vec<EntityType>>,
    /// Words that are all in what is found; `*` for everything.
    query: Option<String>,
    /// How many to return at most; 10 unless it is given.
    count: Option<i32>,
    /// Where the page begins: what the one before it says.
    scroll_id: Option<String>,
    /// Alternatives, of which one matches.
    or_filters: Option<Vec<AndFilterInput>>,
    /// How to search.
    search_flags: Option<SearchFlags>,
    /// How to sort: by urn.
    sort_input: Option<SearchSortInput>,
}

/// What to search for.
#[derive(Debug, InputObject)]
struct SearchAcrossEntitiesInput {
    /// Types of entities; all unless some are given.
    types: Option<Vec<EntityType>>,
    /// Words that are all in what is found; `*` for everything.
    query: String,
    /// How many to skip.
    start: Option<i32>,
    /// How many to return at most; 10 unless it is given.
    count: Option<i32>,
    /// Alternatives, of which one matches.
    or_filters: Option<Vec<AndFilterInput>>,
    /// A saved view. There are none here.
    #[graphql(name = "viewUrn")]
    _view_urn: Option<ID>,
    /// How to search.
    search_flags: Option<SearchFlags>,
    /// How to sort: by urn.
    sort_input: Option<SearchSortInput>,
}

/// How to search. There is no cache, and nothing is highlighted or aggregated.
#[derive(Debug, InputObject)]
struct SearchFlags {
    /// Makes no difference here.
    #[graphql(name = "skipCache")]
    _skip_cache: Option<bool>,
    /// Makes no difference here.
    #[graphql(name = "skipHighlighting")]
    _skip_highlighting: Option<bool>,
    /// Makes no difference here.
    #[graphql(name = "skipAggregates")]
    _skip_aggregates: Option<bool>,
    /// Makes no difference here.
    #[graphql(name = "maxAggValues")]
    _max_agg_values: Option<i32>,
    /// Whether soft-deleted entities are found.
    include_soft_deleted: Option<bool>,
}

/// How to sort.
#[derive(Debug, InputObject)]
struct SearchSortInput {
    /// By this; use `sortCriteria`.
    sort_criterion: Option<SortCriterion>,
    /// By these.
    sort_criteria: Option<Vec<SortCriterion>>,
}

/// One page of what was found.
#[derive(Debug, SimpleObject)]
struct ScrollResults {
    /// Where the next page begins, if there is one.
    next_scroll_id: Option<String>,
    /// How many are on this page.
    count: i32,
    /// How many there are.
    total: i32,
    /// What was found.
    search_results: Vec<SearchResult>,
}

/// What was found.
#[derive(Debug, SimpleObject)]
struct SearchResults {
    /// How many were skipped.
    start: i32,
    /// How many are on this page.
    count: i32,
    /// How many there are.
    total: i32,
    /// What was found.
    search_results: Vec<SearchResult>,
}

/// An entity that was found.
#[derive(Debug, SimpleObject)]
struct SearchResult {
    /// The entity.
    entity: Entity,
    /// More about it; nothing here.
    extra_properties: Vec<ExtraProperty>,
}

/// A name and a value.
#[derive(Debug, SimpleObject)]
struct ExtraProperty {
    /// The name.
    name: String,
    /// The value.
    value: String,
}

const DEFAULT_COUNT: i32 = 10;
const MAX_COUNT: usize = 10_000;
