//! Who asks, and what this service is.

use serde_json::json;
use tower_pat::{actor::DirectoryStore, token::LifetimePolicy};

use super::{Api, mint};
use crate::support::{config, user};

#[tokio::test]
async fn one_sees_oneself_and_what_one_may_do() {
    let api = Api::new().await;
    let query = "{ me { corpUser { urn type username status exists
        properties { active displayName email firstName lastName fullName title }
        info { displayName } editableProperties { displayName }
        relationships(input: {types: [\"IsMemberOfGroup\"], direction: OUTGOING}) { total }
    } platformPrivileges { manageTokens generatePersonalAccessTokens managePolicies
        manageIdentities manageServiceAccounts } } }";
    let admin = api.data(&api.admin, query, json!({})).await;
    let expected = json!({ "me": {
        "corpUser": {
            "urn": "urn:li:corpuser:datahub", "type": "CORP_USER", "username": "datahub",
            "status": "ACTIVE", "exists": true,
            "properties": {
                "active": true, "displayName": "DataHub", "email": null, "firstName": null,
                "lastName": null, "fullName": null, "title": null
            },
            "info": { "displayName": "DataHub" },
            "editableProperties": { "displayName": "DataHub" },
            "relationships": null
        },
        "platformPrivileges": {
            "manageTokens": true, "generatePersonalAccessTokens": true, "managePolicies": true,
            "manageIdentities": true, "manageServiceAccounts": true
        }
    } });
    assert_eq!(admin, expected);
    let alice = api.data(&api.alice, query, json!({})).await;
    let granted = json!({
        "manageTokens": false, "generatePersonalAccessTokens": true, "managePolicies": false,
        "manageIdentities": false, "manageServiceAccounts": false
    });
    assert_eq!(alice["me"]["platformPrivileges"], granted);
}

#[tokio::test]
async fn every_platform_privilege_has_its_field() {
    let api = Api::new().await;
    let sdl = std::fs::read_to_string("tests/data/graphql/datahub.graphql").unwrap();
    let (_, fields) = sdl.split_once("type PlatformPrivileges {").unwrap();
    let (fields, _) = fields.split_once('}').unwrap();
    let names: Vec<_> = fields.lines().filter_map(|line| line.split_once(": Boolean!")).collect();
    assert_eq!(names.len(), 30);
    let names = names.iter().map(|(name, _)| name.trim()).collect::<Vec<_>>();
    let query = format!("{{ me {{ platformPrivileges {{ {} }} }} }}", names.join(" "));
    let granted = api.data(&api.admin, &query, json!({})).await;
    let granted = granted["me"]["platformPrivileges"].as_object().unwrap().clone();
    assert_eq!(granted.len(), 30);
    assert!(granted.values().all(serde_json::Value::is_boolean));
}

#[tokio::test]
async fn who_is_not_in_the_directory_is_known_by_their_urn() {
    let api = Api::with(config().enforce_existence(false)).await;
    let token = mint(&api.world, "ghost", "g", tower_pat::token::AccessTokenDuration::OneDay).await;
    let query = "{ me { corpUser { urn username exists status properties { active } } } }";
    let expected = json!({ "me": { "corpUser": {
        "urn": "urn:li:corpuser:ghost", "username": "ghost", "exists": false, "status": null,
        "properties": null
    } } });
    assert_eq!(api.data(&token, query, json!({})).await, expected);
    let store = &api.world.store.inner;
    assert!(store.user(&user("ghost")).await.unwrap().is_none(), "asking makes nobody");
}

#[tokio::test]
async fn the_configuration_says_which_tokens_can_be_made() {
    let query = "{ appConfig { authConfig { tokenAuthEnabled
        accessTokens { allowedDurations allowNoExpiry } }
        telemetryConfig { enableThirdPartyLogging } } }";
    let api = Api::new().await;
    let expected = json!({ "appConfig": {
        "authConfig": { "tokenAuthEnabled": true, "accessTokens": {
            "allowedDurations": ["PT1H", "P1D", "P7D", "P30D", "P90D", "P180D", "P365D"],
            "allowNoExpiry": false
        } },
        "telemetryConfig": { "enableThirdPartyLogging": false }
    } });
    assert_eq!(api.data(&api.alice, query, json!({})).await, expected);
    let lifetimes = LifetimePolicy::new("P1Y,PT30M").unwrap().allow_no_expiry(true);
    let api = Api::with(config().lifetimes(lifetimes)).await;
    let config = api.data(&api.alice, query, json!({})).await;
    let tokens = &config["appConfig"]["authConfig"]["accessTokens"];
    let expected = json!({ "allowedDurations": ["P365D", "PT30M"], "allowNoExpiry": true });
    assert_eq!(*tokens, expected);
}
