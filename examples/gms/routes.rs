//! The routes and their handlers. Each handler asks for what it needs before it does anything, and
//! for what DataHub asks for there.

use std::time::Duration;

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_http::{
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer},
};
use tower_pat::{
    AuthenticateLayer, Authentication, Authenticator,
    policy::{ChangeType, Operation, OperationGroup, Requirement, Resource, requirement},
    token::TokenId,
};
use tracing::Level;

use crate::{
    batch::Batch,
    change::{Change, tags_of},
    delete::{delete_aspect, delete_entity},
    refused::{Refused, problem},
    registry::EntityType,
    service::{Aspects, MetadataService},
    target::{self, Target, TypeTarget},
};

/// Everything behind the layer but `/health` and `/config`.
pub(crate) fn app(service: MetadataService, authenticator: Authenticator) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    Router::new()
        .route("/health", get(async || "OK"))
        .route("/config", get(config))
        .route("/entities/{*urn}", get(snapshot))
        .route("/openapi/v3/entity/{type}", get(scroll).post(write_entities))
        .route(
            "/openapi/v3/entity/{type}/{*rest}",
            get(read).head(exists).post(write_aspect).delete(delete),
        )
        .fallback(async || problem(StatusCode::NOT_FOUND, "not_found", "there is no such path"))
        .method_not_allowed_fallback(async || {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            problem(status, "method_not_allowed", "the path does not have this method")
        })
        .with_state(service)
        // DataHub's client sends up to 15 MiB at once.
        .layer(DefaultBodyLimit::max(16 * 1024 * 1024))
        .layer(Extension(authenticator.clone()))
        .layer(AuthenticateLayer::new(authenticator).exclude(["/health", "/config"]))
        .layer(trace)
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
}

/// `GET /config`: what DataHub's client asks first, without a token.
async fn config() -> Json<Value> {
    // No version: from 1.0.1 on, the client would expect all of DataHub's OpenAPI.
    Json(json!({
        "noCode": "true",
        "statefulIngestionCapable": false,
        "patchCapable": false,
        "telemetry": { "enabledCli": false, "enabledIngestion": false },
        "managedIngestion": { "enabled": false },
        "datahub": { "serverType": "prod", "serverEnv": "core" },
    }))
}

/// `GET /entities/{urn}`: an entity as a snapshot, in the form of DataHub's older API.
async fn snapshot(
    auth: Authentication,
    State(service): State<MetadataService>,
    Target { entity_type, urn, .. }: Target,
) -> Result<Json<Value>, Refused> {
    auth.authorize(asked(Operation::Read, entity_type), &urn).await?;
    let aspects = service.aspects(entity_type, &urn).await?;
    let aspects = aspects.ok_or_else(|| Refused::NotFound(urn.to_string()))?;
    let aspects: Vec<Value> = aspects
        .into_iter()
        .map(|(name, value)| Value::Object(Map::from_iter([(entity_type.record(&name), value)])))
        .collect();
    let snapshot = json!({ "urn": urn, "aspects": aspects });
    Ok(Json(json!({ "value": { entity_type.snapshot(): snapshot } })))
}

/// `GET /openapi/v3/entity/{type}/{urn}[/{aspect}]`
async fn read(
    auth: Authentication,
    State(service): State<MetadataService>,
    target: Target,
) -> Result<Json<Value>, Refused> {
    auth.authorize(asked(Operation::Read, target.entity_type), &target.urn).await?;
    let (mut aspects, missing) = found(&service, &target).await?;
    match target.aspect {
        None => Ok(Json(entity(target.urn.as_str(), aspects))),
        Some(aspect) => {
            let value = aspects.remove(aspect).ok_or(missing)?;
            Ok(Json(json!({ "value": value })))
        }
    }
}

