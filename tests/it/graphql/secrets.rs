//! Nothing of a token's text is repeated, wherever it stands.

use std::{
    io,
    sync::{Arc, Mutex},
};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use super::Api;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn neither_an_error_nor_the_log_has_anything_of_a_token() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(tracing::Level::TRACE)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let api = Api::new().await;
    let token = api.admin.clone();
    let parts: Vec<&str> = token.split('.').collect();
    for secret in parts.iter().copied().chain([token.as_str()]) {
        let in_text = [
            // As a value of every kind of argument.
            format!("{{ getAccessTokenMetadata(token: \"{secret}\") {{ nothing }} }}"),
            format!("{{ getAccessTokenMetadata(token: {secret}) {{ id }} }}"),
            format!("{{ getAccessTokenMetadata(tokens: \"{secret}\") {{ id }} }}"),
            format!("{{ getAccessTokenMetadata(token: [\"{secret}\"]) {{ id }} }}"),
            format!("{{ listAccessTokens(input: {{start: \"{secret}\"}}) {{ total }} }}"),
            format!("{{ corpUser(urn: \"{secret}\") {{ urn }} }}"),
            format!("{{ corpUser(urn: \"urn:{secret}:a:b\") {{ urn }} }}"),
            format!("mutation {{ revokeAccessToken(tokenId: \"{secret}\") }}"),
            format!("mutation {{ updateUserStatus(urn: \"{secret}\", status: {secret}) }}"),
            format!(
                "mutation {{ updateUserStatus(urn: \"urn:li:corpuser:{secret}\", status: ACTIVE) }}"
            ),
            format!("{{ debugAccess(userUrn: \"urn:li:corpuser:{secret}\") {{ roles }} }}"),
            // As a name, as far as it is one, and where nothing may stand.
            format!("{{ {secret} }}"),
            format!("{{ me {{ {secret} }} }}"),
            format!("{{ ...{secret} }}"),
            format!("query ({secret}: Int) {{ me {{ corpUser {{ urn }} }} }}"),
            format!("query (${secret}: {secret}) {{ me {{ corpUser {{ urn }} }} }}"),
            format!("{{ me @{secret} {{ corpUser {{ urn }} }} }}"),
            format!("{{ getAccessTokenMetadata(token: \"{secret}"),
            format!("{secret} {{ me"),
            format!("{{ me \"{secret}\" }}"),
        ];
        for query in in_text {
            let body = json!({ "query": query }).to_string();
            let answer = api.post(&api.admin, body).await;
            assert_hidden(&answer.body, &parts, &query);
        }
        let field = |name: &str| json!({ "input": { "filters": [{ "field": name }] } });
        for (query, variables) in [
            (super::LIST, json!({ "input": { "start": secret } })),
            (super::LIST, json!({ "input": secret })),
            (super::LIST, json!({ "input": { secret: 1 } })),
            (super::LIST, json!({ "input": { "filters": secret } })),
            (super::LIST, field(secret)),
            (
                super::LIST,
                json!({ "input": { "sort": { "field": secret, "sortOrder": "ASCENDING" } } }),
            ),
            (
                super::LIST,
                json!({ "input": { "filters": [{ "field": "ownerUrn", "values": [secret] }] } }),
            ),
            (
                super::LIST,
                json!({ "input": { "filters": [{ "field": "name", "condition": secret }] } }),
            ),
            (
                super::CREATE,
                json!({ "input": { "type": secret, "actorUrn": secret, "name": secret } }),
            ),
            (
                super::CREATE,
                json!({ "input": { "type": "PERSONAL", "actorUrn": "urn:li:corpuser:datahub",
                "name": "x", "durationIso": secret } }),
            ),
            (
                "query ($token: String!) { getAccessTokenMetadata(token: $token) { nothing } }",
                json!({ "token": secret }),
            ),
            (
                "query ($token: Int!) { getAccessTokenMetadata(token: $token) { id } }",
                json!({ "token": secret }),
            ),
        ] {
            let body = json!({ "query": query, "variables": variables }).to_string();
            let answer = api.post(&api.admin, body).await;
            assert_hidden(&answer.body, &parts, query);
        }
        for body in [
            format!("{{\"query\": \"{{ me }}\", \"operationName\": \"{secret}\"}}"),
            format!("{{\"query\": \"{{ me }}\", \"variables\": \"{secret}\"}}"),
            format!("{{\"{secret}\": 1}}"),
            secret.to_owned(),
            format!("{{\"query\": {secret}}}"),
        ] {
            assert_hidden(&api.post(&api.admin, body.clone()).await.body, &parts, &body);
        }
    }
    // The one place where a token is shown.
    api.create(&api.alice, super::personal("alice", "x")).await;
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_hidden(&log, &parts, "the log");
}

/// Not even sixteen characters of it, wherever in it they stand.
fn assert_hidden(text: &str, parts: &[&str], asked: &str) {
    for part in parts {
        for window in part.as_bytes().windows(16) {
            let window = std::str::from_utf8(window).unwrap();
            assert!(!text.contains(window), "{window}: {asked}: {text}");
        }
    }
}
