//! What figures were measured on.

use std::thread::available_parallelism;

/// Prints date, processor and build, which belong beside every figure.
pub fn print() {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("an unknown processor", |(_, model)| model);
    // Whether a MAC is cheap.
    let sha = if cpu.lines().any(|line| line.starts_with("flags") && line.contains(" sha_ni")) {
        "with"
    } else {
        "without"
    };
    let cores = available_parallelism().map_or(0, usize::from);
    let now = jiff::Timestamp::now().to_string();
    let (date, _) = now.split_once('T').unwrap_or((&now, ""));
    println!("{date}, {model}, {sha} SHA extensions, {cores} cores.");
    if cfg!(debug_assertions) {
        println!("Not optimised: these figures say nothing. Use --release.");
    }
}
