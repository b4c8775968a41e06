//! What a page on which tokens are managed asks, word for word.

use std::time::Duration;

use serde_json::{Value, json};
use tower_pat::{
    actor::{DirectoryStore, User, UserKind},
    token::{AccessTokenDuration, LastUse, TokenType},
    token_service::{MintRequest, TokenUses},
};

use super::Api;
use crate::support::user;

const START: &str = "query Start { me { corpUser { urn username properties { displayName } } platformPrivileges { generatePersonalAccessTokens manageTokens manageServiceAccounts } } appConfig { authConfig { tokenAuthEnabled accessTokens { allowedDurations allowNoExpiry } } } }";
const TOKENS: &str = "query Tokens($input: ListAccessTokenInput!) { me { corpUser { urn } } listAccessTokens(input: $input) { start count total tokens { id name description actorUrn ownerUrn createdAt expiresAt lastUsedAt lastUsedAddress lastUsedAgent status owner { username properties { displayName } } actor { username properties { displayName } } } } }";
const CREATE: &str = "mutation Create($input: CreateAccessTokenInput!) { createAccessToken(input: $input) { accessToken metadata { id name expiresAt actorUrn } } }";
const REVOKE: &str = "mutation Revoke($tokenId: String!) { revokeAccessToken(tokenId: $tokenId) }";
const USERS: &str = "query Users($input: ListUsersInput!) { listUsers(input: $input) { total users { urn username properties { displayName } } } }";
const SERVICE_ACCOUNTS: &str = "query ServiceAccounts($input: ListServiceAccountsInput!) { listServiceAccounts(input: $input) { total serviceAccounts { urn name displayName } } }";

const NOW: i64 = 1_750_000_000_000;
const DAY: i64 = 86_400_000;

async fn names(api: &Api, token: &str, input: Value) -> Vec<String> {
    let data = api.data(token, TOKENS, json!({ "input": input })).await;
    let tokens = data["listAccessTokens"]["tokens"].as_array().unwrap();
    tokens.iter().map(|token| token["name"].as_str().unwrap().to_owned()).collect()
}

fn own(filters: Value) -> Value {
    let me = json!({ "field": "ownerOrActorUrn", "values": ["urn:li:corpuser:alice"] });
    let Value::Array(others) = filters else { panic!("{filters}") };
    let all: Vec<_> = [me].into_iter().chain(others).collect();
    json!({ "start": 0, "count": 10, "filters": all })
}

#[tokio::test]
async fn it_starts_with_who_asks_and_what_can_be_made() {
    let api = Api::new().await;
    let start = api.data(&api.alice, START, json!({})).await;
    let expected = json!({
        "corpUser": { "urn": "urn:li:corpuser:alice", "username": "alice",
            "properties": { "displayName": null } },
        "platformPrivileges": { "generatePersonalAccessTokens": true, "manageTokens": false,
            "manageServiceAccounts": false }
    });
    assert_eq!(start["me"], expected);
    assert_eq!(start["appConfig"]["authConfig"]["tokenAuthEnabled"], true);
    let lifetimes = &start["appConfig"]["authConfig"]["accessTokens"];
    let offered = lifetimes["allowedDurations"].as_array().unwrap();
    assert!(offered.contains(&json!("P30D")), "{lifetimes}");
    let admin = api.data(&api.admin, START, json!({})).await;
    assert_eq!(admin["me"]["platformPrivileges"]["manageTokens"], true);
    assert_eq!(admin["me"]["corpUser"]["properties"]["displayName"], "DataHub");
}

