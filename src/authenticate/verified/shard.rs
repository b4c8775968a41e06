use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    mem,
};

use super::{
    cache::Renewal,
    entry::{Current, Entry, Standing},
};
use crate::authenticate::Authentication;

/// Some of the entries. There are so many shards that whatever is done to one takes little time, also
/// when it grows, since that is done under its lock.
#[derive(Default)]
pub(super) struct Shard {
    /// Where the entry with this hash is.
    places: HashMap<u64, usize, BuildHasherDefault<Hashed>>,
    /// The entries with their hashes, in no order: to choose from by chance.
    entries: Vec<(u64, Entry)>,
}

impl Shard {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    pub(super) fn get(&self, hash: u64, text: &[u8]) -> Option<&Entry> {
        let (_, entry) = self.entries.get(*self.places.get(&hash)?)?;
        // Whoever gets as far as comparing has shown the end of a signature with the same seeded hash,
        // which cannot be guessed, so there is nothing left for the time of the comparison to tell.
        (**entry.text == *text).then_some(entry)
    }

    /// Puts an entry in, in the place of the one with its hash or of one that is worth less, if there
    /// are `capacity`. What has no place any more is dropped by the caller, without the lock: it may be
    /// the last that holds the policies of earlier times.
    #[must_use]
    pub(super) fn insert(
        &mut self,
        hash: u64,
        mut entry: Entry,
        renewal: Renewal,
        capacity: usize,
        current: Current<'_>,
    ) -> Option<Entry> {
        let place = self.places.get(&hash);
        if let Some((_, old)) = place.and_then(|place| self.entries.get_mut(*place)) {
            *entry.is_proven.get_mut() |= *old.is_proven.get_mut();
            if renewal == Renewal::Yes {
                // Nobody has used it.
                entry.use_is_due = mem::take(&mut old.use_is_due);
            }
            return Some(mem::replace(old, entry));
        }
        let mut displaced = None;
        if self.entries.len() >= capacity {
            let Some(victim) = self.victim(hash, current) else { return Some(entry) };
            displaced = self.remove_at(victim);
        }
        self.places.insert(hash, self.entries.len());
        self.entries.push((hash, entry));
        displaced
    }

    /// Gives an entry privileges by the policies of this version, if it is the one that had `outdated`.
    pub(super) fn narrow(
        &mut self,
        hash: u64,
        outdated: &Authentication,
        renewed: &Authentication,
        policies: u64,
    ) {
        let place = self.places.get(&hash);
        if let Some((_, entry)) = place.and_then(|place| self.entries.get_mut(*place))
            && entry.authentication.is_same(outdated)
        {
            entry.authentication = renewed.clone();
            entry.basis.policies = policies;
        }
    }

    /// Takes the entry with this hash out if it `is_it`. The caller drops it, without the lock.
    #[must_use]
    pub(super) fn remove_if(&mut self, hash: u64, is_it: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let place = self.places.get(&hash).copied()?;
        let (_, entry) = self.entries.get(place)?;
        if is_it(entry) { self.remove_at(place) } else { None }
    }

    /// What is not good, with what it is good for.
    pub(super) fn untidy(
        &self,
        current: Current<'_>,
    ) -> impl Iterator<Item = (u64, Standing, &Entry)> {
        let entries = self.entries.iter();
        entries
            .map(move |(hash, entry)| (*hash, entry.basis.standing(current), entry))
            .filter(|(_, standing, _)| *standing != Standing::Good)
    }

    /// Those behind the first `skipped` that are suspect, with their places.
    pub(super) fn suspects(
        &self,
        skipped: usize,
        current: Current<'_>,
    ) -> impl Iterator<Item = (usize, &Entry)> {
        let entries = self.entries.iter().enumerate().skip(skipped);
        entries
            .map(|(place, (_, entry))| (place, entry))
            .filter(move |(_, entry)| entry.basis.standing(current) == Standing::Suspect)
    }

    /// Which makes room: of some that are chosen by chance, one that is over, or the one that is worth
    /// least.
    fn victim(&self, chance: u64, current: Current<'_>) -> Option<usize> {
        let count = u64::try_from(self.entries.len()).ok()?;
        let mut chance = chance;
        let sample = (0..SAMPLE).filter_map(|_| {
            // Odd, so that it is another number each time.
            chance = chance.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31);
            let place = usize::try_from(chance.checked_rem(count)?).ok()?;
            let (_, entry) = self.entries.get(place)?;
            let is_over = entry.basis.standing(current) == Standing::Over;
            Some((!is_over, entry.merit(current.now), place))
        });
        sample.min().map(|(.., place)| place)
    }

    fn remove_at(&mut self, place: usize) -> Option<Entry> {
        if place >= self.entries.len() {
            return None;
        }
        let (hash, removed) = self.entries.swap_remove(place);
        self.places.remove(&hash);
        if let Some((moved, _)) = self.entries.get(place) {
            self.places.insert(*moved, place);
        }
        Some(removed)
    }
}

/// How many are looked at to make room for one.
///
/// What is used again makes room only if all of them are such, or by far fewer are left than there
/// were. Where all of a full cache is used again, a scan of as many tokens as there is room for takes
/// a sixth of it, and one of ten times as many a quarter: of what is left, a share `f` is lost with
/// `f` to the power of this by each. Where it is a third of the cache, such a scan takes nothing.
const SAMPLE: usize = 16;

/// The keys are seeded hashes already.
#[derive(Default)]
pub(super) struct Hashed(u64);

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
