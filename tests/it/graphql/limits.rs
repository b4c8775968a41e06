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
    let create = "createAccessToken(input: $input) { accessToken metadata { urn id name } }";
    let ten = format!("mutation ($input: CreateAccessTokenInput!) {{ {} }}", aliased(create, 10));
    api.data(&api.alice, &ten, input).await;
    assert_eq!(total(&api).await, before + 10);
    let revoke = aliased("updateUserStatus(urn: \"x\", status: ACTIVE)", 43);
    let json = api.ask(&api.alice, &format!("mutation {{ {revoke} }}"), json!({})).await;
    assert_eq!(json["errors"].as_array().unwrap().len(), 43, "each was tried");
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

#[tokio::test]
async fn a_variable_is_not_copied_without_bounds() {
    let api = Api::new().await;
    let uses = |times| {
        format!(
            "query ($f: FacetFilterInput!) {{ listAccessTokens(input: {{filters: [{}]}}) {{ total }} }}",
            "$f".repeat(times)
        )
    };
    let filter = json!({ "f": { "field": "name", "values": ["x".repeat(500_000)] } });
    let told = aborted(&api, &api.admin, &uses(250_000), filter.clone()).await;
    assert_eq!(told, "maximum query length exceeded: 15000 tokens");
    let told = aborted(&api, &api.admin, &uses(1_000), filter.clone()).await;
    assert!(told.starts_with("maximum query complexity exceeded"), "{told}");
    let told = aborted(&api, &api.admin, &uses(20), filter.clone()).await;
    assert!(told.starts_with("maximum query volume exceeded"), "{told}");
    api.data(&api.admin, &uses(2), filter).await;
}

#[tokio::test]
async fn introspection_has_its_limits() {
    let api = Api::new().await;
    let deep = format!(
        "{{ __type(name: \"Entity\") {{ {} name {} }} }}",
        "possibleTypes { interfaces { ".repeat(6),
        "} }".repeat(6)
    );
    let told = aborted(&api, &api.alice, &deep, json!({})).await;
    assert_eq!(told, "an introspection has too many lists in each other");
    let two = "{ __type(name: \"Query\") { fields { type { fields { name } } } } }";
    api.data(&api.alice, two, json!({})).await;
}

#[tokio::test]
async fn a_variable_of_no_type_is_refused_and_not_repeated() {
    let api = Api::new().await;
    for declared in ["[Nope] = 1", "[[Nope]!] = [1]", "[CorpUser] = 1", "Nope"] {
        let query = format!("query ($a: {declared}) {{ me {{ corpUser {{ urn }} }} }}");
        let json = api.ask(&api.alice, &query, json!({})).await;
        let error = &json["errors"][0];
        assert!(error["message"].as_str().unwrap().starts_with("Unknown input type"), "{json}");
        assert_eq!(error["extensions"], json!({ "classification": "ValidationError" }));
    }
}

#[tokio::test]
async fn a_page_of_tokens_is_listed_with_owners_and_actors() {
    let api = Api::new().await;
    let query = "query ($input: ListAccessTokenInput!) { listAccessTokens(input: $input) {
        start count total tokens { urn type id name description actorUrn ownerUrn createdAt expiresAt
            status createdVia owner { urn username properties { displayName email } }
            actor { urn username properties { displayName email } } }
    } }";
    api.data(&api.admin, query, json!({ "input": { "count": 100 } })).await;
    aborted(&api, &api.admin, query, json!({ "input": { "count": 1_000 } })).await;
}
