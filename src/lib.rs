//! Personal access tokens for tower services, compatible with DataHub's.

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
compile_error!(
    "tower-pat needs a signature backend: turn on the feature `aws-lc-rs` (the default) or `rust-crypto`"
);

pub mod actor;
pub mod backend;
pub mod clock;
pub mod config;
pub mod feed;
pub mod policy;
pub mod random;
pub mod store;
pub mod token;
pub mod token_service;
