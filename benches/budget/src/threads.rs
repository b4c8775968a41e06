//! What two threads do in the time of one, while tokens are revoked and policies change.

use std::{
    hint::black_box,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tower::Layer;
use tower_pat::{actor::Urn, policy::PolicyStore};

use crate::{
    Outcome,
    common::{bare, inserting, request, send},
    deployment::{Deployment, Size, actor, answer},
};

const ROUNDS: usize = 300;
/// Of about a millisecond, so that some turns are disturbed by nobody.
const REPETITIONS: usize = 4_000;
/// How many tokens each thread has, where it has its own.
const TOKENS: usize = 500;
/// Tokens that nobody uses, and which are revoked meanwhile, each once.
const REVOCABLE: usize = 20_000;
/// What is asked while things change lasts this long, so that much changes each time.
const WINDOW: Duration = Duration::from_millis(250);
const WINDOWS: usize = 10;
/// How much time is left between two changes.
const PAUSE: Duration = Duration::from_millis(5);
/// Each so many-th change is also one of a policy.
const POLICY_EVERY: u64 = 10;

/// What both threads ask with.
#[derive(Debug, Clone, Copy)]
enum Tokens {
    Different,
    Same,
}

pub fn measure() -> Outcome<()> {
    let deployment = deployment(REVOCABLE)?;
    println!(
        "\n| two threads, beside one | bare service that inserts | ours | ours, while things change | revoked meanwhile | policies changed | budget | |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |");
    let changes = Changes::default();
    for (name, tokens, budget) in
        [("different tokens", Tokens::Different, 1.8), ("the same token", Tokens::Same, 1.5)]
    {
        let floor = more(|thread, start| at_floor(&deployment, tokens, thread, start))?;
        let ours = more(|thread, start| at_ours(&deployment, tokens, thread, start))?;
        let before = changes.done();
        let meanwhile = more_while_changing(&deployment, tokens, &changes, WINDOWS, WINDOW)?;
        let after = changes.done();
        let (revoked, policies) = (after.0 - before.0, after.1 - before.1);
        let mark = if ours.min(meanwhile) < budget { "**below**" } else { "ok" };
        println!(
            "| {name} | {floor:.2} | {ours:.2} | {meanwhile:.2} | {revoked} | {policies} | {budget} | {mark} |"
        );
    }
    Ok(())
}

/// One whose tokens are remembered, and in which so many can be revoked.
fn deployment(revocable: usize) -> Outcome<Deployment> {
    let size = Size::of(2 * TOKENS + revocable, 100);
    let mut deployment = Deployment::new(Size { bound: Duration::from_secs(1), ..size })?;
    deployment.remember()?;
    Ok(deployment)
}

/// What was changed, and is known to have been.
#[derive(Debug, Default)]
struct Changes {
    revoked: AtomicU64,
    policies: AtomicU64,
}

impl Changes {
    /// How many tokens were revoked, and how many times a policy was changed.
    fn done(&self) -> (u64, u64) {
        (self.revoked.load(Ordering::Relaxed), self.policies.load(Ordering::Relaxed))
    }

    /// Revokes a token that nobody uses; every so many-th time, changes a policy.
    async fn one_more(&self, deployment: &Deployment) -> Outcome<()> {
        let number = self.revoked.load(Ordering::Relaxed);
        let header = deployment.headers.get(2 * TOKENS + usize::try_from(number)?);
        let header = header.ok_or("there is no token left that could be revoked")?;
        let id = deployment.tokens.id_of(header.trim_start_matches("Bearer "));
        if !deployment.tokens.revoke(&id, &actor(0)?).await? {
            return Err("a token had been revoked before".into());
        }
        self.revoked.fetch_add(1, Ordering::Relaxed);
        if number.is_multiple_of(POLICY_EVERY) {
            let mut record = tower_pat::policy::PolicyRecord {
                urn: "urn:li:dataHubPolicy:changing".parse::<Urn>()?,
                info: crate::common::policy(0)?,
            };
            record.info.description = number.to_string();
            deployment.store.put_policies(&[record]).await?;
            self.policies.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// How many times the requests of one thread two answer in the same time, while another thread changes
/// something all the time: by the best of windows in each of which much was changed.
fn more_while_changing(
    deployment: &Deployment,
    tokens: Tokens,
    changes: &Changes,
    windows: usize,
    window: Duration,
) -> Outcome<f64> {
    let first = 2 * TOKENS + usize::try_from(changes.done().0)?;
    let is_over = AtomicBool::new(false);
    let best = thread::scope(|scope| {
        let changing = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let change = deployment.runtime.block_on(changes.one_more(deployment));
                change.map_err(|error| format!("nothing could be changed: {error}"))?;
                thread::sleep(PAUSE);
            }
            Ok::<_, String>(())
        });
        let best = best_windows(deployment, tokens, changes, windows, window);
        is_over.store(true, Ordering::Relaxed);
        // What ended it comes first: nothing changed any more because of that.
        changing.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))?;
        best
    })?;
    // What was revoked first was read long ago.
    let mut service = deployment.layer.clone().layer(bare());
    let status = answer(&deployment.runtime, &mut service, request(&deployment.headers[first]));
    match status {
        401 => Ok(best[1] / best[0]),
        _ => Err(format!("a revoked token was answered with {status}").into()),
    }
}

