use std::{sync::Arc, time::Duration};

use super::kept::{Kept, Snapshot};
use crate::{
    actor::Urn,
    backend::StoreError,
    clock::{Clock, Monotonic},
    policy::{PolicyIndex, PolicyOptions, PolicySource},
};

/// The policies in force, compiled.
#[derive(Debug)]
pub(super) struct CompiledPolicies {
    source: Arc<dyn PolicySource>,
    system_actor: Option<Urn>,
    index: Kept<PolicyIndex>,
}

impl CompiledPolicies {
    pub(super) fn new(
        source: Arc<dyn PolicySource>,
        time_to_live: Option<Duration>,
        system_actor: Option<Urn>,
    ) -> Self {
        Self { source, system_actor, index: Kept::new(time_to_live) }
    }

    /// Whatever was read until now is not enough any more.
    pub(super) fn changed(&self) {
        self.index.changed();
    }

    /// The policies as they are now, for a decision that began at `start`.
    pub(super) async fn current(
        &self,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
    ) -> Result<Arc<Snapshot<PolicyIndex>>, StoreError> {
        let read = || async {
            let policies = self.source.policies().await?.into_iter().map(|record| record.info);
            let options = PolicyOptions::default().system_actor(self.system_actor.clone());
            Ok(PolicyIndex::with_options(policies, options))
        };
        self.index.current(clock, start, feed_is_fresh, read).await
    }
}
