//! CPU time of a server for each request: servers on one core in turns, the load on another.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use clap::ValueEnum;

use crate::{Outcome, machine, server::Guard, versions::version};

/// What is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Plan {
    /// How often each server has its turn.
    #[arg(long, default_value_t = 15)]
    pub rounds: u32,
    /// The length of a turn in seconds.
    #[arg(long, default_value_t = 2.0)]
    pub seconds: f64,
    /// Connections that are kept open, each with one request at a time.
    #[arg(long, default_value_t = 32)]
    pub connections: usize,
    /// The core of the servers.
    #[arg(long, default_value_t = 0)]
    pub server_core: usize,
    /// The core of the load.
    #[arg(long, default_value_t = 1)]
    pub load_core: usize,
    /// Two short rounds, to see that it works.
    #[arg(long)]
    pub quick: bool,
}

/// Prints what each server takes for a request.
///
/// # Errors
///
/// If the cores cannot be had, or a server does not answer every request with 200.
pub fn server_cpu(mut plan: Plan) -> Outcome<()> {
    if plan.quick {
        (plan.rounds, plan.seconds) = (2, 0.2);
    }
    if plan.rounds == 0 || plan.connections == 0 || !(0.05..=600.0).contains(&plan.seconds) {
        return Err("it takes a round, a connection, and turns of 0.05 to 600 seconds".into());
    }
    if plan.server_core == plan.load_core {
        return Err("servers and load need a core each".into());
    }
    let turn = Duration::from_secs_f64(plan.seconds);
    let mut servers = Vec::new();
    for guard in Guard::ALL {
        let mut server = Server::start(guard, &plan)?;
        // Whatever is done once is done then.
        server.turn(turn / 4, &plan)?;
        server.turns.clear();
        servers.push(server);
    }
    for round in 0..plan.rounds as usize {
        // Whoever comes first in a round is another each time.
        let first = round % servers.len();
        let (behind, before) = servers.split_at_mut(first);
        for server in before.iter_mut().chain(behind) {
            server.turn(turn, &plan)?;
        }
    }
    print(&servers, &plan)
}

/// A process of this program that serves.
struct Server {
    guard: Guard,
    process: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    address: String,
    authorization: String,
    turns: Vec<Turn>,
}

/// What came of one turn.
struct Turn {
    /// CPU time of the server for each request, in nanoseconds.
    cpu: f64,
    /// Requests a second.
    rate: f64,
    /// The part of the time in which the server was at work.
    busy: f64,
}

impl Server {
    fn start(guard: Guard, plan: &Plan) -> Outcome<Self> {
        let name = guard.to_possible_value().ok_or("a guard without a name")?;
        // All turns of all servers, and as much again for what is around them.
        let servers = Guard::ALL.len() as f64;
        let at_most = f64::from(plan.rounds + 10) * (plan.seconds + 1.0) * servers * 2.0;
        let mut process = Command::new(env::current_exe()?)
            .args(["serve", name.get_name()])
            .args(["--on-core", &plan.server_core.to_string()])
            .args(["--at-most", &at_most.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let ask = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().ok_or("a server without output")?);
        let (address, authorization) = (String::new(), String::new());
        let turns = Vec::new();
        let mut server = Self { guard, process, ask, answers, address, authorization, turns };
        server.address = server.line()?;
        server.authorization = server.line()?;
        Ok(server)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(format!("{:?}: the server has ended", self.guard).into());
        }
        Ok(line.trim_end().to_owned())
    }

    /// The CPU time that the process took until now, in nanoseconds.
    fn cpu(&mut self) -> Outcome<f64> {
        let ask = self.ask.as_mut().ok_or("a server without input")?;
        writeln!(ask)?;
        ask.flush()?;
        Ok(self.line()?.parse()?)
    }

    fn turn(&mut self, length: Duration, plan: &Plan) -> Outcome<()> {
        let (before, begun) = (self.cpu()?, Instant::now());
        let mut load = Command::new(env::current_exe()?)
            .args(["load", "--address", &self.address])
            .args(["--on-core", &plan.load_core.to_string()])
            .args(["--connections", &plan.connections.to_string()])
            .args(["--milliseconds", &length.as_millis().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = load.stdin.take() {
            writeln!(input, "{}", self.authorization)?;
        }
        let output = load.wait_with_output()?;
        let (cpu, took) = (self.cpu()? - before, begun.elapsed().as_secs_f64());
        if !output.status.success() {
            return Err(format!("{:?}: the load failed", self.guard).into());
        }
        let requests: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        let (busy, rate) = (cpu / 1e9 / took, requests / took);
        self.turns.push(Turn { cpu: cpu / requests, rate, busy });
        Ok(())
    }

    /// Some figure of all turns, sorted.
    fn sorted(&self, figure: impl Fn(&Turn) -> f64) -> Vec<f64> {
        let mut figures: Vec<f64> = self.turns.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is its own.
        drop(self.ask.take());
        let _ = self.process.wait();
    }
}

fn print(servers: &[Server], plan: &Plan) -> Outcome<()> {
    machine::print();
    println!(
        "{} rounds of {} seconds each, in turns; {} connections; servers on core {}, load on \
         core {}.\n",
        plan.rounds, plan.seconds, plan.connections, plan.server_core, plan.load_core
    );
    println!(
        "CPU time of the server for each request in microseconds; ratios to the unguarded server on \
         the same axum, of the shortest turns, of the medians, and the median of all rounds.\n"
    );
    println!(
        "| server | package | shortest | median | ratio: shortest | medians | rounds | \
         requests a second | busy |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    for server in servers {
        let cpu = server.sorted(|turn| turn.cpu);
        let Some(floor) = servers.iter().find(|other| other.guard == server.guard.floor()) else {
            continue;
        };
        let floor_cpu = floor.sorted(|turn| turn.cpu);
        let mut rounds: Vec<f64> = server
            .turns
            .iter()
            .zip(&floor.turns)
            .map(|(turn, floor)| turn.cpu / floor.cpu)
            .collect();
        rounds.sort_by(f64::total_cmp);
        let (name, package, prefix) = match server.guard {
            Guard::Unguarded => ("unguarded", "axum", "0.8"),
            Guard::Inserting => ("a layer that inserts an `Arc`", "axum", "0.8"),
            Guard::TowerPat => ("guarded", "tower-pat", ""),
            Guard::UnguardedAxum07 => ("unguarded", "axum", "0.7"),
            Guard::JwtAuthorizer => ("guarded", "jwt-authorizer", ""),
        };
        let version = version(package, prefix)?;
        println!(
            "| {name} | {package} {version} | {:.2} | {:.2} | {:.3} | {:.3} | {:.3} | {:.0} | {:.0} % |",
            first(&cpu) / 1e3,
            middle(&cpu) / 1e3,
            first(&cpu) / first(&floor_cpu),
            middle(&cpu) / middle(&floor_cpu),
            middle(&rounds),
            middle(&server.sorted(|turn| turn.rate)),
            middle(&server.sorted(|turn| turn.busy)) * 100.0,
        );
    }
    Ok(())
}

fn first(sorted: &[f64]) -> f64 {
    sorted.first().copied().unwrap_or(f64::NAN)
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
