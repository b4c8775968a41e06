//! Policies, and what they decide about writing.

use super::*;

#[tokio::test]
async fn policies_are_written_to_their_store_and_count_at_once() -> TestResult {
    let gms = Gms::new().await?;
    let path = format!("dataset/{ORDERS}/status");
    let value = json!({ "value": { "removed": false } });
    gms.post("plain", &path, &value).await?.is(403)?;
    let info = json!({
        "displayName": "Sales edit", "description": "", "type": "METADATA", "state": "ACTIVE",
        "privileges": ["EDIT_ENTITY"], "actors": { "users": [user("plain")] },
        "resources": { "filter": { "criteria": [
            { "field": "DOMAIN", "values": ["urn:li:domain:sales"], "condition": "EQUALS" },
        ] } },
    });
    let sales = written("urn:li:dataHubPolicy:sales", "dataHubPolicyInfo", info.clone());
    gms.post("admin", "dataHubPolicy", &sales).await?.is(200)?;
    let read = gms.entity("dataHubPolicy/urn:li:dataHubPolicy:sales").await?;
    assert_eq!(read["dataHubPolicyInfo"]["value"]["displayName"], "Sales edit");

    // The dataset is in a domain below it.
    let north = json!({ "name": "North", "parentDomain": "urn:li:domain:sales" });
    gms.post("admin", "domain", &written("urn:li:domain:north", "domainProperties", north))
        .await?
        .is(200)?;
    gms.post("plain", &path, &value).await?.is(403)?;
    let domains = json!({ "domains": ["urn:li:domain:north"] });
    // Nobody moves something into their own reach.
    gms.post("plain", "dataset", &written(ORDERS, "domains", domains.clone())).await?.is(403)?;
    gms.post("owner", "dataset", &written(ORDERS, "domains", domains)).await?.is(200)?;
    let status = format!("/openapi/v3/entity/{path}");
    gms.eventually_sent("plain", Method::POST, &status, &value, 200).await?;

    // What is new is judged by the domain that it is made in.
    let made = |domain: &str| {
        json!([
            { "urn": "urn:li:chart:(looker,1)", "status": { "value": { "removed": false } } },
            { "urn": "urn:li:chart:(looker,1)", "domains": { "value": { "domains": [domain] } } },
        ])
    };
    gms.post("plain", "chart", &made("urn:li:domain:hr")).await?.says(403, "CREATE_ENTITY")?;
    let mut both = made("urn:li:domain:hr");
    both.as_array_mut().unwrap().extend(made("urn:li:domain:north").as_array().unwrap().clone());
    gms.post("plain", "chart?createIfNotExists=true", &both).await?.says(400, "twice")?;
    gms.post("plain", "chart", &made("urn:li:domain:north")).await?.is(200)?;
    gms.post("plain", "chart", &made("urn:li:domain:hr")).await?.is(200)?;
    gms.post("plain", "chart", &made("urn:li:domain:north")).await?.is(403)?;

    for fixed in ["0", "1", "admin-platform-policy"] {
        let urn = format!("urn:li:dataHubPolicy:{fixed}");
        let fixed = written(&urn, "dataHubPolicyInfo", info.clone());
        gms.post("datahub", "dataHubPolicy", &fixed).await?.says(403, "not editable policy")?;
        let path = format!("dataHubPolicy/{urn}");
        gms.delete("datahub", &path).await?.says(403, "System policies can not be deleted.")?;
    }
    gms.delete("plain", "dataHubPolicy/urn:li:dataHubPolicy:sales").await?.is(403)?;
    gms.delete("datahub", "dataHubPolicy/urn:li:dataHubPolicy:sales").await?.is(200)?;
    gms.eventually_sent("plain", Method::POST, &status, &value, 403).await
}

