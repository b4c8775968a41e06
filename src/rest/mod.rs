//! Managing tokens, keys and revocation rules over HTTP, for services and people that do not want GraphQL.
//!
//! | request | what it does | answer |
//! | --- | --- | --- |
//! | `POST /tokens` | makes a token | 201, with its text, once |
//! | `GET /tokens` | lists tokens: the caller's, or others' for who manages them | 200 |
//! | `GET /tokens/{id}` | looks a token up | 200 |
//! | `DELETE /tokens/{id}` | revokes a token | 204 |
//! | `GET /tokens/self` | looks up the token of this request | 200 |
//! | `DELETE /tokens/self` | revokes the token of this request | 204 |
//! | `GET /keys` | which keys there are, and how many tokens need each | 200 |
//! | `POST /keys/{id}/add` | makes a key verify, also one that is retired | 204 |
//! | `POST /keys/{id}/promote` | makes a key sign | 204 |
//! | `POST /keys/{id}/retire` | refuses what a key signed | 204 |
//! | `POST /revocation-rules` | revokes all tokens of somebody, of a key, or at all | 201 |
//! | `GET /revocation-rules` | lists what was revoked so | 200 |
//! | `POST /introspect` | whether a token is good ([RFC 7662]) | 200 |
//! | `POST /revoke` | revokes a token by its text ([RFC 7009]) | 200 |
//! | `GET /openapi.json` | all this as an OpenAPI document | 200 |
//!
//! [`RestService`] decides nothing itself: it is a face of [`Access`](crate::access::Access), which
//! says who may. It needs an [`AuthenticateLayer`](crate::AuthenticateLayer) in front; nothing of it
//! is open. Refusals are the problem documents of [`rejection`](crate::rejection); those of
//! `/introspect` and `/revoke` have OAuth's `error` and `error_description` besides.
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::Router;
//! use tower_pat::{
//!     AuthenticateLayer, Authenticator, Config, access::Access, random::{OsRandom, secret},
//!     rest::RestService, store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
//! let store = MemoryStore::default();
//! let access = Access::new(&config, Arc::new(store.clone()));
//! let authenticator = Authenticator::builder(config, store).build().await?;
//! let app: Router = Router::new()
//!     .nest_service("/api", RestService::new(access).public_path("/api"))
//!     .layer(AuthenticateLayer::new(authenticator));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
//! [RFC 7009]: https://www.rfc-editor.org/rfc/rfc7009

mod key;
mod oauth;
mod parameters;
mod route;
mod rule;
mod service;
mod token;

pub use self::service::RestService;

/// The OpenAPI 3.1 document of this API. `GET /openapi.json` answers it with the `servers` that
/// [`RestService::public_path`] says.
pub const OPENAPI: &str = include_str!("openapi.json");