/// The most requests a second in a window of one thread, and of two.
fn best_windows(
    deployment: &Deployment,
    tokens: Tokens,
    changes: &Changes,
    windows: usize,
    window: Duration,
) -> Outcome<[f64; 2], String> {
    // A thread that is to wake up is late where others are busy.
    let least = u64::try_from(window.as_nanos() / PAUSE.as_nanos() / 4).unwrap_or(u64::MAX);
    let mut best = [0.0_f64; 2];
    for _ in 0..windows {
        for (threads, best) in (1..).zip(&mut best) {
            let before = changes.done();
            let answered = together(threads, &|thread, start: &Barrier| {
                in_window(deployment, tokens, thread, start, window)
            })?;
            let after = changes.done();
            let (revoked, policies) = (after.0 - before.0, after.1 - before.1);
            if revoked < least || policies < least / POLICY_EVERY {
                return Err(format!(
                    "only {revoked} tokens were revoked and {policies} policies changed in {window:?}"
                ));
            }
            *best = best.max(answered.iter().sum());
        }
    }
    Ok(best)
}

/// How many requests a second a thread has answered.
fn in_window(
    deployment: &Deployment,
    tokens: Tokens,
    thread: usize,
    start: &Barrier,
    window: Duration,
) -> Outcome<f64, String> {
    let headers = headers(deployment, tokens, thread);
    let mut service = deployment.layer.clone().layer(bare());
    let mut headers = headers.iter().cycle();
    let mut answered = 0.0;
    start.wait();
    let begun = Instant::now();
    while begun.elapsed() < window {
        // So that the clock is no large part of it.
        for header in headers.by_ref().take(100) {
            let status = answer(&deployment.runtime, &mut service, request(header));
            if status != 200 {
                return Err(format!("a good token was answered with {status}"));
            }
            answered += 1.0;
        }
    }
    Ok(answered / begun.elapsed().as_secs_f64())
}

/// What so many threads come to that begin together.
fn together<T: Send>(
    threads: usize,
    work: &(impl Fn(usize, &Barrier) -> Outcome<T, String> + Sync),
) -> Outcome<Vec<T>, String> {
    let start = Barrier::new(threads);
    thread::scope(|scope| {
        let start = &start;
        let running: Vec<_> =
            (0..threads).map(|thread| scope.spawn(move || work(thread, start))).collect();
        running
            .into_iter()
            .map(|it| it.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
            .collect()
    })
}

/// From when to when a thread worked.
type Span = (Instant, Instant);

/// How many times the work of one thread two do in the same time: by the least times of many turns.
fn more(work: impl Fn(usize, &Barrier) -> Outcome<Span, String> + Sync) -> Outcome<f64> {
    let mut least = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (threads, least) in (1..).zip(&mut least) {
            let taken = together(threads, &work)?;
            // From the first that began to the last that ended: one after the other is no gain.
            let begun = taken.iter().map(|(begun, _)| *begun).min();
            let ended = taken.iter().map(|(_, ended)| *ended).max();
            let both = begun.zip(ended).ok_or("no thread ran")?;
            *least = (*least).min(both.1 - both.0);
        }
    }
    Ok(2.0 * least[0].as_secs_f64() / least[1].as_secs_f64())
}

fn at_floor(
    deployment: &Deployment,
    tokens: Tokens,
    thread: usize,
    start: &Barrier,
) -> Outcome<Span, String> {
    let headers = headers(deployment, tokens, thread);
    let mut service = inserting();
    start.wait();
    let begun = Instant::now();
    for header in headers.iter().cycle().take(REPETITIONS) {
        black_box(send(&mut service, request(header)));
    }
    Ok((begun, Instant::now()))
}

fn at_ours(
    deployment: &Deployment,
    tokens: Tokens,
    thread: usize,
    start: &Barrier,
) -> Outcome<Span, String> {
    let headers = headers(deployment, tokens, thread);
    let mut service = deployment.layer.clone().layer(bare());
    start.wait();
    let begun = Instant::now();
    for header in headers.iter().cycle().take(REPETITIONS) {
        let status = answer(&deployment.runtime, &mut service, request(header));
        if status != 200 {
            return Err(format!("a good token was answered with {status}"));
        }
    }
    Ok((begun, Instant::now()))
}

fn headers(deployment: &Deployment, tokens: Tokens, thread: usize) -> &[String] {
    match tokens {
        Tokens::Different => &deployment.headers[thread * TOKENS..(thread + 1) * TOKENS],
        Tokens::Same => &deployment.headers[..1],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[test]
    fn threads_are_timed_while_things_change() {
        let deployment = deployment(1_000).expect("a deployment");
        let changes = Changes::default();
        let more = more_while_changing(&deployment, Tokens::Different, &changes, 1, SHORT);
        // Two windows, and what was revoked is refused.
        assert!(more.is_ok_and(|more| more > 0.0));
        let (revoked, policies) = changes.done();
        assert!(revoked >= 20 && policies >= 2, "{revoked} {policies}");
    }

    #[test]
    fn what_cannot_be_changed_ends_it() {
        let deployment = deployment(3).expect("a deployment");
        let changes = Changes::default();
        let more = more_while_changing(&deployment, Tokens::Same, &changes, 1, SHORT);
        let error = more.expect_err("only three can be revoked").to_string();
        assert!(error.contains("no token left that could be revoked"), "{error}");
        assert_eq!(changes.done().0, 3);
    }
}
