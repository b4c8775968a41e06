//! What each endpoint of OpenAPI asks of whom.

use super::*;

#[tokio::test]
async fn each_endpoint_asks_for_its_privilege() -> TestResult {
    let gms = Gms::new().await?;
    let entity = format!("/openapi/v3/entity/dataset/{ORDERS}");
    let status = format!("{entity}/status");
    let value = json!({ "value": { "removed": false } });
    let list = written(ORDERS, "status", json!({ "removed": false }));
    // Who sends no token, then root, admin, owner and plain.
    for (method, path, body, expected) in [
        ("GET", "/health", &Value::Null, [200, 200, 200, 200, 200]),
        ("GET", "/config", &Value::Null, [200, 200, 200, 200, 200]),
        ("GET", "/nowhere", &Value::Null, [401, 404, 404, 404, 404]),
        ("GET", &*format!("/entities/{ORDERS}"), &Value::Null, [401, 200, 200, 200, 200]),
        ("GET", &entity, &Value::Null, [401, 200, 200, 200, 200]),
        ("GET", "/openapi/v3/entity/dataset", &Value::Null, [401, 200, 200, 200, 200]),
        ("HEAD", &entity, &Value::Null, [401, 204, 204, 204, 204]),
        ("POST", "/openapi/v3/entity/dataset", &list, [401, 200, 200, 200, 403]),
        ("POST", &status, &value, [401, 200, 200, 200, 403]),
        ("GET", &status, &Value::Null, [401, 200, 200, 200, 200]),
        ("HEAD", &status, &Value::Null, [401, 204, 204, 204, 204]),
        ("PUT", &entity, &Value::Null, [401, 405, 405, 405, 405]),
        // The second time there is nothing to delete, which is what was wanted; owners may edit and
        // not delete.
        ("DELETE", &status, &json!([]), [401, 200, 200, 403, 403]),
        ("DELETE", &entity, &json!([]), [401, 200, 200, 403, 403]),
        ("GET", &entity, &Value::Null, [401, 404, 404, 404, 404]),
    ] {
        for (who, expected) in ["nobody", "datahub", "admin", "owner", "plain"].iter().zip(expected)
        {
            let method = method.parse()?;
            gms.send(who, method, path, body).await?.is(expected)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_refusal_names_the_privilege_and_comes_before_not_found() -> TestResult {
    let gms = Gms::new().await?;
    let path = format!("dataset/{ORDERS}");
    gms.delete("plain", &path).await?.says(403, "DELETE_ENTITY")?;
    let missing = "dataset/urn:li:dataset:(urn:li:dataPlatform:hive,nothing,PROD)";
    gms.delete("plain", missing).await?.says(403, "DELETE_ENTITY")?;
    gms.delete("datahub", missing).await?.is(200)?;
    // Nobody may view anything any more.
    let urn = Urn::of("dataHubPolicy", "view-entity-page-all")?;
    gms.service.store.delete_policy(&urn).await?;
    let view = "/entities/urn:li:tag:any";
    gms.eventually("plain", view, 403).await?;
    let path = format!("/openapi/v3/entity/{path}");
    gms.get("plain", &path).await?.says(403, "VIEW_ENTITY_PAGE")?;
    gms.get("plain", &format!("/openapi/v3/entity/{missing}")).await?.is(403)?;
    gms.get("plain", &format!("/entities/{ORDERS}")).await?.is(403)?;
    gms.send("plain", Method::HEAD, &path, &Value::Null).await?.is(403)?;
    gms.get("plain", "/openapi/v3/entity/dataset").await?.says(403, "on every dataset")?;
    // View Self.
    gms.get("plain", "/entities/urn:li:corpuser:plain").await?.is(200)?;
    gms.get("owner", &path).await?.is(200)?;
    Ok(())
}

#[tokio::test]
async fn what_makes_no_sense_is_a_bad_request() -> TestResult {
    let gms = Gms::new().await?;
    for (path, body) in [
        ("tag", json!({})),
        ("tag", json!([1])),
        ("tag", json!([{ "tagProperties": { "value": {} } }])),
        ("tag", json!([{ "urn": 7 }])),
        ("tag", json!([{ "urn": "urn:li:tag:(a" }])),
        ("tag", json!([{ "urn": "urn:li:tag:a", "tagProperties": { "name": "a" } }])),
        ("tag", json!([{ "urn": "urn:li:tag:a", "tagProperties": { "value": "a" } }])),
        (
            "tag",
            json!([{ "urn": "urn:li:tag:a", "tagProperties": {
            "value": {}, "headers": { "If-Version-Match": "1" },
        } }]),
        ),
        ("tag/urn:li:tag:a", json!({ "value": {} })),
        ("dataset", written("urn:li:dataset:orders", "status", json!({ "removed": false }))),
        ("dataset", written(ORDERS, "ownership", json!({ "owners": ["urn:li:corpuser:plain"] }))),
        ("dataset", written(ORDERS, "domains", json!({ "domains": "urn:li:domain:sales" }))),
        ("tag?async=maybe", json!([])),
    ] {
        gms.post("datahub", path, &body).await?.is(400)?;
    }
    let twice = json!([
        { "urn": user("plain"), "status": { "value": { "removed": false } } },
        { "urn": user("plain"), "status": { "value": { "removed": true } } },
    ]);
    gms.post("datahub", "corpuser", &twice).await?.says(400, "twice")?;
    // The same twice is no question.
    let status = json!({ "urn": user("plain"), "status": { "value": { "removed": false } } });
    let key = json!({ "urn": user("plain"), "corpUserKey": { "value": { "username": "plain" } } });
    let same = json!([status, key, status, key]);
    gms.post("datahub", "corpuser", &same).await?.is(200)?;
    let path = "/openapi/v3/entity/tag";
    let large = Value::String("x".repeat(17 * 1024 * 1024));
    gms.send("datahub", Method::POST, path, &large).await?.is(413)?;
    Ok(())
}

#[tokio::test]
async fn a_write_of_nothing_is_refused_and_so_is_one_of_too_much() -> TestResult {
    let gms = Gms::new().await?;
    for nothing in [json!([]), json!([{ "urn": ORDERS }])] {
        gms.post("datahub", "dataset", &nothing).await?.says(400, "nothing to write")?;
    }
    let many: Vec<Value> = (0..1_001)
        .map(|number| {
            json!({ "urn": format!("urn:li:tag:t{number}"),
                    "status": { "value": { "removed": false } } })
        })
        .collect();
    gms.post("plain", "tag", &json!(many)).await?.says(400, "at once at most")
}

#[tokio::test]
async fn a_page_has_only_what_may_be_read() -> TestResult {
    let gms = Gms::new().await?;
    for name in ["a", "b", "c"] {
        let tag = written(format!("urn:li:tag:{name}"), "tagProperties", json!({ "name": name }));
        gms.post("datahub", "tag", &tag).await?.is(200)?;
    }
    let page = gms.get("plain", "/openapi/v3/entity/tag?count=2").await?.is(200)?;
    assert_eq!(page["entities"].as_array().map(Vec::len), Some(2));
    let next =
        format!("/openapi/v3/entity/tag?count=2&scrollId={}", page["scrollId"].as_str().unwrap());
    let page = gms.get("plain", &next).await?.is(200)?;
    assert_eq!(page["entities"][0]["urn"], "urn:li:tag:c");
    assert_eq!(page["scrollId"], Value::Null);
    for (entity_type, at_least) in
        [("corpuser", 1), ("dataHubPolicy", 17), ("dataHubRole", 3), ("dataHubAccessToken", 1)]
    {
        let path = format!("/openapi/v3/entity/{entity_type}?count=1000");
        let page = gms.get("plain", &path).await?.is(200)?;
        assert!(page["entities"].as_array().unwrap().len() >= at_least, "{entity_type}");
    }
    for entity_type in ["corpuser", "dataHubAccessToken"] {
        let path = format!("/openapi/v3/entity/{entity_type}?scrollId=x");
        gms.get("plain", &path).await?.says(400, "scrollId")?;
    }
    for query in ["count=0", "count=1001", "count=x"] {
        gms.get("plain", &format!("/openapi/v3/entity/tag?{query}")).await?.is(400)?;
    }

    // All tags but one: a page that has that one is refused as a whole.
    let all = Urn::of("dataHubPolicy", "view-entity-page-all")?;
    gms.service.store.delete_policy(&all).await?;
    let resources = json!({ "filter": { "criteria": [
        { "field": "URN", "values": ["urn:li:tag:b"], "condition": "NOT_EQUALS" },
    ] } });
    let viewer = policy(&["VIEW_ENTITY_PAGE"], json!({ "users": [user("plain")] }), resources);
    gms.service.store.put_policies(&[viewer]).await?;
    gms.eventually("plain", "/entities/urn:li:tag:b", 403).await?;
    gms.eventually("plain", "/entities/urn:li:tag:a", 200).await?;
    gms.get("plain", "/openapi/v3/entity/tag?count=1").await?.is(200)?;
    gms.get("plain", "/openapi/v3/entity/tag").await?.says(403, "urn:li:tag:b")?;
    Ok(())
}

#[tokio::test]
async fn tokens_are_managed_over_rest_too() -> TestResult {
    let gms = Gms::new().await?;
    gms.send("nobody", Method::GET, "/pat/tokens", &Value::Null).await?.is(401)?;
    let new = json!({ "name": "ci", "duration": "ONE_HOUR" });
    let created = gms.send("plain", Method::POST, "/pat/tokens", &new).await?.is(201)?;
    let id = created["token"]["id"].as_str().ok_or("an id")?;
    let id = id.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
    gms.send("owner", Method::GET, &format!("/pat/tokens/{id}"), &Value::Null).await?.is(403)?;
    gms.send("plain", Method::GET, &format!("/pat/tokens/{id}"), &Value::Null).await?.is(200)?;
    gms.send("plain", Method::DELETE, &format!("/pat/tokens/{id}"), &Value::Null).await?.is(204)?;
    gms.send("plain", Method::GET, &format!("/pat/tokens/{id}"), &Value::Null).await?.is(404)?;
    Ok(())
}
