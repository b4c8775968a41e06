//! `POST /runs`: what runs wrote, and taking it back.

use super::*;

const LIST: &str = "runs?action=list";
const DESCRIBE: &str = "runs?action=describe";
const ROLLBACK: &str = "runs?action=rollback";
const NEW: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.new,PROD)";

fn described(urn: &str, text: &str) -> Value {
    proposal(urn, "datasetProperties", json!({ "description": text }))
}

fn page() -> Value {
    json!({ "pageOffset": 0, "pageSize": 100, "includeSoft": false })
}

fn of_run(run_id: &str) -> Value {
    json!({ "runId": run_id, "start": 0, "count": 100 })
}

fn back(run_id: &str) -> Value {
    json!({ "runId": run_id, "dryRun": false, "safe": true })
}

#[tokio::test]
async fn a_run_is_listed_described_and_taken_back() -> TestResult {
    let gms = Gms::new().await?;
    let tags = json!({ "tags": [{ "tag": "urn:li:tag:a" }] });
    let profile = proposal(ORDERS, "datasetProfile", json!({ "timestampMillis": 1 }));
    gms.propose_all("datahub", json!([in_run("one", described(ORDERS, "one"))])).await?.is(200)?;
    let two = json!([
        in_run("two", described(ORDERS, "two")),
        in_run("two", described(NEW, "two")),
        in_run("two", proposal(ORDERS, "globalTags", tags)),
        in_run("two", profile),
    ]);
    gms.propose_all("datahub", two).await?.is(200)?;
    let runs = gms.act("datahub", LIST, &page()).await?.is(200)?;
    let runs = runs["value"].as_array().ok_or("no list")?;
    let two = runs.iter().find(|run| run["runId"] == "two").ok_or("no run")?;
    // The key of what is new counts, too.
    assert_eq!(two["rows"], 5);
    assert!(two["timestamp"].is_i64());
    let second = json!({ "pageOffset": 1, "pageSize": 1 });
    let second = gms.act("datahub", LIST, &second).await?.is(200)?;
    assert_eq!(second["value"].as_array().map(Vec::len), Some(1));

    let rows = gms.act("datahub", DESCRIBE, &of_run("two")).await?.is(200)?;
    let rows = rows["value"].as_array().ok_or("no rows")?;
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert!(row["urn"].is_string() && row["aspectName"].is_string(), "{row}");
        assert_eq!(row["runId"], "two");
    }

    // Who does not say that it is meant does not mean it.
    let counted = gms.act("datahub", ROLLBACK, &json!({ "runId": "two" })).await?.is(200)?;
    assert_eq!(counted["value"]["aspectsReverted"], 5);
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?["description"], "two");
    let done = gms.act("datahub", ROLLBACK, &back("two")).await?.is(200)?;
    assert_eq!(done["value"]["aspectsReverted"], 5);
    assert_eq!(done["value"]["entitiesDeleted"], 1);
    assert_eq!(done["value"]["aspectRowSummaries"].as_array().map(Vec::len), Some(5));
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?["description"], "one");
    assert_eq!(gms.value(ORDERS, "globalTags").await?, Value::Null);
    gms.get("datahub", &format!("/entities/{NEW}")).await?.is(404)?;
    assert!(gms.value(ORDERS, "ownership").await?.is_object());
    let done = gms.act("datahub", ROLLBACK, &back("two")).await?.is(200)?;
    assert_eq!(done["value"]["aspectsReverted"], 0);
    // What another has written since stays.
    gms.propose("datahub", in_run("three", described(ORDERS, "three"))).await?.is(200)?;
    gms.act("datahub", ROLLBACK, &back("one")).await?.is(200)?;
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?["description"], "three");
    Ok(())
}

#[tokio::test]
async fn what_a_run_wrote_is_shown_to_who_may_read_all_of_it() -> TestResult {
    let gms = Gms::new().await?;
    let both = json!([in_run("run", described(ORDERS, "a")), in_run("run", described(NEW, "a"))]);
    gms.propose_all("datahub", both).await?.is(200)?;
    for action in [LIST, DESCRIBE, ROLLBACK] {
        gms.act("nobody", action, &json!({})).await?.is(401)?;
    }
    gms.act("plain", LIST, &page()).await?.is(200)?;
    gms.act("plain", DESCRIBE, &of_run("run")).await?.is(200)?;
    gms.hide().await?;
    gms.act("plain", LIST, &page()).await?.says(403, "dataHubIngestionSource")?;
    gms.act("plain", DESCRIBE, &of_run("run")).await?.says(403, "dataHubIngestionSource")?;
    // Sources of ingestions, and one of the two entities.
    let sources = json!({ "filter": { "criteria": [
        { "field": "TYPE", "values": ["dataHubIngestionSource"], "condition": "EQUALS" },
    ] } });
    gms.grant(&[
        may("plain", &["VIEW_ENTITY_PAGE"], sources),
        may("plain", &["GET_ENTITY_PRIVILEGE"], only(&[ORDERS])),
    ])
    .await?;
    gms.act("plain", LIST, &page()).await?.is(200)?;
    gms.act("plain", DESCRIBE, &of_run("run")).await?.says(403, NEW)?;
    let first = json!({ "runId": "run", "start": 0, "count": 1 });
    gms.act("plain", DESCRIBE, &first).await?.is(403)?;
    gms.grant(&[may("plain", &["GET_ENTITY_PRIVILEGE"], only(&[ORDERS, NEW]))]).await?;
    gms.act("plain", DESCRIBE, &of_run("run")).await?.is(200)?;
    // Events of series are more than that.
    let profile = proposal(ORDERS, "datasetProfile", json!({ "timestampMillis": 1 }));
    gms.propose("datahub", in_run("run", profile)).await?.is(200)?;
    let refused = gms.act("plain", DESCRIBE, &of_run("run")).await?;
    refused.says(403, "GET_TIMESERIES_ASPECT_PRIVILEGE")
}

