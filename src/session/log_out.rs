use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use tower_service::Service;

use super::{Sessions, log_in::check_post};
use crate::{
    answer::{self, AnswerBody},
    authenticate::AuthenticateError,
    backend::{BoxFuture, chain},
    gate::Refusals,
    rejection::{Rejection, RejectionBody},
};

/// `POST /logOut`: ends the session in the cookie, for good and everywhere, and takes the cookie away.
/// Cheap to clone. Mount it on a path that the [`AuthenticateLayer`](crate::AuthenticateLayer)
/// excludes, so that somebody whose session is over gets out, too.
///
/// The answer is 204, also without session, or if it was ended before. Refusals are problem
/// documents: 405 for another method, 403 (`cross_origin`) from the page of another origin, 400
/// (`invalid_request`) together with an `Authorization` header. While the store is down it is 503, and
/// the cookie stays: the session goes on, and the person must be able to try again. So it is where the
/// cookie fits no key of this node, and it lacks one that is not retired.
///
/// The body of a request is not read.
#[derive(Debug, Clone)]
pub struct LogOutService {
    sessions: Sessions,
    refusals: Refusals,
}

impl LogOutService {
    /// The service that ends these sessions.
    #[must_use]
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions, refusals: Refusals::default() }
    }

    /// The realm in challenges. Default `datahub`.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.refusals = self.refusals.realm(realm);
        self
    }

    /// The bodies of refusals. Default [`ProblemBody`](crate::rejection::ProblemBody).
    #[must_use]
    pub fn rejection_body(mut self, body: impl RejectionBody) -> Self {
        self.refusals = self.refusals.body(body);
        self
    }

    async fn answer(self, parts: Parts) -> Response<AnswerBody> {
        match self.handle(&parts).await {
            Ok(()) => {
                let mut response = answer::json(StatusCode::NO_CONTENT, Bytes::new());
                let removal = self.sessions.removal_cookie();
                response.headers_mut().insert(header::SET_COOKIE, removal);
                response
            }
            Err(rejection) => answer::refuse_method(&self.refusals, &rejection, "POST"),
        }
    }

    async fn handle(&self, parts: &Parts) -> Result<(), Rejection> {
        check_post(parts, &self.sessions)?;
        let has_session = self.sessions.session_cookie().tokens(&parts.headers).next().is_some();
        if has_session && parts.headers.contains_key(header::AUTHORIZATION) {
            return Err(Rejection::from(&AuthenticateError::SeveralCredentials));
        }
        // Several are refused everywhere else; here all of them end, so that none is left behind.
        self.sessions.log_out_of(&parts.headers).await.map_err(|error| {
            if matches!(error, AuthenticateError::UnknownSignature(_)) {
                // Everybody can bring such a cookie.
                tracing::debug!(cause = %chain(&error), "a session may not have been ended");
            } else {
                tracing::error!(cause = %chain(&error), "a session could not be ended");
            }
            Rejection::from(&error)
        })
    }
}

impl<B> Service<Request<B>> for LogOutService
where
    B: Body + Send + 'static,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<AnswerBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        let (parts, _) = request.into_parts();
        Box::pin(async move { Ok(service.answer(parts).await) })
    }
}
