//! How much memory a remembered token takes, all included.

use std::{env, fs, process::Command};

use crate::{
    Outcome,
    deployment::{Deployment, Size},
};

/// Bytes for each token.
const BUDGET: u64 = 1_536;

/// Measures it for many tokens of fewer actors, and for tokens of an actor each.
pub fn measure(tokens: usize) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    println!(
        "\n| remembered tokens | of actors | bytes each | budget | |\n| ---: | ---: | ---: | ---: | --- |"
    );
    for (tokens, actors) in [(tokens, tokens / 10), (tokens / 5, tokens / 5)] {
        let (tokens, actors) = (tokens.max(1), actors.max(1));
        // In a process of its own, since memory that was given back by others is used again.
        let output = Command::new(env::current_exe()?)
            .args(["--run-memory", &tokens.to_string(), &actors.to_string()])
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        let bytes: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
        let is_over = bytes > BUDGET;
        let mark = if is_over { "**over**" } else { "ok" };
        println!("| {tokens} | {actors} | {bytes} | {BUDGET} | {mark} |");
        if is_over {
            wrong.push(format!(
                "{bytes} bytes for each of {tokens} remembered tokens, and the budget is {BUDGET}"
            ));
        }
    }
    Ok(wrong)
}

/// Measures it in this process, and prints how many bytes each token takes.
pub fn run(tokens: &str, actors: &str) -> Outcome<()> {
    let (tokens, actors) = (tokens.parse()?, actors.parse()?);
    let mut deployment = Deployment::new(Size::of(tokens, actors))?;
    let before = resident()?;
    deployment.remember()?;
    println!("{}", resident()?.saturating_sub(before) / tokens as u64);
    Ok(())
}

/// The memory of this process, in bytes, with what the allocator adds and keeps.
fn resident() -> Outcome<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = kib.and_then(|it| it.trim().strip_suffix(" kB")).ok_or("no VmRSS")?;
    Ok(kib.trim().parse::<u64>()? * 1_024)
}
