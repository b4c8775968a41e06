//! The process whose CPU time is measured: an axum server with one route, on one core.

use std::{
    io::{BufRead, Write, stdin, stdout},
    net::Ipv4Addr,
    process::exit,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::ValueEnum;
use rustix::time::{ClockId, clock_gettime};
use tokio::{net::TcpListener, time::timeout};

use crate::{
    Outcome, affinity,
    deployment::{Deployment, Memory},
    peers::jwt_authorizer,
};

/// What stands before the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Guard {
    /// Nothing, on axum 0.8.
    Unguarded,
    /// A layer that inserts an `Arc` into the extensions, on axum 0.8.
    Inserting,
    /// tower-pat, on axum 0.8.
    TowerPat,
    /// Nothing, on axum 0.7, which jwt-authorizer is made for.
    #[value(name = "unguarded-axum-0-7")]
    UnguardedAxum07,
    /// jwt-authorizer, on axum 0.7.
    JwtAuthorizer,
}

impl Guard {
    pub const ALL: [Self; 5] = [
        Self::Unguarded,
        Self::Inserting,
        Self::TowerPat,
        Self::UnguardedAxum07,
        Self::JwtAuthorizer,
    ];

    /// The server without a guard that it is to be compared with.
    pub fn floor(self) -> Self {
        match self {
            Self::Unguarded | Self::Inserting | Self::TowerPat => Self::Unguarded,
            Self::UnguardedAxum07 | Self::JwtAuthorizer => Self::UnguardedAxum07,
        }
    }
}

/// Serves until the standard input ends, or for so long at most.
///
/// It says its address and an `Authorization` in two lines, and for each line that it is sent the CPU
/// time that it took until then, in nanoseconds.
pub fn serve(guard: Guard, on_core: usize, at_most: Duration) -> Outcome<()> {
    affinity::stay_on(on_core)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let deployment = Deployment::new().await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        println!("{}\n{}", listener.local_addr()?, deployment.authorization);
        thread::spawn(report);
        let handler = async || "ok";
        let served = async {
            let routes = axum::Router::new().route("/", axum::routing::get(handler));
            let routes_0_7 = axum_0_7::Router::new().route("/", axum_0_7::routing::get(handler));
            match guard {
                Guard::Unguarded => axum::serve(listener, routes).await?,
                Guard::Inserting => {
                    let app = routes.layer(axum::Extension(Arc::new(0_u64)));
                    axum::serve(listener, app).await?;
                }
                Guard::TowerPat => {
                    let app = routes.layer(deployment.layer(Memory::Default).await?);
                    axum::serve(listener, app).await?;
                }
                Guard::UnguardedAxum07 => axum_0_7::serve(listener, routes_0_7).await?,
                Guard::JwtAuthorizer => {
                    let app = routes_0_7.layer(jwt_authorizer(&deployment.key).await?);
                    axum_0_7::serve(listener, app).await?;
                }
            }
            Outcome::Ok(())
        };
        timeout(at_most, served).await.unwrap_or(Ok(()))
    })
}

/// Answers the lines of the standard input, and ends the process with them.
fn report() {
    for line in stdin().lock().lines() {
        if line.is_err() {
            break;
        }
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let time = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
        if writeln!(stdout(), "{time}").and_then(|()| stdout().flush()).is_err() {
            break;
        }
    }
    exit(0);
}