#[tokio::test]
async fn it_makes_shows_and_revokes_a_token() {
    let api = Api::new().await;
    let input = json!({ "type": "PERSONAL", "actorUrn": "urn:li:corpuser:alice", "name": "laptop",
        "description": "for <b>me</b>", "durationIso": "P30D" });
    let made = api.data(&api.alice, CREATE, json!({ "input": input })).await;
    let made = &made["createAccessToken"];
    let id = made["metadata"]["id"].as_str().unwrap();
    assert_eq!(made["metadata"]["expiresAt"], NOW + 30 * DAY);
    let data = api.data(&api.alice, TOKENS, json!({ "input": own(json!([])) })).await;
    assert_eq!(data["me"]["corpUser"]["urn"], "urn:li:corpuser:alice");
    let list = &data["listAccessTokens"];
    assert_eq!(
        (&list["start"], &list["count"], &list["total"]),
        (&json!(0), &json!(10), &json!(2))
    );
    let alice = json!({ "username": "alice", "properties": { "displayName": null } });
    let expected = json!({ "id": id, "name": "laptop", "description": "for <b>me</b>",
        "actorUrn": "urn:li:corpuser:alice", "ownerUrn": "urn:li:corpuser:alice",
        "createdAt": NOW, "expiresAt": NOW + 30 * DAY, "status": "ACTIVE",
        "lastUsedAt": null, "lastUsedAddress": null, "lastUsedAgent": null,
        "owner": alice, "actor": alice });
    assert_eq!(list["tokens"][1], expected);

    let at = tower_pat::clock::Timestamp::from_millis(NOW + 5_000);
    let agent = Some("curl/8".to_owned());
    let last_use = LastUse { at, address: Some("192.0.2.7".to_owned()), agent };
    api.world.store.inner.record_uses(&[(id.parse().unwrap(), last_use)]).await.unwrap();
    let data = api.data(&api.alice, TOKENS, json!({ "input": own(json!([])) })).await;
    let shown = &data["listAccessTokens"]["tokens"][1];
    let used = [&shown["lastUsedAt"], &shown["lastUsedAddress"], &shown["lastUsedAgent"]];
    assert_eq!(used, [&json!(NOW + 5_000), &json!("192.0.2.7"), &json!("curl/8")]);

    let revoked = api.data(&api.alice, REVOKE, json!({ "tokenId": id })).await;
    assert_eq!(revoked, json!({ "revokeAccessToken": true }));
    assert_eq!(names(&api, &api.alice, own(json!([]))).await, ["alice"]);
}

/// Tokens of alice, for her and by her, beside that by which she asks, and one of bob's.
async fn several() -> Api {
    let api = Api::new().await;
    let (day, week, month) =
        (AccessTokenDuration::OneDay, AccessTokenDuration::OneWeek, AccessTokenDuration::OneMonth);
    for (name, description, actor, owner, duration) in [
        ("nightly", Some("Loads SALES"), "alice", "alice", day),
        ("sales board", None, "bob", "alice", week),
        ("from bob", Some("100% of it"), "alice", "bob", month),
        ("bobs own", Some("sales"), "bob", "bob", month),
    ] {
        let mut request = MintRequest::new(TokenType::Personal, user(actor), duration.lifetime())
            .name(name)
            .owner(user(owner));
        request.description = description.map(str::to_owned);
        api.world.tokens.mint(request).await.unwrap();
    }
    api
}

#[tokio::test]
async fn everybody_lists_what_they_own_and_what_acts_as_them_at_once() {
    let api = several().await;
    let by_name = json!({ "field": "name", "sortOrder": "ASCENDING" });
    let mut input = own(json!([]));
    input["sort"] = by_name;
    let mine = ["alice", "from bob", "nightly", "sales board"];
    assert_eq!(names(&api, &api.alice, input).await, mine);
    for filter in [
        json!({ "field": "ownerOrActorUrn", "values": ["urn:li:corpuser:bob"] }),
        json!({ "field": "ownerOrActorUrn",
            "values": ["urn:li:corpuser:alice", "urn:li:corpuser:bob"] }),
        json!({ "field": "ownerOrActorUrn", "values": [] }),
        json!({ "field": "ownerOrActorUrn", "values": ["urn:li:corpuser:alice"],
            "negated": true }),
        json!({ "field": "query", "values": ["alice"], "condition": "CONTAIN" }),
        json!({ "field": "status", "values": ["ACTIVE"] }),
    ] {
        let input = json!({ "input": { "filters": [filter.clone()] } });
        assert_eq!(api.error(&api.alice, TOKENS, input).await.0, 403, "{filter}");
    }
}