#[tokio::test]
async fn a_run_is_taken_back_by_who_may_write_and_delete_all_of_it() -> TestResult {
    let gms = Gms::new().await?;
    let both = json!([in_run("run", described(ORDERS, "a")), in_run("run", described(NEW, "a"))]);
    gms.propose_all("datahub", both).await?.is(200)?;
    let dry = json!({ "runId": "run", "dryRun": true });
    for body in [&dry, &back("run")] {
        gms.act("plain", ROLLBACK, body).await?.says(403, "MANAGE_INGESTION")?;
        gms.act("owner", ROLLBACK, body).await?.says(403, "MANAGE_INGESTION")?;
    }
    let manager = |name: &str| {
        let mut manager = may(name, &["MANAGE_INGESTION"], json!(null));
        manager.info.policy_type = "PLATFORM".to_owned();
        manager
    };
    gms.grant(&[manager("plain")]).await?;
    for body in [&dry, &back("run")] {
        gms.act("plain", ROLLBACK, body).await?.says(403, "DELETE_ENTITY")?;
    }
    gms.grant(&[may("plain", &["DELETE_ENTITY"], json!(null))]).await?;
    gms.act("plain", ROLLBACK, &back("run")).await?.says(403, "EDIT_ENTITY")?;
    gms.grant(&[may("plain", &["EDIT_ENTITY"], only(&[ORDERS]))]).await?;
    gms.act("plain", ROLLBACK, &back("run")).await?.says(403, NEW)?;
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?["description"], "a");
    gms.grant(&[may("plain", &["EDIT_ENTITY"], only(&[ORDERS, NEW]))]).await?;
    gms.act("plain", ROLLBACK, &back("run")).await?.is(200)?;
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn taking_back_tags_asks_for_the_tags_and_users_stay() -> TestResult {
    let gms = Gms::new().await?;
    let tags = json!({ "tags": [{ "tag": "urn:li:tag:pii" }] });
    let info = proposal("urn:li:corpuser:new", "corpUserInfo", json!({ "active": true }));
    let tagged = proposal(ORDERS, "globalTags", tags.clone());
    gms.propose_all("datahub", json!([in_run("run", tagged)])).await?.is(200)?;
    gms.propose_all("datahub", json!([in_run("users", info)])).await?.is(200)?;
    let public = json!({
        "filter": { "criteria": [] },
        "privilegeConstraints": { "criteria": [
            { "field": "URN", "values": ["urn:li:tag:public"], "condition": "EQUALS" },
        ] },
    });
    let mut manager = may("plain", &["MANAGE_INGESTION"], json!(null));
    manager.info.policy_type = "PLATFORM".to_owned();
    gms.grant(&[manager, may("plain", &["EDIT_ENTITY", "DELETE_ENTITY"], public)]).await?;
    gms.act("plain", ROLLBACK, &back("run")).await?.is(403)?;
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tags);
    gms.act("plain", ROLLBACK, &back("users")).await?.is(403)?;
    gms.act("datahub", ROLLBACK, &back("users")).await?.is(200)?;
    assert_eq!(gms.value("urn:li:corpuser:new", "corpUserInfo").await?, Value::Null);
    assert!(gms.service.store.profile(&user("new")).await?.is_some());
    let listed = gms.get("datahub", "/openapi/v3/entity/corpuser?count=1000").await?.is(200)?;
    assert!(listed.to_string().contains("urn:li:corpuser:new"), "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_run_that_wrote_too_much_is_not_taken_back_at_once() -> TestResult {
    let gms = Gms::new().await?;
    for from in [0, 300] {
        let tags: Vec<Value> = (from..from + 300)
            .map(|number| {
                let urn = format!("urn:li:tag:t{number}");
                in_run("run", proposal(&urn, "tagProperties", json!({ "name": "t" })))
            })
            .collect();
        gms.propose_all("datahub", json!(tags)).await?.is(200)?;
    }
    gms.act("datahub", ROLLBACK, &back("run")).await?.says(400, "more than")?;
    assert!(gms.value("urn:li:tag:t0", "tagProperties").await?.is_object());
    // Of what is described, there are values only if they are asked for.
    let with =
        |values: bool| json!({ "runId": "run", "start": 0, "count": 2, "includeAspect": values });
    for values in [true, false] {
        let rows = gms.act("datahub", DESCRIBE, &with(values)).await?.is(200)?;
        assert_eq!(rows["value"][1]["payload"].is_string(), values, "{rows}");
    }
    Ok(())
}
