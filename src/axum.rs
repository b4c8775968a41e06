//! Extractors and responses for axum.
//!
//! * [`Authentication`] as an argument of a handler: whoever is not authenticated is refused.
//! * `Option<Authentication>`: `None` means that nothing was presented. A credential that was
//!   presented and is bad never gets as far as the handler.
//! * [`Rejection`] and [`AuthorizeError`] as the error of a handler.
//!
//! Without an [`AuthenticateLayer`](crate::AuthenticateLayer) in front, or on a path that is
//! excluded from it, both extractors answer 500: nobody has looked, so nobody can tell.

use axum_core::{
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{
    authenticate::Authentication,
    gate::Refusals,
    rejection::{Rejection, RejectionCode},
    require::{self, AuthorizeError},
};

impl<S: Sync> FromRequestParts<S> for Authentication {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        require::authentication(&parts.extensions).cloned()
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Authentication {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Rejection> {
        match require::authentication(&parts.extensions) {
            Ok(authentication) => Ok(Some(authentication.clone())),
            Err(rejection) if rejection.code() == RejectionCode::MissingToken => Ok(None),
            Err(rejection) => Err(rejection),
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        Refusals::default().respond_http::<Body>(&self).map(Body::new)
    }
}

impl IntoResponse for AuthorizeError {
    fn into_response(self) -> Response {
        Rejection::from(self).into_response()
    }
}
