//! Behaviour through the public API, one module for each.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod access;
mod authenticate;
#[cfg(feature = "axum")]
mod axum;
mod bad_input;
mod flight;
mod flood;
#[cfg(feature = "front-door")]
mod front_door;
mod gap;
#[cfg(feature = "graphql")]
mod graphql;
mod hyper;
mod keys;
mod last_use;
mod lineage;
mod outage;
mod policy;
mod policy_change;
#[cfg(feature = "postgres")]
#[path = "../common/postgres.rs"]
mod postgres;
mod remember;
mod require;
#[cfg(feature = "rest")]
mod rest;
#[cfg(feature = "sqlite")]
mod revocation;
mod secrets;
#[cfg(feature = "session")]
mod session;
mod session_token;
#[cfg(feature = "settings")]
mod settings;
mod simulation;
mod store;
mod support;
mod token_service;
#[cfg(feature = "tonic")]
mod tonic;
mod vectors;
