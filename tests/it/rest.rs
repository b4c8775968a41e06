//! Tokens over REST: what each request does and answers, through the real layer.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use http::{Method, Request, header};
use proptest::{prelude::*, test_runner::TestRunner};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_pat::{
    Privilege,
    access::Access,
    actor::DirectoryStore,
    clock::Timestamp,
    config::ConfigBuilder,
    policy::{PolicyStore, default_policies},
    rest::{OPENAPI, RestService},
    token::{LastUse, TokenId, TokenType},
    token_service::TokenUses,
};

#[cfg(feature = "sqlite")]
use tower_pat::store::SqliteStore;

use crate::{
    authenticate::stateless,
    support::{Answer, IntoAnswer, World, config, user},
};

mod keys;

/// A world with DataHub's default policies, in which `datahub` is root and everybody may make tokens.
struct Api {
    world: World,
    service: RestService,
    alice: String,
    root: String,
}

impl Api {
    async fn new() -> Self {
        Self::with(config()).await
    }

    async fn with(config: ConfigBuilder) -> Self {
        let world = World::with(config).await;
        let store = &world.store.inner;
        store.create_user(&user("datahub")).await.unwrap();
        store.create_user(&user("bob")).await.unwrap();
        store.seed_policies(&default_policies()).await.unwrap();
        let access = Access::new(&world.config, Arc::new(store.clone())).clock(world.clock.clone());
        let service = RestService::new(access).public_path("/api/");
        let alice = world.mint_for("alice").await.token.expose().to_owned();
        let root = world.mint_for("datahub").await.token.expose().to_owned();
        world.gains(&alice, Privilege::GENERATE_PERSONAL_ACCESS_TOKENS).await;
        world.gains(&root, Privilege::MANAGE_ACCESS_TOKENS).await;
        Self { world, service, alice, root }
    }

    async fn send(&self, token: &str, request: http::request::Builder, body: &str) -> Answer {
        let request = request
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .body(body.to_owned())
            .unwrap();
        self.send_as_it_is(request).await
    }

    async fn send_as_it_is(&self, request: Request<String>) -> Answer {
        let service = self.world.layer().layer(self.service.clone());
        service.oneshot(request).await.unwrap().into_answer().await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(token, Request::get(path), "").await
    }

    async fn delete(&self, token: &str, path: &str) -> Answer {
        self.send(token, Request::delete(path), "").await
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.send(token, request, &body.to_string()).await
    }

    async fn form(&self, token: &str, path: &str, form: &str) -> Answer {
        let request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(token, request, form).await
    }

