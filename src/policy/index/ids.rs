use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasherDefault, Hash, Hasher},
};

/// A number for each different text. Requests bring texts of their own choice, so the hasher is
/// std's seeded one.
#[derive(Debug)]
pub(super) struct Ids<T>(HashMap<T, u32>);

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Self(HashMap::new())
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

/// A map by numbers that we gave out ourselves, so that nobody can make them collide.
pub(super) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

#[derive(Debug, Default, Clone, Copy)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        // The map takes the lowest and the highest bits.
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn neighbours_hash_apart() {
        let hash = |value: u64| {
            let mut hasher = IdHasher::default();
            hasher.write_u64(value);
            hasher.finish()
        };
        let low: HashSet<u64> = (0..1024).map(|value| hash(value) & 0xFFF).collect();
        let high: HashSet<u64> = (0..1024).map(|value| hash(value << 32) >> 57).collect();
        assert!(low.len() > 600 && high.len() > 100, "{} {}", low.len(), high.len());
    }

    #[test]
    fn a_text_keeps_its_number() {
        let mut ids: Ids<Box<str>> = Ids::default();
        let mut add = |text: &str| ids.find_or_add(text, || text.into());
        assert_eq!([add("a"), add("b"), add("a")], [0, 1, 0]);
        assert_eq!((ids.find("b"), ids.find("c")), (Some(1), None));
    }
}
