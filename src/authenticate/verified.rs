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

use super::{Authentication, revalidate::Suspect};
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
/// One of an earlier epoch is suspect: no answer, and kept to be judged anew.
///
/// A change ends the entries it concerns. One that arrived while an entry was being made is found
/// in the recent changes when the entry is put in, under the lock under which a later one would
/// remove it: either of the two sees the other.
pub(super) struct Verified {
    hasher: RandomState,
    shards: Box<[RwLock<Shard>]>,
    shard_capacity: usize,
}

#[derive(Default)]
struct Shard {
    entries: HashMap<u64, Entry, BuildHasherDefault<Hashed>>,
    /// The keys of the entries, and of some that are gone, to choose from by chance.
    keys: Vec<u64>,
}

impl Shard {
    /// A key by which to make room: of some that are chosen by chance, one that is no answer any
    /// more, or the one whose last noted use is the longest ago. A walk through the map would always
    /// begin at the same entries, and keep others for ever.
    fn victim(&mut self, chance: u64, now: Monotonic, epoch: u64) -> Option<u64> {
        let mut victim: Option<(u64, u64)> = None;
        let mut chance = chance;
        let mut sampled = 0;
        while sampled < SAMPLE {
            let count = u64::try_from(self.keys.len()).ok()?;
            // Odd, so that it is another number each time.
            chance = chance.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            let index = usize::try_from(chance.checked_rem(count)?).ok()?;
            let key = *self.keys.get(index)?;
            let Some(entry) = self.entries.get(&key) else {
                self.keys.swap_remove(index);
                continue;
            };
            let used = match now < entry.deadline && entry.epoch == epoch {
                true => entry.use_is_due.load(Ordering::Relaxed),
                false => 0,
            };
            if victim.is_none_or(|(least, _)| used < least) {
                victim = Some((used, key));
            }
            sampled += 1;
        }
        victim.map(|(_, key)| key)
    }

    fn insert(&mut self, key: u64, entry: Entry) {
        if self.entries.insert(key, entry).is_none() {
            if self.keys.len() > 2 * self.entries.len() + SAMPLE {
                self.keys.clear();
                self.keys.extend(self.entries.keys());
            } else {
                self.keys.push(key);
            }
        }
    }

    fn has(&self, key: u64, text: &[u8]) -> bool {
        self.entries.get(&key).is_some_and(|entry| **entry.text == *text)
    }
}

/// How many are looked at to make room for one.
const SAMPLE: usize = 4;

