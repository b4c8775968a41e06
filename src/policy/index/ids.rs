use std::{
    borrow::Borrow,
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
};

/// A number for each different text.
#[derive(Debug)]
pub(super) struct Ids<T>(HashMap<T, u32, TextHash>);

impl<T> Default for Ids<T> {
    fn default() -> Self {
        Self(HashMap::with_hasher(TextHash::new()))
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

/// A hash of texts by folded multiplication, as in foldhash and wyhash, with random seeds.
///
/// Half the time of a decision went into std's SipHash. What that one is for does not arise: only
/// policies put texts into these maps, while requests, whose texts are not to be trusted, look up.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextHash([u64; 2]);

impl TextHash {
    fn new() -> Self {
        let seed = RandomState::new();
        Self([seed.hash_one(0), seed.hash_one(1)])
    }
}

impl BuildHasher for TextHash {
    type Hasher = TextHasher;

    fn build_hasher(&self) -> TextHasher {
        let Self([state, seed]) = *self;
        TextHasher { state, seed }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TextHasher {
    state: u64,
    seed: u64,
}

impl TextHasher {
    fn fold(&mut self, one: u64, two: u64) {
        let product = u128::from(self.state ^ one) * u128::from(self.seed ^ two);
        let [low, high] = halves(product);
        self.state = low ^ high.rotate_left(23);
    }
}

impl Hasher for TextHasher {
    fn finish(&self) -> u64 {
        self.state
    }

    fn write(&mut self, bytes: &[u8]) {
        let (chunks, _) = bytes.as_chunks::<16>();
        for chunk in chunks {
            let [low, high] = halves(u128::from_le_bytes(*chunk));
            self.fold(low, high);
        }
        // The rest, as two words that overlap each other or what was read before.
        let [low, high] = if let Some(last) = bytes.last_chunk::<16>() {
            halves(u128::from_le_bytes(*last))
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            [u64::from_le_bytes(*first), u64::from_le_bytes(*last)]
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            [u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()]
        } else {
            let byte = |at: usize| bytes.get(at).copied().map_or(0, u64::from);
            [byte(0), byte(1) | byte(2) << 8]
        };
        self.fold(low, high);
        // Tells texts apart that overlap to the same words.
        self.fold(bytes.len() as u64, 0);
    }

    fn write_u8(&mut self, _: u8) {
        // Ends a text; there is never a second one.
    }
}

fn halves(value: u128) -> [u64; 2] {
    [value as u64, (value >> 64) as u64]
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
    fn texts_that_differ_a_little_hash_apart() {
        let hash = TextHash::new();
        let texts: HashSet<String> = (0..1024)
            .map(|number| format!("urn:li:dataset:orders_{number}"))
            .chain((0..40).map(|length| "\0".repeat(length)))
            .chain((1..40).map(|length| "a".repeat(length)))
            .chain((0..40).map(|at| format!("{}b{}", "a".repeat(at), "a".repeat(40 - at))))
            .collect();
        let hashes: HashSet<u64> = texts.iter().map(|text| hash.hash_one(text.as_str())).collect();
        assert_eq!(hashes.len(), texts.len());
        let low: HashSet<u64> = hashes.iter().map(|hash| hash & 0xFFF).collect();
        let high: HashSet<u64> = hashes.iter().map(|hash| hash >> 52).collect();
        assert!(low.len() > 800 && high.len() > 800, "{} {}", low.len(), high.len());
    }

    #[test]
    fn a_text_keeps_its_number() {
        let mut ids: Ids<Box<str>> = Ids::default();
        let mut add = |text: &str| ids.find_or_add(text, || text.into());
        assert_eq!([add("a"), add("b"), add("a")], [0, 1, 0]);
        assert_eq!((ids.find("b"), ids.find("c")), (Some(1), None));
    }
}
