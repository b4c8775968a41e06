//! Each fault, while clients ask all nodes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection};
use tokio::time::sleep;

use crate::{
    BoxError, TestResult, alone,
    clients::{Clients, Token},
    cluster::{BOUND, Cluster},
    node::Answer,
    postgres,
    proxy::Network,
};

/// How long clients run before the fault, and after all nodes serve again.
const CALM: Duration = Duration::from_secs(2);
/// How long most faults last: longer than anything waits for the store.
const FAULT: Duration = Duration::from_secs(7);
/// These nodes had no answer during the fault that began then, and did not accept anything: the feed
/// was stale, and the store did not answer.
fn nothing_was_accepted(clients: &Clients, nodes: &[usize], began: Instant) {
    for node in nodes {
        let last = clients.last_accepted(*node).expect("something was accepted before");
        let late = last.saturating_duration_since(began);
        println!("node{}: accepted until {late:?} after the fault", node + 1);
        assert!(late <= BOUND, "node{} accepted {late:?} after the fault", node + 1);
        let counts = clients.counts(*node);
        assert!(counts.unavailable >= ASKED, "node{} was not asked: {counts:?}", node + 1);
    }
}

/// Revokes tokens that all nodes remember by way of a node without a fault.
async fn revoke_kept(cluster: &Cluster, clients: &Clients) -> Vec<Arc<Token>> {
    let revoked = clients.revoke_kept(0, &cluster.root).await;
    assert!(revoked.len() >= ASKED, "{} revocations were acknowledged", revoked.len());
    revoked
}

/// All is well again, clients go on for a while, and no answer was wrong.
async fn all_is_well(cluster: Cluster, clients: Clients) -> TestResult {
    let took = cluster.serves_again().await?;
    println!("all nodes served again after {took:?}");
    clients.ask_kept().await?;
    clients.calm();
    sleep(CALM).await;
    clients.judge().await?;
    cluster.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_an_outage_and_no_refusal() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        let clients = Clients::start(&cluster).await?;
        sleep(CALM).await;
        cluster.freeze_server();
        clients.fault();
        let began = Instant::now();
        // Nobody can say whether it is done.
        let (in_doubt, ()) = tokio::join!(clients.revoke_kept(0, &cluster.root), sleep(FAULT));
        assert!(in_doubt.is_empty(), "a server that is frozen acknowledged it");
        nothing_was_accepted(&clients, &[0, 1, 2], began);
        cluster.thaw_server();
        all_is_well(cluster, clients).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_started_again_has_everything() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        let clients = Clients::start(&cluster).await?;
        sleep(CALM).await;
        cluster.kill_server();
        clients.fault();
        let began = Instant::now();
        let (in_doubt, ()) = tokio::join!(clients.revoke_kept(0, &cluster.root), sleep(FAULT / 2));
        assert!(in_doubt.is_empty(), "a server that is gone acknowledged it");
        nothing_was_accepted(&clients, &[0, 1, 2], began);
        cluster.start_server();
        cluster.serves_again().await?;
        clients.calm();
        sleep(CALM).await;
        // And at once, in the middle of revocations.
        clients.fault();
        tokio::join!(clients.revoke_kept(0, &cluster.root), async { cluster.kill_server() });
        cluster.start_server();
        cluster.serves_again().await?;
        clients.calm();
        sleep(CALM).await;
        // And in order, as an update of the server does.
        clients.fault();
        tokio::join!(clients.revoke_kept(0, &cluster.root), async { cluster.restart_server() });
        all_is_well(cluster, clients).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_cut_off_accepts_nothing_and_the_others_go_on() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        let clients = Clients::start(&cluster).await?;
        for network in [Network::Silent, Network::Cut] {
            sleep(CALM).await;
            cluster.proxies[2].set(network);
            clients.fault();
            let began = Instant::now();
            sleep(FAULT - 2 * BOUND).await;
            let revoked = revoke_kept(&cluster, &clients).await;
            sleep(2 * BOUND).await;
            println!("{network:?}");
            nothing_was_accepted(&clients, &[2], began);
            assert!(clients.counts(0).revoked > 0 && clients.counts(1).revoked > 0);
            // Also what it remembers from before is dead as soon as it is back.
            let watching = clients.watch_revoked(&revoked);
            sleep(BOUND / 10).await;
            cluster.proxies[2].set(Network::Good);
            watching.await??;
            cluster.serves_again().await?;
            clients.ask_kept().await?;
            if network == Network::Silent {
                clients.calm();
            }
        }
        all_is_well(cluster, clients).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_is_no_outage_for_tokens_that_are_remembered() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        let clients = Clients::start(&cluster).await?;
        // Each looked up by nobody but the node that made it.
        let mut unknown = Vec::new();
        for _ in 0..CONNECTIONS * 2 {
            let minted = cluster.nodes[0].mint(&cluster.root, "datahub", "unknown").await;
            unknown.push(minted.map_err(|answer| format!("minting: {answer:?}"))?.0);
        }
        sleep(CALM).await;
        // The feed does not read it, and has a connection of its own.
        let mut connection = PgConnection::connect(&cluster.database()).await?;
        let mut transaction = connection.begin().await?;
        sqlx::query("LOCK TABLE tokens").execute(&mut *transaction).await?;
        clients.fault();
        let began = Instant::now();
        let mut asking = Vec::new();
        for node in &cluster.nodes[1..] {
            for text in unknown.clone() {
                let node = node.clone();
                asking.push(tokio::spawn(async move { node.ask(&text).await }));
            }
        }
        let asked = clients.revoke_kept(0, &cluster.root);
        let (in_doubt, waiting) = tokio::join!(asked, async {
            sleep(BOUND * 3 / 2).await;
            waiting(&cluster).await
        });
        let waiting = waiting?;
        assert_eq!(waiting.len(), 3, "{waiting:?}");
        // Those of nodes 2 and 3 by tokens that nobody knows yet.
        assert!(waiting[1..].iter().all(|(_, count)| *count >= CONNECTIONS), "{waiting:?}");
        assert!(in_doubt.is_empty(), "acknowledged without its table");
        while began.elapsed() < FAULT {
            clients.ask_kept().await?;
            sleep(BOUND / 10).await;
        }
        for asking in asking {
            assert_eq!(asking.await?, Answer::Unavailable);
        }
        transaction.rollback().await?;
        all_is_well(cluster, clients).await
    })
    .await
}

