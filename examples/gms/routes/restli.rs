//! Rest.li: reading entities and aspects, and proposing aspects.

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_pat::{
    Authentication,
    policy::{ChangeType, Operation},
};

use super::{
    body::{Asked, JsonBody},
    guard::{asked, asked_of_series, commit, remove, visible},
};
use crate::{
    entities::{Event, Span, Stamp},
    proposal::Proposal,
    refused::Refused,
    series_filter::SeriesFilter,
    service::{Aspects, MetadataService},
    target::Target,
};

/// `GET /entities/{urn}`: an entity as a snapshot, in the form of DataHub's oldest API.
pub(super) async fn snapshot(
    auth: Authentication,
    State(service): State<MetadataService>,
    Target { entity_type, urn, .. }: Target,
) -> Result<Json<Value>, Refused> {
    auth.authorize(asked(Operation::Read, entity_type), &urn).await?;
    let aspects = visible(&auth, &service, entity_type, &urn).await?;
    let aspects = aspects.ok_or_else(|| Refused::NotFound(urn.to_string()))?;
    let aspects: Vec<Value> = aspects
        .into_iter()
        .map(|(name, value)| Value::Object(Map::from_iter([(entity_type.record(&name), value)])))
        .collect();
    let snapshot = json!({ "urn": urn, "aspects": aspects });
    Ok(Json(json!({ "value": { entity_type.snapshot(): snapshot } })))
}

/// `GET /aspects/{urn}?aspect=..&version=0`: the latest version of an aspect, by its record's name.
/// The client asks for the key aspect to learn whether there is an entity.
pub(super) async fn aspect(
    auth: Authentication,
    State(service): State<MetadataService>,
    target: Target,
    query: Asked<OneAspect>,
) -> Result<Json<Value>, Refused> {
    let Query(OneAspect { aspect, version }) = query?;
    auth.authorize(asked(Operation::Read, target.entity_type), &target.urn).await?;
    if version != 0 {
        return Err(Refused::bad("version 0, the latest, is the only one here"));
    }
    let aspects = visible(&auth, &service, target.entity_type, &target.urn).await?;
    let value = aspects.and_then(|mut aspects| aspects.remove(&aspect));
    let Some(value) = value else {
        let urn = target.urn;
        return Err(Refused::Absent(format!(
            "Did not find urn: {urn} aspect: {aspect} version: 0"
        )));
    };
    Ok(Json(json!({ "version": 0, "aspect": { target.entity_type.record(&aspect): value } })))
}

/// `GET /entitiesV2/{urn}[?aspects=List(a,b)]`: an entity with its aspects by name. Of one that is
/// not there, the key aspect: this is how the client knows it.
pub(super) async fn entity(
    auth: Authentication,
    State(service): State<MetadataService>,
    Target { entity_type, urn, .. }: Target,
    query: Asked<SomeAspects>,
) -> Result<Json<Value>, Refused> {
    let Query(SomeAspects { aspects: wanted }) = query?;
    auth.authorize(asked(Operation::Read, entity_type), &urn).await?;
    let wanted = wanted.as_deref().map(list).transpose()?;
    let aspects = visible(&auth, &service, entity_type, &urn).await?;
    let mut stamps = service.entities.stamps(&urn).await?;
    let key = entity_type.key_aspect.as_str();
    let mut aspects = match aspects {
        Some(aspects) => aspects,
        None => Aspects::from_iter(entity_type.key(&urn).map(|value| (key.to_owned(), value))),
    };
    if let Some(wanted) = wanted {
        aspects.retain(|name, _| name == key || wanted.contains(&name.as_str()));
    }
    let aspects: Map<String, Value> = aspects
        .into_iter()
        .map(|(name, value)| {
            let aspect = versioned(&name, &value, stamps.remove(&name));
            (name, aspect)
        })
        .collect();
    Ok(Json(json!({ "urn": urn, "entityName": entity_type.name, "aspects": aspects })))
}

