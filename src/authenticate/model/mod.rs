//! A model of what is remembered: no interleaving of requests, changes and evictions answers a request
//! by what had ended before it began.
//!
//! What runs is the authenticator itself, from a request's head to its verdict, and the follower of
//! its feed, on threads of loom's instead of the system's: loom runs a scenario again and again, with
//! every interleaving of what the threads do to the locks and counters of [`crate::sync`], up to a
//! number of preemptions, and with every value that a load may return by its memory ordering. Only
//! the store and the clock are made for it.
//!
//! Not seen are locks that are not of [`crate::sync`]: those of tokio, and those by which uses are
//! counted. Nothing hangs on them that is looked at here; what waits for them waits for its turn.
//!
//! Not in the model either:
//!
//! * what happens while the store keeps somebody waiting: it answers at the first poll, so look-ups
//!   are joined, and never given up half-way;
//! * the memory orderings of what is known of an outage, whose counters are the standard library's;
//! * copies of several threads: all threads of a scenario share one place for theirs;
//! * eviction beside a copy: where there is room for one token, there are no copies;
//! * tokens of sessions, and more than one feed.
//!
//! ```text
//! RUSTFLAGS="--cfg tower_pat_model" cargo test --lib --target-dir target/model model::
//! ```
//!
//! `tests/run` does that. Everything else in the library's tests needs a build without that `cfg`. `LOOM_MAX_PREEMPTIONS`
//! looks further, and takes longer. To see what happened where a scenario fails, `LOOM_LOG=trace` and
//! `LOOM_LOCATION=1`.

mod scenarios;
mod world;
