//! Whatever is sent, the answer is a JSON object, and nobody falls over.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::Api;

/// Pieces of which queries are made, so that many of them are nearly right.
fn query() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("{ "),
        Just("} "),
        Just("( "),
        Just(") "),
        Just("[ "),
        Just("["),
        Just("query ($v"),
        Just(": [Nope] "),
        Just(": [Int] "),
        Just("= 1"),
        Just("] "),
        Just("... "),
        Just("query "),
        Just("mutation "),
        Just("fragment f on Query "),
        Just("...f "),
        Just("me "),
        Just("corpUser "),
        Just("urn "),
        Just("a: "),
        Just("listAccessTokens "),
        Just("(input: {}) "),
        Just("(input: $v) "),
        Just("($v: ListAccessTokenInput!) "),
        Just("{ total } "),
        Just("@skip(if: true) "),
        Just("\"\"\""),
        Just("\""),
        Just("\\"),
        Just("# "),
        Just("\n"),
        Just("1e99 "),
        Just("$v "),
        Just("__schema "),
        Just("__typename "),
        Just("{ me { corpUser { urn } } }"),
        Just("\u{feff}"),
        Just("\u{202e}"),
        Just("é"),
    ];
    prop_oneof![
        proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat()),
        ".{0,60}",
    ]
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("urn:li:corpuser:alice")),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof![
            Just("input"),
            Just("v"),
            Just("start"),
            Just("count"),
            Just("filters"),
            Just("field"),
            Just("values"),
            Just("condition"),
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

fn check(body: impl Strategy<Value = Vec<u8>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let api = runtime.block_on(Api::new());
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&body, |body| {
            let answer = runtime.block_on(api.post(&api.alice, body));
            prop_assert!([200, 400].contains(&answer.status), "{}", answer.status);
            let json: Value = serde_json::from_str(&answer.body).unwrap();
            prop_assert!(json.is_object(), "{}", json);
            if answer.status == 200 {
                prop_assert!(json.get("data").is_some() && json["extensions"].is_object());
                let errors = json["errors"].as_array().map_or(&[][..], Vec::as_slice);
                for error in errors {
                    prop_assert!(error["message"].is_string());
                    prop_assert!(error["extensions"]["classification"].is_string());
                }
            } else {
                prop_assert!(json["message"].is_string());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_query_is_answered() {
    check((query(), json()).prop_map(|(query, variables)| {
        json!({ "query": query, "variables": { "v": variables } }).to_string().into_bytes()
    }));
}

#[test]
fn any_variables_are_answered() {
    const QUERIES: &[&str] = &[
        super::LIST,
        super::CREATE,
        "query ($v: Int, $input: String) { listUsers(input: {start: $v}) { total } }",
        "mutation ($input: PolicyUpdateInput!) { createPolicy(input: $input) }",
        "query ($input: GetGrantedPrivilegesInput!) { getGrantedPrivileges(input: $input) { privileges } }",
    ];
    check((proptest::sample::select(QUERIES), json()).prop_map(|(query, variables)| {
        json!({ "query": query, "variables": variables }).to_string().into_bytes()
    }));
}

#[test]
fn any_body_is_answered() {
    check(prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..100),
        json().prop_map(|json| json.to_string().into_bytes()),
        (json().prop_map(|json| json!({ "query": json }).to_string()), 0_usize..50).prop_map(
            |(text, cut)| {
                let mut bytes = text.into_bytes();
                bytes.truncate(bytes.len().saturating_sub(cut));
                bytes
            }
        ),
    ]);
}
