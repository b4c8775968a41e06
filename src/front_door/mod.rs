//! What stands before a metadata service, as DataHub's frontend does on port 9002: it passes on the
//! requests that may come in, and nothing else of who they say they are from.
//!
//! [`FrontDoor`] is a service that stands behind an [`AuthenticateLayer`](crate::AuthenticateLayer),
//! and sends what the layer let pass to a service elsewhere, over HTTP. How it decides:
//!
//! 1. Nobody is there: 401 if nothing was presented, 500 if no layer is in front. A path that is
//!    excluded from the layer is passed on for nobody.
//! 2. `/api/gms/x` becomes `/x` and `/api/v2/graphql` becomes `/api/graphql`; all else stays as it
//!    is, byte for byte. A path with a segment `.` or `..` is refused, also one that is there only once
//!    the path is decoded (`%2e%2e`, `a%2F..%2Fb`), so that nobody behind this can read it as another
//!    one ([`Paths`]). So is a path that is longer than 65,534 bytes with what comes before it.
//! 3. What was judged is passed on, and nothing beside it: the `Authorization` header of a token and
//!    then no cookie, or the cookie of a session and then no other one, or nothing.
//! 4. Whatever else says who somebody is ([list](#what-is-not-passed-on)) is dropped.
//!    `X-DataHub-Actor` is set to the urn of whom the layer found, or to the empty text;
//!    `X-Forwarded-For` to the [`ClientAddress`](crate::authenticate::ClientAddress), where there is
//!    one.
//! 5. The bodies of request and answer are passed on as they come, however long they are.
//! 6. Who is not there is answered with 502, an answer that takes longer than
//!    [120 s](FrontDoor::time_limit) with 504, everything else that fails with 500, as problem
//!    documents.
//!
//! ```
//! use axum::Router;
//! use tower_pat::{
//!     AuthenticateLayer, Authenticator, Config, front_door::FrontDoor, random::{OsRandom, secret},
//!     store::MemoryStore,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
//! # let authenticator = Authenticator::builder(config, MemoryStore::default()).build().await?;
//! let door = FrontDoor::new("http://127.0.0.1:8080")?;
//! let app: Router = Router::new()
//!     .route_service("/api/gms/{*path}", door.clone())
//!     .route_service("/api/graphql", door.clone())
//!     .route_service("/api/v2/graphql", door.clone())
//!     .route_service("/openapi/{*path}", door)
//!     .layer(AuthenticateLayer::new(authenticator).exclude(["/api/gms/config"]));
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # Where DataHub differs
//!
//! Its frontend passes on every request that has an `Authorization` header, without looking at it, and
//! prefers the token of a session cookie to that header. Here a header is judged, and a cookie beside
//! one is refused (by the `SessionAuthenticator` of the feature `session`).
//!
//! With authentication disabled in the layer
//! ([`AuthenticateLayer::dangerous_disabled`](crate::AuthenticateLayer::dangerous_disabled)) every
//! request is passed on in the name of that actor, where DataHub's frontend still asks for a session.
//! With an optional one, who presents nothing is refused here all the same.
//!
//! # What is not passed on
//!
#![doc = include_str!("not_passed_on.md")]
//!
//! # In deployment
//!
//! * The service behind this judges again what it gets, so it needs the same keys and the same store,
//!   or is a DataHub with them. A credential of another kind than tokens
//!   ([`Credential::Other`](crate::authenticate::Credential::Other)) is not passed on: for those
//!   there is `X-DataHub-Actor`, which only a service may believe that nobody else can reach.
//! * An authenticator of one's own that takes a session's token from elsewhere than the cookie must
//!   refuse requests that have an `Authorization` header besides, as the one for the cookie does.
//! * The use of a token is noted by each authenticator that a request passes. With one of its own, the
//!   service behind this notes it, too, from this machine's address, unless its server makes a
//!   [`ClientAddress`](crate::authenticate::ClientAddress) of `X-Forwarded-For`, which it may believe
//!   only if nobody else reaches it.
//! * The connection behind this is plain HTTP: it has to stay on the machine, or in a network of which
//!   one is sure.
//! * Upgrades of connections, such as WebSockets, are not passed on: who is let in once would stay in.

mod body;
mod error;
mod headers;
mod path;
mod service;

pub use self::{body::ResponseBody, error::FrontDoorError, path::Paths, service::FrontDoor};
