//! Users, groups and roles.

use serde_json::json;
use tower_pat::actor::{DirectoryStore, GroupKind, User, UserInfo};

use super::Api;
use crate::support::{urn, user};

#[tokio::test]
async fn a_user_is_shown_as_they_are() {
    let api = Api::new().await;
    let info = UserInfo::default()
        .display_name("C")
        .title("T")
        .email("c@example.com")
        .first_name("Carol")
        .last_name("King");
    let carol = User::new(user("carol")).info(info);
    api.world.store.inner.add_user(&carol).await.unwrap();
    let query = "query ($urn: String!) { corpUser(urn: $urn) { username status exists
        properties { displayName title email firstName lastName fullName active }
        editableProperties { displayName title email } } }";
    let found = api.data(&api.admin, query, json!({ "urn": "urn:li:corpuser:carol" })).await;
    let expected = json!({ "corpUser": {
        "username": "carol", "status": "ACTIVE", "exists": true,
        "properties": { "displayName": "C", "title": "T", "email": "c@example.com",
            "firstName": "Carol", "lastName": "King", "fullName": "Carol King", "active": true },
        "editableProperties": { "displayName": "C", "title": "T", "email": "c@example.com" }
    } });
    assert_eq!(found, expected);
    let none = api.data(&api.admin, query, json!({ "urn": "urn:li:corpuser:none" })).await;
    assert_eq!(none, json!({ "corpUser": null }));
    assert_eq!(api.error(&api.admin, query, json!({ "urn": "carol" })).await.0, 400);
}

#[tokio::test]
async fn suspending_ends_a_users_requests_and_can_be_taken_back() {
    let api = Api::new().await;
    let suspend = "mutation ($urn: String!, $status: CorpUserStatus!) {
        updateUserStatus(urn: $urn, status: $status)
    }";
    let alice = "urn:li:corpuser:alice";
    let to = |status: &str| json!({ "urn": alice, "status": status });
    assert_eq!(api.error(&api.alice, suspend, to("SUSPENDED")).await.0, 403);
    let done = json!({ "updateUserStatus": alice });
    assert_eq!(api.data(&api.admin, suspend, to("SUSPENDED")).await, done);
    api.world.becomes(&api.alice, 401).await;
    let query = "{ corpUser(urn: \"urn:li:corpuser:alice\") { status properties { active } } }";
    let found = api.data(&api.admin, query, json!({})).await;
    let expected = json!({ "status": "SUSPENDED", "properties": { "active": false } });
    assert_eq!(found["corpUser"], expected);
    assert_eq!(api.data(&api.admin, suspend, to("ACTIVE")).await, done);
    api.world.becomes(&api.alice, 200).await;
    let none = json!({ "urn": "urn:li:corpuser:none", "status": "ACTIVE" });
    let told = (404, "User not found: urn:li:corpuser:none".to_owned());
    assert_eq!(api.error(&api.admin, suspend, none).await, told);
}

#[tokio::test]
async fn users_groups_and_roles_are_listed() {
    let api = Api::new().await;
    let store = &api.world.store.inner;
    let eng = urn("urn:li:corpGroup:eng");
    store.set_groups(&user("alice"), GroupKind::Native, std::slice::from_ref(&eng)).await.unwrap();
    store.set_roles(&eng, &[urn("urn:li:dataHubRole:Editor")]).await.unwrap();
    let query = "query ($text: String) {
        listUsers(input: {query: $text}) { start count total users { urn } }
        listGroups(input: {query: $text}) { total groups { urn type name memberCount roleUrns } }
        listRoles(input: {query: $text}) { total roles { urn type name description } }
    }";
    let all = api.data(&api.admin, query, json!({ "text": "*" })).await;
    let expected = json!({ "start": 0, "count": 20, "total": 3, "users": [
        { "urn": "urn:li:corpuser:alice" }, { "urn": "urn:li:corpuser:bob" },
        { "urn": "urn:li:corpuser:datahub" }
    ] });
    assert_eq!(all["listUsers"], expected);
    let expected = json!({ "total": 1, "groups": [{
        "urn": eng.to_string(), "type": "CORP_GROUP", "name": "eng", "memberCount": 1,
        "roleUrns": ["urn:li:dataHubRole:Editor"]
    }] });
    assert_eq!(all["listGroups"], expected);
    assert_eq!(all["listRoles"]["total"], 3);
    assert_eq!(all["listRoles"]["roles"][0]["urn"], "urn:li:dataHubRole:Admin");
    assert_eq!(all["listRoles"]["roles"][0]["type"], "DATAHUB_ROLE");
    let some = api.data(&api.admin, query, json!({ "text": "ALI" })).await;
    assert_eq!(some["listUsers"]["total"], 1);
    for list in ["listUsers", "listGroups"] {
        let query = format!("{{ {list}(input: {{}}) {{ total }} }}");
        assert_eq!(api.error(&api.alice, &query, json!({})).await.0, 403);
    }
}

#[tokio::test]
async fn roles_are_assigned_and_taken_away() {
    let api = Api::new().await;
    let assign = "mutation ($input: BatchAssignRoleInput!) { batchAssignRole(input: $input) }";
    let to = |role: serde_json::Value| json!({ "input": { "roleUrn": role, "actors": ["urn:li:corpuser:bob", "urn:li:corpuser:none"] } });
    assert_eq!(api.error(&api.alice, assign, to(json!("urn:li:dataHubRole:Admin"))).await.0, 403);
    let done = json!({ "batchAssignRole": true });
    assert_eq!(api.data(&api.admin, assign, to(json!("urn:li:dataHubRole:Editor"))).await, done);
    let debug = "query ($urn: String!) { debugAccess(userUrn: $urn) {
        roles groups groupsWithRoles rolesViaGroups allRoles policies privileges
    } }";
    let bob = json!({ "urn": "urn:li:corpuser:bob" });
    let found = api.data(&api.admin, debug, bob.clone()).await;
    let found = &found["debugAccess"];
    assert_eq!(found["roles"], json!(["urn:li:dataHubRole:Editor"]));
    assert_eq!(found["allRoles"], found["roles"]);
    assert_eq!(found["groups"], json!([]));
    let policies = found["policies"].as_array().unwrap();
    assert!(policies.contains(&json!("urn:li:dataHubPolicy:editor-platform-policy")));
    assert!(found["privileges"].as_array().unwrap().contains(&json!("MANAGE_DOMAINS")));
    assert_eq!(api.error(&api.alice, debug, bob.clone()).await.0, 403);
    assert_eq!(api.data(&api.admin, assign, to(json!(null))).await, done);
    let found = api.data(&api.admin, debug, bob).await;
    assert_eq!(found["debugAccess"]["roles"], json!([]));
    for (role, actors) in [
        (json!("urn:li:dataHubRole:None"), json!([])),
        (json!("Editor"), json!([])),
        (json!(null), json!(["bob"])),
    ] {
        let input = json!({ "input": { "roleUrn": role, "actors": actors } });
        assert_eq!(api.error(&api.admin, assign, input).await.0, 400);
    }
}
