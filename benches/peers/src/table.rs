//! Times of one request, all in one process and in turns.

use std::{hint::black_box, time::Instant};

use crate::{
    Outcome,
    deployment::{Credential, Deployment, request},
    machine,
    peers::{Peer, peers},
};

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often each has its turn.
    pub rounds: usize,
    /// Requests in one turn.
    pub requests: u32,
}

/// Prints what each request takes.
///
/// # Errors
///
/// If one of them answers anything but 200 to the good token, or 200 to anything else: what does not
/// do its work is not compared.
pub fn table(effort: Effort) -> Outcome<()> {
    // Its other thread follows the feed of changes, as in a service.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (deployment, peers) = runtime.block_on(async {
        let deployment = Deployment::new().await?;
        let peers = peers(&deployment).await?;
        Outcome::Ok((deployment, peers))
    })?;
    let mut rows = Vec::new();
    for peer in peers {
        rows.push(Row::new(peer, &deployment)?);
    }
    for round in 0..effort.rounds {
        // Whoever comes first in a round is another each time.
        let first = round % rows.len();
        let (behind, before) = rows.split_at_mut(first);
        for row in before.iter_mut().chain(behind) {
            row.turn(effort.requests)?;
        }
    }
    print(&mut rows, &deployment, effort);
    Ok(())
}

/// One peer, and what it took.
struct Row {
    peer: Peer,
    cases: Vec<Case>,
}

struct Case {
    credential: Credential,
    authorization: String,
    status: u16,
    /// Nanoseconds for each request, one for each turn.
    times: Vec<f64>,
}

impl Row {
    fn new(mut peer: Peer, deployment: &Deployment) -> Outcome<Self> {
        let mut cases = Vec::new();
        for (credential, authorization) in deployment.credentials(peer.key_id)? {
            let status = (peer.send)(request(&authorization));
            let accepted = status == 200;
            if accepted != (credential == Credential::Good || peer.is_floor()) {
                let (peer, credential) = (peer.name, credential.name());
                return Err(format!("{peer}: {status} to a request ({credential})").into());
            }
            cases.push(Case { credential, authorization, status, times: Vec::new() });
        }
        Ok(Self { peer, cases })
    }

    /// One turn with each kind of request.
    fn turn(&mut self, requests: u32) -> Outcome<()> {
        for case in &mut self.cases {
            let begun = Instant::now();
            for _ in 0..requests {
                let status = (self.peer.send)(request(black_box(&case.authorization)));
                if status != case.status {
                    let (peer, credential) = (self.peer.name, case.credential.name());
                    return Err(
                        format!("{peer}: {status} to a later request ({credential})").into()
                    );
                }
            }
            case.times.push(begun.elapsed().as_nanos() as f64 / f64::from(requests));
        }
        Ok(())
    }

    /// The shortest and the median turn with this, in nanoseconds for each request, and the status.
    fn taken(&mut self, credential: Credential) -> (f64, f64, u16) {
        let case = self.cases.iter_mut().find(|case| case.credential == credential);
        let Some(case) = case else { return (f64::NAN, f64::NAN, 0) };
        case.times.sort_by(f64::total_cmp);
        let shortest = case.times.first().copied().unwrap_or(f64::NAN);
        let median = case.times.get(case.times.len() / 2).copied().unwrap_or(f64::NAN);
        (shortest, median, case.status)
    }
}

fn print(rows: &mut [Row], deployment: &Deployment, effort: Effort) {
    machine::print();
    println!(
        "{} rounds of {} requests for each, in turns. A token of {} bytes.\n",
        effort.rounds,
        effort.requests,
        deployment.authorization.trim_start_matches("Bearer ").len()
    );
    println!("The good token, nanoseconds for each request; ratios are of the shortest turns.\n");
    println!(
        "| service | version | checks | shortest | median | to bare | to inserting | above bare |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    let mut shortest =
        |row: usize| rows.get_mut(row).map_or(f64::NAN, |row| row.taken(Credential::Good).0);
    let (bare, inserting) = (shortest(BARE), shortest(INSERTING));
    for row in rows.iter_mut() {
        let (shortest, median, _) = row.taken(Credential::Good);
        println!(
            "| {} | {} | {} | {shortest:.0} | {median:.0} | {:.2} | {:.2} | {:.0} |",
            row.peer.name,
            row.peer.version,
            row.peer.checks,
            shortest / bare,
            shortest / inserting,
            shortest - bare,
        );
    }
    println!("\nRefusals, nanoseconds of the shortest turn, and the status.\n");
    println!("| service | no header | malformed | bad signature | expired |");
    println!("| --- | --- | --- | --- | --- |");
    for row in rows.iter_mut().filter(|row| !row.peer.is_floor()) {
        print!("| {} |", row.peer.name);
        for credential in Credential::REFUSED {
            let (shortest, _, status) = row.taken(credential);
            print!(" {shortest:.0} ({status}) |");
        }
        println!();
    }
}

/// Where the floors are among the rows.
const BARE: usize = 0;
const INSERTING: usize = 2;