#[tokio::test]
async fn it_filters_by_text_and_status_and_what_is_over_soon() {
    let api = several().await;
    let query =
        |text: &str| json!([{ "field": "query", "values": [text], "condition": "CONTAIN" }]);
    for (text, expected) in [
        ("sales", vec!["sales board", "nightly"]),
        ("SaLeS", vec!["sales board", "nightly"]),
        ("0%", vec!["from bob"]),
        ("%", vec!["from bob"]),
        ("_", vec![]),
        ("' OR 1 --", vec![]),
    ] {
        assert_eq!(names(&api, &api.alice, own(query(text))).await, expected, "{text}");
    }
    // Two days on, by the clock of the server.
    api.world.clock.advance(Duration::from_hours(48));
    let status = |value: &str| json!({ "field": "status", "values": [value] });
    let listed = |filters: Value| names(&api, &api.alice, own(filters));
    assert_eq!(listed(json!([status("EXPIRED")])).await, ["nightly"]);
    let active = ["alice", "from bob", "sales board"];
    assert_eq!(listed(json!([status("ACTIVE")])).await, active);
    let not_over = json!([{ "field": "status", "values": ["EXPIRED"], "negated": true }]);
    assert_eq!(listed(not_over).await, active);
    let soon = json!({ "field": "expiresAt", "condition": "LESS_THAN",
        "values": [(NOW + 9 * DAY).to_string()] });
    assert_eq!(listed(json!([status("ACTIVE"), soon])).await, ["sales board"]);
    let either = json!([{ "field": "status", "values": ["ACTIVE", "EXPIRED"], "condition": "IN" }]);
    assert_eq!(listed(either).await.len(), 4);
    for values in [json!(["REVOKED"]), json!(["active"]), json!([""])] {
        let filters = json!([{ "field": "status", "values": values }]);
        let input = json!({ "input": own(filters) });
        let (code, told) = api.error(&api.alice, TOKENS, input).await;
        assert_eq!(code, 400);
        assert!(told.starts_with("status is compared with ACTIVE and EXPIRED"), "{told}");
    }
}

#[tokio::test]
async fn managers_list_everybody_or_somebody_in_any_order() {
    let api = several().await;
    let bob = json!({ "field": "ownerUrn", "values": ["urn:li:corpuser:bob"] });
    let of_bob = json!({ "start": 0, "count": 10, "filters": [bob] });
    assert_eq!(names(&api, &api.admin, of_bob).await.len(), 2);
    for field in ["expiresAt", "createdAt", "name", "lastUsedAt"] {
        let by = |order: &str| json!({ "start": 0, "count": 50, "sort": { "field": field, "sortOrder": order } });
        let mut ascending = names(&api, &api.admin, by("ASCENDING")).await;
        ascending.reverse();
        assert_eq!(ascending.len(), 6);
        assert_eq!(names(&api, &api.admin, by("DESCENDING")).await, ascending, "{field}");
    }
}

#[tokio::test]
async fn sessions_are_in_no_list() {
    let api = several().await;
    let mut request =
        MintRequest::new(TokenType::Session, user("alice"), AccessTokenDuration::OneDay.lifetime());
    request = request.name("session").owner(user("alice"));
    let session = api.world.tokens.mint(request).await.unwrap();
    assert_eq!(names(&api, &api.alice, own(json!([]))).await.len(), 4);
    assert_eq!(names(&api, &api.admin, json!({})).await.len(), 6);
    let id = session.record.id.to_string();
    let by_id = json!({ "filters": [{ "field": "id", "values": [id] }] });
    assert_eq!(names(&api, &api.admin, by_id).await.len(), 0);
    // Who it acts as can end it all the same.
    let revoked = api.data(&api.alice, REVOKE, json!({ "tokenId": id })).await;
    assert_eq!(revoked, json!({ "revokeAccessToken": true }));
}

#[tokio::test]
async fn managers_choose_among_users_and_service_accounts() {
    let api = Api::new().await;
    let account = User::new(user("service_1")).kind(UserKind::ServiceAccount);
    api.world.store.inner.add_user(&account).await.unwrap();
    let input = json!({ "input": { "start": 0, "count": 50 } });
    let users = api.data(&api.admin, USERS, input.clone()).await;
    let users = users["listUsers"]["users"].as_array().unwrap();
    assert!(users.iter().any(|user| user["username"] == "bob"), "{users:?}");
    let accounts = api.data(&api.admin, SERVICE_ACCOUNTS, input.clone()).await;
    let accounts = &accounts["listServiceAccounts"];
    assert_eq!(accounts["total"], 1);
    assert_eq!(accounts["serviceAccounts"][0]["urn"], "urn:li:corpuser:service_1");
    for query in [USERS, SERVICE_ACCOUNTS] {
        assert_eq!(api.error(&api.alice, query, input.clone()).await.0, 403);
    }
}
