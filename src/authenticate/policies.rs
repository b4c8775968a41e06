use std::{panic::resume_unwind, sync::Arc, time::Duration};

use tokio::runtime::Handle;

use super::kept::{Kept, Snapshot};
use crate::{
    actor::Urn,
    backend::StoreError,
    clock::{Clock, Monotonic},
    policy::{Policy, PolicyIndex, PolicyOptions, PolicyRecord, PolicySource},
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

    /// Moves with every change that has arrived: what was found out by a snapshot of another
    /// version is no answer any more.
    pub(super) fn version(&self) -> u64 {
        self.index.version()
    }

    /// The policies as they are now for a decision that began at `start`, if nobody has to read
    /// them.
    pub(super) fn at_hand(
        &self,
        start: Monotonic,
        feed_is_fresh: bool,
    ) -> Option<Arc<Snapshot<PolicyIndex>>> {
        self.index.usable(start, feed_is_fresh)
    }

    /// The policies as they are now, for a decision that began at `start`.
    pub(super) async fn current(
        &self,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
    ) -> Result<Arc<Snapshot<PolicyIndex>>, StoreError> {
        let read = || async {
            let policies = self.source.policies().await?;
            let options = PolicyOptions::default().system_actor(self.system_actor.clone());
            compile(policies, options).await
        };
        self.index.current(clock, start, feed_is_fresh, read).await
    }
}

/// Compiles policies, elsewhere if that takes so long that other requests would have to wait.
async fn compile(
    policies: Vec<PolicyRecord>,
    options: PolicyOptions,
) -> Result<PolicyIndex, StoreError> {
    let is_quick = size(&policies) < MANY;
    let compile = move || PolicyIndex::with_options(&policies, options);
    match Handle::try_current() {
        Ok(runtime) if !is_quick => match runtime.spawn_blocking(compile).await {
            Ok(index) => Ok(index),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends.
                Err(error) => Err(StoreError::unavailable(error)),
            },
        },
        _ => Ok(compile()),
    }
}

/// By how much it takes to compile: how much is listed in them.
fn size(policies: &[PolicyRecord]) -> usize {
    let of_policy = |record: &PolicyRecord| {
        let Policy { actors, resources, privileges, .. } = &record.info;
        let actors = actors.users.len() + actors.groups.len() + actors.roles.len();
        let filter = resources.as_ref().and_then(|resources| resources.filter.as_ref());
        let criteria = filter.map_or(&[][..], |filter| &filter.criteria);
        let values: usize = criteria.iter().map(|criterion| criterion.values.len()).sum();
        // Whoever is meant finds the policy by each value.
        privileges.len() + actors.max(1) * values.max(1)
    };
    policies.iter().map(of_policy).fold(0, usize::saturating_add)
}

/// About a quarter of a millisecond.
const MANY: usize = 2_000;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;
    use crate::{
        actor::Actor,
        policy::{Privilege, default_policies},
    };

    fn many_policies() -> Vec<PolicyRecord> {
        let urn = |number| Urn::of("dataHubPolicy", &format!("p{number}")).unwrap();
        let default = default_policies().into_iter().cycle().take(3_000).enumerate();
        default.map(|(number, policy)| PolicyRecord { urn: urn(number), ..policy }).collect()
    }

    fn is_compiled(index: &PolicyIndex) -> bool {
        let admin = Actor::new(Urn::corpuser("datahub").unwrap());
        index.privileges(Arc::new(admin)).holds(&Privilege::MANAGE_POLICIES)
    }

    /// How often another task of this thread's runtime had its turn meanwhile.
    async fn turns_while_compiling(policies: Vec<PolicyRecord>) -> usize {
        let turns = Arc::new(AtomicUsize::new(0));
        let other = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move {
                loop {
                    turns.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            }
        });
        let compiled = compile(policies, PolicyOptions::default()).await.unwrap();
        assert!(is_compiled(&compiled));
        other.abort();
        turns.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn nobody_waits_while_many_policies_are_compiled() {
        assert!(turns_while_compiling(many_policies()).await > 20);
        assert_eq!(turns_while_compiling(default_policies()).await, 0);
    }

    #[test]
    fn policies_are_compiled_without_a_runtime_too() {
        let compiled = compile(many_policies(), PolicyOptions::default()).now_or_never();
        assert!(is_compiled(&compiled.unwrap().unwrap()));
    }
}
