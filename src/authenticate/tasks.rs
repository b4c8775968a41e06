//! What goes on without the request that began it, and for how long a store is waited for.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use tokio::{runtime::Handle, task::unconstrained, time::sleep};
use tracing::Instrument;

use crate::{
    backend::StoreError,
    caught::{Caught, Panicked},
};

/// Where a task is spawned.
#[derive(Debug, Clone)]
pub(super) struct Tasks {
    /// For a request that is not polled by a runtime.
    runtime: Handle,
}

impl Tasks {
    pub(super) fn new(runtime: Handle) -> Self {
        Self { runtime }
    }

    /// Polls something where the request is polled. The task that it may become polls it again at
    /// once, so nothing that wakes the request meanwhile is missed.
    pub(super) async fn poll_once<T>(
        &self,
        asked: &mut Caught<'_, T>,
    ) -> Poll<Result<T, Panicked>> {
        poll_fn(|context| {
            // For the time limit, which needs one.
            let _entered = Handle::try_current().is_err().then(|| self.runtime.enter());
            Poll::Ready(Pin::new(&mut *asked).poll(context))
        })
        .await
    }

    /// From here on it goes on, whoever waits for it.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        drop(runtime.spawn(task.in_current_span()));
    }
}

/// What comes of asking stores, or an outage if that takes longer than `limit`.
pub(super) async fn within<T, E: From<StoreError>>(
    limit: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let (mut asked, mut time_is_over) = (pin!(asked), None);
    poll_fn(|context| {
        if let Poll::Ready(result) = asked.as_mut().poll(context) {
            return Poll::Ready(result);
        }
        // What is answered at once needs no timer. Without a runtime there is nobody to say that
        // time is over.
        if time_is_over.is_none() && Handle::try_current().is_ok() {
            time_is_over = Some(Box::pin(unconstrained(sleep(limit))));
        }
        match &mut time_is_over {
            Some(timer) => timer
                .as_mut()
                .poll(context)
                .map(|()| Err(StoreError::unavailable("the store did not answer in time").into())),
            None => Poll::Pending,
        }
    })
    .await
}
