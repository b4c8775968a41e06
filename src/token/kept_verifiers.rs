//! The verifiers that a thread keeps, since making one takes a third of what verifying takes.
//!
//! A verifier of `jsonwebtoken` is not `Send`, so that a key cannot hold one. Each thread keeps those
//! of the ring that it used last, and drops them when it is to use another: none outlives by long the
//! keys that it was made of, but in a thread that verifies nothing any more.

use std::{
    cell::RefCell,
    sync::{Arc, Weak},
};

use jsonwebtoken::crypto::JwtVerifier;

use super::{KeyId, KeyRing};

struct Kept {
    /// Holds on to the place in memory and not to the keys, so that no other ring can be taken for
    /// this one.
    ring: Weak<KeyRing>,
    verifiers: Box<[(KeyId, Box<dyn JwtVerifier>)]>,
}

thread_local! {
    static KEPT: RefCell<Option<Kept>> = const { RefCell::new(None) };
}

/// The key of `ring` under which `mac` is the MAC of `message`.
///
/// Every key is tried, also after one has fitted, so that the time taken does not tell which.
pub(super) fn verify(ring: &Arc<KeyRing>, message: &[u8], mac: &Vec<u8>) -> Option<KeyId> {
    let by_kept = KEPT.try_with(|kept| {
        let mut kept = kept.try_borrow_mut().ok()?;
        if kept.as_ref().is_none_or(|kept| !std::ptr::eq(kept.ring.as_ptr(), Arc::as_ptr(ring))) {
            // First what there was, whatever becomes of the new ones.
            *kept = None;
            *kept = Some(Kept::new(ring)?);
        }
        kept.as_ref().map(|kept| kept.verify(message, mac))
    });
    // A thread that ends keeps nothing any more.
    by_kept.ok().flatten().unwrap_or_else(|| Kept::new(ring)?.verify(message, mac))
}

impl Kept {
    fn new(ring: &Arc<KeyRing>) -> Option<Self> {
        let verifiers = ring.candidates().map(|key| Some((key.id(), key.verifier()?)));
        Some(Self { ring: Arc::downgrade(ring), verifiers: verifiers.collect::<Option<_>>()? })
    }

    fn verify(&self, message: &[u8], mac: &Vec<u8>) -> Option<KeyId> {
        self.verifiers.iter().fold(None, |found, (id, verifier)| {
            let fits = verifier.verify(message, mac).is_ok().then_some(*id);
            found.or(fits)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::TokenKey;

    fn key(letter: char) -> TokenKey {
        TokenKey::new(&format!("{letter}7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=")).unwrap()
    }

    fn is_kept(ring: &Arc<KeyRing>) -> bool {
        KEPT.with_borrow(|kept| {
            kept.as_ref().is_some_and(|kept| std::ptr::eq(kept.ring.as_ptr(), Arc::as_ptr(ring)))
        })
    }

    #[test]
    fn only_the_ring_that_was_used_last_is_kept() {
        let (one, other) = (key('q'), key('p'));
        let (mac, other_mac) = (one.sign(b"message").unwrap(), other.sign(b"message").unwrap());
        let first = Arc::new(KeyRing::new(one.clone()));
        let second = Arc::new(KeyRing::new(other.clone()).with_verifying(one.clone()));
        for _ in 0..3 {
            assert_eq!(verify(&first, b"message", &mac), Some(one.id()));
            assert_eq!(verify(&first, b"message", &other_mac), None);
            assert!(is_kept(&first) && !is_kept(&second));
            assert_eq!(verify(&second, b"message", &mac), Some(one.id()));
            assert_eq!(verify(&second, b"message", &other_mac), Some(other.id()));
            assert_eq!(verify(&second, b"massage", &mac), None);
            assert!(is_kept(&second) && !is_kept(&first));
        }
    }

    #[test]
    fn what_is_kept_holds_no_key_and_is_taken_for_no_other() {
        let mut gone = Weak::new();
        for letter in ('a'..='z').cycle().take(200) {
            // Most likely in the same place each time, if that were free.
            let key = key(letter);
            let ring = Arc::new(KeyRing::new(key.clone()));
            assert!(gone.upgrade().is_none() && !is_kept(&ring));
            let mac = key.sign(b"message").unwrap();
            assert_eq!(verify(&ring, b"message", &mac), Some(key.id()));
            gone = Arc::downgrade(&ring);
        }
    }
}
