use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Authentication, PendingVerdict, service::reject};
use crate::{
    gate::{GateFuture, Pending, Refusals, ResponseBody},
    rejection::Rejection,
};

pin_project! {
    /// Response future of [`Authenticate`](super::Authenticate).
    pub struct ResponseFuture<S, ReqBody>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        gate: GateFuture<S, ReqBody, PendingVerdict>,
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
        verdict: PendingVerdict,
        ready: S,
        request: Request<ReqBody>,
        refusals: Refusals,
    ) -> Self {
        Self { gate: GateFuture::waiting(verdict, ready, request, refusals) }
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

impl Pending for PendingVerdict {
    type Admitted = Authentication;

    fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<Result<Authentication, Rejection>> {
        Pin::new(self).poll(cx).map_err(reject)
    }
}
