//! What DataHub's own client sent, and what makes it go on.

use std::{collections::HashMap, time::Duration};

use serde_json::{Value, json};
use tower_pat::{
    config::TokenMinting,
    token::{AccessTokenDuration, LifetimePolicy},
};

use super::{Api, mint};
use crate::support::config;

#[tokio::test]
async fn the_requests_of_datahubs_client_are_answered_as_it_needs_it() {
    let lifetimes = LifetimePolicy::default().allow_no_expiry(true);
    let config = config().lifetimes(lifetimes).token_minting(TokenMinting::Unbounded);
    let api = Api::with(config).await;
    // The three tokens that there are, and not those by which the deployment was looked at.
    for token in [&api.admin, &api.alice] {
        let id = api.world.tokens.id_of(token);
        api.world.tokens.revoke(&id, &crate::support::user("datahub")).await.unwrap();
    }
    let expired = mint(&api.world, "datahub", "expired", AccessTokenDuration::OneHour).await;
    api.world.clock.advance(Duration::from_secs(7_200));
    let day = AccessTokenDuration::OneDay;
    let mut names: HashMap<String, String> = HashMap::from([
        ("TOKEN".to_owned(), mint(&api.world, "datahub", "admin", day).await),
        ("USER_TOKEN".to_owned(), mint(&api.world, "alice", "alice", day).await),
        ("EXPIRED_TOKEN".to_owned(), expired),
    ]);

    let replay = std::fs::read_to_string("tests/data/graphql/replay.json").unwrap();
    let replay: Value = serde_json::from_str(&replay).unwrap();
    let steps = replay["steps"].as_array().unwrap();
    assert!(steps.len() > 35, "{}", steps.len());
    for step in steps {
        let id = step["id"].as_str().unwrap();
        let token = fill(step["as"].as_str().unwrap(), &names);
        let body = fill(&step["body"].to_string(), &names);
        let mut answer = api.post(&token, body).await;
        let expected = step["status"].as_u64().unwrap();
        if expected == 401 && answer.status == 200 {
            // A revocation is heard of within a second.
            answer = api.world.becomes(&token, 401).await;
        }
        assert_eq!(u64::from(answer.status), expected, "{id}: {}", answer.body);
        let json = answer.json();
        if answer.status != 200 {
            assert!(json["message"].as_str().unwrap().contains("Unauthorized"), "{id}: {json}");
            continue;
        }
        // A token that is made has a new text, and those of another file have new ids.
        if step["body"]["query"].as_str().unwrap().contains("accessToken") {
            names.remove("NEW_TOKEN");
        }
        if !id.starts_with("06-") {
            names.retain(|name, _| !name.starts_with("TOKEN_ID"));
        }
        compare(&step["expect"], &json, &mut names)
            .unwrap_or_else(|place| panic!("{id}: at {place}: {json}"));
    }
}

fn fill(text: &str, names: &HashMap<String, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{{{name}}}}}"), value)
    })
}

/// Compares an answer with what is expected, and takes new names from it; or says where they differ.
fn compare(
    expected: &Value,
    found: &Value,
    names: &mut HashMap<String, String>,
) -> Result<(), String> {
    let at = |place: &str, inner: String| format!("{place}/{inner}");
    match (expected, found) {
        (Value::String(text), _) if text == "$any" => Ok(()),
        (Value::String(text), Value::Number(_)) if text == "$number" => Ok(()),
        (Value::Object(expected), Value::Object(found)) => {
            if expected.len() != found.len() {
                return Err(format!("{:?}", found.keys().collect::<Vec<_>>()));
            }
            expected.iter().try_for_each(|(name, expected)| {
                let found = found.get(name).ok_or_else(|| name.clone())?;
                compare(expected, found, names).map_err(|inner| at(name, inner))
            })
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            expected.iter().zip(found).enumerate().try_for_each(|(n, (expected, found))| {
                compare(expected, found, names).map_err(|inner| at(&n.to_string(), inner))
            })
        }
        (Value::String(expected), Value::String(found)) => {
            let expected = fill(expected, names);
            if let Some((before, rest)) = expected.split_once("{{") {
                let (name, after) = rest.split_once("}}").unwrap();
                let value = found.strip_prefix(before).and_then(|v| v.strip_suffix(after));
                names.insert(name.to_owned(), value.ok_or(found)?.to_owned());
                return Ok(());
            }
            if expected == *found { Ok(()) } else { Err(found.clone()) }
        }
        _ if expected == found => Ok(()),
        _ => Err(found.to_string()),
    }
}

#[tokio::test]
async fn the_introspection_of_datahubs_client_says_what_there_is() {
    let api = Api::new().await;
    let names = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }";
    let schema = api.data(&api.alice, names, json!({})).await;
    let fields = |root: &str| {
        let fields = schema["__schema"][root]["fields"].as_array().unwrap();
        fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for query in ["me", "listAccessTokens", "getAccessTokenMetadata", "debugAccess", "appConfig"] {
        assert!(fields("queryType").contains(&query.to_owned()), "{query}");
    }
    for mutation in ["createAccessToken", "revokeAccessToken", "batchAssignRole"] {
        assert!(fields("mutationType").contains(&mutation.to_owned()), "{mutation}");
    }
}
