//! What a request may cost.

use serde_json::json;

use super::{Api, LIST, personal};
use crate::support::config;

/// The message of what was stopped before anything was done.
async fn aborted(api: &Api, token: &str, query: &str, variables: serde_json::Value) -> String {
    let json = api.ask(token, query, variables).await;
    assert_eq!(json["data"], json!(null));
    let errors = json["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0]["extensions"], json!({ "classification": "ExecutionAborted" }));
    errors[0]["message"].as_str().unwrap().to_owned()
}

async fn total(api: &Api) -> u64 {
    let all = api.data(&api.admin, LIST, json!({ "input": {} })).await;
    all["listAccessTokens"]["total"].as_u64().unwrap()
}

fn aliased(field: &str, times: usize) -> String {
    (0..times).map(|n| format!("a{n}: {field} ")).collect()
}

#[tokio::test]
async fn a_hundred_aliased_mutations_are_refused_before_the_first() {
    let api = Api::new().await;
    let create = "createAccessToken(input: $input) { accessToken }";
    let input = json!({ "input": personal("alice", "x") });
    let before = total(&api).await;
    for query in [
        format!("mutation ($input: CreateAccessTokenInput!) {{ {} }}", aliased(create, 100)),
        format!(
            "mutation ($input: CreateAccessTokenInput!) {{ ...f }} fragment f on Mutation {{ {} }}",
            aliased(create, 100)
        ),
    ] {
        let told = aborted(&api, &api.alice, &query, input.clone()).await;
        assert!(told.starts_with("maximum query complexity exceeded"), "{told}");
    }
    assert_eq!(total(&api).await, before);
    // Ten are made.
    let ten = format!("mutation ($input: CreateAccessTokenInput!) {{ {} }}", aliased(create, 9));
    api.data(&api.alice, &ten, input).await;
    assert_eq!(total(&api).await, before + 9);
    let revoke = aliased("revokeAccessToken(tokenId: \"x\")", 100);
    aborted(&api, &api.alice, &format!("mutation {{ {revoke} }}"), json!({})).await;
}

#[tokio::test]
async fn deep_and_circular_documents_are_refused() {
    let api = Api::new().await;
    let deep = format!("{}urn{}", "{ me { corpUser ".repeat(40), "} }".repeat(40));
    let told = aborted(&api, &api.alice, &deep, json!({})).await;
    assert!(told.starts_with("maximum nesting exceeded"), "{told}");
    for bracket in ["{", "[", "("] {
        let bomb = format!("{{ a(b: {} }}", bracket.repeat(300_000));
        let told = aborted(&api, &api.alice, &bomb, json!({})).await;
        assert!(told.starts_with("maximum nesting exceeded"), "{told}");
    }
    let mut doubling = "{ ...f0 }".to_owned();
    for n in 0..40 {
        doubling += &format!(" fragment f{n} on Query {{ ...f{0} ...f{0} }}", n + 1);
    }
    doubling += " fragment f40 on Query { me { corpUser { urn } } }";
    let told = aborted(&api, &api.alice, &doubling, json!({})).await;
    assert!(told.starts_with("maximum query complexity exceeded"), "{told}");
    let circle = "{ ...f } fragment f on Query { ...g } fragment g on Query { ...f }";
    let json = api.ask(&api.alice, circle, json!({})).await;
    assert_eq!(json["data"], json!(null));
}

#[tokio::test]
async fn limits_can_be_set() {
    let api = Api::of(config(), |service| service.cost_limit(13).depth_limit(3)).await;
    let query = "{ me { corpUser { urn } } }";
    api.data(&api.alice, query, json!({})).await;
    let told = aborted(&api, &api.alice, "{ me { corpUser { urn type } } }", json!({})).await;
    assert_eq!(told, "maximum query complexity exceeded 14 > 13");
    let query = "{ me { corpUser { properties { email } } } }";
    let api = Api::of(config(), |service| service.depth_limit(3)).await;
    let told = aborted(&api, &api.alice, query, json!({})).await;
    assert_eq!(told, "maximum query depth exceeded 4 > 3");
}
