//! One core for one process.

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::Outcome;

/// Keeps this process on one core, with all threads that it starts from now on.
pub fn stay_on(core: usize) -> Outcome<()> {
    if core >= CpuSet::MAX_CPU {
        return Err(format!("there is no core {core}").into());
    }
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).map_err(|error| format!("not on core {core}: {error}").into())
}
