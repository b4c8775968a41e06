//! The extractors, and the layers on routers.

use axum::{Router, body::Body, routing::get};
use http::Request;
use tower::ServiceExt;
use tower_pat::{
    Authentication, Privilege, Rejection, RequirePrivilegeLayer, rejection::RejectionCode,
};

use crate::support::{Answer, IntoAnswer, World};

fn handlers() -> Router {
    Router::new()
        .route("/me", get(async |auth: Authentication| auth.actor().id().to_owned()))
        .route(
            "/maybe",
            get(async |auth: Option<Authentication>| {
                auth.map_or("nobody".to_owned(), |auth| auth.actor().id().to_owned())
            }),
        )
        .route(
            "/refused",
            get(async || Err::<(), _>(Rejection::new(RejectionCode::Unavailable, "not now"))),
        )
}

async fn get_with(app: &Router, path: &str, authorization: &str) -> Answer {
    let mut request = Request::get(path);
    if !authorization.is_empty() {
        request = request.header("authorization", authorization);
    }
    let request = request.body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().into_answer().await
}

#[tokio::test]
async fn none_means_that_nothing_was_presented() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.mint().await.token.expose());
    let app = handlers().layer(world.layer().optional());
    assert_eq!(get_with(&app, "/maybe", "").await.body, "nobody");
    assert_eq!(get_with(&app, "/maybe", &token).await.body, "alice");
    assert_eq!(get_with(&app, "/maybe", "Bearer a.b.c").await.status, 401);
    assert_eq!(get_with(&app, "/me", &token).await.body, "alice");
    let anonymous = get_with(&app, "/me", "").await;
    assert_eq!((anonymous.status, anonymous.code().as_str()), (401, "missing_token"));
}

#[tokio::test]
async fn where_nobody_looked_the_extractors_answer_500() {
    let world = World::new().await;
    let excluded = handlers().layer(world.layer().exclude(["/me", "/maybe"]));
    for app in [handlers(), excluded] {
        for path in ["/me", "/maybe"] {
            assert_eq!(get_with(&app, path, "Bearer a.b.c").await.code(), "not_authenticated");
        }
    }
}

#[tokio::test]
async fn a_rejection_is_an_answer() {
    let answer = get_with(&handlers(), "/refused", "").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn both_layers_stand_on_routers_and_on_routes() {
    let world = World::new().await;
    let token = format!("Bearer {}", world.mint().await.token.expose());
    let require = RequirePrivilegeLayer::new(Privilege::MANAGE_POLICIES);
    let app = Router::new()
        .route("/policies", get(async || "policies"))
        .route_layer(require.clone())
        .merge(handlers())
        .route_layer(world.layer());
    assert_eq!(get_with(&app, "/policies", &token).await.status, 403);
    assert_eq!(get_with(&app, "/me", &token).await.status, 200);
    assert_eq!(get_with(&app, "/me", "").await.status, 401);
    // `route_layer` leaves what is no route alone.
    assert_eq!(get_with(&app, "/nowhere", "").await.status, 404);
    let app = handlers().layer(require).layer(world.layer());
    assert_eq!(get_with(&app, "/me", &token).await.status, 403);
    assert_eq!(get_with(&app, "/nowhere", "").await.status, 401);
}
