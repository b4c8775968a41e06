//! How long it takes until everything of somebody is refused, and what it does to other requests.

use std::time::{Duration, Instant};

use tower_pat::token::RuleScope;

use crate::{
    Outcome,
    common::request,
    deployment::{Deployment, Size, actor, answer},
};

/// How often.
const ACTORS: usize = 20;

pub fn measure(many: usize) -> Outcome<()> {
    println!(
        "\n| remembered tokens | all of one actor refused after the change was read, us | other requests meanwhile, at most us |"
    );
    println!("| ---: | ---: | ---: |");
    for tokens in [1_000, many] {
        let actors = tokens.div_ceil(10);
        let size = Size::of(tokens, actors);
        let mut deployment = Deployment::new(Size { bound: Duration::from_secs(1), ..size })?;
        deployment.remember()?;
        let (mut refused, mut longest) = (Vec::new(), Vec::new());
        // The last actor is the one whose requests go on.
        for number in 0..ACTORS.min(actors - 1) {
            let (took, pause) = revoke(&mut deployment, number, actors - 1)?;
            refused.push(took);
            longest.push(pause);
        }
        // The middle, since a thread is kept waiting for other reasons, too.
        let middle = |times: &mut Vec<Duration>| {
            times.sort();
            times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_nanos() as f64 / 1_000.0)
        };
        println!("| {tokens} | {:.0} | {:.0} |", middle(&mut refused), middle(&mut longest));
    }
    Ok(())
}

/// From when the feed read that everything of this actor is revoked until it was refused, and the
/// longest that a request of another actor took meanwhile.
fn revoke(
    deployment: &mut Deployment,
    number: usize,
    other: usize,
) -> Outcome<(Duration, Duration)> {
    let Deployment { runtime, observer, tokens, service, headers, .. } = deployment;
    runtime.block_on(tokens.revoke_all(RuleScope::Actor(actor(number)?), &actor(other)?))?;
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    loop {
        if answer(runtime, service, request(&headers[number])) == 401 {
            let refused = Instant::now();
            let read = observer.changed_at().ok_or("nothing was read")?;
            return Ok((refused.saturating_duration_since(read), longest));
        }
        let sent = Instant::now();
        let status = answer(runtime, service, request(&headers[other]));
        if status != 200 || begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("not refused yet, and another was answered with {status}").into());
        }
        longest = longest.max(sent.elapsed());
    }
}
