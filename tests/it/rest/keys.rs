//! Keys and revocation rules over REST.

use std::sync::Arc;

use serde_json::{Value, json};
use tower_pat::{
    access::Access,
    clock::Clock,
    rest::RestService,
    token::{KeyId, TokenKey},
};

use super::Api;
use crate::support::{KEY, config, user};

const NEW: &str = "Zk3vB9xWq1LmT6yNcR8pD2sHfJ4gUaE7oK5iXtVbC0w=";

fn id(text: &str) -> KeyId {
    TokenKey::new(text).unwrap().id()
}

impl Api {
    async fn key(&self, id: KeyId, action: &str) -> (u16, String) {
        let answer = self.post(&self.root, &format!("/keys/{id}/{action}"), &json!({})).await;
        let detail = match answer.body.as_str() {
            "" => String::new(),
            _ => answer.json()["detail"].as_str().unwrap().to_owned(),
        };
        (answer.status, detail)
    }

    async fn rule(&self, token: &str, rule: &Value) -> u16 {
        self.post(token, "/revocation-rules", rule).await.status
    }
}

#[tokio::test]
async fn a_keys_whole_life() {
    let api = Api::with(config().verification_key(NEW)).await;
    let (old, new) = (id(KEY), id(NEW));
    assert_eq!(api.get(&api.alice, "/keys").await.code(), "privilege_missing");
    let seen = api.get(&api.root, "/keys").await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert!(!seen.body.contains(&KEY[..8]) && !seen.body.contains(&NEW[..8]));
    let key = |id: KeyId, state: &str, tokens: u64| {
        json!({
            "id": id, "state": state, "isConfiguredHere": true, "addedAt": null,
            "signingSince": null, "retiredAt": null, "changedByUrn": null, "tokens": tokens,
        })
    };
    let mut expected = [key(old, "SIGNING", 2), key(new, "VERIFYING", 0)];
    assert_eq!(seen.json(), json!({ "keys": expected, "tokensOfUnknownKey": 0 }));

    let (status, detail) = api.key(new, "retire").await;
    assert!(status == 409 && detail.contains("no key was promoted yet"), "{detail}");
    assert_eq!(api.key(new, "promote").await, (204, String::new()));
    assert_eq!(api.key(new, "promote").await, (204, String::new()));
    let now = api.world.clock.now().as_millis();
    for key in &mut expected {
        key["addedAt"] = now.into();
        key["changedByUrn"] = user("datahub").to_string().into();
    }
    (expected[0]["state"], expected[1]["state"]) = ("VERIFYING".into(), "SIGNING".into());
    expected[1]["signingSince"] = now.into();
    let [first, second] = expected.clone();
    let seen = api.get(&api.root, "/keys").await.json();
    assert_eq!(seen["keys"], json!([second, first]));

    let (status, detail) = api.key(new, "retire").await;
    assert!(status == 409 && detail.contains("promote another one first"), "{detail}");
    let unknown: KeyId = "0123456789abcdef".parse().unwrap();
    let (status, detail) = api.key(unknown, "promote").await;
    assert!(status == 409 && detail.contains("does not have the key"), "{detail}");
    assert_eq!(api.key(unknown, "retire").await.0, 404);

    // Both tokens at hand are of the old one, so a new one is made before it is retired.
    let newer = api.world.mint_for("datahub").await.token.expose().to_owned();
    assert_eq!(api.key(old, "retire").await.0, 204);
    api.world.becomes(&api.root, 401).await;
    let api = Api { root: newer, ..api };
    assert_eq!(api.key(old, "promote").await.0, 409);
    assert_eq!(api.get(&api.root, "/keys").await.json()["keys"][1]["retiredAt"], now);
    assert_eq!(api.key(old, "add").await.0, 204);
    api.world.becomes(&api.alice, 200).await;
    assert_eq!(api.post(&api.alice, &format!("/keys/{old}/retire"), &json!({})).await.status, 403);
}

