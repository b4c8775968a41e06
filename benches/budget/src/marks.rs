//! Where counting begins and ends: callgrind sets its counts to nothing, or writes them down, where
//! one of these is called.

use std::hint::black_box;

/// Counting begins.
#[inline(never)]
pub fn counting_begins() {
    // Each has a number of its own, or they would be taken for the same function.
    black_box(1);
}

/// Counting ends, after all repetitions.
#[inline(never)]
pub fn counting_ends() {
    black_box(2);
}

/// The store is asked for a token.
#[inline(never)]
pub fn store_is_asked() {
    black_box(3);
}
