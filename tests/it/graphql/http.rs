use std::sync::Arc;

use ::http::{HeaderValue, Method, header};
use bytes::Bytes;
use serde_json::json;
use tower::{Layer, ServiceExt};
use tower_pat::{
    access::Access,
    actor::Urn,
    backend::{BoxFuture, StoreError},
    graphql::GraphqlService,
    policy::{Policy, PolicyRecord, PolicySource, PolicyStore},
};

use super::{Api, request};
use crate::support::{Answer, IntoAnswer, config};

const ME: &str = r#"{"query": "{ me { corpUser { urn } } }"}"#;

/// Every refusal is a JSON object with a `message`, which nobody keeps.
fn assert_refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.code(), code);
    assert!(answer.json()["message"].is_string(), "{}", answer.body);
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn only_post_is_answered() {
    let api = Api::new().await;
    for method in
        [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH]
    {
        let mut asked = request(&api.alice, ME);
        *asked.method_mut() = method.clone();
        *asked.uri_mut() = "/api/graphql?query=%7Bme%7BcorpUser%7Burn%7D%7D%7D".parse().unwrap();
        let answer = api.send(asked).await;
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.headers["allow"], "POST", "{method}");
    }
    assert_eq!(api.post(&api.alice, ME).await.status, 200);
}

#[tokio::test]
async fn only_json_is_read() {
    let api = Api::new().await;
    for content_type in [
        Some("application/x-www-form-urlencoded"),
        Some("text/plain"),
        Some("text/plain; charset=application/json"),
        Some("multipart/form-data; boundary=a"),
        Some("application/graphql"),
        None,
    ] {
        let mut asked = request(&api.alice, ME);
        asked.headers_mut().remove(header::CONTENT_TYPE);
        if let Some(content_type) = content_type {
            let content_type = HeaderValue::from_static(content_type);
            asked.headers_mut().insert(header::CONTENT_TYPE, content_type);
        }
        assert_refused(&api.send(asked).await, 415, "unsupported_media_type");
    }
    let mut zipped = request(&api.alice, ME);
    zipped.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    assert_refused(&api.send(zipped).await, 415, "unsupported_media_type");
    let mut with_charset = request(&api.alice, ME);
    let charset = HeaderValue::from_static("application/json; charset=utf-8");
    with_charset.headers_mut().insert(header::CONTENT_TYPE, charset);
    assert_eq!(api.send(with_charset).await.status, 200);
}

#[tokio::test]
async fn a_body_has_a_limit_which_can_be_set() {
    let api = Api::new().await;
    let padded = |length: usize| format!("{ME}{}", " ".repeat(length - ME.len()));
    assert_eq!(api.post(&api.alice, padded(GraphqlService::BODY_LIMIT)).await.status, 200);
    let answer = api.post(&api.alice, padded(GraphqlService::BODY_LIMIT + 1)).await;
    assert_refused(&answer, 413, "payload_too_large");
    let answer = api.post(&api.alice, vec![b' '; 17 * 1024 * 1024]).await;
    assert_refused(&answer, 413, "payload_too_large");
    let api = Api::of(config(), |service| service.body_limit(ME.len())).await;
    assert_eq!(api.post(&api.alice, ME).await.status, 200);
    assert_refused(&api.post(&api.alice, padded(ME.len() + 1)).await, 413, "payload_too_large");
}

#[tokio::test]
async fn what_is_no_query_is_a_bad_request() {
    let api = Api::new().await;
    for body in [
        "",
        " ",
        "{",
        r#"{"query": "{ me { corp"#,
        r#"{"query": "{ me"#,
        "null",
        "\"{ me }\"",
        "{}",
        r#"{"query": null}"#,
        r#"{"query": ""}"#,
        r#"{"query": ["{ me }"]}"#,
        r#"{"query": "{ me { corpUser { urn } } }", "variables": "{}"}"#,
        r#"{"query": "{ me { corpUser { urn } } }", "variables": []}"#,
        r#"{"query": "{ me { corpUser { urn } } }", "operationName": 1}"#,
        // Lists of queries are a way around limits.
        "[]",
        r#"["{ me { corpUser { urn } } }"]"#,
        r#"[{"query": "{ me { corpUser { urn } } }"}]"#,
    ] {
        assert_refused(&api.post(&api.alice, body).await, 400, "bad_request");
    }
    assert_refused(&api.post(&api.alice, &b"{\"query\": \"\xc3\"}"[..]).await, 400, "bad_request");
    let deep = format!("{{\"query\": \"{{a}}\", \"variables\": {{\"a\": {}", "[".repeat(500_000));
    assert_refused(&api.post(&api.alice, deep).await, 400, "bad_request");
}

