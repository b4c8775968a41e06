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

use std::{error::Error, future::Future, time::Duration};

use tokio::{sync::Mutex, time::timeout};

type BoxError = Box<dyn Error + Send + Sync>;
type TestResult = Result<(), BoxError>;

/// Runs one test at a time, and none for ever.
async fn alone(test: impl Future<Output = TestResult>) -> TestResult {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _alone = ONE_AT_A_TIME.lock().await;
    // It is built first, which takes what it takes.
    program::program().await;
    timeout(LIMIT, test).await.map_err(|_| format!("not done within {LIMIT:?}"))?
}

/// What a test may take, several times of what it takes.
const LIMIT: Duration = Duration::from_secs(180);
