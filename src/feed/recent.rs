use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::Change;

/// The last changes that arrived, so that whoever reads a store can tell afterwards whether
/// something changed meanwhile.
///
/// Positions are local to the process. Noting the position *before* reading a store is enough: a
/// change that the read did not see arrives behind that position, since the read was later than
/// everything that had arrived.
#[derive(Debug)]
pub(crate) struct RecentChanges {
    changes: Mutex<Ring>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Ring {
    /// The position of the oldest change that is kept.
    first: u64,
    changes: VecDeque<Change>,
}

impl RecentChanges {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { changes: Mutex::default(), capacity }
    }

    /// Where the next change will be.
    pub(crate) fn position(&self) -> u64 {
        let ring = self.ring();
        ring.first + u64::try_from(ring.changes.len()).unwrap_or(u64::MAX)
    }

    pub(crate) fn push(&self, changes: &[Change]) {
        let mut ring = self.ring();
        for change in changes {
            if ring.changes.len() >= self.capacity {
                ring.changes.pop_front();
                ring.first += 1;
            }
            ring.changes.push_back(change.clone());
        }
    }

    /// Whether no change since `position` is one that `concerns`. Also false if so many have
    /// arrived that nobody knows any more.
    pub(crate) fn none_since(&self, position: u64, concerns: impl Fn(&Change) -> bool) -> bool {
        let ring = self.ring();
        let Some(skip) = position.checked_sub(ring.first) else { return false };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        !ring.changes.iter().skip(skip).any(concerns)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing that runs under the lock panics half-way through a change.
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_behind_the_position_is_seen() {
        let recent = RecentChanges::new(4);
        recent.push(&[Change::Policies]);
        let position = recent.position();
        assert!(recent.none_since(position, |_| true));
        recent.push(&[Change::Keys]);
        assert!(!recent.none_since(position, |change| *change == Change::Keys));
        assert!(recent.none_since(position, |change| *change == Change::Policies));
    }

    #[test]
    fn an_overrun_counts_as_a_change() {
        let recent = RecentChanges::new(2);
        let position = recent.position();
        recent.push(&[Change::Keys, Change::Keys]);
        assert!(recent.none_since(position, |change| *change == Change::Policies));
        recent.push(&[Change::Keys]);
        assert!(!recent.none_since(position, |change| *change == Change::Policies));
    }
}