#[tokio::test]
async fn nobody_is_answered_before_they_are_known() {
    let api = Api::new().await;
    let mut anonymous = request("", ME);
    anonymous.headers_mut().remove(header::AUTHORIZATION);
    assert_eq!(api.send(anonymous).await.status, 401);
    assert_eq!(api.post("a.b.c", ME).await.status, 401);

    // Without any layer, or behind one that lets nobody pass as nobody.
    let service = GraphqlService::new(api.access.clone()).realm("here");
    let alone = service.clone().oneshot(request(&api.alice, ME)).await.unwrap();
    let alone = alone.into_answer().await;
    assert_eq!((alone.status, alone.code().as_str()), (500, "not_authenticated"));
    let optional = api.world.layer().optional().layer(service);
    let mut anonymous = request("", ME);
    anonymous.headers_mut().remove(header::AUTHORIZATION);
    *anonymous.method_mut() = Method::GET;
    let refused = optional.oneshot(anonymous).await.unwrap().into_answer().await;
    assert_refused(&refused, 401, "missing_token");
    assert_eq!(refused.challenge(), Some("Bearer realm=\"here\""));
    assert!(refused.json()["message"].as_str().unwrap().contains("Unauthorized"));
}

#[tokio::test]
async fn the_operation_is_the_one_that_is_named() {
    let api = Api::new().await;
    let two = "query a { me { corpUser { urn } } } query b { me { corpUser { username } } }";
    let ask = |name: serde_json::Value| {
        let body = json!({ "query": two, "operationName": name }).to_string();
        async { api.post(&api.alice, body).await.json() }
    };
    let a = ask(json!("a")).await;
    assert_eq!(a["data"]["me"]["corpUser"], json!({ "urn": "urn:li:corpuser:alice" }));
    let b = ask(json!("b")).await;
    assert_eq!(b["data"]["me"]["corpUser"], json!({ "username": "alice" }));
    for none in [json!("c"), json!(""), json!(null)] {
        let answer = ask(none.clone()).await;
        assert_eq!(answer["data"], json!(null), "{none}");
        assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "{none}");
        let class = &answer["errors"][0]["extensions"];
        assert_eq!(*class, json!({ "classification": "ValidationError" }), "{none}");
    }
    let one = json!({ "query": "query a { me { corpUser { urn } } }", "operationName": "" });
    let answer = api.post(&api.alice, one.to_string()).await.json();
    assert_eq!(answer["data"]["me"]["corpUser"]["urn"], "urn:li:corpuser:alice");
}

#[tokio::test]
async fn what_is_not_valid_has_the_engines_classification_and_no_code() {
    let api = Api::new().await;
    for query in [
        "{ nothing }",
        "{ me { nothing } }",
        "{ me }",
        "{ listAccessTokens { total } }",
        "{ listAccessTokens(input: {start: \"0\"}) { total } }",
        "{ listAccessTokens(input: {unknown: 0}) { total } }",
        "query ($a: Unknown) { me { corpUser { urn } } }",
        "query ($a: Int!) { listAccessTokens(input: {start: $a}) { total } }",
        "mutation { updateUserStatus(urn: \"urn:li:corpuser:bob\", status: SLEEPING) }",
        "mutation { revokeAccessToken }",
        "subscription { me { corpUser { urn } } }",
        "{ ...f }",
        "{ me { ...f } } fragment f on AuthenticatedUser { ...f }",
    ] {
        let json = api.ask(&api.admin, query, json!({})).await;
        assert_eq!(json["data"], json!(null), "{query}");
        for error in json["errors"].as_array().unwrap() {
            let class = json!({ "classification": "ValidationError" });
            assert_eq!(error["extensions"], class, "{query}: {error}");
        }
    }
    let json = api.ask(&api.admin, "{ me {", json!({})).await;
    assert_eq!(
        json["errors"],
        json!([{
            "message": "Invalid syntax at line 1 column 7",
            "locations": [{ "line": 1, "column": 7 }],
            "extensions": { "classification": "InvalidSyntax" }
        }])
    );
}

