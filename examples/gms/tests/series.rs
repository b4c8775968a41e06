//! Aspects that are series over time.

use super::*;

fn profile(at: i64, rows: i64, partition: &str) -> Value {
    let partition = json!({ "type": "PARTITION", "partition": partition });
    let value = json!({ "timestampMillis": at, "rowCount": rows, "partitionSpec": partition });
    proposal(ORDERS, "datasetProfile", value)
}

fn asked(more: Value) -> Value {
    let mut body = json!({ "urn": ORDERS, "entity": "dataset", "aspect": "datasetProfile" });
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body
}

async fn rows(gms: &Gms, more: Value) -> Result<Vec<i64>, Box<dyn Error>> {
    let path = "aspects?action=getTimeseriesAspectValues";
    let body = gms.act("datahub", path, &asked(more)).await?.is(200)?;
    let values = body["value"]["values"].as_array().cloned().unwrap_or_default();
    let row = |value: &Value| -> Result<i64, Box<dyn Error>> {
        assert_eq!(value["aspect"]["contentType"], "application/json");
        let text = value["aspect"]["value"].as_str().ok_or("no text")?;
        Ok(serde_json::from_str::<Value>(text)?["rowCount"].as_i64().ok_or("no count")?)
    };
    values.iter().map(row).collect()
}

#[tokio::test]
async fn events_are_kept_by_their_time_and_the_latest_comes_first() -> TestResult {
    let gms = Gms::new().await?;
    for (at, count, partition) in [(10, 1, "a"), (30, 3, "a"), (20, 2, "a"), (20, 4, "b")] {
        // The client sends what it does not know to have arrived again.
        for _ in 0..2 {
            gms.propose("owner", profile(at, count, partition)).await?.is(200)?;
        }
    }
    assert_eq!(rows(&gms, json!({})).await?, [3, 2, 4, 1]);
    assert_eq!(rows(&gms, json!({ "latestValue": true })).await?, [3]);
    assert_eq!(rows(&gms, json!({ "limit": 2 })).await?, [3, 2]);
    let middle = json!({ "startTimeMillis": 11, "endTimeMillis": 20 });
    assert_eq!(rows(&gms, middle).await?, [2, 4]);
    let filter = |value: &str| {
        let criterion = json!({ "field": "rowCount", "values": [value], "condition": "EQUAL" });
        json!({ "filter": { "or": [{ "and": [criterion] }] }, "limit": 1 })
    };
    assert_eq!(rows(&gms, filter("1")).await?, [1]);
    assert_eq!(rows(&gms, filter("7")).await?, [] as [i64; 0]);
    gms.propose("owner", profile(10, 5, "a")).await?.is(200)?;
    assert_eq!(rows(&gms, json!({})).await?, [3, 2, 4, 5]);
    // It is no aspect of the entity as others are.
    let path = format!("/aspects/{ORDERS}?aspect=datasetProfile&version=0");
    gms.get("owner", &path).await?.is(404)?;
    for bad in [json!({}), json!({ "timestampMillis": "1" }), json!({ "timestampMillis": null })] {
        gms.propose("datahub", proposal(ORDERS, "datasetProfile", bad)).await?.is(400)?;
    }
    gms.propose("datahub", by("CREATE", profile(1, 1, "a"))).await?.says(400, "UPSERT")?;
    Ok(())
}

#[tokio::test]
async fn reading_a_series_asks_for_that() -> TestResult {
    let gms = Gms::new().await?;
    let path = "aspects?action=getTimeseriesAspectValues";
    gms.propose("owner", profile(1, 1, "a")).await?.is(200)?;
    gms.act("nobody", path, &asked(json!({}))).await?.is(401)?;
    gms.act("plain", path, &asked(json!({}))).await?.is(200)?;
    gms.hide().await?;
    let refused = gms.act("plain", path, &asked(json!({}))).await?;
    refused.says(403, "GET_TIMESERIES_ASPECT_PRIVILEGE")?;
    // To read the entity is not to read its series.
    gms.grant(&[may("plain", &["VIEW_ENTITY_PAGE"], json!(null))]).await?;
    gms.get("plain", &format!("/entities/{ORDERS}")).await?.is(200)?;
    gms.act("plain", path, &asked(json!({}))).await?.is(403)?;
    let reader = may("plain", &["GET_TIMESERIES_ASPECT_PRIVILEGE"], only(&[ORDERS]));
    gms.grant(&[reader]).await?;
    gms.act("plain", path, &asked(json!({}))).await?.is(200)?;
    let other = json!({ "urn": "urn:li:dataset:(urn:li:dataPlatform:hive,db.other,PROD)" });
    gms.act("plain", path, &asked(other)).await?.is(403)?;
    for bad in [
        json!({ "entity": "chart" }),
        json!({ "aspect": "nonsense" }),
        json!({ "urn": "nonsense" }),
        json!({ "limit": -1 }),
        json!({ "limit": "all" }),
        json!({ "filter": { "or": [{ "and": [{ "field": "a", "condition": "GREATER" }] }] } }),
        json!({ "filter": { "and": [] } }),
    ] {
        gms.act("datahub", path, &asked(bad)).await?.is(400)?;
    }
    Ok(())
}

#[tokio::test]
async fn events_are_deleted_by_their_time() -> TestResult {
    let gms = Gms::new().await?;
    for at in [10, 20, 30] {
        gms.propose("owner", profile(at, at, "a")).await?.is(200)?;
    }
    let path = "entities?action=delete";
    let span = json!({
        "urn": ORDERS, "aspectName": "datasetProfile", "startTimeMillis": 15, "endTimeMillis": 30,
    });
    gms.act("plain", path, &span).await?.says(403, "DELETE_ENTITY")?;
    gms.act("owner", path, &span).await?.says(403, "DELETE_ENTITY")?;
    assert_eq!(rows(&gms, json!({})).await?.len(), 3);
    let body = gms.act("datahub", path, &span).await?.is(200)?;
    assert_eq!(body["value"]["timeseriesRows"], 2);
    assert_eq!(rows(&gms, json!({})).await?, [10]);
    // Only of a series; nothing else has times.
    let mut other = span.clone();
    other["aspectName"] = json!("ownership");
    gms.act("datahub", path, &other).await?.is(400)?;
    assert!(gms.value(ORDERS, "ownership").await?.is_object());
    // Who manages documents deletes a document, and no events of it.
    let mut manager = may("plain", &["MANAGE_DOCUMENTS"], json!(null));
    manager.info.policy_type = "PLATFORM".to_owned();
    gms.grant(&[manager]).await?;
    let document = "urn:li:document:a";
    let event = proposal(document, "documentUsageStatistics", json!({ "timestampMillis": 1 }));
    gms.propose("datahub", event.clone()).await?.is(200)?;
    let some = json!({ "urn": document, "aspectName": "documentUsageStatistics" });
    gms.act("plain", path, &some).await?.says(403, "DELETE_ENTITY")?;
    gms.propose("plain", by("DELETE", event)).await?.says(403, "DELETE_ENTITY")?;
    let aspect = format!("document/{document}/documentUsageStatistics");
    gms.delete("plain", &aspect).await?.says(403, "DELETE_ENTITY")?;
    gms.delete("plain", &format!("document/{document}")).await?.is(200)?;
    let all = json!({ "urn": ORDERS });
    let body = gms.act("datahub", path, &all).await?.is(200)?;
    assert_eq!(body["value"]["timeseriesRows"], 1);
    Ok(())
}
