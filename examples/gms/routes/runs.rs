//! `POST /runs?action=..`: what runs of ingestions wrote, and taking it back.

use std::collections::{BTreeMap, BTreeSet};

use axum::{
    Json,
    extract::{Query, State},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_pat::{
    Authentication,
    actor::Urn,
    policy::{Operation, Resource},
};

use super::{
    body::{Asked, JsonBody},
    guard::{asked, asked_of_series, of_type},
    restli::Action,
};
use crate::{
    change::tags_of,
    entities::{Run, RunRow},
    refused::Refused,
    registry::EntityType,
    service::{MetadataService, USER_INFO},
    target::type_of,
};

/// `POST /runs?action=..`
pub(super) async fn runs_action(
    State(service): State<MetadataService>,
    query: Asked<Action>,
    body: JsonBody,
) -> Result<Json<Value>, Refused> {
    let Query(Action { action }) = query?;
    match action.as_str() {
        "list" => list(&body.auth, &service, body.read()?).await,
        "describe" => describe(&body.auth, &service, body.read()?).await,
        "rollback" => rollback(&body.auth, &service, body.read()?).await,
        _ => Err(Refused::NotFound(format!("the action {action}"))),
    }
}

/// The runs, for who may read sources of ingestions.
async fn list(
    auth: &Authentication,
    service: &MetadataService,
    List { page_offset, page_size }: List,
) -> Result<Json<Value>, Refused> {
    let sources = type_of(SOURCE)?;
    auth.authorize(asked(Operation::Read, sources), of_type(sources)).await?;
    let start = page_offset.saturating_mul(page_size);
    let runs = service.entities.runs(start, page_size.min(MAX_ROWS)).await?.into_iter();
    let runs = runs.map(|Run { run_id, rows, timestamp }| {
        json!({ "runId": run_id, "rows": rows, "timestamp": timestamp })
    });
    Ok(Json(json!({ "value": runs.collect::<Vec<_>>() })))
}

/// What a run wrote, for who may read all of it.
async fn describe(
    auth: &Authentication,
    service: &MetadataService,
    Describe { run_id, start, count, include_aspect }: Describe,
) -> Result<Json<Value>, Refused> {
    let sources = type_of(SOURCE)?;
    auth.authorize(asked(Operation::Read, sources), of_type(sources)).await?;
    let count = count.min(MAX_ROWS);
    let rows = service.entities.run_rows(&run_id, start, count, include_aspect).await?;
    for (urn, entity_type) in entities(&rows)? {
        auth.authorize(asked(Operation::Read, entity_type), urn).await?;
    }
    for row in rows.iter().filter(|row| row.is_series()) {
        auth.authorize(asked_of_series(Operation::Read), &row.urn).await?;
    }
    let rows: Vec<Value> = rows.iter().map(|row| summary(row, &run_id, include_aspect)).collect();
    Ok(Json(json!({ "value": rows })))
}

/// Takes back what a run wrote. DataHub asks for managing sources of ingestions, and for each
/// entity; here that is to write as well as to delete it, since what was there before comes back,
/// and the tags that come or go with it.
async fn rollback(
    auth: &Authentication,
    service: &MetadataService,
    Rollback { run_id, dry_run }: Rollback,
) -> Result<Json<Value>, Refused> {
    let sources = type_of(SOURCE)?;
    auth.authorize(asked(Operation::Manage, sources), of_type(sources)).await?;
    let mut rows = service.entities.run_rows(&run_id, 0, MAX_TAKEN_BACK + 1, false).await?;
    if rows.len() > MAX_TAKEN_BACK as usize {
        let text = format!("a run that wrote more than {MAX_TAKEN_BACK} rows is not taken back");
        return Err(Refused::bad(text));
    }
    // That a user or group is there is for the directory to say.
    rows.retain(|row| !KEPT_KEYS.contains(&row.aspect.as_str()));
    let tags = changed_tags(&rows);
    for (urn, entity_type) in entities(&rows)? {
        let tags: Vec<Resource> = tags.get(urn).into_iter().flatten().map(Resource::from).collect();
        auth.authorize_with(asked(Operation::Manage, entity_type), urn, &tags).await?;
    }
    let entities = entities(&rows)?.len();
    let done = service.entities.revert(&run_id, &rows, !dry_run).await?;
    for row in rows.iter().filter(|row| !dry_run && row.aspect == USER_INFO) {
        service.follow_user_info(&row.urn).await?;
    }
    let shown: Vec<Value> =
        rows.iter().take(MAX_SHOWN).map(|row| summary(row, &run_id, false)).collect();
    Ok(Json(json!({ "value": {
        "aspectsReverted": done.aspects,
        "aspectsAffected": 0,
        "entitiesAffected": entities,
        "entitiesDeleted": done.entities,
        "unsafeEntitiesCount": 0,
        "unsafeEntities": [],
        "aspectRowSummaries": shown,
    } })))
}

fn entities(rows: &[RunRow]) -> Result<BTreeMap<&Urn, &'static EntityType>, Refused> {
    rows.iter().map(|row| Ok((&row.urn, type_of(row.urn.entity_type())?))).collect()
}

/// The tags that come or go when rows are taken back.
fn changed_tags(rows: &[RunRow]) -> BTreeMap<&Urn, BTreeSet<Urn>> {
    let tagged = rows.iter().filter(|row| row.aspect == "globalTags");
    let changed = tagged.map(|row| {
        let before = row.before.as_ref().map(tags_of).unwrap_or_default();
        (&row.urn, before.symmetric_difference(&tags_of(&row.value)).cloned().collect())
    });
    changed.collect()
}

fn summary(row: &RunRow, run_id: &str, with_value: bool) -> Value {
    json!({
        "urn": row.urn, "aspectName": row.aspect, "timestamp": row.written_at, "runId": run_id,
        "keyAspect": EntityType::find(row.urn.entity_type())
            .is_some_and(|entity_type| entity_type.key_aspect == row.aspect),
        "metadata": "", "version": 0, "payload": with_value.then(|| row.value.to_string()),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    #[serde(default)]
    page_offset: u32,
    page_size: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    run_id: String,
    #[serde(default)]
    start: u32,
    count: u32,
    #[serde(default)]
    include_aspect: bool,
}

/// Whether it is `safe` makes no difference: nothing but what the run wrote is ever deleted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rollback {
    run_id: String,
    // Who does not say that it is meant does not mean it.
    #[serde(default = "yes")]
    dry_run: bool,
}

fn yes() -> bool {
    true
}

/// The type of entity that stands for ingestions (DataHub asks for it, with an empty urn).
const SOURCE: &str = "dataHubIngestionSource";

const KEPT_KEYS: [&str; 2] = ["corpUserKey", "corpGroupKey"];

const MAX_ROWS: u32 = 10_000;

/// Rows that are taken back at once.
const MAX_TAKEN_BACK: u32 = if cfg!(test) { 1_000 } else { 100_000 };

/// Rows that the answer to a rollback names.
const MAX_SHOWN: usize = 100;
