use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::{PoisonError, atomic::Ordering},
};

use super::{
    entry::{Current, Entry, Standing},
    near::Near,
    shard::Shard,
};
use crate::{
    authenticate::{Authentication, revalidate::Suspect},
    clock::Monotonic,
    sync::{RandomState, RwLock, RwLockReadGuard, RwLockWriteGuard},
    token::KeyId,
};

/// Verified tokens by a seeded hash of the ends of their signatures. See the
/// [module docs](super) for when one is an answer.
pub(in crate::authenticate) struct Verified {
    hasher: RandomState,
    shards: Box<[Aligned]>,
    shard_capacity: usize,
    near: Near,
}

/// Apart in memory, so that who uses one shard does not slow down who uses the next.
#[derive(Default)]
#[repr(align(128))]
struct Aligned(RwLock<Shard>);

/// What is remembered of a token.
#[derive(Debug)]
pub(in crate::authenticate) enum Found {
    /// The answer.
    Good(Authentication),
    /// The answer, but for the privileges, which are by policies that are no longer in force.
    Outdated(Authentication),
}

/// Whether an entry takes the place of one for the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::authenticate) enum Renewal {
    /// It is put in whatever there is.
    No,
    /// It is only put in if there is one: what was given up for another stays so.
    Yes,
}

/// Where a search for what is suspect has got to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::authenticate) struct Hand {
    shard: usize,
    place: usize,
}

impl Verified {
    pub(in crate::authenticate) fn new(capacity: usize) -> Self {
        // Never more in all than `capacity`, so a small one has fewer shards.
        let shards = (capacity / SHARD_CAPACITY).max(MIN_SHARDS).min(capacity.max(1));
        Self {
            hasher: RandomState::default(),
            shards: (0..shards).map(|_| Aligned::default()).collect(),
            shard_capacity: capacity / shards,
            near: Near::new(capacity),
        }
    }

    /// Whether anything is ever remembered.
    pub(in crate::authenticate) fn is_on(&self) -> bool {
        self.shard_capacity > 0
    }

    /// What is known of `text`. If its use is to be noted again, `note` does, and says from when on
    /// the next one is. Nothing is locked meanwhile.
    ///
    /// The caller has looked at the feed's freshness before, also before `current` was read.
    pub(in crate::authenticate) fn get(
        &self,
        text: &[u8],
        current: Current<'_>,
        note: impl FnOnce(&Authentication, KeyId) -> Monotonic,
    ) -> Option<Found> {
        let hash = self.hash(text);
        if let Some(found) = self.near.get(hash, text, current) {
            return Some(Found::Good(found));
        }
        let shard = self.shard(hash)?.read();
        let entry = shard.get(hash, text)?;
        let standing = entry.basis.standing(current);
        let found = match standing {
            Standing::Good => Found::Good,
            Standing::Outdated => Found::Outdated,
            Standing::Suspect | Standing::Over => return None,
        };
        // Written once, so that what everybody reads stays with everybody.
        if !entry.is_proven.load(Ordering::Relaxed) {
            entry.is_proven.store(true, Ordering::Relaxed);
        }
        let authentication = entry.authentication.clone();
        let due = Monotonic::from_nanos(entry.use_is_due.load(Ordering::Relaxed));
        if due <= current.now {
            let key_id = entry.key_id;
            drop(shard);
            // Two at the same time may both come here: noting is what counts, and that looks again.
            self.is_due(hash, text, note(&authentication, key_id));
        } else if standing == Standing::Good {
            let replaced = self.near.used(hash, entry, due);
            drop(shard);
            drop(replaced);
        }
        Some(found(authentication))
    }

    /// From when on the use of a token is to be noted again.
    #[cold]
    fn is_due(&self, hash: u64, text: &[u8], due: Monotonic) {
        if let Some(shard) = self.shard(hash)
            && let Some(entry) = shard.read().get(hash, text)
        {
            entry.use_is_due.store(due.as_nanos(), Ordering::Relaxed);
        }
    }

    /// Remembers `entry`. One that is over already, or suspect, takes nobody's place; that is all that
    /// looking at `current` is for.
    pub(in crate::authenticate) fn insert(
        &self,
        entry: Entry,
        renewal: Renewal,
        current: Current<'_>,
    ) {
        if matches!(entry.basis.standing(current), Standing::Over | Standing::Suspect) {
            return;
        }
        let hash = self.hash(&entry.text);
        let Some(shard) = self.shard(hash) else { return };
        let mut shard = shard.write();
        if renewal == Renewal::No || shard.get(hash, &entry.text).is_some() {
            let displaced = shard.insert(hash, entry, renewal, self.shard_capacity, current);
            drop(shard);
            drop(displaced);
        }
    }

    /// Remembers the privileges that the actor of `outdated` has by the policies of this version, if
    /// that is what is still remembered. Another look-up may have found other groups and roles since.
    pub(in crate::authenticate) fn narrow(
        &self,
        text: &[u8],
        outdated: &Authentication,
        renewed: &Authentication,
        policies: u64,
    ) {
        let hash = self.hash(text);
        let Some(shard) = self.shard(hash) else { return };
        shard.write().narrow(hash, outdated, renewed, policies);
    }

    /// Ends the copies that are no answers any more.
    pub(in crate::authenticate) fn tidy_copies(&self, current: Current<'_>) {
        self.near.tidy(current);
    }