    /// A token that `maker` makes: its text and its path.
    async fn create(&self, maker: &str, body: &Value) -> (String, String) {
        let answer = self.post(maker, "/tokens", body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        let text = answer.json()["accessToken"].as_str().unwrap().to_owned();
        let location = answer.headers[header::LOCATION].to_str().unwrap();
        (text, location.strip_prefix("/api").unwrap().to_owned())
    }

    async fn names(&self, token: &str, query: &str) -> BTreeSet<String> {
        let answer = self.get(token, &format!("/tokens?count=100&{query}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let tokens = answer.json()["tokens"].as_array().unwrap().clone();
        tokens.iter().map(|token| token["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn new(name: &str) -> Value {
    json!({ "name": name, "duration": "ONE_HOUR" })
}

#[tokio::test]
async fn a_tokens_whole_life() {
    let api = Api::new().await;
    let body = json!({ "name": "ci", "description": "nightly", "durationIso": "PT1H" });
    let created = api.post(&api.alice, "/tokens", &body).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.headers[header::CACHE_CONTROL], "no-store");
    let text = created.json()["accessToken"].as_str().unwrap().to_owned();
    let path = created.headers[header::LOCATION].to_str().unwrap().strip_prefix("/api").unwrap();

    let token = api.get(&api.alice, path).await;
    assert_eq!(token.status, 200);
    assert_eq!(token.json(), created.json()["token"]);
    assert_eq!(token.json()["name"], "ci");
    assert_eq!(token.json()["description"], "nightly");
    assert_eq!(token.json()["type"], "PERSONAL");
    assert_eq!(token.json()["actorUrn"], "urn:li:corpuser:alice");
    assert_eq!(token.json()["ownerUrn"], "urn:li:corpuser:alice");
    assert_eq!(token.json()["createdVia"], "rest");
    assert_eq!(token.json()["status"], "ACTIVE");
    assert_eq!(token.json()["createdAt"], 1_750_000_000_000_i64);
    assert_eq!(token.json()["expiresAt"], 1_750_003_600_000_i64);

    let itself = api.get(&text, "/tokens/self").await;
    assert_eq!(itself.json(), token.json());
    let gone = api.delete(&text, "/tokens/self").await;
    assert_eq!((gone.status, gone.body.as_str()), (204, ""));
    api.world.becomes(&text, 401).await;
    let gone = api.get(&api.root, path).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "not_found"));
    let again = api.delete(&api.root, path).await;
    assert_eq!((again.status, again.code().as_str()), (404, "not_found"));
}

#[tokio::test]
async fn a_token_made_with_a_token_ends_with_it() {
    let api = Api::new().await;
    let body = json!({ "name": "long", "duration": "ONE_YEAR" });
    let (text, path) = api.create(&api.alice, &body).await;
    let token = api.get(&text, &path).await.json();
    assert_eq!(token["expiresAt"], 1_750_003_600_000_i64, "as long as the one it was made with");
    assert_eq!(api.delete(&api.alice, "/tokens/self").await.status, 204);
    api.world.becomes(&text, 401).await;
}

#[tokio::test]
async fn whoever_made_it_and_whom_it_acts_as_see_and_revoke_it() {
    let api = Api::new().await;
    let for_bob = json!({
        "name": "bobs", "actorUrn": "urn:li:corpuser:bob", "duration": "ONE_HOUR"
    });
    assert_eq!(api.post(&api.alice, "/tokens", &for_bob).await.status, 403);
    let (text, path) = api.create(&api.root, &for_bob).await;
    assert_eq!(api.get(&text, &path).await.json()["ownerUrn"], "urn:li:corpuser:datahub");

    // To others it is as if there were none.
    let unknown = format!("/tokens/{}", "A".repeat(43) + "%3D");
    for send in [Method::GET, Method::DELETE] {
        let foreign = api.send(&api.alice, Request::builder().method(&send).uri(&path), "").await;
        let missing =
            api.send(&api.alice, Request::builder().method(&send).uri(&unknown), "").await;
        assert_eq!((foreign.status, missing.status), (403, 403));
        assert_eq!(foreign.body, missing.body);
        assert_eq!(foreign.headers, missing.headers);
    }
    let bob = api.world.mint_for("bob").await;
    assert_eq!(api.delete(bob.token.expose(), &path).await.status, 204);
    api.world.becomes(&text, 401).await;
}

#[tokio::test]
async fn lists_hold_ones_own_unless_others_are_asked_for() {
    let api = Api::new().await;
    api.create(&api.alice, &new("a one")).await;
    api.create(&api.alice, &new("a two")).await;
    let for_alice = json!({
        "name": "from root", "actorUrn": "urn:li:corpuser:alice", "duration": "ONE_HOUR"
    });
    api.create(&api.root, &for_alice).await;

    let all = set(&["laptop", "a one", "a two", "from root"]);
    assert_eq!(api.names(&api.alice, "").await, all);
    assert_eq!(api.names(&api.alice, "actor=urn:li:corpuser:alice").await, all);
    let own = set(&["laptop", "a one", "a two"]);
    assert_eq!(api.names(&api.alice, "owner=urn%3Ali%3Acorpuser%3Aalice").await, own);
    assert_eq!(api.names(&api.alice, "name=A+").await, set(&["a one", "a two"]));
    assert_eq!(api.names(&api.root, "").await, set(&["laptop", "from root"]));
    assert_eq!(api.names(&api.root, "all=true").await, all);
    assert_eq!(api.names(&api.root, "owner=urn:li:corpuser:alice").await, own);

    for refused in ["all=true", "owner=urn:li:corpuser:bob", "actor=urn:li:corpuser:bob"] {
        let answer = api.get(&api.alice, &format!("/tokens?{refused}")).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (403, "privilege_missing"),
            "{refused}"
        );
    }

    let page = api.get(&api.alice, "/tokens?sort=name&order=asc&start=1&count=2").await.json();
    assert_eq!(page["total"], 4);
    assert_eq!((&page["start"], &page["count"]), (&json!(1), &json!(2)));
    let names: Vec<_> = page["tokens"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
    assert_eq!(names, ["a two", "from root"]);
}

/// An id as a segment of a path.
fn path_of(id: &TokenId) -> String {
    form_urlencoded::byte_serialize(id.to_string().as_bytes()).collect()
}

#[tokio::test]
async fn a_token_is_shown_with_its_last_use_and_sorted_by_it() {
    let api = Api::new().await;
    let used = api.world.mint_for("alice").await;
    let never = api.world.mint_for("alice").await;
    let at = Timestamp::from_seconds(1_750_000_007);
    let address = Some("192.0.2.7".to_owned());
    let last_use = LastUse { at, address, agent: Some("curl/8".to_owned()) };
    api.world.store.inner.record_uses(&[(used.record.id, last_use)]).await.unwrap();

    let shown = api.get(&api.root, &format!("/tokens/{}", path_of(&used.record.id))).await.json();
    let [when, address, agent] =
        ["lastUsedAt", "lastUsedAddress", "lastUsedAgent"].map(|name| shown[name].clone());
    assert_eq!(
        (when, address, agent),
        (json!(1_750_000_007_000_i64), json!("192.0.2.7"), json!("curl/8"))
    );
    let shown = api.get(&api.root, &format!("/tokens/{}", path_of(&never.record.id))).await.json();
    assert_eq!(shown["lastUsedAt"], json!(null));

    let page = api.get(&api.alice, "/tokens?sort=lastUsedAt&count=1").await.json();
    assert_eq!(page["tokens"][0]["id"], used.record.id.to_string());
    let page = api.get(&api.alice, "/tokens?sort=lastUsedAt&order=asc&start=2").await.json();
    assert_eq!(page["tokens"][0]["id"], used.record.id.to_string());
}

#[tokio::test]
async fn what_is_over_can_be_told_from_what_is_good() {
    let api = Api::new().await;
    api.world.clock.advance(Duration::from_secs(1_800));
    let later = api.world.mint_for("alice").await;
    api.world.clock.advance(Duration::from_secs(1_800));
    let later = later.token.expose();
    // To the millisecond: the first one ends now.
    let answer = api.get(later, "/tokens?status=EXPIRED").await.json();
    assert_eq!((&answer["total"], &answer["tokens"][0]["status"]), (&json!(1), &json!("EXPIRED")));
    let answer = api.get(later, "/tokens?status=ACTIVE").await.json();
    assert_eq!((&answer["total"], &answer["tokens"][0]["status"]), (&json!(1), &json!("ACTIVE")));
}

#[tokio::test]
async fn what_is_not_understood_lists_nothing() {
    let api = Api::new().await;
    for query in [
        "start=-1",
        "count=1e3",
        "count=+5",
        "count=",
        "start=4294967296",
        "owner=alice",
        "actor=",
        "all=yes",
        "all=true&owner=urn:li:corpuser:alice",
        "status=active",
        "sort=id",
        "order=up",
        "owners=x",
        "start=1&start=1",
        "count=1001",
        "start=4294967295",
        "status=ACTIVE%20OR%201=1",
    ] {
        let answer = api.get(&api.root, &format!("/tokens?{query}")).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "bad_request"), "{query}");
        assert!(!answer.json()["message"].as_str().unwrap().is_empty());
    }
    // A text is a text.
    assert_eq!(api.names(&api.root, "name='%20OR%201=1--%25_").await, set(&[]));
}

#[tokio::test]
async fn what_is_not_understood_makes_nothing() {
    let api = Api::new().await;
    let body = |more: Value| {
        let mut body = json!({ "name": "x", "duration": "ONE_HOUR" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for bad in [
        json!({}),
        json!([]),
        json!("x"),
        json!({ "name": "x" }),
        json!({ "name": "x", "durationIso": "P1M1" }),
        body(json!({ "durationIso": "PT1H" })),
        body(json!({ "duration": "ONE_MINUTE" })),
        body(json!({ "duration": "NO_EXPIRY" })),
        body(json!({ "durationIso": "PT2H" })),
        body(json!({ "name": "" })),
        body(json!({ "name": " \t" })),
        body(json!({ "name": "é".repeat(51) })),
        body(json!({ "name": 7 })),
        body(json!({ "description": "d".repeat(501) })),
        body(json!({ "type": "SESSION" })),
        body(json!({ "type": "SERVICE_ACCOUNT" })),
        body(json!({ "actorUrn": "bob" })),
        body(json!({ "actorUrn": "urn:li:corpGroup:all" })),
        body(json!({ "actorUrn": "urn:li:corpuser:anonymous" })),
        body(json!({ "actorUrn": "urn:li:corpuser:__datahub_system" })),
        body(json!({ "actorUrn": "urn:li:corpuser:" })),
        body(json!({ "actor": "urn:li:corpuser:bob" })),
    ] {
        let answer = api.post(&api.root, "/tokens", &bad).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.body);
        assert!(!answer.json()["message"].as_str().unwrap().is_empty(), "{bad}");
    }
    let json = || Request::post("/tokens").header(header::CONTENT_TYPE, "application/json");
    for truncated in ["", "{", "{\"name\":\"x\",", "{\"name\":\"x\",\"duration\":\"ONE_HOUR\"}}"] {
        assert_eq!(api.send(&api.root, json(), truncated).await.status, 400, "{truncated}");
    }
    let long = " ".repeat(64 * 1024 + 1);
    let answer = api.send(&api.root, json(), &long).await;
    assert_eq!((answer.status, answer.code().as_str()), (413, "payload_too_large"));
    let good = new("x").to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request = Request::post("/tokens").header(header::CONTENT_TYPE, kind);
        let answer = api.send(&api.root, request, &good).await;
        assert_eq!((answer.status, answer.code().as_str()), (415, "unsupported_media_type"));
    }
    assert_eq!(api.names(&api.root, "all=true").await, set(&["laptop"]), "nothing was made");
}

#[tokio::test]
async fn names_are_kept_as_they_are_given() {
    let api = Api::new().await;
    let name = "<script>\u{202e}\u{0}\n\"'; DROP TABLE tokens; --";
    let (_, path) = api.create(&api.alice, &new(name)).await;
    assert_eq!(api.get(&api.alice, &path).await.json()["name"], name);
}

#[tokio::test]
async fn other_services_learn_whether_a_token_is_good() {
    let api = Api::new().await;
    let (text, path) = api.create(&api.alice, &new("theirs")).await;
    let form = format!("token={text}&token_type_hint=access_token");
    let id = api.get(&api.alice, &path).await.json()["id"].clone();
    for asker in [&api.alice, &api.root, &text] {
        let answer = api.form(asker, "/introspect", &form).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(
            answer.json(),
            json!({
                "active": true, "token_type": "Bearer", "sub": "urn:li:corpuser:alice",
                "username": "alice", "exp": 1_750_003_600, "iat": 1_750_000_000, "jti": id,
                "actorUrn": "urn:li:corpuser:alice", "ownerUrn": "urn:li:corpuser:alice",
                "name": "theirs", "type": "PERSONAL",
            })
        );
    }
    let inactive = json!({ "active": false });
    for bad in ["nonsense", "a.b.c", &text[..text.len() - 1]] {
        let answer = api.form(&api.root, "/introspect", &format!("token={bad}")).await;
        assert_eq!((answer.status, answer.json()), (200, inactive.clone()), "{bad}");
    }
    api.world.store.inner.set_suspended(&user("alice"), true).await.unwrap();
    assert_eq!(api.form(&api.root, "/introspect", &form).await.json(), inactive);
    api.world.store.inner.set_suspended(&user("alice"), false).await.unwrap();
    assert_eq!(api.form(&api.root, "/revoke", &form).await.status, 200);
    assert_eq!(api.form(&api.root, "/introspect", &form).await.json(), inactive);
}

#[tokio::test]
async fn who_may_not_look_at_tokens_is_told_nothing_of_others() {
    let api = Api::new().await;
    // Without the default policies, by which everybody may look at everything.
    for record in default_policies() {
        api.world.store.inner.delete_policy(&record.urn).await.unwrap();
    }
    let bob = api.world.mint_for("bob").await;
    let bob = bob.token.expose();
    let poll = async {
        while api.get(&api.root, "/tokens?all=true").await.status != 403 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), poll).await.expect("within the bound");
    let form = format!("token={}", api.alice);
    let answer = api.form(bob, "/introspect", &form).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "active": false })));
}

