use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Extensions, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{Refusals, ResponseBody};
use crate::rejection::Rejection;

/// A verdict that is being found out.
pub(crate) trait Pending {
    /// What an admitted request takes with it.
    type Admitted: Admit;

    fn poll_verdict(&mut self, cx: &mut Context<'_>) -> Poll<Result<Self::Admitted, Rejection>>;
}

/// What an admitted request takes with it.
pub(crate) trait Admit {
    fn admit(self, extensions: &mut Extensions);
}

pin_project! {
    /// Waits for a verdict, if there is none yet, and then for the inner service.
    ///
    /// While it waits it keeps the service that was polled ready, together with the request.
    pub(crate) struct GateFuture<S, ReqBody, V>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S, S::Future, ReqBody, V>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, ReqBody, V> {
        Waiting {
            verdict: V,
            pending: Option<(S, Request<ReqBody>)>,
            refusals: Refusals,
        },
        Serving { #[pin] response: F },
        Refused { response: Option<Response<ResponseBody<()>>> },
    }
}

impl<S, ReqBody, V> GateFuture<S, ReqBody, V>
where
    S: Service<Request<ReqBody>>,
{
    pub(crate) fn waiting(
        verdict: V,
        ready: S,
        request: Request<ReqBody>,
        refusals: Refusals,
    ) -> Self {
        Self { state: State::Waiting { verdict, pending: Some((ready, request)), refusals } }
    }

    pub(crate) fn serving(response: S::Future) -> Self {
        Self { state: State::Serving { response } }
    }

    pub(crate) fn refused(response: Response<ResponseBody<()>>) -> Self {
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<S, ReqBody, ResBody, V> Future for GateFuture<S, ReqBody, V>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    V: Pending,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                StateProj::Waiting { verdict, pending, refusals } => {
                    let verdict = ready!(verdict.poll_verdict(cx));
                    let Some((mut service, mut request)) = pending.take() else {
                        // Taken only below, where the state changes as well.
                        return Poll::Pending;
                    };
                    let next = match verdict {
                        Ok(admitted) => {
                            admitted.admit(request.extensions_mut());
                            State::Serving { response: service.call(request) }
                        }
                        Err(rejection) => State::Refused {
                            response: Some(refusals.respond(&rejection, &request)),
                        },
                    };
                    state.set(next);
                }
                StateProj::Serving { response } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProj::Refused { response } => {
                    // Polled again after it completed: there is nothing to say a second time.
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::into_refusal)));
                }
            }
        }
    }
}

impl<S, ReqBody, V> fmt::Debug for GateFuture<S, ReqBody, V>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Waiting { .. } => "waiting",
            State::Serving { .. } => "serving",
            State::Refused { .. } => "refused",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
