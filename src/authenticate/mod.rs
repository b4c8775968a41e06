//! Layer 1: who a request comes from.
//!
//! [`AuthenticateLayer`] takes the Bearer token from a request, verifies it, and puts one
//! [`Authentication`] into the request's extensions. How it decides:
//!
//! 1. Any `Authentication` that is already there is removed: nobody else's word counts.
//! 2. On an excluded path nothing is judged, not even a bad token.
//! 3. There is at most one `Authorization` header; the scheme is `Bearer` in any case; the token
//!    has only the characters of one and the header at most 8 KiB.
//! 4. A token that was verified before, and about which nothing has changed since, is good at once:
//!    without waiting, and without asking any store.
//! 5. Else its signature, claims and times are judged, then the store is asked for its record and
//!    for revocation rules, and the directory for its actor.
//! 6. What the actor may do is taken from the policies in force.
//! 7. That the token was used is noted, at most once a minute, and written later, beside the requests.
//!
//! Before 3, and where there is no Bearer token, the [`CredentialAuthenticator`]s of the chain are
//! asked. One that finds the text of a session, such as in a cookie, hands it over
//! ([`Attempt::SessionToken`]), and it is judged in the same way; what is remembered as a session is
//! no answer for the header, nor the other way.
//!
//! A refusal is an answer and never an error; see [`rejection`](crate::rejection) for which.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_pat::{AuthenticateLayer, Authentication, Authenticator, Config, store::MemoryStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (signing_key, salt) = ("bI0yqV8mJ2xQ7nR4tW1zK6cF9hL3pD5s", "X2dN8vB5jM1kS7wQ");
//! let config = Config::builder(signing_key, salt).build()?;
//! let authenticator = Authenticator::builder(config, MemoryStore::default()).build().await?;
//!
//! let service = ServiceBuilder::new()
//!     .layer(AuthenticateLayer::new(authenticator))
//!     .service(service_fn(async |request: Request<String>| {
//!         let auth = request.extensions().get::<Authentication>();
//!         Ok::<_, Infallible>(Response::new(format!("{auth:?}")))
//!     }));
//!
//! let response = service.oneshot(Request::new(String::new())).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="datahub""#);
//! # Ok(())
//! # }
//! ```
//!
//! # In deployment
//!
//! * Requests that bring the same token while it is looked up wait for one look-up, and for one more
//!   if that refuses and had begun before them. It goes on if they are given up, and ends after
//!   [`store_timeout`](crate::config::ConfigBuilder::store_timeout): who waits then gets a 503. How
//!   many look-ups ask the store at the same time is up to its pool.
//! * A refusal of gRPC has the HTTP status 200, as gRPC wants it. Only a POST is taken for gRPC, so a
//!   proxy that asks by GET whether a request may pass gets a 401.
//! * In required mode a CORS preflight is refused like everything else without a token: answer it in
//!   front of this layer.
//! * The feed is followed by a task of the runtime in which the authenticator was built, whose timer
//!   must be on. If that runtime ends, every request asks the store. So must the timers of the
//!   runtimes in which requests are served.
//! * An outage of the store is a 503 and never a 401. What was verified before is still an answer
//!   until the change feed is stale, which it is after the revocation bound, or for longer if
//!   [`serve_stale_for`](crate::config::ConfigBuilder::serve_stale_for) says so.
//! * What was verified before is judged anew in the background, a few hundred tokens at a time, after
//!   changes may have been missed and after a change that may concern everybody, such as one of a
//!   group's roles. A request whose token has not had its turn asks the store. New policies are read
//!   once, and what an actor may do is taken from them when the token is used, or before.
//! * Behind a router that strips a prefix from paths, excluded paths are seen without that prefix.
//! * The address that is noted with a use is that of [`ClientAddress`], which the server puts into the
//!   request. No header is believed.
//! * A service that ends loses the uses of its last second, unless it calls
//!   [`Authenticator::flush_uses`] before its runtime is gone.
//! * The layer does not see what a proxy in front of it does: it must pass `Authorization` on as it
//!   is.

mod address;
mod authentication;
mod authenticator;
mod bearer;
mod builder;
mod chain;
mod error;
mod excluded;
mod flight;
mod following;
mod future;
mod head;
mod judge;
mod kept;
mod keys;
mod layer;
#[cfg(test)]
#[cfg(tower_pat_model)]
mod model;
mod narrow;
mod outage;
mod policies;
mod revalidate;
mod service;
mod tasks;
mod tidy;
mod uses;
mod verdict;
mod verified;

pub(crate) use self::service::Decided;
pub use self::{
    address::ClientAddress,
    authentication::{AccessToken, Authentication, Credential},
    authenticator::Authenticator,
    builder::{AuthenticatorBuilder, BuildError, Freshness},
    chain::{Attempt, CredentialAuthenticator, Identity},
    error::AuthenticateError,
    future::ResponseFuture,
    head::RequestHead,
    keys::KeyUse,
    layer::AuthenticateLayer,
    service::Authenticate,
    verdict::{PendingVerdict, Verdict},
};
pub use crate::gate::{ResponseBody, ResponseBodyError};
