use std::{
    sync::{
        PoisonError, TryLockError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
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
/// A place belongs to the entry that has more than half of the uses of all that could be there, by a
/// majority vote: one counter. So where all are used alike nothing is copied. As long as there is a
/// copy, its uses count against whatever else would have its place.
///
/// The copies are here and not in the threads, so that they go with the cache.
pub(super) struct Near {
    /// As many as a power of two, or none.
    stripes: Box<[Stripe]>,
}

#[derive(Default)]
#[repr(align(128))]
struct Stripe {
    places: Mutex<[Place; PLACES]>,
    /// The hashes of the copies: who looks whether there is one takes nobody's time.
    hashes: [AtomicU64; PLACES],
}

#[derive(Default)]
struct Place {
    copy: Option<Copied>,
    /// Which entry of those that would have their copy here is used most, if one is.
    candidate: u64,
    /// How often it was used, less how often another was.
    votes: u32,
}

/// What a place has no more. It is dropped without the locks: it may be the last that holds the
/// policies of earlier times.
#[must_use]
pub(super) struct Copied {
    hash: u64,
    text: Zeroizing<Box<[u8]>>,
    authentication: Authentication,
    basis: Basis,
    until: Monotonic,
}

impl Near {
    /// With copies of not more than `capacity` entries, which come on top of these.
    pub(super) fn new(capacity: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        // Twice as many, since other threads have taken numbers, too.
        let wanted = threads.saturating_mul(2).clamp(1, MAX_STRIPES).next_power_of_two();
        let stripes = if wanted * PLACES <= capacity { wanted } else { 0 };
        Self { stripes: (0..stripes).map(|_| Stripe::default()).collect() }
    }

    /// The answer, if there is a copy that is one.
    pub(super) fn get(
        &self,
        hash: u64,
        text: &[u8],
        current: Current<'_>,
    ) -> Option<Authentication> {
        let stripe = self.stripe()?;
        // Most that have no copy need not take the lock to be told so.
        if stripe.hash_of_copy(hash)?.load(Ordering::Relaxed) != hash {
            return None;
        }
        let mut places = stripe.places()?;
        let place = place(&mut places, hash)?;
        let copy = place.copy.as_ref().filter(|copy| copy.hash == hash)?;
        if copy.basis.standing(current) == Standing::Good
            && current.now < copy.until
            && **copy.text == *text
        {
            place.votes = place.votes.saturating_sub(1);
            return Some(copy.authentication.clone());
        }
        None
    }

    /// Notes that an entry was used that is an answer, until its use is due at `until`; and copies it,
    /// if it has a copy or is used far more than the others that would have it in the same place. By
    /// what is no answer nothing is counted, so that a flood of bad tokens drives no copies out.
    ///
    /// Its shard is locked meanwhile: so whoever forgets it there, and then here, finds the copy.
    pub(super) fn used(&self, hash: u64, entry: &Entry, until: Monotonic) -> Option<Copied> {
        let stripe = self.stripe()?;
        let mut places = stripe.places()?;
        let place = place(&mut places, hash)?;
        let has_copy = place.copy.as_ref().is_some_and(|copy| copy.hash == hash);
        if !has_copy && !place.wants(hash) {
            return None;
        }
        place.votes = 0;
        let copy = Copied {
            hash,
            text: entry.text.clone(),
            authentication: entry.authentication.apart(),
            basis: entry.basis.clone(),
            until,
        };
        let replaced = place.copy.replace(copy);
        if let Some(hash_of_copy) = stripe.hash_of_copy(hash) {
            hash_of_copy.store(hash, Ordering::Release);
        }
        replaced
    }

    /// Ends the copies of this entry.
    pub(super) fn forget(&self, hash: u64) {
        for stripe in &self.stripes {
            let copied = stripe.hash_of_copy(hash).map(|copied| copied.load(Ordering::Acquire));
            if copied == Some(hash) {
                drop(stripe.take_if(|copy| copy.hash == hash));
            }
        }
    }

    /// Ends the copies that are no answers any more.
    pub(super) fn tidy(&self, current: Current<'_>) {
        for stripe in &self.stripes {
            drop(stripe.take_if(|copy| copy.basis.standing(current) != Standing::Good));
        }
    }

    /// The copies of this thread.
    fn stripe(&self) -> Option<&Stripe> {
        let last = self.stripes.len().checked_sub(1)?;
        let number = NUMBER.try_with(|number| *number).unwrap_or_default();
        self.stripes.get(number & last)
    }
}

impl Stripe {
    /// What is in it, unless another thread has taken it.
    fn places(&self) -> Option<MutexGuard<'_, [Place; PLACES]>> {
        match self.places.try_lock() {
            Ok(places) => Some(places),
            // Nothing that runs under the lock panics half-way through a change.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Where the hash of the copy stands that is in the place of this one.
    fn hash_of_copy(&self, hash: u64) -> Option<&AtomicU64> {
        self.hashes.get(place_of(hash)?)
    }

    /// Takes the copies out that `are_to_go`.
    fn take_if(&self, are_to_go: impl Fn(&Copied) -> bool) -> [Option<Copied>; PLACES] {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.each_mut().map(|place| place.copy.take_if(|copy| are_to_go(copy)))
    }
}

impl Place {
    /// Counts a use of the entry with this hash. Whether it is used so much more than others that a
    /// copy pays: it has more than half of the uses, by so many.
    fn wants(&mut self, hash: u64) -> bool {
        if self.votes == 0 {
            self.candidate = hash;
        }
        if self.candidate == hash {
            self.votes = self.votes.saturating_add(1);
        } else {
            self.votes = self.votes.saturating_sub(1);
        }
        self.candidate == hash && self.votes >= OFTEN
    }
}

fn place(places: &mut [Place; PLACES], hash: u64) -> Option<&mut Place> {
    places.get_mut(place_of(hash)?)
}

fn place_of(hash: u64) -> Option<usize> {
    // By other bits than those by which it has its shard.
    usize::try_from(hash >> PLACE_SHIFT).ok()
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

/// For how many threads there are copies of their own; half as many cores have them for certain.
const MAX_STRIPES: usize = if IS_MODEL { 1 } else { 64 };

/// So much more often than all others an entry is used in its place before there is a copy of it:
/// making one costs as much as a few requests, which must not happen all the time where each request
/// has another token.
const OFTEN: u32 = if IS_MODEL { 1 } else { 32 };
