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
/// Tokens that nobody uses, and which are revoked meanwhile.
const REVOCABLE: usize = 20_000;

/// What both threads ask with.
#[derive(Debug, Clone, Copy)]
enum Tokens {
    Different,
    Same,
}

pub fn measure() -> Outcome<()> {
    let size = Size::of(2 * TOKENS + REVOCABLE, 100);
    let mut deployment = Deployment::new(Size { bound: Duration::from_secs(1), ..size })?;
    deployment.remember()?;
    println!(
        "\n| two threads, beside one | bare service that inserts | ours | ours, while things change | budget |"
    );
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (name, tokens, budget) in
        [("different tokens", Tokens::Different, 1.8), ("the same token", Tokens::Same, 1.5)]
    {
        let floor = more(|thread, start| at_floor(&deployment, tokens, thread, start))?;
        let ours = more(|thread, start| at_ours(&deployment, tokens, thread, start))?;
        let changing = AtomicBool::new(true);
        let changes = AtomicU64::new(0);
        let meanwhile = thread::scope(|scope| {
            scope.spawn(|| {
                while changing.load(Ordering::Relaxed) {
                    let change = changes.fetch_add(1, Ordering::Relaxed);
                    // What cannot be changed is seen by the count.
                    let _ = deployment.runtime.block_on(change_something(&deployment, change));
                    thread::sleep(Duration::from_millis(5));
                }
            });
            let meanwhile = more(|thread, start| at_ours(&deployment, tokens, thread, start));
            changing.store(false, Ordering::Relaxed);
            meanwhile
        })?;
        println!("| {name} | {floor:.2} | {ours:.2} | {meanwhile:.2} | {budget} |");
    }
    Ok(())
}

/// From when to when a thread worked.
type Span = (Instant, Instant);

/// How many times the work of one thread two do in the same time: by the least times of many turns.
fn more(work: impl Fn(usize, &Barrier) -> Outcome<Span, String> + Sync) -> Outcome<f64> {
    let mut least = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (threads, least) in (1..).zip(&mut least) {
            let start = Barrier::new(threads);
            let taken = thread::scope(|scope| {
                let running: Vec<_> = (0..threads)
                    .map(|thread| {
                        let (work, start) = (&work, &start);
                        scope.spawn(move || work(thread, start))
                    })
                    .collect();
                running
                    .into_iter()
                    .map(|it| it.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
                    .collect::<Result<Vec<_>, _>>()
            })?;
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

/// Revokes a token that nobody uses; every tenth time, changes a policy.
async fn change_something(deployment: &Deployment, change: u64) -> Outcome<()> {
    let number = usize::try_from(change)? % REVOCABLE;
    let header = &deployment.headers[2 * TOKENS + number];
    let id = deployment.tokens.id_of(header.trim_start_matches("Bearer "));
    deployment.tokens.revoke(&id, &actor(0)?).await?;
    if change.is_multiple_of(10) {
        let mut record = tower_pat::policy::PolicyRecord {
            urn: "urn:li:dataHubPolicy:changing".parse::<Urn>()?,
            info: crate::common::policy(0)?,
        };
        record.info.description = change.to_string();
        deployment.store.put_policies(&[record]).await?;
    }
    Ok(())
}
