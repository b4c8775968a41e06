use std::{
    panic::resume_unwind,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::runtime::Handle;

use super::{
    kept::{Kept, Snapshot},
    tasks::{Tasks, within},
};
use crate::{
    actor::Urn,
    backend::StoreError,
    clock::{Clock, Monotonic},
    policy::{MatchFilter, Policy, PolicyIndex, PolicyOptions, PolicyRecord, PolicySource},
};

/// The policies in force, compiled.
#[derive(Debug)]
pub(super) struct CompiledPolicies {
    source: Arc<dyn PolicySource>,
    system_actor: Option<Urn>,
    /// How long the source may take.
    limit: Duration,
    index: Arc<Kept<PolicyIndex>>,
    /// What was compiled last. Only of a source without a feed, which is read again and again.
    last: Option<Arc<Mutex<Arc<Last>>>>,
}

/// Policies, and what was made of them.
#[derive(Debug, Default)]
struct Last {
    records: Vec<PolicyRecord>,
    /// `None` if there was nothing yet.
    index: Option<PolicyIndex>,
}

impl CompiledPolicies {
    pub(super) fn new(
        source: Arc<dyn PolicySource>,
        time_to_live: Option<Duration>,
        system_actor: Option<Urn>,
        tasks: Tasks,
        limit: Duration,
    ) -> Self {
        let last = time_to_live.map(|_| Arc::default());
        let index = Kept::new(time_to_live, tasks, limit);
        Self { source, system_actor, limit, index, last }
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
        let read = || {
            let (source, last, limit) = (self.source.clone(), self.last.clone(), self.limit);
            let options = PolicyOptions::default().system_actor(self.system_actor.clone());
            async move {
                // To compile them is nothing that the store could do in time.
                let policies = within(limit, source.policies()).await?;
                match last {
                    Some(last) => compile_if_new(&last, policies, options).await,
                    None => compile(policies, options).await,
                }
            }
        };
        self.index.current(clock, start, feed_is_fresh, read).await
    }
}

/// Compiles policies.
async fn compile(
    policies: Vec<PolicyRecord>,
    options: PolicyOptions,
) -> Result<PolicyIndex, StoreError> {
    let size = size(&policies);
    apart(size, move || PolicyIndex::with_options(&policies, options)).await
}

/// The same, unless they are those that were compiled last: then what is remembered goes on to hold
/// the same index, however often its source is read, and nobody has to compile it.
async fn compile_if_new(
    last: &Mutex<Arc<Last>>,
    policies: Vec<PolicyRecord>,
    options: PolicyOptions,
) -> Result<PolicyIndex, StoreError> {
    let known = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    // Also to compare them takes its time.
    let (index, new) = apart(size(&policies), move || match &known.index {
        Some(index) if known.records == policies => (index.clone(), None),
        _ => {
            let index = PolicyIndex::with_options(&policies, options);
            let new = Last { records: policies, index: Some(index.clone()) };
            (index, Some(Arc::new(new)))
        }
    })
    .await?;
    if let Some(new) = new {
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = std::mem::replace(&mut *last, new);
        // What it replaces may be large, and is let go of without the lock.
        drop(last);
        drop(replaced);
    }
    Ok(index)
}

/// Does what concerns policies of this size, elsewhere if that takes so long that other requests
/// would have to wait.
async fn apart<T: Send + 'static>(
    size: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreError> {
    match Handle::try_current() {
        Ok(runtime) if size >= MANY => match runtime.spawn_blocking(work).await {
            Ok(done) => Ok(done),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends.
                Err(error) => Err(StoreError::unavailable(error)),
            },
        },
        _ => Ok(work()),
    }
}

