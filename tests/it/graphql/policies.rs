//! Policies and what they come to.

use serde_json::{Value, json};

use super::Api;

const MAKE: &str = "mutation ($input: PolicyUpdateInput!) { createPolicy(input: $input) }";
const WRITE: &str = "mutation ($urn: String!, $input: PolicyUpdateInput!) {
    updatePolicy(urn: $urn, input: $input)
}";
const DELETE: &str = "mutation ($urn: String!) { deletePolicy(urn: $urn) }";
const LIST: &str = "query ($input: ListPoliciesInput!) { listPolicies(input: $input) {
    start count total policies { urn type name state description privileges editable
        resources { type resources allResources
            filter { criteria { field condition values { value entity { urn type } } } }
            privilegeConstraints { criteria { field } } }
        actors { users groups roles resourceOwners resourceOwnersTypes allUsers allGroups
            resolvedUsers { username } resolvedGroups { name } resolvedRoles { name } }
    }
} }";

fn input(more: &Value) -> Value {
    let mut input = json!({
        "type": "METADATA", "name": "Readers of orders", "state": "ACTIVE",
        "description": "by the owners of sales", "privileges": ["VIEW_ENTITY_PAGE", "MY_OWN"],
        "actors": {
            "users": ["urn:li:corpuser:alice", "not a urn"], "groups": ["urn:li:corpGroup:eng"],
            "roles": ["urn:li:dataHubRole:Reader", "urn:li:dataHubRole:Own"],
            "resourceOwners": true, "resourceOwnersTypes": [], "allUsers": false,
            "allGroups": false
        },
        "resources": {
            "type": "dataset", "resources": ["urn:li:dataset:a"], "allResources": false,
            "filter": { "criteria": [
                { "field": "TYPE", "values": ["dataset"], "condition": "EQUALS" },
                { "field": "DOMAIN", "values": ["urn:li:domain:sales"], "condition": "NOT_EQUALS" }
            ] },
            "privilegeConstraints": { "criteria": [
                { "field": "TAG", "values": [], "condition": "STARTS_WITH" }
            ] }
        }
    });
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    input
}

async fn stored(api: &Api, text: &str) -> Value {
    let list = api.data(&api.admin, LIST, json!({ "input": { "query": text } })).await;
    list["listPolicies"]["policies"].clone()
}

#[tokio::test]
async fn a_policy_is_written_as_it_is_given_and_read_the_same() {
    let api = Api::new().await;
    let made = api.data(&api.admin, MAKE, json!({ "input": input(&json!({})) })).await;
    let urn = made["createPolicy"].as_str().unwrap();
    assert!(urn.starts_with("urn:li:dataHubPolicy:"));
    let expected = json!([{
        "urn": urn, "type": "METADATA", "name": "Readers of orders", "state": "ACTIVE",
        "description": "by the owners of sales", "privileges": ["VIEW_ENTITY_PAGE", "MY_OWN"],
        "editable": true,
        "resources": {
            "type": "dataset", "resources": ["urn:li:dataset:a"], "allResources": false,
            "filter": { "criteria": [
                { "field": "TYPE", "condition": "EQUALS",
                    "values": [{ "value": "dataset", "entity": null }] },
                { "field": "DOMAIN", "condition": "NOT_EQUALS",
                    "values": [{ "value": "urn:li:domain:sales",
                        "entity": { "urn": "urn:li:domain:sales", "type": "DOMAIN" } }] }
            ] },
            "privilegeConstraints": { "criteria": [{ "field": "TAG" }] }
        },
        "actors": {
            "users": ["urn:li:corpuser:alice", "not a urn"], "groups": ["urn:li:corpGroup:eng"],
            "roles": ["urn:li:dataHubRole:Reader", "urn:li:dataHubRole:Own"],
            "resourceOwners": true, "resourceOwnersTypes": [], "allUsers": false,
            "allGroups": false, "resolvedUsers": [{ "username": "alice" }],
            "resolvedGroups": [{ "name": "eng" }], "resolvedRoles": [{ "name": "Reader" }]
        }
    }]);
    assert_eq!(stored(&api, "of orders").await, expected);
}

