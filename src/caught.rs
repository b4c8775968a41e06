//! A panic as an outcome.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

use crate::backend::BoxFuture;

/// A future of which a panic is its outcome, so that it ends one answer and not a connection with
/// all that is answered on it, or one attempt and not a task that must go on. It must not be polled
/// after that.
pub(crate) struct Caught<'a, T>(BoxFuture<'a, T>);

/// That something panicked. The panic hook has seen what it said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it panicked")]
pub(crate) struct Panicked;

impl<'a, T> Caught<'a, T> {
    pub(crate) fn new(inner: impl Future<Output = T> + Send + 'a) -> Self {
        Self(Box::pin(inner))
    }
}

impl<T> Future for Caught<'_, T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // What the future owns is dropped with it, and what it shares is as safe as in any other
        // thread that panics.
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_outcome() {
        assert_eq!(Caught::new(async { 7 }).await, Ok(7));
        let later = async {
            tokio::task::yield_now().await;
            panic!("on purpose")
        };
        assert_eq!(Caught::<()>::new(later).await, Err(Panicked));
    }
}
