//! Layer 2: what a request may do.
//!
//! [`RequirePrivilegeLayer`] stands behind
//! [`AuthenticateLayer`](crate::authenticate::AuthenticateLayer) and lets a request pass if its
//! actor has a privilege, or one of several, or several at once. How it decides:
//!
//! 1. Without an [`Authentication`](crate::Authentication) in the extensions: 401 if nobody needed
//!    to present anything, 500 if no layer is in front, or the path is excluded from it.
//! 2. Without a resource, the actor's policies decide at once.
//! 3. With one, that a closure takes from the request, they decide at once if they can. Facts that
//!    are missing are asked for; if they cannot be had, the answer is 503, and a decision that
//!    hangs on an unknown fact is never a grant.
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//! use tower_pat::{
//!     Authentication, RequirePrivilegeLayer,
//!     actor::{Actor, Urn},
//!     policy::Privilege,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let layer = RequirePrivilegeLayer::new(Privilege::VIEW_ENTITY_PAGE).on_urn("/entities/");
//! let service = ServiceBuilder::new()
//!     .layer(layer)
//!     .service(service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(()))));
//!
//! // Everybody may view themselves.
//! let auth = Authentication::for_tests(Actor::new(Urn::corpuser("alice")?), []);
//! let mut request = Request::get("/entities/urn:li:corpuser:alice").body(String::new())?;
//! request.extensions_mut().insert(auth);
//! assert_eq!(service.oneshot(request).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```

mod authorize;
mod error;
mod future;
mod layer;
mod service;

#[cfg(any(feature = "axum", feature = "front-door", feature = "graphql", feature = "rest"))]
pub(crate) use self::service::authentication;
pub use self::{
    error::AuthorizeError, future::ResponseFuture, layer::RequirePrivilegeLayer,
    service::RequirePrivilege,
};
