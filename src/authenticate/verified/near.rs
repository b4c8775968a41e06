use std::{
    sync::{
        PoisonError, TryLockError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use zeroize::Zeroizing;

use super::entry::{Basis, Current, Entry, Standing};
use crate::{
    authenticate::Authentication,
    clock::Monotonic,
    sync::{IS_MODEL, Mutex, MutexGuard},
};

/// Copies of a few entries that are used all the time, apart for each thread.
///
/// Threads that use the same entry pass the memory back and forth in which its users are counted, and
/// those of its lock. A copy has everything to itself, and no thread waits for another: who finds a
/// stripe taken does without. Whether a copy is an answer is decided as for its entry, by the same
/// numbers. It is looked for again in its entry when its use is due to be noted, so once a minute.
///
/// The copies are here and not in the threads, so that they go with the cache.
pub(super) struct Near {
    /// As many as a power of two, or none.
    stripes: Box<[Stripe]>,
}

#[derive(Default)]
#[repr(align(128))]
struct Stripe(Mutex<[Place; PLACES]>);

#[derive(Default)]
struct Place {
    copy: Option<Copied>,
    /// How many that would have their copy here were used, less how often the copy was.
    missed: u32,
}

struct Copied {
    hash: u64,
    text: Zeroizing<Box<[u8]>>,
    authentication: Authentication,
    basis: Basis,
    until: Monotonic,
}

/// There is no copy that is an answer.
pub(super) struct Missed {
    /// Whether there should be one.
    pub(super) wants_copy: bool,
}

impl Near {
    /// With copies of not more than `capacity` entries.
    pub(super) fn new(capacity: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        // Twice as many, since other threads have taken numbers, too.
        let wanted = threads.saturating_mul(2).clamp(1, MAX_STRIPES).next_power_of_two();
        let stripes = if wanted * PLACES <= capacity { wanted } else { 0 };
        Self { stripes: (0..stripes).map(|_| Stripe::default()).collect() }
    }

    pub(super) fn get(
        &self,
        hash: u64,
        text: &[u8],
        current: Current<'_>,
    ) -> Result<Authentication, Missed> {
        let Some(mut places) = self.stripe() else { return Err(Missed { wants_copy: false }) };
        let Some(place) = place(&mut places, hash) else {
            return Err(Missed { wants_copy: false });
        };
        let wants_copy = match &place.copy {
            Some(copy) if copy.hash == hash => {
                if copy.basis.standing(current) == Standing::Good
                    && current.now < copy.until
                    && **copy.text == *text
                {
                    place.missed = place.missed.saturating_sub(1);
                    return Ok(copy.authentication.clone());
                }
                true
            }
            _ => {
                place.missed += 1;
                place.missed >= OFTEN
            }
        };
        Err(Missed { wants_copy })
    }

    /// Copies an entry, whose shard is locked: so whoever forgets it there, and then here, finds it.
    pub(super) fn copy(&self, hash: u64, entry: &Entry, until: Monotonic) {
        let Some(mut places) = self.stripe() else { return };
        if let Some(place) = place(&mut places, hash) {
            place.missed = 0;
            place.copy = Some(Copied {
                hash,
                text: entry.text.clone(),
                authentication: entry.authentication.apart(),
                basis: entry.basis.clone(),
                until,
            });
        }
    }

    /// Ends the copies of this entry.
    pub(super) fn forget(&self, hash: u64) {
        self.retain(|copy| copy.hash != hash);
    }

    /// Ends the copies that are no answers any more.
    pub(super) fn tidy(&self, current: Current<'_>) {
        self.retain(|copy| copy.basis.standing(current) == Standing::Good);
    }

    fn retain(&self, is_kept: impl Fn(&Copied) -> bool) {
        for Stripe(places) in &self.stripes {
            let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
            for place in &mut *places {
                place.copy.take_if(|copy| !is_kept(copy));
            }
        }
    }

    /// The copies of this thread, unless somebody else has taken them.
    fn stripe(&self) -> Option<MutexGuard<'_, [Place; PLACES]>> {
        let last = self.stripes.len().checked_sub(1)?;
        let number = NUMBER.try_with(|number| *number).unwrap_or_default();
        match self.stripes.get(number & last)?.0.try_lock() {
            Ok(places) => Some(places),
            // Nothing that runs under the lock panics half-way through a change.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

fn place(places: &mut [Place; PLACES], hash: u64) -> Option<&mut Place> {
    // By other bits than those by which it has its shard.
    places.get_mut(usize::try_from(hash >> PLACE_SHIFT).ok()?)
}

thread_local! {
    /// Which thread this is.
    static NUMBER: usize = NUMBERS.fetch_add(1, Ordering::Relaxed);
}

static NUMBERS: AtomicUsize = AtomicUsize::new(0);

/// How many copies a thread has.
const PLACES: usize = if IS_MODEL { 2 } else { 16 };

/// How far the bits of a hash are behind that say which of them.
const PLACE_SHIFT: u32 = u64::BITS - PLACES.ilog2();

/// For how many threads there are copies of their own.
const MAX_STRIPES: usize = if IS_MODEL { 1 } else { 64 };

/// So often something else is used in a place before there is a copy of it: making one costs as much as
/// a few requests, which must not happen all the time where each request has another token.
const OFTEN: u32 = if IS_MODEL { 1 } else { 32 };
