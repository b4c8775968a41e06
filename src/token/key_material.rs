use std::{
    fmt,
    sync::{Arc, PoisonError, atomic::Ordering},
};

use super::KeyRing;
use crate::sync::{AtomicU64, RwLock};

/// The keys that a process has, which can be replaced while it runs
/// ([`Config::reload_keys`](crate::Config::reload_keys)).
///
/// A clone is the same material: whoever holds one goes on with the new keys at once. What the old
/// ones were made of is wiped when nobody is in the middle of using them any more. What a thread has
/// worked out of them to verify with goes when that thread is to verify by the new ones, or ends.
#[derive(Clone)]
pub struct KeyMaterial {
    shared: Arc<Shared>,
}

struct Shared {
    ring: RwLock<Arc<KeyRing>>,
    /// Moves behind every replacement.
    generation: AtomicU64,
}

impl KeyMaterial {
    /// The keys as they are now.
    #[must_use]
    pub fn ring(&self) -> Arc<KeyRing> {
        self.shared.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the keys, all at once. Not for everybody: which keys are fit for it is looked at where
    /// they are configured.
    pub(crate) fn replace(&self, ring: KeyRing) {
        let old = {
            let mut current = self.shared.ring.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *current, Arc::new(ring))
        };
        // After the keys: whoever sees the new number sees the new keys.
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        drop(old);
    }

    /// How often they were replaced. What was decided before the last time may be wrong.
    pub(crate) fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Acquire)
    }
}

impl From<KeyRing> for KeyMaterial {
    fn from(ring: KeyRing) -> Self {
        let shared = Shared { ring: RwLock::new(Arc::new(ring)), generation: AtomicU64::new(0) };
        Self { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.ring(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenKey;

    fn ring(letter: char) -> KeyRing {
        let text = format!("{letter}7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=");
        KeyRing::new(TokenKey::new(&text).unwrap())
    }

    #[test]
    fn a_clone_sees_what_replaced_the_keys() {
        let material = KeyMaterial::from(ring('q'));
        let (clone, before) = (material.clone(), material.generation());
        let old = clone.ring();
        material.replace(ring('p'));
        assert_eq!(clone.ring().signing().id(), ring('p').signing().id());
        assert_ne!(clone.generation(), before);
        // Who is in the middle of something ends it with what it began with.
        assert_eq!(old.signing().id(), ring('q').signing().id());
    }

    #[test]
    fn the_old_keys_are_gone_when_nobody_uses_them() {
        let material = KeyMaterial::from(ring('q'));
        let old = Arc::downgrade(&material.ring());
        material.replace(ring('p'));
        assert!(old.upgrade().is_none());
    }
}
