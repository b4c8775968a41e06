//! Making, looking up and revoking tokens.

use serde_json::{Value, json};
use tower_pat::{
    actor::DirectoryStore,
    token::{AccessTokenDuration, LifetimePolicy},
};

use super::{Api, CREATE, LIST, personal};
use crate::support::{config, user};

const METADATA: &str = "query ($token: String!) { getAccessTokenMetadata(token: $token) {
    id name actorUrn ownerUrn owner { username properties { displayName } } actor { username }
} }";
const REVOKE: &str = "mutation ($tokenId: String!) { revokeAccessToken(tokenId: $tokenId) }";

#[tokio::test]
async fn a_token_is_made_shown_once_and_acts() {
    let api = Api::new().await;
    let mut input = personal("alice", "ci <script>\u{202e}\u{7}");
    input["description"] = json!("nightly");
    let (text, metadata) = api.create(&api.alice, input).await;
    let id = api.world.tokens.id_of(&text).to_string();
    let expected = json!({
        "urn": format!("urn:li:dataHubAccessToken:{id}"), "type": "ACCESS_TOKEN", "id": id,
        "name": "ci <script>\u{202e}\u{7}", "description": "nightly",
        "actorUrn": "urn:li:corpuser:alice", "ownerUrn": "urn:li:corpuser:alice",
        "createdAt": 1_750_000_000_000_i64, "expiresAt": 1_750_003_600_000_i64,
        "status": "ACTIVE", "createdVia": "graphql"
    });
    assert_eq!(metadata, expected);
    let me = api.data(&text, "{ me { corpUser { username } } }", json!({})).await;
    assert_eq!(me["me"]["corpUser"]["username"], "alice");
}

#[tokio::test]
async fn every_duration_is_what_it_says() {
    let lifetimes = LifetimePolicy::default().allow_no_expiry(true);
    let config =
        config().lifetimes(lifetimes).token_minting(tower_pat::config::TokenMinting::Unbounded);
    let api = Api::with(config).await;
    let lasts = |metadata: &Value| {
        let expires_at = metadata["expiresAt"].as_i64()?;
        Some((expires_at - metadata["createdAt"].as_i64().unwrap()) / 1_000)
    };
    for duration in AccessTokenDuration::ALL {
        let mut input = personal("alice", "x");
        input["duration"] = json!(duration.as_str());
        let (_, metadata) = api.create(&api.alice, input).await;
        let expected = match duration.lifetime() {
            tower_pat::token::Lifetime::For(duration) => {
                Some(i64::try_from(duration.as_secs()).unwrap())
            }
            tower_pat::token::Lifetime::Never => None,
        };
        assert_eq!(lasts(&metadata), expected, "{duration}");
    }
    for (iso, seconds) in
        [("PT1H", 3_600), ("p7d", 604_800), (" P1W ", 604_800), ("P1M", 2_592_000)]
    {
        let mut input = personal("alice", "x");
        input["duration"] = Value::Null;
        input["durationIso"] = json!(iso);
        let (_, metadata) = api.create(&api.alice, input).await;
        assert_eq!(lasts(&metadata), Some(seconds), "{iso}");
    }
}

#[tokio::test]
async fn what_cannot_be_made_is_said_and_not_made() {
    let api = Api::new().await;
    let with = |name: &str, value: Value| {
        let mut input = personal("alice", "x");
        input[name] = value;
        input
    };
    let both = {
        let mut input = personal("alice", "x");
        input["durationIso"] = json!("PT1H");
        input
    };
    let iso = |text: &str| {
        let mut input = with("durationIso", json!(text));
        input["duration"] = Value::Null;
        input
    };
    let one = "Exactly one of duration or durationIso must be provided when creating an access \
               token";
    let forbidden = "Unauthorized to perform this action. Please contact your DataHub \
                     administrator.";
    for (input, code, told) in [
        (with("duration", Value::Null), 400, one),
        (both, 400, one),
        (iso(""), 400, "Access token duration must not be blank"),
        (iso("soon"), 400, "Invalid ISO-8601 access token duration: soon"),
        (iso("PT0S"), 400, "Access token duration must be positive: PT0S"),
        (iso("P2D"), 400, "Access token duration of 172800000 ms is not allowed."),
        (with("duration", json!("NO_EXPIRY")), 400, "Creating access tokens with no expiry is"),
        (with("actorUrn", json!("alice")), 400, "Not a valid urn"),
        (with("actorUrn", json!("urn:li:corpuser:bob")), 403, forbidden),
        (with("actorUrn", json!("urn:li:corpGroup:alice")), 403, forbidden),
        (with("type", json!("SERVICE_ACCOUNT")), 403, forbidden),
        (with("name", json!("")), 400, "The name of an access token"),
        (with("name", json!(" \t")), 400, "The name of an access token"),
        (with("name", json!("x".repeat(51))), 400, "The name of an access token"),
        (with("description", json!("x".repeat(501))), 400, "A description"),
    ] {
        let (was, message) = api.error(&api.alice, CREATE, json!({ "input": input.clone() })).await;
        assert_eq!(was, code, "{input}: {message}");
        assert!(message.starts_with(told), "{input}: {message}");
    }
    // A field that may be null is, next to the error.
    let input = json!({ "input": with("name", json!("")) });
    let json = api.ask(&api.alice, CREATE, input).await;
    assert_eq!(json["data"], json!({ "createAccessToken": null }));
    let mine = json!({ "input": { "filters": [{ "field": "ownerUrn",
        "values": ["urn:li:corpuser:alice"] }] } });
    assert_eq!(api.data(&api.alice, LIST, mine).await["listAccessTokens"]["total"], 1);
}

