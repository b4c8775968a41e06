use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response};
use tower_service::Service;

use super::{AuthorizeError, ResponseFuture, future::PendingDecision, layer::Settings};
use crate::{
    authenticate::{Authentication, Decided, RequestHead},
    gate::ResponseBody,
    rejection::{Rejection, RejectionCode},
};

/// Service that lets those pass who have a privilege. See the [module docs](super) for an example.
#[derive(Debug, Clone)]
pub struct RequirePrivilege<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> RequirePrivilege<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequirePrivilege<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match self.settings.decide(RequestHead::from(&request)) {
            Outcome::Ready(Ok(())) => ResponseFuture::serving(self.inner.call(request)),
            Outcome::Ready(Err(rejection)) => {
                let refusals = &self.settings.refusals;
                ResponseFuture::refused(refusals.respond(&rejection, &request))
            }
            Outcome::Pending(decision) => {
                // *This* service was polled ready and not its clone: it is taken along, and the
                // clone stays.
                let clone = self.inner.clone();
                let ready = mem::replace(&mut self.inner, clone);
                ResponseFuture::waiting(decision, ready, request, self.settings.refusals.clone())
            }
        }
    }
}

/// A decision, or that it needs facts.
enum Outcome {
    Ready(Result<(), Rejection>),
    Pending(PendingDecision),
}

impl Settings {
    fn decide(&self, head: RequestHead<'_>) -> Outcome {
        let authentication = match authentication(head.extensions) {
            Ok(authentication) => authentication,
            Err(rejection) => return Outcome::Ready(Err(rejection)),
        };
        let Some(find) = &self.resource else {
            return Outcome::Ready(
                authentication.check(&self.requirement, None).map_err(Into::into),
            );
        };
        let resource = match find(head) {
            Ok(resource) => resource,
            Err(rejection) => return Outcome::Ready(Err(rejection)),
        };
        match authentication.check(&self.requirement, Some(&resource)) {
            Err(AuthorizeError::Indeterminate { .. }) => {
                let (authentication, requirement) =
                    (authentication.clone(), self.requirement.clone());
                Outcome::Pending(Box::pin(async move {
                    authentication.authorize(requirement, resource).await.map_err(Into::into)
                }))
            }
            decided => Outcome::Ready(decided.map_err(Into::into)),
        }
    }
}

/// The authentication in a request's extensions, or why there is none.
pub(crate) fn authentication(extensions: &Extensions) -> Result<&Authentication, Rejection> {
    extensions.get().ok_or_else(|| match extensions.get() {
        Some(Decided::Anonymous) => Rejection::missing_token(),
        Some(Decided::Excluded) => Rejection::new(
            RejectionCode::NotAuthenticated,
            "this path is excluded from authentication, and needs it",
        ),
        None => Rejection::new(
            RejectionCode::NotAuthenticated,
            "this needs authentication, and there is no AuthenticateLayer in front of it",
        ),
    })
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for RequirePrivilege<S> {
    const NAME: &'static str = S::NAME;
}