/// By how much it takes to compile: how much is listed in them.
fn size(policies: &[PolicyRecord]) -> usize {
    let of_policy = |record: &PolicyRecord| {
        let Policy { actors, resources, privileges, .. } = &record.info;
        let actors = actors.users.len() + actors.groups.len() + actors.roles.len();
        let (values, constraints) = resources.as_ref().map_or((0, 0), |resources| {
            let constraints = resources.privilege_constraints.as_ref();
            (resources.values(), constraints.map_or(0, MatchFilter::values))
        });
        // Whoever is meant finds the policy by each value.
        let places = actors.max(1).saturating_mul(values.max(1));
        places.saturating_add(privileges.len()).saturating_add(constraints)
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
        backend::BoxFuture,
        clock::{ManualClock, Timestamp},
        policy::{PolicyStore, Privilege, default_policies},
        store::MemoryStore,
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

    #[tokio::test]
    async fn the_same_policies_of_a_source_without_feed_are_compiled_once() {
        let (store, ttl) = (MemoryStore::default(), Duration::from_secs(1));
        let tasks = Tasks::new(Handle::current());
        store.seed_policies(&default_policies()).await.unwrap();
        let clock = ManualClock::new(Timestamp::from_seconds(1_750_000_000));
        let policies = CompiledPolicies::new(Arc::new(store.clone()), Some(ttl), None, tasks, ttl);
        let read = async || {
            clock.advance(ttl);
            policies.current(&clock, clock.monotonic(), |_| true).await.unwrap()
        };
        let first = read().await;
        let second = read().await;
        // It was read anew, and yet it is the same.
        assert!(!Arc::ptr_eq(&first, &second) && second.good_until > first.good_until);
        assert!(second.value.is_same(&first.value) && is_compiled(&second.value));
        let gone = &default_policies()[0].urn;
        assert!(store.delete_policy(gone).await.unwrap());
        let third = read().await;
        assert!(!third.value.is_same(&second.value));
        assert!(read().await.value.is_same(&third.value));
        // It is not the one from before, which nobody has any more.
        store.seed_policies(&default_policies()).await.unwrap();
        assert!(is_compiled(&read().await.value));
    }

    /// Of one policy for a few, which says in each of these ways what it is about.
    #[test]
    fn all_values_count_that_are_compiled() {
        let urns: Vec<String> = (0..3_000).map(|it| format!("urn:li:dataset:{it}")).collect();
        let criteria = serde_json::json!({ "criteria": [{ "field": "URN", "values": urns }] });
        for resources in [
            serde_json::json!({ "filter": criteria }),
            serde_json::json!({ "resources": urns }),
            serde_json::json!({ "privilegeConstraints": criteria }),
        ] {
            let policy = serde_json::json!([{ "urn": "urn:li:dataHubPolicy:p", "info": {
                "displayName": "p", "type": "METADATA", "state": "ACTIVE", "privileges": ["OWN"],
                "actors": { "users": ["urn:li:corpuser:alice"] }, "resources": resources
            } }]);
            let policies = crate::policy::parse_policies(&policy.to_string()).unwrap();
            assert!(size(&policies) >= MANY, "{resources}");
        }
        assert!(size(&default_policies()) < MANY);
    }

    #[derive(Debug)]
    struct Many(AtomicUsize);

    impl PolicySource for Many {
        fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Ok(many_policies()) })
        }
    }

    /// Though requests go away, and though there is no thread that would compile them for longer than
    /// a store may take to answer.
    #[test]
    fn policies_that_take_long_to_compile_are_read_and_compiled_once() {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().max_blocking_threads(1).build().unwrap();
        runtime.block_on(async {
            let (free, is_occupied) = std::sync::mpsc::channel::<()>();
            let occupied = tokio::task::spawn_blocking(move || is_occupied.recv());
            let (source, limit) = (Arc::new(Many(AtomicUsize::new(0))), Duration::from_millis(10));
            let clock = ManualClock::new(Timestamp::from_seconds(1_750_000_000));
            let tasks = Tasks::new(Handle::current());
            let policies = CompiledPolicies::new(source.clone(), None, None, tasks, limit);
            let read = || policies.current(&clock, clock.monotonic(), |_| true);
            assert!(read().now_or_never().is_none());
            for _ in 0..3 {
                assert!(within(limit, read()).await.is_err());
            }
            drop(free);
            assert!(is_compiled(&read().await.unwrap().value));
            assert!(occupied.await.unwrap().is_err());
            assert_eq!(source.0.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn policies_are_compiled_without_a_runtime_too() {
        let compiled = compile(many_policies(), PolicyOptions::default()).now_or_never();
        assert!(is_compiled(&compiled.unwrap().unwrap()));
    }
}
