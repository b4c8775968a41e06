//! What one request costs in instructions, beside its budget: `cargo bench --bench instructions`.
//!
//! Needs valgrind. Each case runs itself twice under callgrind, with two and with four thousand
//! repetitions; the difference is what two thousand of them cost, without set-up. Callgrind hides the
//! processor's SHA extensions, so a MAC looks dearer here than it is.
#![allow(missing_docs, unreachable_pub, clippy::print_stdout, clippy::print_stderr)]

#[allow(dead_code, reason = "each bench uses its part")]
mod common;

use std::{
    collections::HashMap,
    env,
    error::Error,
    hint::black_box,
    process::{Command, ExitCode},
};

use common::{Deployment, bare, inserting, privileges, request, send};
#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey};
use tower_pat::{
    Privilege,
    actor::Urn,
    clock::{Clock, SystemClock},
    policy::Resource,
    token::{KeyRing, TokenKey, TokenVerifier},
};

/// The cases, with their budgets where they have one, and the cases that are no part of it.
const CASES: [(&str, Option<u64>, &[&str]); 13] = [
    ("floor", None, &[]),
    ("floor_inserting", None, &[]),
    ("mac", None, &[]),
    ("id", None, &[]),
    ("store", None, &[]),
    ("verify", None, &["mac"]),
    ("warm", Some(3_000), &[]),
    ("cold", Some(9_000), &["mac", "id", "store"]),
    ("no_header", Some(2_300), &[]),
    ("bad_signature", Some(5_500), &["mac"]),
    ("decide_10", Some(2_000), &[]),
    ("decide_1000", Some(2_000), &[]),
    ("decide_10000", Some(2_000), &[]),
];

const REPETITIONS: u64 = 2_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().collect();
    let outcome = match arguments.as_slice() {
        [_, run, case, times] if run == "--run" => {
            times.parse().map_err(Into::into).and_then(|times| repeat(case, times))
        }
        [_, rest @ ..] if rest.iter().any(|argument| argument == "--bench") => measure(),
        // As `cargo test` runs a bench: whether it works at all.
        _ => CASES.iter().try_for_each(|(case, ..)| repeat(case, 1)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), Box<dyn Error>> {
    println!("| path | instructions | besides | rest | budget | of the budget |");
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut known: HashMap<&str, u64> = HashMap::new();
    for (case, budget, besides) in CASES {
        let once = instructions(case, REPETITIONS)?;
        let twice = instructions(case, 2 * REPETITIONS)?;
        let repetitions = if case.starts_with("decide") { REPETITIONS * 100 } else { REPETITIONS };
        let each = twice.saturating_sub(once) / repetitions;
        known.insert(case, each);
        let other: u64 = besides.iter().filter_map(|case| known.get(case)).sum();
        let rest = each.saturating_sub(other);
        let besides = besides.join(", ");
        let budget =
            budget.map(|budget| (budget.to_string(), format!("{} %", rest * 100 / budget)));
        let (budget, part) = budget.unwrap_or_default();
        println!("| {case} | {each} | {besides} | {rest} | {budget} | {part} |");
    }
    Ok(())
}

fn instructions(case: &str, times: u64) -> Result<u64, Box<dyn Error>> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe()?)
        .args(["--run", case, &times.to_string()])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    let log = String::from_utf8_lossy(&output.stderr);
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.ok_or_else(|| format!("no count for {case}: {log}"))?;
    Ok(count.trim().parse()?)
}

fn repeat(case: &str, times: u64) -> Result<(), Box<dyn Error>> {
    let mut deployment = Deployment::new()?;
    let (good, bad) = (deployment.good.clone(), deployment.bad_signature.clone());
    if let Some(count) = case.strip_prefix("decide_") {
        let privileges = privileges(count.parse()?)?;
        let resource = Resource::new(&"urn:li:dataset:d7".parse::<Urn>()?);
        // So many that the set-up, which differs by its random seeds, does not count.
        for _ in 0..times * 100 {
            let decision =
                privileges.decide_privilege(&Privilege::EDIT_ENTITY, black_box(Some(&resource)));
            if !decision.is_granted() {
                return Err(format!("{case}: not granted").into());
            }
        }
        return Ok(());
    }
    let (mut bare, mut inserting) = (bare(), inserting());
    let key = DecodingKey::from_secret(common::KEY.as_bytes());
    let (input, _) = good.rsplit_once('.').unwrap_or_default();
    let (id, user) = (deployment.id(), Urn::corpuser("datahub")?);
    let token_key = TokenKey::new(common::KEY)?;
    let verifier = TokenVerifier::new(KeyRing::new(token_key.clone()));
    let now = SystemClock::default().now();
    let mut once = || match case {
        "id" => u16::from(deployment.id() == id),
        "verify" => u16::from(verifier.verify(deployment.token.expose(), now).is_ok()),
        "store" => u16::from(deployment.ask_store(&id, &user, &token_key)),
        "floor" => send(&mut bare, request(&good)),
        "floor_inserting" => send(&mut inserting, request(&good)),
        "mac" => u16::from(
            (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::HS256, &key)
                .is_ok_and(|verifier| verifier.verify(input.as_bytes(), &vec![0; 32]).is_ok()),
        ),
        "warm" => send(&mut deployment.warm, request(&good)),
        "cold" => send(&mut deployment.cold, request(&good)),
        "no_header" => send(&mut deployment.warm, request("")),
        "bad_signature" => send(&mut deployment.warm, request(&bad)),
        _ => 0,
    };
    let expected = match case {
        "no_header" | "bad_signature" => 401,
        "mac" => 0,
        "id" | "store" | "verify" => 1,
        _ => 200,
    };
    for _ in 0..times {
        let status = black_box(once());
        if status != expected {
            return Err(format!("{case}: {status}, not {expected}").into());
        }
    }
    Ok(())
}