#[tokio::test]
async fn whoever_finds_a_token_can_end_it() {
    let api = Api::new().await;
    let bob = api.world.mint_for("bob").await;
    let form = format!("token={}", api.alice);
    let answer = api.form(bob.token.expose(), "/revoke", &form).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    api.world.becomes(&api.alice, 401).await;
    // Also if nobody can use it at the moment.
    let carol = api.world.store.inner.create_user(&user("carol")).await.unwrap();
    assert!(carol);
    let carols = api.world.mint_for("carol").await;
    api.world.store.inner.set_suspended(&user("carol"), true).await.unwrap();
    let form = format!("token={}", carols.token.expose());
    assert_eq!(api.form(bob.token.expose(), "/revoke", &form).await.status, 200);
    api.world.store.inner.set_suspended(&user("carol"), false).await.unwrap();
    api.world.becomes(carols.token.expose(), 401).await;
}

#[tokio::test]
async fn what_cannot_be_revoked_is_not_said_to_be() {
    let api = Api::with(config().accept_stateless(true)).await;
    let form = format!("token={}", stateless(TokenType::Personal));
    let answer = api.form(&api.alice, "/revoke", &form).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.json()["error"], "unsupported_token_type");
}

#[tokio::test]
async fn what_is_sent_is_not_repeated() {
    let api = Api::new().await;
    for field in ["duration", "durationIso", "type", "actorUrn", "unknown"] {
        let mut body = new("x");
        body[field] = json!(api.alice);
        let answer = api.post(&api.alice, "/tokens", &body).await;
        assert_eq!(answer.status, 400, "{field}");
        let signature = api.alice.rsplit('.').next().unwrap();
        for window in signature.as_bytes().windows(16) {
            assert!(!answer.body.contains(str::from_utf8(window).unwrap()), "{field}");
        }
    }
}