/// `HEAD /openapi/v3/entity/{type}/{urn}[/{aspect}]`
async fn exists(
    auth: Authentication,
    State(service): State<MetadataService>,
    target: Target,
) -> Result<StatusCode, Refused> {
    auth.authorize(asked(Operation::Exists, target.entity_type), &target.urn).await?;
    let (aspects, missing) = found(&service, &target).await?;
    match target.aspect {
        Some(aspect) if !aspects.contains_key(aspect) => Err(missing),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// `GET /openapi/v3/entity/{type}`: a page of entities, all of which the caller may read.
async fn scroll(
    auth: Authentication,
    State(service): State<MetadataService>,
    TypeTarget(entity_type): TypeTarget,
    query: Result<Query<Scroll>, QueryRejection>,
) -> Result<Json<Value>, Refused> {
    let Query(Scroll { count, scroll_id }) = query?;
    if !(1..=MAX_COUNT).contains(&count) {
        return Err(Refused::bad(format!("count is from 1 to {MAX_COUNT}")));
    }
    if entity_type.name != "document" {
        auth.authorize(asked(Operation::Read, entity_type), of_type(entity_type)).await?;
    }
    let page = service.list(entity_type, &scroll_id, count).await?;
    let mut entities = Vec::new();
    for urn in &page.urns {
        auth.authorize(asked(Operation::Read, entity_type), urn).await?;
        if let Some(aspects) = service.aspects(entity_type, urn).await? {
            entities.push(entity(urn.as_str(), aspects));
        }
    }
    Ok(Json(json!({ "scrollId": page.next, "entities": entities })))
}

/// `POST /openapi/v3/entity/{type}`: aspects of entities of one type.
async fn write_entities(
    State(service): State<MetadataService>,
    TypeTarget(entity_type): TypeTarget,
    query: Result<Query<Write>, QueryRejection>,
    JsonBody { auth, body }: JsonBody,
) -> Result<Response, Refused> {
    let Query(write) = query?;
    let changes = of_entities(entity_type, &body, write.change_type())?;
    commit(&auth, &service, changes).await?;
    Ok((write.status(), Json(body)).into_response())
}

/// `POST /openapi/v3/entity/{type}/{urn}/{aspect}`
async fn write_aspect(
    State(service): State<MetadataService>,
    target: Target,
    query: Result<Query<Write>, QueryRejection>,
    JsonBody { auth, body }: JsonBody,
) -> Result<Response, Refused> {
    let Query(write) = query?;
    let aspect = target.aspect.ok_or_else(|| Refused::bad("the path does not name an aspect"))?;
    let answer = json!({ "urn": target.urn, aspect: { "value": value(aspect, &body)? } });
    let change = Change::new(target, aspect, value(aspect, &body)?, write.change_type())?;
    commit(&auth, &service, vec![change]).await?;
    Ok((write.status(), Json(answer)).into_response())
}

/// `DELETE /openapi/v3/entity/{type}/{urn}[/{aspect}]`
async fn delete(
    auth: Authentication,
    State(service): State<MetadataService>,
    target: Target,
) -> Result<StatusCode, Refused> {
    // Revoking somebody else's token is managing tokens.
    let is_token = target.entity_type.name == TokenId::ENTITY_TYPE;
    let operation = if is_token { Operation::Manage } else { Operation::Delete };
    auth.authorize(asked(operation, target.entity_type), &target.urn).await?;
    let Some(aspect) = target.aspect else {
        delete_entity(&service, &target, auth.actor().urn()).await?;
        return Ok(StatusCode::OK);
    };
    if let Some(needed) = Change::grants(target.entity_type.home(aspect)) {
        auth.require(needed)?;
    }
    if aspect == "globalTags" {
        let stored = service.aspects(target.entity_type, &target.urn).await?;
        let stored = stored.and_then(|mut aspects| aspects.remove(aspect));
        let tags = stored.as_ref().map(tags_of).unwrap_or_default();
        let tags: Vec<Resource> = tags.iter().map(Resource::from).collect();
        auth.authorize_with(asked(operation, target.entity_type), &target.urn, &tags).await?;
    }
    delete_aspect(&service, &target, aspect, auth.actor().urn()).await?;
    Ok(StatusCode::OK)
}

/// Asks for everything first, and then writes everything.
async fn commit(
    auth: &Authentication,
    service: &MetadataService,
    changes: Vec<Change>,
) -> Result<(), Refused> {
    let batch = Batch::new(service, changes).await?;
    for (needed, resource, tags) in batch.requirements() {
        auth.authorize_with(needed, resource, &tags).await?;
    }
    for needed in batch.grants() {
        auth.require(needed)?;
    }
    batch.commit(service, auth.actor().urn()).await
}

/// What DataHub asks for to do this to entities of this type.
fn asked(operation: Operation, entity_type: &EntityType) -> Requirement {
    requirement(OperationGroup::Entity, operation, Some(&entity_type.name)).into()
}

fn of_type(entity_type: &EntityType) -> Resource {
    Resource::of_type(entity_type.name.as_str())
}

/// The aspects of a target, and what to answer if the one that is meant is not among them.
async fn found(service: &MetadataService, target: &Target) -> Result<(Aspects, Refused), Refused> {
    let aspects = service.aspects(target.entity_type, &target.urn).await?;
    let aspects = aspects.ok_or_else(|| Refused::NotFound(target.urn.to_string()))?;
    let aspect = target.aspect.unwrap_or_default();
    Ok((aspects, Refused::NotFound(format!("{aspect} of {}", target.urn))))
}

/// An entity in the form of OpenAPI version 3.
fn entity(urn: &str, aspects: Aspects) -> Value {
    let aspects = aspects.into_iter().map(|(name, value)| (name, json!({ "value": value })));
    Value::Object(std::iter::once(("urn".to_owned(), json!(urn))).chain(aspects).collect())
}

/// The changes that a list of entities asks for; the same entity may be there several times.
fn of_entities(
    entity_type: &'static EntityType,
    body: &Value,
    change_type: ChangeType,
) -> Result<Vec<Change>, Refused> {
    let entities = body.as_array().ok_or_else(|| Refused::bad("the body is a list of entities"))?;
    let mut changes = Vec::new();
    for entity in entities {
        let members = entity.as_object().ok_or_else(|| Refused::bad("an entity is an object"))?;
        let urn = members.get("urn").and_then(Value::as_str);
        let urn = target::urn(urn.ok_or_else(|| Refused::bad("an entity has a urn"))?)?;
        target::agree(entity_type, &urn)?;
        for (name, envelope) in members.iter().filter(|(name, _)| *name != "urn") {
            let aspect = target::aspect_of(entity_type, name)?;
            let target = Target { entity_type, urn: urn.clone(), aspect: Some(aspect) };
            changes.push(Change::new(target, aspect, value(aspect, envelope)?, change_type)?);
        }
    }
    Ok(changes)
}

/// The value in `{"value": {...}, "systemMetadata": ..., "headers": ...}`.
fn value<'a>(aspect: &str, envelope: &'a Value) -> Result<&'a Value, Refused> {
    let bad = |what: &str| Refused::bad(format!("{aspect}: {what}"));
    let members = envelope.as_object().ok_or_else(|| bad("an aspect is an object with a value"))?;
    for (name, member) in members {
        match name.as_str() {
            "value" | "systemMetadata" => {}
            "headers" => {
                // A condition that nobody looks at must not pass for one that holds.
                let headers = member.as_object().into_iter().flatten();
                if headers.into_iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("if-"))
                {
                    return Err(bad("conditional writes are not known here"));
                }
            }
            other => return Err(bad(&format!("unknown member `{other}`"))),
        }
    }
    members
        .get("value")
        .filter(|value| value.is_object())
        .ok_or_else(|| bad("its value is an object"))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scroll {
    #[serde(default = "default_count")]
    count: u32,
    #[serde(default)]
    scroll_id: String,
}