#[tokio::test]
async fn errors_stand_next_to_what_went_well() {
    let api = Api::new().await;
    // A root that may be null is, and the others are there.
    let query = "{ me { corpUser { urn } } listPolicies(input: {}) { total } }";
    let json = api.ask(&api.alice, query, json!({})).await;
    assert_eq!(json["data"]["me"]["corpUser"]["urn"], "urn:li:corpuser:alice");
    assert_eq!(json["data"]["listPolicies"], json!(null));
    assert_eq!(json["errors"][0]["path"], json!(["listPolicies"]));
    assert_eq!(json["errors"][0]["locations"], json!([{ "line": 1, "column": 27 }]));
    // A root that may not be null takes the others with it.
    let query = "{ me { corpUser { urn } } listAccessTokens(input: {}) { total } }";
    let json = api.ask(&api.alice, query, json!({})).await;
    assert_eq!(json["data"], json!(null));
    assert_eq!(json["errors"][0]["path"], json!(["listAccessTokens"]));
    let extensions =
        json!({ "code": 403, "type": "UNAUTHORIZED", "classification": "DataFetchingException" });
    assert_eq!(json["errors"][0]["extensions"], extensions);
    // By the name it was asked for under.
    let json = api.ask(&api.alice, "{ a: listPolicies(input: {}) { total } }", json!({})).await;
    assert_eq!(json["errors"][0]["path"], json!(["a"]));
}

/// Policies that cannot be had.
#[derive(Debug)]
struct Down;

fn outage<T: Send + 'static>() -> BoxFuture<'static, Result<T, StoreError>> {
    Box::pin(async { Err(StoreError::unavailable("the disk is on fire")) })
}

impl PolicySource for Down {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        outage()
    }
}

impl PolicyStore for Down {
    fn policy<'a>(&'a self, _: &'a Urn) -> BoxFuture<'a, Result<Option<PolicyRecord>, StoreError>> {
        outage()
    }

    fn put_policies<'a>(&'a self, _: &'a [PolicyRecord]) -> BoxFuture<'a, Result<(), StoreError>> {
        outage()
    }

    fn replace_policy<'a>(
        &'a self,
        _: &'a Urn,
        _: &'a Policy,
        _: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        outage()
    }

    fn delete_policy_if<'a>(
        &'a self,
        _: &'a Urn,
        _: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        outage()
    }

    fn delete_policy<'a>(&'a self, _: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        outage()
    }

    fn seed_policies<'a>(
        &'a self,
        _: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<usize, StoreError>> {
        outage()
    }
}

#[tokio::test]
async fn an_outage_is_not_a_refusal() {
    let api = Api::new().await;
    let directory = Arc::new(api.world.store.inner.clone());
    let tokens = api.world.tokens.clone();
    let config = config().build().unwrap();
    let down = Access::from_parts(&config, tokens, directory, Arc::new(Down));
    let service = api.world.layer().layer(GraphqlService::new(down));
    let body = json!({ "query": "{ listPolicies(input: {}) { total } }" }).to_string();
    let answer = service.oneshot(request(&api.admin, body)).await.unwrap().into_answer().await;
    assert_eq!(answer.status, 200);
    let error = answer.json()["errors"][0].clone();
    let extensions = json!({
        "code": 503, "type": "SERVICE_UNAVAILABLE", "classification": "DataFetchingException"
    });
    assert_eq!(error["extensions"], extensions);
    assert!(!error.to_string().contains("disk"), "{error}");
}

#[tokio::test]
async fn bytes_may_come_in_pieces() {
    use http_body_util::StreamBody;

    let api = Api::new().await;
    let service = api.world.layer().layer(GraphqlService::new(api.access.clone()));
    let pieces: Vec<_> = ME
        .as_bytes()
        .chunks(3)
        .map(|piece| {
            Ok::<_, std::convert::Infallible>(http_body::Frame::data(Bytes::copy_from_slice(piece)))
        })
        .collect();
    let asked =
        request(&api.alice, "").map(|_| StreamBody::new(futures_util::stream::iter(pieces)));
    assert_eq!(service.oneshot(asked).await.unwrap().into_answer().await.status, 200);
}
