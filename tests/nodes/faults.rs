//! Each fault, while clients ask all nodes.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use crate::{
    BoxError, TestResult,
    clients::Clients,
    cluster::{BOUND, Cluster},
    node::Answer,
    postgres,
    proxy::Network,
};

/// How long clients run before the fault, and after all nodes serve again.
const CALM: Duration = Duration::from_secs(2);
/// How long most faults last: longer than anything waits for the store.
const FAULT: Duration = Duration::from_secs(7);
/// What a request may take when nothing is wrong with its node. The machine has other things to do.
const REQUEST: Duration = Duration::from_millis(500);

/// These nodes had no answer during the fault that began then, and did not accept anything: the feed
/// was stale, and the store did not answer.
fn nothing_was_accepted(clients: &Clients, nodes: &[usize], began: Instant) {
    for node in nodes {
        let last = clients.last_accepted(*node).expect("something was accepted before");
        let late = last.saturating_duration_since(began);
        println!("node{}: accepted until {late:?} after the fault", node + 1);
        assert!(late <= BOUND + REQUEST, "node{} accepted {late:?} after the fault", node + 1);
        assert!(clients.unavailable(*node) > 0, "node{} was not asked", node + 1);
    }
}

/// All is well again, clients go on for a while, and no answer was wrong.
async fn all_is_well(cluster: Cluster, clients: Clients) -> TestResult {
    let took = cluster.serves_again().await?;
    println!("all nodes served again after {took:?}");
    let before: Vec<usize> = (0..3).map(|node| clients.accepted(node)).collect();
    sleep(CALM).await;
    for (node, before) in before.into_iter().enumerate() {
        assert!(clients.accepted(node) > before, "node{} accepts nothing", node + 1);
    }
    clients.judge().await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_an_outage_and_no_refusal() -> TestResult {
    let cluster = Cluster::start().await?;
    let clients = Clients::start(&cluster).await?;
    sleep(CALM).await;
    cluster.freeze_server();
    let began = Instant::now();
    sleep(FAULT).await;
    nothing_was_accepted(&clients, &[0, 1, 2], began);
    cluster.thaw_server();
    all_is_well(cluster, clients).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_started_again_has_everything() -> TestResult {
    let cluster = Cluster::start().await?;
    let clients = Clients::start(&cluster).await?;
    sleep(CALM).await;
    cluster.kill_server();
    let began = Instant::now();
    sleep(FAULT / 2).await;
    nothing_was_accepted(&clients, &[0, 1, 2], began);
    cluster.start_server();
    cluster.serves_again().await?;
    sleep(CALM).await;
    // And at once, as a restart does.
    cluster.kill_server();
    cluster.start_server();
    all_is_well(cluster, clients).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_accepts_nothing_and_the_others_go_on() -> TestResult {
    let cluster = Cluster::start().await?;
    let clients = Clients::start(&cluster).await?;
    for network in [Network::Silent, Network::Cut] {
        sleep(CALM).await;
        let revoked = [clients.revoked(0), clients.revoked(1)];
        cluster.proxies[2].set(network);
        let began = Instant::now();
        sleep(FAULT).await;
        println!("{network:?}");
        nothing_was_accepted(&clients, &[2], began);
        assert!(clients.revoked(0) > revoked[0] && clients.revoked(1) > revoked[1]);
        cluster.proxies[2].set(Network::Good);
        cluster.serves_again().await?;
    }
    all_is_well(cluster, clients).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_a_free_connection_is_an_outage_and_no_refusal() -> TestResult {
    let cluster = Cluster::start().await?;
    let clients = Clients::start(&cluster).await?;
    sleep(CALM).await;
    // Whoever asks waits, until nobody can ask.
    let mut connection = PgConnection::connect(&cluster.database()).await?;
    let mut transaction = connection.begin().await?;
    sqlx::query("LOCK TABLE tokens, changes").execute(&mut *transaction).await?;
    let began = Instant::now();
    sleep(FAULT).await;
    nothing_was_accepted(&clients, &[0, 1, 2], began);
    transaction.rollback().await?;
    cluster.serves_again().await?;
    sleep(CALM).await;

    // The server takes no more connections.
    let limit = |limit: i32| format!("ALTER ROLE node CONNECTION LIMIT {limit}");
    postgres::execute(&cluster.database(), &limit(0)).await?;
    let began = Instant::now();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'";
    postgres::execute(&cluster.database(), end).await?;
    sleep(FAULT / 2).await;
    nothing_was_accepted(&clients, &[0, 1, 2], began);
    postgres::execute(&cluster.database(), &limit(-1)).await?;
    all_is_well(cluster, clients).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_five_seconds_is_an_outage_and_no_refusal() -> TestResult {
    let cluster = Cluster::start().await?;
    let clients = Clients::start(&cluster).await?;
    sleep(CALM).await;
    // The first node is well, so that tokens are revoked that the others remember.
    let revoked = clients.revoked(0);
    for proxy in &cluster.proxies[1..] {
        proxy.set(Network::Slow(Duration::from_secs(5)));
    }
    sleep(FAULT * 2).await;
    assert!(clients.revoked(0) > revoked);
    assert!(clients.unavailable(1) > 0 && clients.unavailable(2) > 0);
    cluster.set_networks(Network::Good);
    all_is_well(cluster, clients).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_while_it_mints_loses_nothing_that_it_acknowledged() -> TestResult {
    let cluster = Cluster::start().await?;
    let clients = Clients::start(&cluster).await?;
    clients.may_be_gone(2, true);
    for round in 0..3 {
        sleep(CALM / 2).await;
        let mut minting = Vec::new();
        for _ in 0..30 {
            let (node, root) = (cluster.nodes[2].clone(), cluster.root.clone());
            minting.push(tokio::spawn(async move {
                let mut made = Vec::new();
                // Until the node is gone.
                while let Ok((text, _)) = node.mint(&root, "datahub", "in a hurry").await {
                    made.push(text);
                }
                made
            }));
        }
        sleep(Duration::from_millis(400)).await;
        cluster.nodes[2].kill().await;
        let mut made = Vec::new();
        for minting in minting {
            made.extend(minting.await?);
        }
        println!("round {round}: {} tokens were acknowledged", made.len());
        assert!(!made.is_empty());
        for text in made {
            for node in &cluster.nodes[..2] {
                assert_eq!(node.ask(&text).await, Answer::Accepted, "{}", node.name);
            }
        }
        cluster.nodes[2].start().await?;
        nothing_is_left_open(&cluster).await?;
    }
    clients.may_be_gone(2, false);
    all_is_well(cluster, clients).await
}

/// No transaction of a node that is gone is open on the server.
async fn nothing_is_left_open(cluster: &Cluster) -> Result<(), BoxError> {
    let mut connection = PgConnection::connect(&cluster.database()).await?;
    let old = "SELECT count(*) FROM pg_stat_activity
               WHERE usename = 'node' AND xact_start < now() - interval '2 seconds'";
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(old).fetch_one(&mut connection).await? > 0 {
        assert!(begun.elapsed() < FAULT, "a transaction is still open");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(connection.close().await?)
}
