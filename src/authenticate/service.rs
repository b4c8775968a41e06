use std::{
    mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower_service::Service;

use super::{
    AuthenticateError, Authentication, Credential, PendingVerdict, RequestHead, ResponseFuture,
    Verdict,
    layer::{Mode, Settings},
};
use crate::{
    backend::chain,
    gate::{Admit, ResponseBody},
    rejection::Rejection,
};

/// Service that authenticates requests. See the [module docs](super) for an example.
#[derive(Debug, Clone)]
pub struct Authenticate<S> {
    inner: S,
    settings: Arc<Settings>,
}

/// The mark that the layer leaves where it leaves no [`Authentication`], so that whoever needs one
/// can tell why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    /// Nothing was presented, and nothing need be.
    Anonymous,
    /// Nothing was looked at.
    Excluded,
}

impl<S> Authenticate<S> {
    pub(super) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Authenticate<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let extensions = request.extensions_mut();
        if !extensions.is_empty() {
            extensions.remove::<Authentication>();
            extensions.remove::<Decided>();
        }

        let Settings { authenticator, mode, excluded, .. } = &*self.settings;
        if excluded.contains(request.uri().path()) {
            return self.undecided(request, Decided::Excluded);
        }
        let verdict = match mode {
            Mode::Disabled(actor) => {
                Verdict::Pending(authenticator.identify(actor.clone(), Credential::Disabled))
            }
            Mode::Required | Mode::Optional => authenticator.verdict(RequestHead::from(&request)),
        };
        match (verdict, mode) {
            // Nothing to wait for: the service that was polled ready is called in place.
            (Verdict::Ready(Ok(authentication)), _) => {
                authentication.admit(request.extensions_mut());
                ResponseFuture::serving(self.inner.call(request))
            }
            (Verdict::NotPresented, Mode::Optional) => self.undecided(request, Decided::Anonymous),
            (Verdict::NotPresented, _) => self.refuse(AuthenticateError::MissingToken, &request),
            (Verdict::Ready(Err(error)), _) => self.refuse(error, &request),
            (Verdict::Pending(verdict), _) => self.wait(verdict, request),
        }
    }
}

impl<S> Authenticate<S> {
    fn undecided<ReqBody>(
        &mut self,
        mut request: Request<ReqBody>,
        mark: Decided,
    ) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        request.extensions_mut().insert(mark);
        ResponseFuture::serving(self.inner.call(request))
    }

    fn refuse<ReqBody>(
        &self,
        error: AuthenticateError,
        request: &Request<ReqBody>,
    ) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        ResponseFuture::refused(self.settings.refusals.respond(&reject(error), request))
    }

    fn wait<ReqBody>(
        &mut self,
        verdict: PendingVerdict,
        request: Request<ReqBody>,
    ) -> ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>> + Clone,
    {
        // *This* service was polled ready and not its clone: it is taken along, and the clone stays.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        ResponseFuture::waiting(verdict, ready, request, self.settings.refusals.clone())
    }
}

/// The one place where a refusal becomes an answer, and so the one where it is logged.
pub(super) fn reject(error: AuthenticateError) -> Rejection {
    match &error {
        AuthenticateError::Unavailable(cause) => {
            tracing::error!(cause = %chain(cause), "a request could not be authenticated");
        }
        error => tracing::debug!(reason = %chain(error), "a request was refused"),
    }
    error.into()
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for Authenticate<S> {
    const NAME: &'static str = S::NAME;
}
