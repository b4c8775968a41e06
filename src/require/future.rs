use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    backend::BoxFuture,
    gate::{Admit, GateFuture, Pending, Refusals, ResponseBody},
    rejection::Rejection,
};

/// A decision that waits for facts.
pub(super) type PendingDecision = BoxFuture<'static, Result<(), Rejection>>;

impl Pending for PendingDecision {
    type Admitted = ();

    fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Rejection>> {
        self.as_mut().poll(cx)
    }
}

impl Admit for () {
    fn admit(self, _: &mut Extensions) {}
}

pin_project! {
    /// Response future of [`RequirePrivilege`](super::RequirePrivilege).
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        gate: GateFuture<S, ReqBody, PendingDecision>,
    }
}

impl<S, ReqBody> ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    pub(super) fn serving(response: S::Future) -> Self {
        Self { gate: GateFuture::serving(response) }
    }

    pub(super) fn refused(response: Response<ResponseBody<()>>) -> Self {
        Self { gate: GateFuture::refused(response) }
    }

    pub(super) fn waiting(
        decision: PendingDecision,
        ready: S,
        request: Request<ReqBody>,
        refusals: Refusals,
    ) -> Self {
        Self { gate: GateFuture::waiting(decision, ready, request, refusals) }
    }
}

impl<S, ReqBody, ResBody> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().gate.poll(cx)
    }
}

impl<S, ReqBody> fmt::Debug for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.gate, f)
    }
}
