//! Behaviour through the public API, one module for each.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod policy;
mod store;
mod vectors;
