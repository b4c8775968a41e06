//! Counters of changes that concern everything at once.

use std::sync::atomic::Ordering;

use crate::sync::AtomicU64;

/// A counter that moves whenever everything that was decided before may be wrong.
///
/// Whoever is about to decide reads it first; what was decided is good as long as the counter still
/// reads the same.
#[derive(Debug, Default)]
pub(crate) struct Epoch(AtomicU64);

impl Epoch {
    pub(crate) fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(crate) fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}
