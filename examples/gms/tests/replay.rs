//! What DataHub's client was recorded to send, in the order sent, and what it needs to be told.

use std::{collections::BTreeSet, fs};

use super::*;

/// Requests that are not answered as they would be by a DataHub, and why.
const NOT_HERE: [(&str, &str); 9] = [
    ("05-ingest-openapi/04.03", "writes are not traced: nobody is told of a trace to ask for"),
    ("08-sdk/07.01", "the older search"),
    ("08-sdk/07.02", "the older list of urns"),
    ("08-sdk/07.03", "counts of aspects"),
    ("08-sdk/08.04", "making tags by GraphQL"),
    ("09-admin/08.02", "sources of ingestions by GraphQL"),
    ("09-admin/09.02", "sources of ingestions by GraphQL"),
    ("09-admin/10.02", "changes over time"),
    ("09-admin/11.02", "there is no index to restore"),
];

#[tokio::test]
async fn recorded_requests_are_answered_as_the_client_needs() -> TestResult {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/gms/requests.jsonl");
    let mut not_here = BTreeSet::new();
    let mut gms = None;
    let mut file = String::new();
    for line in fs::read_to_string(path)?.lines() {
        let recorded: Value = serde_json::from_str(line)?;
        let text = |name: &str| recorded[name].as_str().unwrap_or_default();
        let id = text("id");
        let (of, _) = id.split_once('/').ok_or("an id has a file")?;
        if file != of {
            // Each file begins with nothing but two users.
            file = of.to_owned();
            gms = Some(recorded_store().await?);
        }
        let gms = gms.as_ref().ok_or("there is a file")?;
        let body = match text("body") {
            "" => Value::Null,
            body => serde_json::from_str(body)?,
        };
        let method: Method = text("method").parse()?;
        let answer = gms.send(text("who"), method, text("target"), &body).await?;
        if NOT_HERE.iter().any(|(not_here, _)| *not_here == id) {
            let is_refused = answer.status == 404
                || answer.body["errors"].as_array().is_some_and(|errors| !errors.is_empty());
            assert!(is_refused, "{id}: {answer:?}");
            not_here.insert(id.to_owned());
            continue;
        }
        assert_eq!(answer.status.as_u16(), recorded["status"], "{id}: {answer:?}");
        check(id, text("target"), &recorded["answer"], &answer.body);
    }
    assert_eq!(not_here.len(), NOT_HERE.len(), "{not_here:?}");
    Ok(())
}

async fn recorded_store() -> Result<Gms, Box<dyn Error>> {
    let mut gms = Gms::new().await?;
    for name in ["datahub", "alice"] {
        let info = json!({ "active": true, "displayName": name, "customProperties": {} });
        let urn = user(name).to_string();
        gms.propose("datahub", proposal(&urn, "corpUserInfo", info)).await?.is(200)?;
    }
    gms.act("datahub", "entities?action=delete", &json!({ "urn": ORDERS })).await?.is(200)?;
    // Both are over for the client, which is told the same.
    for name in ["revoked", "expired"] {
        let lifetime = AccessTokenDuration::OneHour.lifetime();
        let request = MintRequest::new(TokenType::Personal, user("datahub"), lifetime);
        let minted = gms.service.tokens.mint(request).await?;
        let id = gms.service.tokens.id_of(minted.token.expose());
        gms.service.tokens.revoke(&id, &user("datahub")).await?;
        gms.tokens.push((name, minted.token.expose().to_owned()));
    }
    Ok(gms)
}

/// The members that the client reads.
fn check(id: &str, target: &str, recorded: &Value, answer: &Value) {
    let target = target.trim_start_matches('/');
    if answer.get("status").is_some_and(Value::is_u64) {
        assert!(answer["message"].is_string() && answer["exceptionClass"].is_string(), "{id}");
    } else if target == "config" {
        assert_eq!(answer["noCode"], "true", "{id}");
    } else if target.starts_with("aspects/urn") {
        assert_eq!(answer["version"], 0, "{id}");
        assert_eq!(&answer["aspect"], recorded, "{id}");
    } else if target.starts_with("entitiesV2") {
        for (name, value) in recorded.as_object().into_iter().flatten() {
            let aspect = &answer["aspects"][name];
            // What a user's entry in the recorded store held besides is not in this one.
            if name != "corpUserInfo" {
                assert_eq!(&aspect["value"], value, "{id} {name}");
            }
            let is_whole = ["name", "type", "version"].iter().all(|it| !aspect[*it].is_null());
            assert!(is_whole, "{id} {name}: {aspect}");
        }
    } else if target.contains("getTimeseriesAspectValues") {
        let values = answer["value"]["values"].as_array().cloned().unwrap_or_default();
        let values: Vec<Value> = values
            .iter()
            .filter_map(|value| serde_json::from_str(value["aspect"]["value"].as_str()?).ok())
            .collect();
        assert_eq!(&json!(values), recorded, "{id}");
    } else if target.contains("batchGet") {
        let values = |of: &Value| -> Vec<Value> {
            let entities = of.as_array().into_iter().flatten();
            entities.map(|it| json!([it["urn"], it["status"]["value"]])).collect()
        };
        assert_eq!(values(answer), values(recorded), "{id}");
    } else if target.contains("entity/scroll") {
        assert!(answer["entities"].is_array() && answer["totalCount"].is_u64(), "{id}");
    } else if target.contains("action=delete") {
        let value = &answer["value"];
        let counts = ["rows", "timeseriesRows", "total"].iter().filter(|it| value[**it].is_u64());
        assert!(counts.count() > 0, "{id}: {answer}");
    } else if target.starts_with("runs?action=rollback") {
        assert!(answer["value"]["aspectRowSummaries"].is_array(), "{id}: {answer}");
    } else if target.starts_with("runs") {
        let rows = answer["value"].as_array().cloned().unwrap_or_default();
        assert!(!rows.is_empty(), "{id}: {answer}");
        assert!(rows.iter().all(|row| row["runId"].is_string()), "{id}: {answer}");
    } else if target.contains("graphql") {
        assert!(answer.get("errors").is_none() && !answer["data"].is_null(), "{id}: {answer}");
    }
}