    /// How many shards there are.
    pub(in crate::authenticate) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Removes what is over in a shard, and gives what is outdated the privileges that `renew` says, if
    /// it says any, which are by the policies of this version. Whether something is suspect.
    pub(in crate::authenticate) fn tidy(
        &self,
        shard: usize,
        current: Current<'_>,
        policies_version: u64,
        renew: impl Fn(&Authentication) -> Option<Authentication>,
    ) -> bool {
        let Some(shard) = self.shards.get(shard) else { return false };
        let (mut over, mut outdated, mut has_suspects) = (Vec::new(), Vec::new(), false);
        for (hash, standing, entry) in shard.read().untidy(current) {
            match standing {
                Standing::Over => over.push(hash),
                Standing::Outdated => outdated.push((hash, entry.authentication.clone())),
                Standing::Suspect => has_suspects = true,
                Standing::Good => {}
            }
        }
        // Before the lock is taken that others wait for.
        let outdated = outdated.into_iter().filter_map(|(hash, old)| {
            let new = renew(&old)?;
            Some((hash, old, new))
        });
        let outdated: Vec<_> = outdated.collect();
        if over.is_empty() && outdated.is_empty() {
            return has_suspects;
        }
        let mut shard = shard.write();
        for (hash, old, new) in &outdated {
            shard.narrow(*hash, old, new, policies_version);
        }
        let is_over = |entry: &Entry| entry.basis.standing(current) == Standing::Over;
        let removed = over.into_iter().filter_map(|hash| shard.remove_if(hash, is_over));
        let removed: Vec<_> = removed.collect();
        drop(shard);
        // What they held is freed without it, too.
        drop((removed, outdated));
        has_suspects
    }

    /// Adds tokens that are suspect to `found` until there are `limit`, from where `hand` is on, and
    /// goes through a part of the shards at most. Whether it has come to the end.
    pub(in crate::authenticate) fn suspects(
        &self,
        hand: &mut Hand,
        current: Current<'_>,
        limit: usize,
        found: &mut Vec<Suspect>,
    ) -> bool {
        for _ in 0..SHARDS_AT_ONCE {
            let Some(shard) = self.shards.get(hand.shard) else { return true };
            let shard = shard.read();
            for (place, entry) in shard.suspects(hand.place, current) {
                if found.len() >= limit {
                    return false;
                }
                let due = entry.use_is_due.load(Ordering::Relaxed);
                let use_is_due = Monotonic::from_nanos(due);
                found.push(Suspect { text: entry.text.clone(), use_is_due });
                hand.place = place + 1;
            }
            *hand = Hand { shard: hand.shard + 1, place: 0 };
        }
        false
    }

    /// Ends the entry for `text`, which turned out not to be good.
    pub(in crate::authenticate) fn forget(&self, text: &[u8]) {
        let hash = self.hash(text);
        let Some(shard) = self.shard(hash) else { return };
        // Most that is not good was never remembered, and takes nobody's time.
        let is_there = shard.read().get(hash, text).is_some();
        if is_there {
            let removed = shard.write().remove_if(hash, |entry| **entry.text == *text);
            drop(removed);
        }
        // Last, since copies are made under the shard's lock.
        self.near.forget(hash);
    }

    /// How many tokens are remembered, answers or not.
    #[cfg(test)]
    pub(in crate::authenticate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().len()).sum()
    }

    fn hash(&self, text: &[u8]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        match text.split_last_chunk::<16>() {
            Some((rest, end)) => {
                hasher.write_u128(u128::from_le_bytes(*end));
                // With it enough of the signature that nobody can guess it.
                let before = rest.last_chunk::<16>().copied().unwrap_or_default();
                hasher.write_u128(u128::from_le_bytes(before));
            }
            // No token is as short.
            None => hasher.write(text),
        }
        hasher.finish()
    }

    fn shard(&self, hash: u64) -> Option<&Aligned> {
        if !self.is_on() {
            return None;
        }
        // By bits of which a map uses others, to choose its buckets and to tell what is in them.
        let shards = u64::try_from(self.shards.len()).ok()?;
        let shard = (hash & u64::from(u32::MAX)).checked_mul(shards)? >> 32;
        self.shards.get(usize::try_from(shard).ok()?)
    }

    /// The answer for `text`, for somebody who has come for it before: that is no other use of it.
    pub(in crate::authenticate) fn peek(
        &self,
        text: &[u8],
        current: Current<'_>,
    ) -> Option<Authentication> {
        let hash = self.hash(text);
        let shard = self.shard(hash)?.read();
        let entry = shard.get(hash, text)?;
        let is_good = entry.basis.standing(current) == Standing::Good;
        is_good.then(|| entry.authentication.clone())
    }
}

impl Aligned {
    fn read(&self) -> RwLockReadGuard<'_, Shard> {
        // Nothing that runs under the lock panics half-way through a change.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Shard> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("shards", &self.shards.len())
            .field("shard_capacity", &self.shard_capacity)
            .finish_non_exhaustive()
    }
}

/// How many entries a shard has at most, where there are many: what a map of 128 buckets takes, or one
/// of 256 where entries come and go.
const SHARD_CAPACITY: usize = 112;

/// So many there are, as soon as there are as many entries.
const MIN_SHARDS: usize = 32;

/// So many are looked through for what is suspect before others have their turn.
const SHARDS_AT_ONCE: usize = 32;

#[cfg(test)]
mod tests;
