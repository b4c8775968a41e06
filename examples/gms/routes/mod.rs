//! The routes and their handlers. Each handler asks for what it needs before it does anything, and
//! for what DataHub asks for there.

mod body;
mod entities;
mod graphql;
mod guard;
mod openapi;
mod restli;
mod runs;
mod scroll;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Request},
    http::{
        Uri,
        header::{AUTHORIZATION, COOKIE},
    },
    routing::{get, post},
};
use serde_json::{Value, json};
use tower::{Layer, util::MapRequestLayer};
use tower_http::{
    classify::{ServerErrorsAsFailures, SharedClassifier},
    sensitive_headers::SetSensitiveRequestHeadersLayer,
    trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer},
};
use tower_pat::{
    AuthenticateLayer, Authenticator, Rejection, access::Access, rejection::RejectionCode,
    rest::RestService,
};
use tracing::Level;

use crate::{front, service::MetadataService};

/// Everything behind the layer but `/health` and `/config`.
pub(crate) fn app(
    service: MetadataService,
    authenticator: Authenticator,
    access: Access,
) -> Router {
    let routes = Router::new()
        .route("/health", get(async || "OK"))
        .route("/config", get(config))
        .route("/aspects", post(restli::aspects_action))
        .route("/aspects/", post(restli::aspects_action))
        .route("/aspects/{*urn}", get(restli::aspect))
        .route("/entities", post(entities::entities_action))
        .route("/entities/", post(entities::entities_action))
        .route("/entities/{*urn}", get(restli::snapshot))
        .route("/entitiesV2/{*urn}", get(restli::entity))
        .route_service(
            "/api/graphql",
            graphql::service(service.clone(), access.clone()).authenticator(authenticator.clone()),
        )
        .nest_service(
            "/pat",
            RestService::new(access).public_path("/pat").authenticator(authenticator.clone()),
        )
        .route("/runs", post(runs::runs_action))
        .route("/runs/", post(runs::runs_action))
        .route("/openapi/v3/entity/scroll", post(scroll::scroll))
        .route(
            "/openapi/v3/entity/{type}",
            get(openapi::scroll).post(openapi::write_entities).patch(openapi::patch_entities),
        )
        .route("/openapi/v3/entity/{type}/batchGet", post(openapi::batch_get))
        .route(
            "/openapi/v3/entity/{type}/{*rest}",
            get(openapi::read)
                .head(openapi::exists)
                .post(openapi::write_aspect)
                .patch(openapi::patch_aspect)
                .delete(openapi::delete),
        )
        .fallback(async || Rejection::new(RejectionCode::NotFound, "there is no such path"))
        .method_not_allowed_fallback(async || {
            let detail = "the path does not have this method";
            Rejection::new(RejectionCode::MethodNotAllowed, detail)
        })
        .with_state(service)
        // DataHub's client sends up to 15 MiB at once.
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(Extension(authenticator.clone()))
        .layer(AuthenticateLayer::new(authenticator).exclude(["/health", "/config"]))
        .layer(trace())
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, COOKIE]));
    // In front of the layer, so that it judges the path that is served.
    let prepare = |request| front::with_address(one_slash(request), None);
    Router::new().fallback_service(MapRequestLayer::new(prepare).layer(routes))
}

/// What is logged of a request: method, path and status.
pub(crate) fn trace() -> TraceLayer<SharedClassifier<ServerErrorsAsFailures>> {
    TraceLayer::new_for_http()
        .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
        .on_response(DefaultOnResponse::new().level(Level::INFO))
}

/// `GET /config`: what DataHub's client asks first, without a token.
async fn config() -> Json<Value> {
    Json(json!({
        "noCode": "true",
        "statefulIngestionCapable": true,
        "patchCapable": true,
        // From 1.0.1 on, the client writes over OpenAPI where it may choose; without a `v`, it does
        // not compare it with its own. A commit would be the key under which it caches schemas.
        "versions": { "acryldata/datahub": { "version": VERSION } },
        "telemetry": { "enabledCli": false, "enabledIngestion": false },
        "managedIngestion": { "enabled": false },
        "datahub": { "serverType": "prod", "serverEnv": "core" },
    }))
}

/// Where the address that the client is given ends with a slash, its paths begin with two.
fn one_slash(mut request: Request) -> Request {
    let uri = request.uri();
    let rest = uri.path().trim_start_matches('/');
    if uri.path().starts_with("//") {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        if let Ok(uri) = format!("/{rest}{query}").parse::<Uri>() {
            *request.uri_mut() = uri;
        }
    }
    request
}

const BODY_LIMIT: usize = 16 * 1024 * 1024;

/// The version of DataHub whose API this is a part of.
const VERSION: &str = "1.7.0";