#[tokio::test]
async fn the_older_call_makes_a_token_that_can_be_revoked() {
    let api = Api::new().await;
    let query = "query ($input: GetAccessTokenInput!) {
        getAccessToken(input: $input) { accessToken metadata { id name } }
    }";
    let input = json!({ "type": "PERSONAL", "actorUrn": "urn:li:corpuser:alice",
        "duration": "ONE_WEEK" });
    let made = api.data(&api.alice, query, json!({ "input": input })).await;
    let text = made["getAccessToken"]["accessToken"].as_str().unwrap().to_owned();
    let id = &made["getAccessToken"]["metadata"]["id"];
    assert_eq!(*id, api.world.tokens.id_of(&text).to_string());
    let revoked = api.data(&api.alice, REVOKE, json!({ "tokenId": id })).await;
    assert_eq!(revoked, json!({ "revokeAccessToken": true }));

    let mut account = input.clone();
    account["type"] = json!("SERVICE_ACCOUNT");
    let told = api.error(&api.admin, query, json!({ "input": account })).await;
    assert_eq!(told.0, 400);
    assert_eq!(told.1, "Unsupported AccessTokenType SERVICE_ACCOUNT provided");
    // Not even who manages tokens gets one for somebody else.
    assert_eq!(api.error(&api.admin, query, json!({ "input": input })).await.0, 403);
}

#[tokio::test]
async fn a_token_is_looked_up_by_its_text_by_managers() {
    let api = Api::new().await;
    let (text, metadata) = api.create(&api.admin, personal("alice", "for alice")).await;
    let found = api.data(&api.admin, METADATA, json!({ "token": text })).await;
    let expected = json!({ "getAccessTokenMetadata": {
        "id": metadata["id"], "name": "for alice", "actorUrn": "urn:li:corpuser:alice",
        "ownerUrn": "urn:li:corpuser:datahub",
        "owner": { "username": "datahub", "properties": { "displayName": "DataHub" } },
        "actor": { "username": "alice" }
    } });
    assert_eq!(found, expected);
    assert_eq!(api.error(&api.alice, METADATA, json!({ "token": text })).await.0, 403);
    for unknown in ["", "x", "a.b.c", &format!("{text}x")] {
        let (code, message) = api.error(&api.admin, METADATA, json!({ "token": unknown })).await;
        assert_eq!((code, message.as_str()), (404, "Access token no longer exists"), "{unknown}");
    }
}

#[tokio::test]
async fn owner_actor_and_managers_revoke() {
    let api = Api::new().await;
    let (text, metadata) = api.create(&api.admin, personal("bob", "for bob")).await;
    let id = json!({ "tokenId": metadata["id"] });
    // Foreign and unknown ids answer alike, and so do those of another length.
    let unknown = tower_pat::token::TokenId::from_bytes([7; 32]).to_string();
    let foreign = api.error(&api.alice, REVOKE, id.clone()).await;
    assert_eq!(foreign, api.error(&api.alice, REVOKE, json!({ "tokenId": unknown })).await);
    assert_eq!(foreign.0, 403);
    let json = api.ask(&api.alice, REVOKE, id.clone()).await;
    assert_eq!(json["data"], json!(null), "a boolean that is not null");
    for malformed in ["", "x", &metadata["urn"].to_string()] {
        let told = api.error(&api.alice, REVOKE, json!({ "tokenId": malformed })).await;
        assert_eq!(told.0, 400, "{malformed}");
    }
    assert_eq!(api.world.answer(&text).await.status, 200);

    let bob = super::mint(&api.world, "bob", "b", AccessTokenDuration::OneDay).await;
    let revoked = json!({ "revokeAccessToken": true });
    assert_eq!(api.data(&bob, REVOKE, id.clone()).await, revoked, "the actor may");
    api.world.becomes(&text, 401).await;
    let again = api.error(&api.admin, REVOKE, id).await;
    assert_eq!(again.0, 500);
    let told = "Failed to revoke access token. Root cause: Access token no longer exists";
    assert_eq!(again.1, told);
    let (_, metadata) = api.create(&bob, personal("bob", "own")).await;
    let id = json!({ "tokenId": metadata["id"] });
    assert_eq!(api.data(&api.admin, REVOKE, id).await, revoked, "a manager may");
}

#[tokio::test]
async fn all_tokens_of_somebody_are_revoked_in_one_call() {
    let api = Api::new().await;
    let all = "mutation ($owner: String, $actor: String) {
        revokeAccessTokens(ownerUrn: $owner, actorUrn: $actor)
    }";
    let (made, _) = api.create(&api.admin, personal("bob", "for bob")).await;
    let (own, _) = api.create(&api.alice, personal("alice", "own")).await;
    api.world.store.inner.set_suspended(&user("datahub"), false).await.unwrap();
    let bob = user("bob").to_string();
    let one = "Exactly one of ownerUrn or actorUrn must be provided when revoking access tokens";
    for none_or_both in [json!({}), json!({ "owner": bob, "actor": bob })] {
        let told = api.error(&api.admin, all, none_or_both).await;
        assert_eq!(told, (400, one.to_owned()));
    }
    assert_eq!(api.error(&api.alice, all, json!({ "actor": bob })).await.0, 403);
    assert_eq!(api.error(&api.alice, all, json!({ "actor": "bob" })).await.0, 400);
    let done = json!({ "revokeAccessTokens": true });
    assert_eq!(api.data(&api.admin, all, json!({ "actor": bob })).await, done);
    api.world.becomes(&made, 401).await;
    assert_eq!(api.world.answer(&own).await.status, 200);
    let alice = user("alice").to_string();
    assert_eq!(api.data(&api.alice, all, json!({ "owner": alice })).await, done, "one's own");
    api.world.becomes(&own, 401).await;
}