#[tokio::test]
async fn revoking_by_text_is_answered_the_same_whatever_it_was() {
    let api = Api::new().await;
    let (text, _) = api.create(&api.alice, &new("x")).await;
    let form = format!("token={text}");
    for text in ["token=nonsense", form.as_str(), form.as_str()] {
        let answer = api.form(&api.alice, "/revoke", text).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    }
    api.world.becomes(&text, 401).await;
    for bad in ["", "token=", "tok=x", "token=a&token=b"] {
        let answer = api.form(&api.alice, "/revoke", bad).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some("invalid_request"))
        );
    }
    let json = api.post(&api.alice, "/revoke", &json!({ "token": "x" })).await;
    assert_eq!((json.status, json.json()["error"].as_str()), (415, Some("invalid_request")));
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn an_outage_is_not_a_no() {
    let api = Api::new().await;
    let text = format!("token={}", api.alice);
    // The layer in front and the API have a store each, so that only the latter's is down.
    let folder = tempfile::tempdir().unwrap();
    let down = SqliteStore::open(folder.path().join("down.db")).await.unwrap();
    down.close().await;
    let access =
        Access::new(&config().build().unwrap(), Arc::new(down)).clock(api.world.clock.clone());
    let api = Api { service: RestService::new(access), ..api };
    for path in ["/introspect", "/revoke"] {
        let answer = api.form(&api.root, path, &text).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
    }
    assert_eq!(api.get(&api.root, "/tokens?all=true").await.code(), "unavailable");
    assert_eq!(api.post(&api.root, "/tokens", &new("x")).await.code(), "unavailable");
    assert_eq!(api.delete(&api.root, "/tokens/self").await.code(), "unavailable");
}

