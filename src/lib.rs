//! Personal access tokens for tower services.
//!
//! One layer before an axum router, a hyper service or a tonic service takes the Bearer token from a
//! request, verifies it, finds out who it acts as and what they may do, and puts the result into the
//! request's extensions. A second layer, extractors and methods enforce privileges. Tokens, ids and
//! policy decisions are those of [DataHub](https://github.com/datahub-project/datahub), so a service
//! can stand beside a real one.
//!
//! ```
//! use std::{convert::Infallible, sync::Arc};
//!
//! use http::{Request, Response, StatusCode, header::AUTHORIZATION};
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_pat::{
//!     AuthenticateLayer, Authentication, Authenticator, Config, TokenService,
//!     actor::{DirectoryStore, Urn},
//!     random::{OsRandom, secret},
//!     store::MemoryStore,
//!     token::{AccessTokenDuration, TokenType},
//!     token_service::MintRequest,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A deployment has its own key and salt, and keeps them: see `Config::from_env`.
//! let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
//! let store = MemoryStore::default();
//!
//! // A user, and a token by which they act.
//! let alice = Urn::corpuser("alice")?;
//! store.create_user(&alice).await?;
//! let tokens = TokenService::new(&config, Arc::new(store.clone()));
//! let lifetime = AccessTokenDuration::OneMonth.lifetime();
//! let minted = tokens.mint(MintRequest::new(TokenType::Personal, alice, lifetime)).await?;
//!
//! // A service that knows who asks.
//! let authenticator = Authenticator::builder(config, store).build().await?;
//! let service = AuthenticateLayer::new(authenticator).layer(service_fn(
//!     async |request: Request<String>| {
//!         let auth = request.extensions().get::<Authentication>().cloned();
//!         Ok::<_, Infallible>(Response::new(auth.map(|auth| auth.actor().id().to_owned())))
//!     },
//! ));
//! # let service = tower::ServiceBuilder::new()
//! #     .map_response(|response: Response<_>| response.map(|_| ()))
//! #     .service(service);
//! let bearer = format!("Bearer {}", minted.token.expose());
//! let request = Request::builder().header(AUTHORIZATION, bearer).body(String::new())?;
//! assert_eq!(service.oneshot(request).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # The rooms
//!
//! | module | what is in there |
//! | --- | --- |
//! | [`authenticate`] | layer 1: who a request comes from |
//! | [`require`] | layer 2: what it may do |
//! | [`token`] | what a token is: claims, text, keys, id, lifetime, record |
//! | [`token_service`] | making, verifying, revoking and listing tokens |
//! | [`access`] | who may manage tokens, service accounts, policies and users |
//! | `rest` | managing tokens over HTTP, introspection and revocation for other services |
//! | [`actor`] | who asks: urns, actors, and the directory that knows them |
//! | [`policy`] | what is granted: privileges, policies, decisions |
//! | [`store`] | where it all lives: in memory, or in SQLite |
//! | [`feed`] | how a change arrives |
//! | `graphql` | managing it all by DataHub's GraphQL API |
//! | `session` | log-in and log-out, passwords, sessions in a cookie |
//! | `front_door` | what stands before a metadata service, and passes requests on |
//! | `settings` | the page on which people make and revoke their tokens |
//! | [`config`] | what a deployment chooses, and what is refused as unsafe |
//! | [`rejection`] | why a request is refused, and how that is answered |
//! | [`clock`], [`random`], [`backend`] | what the others share |
//!
//! # Features
//!
//! | feature | default | what it adds |
//! | --- | --- | --- |
//! | `aws-lc-rs` | yes | signatures by AWS-LC; wins if both backends are on |
//! | `rust-crypto` | | signatures by RustCrypto, without a C compiler |
//! | `sqlite` | | `store::SqliteStore` |
//! | `axum` | | extractors, and refusals as responses |
//! | `tonic` | | `NamedService` for the layered services, so that `add_service` takes them |
//! | `graphql` | | managing tokens, policies and users by DataHub's GraphQL API |
//! | `rest` | | `rest::RestService`: tokens over HTTP, with introspection and revocation |
//! | `session` | | `session::LogInService` and its kin: log-in with user name and password, sessions in a cookie |
//! | `front-door` | | `front_door::FrontDoor`: requests passed on to a metadata service |
//! | `settings` | | `settings::SettingsService`: the page on which people make and revoke their tokens |
//! | `full` | | all of them |
//!
//! One of the signature backends must be on. gRPC is recognised and answered without any feature.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
compile_error!(
    "tower-pat needs a signature backend: turn on the feature `aws-lc-rs` (the default) or `rust-crypto`"
);

pub mod access;
pub mod actor;
#[cfg(any(feature = "graphql", feature = "rest", feature = "session", feature = "settings"))]
mod answer;
pub mod authenticate;
#[cfg(feature = "axum")]
pub mod axum;
pub mod backend;
#[cfg(any(feature = "graphql", feature = "rest", feature = "session"))]
mod body;
mod caught;
pub mod clock;
pub mod config;
#[cfg(any(feature = "session", feature = "front-door"))]
mod cookies;
mod epoch;
pub mod feed;
#[cfg(feature = "front-door")]
pub mod front_door;
mod gate;
#[cfg(feature = "graphql")]
pub mod graphql;
mod grpc;
pub mod policy;
pub mod random;
pub mod rejection;
pub mod require;
#[cfg(feature = "rest")]
pub mod rest;
#[cfg(feature = "session")]
pub mod session;
#[cfg(feature = "settings")]
pub mod settings;
pub mod store;
mod sync;
pub mod token;
pub mod token_service;

pub use self::{
    access::Access,
    authenticate::{AuthenticateLayer, Authentication, Authenticator},
    config::Config,
    policy::Privilege,
    rejection::Rejection,
    require::RequirePrivilegeLayer,
    token_service::TokenService,
};

/// The README's example, compiled.
#[cfg(all(
    doctest,
    feature = "axum",
    feature = "graphql",
    feature = "rest",
    feature = "session",
    feature = "settings",
    feature = "sqlite"
))]
#[doc = include_str!("../README.md")]
struct Readme;
