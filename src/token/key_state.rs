use std::{fmt, str::FromStr};

use super::{KeyId, KeyRing, TokenKey};
use crate::{actor::Urn, clock::Timestamp};

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// The tokens that it signed are good, and it signs no more.
    Verifying,
    /// It signs. There is one such key at most.
    Signing,
    /// The tokens that it signed are refused.
    Retired,
}

impl KeyState {
    /// How it is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verifying => "verifying",
            Self::Signing => "signing",
            Self::Retired => "retired",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyState {
    type Err = ParseKeyStateError;

    fn from_str(text: &str) -> Result<Self, ParseKeyStateError> {
        [Self::Verifying, Self::Signing, Self::Retired]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(ParseKeyStateError)
    }
}

/// The text is no [`KeyState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of verifying, signing, retired")]
pub struct ParseKeyStateError;

/// What a store knows of a key. The key itself is in no store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Which key.
    pub id: KeyId,
    /// What it is for.
    pub state: KeyState,
    /// Since when the store knows it.
    pub added_at: Timestamp,
    /// When it began to sign, the last time. `None` if it has not since the store knows it.
    pub signing_since: Option<Timestamp>,
    /// Since when it is retired; `None` if it is not.
    pub retired_at: Option<Timestamp>,
    /// Who brought it into this state.
    pub by: Urn,
}

/// What a store says of all keys, and what that means for the keys that a process has.
///
/// 1. A key of which the store knows nothing verifies, if a process has it.
/// 2. The key that the store says signs does. If it says so of none, that is the key which the
///    configuration says signs.
/// 3. What a retired key signed is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyStates {
    records: Vec<KeyRecord>,
}

impl KeyStates {
    /// The states in these records.
    #[must_use]
    pub fn new(records: Vec<KeyRecord>) -> Self {
        Self { records }
    }

    /// What the store knows of this key.
    #[must_use]
    pub fn record(&self, id: KeyId) -> Option<&KeyRecord> {
        self.records.iter().find(|record| record.id == id)
    }

    /// All that the store knows.
    #[must_use]
    pub fn records(&self) -> &[KeyRecord] {
        &self.records
    }

    /// The key that signs, if the store says so of one.
    #[must_use]
    pub fn signing(&self) -> Option<KeyId> {
        let record = self.records.iter().find(|record| record.state == KeyState::Signing);
        record.map(|record| record.id)
    }

    /// Since when the key is retired, if it is.
    #[must_use]
    pub fn retired_at(&self, id: KeyId) -> Option<Timestamp> {
        self.record(id).filter(|record| record.state == KeyState::Retired).map(|record| {
            // The stores keep both together.
            record.retired_at.unwrap_or(record.added_at)
        })
    }

    /// The keys whose tokens are good, and which are not in `ring`: with these missing, a signature
    /// that fits none of the others is not known to be wrong. A key of which the store knows nothing
    /// is not noticed.
    pub(crate) fn missing_in(&self, ring: &KeyRing) -> impl Iterator<Item = KeyId> {
        self.records
            .iter()
            .filter(|record| record.state != KeyState::Retired && ring.key(record.id).is_none())
            .map(|record| record.id)
    }

    /// The key of `ring` to sign with; an error is the id of the one that should, and is not there.
    pub(crate) fn signing_key<'r>(&self, ring: &'r KeyRing) -> Result<&'r TokenKey, KeyId> {
        match self.signing() {
            None => Ok(ring.signing()),
            Some(id) => ring.key(id).ok_or(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: char) -> TokenKey {
        TokenKey::new(&format!("{letter}7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=")).unwrap()
    }

    fn record(key: &TokenKey, state: KeyState) -> KeyRecord {
        let at = Timestamp::from_seconds(7);
        KeyRecord {
            id: key.id(),
            state,
            added_at: at,
            signing_since: (state == KeyState::Signing).then_some(at),
            retired_at: (state == KeyState::Retired).then_some(at),
            by: Urn::corpuser("admin").unwrap(),
        }
    }

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for state in [KeyState::Verifying, KeyState::Signing, KeyState::Retired] {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!("Signing".parse::<KeyState>(), Err(ParseKeyStateError));
    }

    #[test]
    fn the_store_says_what_signs_and_else_the_configuration() {
        let (old, new, other) = (key('q'), key('p'), key('o'));
        let ring = KeyRing::new(old.clone()).with_verifying(new.clone());
        let signs = |states: &KeyStates| states.signing_key(&ring).map(TokenKey::id);
        assert_eq!(signs(&KeyStates::default()), Ok(old.id()));
        assert_eq!(signs(&KeyStates::new(vec![record(&new, KeyState::Verifying)])), Ok(old.id()));
        assert_eq!(signs(&KeyStates::new(vec![record(&new, KeyState::Signing)])), Ok(new.id()));
        // Never another one in its place.
        let missing = KeyStates::new(vec![record(&other, KeyState::Signing)]);
        assert_eq!(signs(&missing), Err(other.id()));
    }

    #[test]
    fn only_what_is_retired_is_refused() {
        let (old, new) = (key('q'), key('p'));
        let states =
            KeyStates::new(vec![record(&old, KeyState::Retired), record(&new, KeyState::Signing)]);
        assert_eq!(states.retired_at(old.id()), Some(Timestamp::from_seconds(7)));
        assert_eq!(states.retired_at(new.id()), None);
        assert_eq!(states.retired_at(key('o').id()), None);
    }
}
