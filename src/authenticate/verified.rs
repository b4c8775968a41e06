//! The warm cache: tokens that were verified, until something changes.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, BuildHasherDefault, Hasher},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use foldhash::fast::RandomState;
use zeroize::Zeroizing;

use super::Authentication;
use crate::{
    actor::Urn,
    clock::Monotonic,
    feed::{Change, RecentChanges},
    token::{KeyId, RuleScope, TokenId},
    token_service::Ancestor,
};

/// Verified tokens by a seeded hash of their signatures.
///
/// An entry is an answer as long as
///
/// * the whole text is the same, and not only the hash of its end,
/// * its deadline has not come: the token's end, or that of what was read with a time to live,
/// * the epoch is still the one that was read before anything was looked up,
/// * the feed is fresh, which the caller looks at.
///
/// A change ends the entries it concerns. One that arrived while an entry was being made is found
/// in the recent changes when the entry is put in, under the lock under which a later one would
/// remove it: either of the two sees the other.
pub(super) struct Verified {
    hasher: RandomState,
    shards: Box<[RwLock<Shard>]>,
    shard_capacity: usize,
}

type Shard = HashMap<u64, Entry, BuildHasherDefault<Hashed>>;

/// The keys are seeded hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What is remembered of a verified token.
pub(super) struct Entry {
    pub(super) text: Zeroizing<Box<[u8]>>,
    pub(super) authentication: Authentication,
    pub(super) subject: Subject,
    pub(super) deadline: Monotonic,
    pub(super) epoch: u64,
    /// From when on its use is to be noted again, in nanoseconds of monotonic time.
    pub(super) use_is_due: AtomicU64,
}

/// By what a change finds an entry.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) id: TokenId,
    pub(super) actor: Urn,
    pub(super) owner: Option<Urn>,
    pub(super) key_id: KeyId,
    /// What it was made with.
    pub(super) ancestors: Box<[Ancestor]>,
}

impl Subject {
    pub(super) fn is_concerned_by(&self, change: &Change) -> bool {
        let is_about_itself = match change {
            Change::Token(id) => *id == self.id,
            Change::Actor(urn) | Change::Rule(RuleScope::Actor(urn)) => *urn == self.actor,
            Change::Rule(RuleScope::Owner(urn)) => Some(urn) == self.owner.as_ref(),
            Change::Rule(RuleScope::Key(id)) => *id == self.key_id,
            // Everything else advances the epoch. These say the same for an entry in the making.
            _ => true,
        };
        is_about_itself || self.ancestors.iter().any(|ancestor| ancestor.is_concerned_by(change))
    }
}

impl Verified {
    const SHARDS: usize = 32;

    pub(super) fn new(capacity: usize) -> Self {
        // Never more in all than `capacity`, so a small one has fewer shards.
        let shards = capacity.clamp(1, Self::SHARDS);
        Self {
            hasher: RandomState::default(),
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            shard_capacity: capacity / shards,
        }
    }

    /// Whether anything is ever remembered.
    pub(super) fn is_on(&self) -> bool {
        self.shard_capacity > 0
    }

    /// What is known of `text`. If its use is to be noted again, `note` does, and says from when on
    /// the next one is.
    pub(super) fn get(
        &self,
        text: &[u8],
        now: Monotonic,
        epoch: u64,
        note: impl FnOnce(&Authentication) -> Monotonic,
    ) -> Option<Authentication> {
        let (hash, shard) = self.place(text)?;
        let entries = shard.read().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&hash)?;
        // Whoever gets as far as comparing has shown a signature with the same seeded hash, which
        // cannot be guessed, so there is nothing left for the time of the comparison to tell.
        let is_good = **entry.text == *text && now < entry.deadline && entry.epoch == epoch;
        if !is_good {
            return None;
        }
        // Two at the same time may both come here: noting is what counts, and that looks again.
        if entry.use_is_due.load(Ordering::Relaxed) <= now.as_nanos() {
            let due = note(&entry.authentication);
            entry.use_is_due.store(due.as_nanos(), Ordering::Relaxed);
        }
        Some(entry.authentication.clone())
    }

    /// Remembers `entry`, unless something that concerns it has changed since `position`.
    pub(super) fn insert(
        &self,
        entry: Entry,
        recent: &RecentChanges,
        position: u64,
        now: Monotonic,
    ) {
        let Some((hash, shard)) = self.place(&entry.text) else { return };
        let mut entries = shard.write().unwrap_or_else(PoisonError::into_inner);
        if !recent.none_since(position, |change| entry.subject.is_concerned_by(change)) {
            return;
        }
        if entries.len() >= self.shard_capacity && !entries.contains_key(&hash) {
            let epoch = entry.epoch;
            entries.retain(|_, old| now < old.deadline && old.epoch == epoch);
            if entries.len() >= self.shard_capacity {
                // Any one: the map's order is random.
                let Some(victim) = entries.keys().next().copied() else { return };
                entries.remove(&victim);
            }
        }
        entries.insert(hash, entry);
    }

    /// Ends the entries that `changes` concern.
    pub(super) fn remove(&self, changes: &[Change]) {
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).retain(|_, entry| {
                !changes.iter().any(|change| entry.subject.is_concerned_by(change))
            });
        }
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn place(&self, text: &[u8]) -> Option<(u64, &RwLock<Shard>)> {
        if !self.is_on() {
            return None;
        }
        let signature = text.rsplit(|byte| *byte == b'.').next()?;
        let hash = self.hasher.hash_one(signature);
        // Other bits than those by which a map chooses its buckets.
        let shard = usize::try_from(hash.rotate_left(32) % u64::try_from(self.shards.len()).ok()?);
        Some((hash, self.shards.get(shard.ok()?)?))
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("shard_capacity", &self.shard_capacity)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::Actor;

    fn entry(number: usize) -> Entry {
        let actor = Urn::corpuser("alice").unwrap();
        Entry {
            text: Zeroizing::new(format!("a.b.{number}").into_bytes().into()),
            authentication: Authentication::for_tests(Actor::new(actor.clone()), []),
            subject: Subject {
                id: TokenId::from_bytes([0; 32]),
                actor,
                owner: None,
                key_id: "0123456789abcdef".parse().unwrap(),
                ancestors: Box::default(),
            },
            deadline: Monotonic::from_nanos(u64::MAX),
            epoch: 0,
            use_is_due: AtomicU64::new(u64::MAX),
        }
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let (recent, now) = (RecentChanges::new(1), Monotonic::from_nanos(0));
        for capacity in [0, 1, 8, 33, 100] {
            let verified = Verified::new(capacity);
            for number in 0..500 {
                verified.insert(entry(number), &recent, 0, now);
                let text = format!("a.b.{number}");
                assert_eq!(verified.get(text.as_bytes(), now, 0, |_| now).is_some(), capacity > 0);
            }
            let remembered: usize =
                verified.shards.iter().map(|shard| shard.read().unwrap().len()).sum();
            assert!(remembered <= capacity, "{remembered} of {capacity}");
            assert!(remembered * 2 >= capacity, "{remembered} of {capacity}");
        }
    }
}
