//! Reading entities and aspects over Rest.li and OpenAPI.

use super::*;

const ENCODED: &str =
    "urn%3Ali%3Adataset%3A%28urn%3Ali%3AdataPlatform%3Ahive%2Cdb.orders%2CPROD%29";
const MISSING: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.none,PROD)";

#[tokio::test]
async fn who_may_not_read_reads_nothing_in_any_way() -> TestResult {
    let gms = Gms::new().await?;
    let batch = json!([{ "urn": ORDERS }]);
    let scroll = json!({ "entities": ["dataset"] });
    let ways: [(&str, String, &Value); 6] = [
        ("GET", format!("/aspects/{ENCODED}?aspect=datasetKey&version=0"), &Value::Null),
        ("GET", format!("/aspects/{ENCODED}?aspect=ownership"), &Value::Null),
        ("GET", format!("/entitiesV2/{ENCODED}"), &Value::Null),
        ("GET", format!("/entitiesV2/{ENCODED}?aspects=List(ownership)"), &Value::Null),
        ("POST", "/openapi/v3/entity/dataset/batchGet".to_owned(), &batch),
        ("POST", "/openapi/v3/entity/scroll".to_owned(), &scroll),
    ];
    for (method, path, body) in &ways {
        for (who, status) in [("nobody", 401), ("datahub", 200), ("plain", 200)] {
            gms.send(who, method.parse()?, path, body).await?.is(status)?;
        }
    }
    gms.hide().await?;
    for (method, path, body) in &ways {
        gms.send("plain", method.parse()?, path, body).await?.says(403, "VIEW_ENTITY_PAGE")?;
        // Whether there is such a thing, they do not learn either.
        let path = path.replace("orders", "none");
        let body = body.to_string().replace("orders", "none").parse()?;
        gms.send("plain", method.parse()?, &path, &body).await?.is(403)?;
    }
    // Those who may read the one and not the other read no batch with both.
    gms.grant(&[may("plain", &["GET_ENTITY_PRIVILEGE"], only(&[ORDERS]))]).await?;
    gms.post("plain", "dataset/batchGet", &batch).await?.is(200)?;
    let both = json!([{ "urn": ORDERS }, { "urn": MISSING }]);
    gms.post("plain", "dataset/batchGet", &both).await?.is(403)?;
    Ok(())
}

#[tokio::test]
async fn an_aspect_is_read_by_its_record_and_existence_by_the_key() -> TestResult {
    let gms = Gms::new().await?;
    let read = async |path: String| gms.get("plain", &path).await;
    let body = read(format!("/aspects/{ENCODED}?aspect=datasetKey&version=0")).await?.is(200)?;
    let key =
        json!({ "platform": "urn:li:dataPlatform:hive", "name": "db.orders", "origin": "PROD" });
    let record = "com.linkedin.metadata.key.DatasetKey";
    assert_eq!(body, json!({ "version": 0, "aspect": { record: key } }));
    let body = read(format!("/aspects/{ENCODED}?aspect=ownership")).await?.is(200)?;
    assert!(body["aspect"]["com.linkedin.common.Ownership"]["owners"].is_array());
    let missing = format!("Did not find urn: {MISSING} aspect: datasetKey version: 0");
    read(format!("/aspects/{MISSING}?aspect=datasetKey&version=0")).await?.says(404, &missing)?;
    read(format!("/aspects/{ENCODED}?aspect=globalTags")).await?.is(404)?;
    read(format!("/aspects/{ENCODED}?aspect=nonsense")).await?.is(404)?;
    read(format!("/aspects/{ENCODED}?aspect=ownership&version=1")).await?.is(400)?;
    read(format!("/aspects/{ENCODED}")).await?.is(400)?;
    // The probe of the client's telemetry.
    let probe = "/aspects/urn%3Ali%3Atelemetry%3AclientId?aspect=telemetryClientId&version=0";
    gms.get("plain", probe).await?.is(404)?;
    // A soft-deleted entity is there.
    gms.propose("datahub", proposal(ORDERS, "status", json!({ "removed": true })))
        .await?
        .is(200)?;
    read(format!("/aspects/{ENCODED}?aspect=datasetKey")).await?.is(200)?;
    Ok(())
}

