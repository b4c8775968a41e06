//! How long after a revocation was acknowledged by one node the others still accept the token.

use std::{
    io::{self, Write},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    BoxError, TestResult, alone,
    cluster::{BOUND, Cluster},
    node::{Answer, Node},
    proxy::Network,
};

const AT_ONCE: usize = 4;
/// How often a token is refused before it counts as ended.
const CONFIRMED: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_revocations_arrive_within_the_bound() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        measure(&cluster, 1_000, "woken by notifications").await?;
        cluster.stop().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_arrive_within_the_bound_where_notifications_are_lost() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        cluster.set_networks(Network::WithoutNotifications);
        measure(&cluster, 200, "without notifications").await?;
        cluster.stop().await
    })
    .await
}

async fn measure(cluster: &Cluster, revocations: usize, how: &str) -> TestResult {
    let next = Arc::new(AtomicUsize::new(0));
    let mut workers = Vec::new();
    for _ in 0..AT_ONCE {
        let (nodes, root, next) = (cluster.nodes.clone(), cluster.root.clone(), next.clone());
        workers.push(tokio::spawn(async move {
            let mut lags = Vec::new();
            while next.fetch_add(1, Ordering::SeqCst) < revocations {
                lags.extend(revoke_one(&nodes, &root).await?);
            }
            Ok::<_, BoxError>(lags)
        }));
    }
    let mut lags = Vec::new();
    for worker in workers {
        lags.extend(worker.await??);
    }
    lags.sort();
    let percentile = |percent: usize| lags[(lags.len() - 1) * percent / 100];
    // Shown whether or not the test passes, which the macros are not.
    writeln!(
        io::stdout(),
        "revocation lag, {how}: {revocations} revocations at node 1, seen at nodes 2 and 3: \
         p50 {:.1?}, p99 {:.1?}, max {:.1?}",
        percentile(50),
        percentile(99),
        percentile(100)
    )?;
    Ok(())
}

/// Revokes a new token at the first node while the others use it. For each of the others, the time
/// from the acknowledgement to the end of the first request that was refused; after that, none is
/// accepted.
async fn revoke_one(nodes: &[Arc<Node>], root: &str) -> Result<Vec<Duration>, BoxError> {
    let minted = nodes[0].mint(root, "datahub", "to be revoked").await;
    let (text, id) = minted.map_err(|answer| format!("minting: {answer:?}"))?;
    let is_asked = Arc::new(AtomicBool::new(false));
    let acknowledged = Arc::new(OnceLock::new());
    let mut watching = Vec::new();
    for node in &nodes[1..] {
        // Once it looks it up, from then on it remembers it.
        for _ in 0..2 {
            assert_eq!(node.ask(&text).await, Answer::Accepted, "{}", node.name);
        }
        let (node, text, is_asked) = (node.clone(), text.clone(), is_asked.clone());
        let acknowledged = acknowledged.clone();
        watching
            .push(tokio::spawn(async move { watch(&node, &text, &is_asked, &acknowledged).await }));
    }
    is_asked.store(true, Ordering::SeqCst);
    assert_eq!(nodes[0].revoke(root, &id).await, Answer::Accepted);
    let acknowledged = *acknowledged.get_or_init(Instant::now);
    let mut lags = Vec::new();
    for watching in watching {
        lags.push(watching.await?.saturating_duration_since(acknowledged));
    }
    Ok(lags)
}

/// Asks until the token is refused for good, and returns when the first request ended that was. None
/// that begins later than the bound after the acknowledgement is accepted.
async fn watch(
    node: &Node,
    text: &str,
    is_asked: &AtomicBool,
    acknowledged: &OnceLock<Instant>,
) -> Instant {
    let mut first_refused = None;
    let mut refused = 0;
    loop {
        let late = acknowledged.get().map(Instant::elapsed);
        match node.ask(text).await {
            Answer::Accepted => {
                assert_eq!(refused, 0, "{} accepted a token that it had refused", node.name);
                let name = &node.name;
                assert!(late <= Some(BOUND), "{name} accepted it {late:?} after the revocation");
            }
            Answer::Refused(401, _) => {
                assert!(is_asked.load(Ordering::SeqCst), "{} refused a good token", node.name);
                let first_refused = *first_refused.get_or_insert_with(Instant::now);
                refused += 1;
                if refused == CONFIRMED {
                    return first_refused;
                }
            }
            answer => panic!("{} answered {answer:?}", node.name),
        }
        sleep(Duration::from_millis(1)).await;
    }
}