#[tokio::test]
async fn uses_of_keys_are_told_if_they_are_counted() {
    let mut api = Api::new().await;
    let access = Access::new(&api.world.config, Arc::new(api.world.store.inner.clone()));
    api.service = RestService::new(access.clock(api.world.clock.clone()))
        .authenticator(api.world.authenticator.clone());
    let seen = api.get(&api.root, "/keys").await.json();
    assert!(seen["keys"][0]["verifiedHere"].as_u64().unwrap() >= 2, "{seen}");
    assert_eq!(seen["keys"][0]["lastVerifiedHereAt"], api.world.clock.now().as_millis());
}

#[tokio::test]
async fn rules_revoke_what_was_made_before() {
    let api = Api::new().await;
    let alice = user("alice").to_string();
    let before = api.world.mint_for("alice").await;
    api.world.clock.advance(std::time::Duration::from_secs(10));
    let after = api.world.mint_for("alice").await;
    let (before, after) = (before.token.expose(), after.token.expose());
    let now = api.world.clock.now().as_millis();

    // Everybody for themselves, and no further.
    let bob = api.world.mint_for("bob").await.token.expose().to_owned();
    assert_eq!(api.rule(&bob, &json!({ "scope": "ACTOR", "subject": alice })).await, 403);
    assert_eq!(api.rule(&bob, &json!({ "scope": "ALL" })).await, 403);
    let key = json!({ "scope": "KEY", "subject": id(KEY).to_string() });
    assert_eq!(api.rule(&bob, &key).await, 403);
    assert_eq!(api.get(&bob, "/revocation-rules").await.status, 403);
    let own = json!({ "scope": "OWNER", "subject": user("bob").to_string() });
    assert_eq!(api.rule(&bob, &own).await, 201);
    api.world.becomes(&bob, 401).await;

    for wrong in [
        json!({ "scope": "ACTOR" }),
        json!({ "scope": "ACTOR", "subject": "alice" }),
        json!({ "scope": "ACTOR", "subject": "urn:li:corpGroup:all" }),
        json!({ "scope": "KEY", "subject": "x" }),
        json!({ "scope": "ALL", "subject": alice }),
        json!({ "scope": "EVERYTHING" }),
        json!({ "scope": "ALL", "issuedBefore": now + 2 }),
        json!({ "scope": "ALL", "issuedBefore": i64::MAX }),
        json!({ "scope": "ALL", "issuedBefore": "now" }),
        json!({ "scope": "ALL", "since": 0 }),
    ] {
        assert_eq!(api.rule(&api.root, &wrong).await, 400, "{wrong}");
    }
    let rule = json!({ "scope": "ACTOR", "subject": alice, "issuedBefore": now });
    let made = api.post(&api.root, "/revocation-rules", &rule).await;
    let mut expected = rule;
    expected["madeByUrn"] = user("datahub").to_string().into();
    assert_eq!((made.status, made.json()), (201, expected.clone()));
    api.world.becomes(before, 401).await;
    assert_eq!(api.world.answer(after).await.status, 200);
    // One that does not reach as far changes nothing, and is told what is in force.
    let shorter = json!({ "scope": "ACTOR", "subject": alice, "issuedBefore": now - 5_000 });
    let made = api.post(&api.root, "/revocation-rules", &shorter).await;
    assert_eq!((made.status, made.json()), (201, expected.clone()));
    let listed = api.get(&api.root, "/revocation-rules?count=1").await.json();
    assert_eq!(listed, json!({ "start": 0, "count": 1, "total": 2, "rules": [expected] }));
    assert_eq!(api.get(&api.root, "/revocation-rules?scope=ALL").await.status, 400);
    assert_eq!(api.get(&api.root, "/revocation-rules?count=1001").await.status, 400);

    // Everything until now, also the token by which it is asked for.
    assert_eq!(api.rule(&api.root, &key).await, 201);
    for text in [after, &api.root] {
        api.world.becomes(text, 401).await;
    }
}
