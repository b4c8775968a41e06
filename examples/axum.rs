//! An axum router behind the layer, with a handler that decides by the resource and a route that
//! needs a privilege.
//!
//! ```console
//! $ cargo run --example axum --features axum
//! $ curl -i http://127.0.0.1:3000/me -H "Authorization: Bearer $TOKEN"
//! ```

use std::{error::Error, sync::Arc};

use axum::{Json, Router, extract::Path, routing::get};
use serde_json::{Value, json};
use tower_pat::{
    AuthenticateLayer, Authentication, Authenticator, Config, Privilege, RequirePrivilegeLayer,
    TokenService,
    actor::{DirectoryStore, Urn},
    policy::{PolicyStore, default_policies},
    random::{OsRandom, secret},
    require::AuthorizeError,
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

/// The routes: everything but `/health` needs a token, `/tokens` a privilege as well.
fn app(authenticator: Authenticator) -> Router {
    Router::new()
        .route("/tokens", get(async || "you may manage tokens"))
        .route_layer(RequirePrivilegeLayer::new(Privilege::MANAGE_ACCESS_TOKENS))
        .route("/me", get(me))
        .route("/entities/{urn}", get(entity))
        .route("/health", get(async || "OK"))
        .layer(AuthenticateLayer::new(authenticator).exclude(["/health"]))
}

async fn me(auth: Authentication) -> Json<Value> {
    Json(json!({ "urn": auth.actor().urn(), "roles": auth.actor().roles().collect::<Vec<_>>() }))
}

async fn entity(auth: Authentication, Path(urn): Path<Urn>) -> Result<Json<Value>, AuthorizeError> {
    auth.authorize(Privilege::VIEW_ENTITY_PAGE, &urn).await?; // 403 that names what is missing
    Ok(Json(json!({ "urn": urn })))
}

/// A store with a user, and a token for it. A real service has a `SqliteStore` and keys of its own.
async fn deployment() -> Result<(Authenticator, String), Box<dyn Error>> {
    let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
    let store = MemoryStore::default();
    let user = Urn::corpuser("datahub")?;
    store.create_user(&user).await?;
    store.seed_policies(&default_policies()).await?;
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let minted = TokenService::new(&config, Arc::new(store.clone()))
        .mint(MintRequest::new(TokenType::Personal, user, lifetime).name("example"))
        .await?;
    let authenticator = Authenticator::builder(config, store).build().await?;
    Ok((authenticator, minted.token.expose().to_owned()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (authenticator, token) = deployment().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    #[expect(clippy::print_stdout, reason = "it is shown once, to whoever started the example")]
    {
        println!("TOKEN={token}");
    }
    axum::serve(listener, app(authenticator)).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn each_route_asks_for_what_it_needs() -> Result<(), Box<dyn Error>> {
        let (authenticator, token) = deployment().await?;
        let app = app(authenticator);
        for (path, without, with) in [
            ("/health", 200, 200),
            ("/me", 401, 200),
            ("/tokens", 401, 200),
            ("/entities/urn:li:dataset:orders", 401, 200),
            ("/nowhere", 401, 404),
        ] {
            let request = Request::get(path).body(Body::empty())?;
            assert_eq!(app.clone().oneshot(request).await?.status(), without, "{path}");
            let request = Request::get(path).header("authorization", format!("Bearer {token}"));
            let response = app.clone().oneshot(request.body(Body::empty())?).await?;
            assert_eq!(response.status(), with, "{path}");
        }
        Ok(())
    }
}
