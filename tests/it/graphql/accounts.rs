//! Service accounts.

use serde_json::{Value, json};

use super::{Api, CREATE};

const MAKE: &str =
    "mutation ($input: CreateServiceAccountInput!) { createServiceAccount(input: $input) {
    urn type name displayName description createdBy createdAt updatedAt
} }";
const GET: &str = "query ($urn: String!) { getServiceAccount(urn: $urn) { urn name displayName } }";
const DELETE: &str = "mutation ($urn: String!) { deleteServiceAccount(urn: $urn) }";

async fn make(api: &Api, input: Value) -> Value {
    api.data(&api.admin, MAKE, json!({ "input": input })).await["createServiceAccount"].take()
}

#[tokio::test]
async fn a_service_account_lives_and_its_tokens_end_with_it() {
    let api = Api::new().await;
    let made = make(&api, json!({ "displayName": "CI", "description": "builds" })).await;
    let urn = made["urn"].as_str().unwrap().to_owned();
    let id = urn.strip_prefix("urn:li:corpuser:").unwrap();
    let bare = id.strip_prefix("service_").unwrap();
    let expected = json!({
        "urn": urn, "type": "CORP_USER", "name": id, "displayName": "CI",
        "description": "builds", "createdBy": "urn:li:corpuser:datahub",
        "createdAt": 1_750_000_000_000_i64, "updatedAt": null
    });
    assert_eq!(made, expected);
    let found = api.data(&api.admin, GET, json!({ "urn": urn })).await;
    let expected = json!({ "urn": urn, "name": bare, "displayName": "CI" });
    assert_eq!(found["getServiceAccount"], expected);

    let input = json!({ "type": "SERVICE_ACCOUNT", "actorUrn": urn, "duration": "ONE_DAY",
        "name": "ci" });
    let (text, metadata) = api.create(&api.admin, input).await;
    assert_eq!(metadata["ownerUrn"], "urn:li:corpuser:datahub");
    let me = api.data(&text, "{ me { corpUser { username } } }", json!({})).await;
    assert_eq!(me["me"]["corpUser"]["username"], id);

    let deleted = api.data(&api.admin, DELETE, json!({ "urn": urn })).await;
    assert_eq!(deleted, json!({ "deleteServiceAccount": true }));
    api.world.becomes(&text, 401).await;
    let found = api.data(&api.admin, GET, json!({ "urn": urn })).await;
    assert_eq!(found, json!({ "getServiceAccount": null }));
    let again = api.error(&api.admin, DELETE, json!({ "urn": urn })).await;
    assert_eq!(again, (404, format!("Service account not found: {urn}")));
}

#[tokio::test]
async fn service_accounts_are_listed_and_people_are_not() {
    let api = Api::new().await;
    let named = make(&api, json!({ "displayName": "Nightly" })).await;
    let nameless = make(&api, json!({})).await;
    assert_eq!(nameless["displayName"], nameless["name"], "the id, where there is no name");
    let list = "query ($input: ListServiceAccountsInput!) { listServiceAccounts(input: $input) {
        start count total serviceAccounts { urn }
    } }";
    let all = api.data(&api.admin, list, json!({ "input": { "query": "*" } })).await;
    let all = &all["listServiceAccounts"];
    assert_eq!((&all["start"], &all["count"], &all["total"]), (&json!(0), &json!(20), &json!(2)));
    let some = api.data(&api.admin, list, json!({ "input": { "query": "NIGHT" } })).await;
    let accounts = &some["listServiceAccounts"]["serviceAccounts"];
    assert_eq!(*accounts, json!([{ "urn": named["urn"] }]));
    let person = json!({ "urn": "urn:li:corpuser:alice" });
    let found = api.data(&api.admin, GET, person.clone()).await;
    assert_eq!(found, json!({ "getServiceAccount": null }));
    assert_eq!(api.error(&api.admin, DELETE, person).await.0, 404);
}

#[tokio::test]
async fn who_does_not_manage_them_learns_nothing_of_them() {
    let api = Api::new().await;
    let urn = make(&api, json!({})).await["urn"].take();
    for urn in [&urn, &json!("urn:li:corpuser:service_none")] {
        for query in [GET, DELETE] {
            assert_eq!(api.error(&api.alice, query, json!({ "urn": urn })).await.0, 403);
        }
        let input = json!({ "type": "SERVICE_ACCOUNT", "actorUrn": urn, "duration": "ONE_DAY",
            "name": "x" });
        assert_eq!(api.error(&api.alice, CREATE, json!({ "input": input })).await.0, 403);
    }
    assert_eq!(api.error(&api.alice, MAKE, json!({ "input": {} })).await.0, 403);
    let input = json!({ "type": "SERVICE_ACCOUNT", "actorUrn": "urn:li:corpuser:alice",
        "duration": "ONE_DAY", "name": "x" });
    let told = api.error(&api.admin, CREATE, json!({ "input": input })).await;
    let expected = "Failed to validate service account. Root cause: The specified URN is not a \
                    service account: urn:li:corpuser:alice";
    assert_eq!(told, (400, expected.to_owned()));
}

#[tokio::test]
async fn there_are_no_views_so_none_can_be_set() {
    let api = Api::new().await;
    let urn = make(&api, json!({})).await["urn"].take();
    let set = "mutation ($input: UpdateServiceAccountDefaultViewInput!) {
        updateServiceAccountDefaultView(input: $input)
    }";
    let to = |view: Value| json!({ "input": { "urn": urn, "defaultView": view } });
    let done = json!({ "updateServiceAccountDefaultView": true });
    assert_eq!(api.data(&api.admin, set, to(json!(null))).await, done);
    let without = json!({ "input": { "urn": urn } });
    assert_eq!(api.data(&api.admin, set, without).await, done);
    let told = (400, "There are no views here, so none can be set".to_owned());
    let view = json!("urn:li:dataHubView:mine");
    assert_eq!(api.error(&api.admin, set, to(view.clone())).await, told);
    for view in [json!(null), view] {
        assert_eq!(api.error(&api.alice, set, to(view)).await.0, 403);
    }
    let nobody = json!({ "input": { "urn": "urn:li:corpuser:service_none" } });
    assert_eq!(api.error(&api.admin, set, nobody).await.0, 404);
    let query = "query ($urn: String!) { getServiceAccount(urn: $urn) {
        defaultView { urn type viewType name description }
    } }";
    let found = api.data(&api.admin, query, json!({ "urn": urn })).await;
    assert_eq!(found["getServiceAccount"], json!({ "defaultView": null }));
}
