//! By what the threads of the warm cache agree.
//!
//! Locks and counters on which it depends that nothing is answered which has ended, and the hash that
//! spreads tokens: those of the standard library, and a seeded hash. In the tests of a build with
//! `--cfg tower_pat_model` they are loom's, which tries the interleavings of threads one by one, with
//! every value that a load may return by its ordering; and the hash is the same in each of them. See
//! `authenticate/model`. When something was used, and how often, is counted by the standard library's
//! in any case: no answer depends on it.

#[cfg(not(all(test, tower_pat_model)))]
pub(crate) use std::sync::{
    Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, AtomicU64},
};

/// Whether loom tries what is in this crate: then there is less of everything.
pub(crate) const IS_MODEL: bool = cfg!(all(test, tower_pat_model));

#[cfg(not(all(test, tower_pat_model)))]
pub(crate) use foldhash::fast::RandomState;
#[cfg(all(test, tower_pat_model))]
pub(crate) use {
    foldhash::fast::FixedState as RandomState,
    loom::sync::{
        Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64},
    },
};
