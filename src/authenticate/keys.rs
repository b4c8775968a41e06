//! The states of keys, as far as they are known, and how often each key was the right one.

use std::{
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{
    kept::{Kept, Snapshot},
    tasks::{Tasks, within},
};
use crate::{
    backend::StoreError,
    clock::{Clock, Monotonic, Timestamp},
    token::{KeyId, KeyMaterial, KeyStates},
    token_service::TokenLookup,
};

/// The states of keys as the store has them, beside the keys that this process has.
#[derive(Debug)]
pub(super) struct KnownKeys {
    source: Arc<dyn TokenLookup>,
    /// How long the source may take.
    limit: Duration,
    material: KeyMaterial,
    states: Arc<Kept<KeyStates>>,
    /// The keys that were last said to be missing.
    said_missing: Arc<Mutex<Vec<KeyId>>>,
    uses: KeyUses,
}

impl KnownKeys {
    pub(super) fn new(
        source: Arc<dyn TokenLookup>,
        time_to_live: Option<Duration>,
        material: KeyMaterial,
        tasks: Tasks,
        limit: Duration,
    ) -> Self {
        Self {
            source,
            limit,
            material,
            states: Kept::new(time_to_live, tasks, limit),
            said_missing: Arc::default(),
            uses: KeyUses::default(),
        }
    }

    /// Whatever was read until now is not enough any more.
    pub(super) fn changed(&self) {
        self.states.changed();
    }

    /// How often the keys that this process has were replaced.
    pub(super) fn generation(&self) -> u64 {
        self.material.generation()
    }

    /// The states as they are now, for a decision that began at `start`.
    pub(super) async fn current(
        &self,
        clock: &dyn Clock,
        start: Monotonic,
        feed_is_fresh: impl Fn(Monotonic) -> bool,
    ) -> Result<Arc<Snapshot<KeyStates>>, StoreError> {
        let read = || {
            let (source, limit) = (self.source.clone(), self.limit);
            let (material, said) = (self.material.clone(), self.said_missing.clone());
            async move {
                let states = KeyStates::new(within(limit, source.keys()).await?);
                say_what_is_missing(&states, &material, &said);
                Ok(states)
            }
        };
        self.states.current(clock, start, feed_is_fresh, read).await
    }

    /// The states as they are now, if nobody has to be asked for them.
    pub(super) fn known(
        &self,
        start: Monotonic,
        feed_is_fresh: bool,
    ) -> Option<Arc<Snapshot<KeyStates>>> {
        self.states.usable(start, feed_is_fresh)
    }

    /// A key whose tokens are good, and which this process does not have: then a token with a
    /// signature that fits none of its keys may be good nevertheless.
    pub(super) fn missing(&self, states: &KeyStates) -> Option<KeyId> {
        states.missing_in(&self.material.ring()).next()
    }

    /// Notes that a token was good which this key had signed.
    pub(super) fn note_use(&self, id: KeyId, at: Timestamp) {
        self.uses.note(id, at);
    }

    pub(super) fn uses(&self) -> Vec<KeyUse> {
        self.uses.all()
    }
}

/// Once for each time that they change.
fn say_what_is_missing(states: &KeyStates, material: &KeyMaterial, said: &Mutex<Vec<KeyId>>) {
    let missing: Vec<KeyId> = states.missing_in(&material.ring()).collect();
    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
    if *said == missing {
        return;
    }
    said.clone_from(&missing);
    drop(said);
    if missing.is_empty() {
        tracing::info!("this node has all keys that are not retired");
    }
    for key in missing {
        if states.signing() == Some(key) {
            tracing::error!(
                %key,
                "this node does not have the key that signs: it makes no tokens, and answers \
                 503 where it cannot tell one from a forged one, until the key is configured"
            );
        } else {
            tracing::error!(
                %key,
                "this node does not have a key that is not retired: it answers 503 where it \
                 cannot tell a token of that key from a forged one, until the key is \
                 configured or retired"
            );
        }
    }
}

/// How often tokens of one key were found good, since the authenticator was built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyUse {
    /// Which key.
    pub id: KeyId,
    /// How often: whenever a token was verified, and about once a minute for one that is remembered.
    pub count: u64,
    /// When, the last time.
    pub last_at: Timestamp,
}

/// A counter for each key: there are few, so they are looked for one by one.
#[derive(Debug, Default)]
struct KeyUses(RwLock<Vec<Counter>>);

#[derive(Debug)]
struct Counter {
    id: KeyId,
    count: AtomicU64,
    last_at: AtomicI64,
}

impl KeyUses {
    fn note(&self, id: KeyId, at: Timestamp) {
        let counters = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = counters.iter().find(|counter| counter.id == id) {
            return counter.note(at);
        }
        drop(counters);
        let mut counters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have been here.
        match counters.iter().find(|counter| counter.id == id) {
            Some(counter) => counter.note(at),
            None => {
                let (count, last_at) = (AtomicU64::new(1), AtomicI64::new(at.as_millis()));
                counters.push(Counter { id, count, last_at });
            }
        }
    }

    fn all(&self) -> Vec<KeyUse> {
        let counters = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut uses: Vec<KeyUse> = counters
            .iter()
            .map(|counter| KeyUse {
                id: counter.id,
                count: counter.count.load(Ordering::Relaxed),
                last_at: Timestamp::from_millis(counter.last_at.load(Ordering::Relaxed)),
            })
            .collect();
        uses.sort_by_key(|key_use| key_use.id);
        uses
    }
}

impl Counter {
    fn note(&self, at: Timestamp) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.last_at.fetch_max(at.as_millis(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uses_are_counted_for_each_key() {
        let (a, b): (KeyId, KeyId) =
            ("0123456789abcdef".parse().unwrap(), "fedcba9876543210".parse().unwrap());
        let (uses, at) = (KeyUses::default(), Timestamp::from_seconds);
        uses.note(b, at(7));
        uses.note(a, at(5));
        // The clock may have been set back meanwhile.
        uses.note(b, at(6));
        let expected = [
            KeyUse { id: a, count: 1, last_at: at(5) },
            KeyUse { id: b, count: 2, last_at: at(7) },
        ];
        assert_eq!(uses.all(), expected);
    }
}
