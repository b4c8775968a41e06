use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::entry::{Current, Entry, Standing};
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

    pub(super) fn get(&self, hash: u64, text: &[u8]) -> Option<&Entry> {
        let (_, entry) = self.entries.get(*self.places.get(&hash)?)?;
        // Whoever gets as far as comparing has shown the end of a signature with the same seeded hash,
        // which cannot be guessed, so there is nothing left for the time of the comparison to tell.
        (**entry.text == *text).then_some(entry)
    }

    /// Puts an entry in, in the place of the one with its hash or of one that is worth less, if there
    /// are `capacity`.
    pub(super) fn insert(
        &mut self,
        hash: u64,
        mut entry: Entry,
        capacity: usize,
        current: Current<'_>,
    ) {
        let place = self.places.get(&hash);
        if let Some((_, old)) = place.and_then(|place| self.entries.get_mut(*place)) {
            *entry.is_proven.get_mut() |= *old.is_proven.get_mut();
            *old = entry;
            return;
        }
        if self.entries.len() >= capacity {
            let Some(victim) = self.victim(hash, current) else { return };
            self.remove_at(victim);
        }
        self.places.insert(hash, self.entries.len());
        self.entries.push((hash, entry));
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

    pub(super) fn remove_if(&mut self, hash: u64, is_it: impl Fn(&Entry) -> bool) {
        if let Some(place) = self.places.get(&hash).copied()
            && self.entries.get(place).is_some_and(|(_, entry)| is_it(entry))
        {
            self.remove_at(place);
        }
    }

    /// What is outdated, and what is over, which has no authentication any more.
    pub(super) fn untidy(
        &self,
        current: Current<'_>,
    ) -> impl Iterator<Item = (u64, Option<Authentication>)> {
        self.entries.iter().filter_map(move |(hash, entry)| match entry.basis.standing(current) {
            Standing::Outdated => Some((*hash, Some(entry.authentication.clone()))),
            Standing::Over => Some((*hash, None)),
            Standing::Suspect | Standing::Good => None,
        })
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
            Some((entry.basis.standing(current), entry.merit(current.now), place))
        });
        sample.min().map(|(.., place)| place)
    }

    fn remove_at(&mut self, place: usize) {
        if place >= self.entries.len() {
            return;
        }
        let (hash, _) = self.entries.swap_remove(place);
        self.places.remove(&hash);
        if let Some((moved, _)) = self.entries.get(place) {
            self.places.insert(*moved, place);
        }
    }
}

/// How many are looked at to make room for one.
const SAMPLE: usize = 8;

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