/// Whether an entry takes the place of one for the same token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renewal {
    /// It is put in whatever there is.
    No,
    /// It is only put in if there is one: what was given up for another stays so.
    Yes,
}

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
        note: impl FnOnce(&Entry) -> Monotonic,
    ) -> Option<Authentication> {
        let (hash, shard) = self.place(text)?;
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entries.get(&hash)?;
        // Whoever gets as far as comparing has shown a signature with the same seeded hash, which
        // cannot be guessed, so there is nothing left for the time of the comparison to tell.
        let is_good = **entry.text == *text && now < entry.deadline && entry.epoch == epoch;
        if !is_good {
            return None;
        }
        // Two at the same time may both come here: noting is what counts, and that looks again.
        if entry.use_is_due.load(Ordering::Relaxed) <= now.as_nanos() {
            let due = note(entry);
            entry.use_is_due.store(due.as_nanos(), Ordering::Relaxed);
        }
        Some(entry.authentication.clone())
    }

    /// Remembers `entry`, unless something that concerns it has changed since `position`, or
    /// everything has: then the current epoch, which is asked under the lock, is a later one.
    pub(super) fn insert(
        &self,
        entry: Entry,
        renewal: Renewal,
        recent: &RecentChanges,
        position: u64,
        now: Monotonic,
        epoch: impl FnOnce() -> u64,
    ) {
        let Some((hash, shard)) = self.place(&entry.text) else { return };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if renewal == Renewal::Yes && !shard.has(hash, &entry.text) {
            return;
        }
        let is_current = entry.epoch == epoch();
        if !is_current
            || !recent.none_since(position, |change| entry.subject.is_concerned_by(change))
        {
            return;
        }
        if shard.entries.len() >= self.shard_capacity && !shard.entries.contains_key(&hash) {
            let Some(victim) = shard.victim(hash, now, entry.epoch) else { return };
            shard.entries.remove(&victim);
        }
        shard.insert(hash, entry);
    }

    /// Some of what is not of this epoch, and is not over.
    pub(super) fn suspects(&self, epoch: u64, now: Monotonic, limit: usize) -> Vec<Suspect> {
        let mut found = Vec::new();
        for shard in &self.shards {
            if found.len() >= limit {
                break;
            }
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let suspects = shard
                .entries
                .values()
                .filter(|entry| entry.epoch != epoch && now < entry.deadline)
                .map(|entry| Suspect { text: entry.text.clone() });
            found.extend(suspects.take(limit.saturating_sub(found.len())));
        }
        found
    }

    /// Ends the entry for `text`, which turned out not to be good.
    pub(super) fn forget(&self, text: &[u8]) {
        let Some((hash, shard)) = self.place(text) else { return };
        // Most that is not good was never remembered, and takes nobody's time.
        if shard.read().unwrap_or_else(PoisonError::into_inner).has(hash, text) {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            if shard.has(hash, text) {
                shard.entries.remove(&hash);
            }
        }
    }

    /// How many tokens are remembered, answers or not.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap().entries.len()).sum()
    }

    /// Ends the entries that `changes` concern, but for those of which only the epoch says so.
    pub(super) fn remove(&self, changes: &[Change]) {
        let changes: Vec<&Change> =
            changes.iter().filter(|change| change.is_about_some()).collect();
        if changes.is_empty() {
            return;
        }
        for shard in &self.shards {
            shard.write().unwrap_or_else(PoisonError::into_inner).entries.retain(|_, entry| {
                !changes.iter().any(|change| entry.subject.is_concerned_by(change))
            });
        }
    }

    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.entries.clear();
            shard.keys.clear();
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
                verified.insert(entry(number), Renewal::No, &recent, 0, now, || 0);
                let text = format!("a.b.{number}");
                assert_eq!(verified.get(text.as_bytes(), now, 0, |_| now).is_some(), capacity > 0);
            }
            let remembered = verified.len();
            assert!(remembered <= capacity, "{remembered} of {capacity}");
            assert!(remembered * 2 >= capacity, "{remembered} of {capacity}");
        }
    }

    #[test]
    fn what_is_suspect_makes_room_first() {
        let (recent, now) = (RecentChanges::new(1), Monotonic::from_nanos(0));
        let verified = Verified::new(1_000);
        let numbered = |number, epoch| Entry { epoch, ..entry(number) };
        (0..2_000).for_each(|number| {
            verified.insert(numbered(number, 0), Renewal::No, &recent, 0, now, || 0);
        });
        let suspects = verified.suspects(1, now, usize::MAX).len();
        assert!(suspects > 900 && suspects == verified.len());
        let is_answer = |number: usize| {
            verified.get(format!("a.b.{number}").as_bytes(), now, 1, |_| now).is_some()
        };
        for number in 5_000..5_200 {
            verified.insert(numbered(number, 1), Renewal::No, &recent, 0, now, || 1);
        }
        // By chance, a few look at nothing that is suspect.
        let answers: Vec<usize> = (5_000..5_200).filter(|number| is_answer(*number)).collect();
        assert!(answers.len() > 180, "{}", answers.len());
        assert!(verified.suspects(1, now, 100).len() == 100);
        assert!(verified.suspects(1, now, usize::MAX).len() >= suspects - 200);
        // Of an epoch that is over already.
        verified.insert(numbered(9_999, 0), Renewal::No, &recent, 0, now, || 1);
        assert!(
            !verified
                .suspects(1, now, usize::MAX)
                .iter()
                .any(|suspect| { **suspect.text == *b"a.b.9999" })
        );
        verified.forget(format!("a.b.{}", answers[0]).as_bytes());
        assert!(!is_answer(answers[0]) && is_answer(answers[1]));
    }

    /// Tokens that are used often stay, however many there are that are used once.
    #[test]
    fn what_is_used_often_stays() {
        let (recent, now) = (RecentChanges::new(1), Monotonic::from_nanos(0));
        let verified = Verified::new(320);
        let text = |number: usize| format!("a.b.{number}").into_bytes();
        let (mut hits, mut asked, mut once) = (0, 0, 1_000);
        for round in 0..4_000 {
            // Four of five requests have one of 50 tokens.
            let number = if round % 5 == 0 {
                once += 1;
                once
            } else {
                round * 7 % 50
            };
            let is_there = verified.get(&text(number), now, 0, |_| now).is_some();
            if !is_there {
                verified.insert(entry(number), Renewal::No, &recent, 0, now, || 0);
            }
            if number < 50 && round > 1_000 {
                asked += 1;
                hits += usize::from(is_there);
            }
        }
        assert!(hits * 10 > asked * 8, "{hits} of {asked}");
    }

    #[test]
    fn what_was_noted_long_ago_makes_room_first() {
        let (recent, now) = (RecentChanges::new(1), Monotonic::from_nanos(0));
        let verified = Verified::new(1);
        let used = |number, due| Entry { use_is_due: AtomicU64::new(due), ..entry(number) };
        let mut shard = Shard::default();
        (0..100).for_each(|number| shard.insert(number, used(0, 1_000 + number)));
        let mut victims: Vec<u64> =
            (1..400).filter_map(|chance| shard.victim(chance, now, 0)).collect();
        victims.sort_unstable();
        // The median of the least of four.
        assert!(victims[victims.len() / 2] < 30, "{victims:?}");
        // One that is gone is no victim, and one that takes its place is put in.
        shard.entries.retain(|key, _| *key == 7);
        assert_eq!(shard.victim(1, now, 0), Some(7));
        verified.insert(entry(1), Renewal::Yes, &recent, 0, now, || 0);
        assert_eq!(verified.len(), 0);
        verified.insert(entry(1), Renewal::No, &recent, 0, now, || 0);
        verified.insert(entry(1), Renewal::Yes, &recent, 0, now, || 0);
        assert_eq!(verified.len(), 1);
    }
}
