use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use super::{AuthenticateError, Authentication};
use crate::backend::BoxFuture;

/// What is known of a request's credentials: the answer, or that it needs a store.
#[derive(Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// There are no credentials that any authenticator takes.
    NotPresented,
    /// The answer.
    Ready(Result<Authentication, AuthenticateError>),
    /// It is being found out.
    Pending(PendingVerdict),
}

/// An answer that is being found out. It needs nothing of the request any more.
#[must_use]
pub struct PendingVerdict(pub(super) BoxFuture<'static, Result<Authentication, AuthenticateError>>);

impl Future for PendingVerdict {
    type Output = Result<Authentication, AuthenticateError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for PendingVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingVerdict(..)")
    }
}
