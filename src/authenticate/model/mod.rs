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
//! ```text
//! RUSTFLAGS="--cfg tower_pat_model" cargo test --lib --target-dir target/model model::
//! ```
//!
//! Everything else in the library's tests needs a build without that `cfg`. `LOOM_MAX_PREEMPTIONS`
//! looks further, and takes longer. To see what happened where a scenario fails, `LOOM_LOG=trace` and
//! `LOOM_LOCATION=1`.

mod scenarios;
mod world;
