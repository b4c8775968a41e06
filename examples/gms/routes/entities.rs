//! Rest.li: writing snapshots, and deleting.

use axum::{
    Json,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tower_pat::{Authentication, actor::Urn, policy::Operation, require::AuthorizeError};

use super::{
    body::{Asked, JsonBody},
    guard::{ATTEMPTS, asked, asked_of_series, commit, remove},
    restli::Action,
};
use crate::{
    batch::MAX_CHANGES,
    entities::{Deleted, Span, SystemMetadata},
    proposal::changes_of_snapshot,
    references::{References, Summary},
    refused::Refused,
    search::Readable,
    service::MetadataService,
    target::Target,
};

/// `POST /entities?action=..`
pub(super) async fn entities_action(
    State(service): State<MetadataService>,
    query: Asked<Action>,
    body: JsonBody,
) -> Result<Response, Refused> {
    let Query(Action { action }) = query?;
    match action.as_str() {
        "ingest" => ingest(&body.auth, &service, body.read()?).await,
        "delete" => delete(&body.auth, &service, body.read()?).await,
        "deleteReferences" => delete_references(&body.auth, &service, body.read()?).await,
        _ => Err(Refused::NotFound(format!("the action {action}"))),
    }
}

/// Writes a snapshot. DataHub asks for CREATE here even if the entity is there; here it is what is
/// asked for to write the same aspects one by one, so who may only make things overwrites nothing.
async fn ingest(
    auth: &Authentication,
    service: &MetadataService,
    Ingest { entity, system_metadata }: Ingest,
) -> Result<Response, Refused> {
    let metadata = SystemMetadata::read(system_metadata.as_ref())?;
    commit(auth, service, changes_of_snapshot(&entity.value, &metadata)?).await?;
    Ok(Json(json!({ "value": null })).into_response())
}

/// Deletes an entity, or events of one of its series.
async fn delete(
    auth: &Authentication,
    service: &MetadataService,
    Delete { urn, aspect_name, start_time_millis, end_time_millis }: Delete,
) -> Result<Response, Refused> {
    let mut target = Target::of(&urn)?;
    if let Some(aspect) = aspect_name {
        target = target.with_aspect(&aspect)?;
    }
    let deleted = match target.aspect {
        Some(aspect) if target.entity_type.is_series(aspect) => {
            // Who may do that may delete the entity, whatever its type.
            auth.authorize(asked_of_series(Operation::Delete), &target.urn).await?;
            let span = Span { from: start_time_millis, to: end_time_millis };
            let series = service.entities.delete_events(&target.urn, aspect, span).await?;
            Deleted { rows: 0, series }
        }
        Some(_) if start_time_millis.is_some() || end_time_millis.is_some() => {
            return Err(Refused::bad("only of a series something is deleted by its time"));
        }
        _ => remove(auth, service, &target).await?,
    };
    let Deleted { rows, series } = deleted;
    let deleted = json!({ "urn": urn, "rows": rows, "timeseriesRows": series });
    Ok(Json(json!({ "value": deleted })).into_response())
}

/// Takes an entity out of the lists that name it, in aspects of others. These others are written,
/// so that is asked for as well. Who may not read one of them learns that there is one, and not
/// which. What is written to one meanwhile is looked at again.
async fn delete_references(
    auth: &Authentication,
    service: &MetadataService,
    DeleteReferences { urn, dry_run }: DeleteReferences,
) -> Result<Response, Refused> {
    let target = Target::of(&urn)?;
    auth.authorize(asked(Operation::Delete, target.entity_type), &target.urn).await?;
    let mut attempt = 1;
    loop {
        let references = References::find(service, &target.urn).await?;
        may_write(auth, &references, &target.urn).await?;
        let done = if dry_run { Ok(()) } else { take_out(auth, service, &references).await };
        match done {
            Err(Refused::Raced(_)) if attempt < ATTEMPTS => attempt += 1,
            done => {
                done?;
                return Ok(Json(Answer { value: references.summary() }).into_response());
            }
        }
    }
}

async fn take_out(
    auth: &Authentication,
    service: &MetadataService,
    references: &References,
) -> Result<(), Refused> {
    for changes in references.changes()?.chunks(MAX_CHANGES) {
        commit(auth, service, changes.to_vec()).await?;
    }
    Ok(())
}

async fn may_write(
    auth: &Authentication,
    references: &References,
    urn: &Urn,
) -> Result<(), Refused> {
    for (entity_type, referrer) in references.referrers() {
        let decision = auth.authorize(asked(Operation::Update, entity_type), referrer).await;
        match decision.map_err(Refused::from) {
            Err(Refused::Unauthorized(
                AuthorizeError::Denied { .. } | AuthorizeError::Indeterminate { .. },
            )) if !auth.may_read(entity_type, referrer).await? => {
                let text = format!("you are not authorized to write all that refers to {urn}");
                return Err(Refused::Forbidden(text));
            }
            decision => decision?,
        }
    }
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ingest {
    entity: Entity,
    system_metadata: Option<Value>,
}

#[derive(Deserialize)]
struct Entity {
    value: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    urn: String,
    aspect_name: Option<String>,
    start_time_millis: Option<i64>,
    end_time_millis: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteReferences {
    urn: String,
    #[serde(default)]
    dry_run: bool,
}

/// Not a [`Value`], whose members have an order of their own.
#[derive(Serialize)]
struct Answer<'a> {
    value: Summary<'a>,
}
