//! What a change costs among many remembered tokens: until all of somebody is refused, and after
//! policies changed.

use std::{
    thread,
    time::{Duration, Instant},
};

use tower_pat::{
    policy::{PolicyRecord, PolicyStore},
    token::RuleScope,
};

use crate::{
    Outcome,
    common::{policy, request},
    deployment::{Deployment, Size, actor, answer},
};

/// How many actors lose everything, one after the other.
const ACTORS: usize = 20;

/// How many tokens are asked with after policies changed.
const ASKED: usize = 1_000;

pub fn measure(many: usize) -> Outcome<()> {
    let mut lines = Vec::new();
    println!(
        "\n| remembered tokens | all of one actor refused after the change was read, us | a request meanwhile, at most us |"
    );
    println!("| ---: | ---: | ---: |");
    for tokens in [1_000, many] {
        let actors = tokens.div_ceil(10).max(2);
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
        let (refused, longest) = (middle(&mut refused) / 1_000.0, middle(&mut longest) / 1_000.0);
        println!("| {tokens} | {refused:.0} | {longest:.0} |");
        let (mut first, mut second) = change_policies(&mut deployment, actors)?;
        let (first, second) = (middle(&mut first), middle(&mut second));
        lines.push(format!("| {tokens} | {first:.0} | {second:.0} |"));
    }
    println!(
        "\n| remembered tokens | the first request with each of some after a policy changed, ns | the second |"
    );
    println!("| ---: | ---: | ---: |");
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

/// In nanoseconds.
fn middle(times: &mut [Duration]) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, |time| time.as_nanos() as f64)
}

/// What each request took after the change of a policy was read, the first with each token and the
/// second. The clock's own time is in it.
fn change_policies(
    deployment: &mut Deployment,
    actors: usize,
) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let Deployment { runtime, observer, store, service, headers, .. } = deployment;
    let urn = "urn:li:dataHubPolicy:changing".parse()?;
    let before = observer.changed_at();
    runtime.block_on(store.put_policies(&[PolicyRecord { urn, info: policy(0)? }]))?;
    let begun = Instant::now();
    while observer.changed_at() == before {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("the change of a policy was not read".into());
        }
        thread::sleep(Duration::from_millis(1));
    }
    // It is handled right behind that.
    thread::sleep(Duration::from_millis(5));
    let mut ask = || {
        // Of those who have not lost everything before.
        let asked = headers.iter().enumerate().filter(|(number, _)| number % actors >= ACTORS);
        let taken = asked.take(ASKED).map(|(_, header)| {
            let sent = Instant::now();
            match answer(runtime, service, request(header)) {
                200 => Ok(sent.elapsed()),
                status => {
                    Err(format!("after a policy changed, a token was answered with {status}"))
                }
            }
        });
        taken.collect::<Result<Vec<_>, _>>()
    };
    Ok((ask()?, ask()?))
}

/// From when the feed read that everything of this actor is revoked until it was refused, and the
/// longest that a request took meanwhile, of this actor or another.
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
        let mut timed = |header: &str| {
            let sent = Instant::now();
            let status = answer(runtime, service, request(header));
            longest = longest.max(sent.elapsed());
            status
        };
        let status = timed(&headers[other]);
        if status != 200 || begun.elapsed() > Duration::from_secs(10) {
            return Err(format!("not refused yet, and another was answered with {status}").into());
        }
        if timed(&headers[number]) == 401 {
            let refused = Instant::now();
            let read = observer.changed_at().ok_or("nothing was read")?;
            return Ok((refused.saturating_duration_since(read), longest));
        }
    }
}
