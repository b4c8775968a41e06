//! What is done at one node and holds at the others within the bound, besides revocations of tokens.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use tokio::time::sleep;
use tower_pat::random::{OsRandom, secret};

use crate::{
    BoxError, TestResult, alone,
    clients::Clients,
    cluster::{BOUND, Cluster},
    node::{Answer, Node},
};

const ALICE: &str = "urn:li:corpuser:alice";
/// What a request may take. The machine has other things to do.
const REQUEST: Duration = Duration::from_millis(500);

fn written(urn: &str, aspect: &str, value: &Value) -> Value {
    json!([{ "urn": urn, aspect: { "value": value } }])
}

/// A cluster with a user, and a token of that user, which every node remembers.
async fn with_alice() -> Result<(Cluster, String), BoxError> {
    let cluster = Cluster::start().await?;
    let first = &cluster.nodes[0];
    let alice = written(ALICE, "corpUserInfo", &json!({ "active": true }));
    assert_eq!(first.write(&cluster.root, "corpuser", &alice).await, Answer::Accepted);
    let minted = first.mint(&cluster.root, "alice", "alice's").await;
    let (token, _) = minted.map_err(|answer| format!("minting: {answer:?}"))?;
    for node in &cluster.nodes {
        assert_eq!(node.ask(&token).await, Answer::Accepted, "{}", node.name);
    }
    Ok((cluster, token))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_is_known_to_every_node_within_the_bound() -> TestResult {
    alone(async {
        let (cluster, token) = with_alice().await?;
        for (status, accepted) in [("SUSPENDED", false), ("ACTIVE", true), ("SUSPENDED", false)] {
            let change = written(ALICE, "corpUserStatus", &json!({ "status": status }));
            let first = &cluster.nodes[0];
            assert_eq!(first.write(&cluster.root, "corpuser", &change).await, Answer::Accepted);
            for node in &cluster.nodes {
                let took = node.until(&token, accepted, BOUND + REQUEST).await?;
                println!("{status} at {} after {took:?}", node.name);
            }
        }
        cluster.stop().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_known_to_every_node_within_the_bound() -> TestResult {
    alone(async {
        let (cluster, token) = with_alice().await?;
        let urn = "urn:li:dataHubPolicy:tags";
        let policy = written(
            urn,
            "dataHubPolicyInfo",
            &json!({
                "displayName": "tags", "description": "", "type": "METADATA", "state": "ACTIVE",
                "privileges": ["CREATE_ENTITY", "EDIT_ENTITY"], "actors": { "users": [ALICE] },
            }),
        );
        let (first, root) = (&cluster.nodes[0], &cluster.root);
        for node in &cluster.nodes {
            assert!(matches!(tag(node, &token).await, Answer::Refused(403, _)), "{}", node.name);
        }
        assert_eq!(first.write(root, "dataHubPolicy", &policy).await, Answer::Accepted);
        everywhere(&cluster, &token, true).await;
        assert_eq!(first.delete(root, "dataHubPolicy", urn).await, Answer::Accepted);
        everywhere(&cluster, &token, false).await;
        cluster.stop().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_replaced_while_all_nodes_serve() -> TestResult {
    alone(async {
        let cluster = Cluster::start_with(vec![
            ("TOWER_PAT_VERIFICATION_KEYS", secret(&OsRandom)?),
            // What a token makes does not end with it, as it would when its key is retired.
            ("TOWER_PAT_TOKEN_MINTING", "unbounded".to_owned()),
        ])
        .await?;
        let (nodes, root) = (&cluster.nodes, &cluster.root);
        let clients = Clients::start(&cluster).await?;
        let (old, new) =
            (key(&nodes[0], root, "SIGNING").await?, key(&nodes[0], root, "VERIFYING").await?);
        sleep(BOUND).await;
        assert_eq!(nodes[0].change_key(root, &new, "promote").await, Answer::Accepted);
        sleep(BOUND).await;
        let mut made = Vec::new();
        for node in nodes {
            assert_eq!(key(node, root, "SIGNING").await?, new, "{}", node.name);
            let minted = node.mint(root, "datahub", "of the new key").await;
            made.push(minted.map_err(|answer| format!("minting: {answer:?}"))?.0);
        }
        sleep(BOUND).await;
        // No token was refused, of either key.
        clients.judge().await?;

        assert_eq!(nodes[1].change_key(root, &old, "retire").await, Answer::Accepted);
        for node in nodes {
            let took = node.until(root, false, BOUND + REQUEST).await?;
            println!("a token of the old key is refused at {} after {took:?}", node.name);
            for text in &made {
                assert_eq!(node.ask(text).await, Answer::Accepted, "{}", node.name);
            }
        }
        cluster.stop().await
    })
    .await
}

/// The id of the key in this state.
async fn key(node: &Node, token: &str, state: &str) -> Result<String, BoxError> {
    let keys = node.keys(token).await.map_err(|answer| format!("keys: {answer:?}"))?;
    let key = keys.iter().find(|key| key["state"] == state).ok_or(format!("{keys:?}"))?;
    Ok(key["id"].as_str().ok_or("no id")?.to_owned())
}

/// Whether alice may write tags is the same at every node, within the bound.
async fn everywhere(cluster: &Cluster, token: &str, may: bool) {
    let begun = Instant::now();
    for node in &cluster.nodes {
        loop {
            let sent = begun.elapsed();
            match tag(node, token).await {
                Answer::Accepted if may => break,
                Answer::Refused(403, _) if !may => break,
                answer => assert!(sent <= BOUND, "{} after {sent:?}: {answer:?}", node.name),
            }
            sleep(Duration::from_millis(5)).await;
        }
        println!("may write tags at {}: {may} after {:?}", node.name, begun.elapsed());
    }
}

async fn tag(node: &Node, token: &str) -> Answer {
    let tag = written("urn:li:tag:gold", "tagProperties", &json!({ "name": "gold" }));
    node.write(token, "tag", &tag).await
}
