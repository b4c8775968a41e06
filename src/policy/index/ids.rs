use std::{borrow::Borrow, collections::HashMap, hash::Hash};

use foldhash::fast::RandomState;

/// A number for each different text.
///
/// Half the time of a decision went into std's SipHash. What that one is for does not arise: only
/// policies put texts into these maps, while requests, whose texts are not to be trusted, look up.
#[derive(Debug)]
pub(super) struct Ids<T>(HashMap<T, u32, RandomState>);

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Self(HashMap::with_hasher(RandomState::default()))
    }
}

impl<T: Eq + Hash + Borrow<str>> Ids<T> {
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.0.get(text).copied()
    }

    pub(super) fn find_or_add(&mut self, text: &str, make: impl FnOnce() -> T) -> u32 {
        if let Some(id) = self.find(text) {
            return id;
        }
        // Four billion texts do not fit into memory.
        let id = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0.insert(make(), id);
        id
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&T, u32)> {
        self.0.iter().map(|(text, id)| (text, *id))
    }
}

/// A map by numbers that we gave out ourselves.
pub(super) type IdMap<K, V> = HashMap<K, V, RandomState>;