#[tokio::test]
async fn nothing_is_open() {
    let api = Api::new().await;
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = document["paths"].as_object().unwrap().keys().map(String::as_str);
    for path in paths.filter(|path| !path.contains('{')).chain(["/tokens/x", "/", "/x"]) {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT] {
            let request = Request::builder().method(method).uri(path).body(String::new()).unwrap();
            let answer = api.send_as_it_is(request).await;
            assert_eq!((answer.status, answer.code().as_str()), (401, "missing_token"), "{path}");
        }
    }
    // Without the layer in front it is a fault of the service, and still nothing is open.
    let request = Request::get("/tokens").body(String::new()).unwrap();
    let answer = api.service.clone().oneshot(request).await.unwrap().into_answer().await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "not_authenticated"));
    // Not even which paths there are.
    for path in ["/tokens", "/tokens/self", "/revoke", "/nothing"] {
        let request = Request::put(path).body(String::new()).unwrap();
        let answer = api.service.clone().oneshot(request).await.unwrap().into_answer().await;
        assert_eq!((answer.status, answer.headers.get(header::ALLOW)), (500, None), "{path}");
    }
}

/// Every operation of the document is answered, with a status that the document names; every other
/// method is not allowed.
#[tokio::test]
async fn the_document_says_what_is_there() {
    let api = Api::new().await;
    let served = api.get(&api.alice, "/openapi.json").await;
    assert_eq!(served.headers[header::CONTENT_TYPE], "application/json");
    let document: Value = serde_json::from_str(OPENAPI).unwrap();
    let mut expected = document.clone();
    expected["servers"] = json!([{ "url": "/api" }]);
    assert_eq!(served.json(), expected);
    assert_eq!(document["openapi"], "3.1.0");
    for parameter in document["paths"]["/tokens"]["get"]["parameters"].as_array().unwrap() {
        let name = parameter["name"].as_str().unwrap();
        // Two of one name are refused only if the name is known.
        let answer = api.get(&api.alice, &format!("/tokens?{name}=1&{name}=1")).await;
        assert!(answer.json()["detail"].as_str().unwrap().contains("twice"), "{}", answer.body);
        if let Some(most) = parameter["schema"]["maximum"].as_u64() {
            let beyond = api.get(&api.alice, &format!("/tokens?{name}={}", most + 1)).await;
            assert_eq!(beyond.status, 400, "{name}");
            let answer = api.get(&api.alice, &format!("/tokens?{name}={most}")).await;
            assert_eq!(answer.status, 200, "{name}");
        }
    }

    let mut operations = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "delete", "put", "patch"] {
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(path.replace("{id}", &("A".repeat(43) + "%3D")));
            // No body and no content type: what takes a body says so. A new token for each, since
            // one of the requests revokes it.
            let token = api.world.mint_for("datahub").await;
            let answer = api.send(token.token.expose(), request, "").await;
            match item.get(method) {
                Some(operation) => {
                    let status = answer.status.to_string();
                    assert!(
                        operation["responses"].get(&status).is_some(),
                        "{method} {path}: {status} is not in the document"
                    );
                    assert_ne!(answer.status, 405, "{method} {path}");
                    assert!(operations.insert(operation["operationId"].to_string()));
                    if operation.get("requestBody").is_some() {
                        assert_eq!(answer.status, 415, "{method} {path}");
                    }
                }
                None => {
                    assert_eq!(answer.status, 405, "{method} {path}");
                    let allowed = answer.headers[header::ALLOW].to_str().unwrap();
                    for (other, _) in item.as_object().unwrap() {
                        assert!(allowed.contains(&other.to_uppercase()), "{allowed}");
                    }
                }
            }
        }
    }
    assert_eq!(operations.len(), 15);
}

