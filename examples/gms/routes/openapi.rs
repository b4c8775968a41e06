//! OpenAPI version 3: entities and aspects as JSON.

pub(super) mod envelope;

use axum::{
    Json,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_pat::{
    Authentication,
    policy::{ChangeType, Operation},
};

use self::envelope::{change_of, changes_of, entity};
use super::{
    body::{Asked, JsonBody},
    guard::{asked, commit, of_type, page, remove, visible},
};
use crate::{
    refused::Refused,
    service::{Aspects, MetadataService},
    target::{self, Target, TypeTarget},
};

/// `GET /openapi/v3/entity/{type}/{urn}[/{aspect}]`
pub(super) async fn read(
    auth: Authentication,
    State(service): State<MetadataService>,
    target: Target,
) -> Result<Json<Value>, Refused> {
    auth.authorize(asked(Operation::Read, target.entity_type), &target.urn).await?;
    let (mut aspects, missing) = found(&auth, &service, &target).await?;
    match target.aspect {
        None => Ok(Json(entity(&target.urn, aspects, None))),
        Some(aspect) => {
            let value = aspects.remove(aspect).ok_or(missing)?;
            Ok(Json(json!({ "value": value })))
        }
    }
}

/// `HEAD /openapi/v3/entity/{type}/{urn}[/{aspect}]`
pub(super) async fn exists(
    auth: Authentication,
    State(service): State<MetadataService>,
    target: Target,
) -> Result<StatusCode, Refused> {
    auth.authorize(asked(Operation::Exists, target.entity_type), &target.urn).await?;
    let (aspects, missing) = found(&auth, &service, &target).await?;
    match target.aspect {
        Some(aspect) if !aspects.contains_key(aspect) => Err(missing),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// `GET /openapi/v3/entity/{type}`: a page of entities, all of which the caller may read.
pub(super) async fn scroll(
    auth: Authentication,
    State(service): State<MetadataService>,
    TypeTarget(entity_type): TypeTarget,
    query: Asked<Scroll>,
) -> Result<Json<Value>, Refused> {
    let Query(Scroll { count, scroll_id }) = query?;
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(Refused::bad(format!("count is from 1 to {MAX_COUNT}")));
    }
    if entity_type.name != "document" {
        auth.authorize(asked(Operation::Read, entity_type), of_type(entity_type)).await?;
    }
    let page = page(&auth, &service, entity_type, &scroll_id, count).await?;
    let mut entities = Vec::new();
    for urn in &page.urns {
        auth.authorize(asked(Operation::Read, entity_type), urn).await?;
        if let Some(aspects) = visible(&auth, &service, entity_type, urn).await? {
            entities.push(entity(urn, aspects, None));
        }
    }
    Ok(Json(json!({ "scrollId": page.next, "entities": entities })))
}

/// `POST /openapi/v3/entity/{type}/batchGet`: entities, all of which the caller may read; what is
/// not there is left out.
pub(super) async fn batch_get(
    State(service): State<MetadataService>,
    TypeTarget(entity_type): TypeTarget,
    query: Asked<BatchGet>,
    body: JsonBody,
) -> Result<Json<Value>, Refused> {
    let Query(BatchGet { system_metadata }) = query?;
    let wanted: Vec<serde_json::Map<String, Value>> = body.read()?;
    if wanted.len() > MAX_COUNT as usize {
        return Err(Refused::bad(format!("{MAX_COUNT} entities at once at most")));
    }
    let mut urns = Vec::new();
    for members in &wanted {
        let urn = members.get("urn").and_then(Value::as_str);
        let urn = target::urn(urn.ok_or_else(|| Refused::bad("an entity has a urn"))?)?;
        target::agree(entity_type, &urn)?;
        body.auth.authorize(asked(Operation::Read, entity_type), &urn).await?;
        urns.push(urn);
    }
    let mut entities = Vec::new();
    for (urn, members) in urns.iter().zip(&wanted) {
        let found = visible(&body.auth, &service, entity_type, urn).await?;
        let Some(mut aspects) = found else { continue };
        if members.len() > 1 {
            aspects.retain(|name, _| members.contains_key(name));
        }
        let stamps = match system_metadata {
            true => Some(service.entities.stamps(urn).await?),
            false => None,
        };
        entities.push(entity(urn, aspects, stamps.as_ref()));
    }
    Ok(Json(json!(entities)))
}

/// `POST /openapi/v3/entity/{type}`: aspects of entities of one type.
pub(super) async fn write_entities(
    State(service): State<MetadataService>,
    TypeTarget(entity_type): TypeTarget,
    query: Asked<Write>,
    JsonBody { auth, body }: JsonBody,
) -> Result<Response, Refused> {
    let Query(write) = query?;
    commit(&auth, &service, changes_of(entity_type, &body, write.change_type())?).await?;
    Ok((write.status(), Json(body)).into_response())
}

/// `PATCH /openapi/v3/entity/{type}`: patches of aspects of entities of one type.
pub(super) async fn patch_entities(
    State(service): State<MetadataService>,
    TypeTarget(entity_type): TypeTarget,
    query: Asked<Write>,
    JsonBody { auth, body }: JsonBody,
) -> Result<Response, Refused> {
    let Query(write) = query?;
    commit(&auth, &service, changes_of(entity_type, &body, ChangeType::Patch)?).await?;
    Ok((write.status(), Json(body)).into_response())
}

/// `POST /openapi/v3/entity/{type}/{urn}/{aspect}`
pub(super) async fn write_aspect(
    State(service): State<MetadataService>,
    target: Target,
    query: Asked<Write>,
    JsonBody { auth, body }: JsonBody,
) -> Result<Response, Refused> {
    let Query(write) = query?;
    let (change, answer) = change_of(target, &body, write.change_type())?;
    commit(&auth, &service, vec![change]).await?;
    Ok((write.status(), Json(answer)).into_response())
}

/// `PATCH /openapi/v3/entity/{type}/{urn}/{aspect}`
pub(super) async fn patch_aspect(
    State(service): State<MetadataService>,
    target: Target,
    query: Asked<Write>,
    JsonBody { auth, body }: JsonBody,
) -> Result<Response, Refused> {
    let Query(write) = query?;
    let (change, answer) = change_of(target, &json!({ "value": body }), ChangeType::Patch)?;
    commit(&auth, &service, vec![change]).await?;
    Ok((write.status(), Json(answer)).into_response())
}

/// `DELETE /openapi/v3/entity/{type}/{urn}[/{aspect}]`; also where nothing is there.
pub(super) async fn delete(
    auth: Authentication,
    State(service): State<MetadataService>,
    target: Target,
) -> Result<StatusCode, Refused> {
    remove(&auth, &service, &target).await?;
    Ok(StatusCode::OK)
}

/// The aspects of a target, and what to answer if the one that is meant is not among them.
async fn found(
    auth: &Authentication,
    service: &MetadataService,
    target: &Target,
) -> Result<(Aspects, Refused), Refused> {
    let aspects = visible(auth, service, target.entity_type, &target.urn).await?;
    let aspects = aspects.ok_or_else(|| Refused::NotFound(target.urn.to_string()))?;
    let aspect = target.aspect.unwrap_or_default();
    Ok((aspects, Refused::NotFound(format!("{aspect} of {}", target.urn))))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scroll {
    #[serde(default = "default_count")]
    count: u32,
    #[serde(default)]
    scroll_id: String,
}

fn default_count() -> u32 {
    10
}

const MAX_COUNT: u32 = 1000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchGet {
    #[serde(default)]
    system_metadata: bool,
}

/// How to write. DataHub's default for a single aspect is to leave alone what is there; here it is
/// UPSERT everywhere, so that suspending somebody never quietly does nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Write {
    #[serde(default)]
    create_if_not_exists: bool,
    #[serde(default, alias = "createEntityIfNotExists")]
    create_if_entity_not_exists: bool,
    #[serde(default)]
    r#async: bool,
}

impl Write {
    fn change_type(&self) -> ChangeType {
        if self.create_if_entity_not_exists {
            ChangeType::CreateEntity
        } else if self.create_if_not_exists {
            ChangeType::Create
        } else {
            ChangeType::Upsert
        }
    }

    /// Everything is written when it is answered; who asks for less is told what they expect.
    fn status(&self) -> StatusCode {
        if self.r#async { StatusCode::ACCEPTED } else { StatusCode::OK }
    }
}
