//! Deleting what need not be kept, which nobody does but whoever owns the store.

use std::{convert::Infallible, time::Duration};

use tokio::time::sleep;
use tower_pat::{
    clock::{Clock, SystemClock},
    token_service::{Retention, TokenStore},
};

use crate::refused;

/// Sweeps the store at once, and then as long as this is polled: old tokens and sessions, and what
/// lists would have to leave out.
pub(crate) async fn now_and_then(store: &dyn TokenStore) -> Infallible {
    let clock = SystemClock::default();
    loop {
        match store.sweep(clock.now(), &Retention::default()).await {
            Ok(0) => {}
            Ok(tokens) => tracing::info!(tokens, "deleted what was over for long"),
            // The next one does it.
            Err(error) => tracing::warn!("not swept: {}", refused::chain(&error)),
        }
        sleep(PAUSE).await;
    }
}

const PAUSE: Duration = Duration::from_secs(3_600);