/// Whatever is sent is answered with JSON, or with nothing.
#[test]
fn nothing_breaks_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = runtime.block_on(Api::new());
    let requests = (
        prop::sample::select(vec!["GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS"]),
        "(/tokens|/tokens/self|/introspect|/revoke|/keys|/revocation-rules|/keys/[a-f0-9/%]{0,20}/(add|promote|retire)|/tokens/[A-Za-z0-9%+=]{0,60}|/[a-z/%]{0,20})",
        "([a-z]{0,8}=?[ -~&&[^#\" <>]]{0,12}&?){0,4}",
        prop::sample::select(vec!["application/json", "application/x-www-form-urlencoded", "x"]),
        "(token=[ -~]{0,30}|\\{\"name\":[ -~]{0,30}|[ -~]{0,40})",
    );
    let answered = |(method, path, query, kind, body): (&str, String, String, &str, String)| {
        let Ok(uri) = format!("{path}?{query}").parse::<http::Uri>() else { return Ok(()) };
        let answer = runtime.block_on(async {
            let request =
                Request::builder().method(method).uri(uri).header(header::CONTENT_TYPE, kind);
            // A new token each time: one of the requests revokes it.
            let token = api.world.mint_for("datahub").await;
            api.send(token.token.expose(), request, &body).await
        });
        prop_assert!(answer.status < 500, "{}", answer.body);
        prop_assert!(answer.body.is_empty() || answer.json().is_object());
        Ok(())
    };
    TestRunner::default().run(&requests, answered).unwrap();
}