/// `POST /aspects?action=..`
pub(super) async fn aspects_action(
    State(service): State<MetadataService>,
    query: Asked<Action>,
    body: JsonBody,
) -> Result<Json<Value>, Refused> {
    let Query(Action { action }) = query?;
    match action.as_str() {
        "ingestProposal" => {
            let Ingest { proposal } = body.read()?;
            ingest(&body.auth, &service, vec![proposal]).await
        }
        "ingestProposalBatch" => {
            let IngestBatch { proposals } = body.read()?;
            ingest(&body.auth, &service, proposals).await
        }
        "getTimeseriesAspectValues" => series(&body.auth, &service, body.read()?).await,
        _ => Err(Refused::NotFound(format!("the action {action}"))),
    }
}

/// Writes what is proposed, all or nothing.
async fn ingest(
    auth: &Authentication,
    service: &MetadataService,
    proposals: Vec<Proposal>,
) -> Result<Json<Value>, Refused> {
    if let [proposal] = proposals.as_slice()
        && proposal.change_type()? == ChangeType::Delete
    {
        remove(auth, service, &proposal.target()?).await?;
        return Ok(Json(json!({ "value": "success" })));
    }
    let changes = proposals.into_iter().map(Proposal::into_change).collect::<Result<_, _>>()?;
    commit(auth, service, changes).await?;
    Ok(Json(json!({ "value": "success" })))
}

/// The latest events of a series.
async fn series(
    auth: &Authentication,
    service: &MetadataService,
    query: SeriesQuery,
) -> Result<Json<Value>, Refused> {
    let target = Target::of(&query.urn)?.with_aspect(&query.aspect)?;
    auth.authorize(asked_of_series(Operation::Read), &target.urn).await?;
    if target.entity_type.name != query.entity {
        return Err(Refused::bad(format!("{} is not the urn of a {}", query.urn, query.entity)));
    }
    let limit = if query.latest_value { 1 } else { query.limit.unwrap_or(MAX_EVENTS) };
    let span = Span { from: query.start_time_millis, to: query.end_time_millis };
    let count = limit.min(MAX_EVENTS);
    let wanted = |event: &Value| query.filter.matches(event);
    let events = service.entities.events(&target.urn, &query.aspect, span, count, wanted).await?;
    let values: Vec<Value> = events
        .into_iter()
        .map(|Event { value, system_metadata }| {
            json!({
                "aspect": { "value": value.to_string(), "contentType": "application/json" },
                "systemMetadata": system_metadata,
                "name": query.aspect, "type": "TIMESERIES", "version": 0,
            })
        })
        .collect();
    let answer = json!({
        "entityName": query.entity, "aspectName": query.aspect, "limit": limit, "values": values,
    });
    Ok(Json(json!({ "value": answer })))
}

fn versioned(name: &str, value: &Value, stamp: Option<Stamp>) -> Value {
    // When a user was last changed, the directory does not say.
    let stamp = stamp.unwrap_or_else(|| Stamp {
        written_at: 0,
        written_by: "urn:li:corpuser:unknown".to_owned(),
        system_metadata: None,
    });
    json!({
        "name": name, "type": "VERSIONED", "version": 0, "value": value,
        "created": { "time": stamp.written_at, "actor": stamp.written_by },
        "systemMetadata": stamp.system_metadata.unwrap_or_else(|| json!({})),
    })
}

/// The names in `List(a,b)`.
fn list(text: &str) -> Result<Vec<&str>, Refused> {
    let names = text.strip_prefix("List(").and_then(|text| text.strip_suffix(')'));
    let names = names.ok_or_else(|| Refused::bad("aspects is a list: List(a,b)"))?;
    Ok(names.split(',').map(str::trim).filter(|name| !name.is_empty()).collect())
}

#[derive(Debug, Deserialize)]
pub(super) struct Action {
    pub(super) action: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct OneAspect {
    aspect: String,
    #[serde(default)]
    version: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct SomeAspects {
    aspects: Option<String>,
}

/// With `async`, the client only says that it does not wait; here all is written at once.
#[derive(Deserialize)]
struct Ingest {
    proposal: Proposal,
}

#[derive(Deserialize)]
struct IngestBatch {
    proposals: Vec<Proposal>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SeriesQuery {
    urn: String,
    entity: String,
    aspect: String,
    #[serde(default)]
    latest_value: bool,
    limit: Option<usize>,
    start_time_millis: Option<i64>,
    end_time_millis: Option<i64>,
    #[serde(default)]
    filter: SeriesFilter,
}

/// DataHub's default, and the most that is answered.
const MAX_EVENTS: usize = 10_000;
