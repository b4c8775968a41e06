//! Three nodes, each a process of its own, on one PostgreSQL: what becomes of tokens when a part fails.
//!
//! Each test has a server and three nodes (the example `gms`) of its own, with a proxy between each
//! node and the server, and clients that ask all nodes all the while. What they are answered is
//! compared with what was acknowledged by then:
//!
//! 1. no request that began later than the bound after its token's revocation was acknowledged is
//!    accepted;
//! 2. no good token is answered 401 or 403, whatever fails: 503 with `Retry-After` is what an outage is;
//! 3. what was acknowledged, a new token or a revocation, is there afterwards, at every node;
//! 4. all nodes serve again by themselves once the fault is over.
//!
//! One test runs at a time, since they measure time. `cargo test --all-features --test nodes --
//! --nocapture` shows what they measured.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod clients;
mod cluster;
mod faults;
mod lag;
mod node;
#[path = "../common/postgres.rs"]
mod postgres;
#[path = "../common/program.rs"]
mod program;
mod proxy;
mod travel;

use std::error::Error;

type BoxError = Box<dyn Error + Send + Sync>;
type TestResult = Result<(), BoxError>;
