//! What requests take in time, beside the floor.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use tower_pat::{authenticate::Authenticate, policy::PolicyIndex};

use crate::{
    Outcome,
    cases::{self, CASES, Ready},
    common::{Inner, inserting, policy, request, send},
    deployment::{Deployment, Size},
};

/// How many turns there are.
const ROUNDS: usize = 300;

/// The least and the middle of what one repetition took.
#[derive(Debug, Clone, Copy)]
struct Taken {
    least: f64,
    middle: f64,
}

impl Taken {
    fn of(mut taken: Vec<f64>) -> Self {
        taken.sort_by(f64::total_cmp);
        let at = |at: usize| taken.get(at).copied().unwrap_or(f64::NAN);
        Self { least: at(0), middle: at(taken.len() / 2) }
    }
}

/// Each case by itself, in turn with the others.
pub fn measure() -> Outcome<()> {
    let mut ready: Vec<(&str, Ready, Vec<f64>)> = Vec::new();
    for case in CASES.iter().filter(|case| TIMED.contains(&case.name)) {
        ready.push((case.name, cases::ready(case, 1)?, Vec::with_capacity(ROUNDS)));
    }
    for round in 0..=ROUNDS {
        for (_, ready, taken) in &mut ready {
            let begun = Instant::now();
            for _ in 0..REPETITIONS {
                ready.once()?;
            }
            // In the first turn, caches and guesses of the processor are not there yet.
            if round > 0 {
                taken.push(nanos(begun.elapsed()) / f64::from(REPETITIONS));
            }
        }
    }
    let mut taken: Vec<_> =
        ready.into_iter().map(|(name, _, taken)| (name, Taken::of(taken))).collect();
    let until_store = until_the_store_is_asked(2_000)?;
    taken.push(("cold_until_store", until_store));
    taken.push(("build_10000_policies", building(10_000)?));
    let least = |name: &str| {
        taken.iter().find(|(it, _)| *it == name).map_or(f64::NAN, |(_, taken)| taken.least)
    };
    let floor = least("floor_inserting");
    let hashes = least("mac_kept") + least("id");
    println!("\n| path | least ns | middle ns | times floor_inserting | budget | |");
    println!("| --- | ---: | ---: | ---: | --- | --- |");
    for (name, Taken { least, middle }) in &taken {
        let (budget, most) = match *name {
            "warm" => ("1.5 times".to_owned(), Some(1.5 * floor)),
            "cold_until_store" => {
                let rest = least - hashes;
                (format!("1200 ns; it takes {rest:.0} besides mac_kept and id"), Some(1_200.0))
            }
            "decide_10000_policies" => ("150 ns".to_owned(), Some(150.0)),
            "build_10000_policies" => ("50 ms".to_owned(), Some(50_000_000.0)),
            _ => (String::new(), None),
        };
        let mark = most.map_or("", |most| mark(*least, most));
        println!(
            "| {name} | {least:.0} | {middle:.0} | {:.2} | {budget} | {mark} |",
            least / floor
        );
    }
    Ok(())
}

/// Whether a time is within its budget. It is said only: the next run has another time.
fn mark(taken: f64, most: f64) -> &'static str {
    if taken <= most { "ok" } else { "**over**" }
}

const TIMED: [&str; 15] = [
    "floor",
    "floor_inserting",
    "mac",
    "mac_kept",
    "id",
    "store",
    "warm",
    "warm_optional",
    "cold",
    "no_header",
    "malformed",
    "bad_signature",
    "excluded_path",
    "holds",
    "decide_10000_policies",
];

const REPETITIONS: u32 = 200;

/// With tokens that were never seen before. The clock's own time is in it.
fn until_the_store_is_asked(times: usize) -> Outcome<Taken> {
    let mut deployment = Deployment::new(Size::of(times, 1))?;
    let mut taken = Vec::with_capacity(times);
    for header in &deployment.headers {
        let begun = Instant::now();
        let status = send(&mut deployment.service, request(header));
        match deployment.observer.asked_at() {
            Some(asked) if status == 200 && asked >= begun => taken.push(nanos(asked - begun)),
            _ => return Err(format!("the store was not asked, and the answer {status}").into()),
        }
    }
    Ok(Taken::of(taken))
}

/// Making the index of so many policies.
fn building(policies: usize) -> Outcome<Taken> {
    let policies = (0..policies).map(policy).collect::<Outcome<Vec<_>>>()?;
    let build = |_| {
        let begun = Instant::now();
        drop(black_box(PolicyIndex::new(black_box(&policies))));
        nanos(begun.elapsed())
    };
    Ok(Taken::of((0..10).map(build).collect()))
}

/// Remembered tokens among few and among many, in turn with the same requests to the floor: of a
/// million different requests the requests themselves are in no cache.
pub fn among_many(many: usize) -> Outcome<()> {
    println!(
        "\n| remembered tokens | asked for | floor_inserting, ns | warm, ns | ratio | more than the floor | budget | |"
    );
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: | --- |");
    // What is more than the floor with one token.
    let mut alone = None;
    for tokens in [1, 1_000, many] {
        let mut deployment = Deployment::new(Size::of(tokens, tokens.div_ceil(10)))?;
        deployment.remember()?;
        let orders: &[(&str, Vec<usize>)] = &[
            ("alike", order(tokens, |chance, tokens| chance * tokens)),
            // The chance of the n-th is as 1 to n.
            ("by Zipf", order(tokens, |chance, tokens| tokens.powf(chance) - 1.0)),
        ];
        for (name, order) in orders.iter().take(if tokens == 1 { 1 } else { 2 }) {
            let Deployment { headers, service, .. } = &mut deployment;
            let (floor, warm) = in_turn(service, headers, order)?;
            let more = warm.middle - floor.middle;
            let most = 1.1 * *alone.get_or_insert(more);
            println!(
                "| {tokens} | {name} | {:.0} | {:.0} | {:.2} | {more:.0} | {most:.0} | {} |",
                floor.middle,
                warm.middle,
                warm.middle / floor.middle,
                mark(more, most)
            );
        }
    }
    Ok(())
}

/// The middle of them counts, since the least is of those that happened to be in a cache.
fn in_turn(
    service: &mut Authenticate<Inner>,
    headers: &[String],
    order: &[usize],
) -> Outcome<(Taken, Taken)> {
    let mut floor = inserting();
    let (mut of_floor, mut of_warm) = (Vec::new(), Vec::new());
    for part in order.chunks_exact(2 * PART) {
        // Each has its own part, since the other's is in the caches then.
        let (first, second) = part.split_at(PART);
        let begun = Instant::now();
        for at in first {
            black_box(send(&mut floor, request(&headers[*at])));
        }
        of_floor.push(nanos(begun.elapsed()) / PART as f64);
        let begun = Instant::now();
        let mut good = 0;
        for at in second {
            good += usize::from(send(service, request(&headers[*at])) == 200);
        }
        of_warm.push(nanos(begun.elapsed()) / PART as f64);
        if good != PART {
            return Err(format!("{} of {PART} requests were not answered", PART - good).into());
        }
    }
    Ok((Taken::of(of_floor), Taken::of(of_warm)))
}

const PART: usize = 1_000;

/// Which token each request has: always the same ones.
fn order(tokens: usize, choose: impl Fn(f64, f64) -> f64) -> Vec<usize> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    (0..2 * PART * ROUNDS)
        .map(|_| {
            // xorshift64*
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let chance = (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / 2_f64.powi(53);
            (choose(chance, tokens as f64) as usize).min(tokens - 1)
        })
        .collect()
}

fn nanos(time: Duration) -> f64 {
    time.as_nanos() as f64
}