#[tokio::test]
async fn who_may_create_may_not_update() -> TestResult {
    let gms = Gms::new().await?;
    let maker = policy(&["CREATE_ENTITY"], json!({ "users": [user("plain")] }), json!(null));
    gms.service.store.put_policies(&[maker]).await?;
    let tag = written("urn:li:tag:a", "tagProperties", json!({ "name": "a" }));
    gms.eventually_sent("plain", Method::POST, "/openapi/v3/entity/tag", &tag, 200).await?;
    gms.post("plain", "tag", &tag).await?.says(403, "EDIT_ENTITY")?;
    // One that is there among some that are not: nothing is written.
    let mut both = written("urn:li:tag:b", "tagProperties", json!({ "name": "b" }));
    both.as_array_mut().unwrap().extend(tag.as_array().unwrap().iter().cloned());
    gms.post("plain", "tag", &both).await?.is(403)?;
    gms.get("datahub", "/entities/urn:li:tag:b").await?.is(404)?;

    let other = written("urn:li:tag:a", "tagProperties", json!({ "name": "other" }));
    // Whatever is written to a user who is not there makes the user.
    let updater = json!({ "users": [user("plain")] });
    let updater = policy(&["UPDATE_USERS_AND_GROUPS"], updater, json!(null));
    gms.service.store.put_policies(&[updater]).await?;
    let info = written(user("owner"), "corpUserInfo", json!({ "active": true }));
    let path = "/openapi/v3/entity/corpuser?createIfNotExists=true";
    gms.eventually_sent("plain", Method::POST, path, &info, 200).await?;
    let info = written(user("new"), "corpUserInfo", json!({ "active": true }));
    gms.send("plain", Method::POST, path, &info).await?.says(403, "CREATE_USERS")?;

    let name = async |gms: &Gms| gms.entity("tag/urn:li:tag:a/tagProperties").await;
    gms.post("datahub", "tag?createIfNotExists=true", &other).await?.is(200)?;
    assert_eq!(name(&gms).await?["value"]["name"], "a");
    gms.post("datahub", "tag?createIfEntityNotExists=true", &other).await?.is(409)?;
    gms.post("datahub", "tag?async=true", &other).await?.is(202)?;
    assert_eq!(name(&gms).await?["value"]["name"], "other");
    Ok(())
}

#[tokio::test]
async fn tags_that_a_policy_does_not_allow_cannot_be_put_on_or_taken_off() -> TestResult {
    let gms = Gms::new().await?;
    let only_public = json!({
        "filter": { "criteria": [] },
        "privilegeConstraints": { "criteria": [
            { "field": "URN", "values": ["urn:li:tag:public"], "condition": "EQUALS" },
        ] },
    });
    let edit = ["EDIT_ENTITY", "DELETE_ENTITY"];
    let tagger = policy(&edit, json!({ "users": [user("plain")] }), only_public);
    gms.service.store.put_policies(&[tagger]).await?;
    let tags = |names: &[&str]| {
        let tags: Vec<Value> =
            names.iter().map(|name| json!({ "tag": format!("urn:li:tag:{name}") })).collect();
        written(ORDERS, "globalTags", json!({ "tags": tags }))
    };
    let path = "/openapi/v3/entity/dataset";
    gms.eventually_sent("plain", Method::POST, path, &tags(&["public"]), 200).await?;
    gms.post("plain", "dataset", &tags(&["public", "finance"])).await?.is(403)?;
    gms.post("datahub", "dataset", &tags(&["public", "finance"])).await?.is(200)?;
    // What stays need not be allowed, what goes must be.
    gms.post("plain", "dataset", &tags(&["finance"])).await?.is(200)?;
    gms.post("plain", "dataset", &tags(&[])).await?.is(403)?;
    gms.delete("plain", &format!("dataset/{ORDERS}/globalTags")).await?.is(403)?;
    gms.post("datahub", "dataset", &tags(&["public"])).await?.is(200)?;
    gms.delete("plain", &format!("dataset/{ORDERS}/globalTags")).await?.is(200)?;
    Ok(())
}