#[tokio::test]
async fn an_update_keeps_roles_unless_some_are_given() {
    let api = Api::new().await;
    let made = api.data(&api.admin, MAKE, json!({ "input": input(&json!({})) })).await;
    let urn = made["createPolicy"].clone();
    let actors = json!({ "resourceOwners": false, "allUsers": true, "allGroups": false });
    let least = json!({ "type": "PLATFORM", "name": "Renamed orders", "state": "DRAFT",
        "privileges": [], "actors": actors });
    let updated = api.data(&api.admin, WRITE, json!({ "urn": urn, "input": least })).await;
    assert_eq!(updated, json!({ "updatePolicy": urn }));
    let policy = &stored(&api, "of orders").await;
    assert_eq!(*policy, json!([]), "another name");
    let policy = &stored(&api, "RENAMED").await[0];
    let roles = json!(["urn:li:dataHubRole:Reader", "urn:li:dataHubRole:Own"]);
    assert_eq!(policy["actors"]["roles"], roles);
    assert_eq!((&policy["type"], &policy["state"]), (&json!("PLATFORM"), &json!("DRAFT")));
    assert_eq!(policy["resources"], json!(null));
    assert_eq!(policy["actors"]["users"], json!([]));
    assert_eq!(policy["actors"]["resourceOwnersTypes"], json!(null));
    for roles in [json!(["urn:li:dataHubRole:Admin"]), json!([])] {
        let mut more = least.clone();
        more["actors"]["roles"] = roles.clone();
        api.data(&api.admin, WRITE, json!({ "urn": urn, "input": more })).await;
        assert_eq!(stored(&api, "RENAMED").await[0]["actors"]["roles"], roles);
    }
    let deleted = api.data(&api.admin, DELETE, json!({ "urn": urn })).await;
    assert_eq!(deleted, json!({ "deletePolicy": urn }));
    assert_eq!(api.error(&api.admin, DELETE, json!({ "urn": urn })).await.0, 404);
    assert_eq!(api.error(&api.admin, WRITE, json!({ "urn": urn, "input": least })).await.0, 404);
}

#[tokio::test]
async fn what_no_policy_may_say_is_refused() {
    let api = Api::new().await;
    let criterion = |field: &str, condition: &str| {
        let criteria = json!([{ "field": field, "values": ["x"], "condition": condition }]);
        json!({ "input": input(&json!({ "resources": { "filter": { "criteria": criteria } } })) })
    };
    let told = api.error(&api.admin, MAKE, criterion("NOTHING", "EQUALS")).await;
    assert_eq!(told.0, 400, "{told:?}");
    assert_eq!(api.error(&api.admin, MAKE, criterion("TAG", "UNKNOWN")).await.0, 400);
    assert_eq!(api.error(&api.admin, MAKE, criterion("TAG", "LIKE")).await.0, 0);
    let root = json!({ "urn": "urn:li:dataHubPolicy:0" });
    assert_eq!(api.error(&api.admin, DELETE, root).await.0, 403);
    let given = json!({ "input": input(&json!({})) });
    assert_eq!(api.error(&api.alice, MAKE, given).await.0, 403);
    assert_eq!(api.error(&api.alice, LIST, json!({ "input": {} })).await.0, 403);
    let all = api.data(&api.admin, LIST, json!({ "input": { "count": 200 } })).await;
    let all = &all["listPolicies"];
    let defaults = tower_pat::policy::default_policies().len();
    assert_eq!(all["total"], defaults, "nothing was written");
    assert_eq!(all["policies"].as_array().unwrap().len(), defaults);
}

#[tokio::test]
async fn privileges_are_told_to_the_actor_and_to_who_manages_policies() {
    let api = Api::new().await;
    let query = "query ($input: GetGrantedPrivilegesInput!) { getGrantedPrivileges(input: $input) {
        privileges evaluationDetails { policyName reason }
    } }";
    let own = json!({ "actorUrn": "urn:li:corpuser:alice" });
    let found = api.data(&api.alice, query, json!({ "input": own })).await;
    let privileges = found["getGrantedPrivileges"]["privileges"].as_array().unwrap().clone();
    assert!(privileges.contains(&json!("GENERATE_PERSONAL_ACCESS_TOKENS")));
    assert!(!privileges.contains(&json!("MANAGE_ACCESS_TOKENS")));
    assert_eq!(found["getGrantedPrivileges"]["evaluationDetails"], json!(null));
    let told =
        api.error(&api.alice, query, json!({ "input": { "actorUrn": "urn:li:corpuser:bob" } }));
    let told = told.await;
    assert_eq!(told, (403, "Unauthorized to get privileges for the given author.".to_owned()));

    let mut detailed = own.clone();
    detailed["includeEvaluationDetails"] = json!(true);
    detailed["resourceSpec"] =
        json!({ "resourceType": "DATASET", "resourceUrn": "urn:li:dataset:a" });
    let found = api.data(&api.admin, query, json!({ "input": detailed })).await;
    let details = found["getGrantedPrivileges"]["evaluationDetails"].as_array().unwrap().clone();
    assert!(details.iter().any(|detail| detail["policyName"].is_string()
        && detail["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
    let mut other = own;
    other["resourceSpec"] = json!({ "resourceType": "OTHER", "resourceUrn": "urn:li:x:a" });
    assert_eq!(api.error(&api.admin, query, json!({ "input": other })).await.0, 400);
}

#[tokio::test]
async fn policies_are_not_filtered_by_conditions() {
    let api = Api::new().await;
    for none in [json!(null), json!([]), json!([{}, { "and": [] }])] {
        api.data(&api.admin, LIST, json!({ "input": { "orFilters": none } })).await;
    }
    let filters = json!([{ "and": [] }, { "and": [{ "field": "state", "values": ["ACTIVE"] }] }]);
    let told = (400, "policies are not filtered by orFilters".to_owned());
    let input = json!({ "input": { "orFilters": filters } });
    assert_eq!(api.error(&api.admin, LIST, input).await, told);
}