/// How many statements of each node wait for a lock.
async fn waiting(cluster: &Cluster) -> Result<Vec<(String, i64)>, BoxError> {
    let mut connection = PgConnection::connect(&cluster.database()).await?;
    let waiting = "SELECT application_name, count(*) FROM pg_stat_activity
                   WHERE usename = 'node' AND wait_event_type = 'Lock' GROUP BY 1 ORDER BY 1";
    let waiting = sqlx::query_as(waiting).fetch_all(&mut connection).await?;
    connection.close().await?;
    Ok(waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_without_a_free_connection_is_an_outage_and_no_refusal() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        let clients = Clients::start(&cluster).await?;
        sleep(CALM).await;
        // Whoever asks waits, until nobody can ask.
        let mut connection = PgConnection::connect(&cluster.database()).await?;
        let mut transaction = connection.begin().await?;
        sqlx::query("LOCK TABLE tokens, changes").execute(&mut *transaction).await?;
        clients.fault();
        let began = Instant::now();
        let (in_doubt, ()) = tokio::join!(clients.revoke_kept(0, &cluster.root), sleep(FAULT));
        assert!(in_doubt.is_empty(), "acknowledged without its table");
        nothing_was_accepted(&clients, &[0, 1, 2], began);
        transaction.rollback().await?;
        cluster.serves_again().await?;
        clients.calm();
        sleep(CALM).await;

        // The server takes no more connections.
        let limit = |limit: i32| format!("ALTER ROLE node CONNECTION LIMIT {limit}");
        postgres::execute(&cluster.database(), &limit(0)).await?;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'node'";
        postgres::execute(&cluster.database(), end).await?;
        clients.fault();
        let began = Instant::now();
        let (in_doubt, ()) = tokio::join!(clients.revoke_kept(0, &cluster.root), sleep(FAULT / 2));
        assert!(in_doubt.is_empty(), "acknowledged without a connection");
        nothing_was_accepted(&clients, &[0, 1, 2], began);
        postgres::execute(&cluster.database(), &limit(-1)).await?;
        all_is_well(cluster, clients).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_five_seconds_is_an_outage_and_no_refusal() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        let clients = Clients::start(&cluster).await?;
        sleep(CALM).await;
        for proxy in &cluster.proxies[1..] {
            proxy.set(Network::Slow(Duration::from_secs(5)));
        }
        clients.fault();
        sleep(FAULT).await;
        // The first node is well.
        let revoked = revoke_kept(&cluster, &clients).await;
        sleep(2 * BOUND).await;
        let watching = clients.watch_revoked(&revoked);
        sleep(FAULT / 2).await;
        assert!(clients.counts(0).revoked > 0);
        assert!((1..3).all(|node| clients.counts(node).unavailable >= ASKED));
        cluster.set_networks(Network::Good);
        watching.await??;
        all_is_well(cluster, clients).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_while_it_mints_loses_nothing_that_it_acknowledged() -> TestResult {
    alone(async {
        let cluster = Cluster::start().await?;
        let clients = Clients::start(&cluster).await?;
        sleep(CALM).await;
        clients.may_be_gone(2, true);
        clients.fault();
        for round in 0..3 {
            sleep(CALM / 2).await;
            let mut minting = Vec::new();
            for _ in 0..30 {
                let (node, root) = (cluster.nodes[2].clone(), cluster.root.clone());
                minting.push(tokio::spawn(async move {
                    let mut made = Vec::new();
                    // Until the node is gone, in the middle of it.
                    loop {
                        match node.mint(&root, "datahub", "in a hurry").await {
                            Ok((text, _)) => made.push(text),
                            Err(Answer::Unavailable) => {}
                            Err(Answer::NoNode) => return made,
                            Err(answer) => panic!("{answer:?} to minting"),
                        }
                    }
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
            cluster.nodes[2].start().await?;
            for text in made {
                for node in &cluster.nodes {
                    assert_eq!(node.ask(&text).await, Answer::Accepted, "{}", node.name);
                }
            }
            nothing_is_left_open(&cluster).await?;
        }
        clients.may_be_gone(2, false);
        all_is_well(cluster, clients).await
    })
    .await
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

/// How many uses or revocations there must be of each node in each fault.
const ASKED: usize = 5;
/// How many connections the pool of a node has.
const CONNECTIONS: i64 = 10;
