//! Being woken by changes. It only saves time: whoever reads the feed does so at short intervals too.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{
    Executor,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::{
    runtime::Handle,
    sync::{Notify, futures::Notified},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::backend::chain;

/// What wakes those who wait for a change: a change that was made here, and a notification of one that
/// was made elsewhere. For the latter, a task with a connection of its own listens, from when somebody
/// first waits until this is dropped.
pub(super) struct Listener {
    options: PgConnectOptions,
    changed: Arc<Notify>,
    task: Mutex<Option<JoinSet<()>>>,
}

impl Listener {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        Self { options, changed: Arc::default(), task: Mutex::default() }
    }

    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// Completes when there may be something to read; notices it from here on.
    pub(super) fn woken(&self) -> Notified<'_> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Ok(runtime)) = (&*task, Handle::try_current()) {
            let mut listening = JoinSet::new();
            listening.spawn_on(listen(self.options.clone(), self.changed.clone()), &runtime);
            *task = Some(listening);
        }
        self.changed.notified()
    }

    pub(super) fn close(&self) {
        // An empty one, so that nobody begins anew.
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(JoinSet::new());
    }
}

/// Listens for ever, with a pause between a connection that was lost and the next.
async fn listen(options: PgConnectOptions, changed: Arc<Notify>) {
    let mut is_failing = false;
    loop {
        let Err(error) = listen_once(&options, &changed, &mut is_failing).await;
        // Once, and not at every attempt.
        if !is_failing {
            is_failing = true;
            tracing::debug!(
                cause = %chain(&error),
                "notifications of changes do not arrive; the feed is read at intervals alone"
            );
        }
        sleep(PAUSE).await;
    }
}

/// Listens on one connection until that is lost.
async fn listen_once(
    options: &PgConnectOptions,
    changed: &Notify,
    is_failing: &mut bool,
) -> Result<std::convert::Infallible, sqlx::Error> {
    // The library makes its connection by a pool. This one has no other.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    timeout(TIMEOUT, listener.listen(CHANNEL)).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    *is_failing = false;
    // For what was committed before it listened.
    changed.notify_waiters();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(_))) => changed.notify_waiters(),
            Ok(Ok(None)) => return Err(sqlx::Error::Io(std::io::ErrorKind::NotConnected.into())),
            Ok(Err(error)) => return Err(error),
            // Nothing happens, or the connection is gone and nobody said so.
            Err(_) => {
                let sign = timeout(TIMEOUT, listener.execute("SELECT 1")).await;
                sign.map_err(|_| sqlx::Error::PoolTimedOut)??;
                // What came with the answer.
                changed.notify_waiters();
            }
        }
    }
}

/// Where [`Write::announce`](super::write::Write::announce) notifies.
const CHANNEL: &str = "tower_pat_changes";

/// How long to wait for an answer of the server.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How long a connection may be silent before it is asked for a sign of life.
const SILENCE: Duration = Duration::from_secs(15);

/// How long to wait after a connection was lost.
const PAUSE: Duration = Duration::from_secs(1);