#[tokio::test]
async fn an_entity_is_read_by_names_and_a_missing_one_is_its_key() -> TestResult {
    let gms = Gms::new().await?;
    let metadata = json!({ "lastObserved": 1_700_000_000_000_u64, "runId": "run" });
    gms.propose("datahub", proposal(ORDERS, "status", json!({ "removed": false })))
        .await?
        .is(200)?;
    let body = gms.get("plain", &format!("/entitiesV2/{ENCODED}")).await?.is(200)?;
    assert_eq!(body["urn"], ORDERS);
    assert_eq!(body["entityName"], "dataset");
    let status = &body["aspects"]["status"];
    assert_eq!(status["value"], json!({ "removed": false }));
    assert_eq!(status["systemMetadata"], metadata);
    assert_eq!(status["created"]["actor"], "urn:li:corpuser:datahub");
    for member in ["name", "type", "version"] {
        assert!(!status[member].is_null(), "{status}");
    }
    let names = |body: &Value| -> Vec<String> {
        body["aspects"].as_object().map(|it| it.keys().cloned().collect()).unwrap_or_default()
    };
    let path = format!("/entitiesV2/{ENCODED}?aspects=List(status,datasetProfile)");
    assert_eq!(names(&gms.get("plain", &path).await?.is(200)?), ["datasetKey", "status"]);
    let missing = gms.get("plain", &format!("/entitiesV2/{MISSING}")).await?.is(200)?;
    assert_eq!(names(&missing), ["datasetKey"]);
    gms.get("plain", &format!("/entitiesV2/{ENCODED}?aspects=status")).await?.is(400)?;
    gms.get("plain", "/entitiesV2/urn%3Ali%3Anonsense%3Aa").await?.is(400)?;
    // In a batch, what is missing is left out.
    let batch = json!([{ "urn": ORDERS, "status": {} }, { "urn": MISSING }]);
    let read = gms.post("plain", "dataset/batchGet?systemMetadata=true", &batch).await?.is(200)?;
    let status = json!({ "value": { "removed": false }, "systemMetadata": metadata });
    assert_eq!(read, json!([{ "urn": ORDERS, "status": status }]));
    for bad in [json!({}), json!([1]), json!([{}]), json!([{ "urn": user("plain") }])] {
        gms.post("plain", "dataset/batchGet", &bad).await?.is(400)?;
    }
    Ok(())
}

#[tokio::test]
async fn urns_are_decoded_once_and_slashes_in_front_are_one() -> TestResult {
    let gms = Gms::new().await?;
    let odd =
        "urn:li:dataset:(urn:li:dataPlatform:s3,bucket/raw/2024 01/file+a%b%2Fc.\u{00e9},PROD)";
    gms.propose("datahub", proposal(odd, "status", json!({ "removed": false }))).await?.is(200)?;
    let encoded = "urn%3Ali%3Adataset%3A%28urn%3Ali%3AdataPlatform%3As3%2Cbucket%2Fraw%2F2024%2001\
                   %2Ffile%2Ba%25b%252Fc.%C3%A9%2CPROD%29";
    for path in [
        format!("/entitiesV2/{encoded}"),
        format!("//entitiesV2/{encoded}"),
        format!("///entitiesV2/{encoded}"),
    ] {
        let body = gms.get("plain", &path).await?.is(200)?;
        assert_eq!(body["urn"], odd);
        assert!(body["aspects"]["status"].is_object(), "{path}");
    }
    let body = json!({ "proposal": proposal(odd, "status", json!({ "removed": true })) });
    for path in ["aspects?action=", "aspects/?action=", "/aspects?action=", "/aspects/?action="] {
        let path = format!("{path}ingestProposal");
        gms.act("datahub", &path, &body).await?.is(200)?;
        gms.act("nobody", &path, &body).await?.is(401)?;
        gms.act("plain", &path, &body).await?.is(403)?;
    }
    // What is open stays open, and nothing else is opened by slashes.
    gms.get("nobody", "//config").await?.is(200)?;
    for path in ["//entitiesV2/urn:li:tag:a", "/config/", "//config//", "/health/../config", "//"] {
        gms.get("nobody", path).await?.is(401)?;
    }
    gms.get("plain", "/entitiesV2//urn:li:tag:a").await?.is(400)?;
    let raw = "dataset/urn:li:dataset:(urn:li:dataPlatform:s3,bucket/raw/2024%2001/file+a%25b%252Fc.%C3%A9,PROD)";
    gms.delete("datahub", raw).await?.is(200)?;
    gms.get("plain", &format!("/entities/{encoded}")).await?.is(404)?;
    Ok(())
}

#[tokio::test]
async fn the_config_is_what_the_client_needs() -> TestResult {
    let gms = Gms::new().await?;
    let config = gms.get("nobody", "/config").await?.is(200)?;
    assert_eq!(config["noCode"], "true");
    let version = config["versions"]["acryldata/datahub"]["version"].as_str().unwrap_or_default();
    // From 1.0.1 on the client writes over OpenAPI, and a `v` would have it compare releases.
    let numbers: Vec<u32> = version.split('.').map(str::parse).collect::<Result<_, _>>()?;
    assert!(numbers >= vec![1, 0, 1], "{version}");
    assert_eq!(config["versions"]["acryldata/datahub"]["commit"], Value::Null);
    assert_eq!(config["telemetry"]["enabledCli"], false);
    assert_eq!(config["datahub"]["serverEnv"], "core");
    Ok(())
}
