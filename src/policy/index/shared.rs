use std::{
    collections::HashMap,
    fmt, ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use foldhash::quality::RandomState;

use super::privileges::Narrowed;
use crate::actor::{Actor, Urn};

/// The privileges that somebody holds, by actor, so that all tokens of an actor share them.
///
/// Nothing is kept alive by this, and nothing that is gone stays in it: who lets go of an actor's
/// privileges last takes them out. Whoever gets lost between two requests that narrow at once is
/// not shared, which is no harm.
#[derive(Default)]
pub(super) struct Shared {
    hasher: RandomState,
    shards: [Mutex<Shard>; 32],
}

type Shard = HashMap<Urn, Weak<Narrowed>, RandomState>;

impl Shared {
    /// The privileges of an actor that is the same in everything, groups and roles included.
    pub(super) fn find(&self, actor: &Actor) -> Option<Arc<Narrowed>> {
        let found = self.shard(actor.urn())?.get(actor.urn()).and_then(Weak::upgrade)?;
        // The lock is released already: the last holder, which may be here, needs it.
        (*found.actor == *actor).then_some(found)
    }

    /// From now on these are found.
    pub(super) fn insert(&self, narrowed: &Arc<Narrowed>) {
        let urn = narrowed.actor.urn();
        if let Some(mut shard) = self.shard(urn) {
            shard.insert(urn.clone(), Arc::downgrade(narrowed));
        }
    }

    /// To be called where nobody holds these any more.
    pub(super) fn remove(&self, narrowed: &Narrowed) {
        let urn = narrowed.actor.urn();
        let Some(mut shard) = self.shard(urn) else { return };
        // The actor may have been in other groups since, and have other privileges.
        if shard.get(urn).is_some_and(|kept| ptr::eq(kept.as_ptr(), narrowed)) {
            shard.remove(urn);
            if shard.len() < shard.capacity() / 4 {
                let room = shard.len() * 2;
                shard.shrink_to(room);
            }
        }
    }

    fn shard(&self, urn: &Urn) -> Option<MutexGuard<'_, Shard>> {
        use std::hash::BuildHasher;
        let count = u64::try_from(self.shards.len()).ok()?;
        let at = usize::try_from(self.hasher.hash_one(urn) % count).ok()?;
        Some(self.shards.get(at)?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, usize) {
        self.shards.iter().fold((0, 0), |(len, capacity), shard| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            (len + shard.len(), capacity + shard.capacity())
        })
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;
    use crate::policy::{Policy, PolicyIndex, Privilege, Privileges};

    fn index() -> PolicyIndex {
        let policy: Policy = serde_json::from_value(serde_json::json!({
            "displayName": "p", "type": "PLATFORM", "state": "ACTIVE", "privileges": ["OWN"],
            "actors": { "groups": ["urn:li:corpGroup:sales"] }
        }))
        .unwrap();
        PolicyIndex::new([policy])
    }

    fn user(number: usize) -> Actor {
        Actor::new(Urn::corpuser(&format!("user{number}")).unwrap())
    }

    fn in_sales(number: usize) -> Actor {
        user(number).with_group("urn:li:corpGroup:sales".parse().unwrap())
    }

    fn is_same(one: &Privileges, other: &Privileges) -> bool {
        Arc::ptr_eq(&one.0, &other.0)
    }

    #[test]
    fn those_of_an_equal_actor_are_shared() {
        let (index, other) = (index(), index());
        let first = index.shared_privileges(in_sales(1));
        assert!(is_same(&first, &index.shared_privileges(in_sales(1))));
        assert!(is_same(&first, &index.shared_privileges(Arc::clone(first.actor()))));
        assert!(!is_same(&first, &index.privileges(Arc::new(in_sales(1)))));
        assert!(!is_same(&first, &index.shared_privileges(in_sales(2))));
        assert!(!is_same(&first, &other.shared_privileges(in_sales(1))));
    }

    #[test]
    fn who_is_in_other_groups_has_privileges_of_their_own() {
        let (index, own) = (index(), Privilege::from_static("OWN"));
        let before = index.shared_privileges(in_sales(1));
        let after = index.shared_privileges(user(1));
        assert!(before.holds(&own) && !after.holds(&own));
        // The later ones are those to be shared, also when the earlier ones are gone.
        assert!(is_same(&after, &index.shared_privileges(user(1))));
        drop(before);
        assert!(is_same(&after, &index.shared_privileges(user(1))));
        assert!(index.shared_privileges(in_sales(1)).holds(&own));
    }

    #[test]
    fn what_nobody_holds_takes_no_room() {
        let index = index();
        let held: Vec<Privileges> =
            (0..5_000).map(|number| index.shared_privileges(user(number))).collect();
        assert_eq!(index.0.shared.sizes().0, 5_000);
        let weak = Arc::downgrade(&held[7].0);
        drop(held);
        assert!(weak.upgrade().is_none());
        let (len, capacity) = index.0.shared.sizes();
        assert_eq!(len, 0);
        assert!(capacity <= 32 * 16, "{capacity}");
    }

    #[test]
    fn who_narrows_at_once_waits_for_nobody_and_leaves_nothing() {
        let (index, own) = (index(), Privilege::from_static("OWN"));
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for thread in 0..4 {
                let (index, own, start) = (&index, &own, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut held = Vec::new();
                    for round in 0..3_000 {
                        // In and out of the group, so that often another is found than is meant.
                        let is_in = (round + thread) % 3 == 0;
                        let actor = if is_in { in_sales(round % 2) } else { user(round % 2) };
                        let privileges = index.shared_privileges(actor);
                        assert_eq!(privileges.holds(own), is_in);
                        held.push(privileges);
                        if round % 5 == 0 {
                            held.clear();
                        }
                    }
                });
            }
        });
        assert_eq!(index.0.shared.sizes().0, 0);
    }
}
