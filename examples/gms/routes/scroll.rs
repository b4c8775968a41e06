//! `POST /openapi/v3/entity/scroll`: searching over several types.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_pat::policy::Operation;

use super::{
    body::{Asked, JsonBody},
    guard::{asked, of_type},
    openapi::envelope::entity,
};
use crate::{
    refused::Refused,
    search::{Condition, Criterion, Search, Slice},
    service::MetadataService,
    target::type_of,
};

/// `POST /openapi/v3/entity/scroll`: a page of entities. Who may read a type finds what they may
/// read of it, and learns of nothing else.
pub(super) async fn scroll(
    State(service): State<MetadataService>,
    query: Asked<Page>,
    body: JsonBody,
) -> Result<Json<Value>, Refused> {
    let Query(page) = query?;
    let wanted: Wanted = body.read()?;
    if !(1..=MAX_COUNT).contains(&page.count) {
        return Err(Refused::bad(format!("count is from 1 to {MAX_COUNT}")));
    }
    let types = wanted.entities.iter().flatten().map(|name| type_of(name));
    let types = types.collect::<Result<Vec<_>, _>>()?;
    for entity_type in types.iter().filter(|entity_type| entity_type.name != "document") {
        body.auth.authorize(asked(Operation::Read, entity_type), of_type(entity_type)).await?;
    }
    let search = Search {
        types,
        text: page.query,
        any_of: wanted.filter.map(Filter::any_of).transpose()?.unwrap_or_default(),
        include_removed: page.include_soft_delete,
    };
    let slice = Slice { after: &page.scroll_id, skip: 0, count: page.count, total: true };
    let hits = search.find(&service, slice, &body.auth).await?;
    let mut entities = Vec::new();
    for urn in &hits.urns {
        let Some(names) = &wanted.aspects else {
            entities.push(json!({ "urn": urn }));
            continue;
        };
        let aspects = service.aspects(type_of(urn.entity_type())?, urn).await?;
        let mut aspects = aspects.unwrap_or_default();
        aspects.retain(|name, _| names.is_empty() || names.contains(name));
        let stamps = match page.system_metadata {
            true => Some(service.entities.stamps(urn).await?),
            false => None,
        };
        entities.push(entity(urn, aspects, stamps.as_ref()));
    }
    let answer = json!({ "scrollId": hits.next, "entities": entities, "totalCount": hits.total });
    Ok(Json(answer))
}

/// Of the rest that the client can say here, nothing changes what is found.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(default = "default_count")]
    count: usize,
    #[serde(default)]
    query: String,
    #[serde(default)]
    scroll_id: String,
    #[serde(default)]
    system_metadata: bool,
    #[serde(default)]
    include_soft_delete: bool,
}

/// What is not known here is refused: it would be less that is found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    entities: Option<Vec<String>>,
    aspects: Option<Vec<String>>,
    filter: Option<Filter>,
}

/// The client's alternatives, which it calls `and`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    and: Vec<Clause>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clause {
    criteria: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    field: String,
    #[serde(default)]
    values: Vec<String>,
    condition: Option<String>,
    #[serde(default)]
    negated: bool,
}

impl Filter {
    /// All clauses hold, as the name says. With one, it is the same as what the client means by
    /// several: that one of them holds; so several are refused.
    fn any_of(self) -> Result<Vec<Vec<Criterion>>, Refused> {
        if self.and.len() > 1 {
            return Err(Refused::bad("a filter has one clause"));
        }
        let criteria = |clause: Clause| clause.criteria.into_iter().map(Rule::criterion).collect();
        self.and.into_iter().map(criteria).collect()
    }
}

impl Rule {
    fn criterion(self) -> Result<Criterion, Refused> {
        let condition = match self.condition.as_deref() {
            None | Some("EQUAL" | "IN") => Condition::Equal,
            Some("IEQUAL") => Condition::EqualIgnoreCase,
            Some("CONTAIN") => Condition::Contain,
            Some("START_WITH") => Condition::StartWith,
            Some("END_WITH") => Condition::EndWith,
            Some("EXISTS") => Condition::Exists,
            Some(other) => return Err(Refused::bad(format!("there is no condition {other}"))),
        };
        let Self { field, values, negated, .. } = self;
        Ok(Criterion { field, values, condition, negated })
    }
}

fn default_count() -> usize {
    10
}

const MAX_COUNT: usize = 5_000;
