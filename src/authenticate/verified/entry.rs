use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use zeroize::Zeroizing;

use crate::{
    authenticate::Authentication,
    clock::Monotonic,
    feed::{LatestChanges, Subjects},
    token::KeyId,
};

/// What is remembered of a verified token.
pub(in crate::authenticate) struct Entry {
    pub(in crate::authenticate) text: Zeroizing<Box<[u8]>>,
    pub(in crate::authenticate) authentication: Authentication,
    pub(in crate::authenticate) key_id: KeyId,
    pub(in crate::authenticate) basis: Basis,
    /// From when on its use is to be noted again, in nanoseconds of monotonic time.
    pub(in crate::authenticate) use_is_due: AtomicU64,
    /// Whether the token was used again.
    pub(in crate::authenticate) is_proven: AtomicBool,
}

/// What it is an answer by.
#[derive(Debug, Clone)]
pub(in crate::authenticate) struct Basis {
    /// What its look-up depended on.
    pub(in crate::authenticate) subjects: Subjects,
    pub(in crate::authenticate) deadline: Monotonic,
    /// How many changes had arrived when its look-up began.
    pub(in crate::authenticate) position: u64,
    /// The epoch when its look-up began.
    pub(in crate::authenticate) epoch: u64,
    /// The version of the policies by which it has its privileges.
    pub(in crate::authenticate) policies: u64,
}

/// What is so now.
#[derive(Debug, Clone, Copy)]
pub(in crate::authenticate) struct Current<'a> {
    pub(in crate::authenticate) now: Monotonic,
    pub(in crate::authenticate) epoch: u64,
    pub(in crate::authenticate) policies: u64,
    pub(in crate::authenticate) changes: &'a LatestChanges,
}

/// What an entry is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    Over,
    /// To be judged anew.
    Suspect,
    /// An answer, but for privileges by policies that are no longer in force.
    Outdated,
    /// An answer.
    Good,
}

impl Basis {
    pub(super) fn standing(&self, current: Current<'_>) -> Standing {
        if self.deadline <= current.now
            || !current.changes.none_since(self.position, &self.subjects)
        {
            Standing::Over
        } else if self.epoch != current.epoch {
            Standing::Suspect
        } else if self.policies != current.policies {
            Standing::Outdated
        } else {
            Standing::Good
        }
    }
}

impl Entry {
    /// By what those make room that are not over: what was never used again before what was, and then
    /// what was used longer ago. What is outdated or suspect counts as much as what is good, which it
    /// will be again: else a change would hand all places to whoever comes next.
    pub(super) fn merit(&self, now: Monotonic) -> (bool, u64) {
        let due = self.use_is_due.load(Ordering::Relaxed);
        let is_idle = now.as_nanos().saturating_sub(due) > IDLE_NANOS;
        (self.is_proven.load(Ordering::Relaxed) && !is_idle, due)
    }
}

/// What was not used for this long counts no more than what was used once.
const IDLE_NANOS: u64 = 5 * 60 * 1_000_000_000;
