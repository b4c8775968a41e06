//! Everything in memory.

mod changes;
mod directory;
mod keys;
mod passwords;
mod policies;
mod tokens;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use self::{changes::Changes, directory::Member};
use crate::{
    actor::{PasswordHash, Urn},
    feed::Change,
    policy::Policy,
    token::{KeyId, KeyRecord, RevocationRule, RuleScope, TokenId, TokenRecord},
};

/// A store in memory, for tests and for trying things out. **It loses everything with the
/// process**, revocations included, and no other process sees it.
///
/// A clone is the same store. See the [module docs](super) for an example.
#[derive(Clone, Default)]
pub struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    tokens: BTreeMap<TokenId, TokenRecord>,
    /// What a token says that it was made with; also what has no record.
    parents: HashSet<TokenId>,
    rules: HashMap<RuleScope, RevocationRule>,
    keys: BTreeMap<KeyId, KeyRecord>,
    users: BTreeMap<Urn, Member>,
    passwords: BTreeMap<Urn, PasswordHash>,
    roles: BTreeMap<Urn, BTreeSet<Urn>>,
    policies: BTreeMap<Urn, Policy>,
    changes: Changes,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock, so there is no half of a change to be seen.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what `change` does, and wakes who waits if that announced something.
    fn write<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let before = state.changes.newest();
        let result = change(&mut state);
        let announced = state.changes.newest() != before;
        drop(state);
        if announced {
            self.shared.changed.notify_waiters();
        }
        result
    }
}

impl State {
    fn announce(&mut self, change: Change) {
        self.changes.push(change);
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}
