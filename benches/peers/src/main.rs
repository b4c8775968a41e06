//! What tower-pat and its peers cost for the same requests.

mod affinity;
mod deployment;
mod load;
mod machine;
mod peers;
mod server;
mod server_cpu;
mod table;
mod versions;

use std::{error::Error, process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What tower-pat and its peers cost for the same requests.
#[derive(Parser)]
#[command(name = "peers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Nanoseconds of a request through each layer, in one process.
    Table {
        /// How often each has its turn.
        #[arg(long, default_value_t = 800, value_parser = clap::value_parser!(u16).range(1..))]
        rounds: u16,
        /// Requests in one turn, of each kind.
        #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..))]
        requests: u32,
        /// Two short rounds, to see that all answer as they should.
        #[arg(long)]
        quick: bool,
    },
    /// CPU time of a server for each request, unguarded and guarded, on Linux with two cores.
    ServerCpu(server_cpu::Plan),
    /// The server that `server-cpu` starts.
    #[command(hide = true)]
    Serve {
        guard: server::Guard,
        #[arg(long)]
        on_core: usize,
        /// In seconds.
        #[arg(long)]
        at_most: f64,
    },
    /// The load that `server-cpu` starts.
    #[command(hide = true)]
    Load(load::Load),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Table { quick: true, .. } => {
            table::table(table::Effort { rounds: 2, requests: 20 })
        }
        Command::Table { rounds, requests, .. } => {
            table::table(table::Effort { rounds: rounds.into(), requests })
        }
        Command::ServerCpu(plan) => server_cpu::server_cpu(plan),
        Command::Serve { guard, on_core, at_most } => Duration::try_from_secs_f64(at_most)
            .map_err(Into::into)
            .and_then(|at_most| server::serve(guard, on_core, at_most)),
        Command::Load(load) => load::load(load),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