fn default_count() -> u32 {
    10
}

const MAX_COUNT: u32 = 1000;

/// How to write. DataHub's default for a single aspect is to leave alone what is there; here it is
/// UPSERT everywhere, so that suspending somebody never quietly does nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Write {
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

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad(rejection.body_text())
    }
}

/// A body that is JSON, whatever its content type says, and who sent it, as of when it was here.
///
/// The layer has judged the head, and a body can take its time: whoever was suspended meanwhile must
/// not be able to undo that by the body's end.
struct JsonBody {
    auth: Authentication,
    body: Value,
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let head = parts.clone();
        let bytes = Bytes::from_request(Request::from_parts(parts, body), state);
        let bytes = tokio::time::timeout(BODY_TIME, bytes)
            .await
            .map_err(|_| {
                Refused::Body(StatusCode::REQUEST_TIMEOUT, "the body took too long".to_owned())
            })?
            .map_err(|rejection| Refused::Body(rejection.status(), rejection.body_text()))?;
        let auth = match head.extensions.get::<Authenticator>() {
            Some(authenticator) => {
                let auth = authenticator.authenticate(&head).await;
                auth.map_err(|error| Refused::NoLonger(error.into()))?
            }
            None => return Err(Refused::bad("there is no authenticator")),
        };
        let body = serde_json::from_slice(&bytes)
            .map_err(|error| Refused::bad(format!("the body is not JSON: {error}")))?;
        Ok(Self { auth, body })
    }
}

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);
