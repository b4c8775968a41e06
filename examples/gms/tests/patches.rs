//! Patches over both APIs: what they become, and what they ask for.

use super::*;

fn patch(aspect: &str, operations: Value) -> Value {
    by("PATCH", proposal(ORDERS, aspect, operations))
}

fn tag(op: &str, name: &str) -> Value {
    let tag = format!("urn:li:tag:{name}");
    json!({
        "arrayPrimaryKeys": { "tags": ["attribution\u{241f}source", "tag"] },
        "patch": [{ "op": op, "path": format!("/tags//{tag}"), "value": { "tag": tag } }],
    })
}

#[tokio::test]
async fn a_patch_changes_what_is_there_and_makes_what_is_not() -> TestResult {
    let gms = Gms::new().await?;
    let add = json!([{ "op": "add", "path": "/description", "value": "new" }]);
    for _ in 0..2 {
        gms.propose("owner", patch("datasetProperties", add.clone())).await?.is(200)?;
        gms.propose("owner", patch("globalTags", tag("add", "x"))).await?.is(200)?;
    }
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?, json!({ "description": "new" }));
    let tags = json!({ "tags": [{ "tag": "urn:li:tag:x" }] });
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tags);
    // Several of the same aspect in one batch, after one another.
    let batch = json!([
        patch("globalTags", tag("add", "y")),
        patch("globalTags", tag("remove", "x")),
        proposal(ORDERS, "datasetProperties", json!({ "description": "newer" })),
        patch("datasetProperties", json!([{ "op": "add", "path": "/name", "value": "n" }])),
    ]);
    gms.propose_all("owner", batch).await?.is(200)?;
    let tags = json!({ "tags": [{ "tag": "urn:li:tag:y" }] });
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tags);
    let properties = json!({ "description": "newer", "name": "n" });
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?, properties);
    // Over OpenAPI.
    let body =
        json!([{ "urn": ORDERS, "globalTags": { "value": tag("add", "z"), "headers": {} } }]);
    let path = "/openapi/v3/entity/dataset";
    gms.send("owner", Method::PATCH, &format!("{path}?async=true"), &body).await?.is(202)?;
    let one = format!("{path}/{ORDERS}/globalTags");
    gms.send("owner", Method::PATCH, &one, &tag("remove", "y")).await?.is(200)?;
    let tags = json!({ "tags": [{ "tag": "urn:li:tag:z" }] });
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tags);
    // Many at once: none is lost.
    let names: Vec<String> = (0..12).map(|number| format!("t{number}")).collect();
    let writes =
        names.iter().map(|name| gms.propose("owner", patch("globalTags", tag("add", name))));
    for answer in futures_util::future::join_all(writes).await {
        answer?.is(200)?;
    }
    let tags = gms.value(ORDERS, "globalTags").await?.to_string();
    for name in &names {
        assert!(tags.contains(&format!("urn:li:tag:{name}\"")), "{tags}");
    }
    Ok(())
}

#[tokio::test]
async fn a_patch_of_tags_asks_for_the_tags_that_come_or_go() -> TestResult {
    let gms = Gms::new().await?;
    let only_public = json!({
        "filter": { "criteria": [] },
        "privilegeConstraints": { "criteria": [
            { "field": "URN", "values": ["urn:li:tag:public"], "condition": "EQUALS" },
        ] },
    });
    gms.grant(&[may("plain", &["EDIT_ENTITY"], only_public)]).await?;
    gms.propose("plain", patch("globalTags", tag("add", "public"))).await?.is(200)?;
    gms.propose("plain", patch("globalTags", tag("add", "finance"))).await?.is(403)?;
    gms.propose("datahub", patch("globalTags", tag("add", "finance"))).await?.is(200)?;
    gms.propose("plain", patch("globalTags", tag("remove", "finance"))).await?.is(403)?;
    // What the path says is not what counts.
    let disguised = json!([{ "op": "add", "path": "/tags/urn:li:tag:public", "value": { "tag": "urn:li:tag:pii" } }]);
    gms.propose("plain", patch("globalTags", disguised)).await?.is(403)?;
    // Nor is a tag put on and another taken off in a batch less than each alone.
    let batch =
        json!([patch("globalTags", tag("add", "pii")), patch("globalTags", tag("remove", "pii")),]);
    gms.propose_all("plain", batch).await?.is(403)?;
    let last_is_allowed = json!([
        patch("globalTags", tag("add", "pii")),
        patch("globalTags", tag("remove", "public")),
    ]);
    gms.propose_all("plain", last_is_allowed).await?.is(403)?;
    let whole = json!({ "tags": [{ "tag": "urn:li:tag:public" }] });
    let batch = json!([
        proposal(ORDERS, "globalTags", whole.clone()),
        patch("globalTags", tag("add", "finance")),
    ]);
    gms.propose_all("plain", batch).await?.is(403)?;
    gms.propose("plain", patch("globalTags", tag("remove", "public"))).await?.is(200)?;
    let tags = json!({ "tags": [{ "tag": "urn:li:tag:finance" }] });
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tags);
    Ok(())
}

#[tokio::test]
async fn a_patch_of_domains_is_judged_where_it_was_and_where_it_will_be() -> TestResult {
    let gms = Gms::new().await?;
    let edit = |name: &str, domain: &str| {
        let resources = json!({ "filter": { "criteria": [
            { "field": "DOMAIN", "values": [domain], "condition": "EQUALS" },
        ] } });
        may(name, &["EDIT_ENTITY"], resources)
    };
    gms.grant(&[edit("plain", "urn:li:domain:a")]).await?;
    let both = |name: &str| json!([{ "op": "add", "path": "/domains/0", "value": format!("urn:li:domain:{name}") }]);
    let replace = |name: &str| json!([{ "op": "replace", "path": "/domains", "value": [format!("urn:li:domain:{name}")] }]);
    let set = |name: &str| {
        proposal(ORDERS, "domains", json!({ "domains": [format!("urn:li:domain:{name}")] }))
    };
    gms.propose("datahub", set("b")).await?.is(200)?;
    gms.propose("plain", patch("domains", both("a"))).await?.is(403)?;
    gms.propose("datahub", set("a")).await?.is(200)?;
    // It would be in a domain of theirs still.
    gms.propose("plain", patch("domains", both("b"))).await?.is(200)?;
    gms.propose("plain", patch("domains", replace("b"))).await?.is(403)?;
    gms.propose("plain", patch("domains", replace("a"))).await?.is(200)?;
    gms.propose_all("datahub", json!([set("a"), set("b")])).await?.says(400, "twice")?;
    Ok(())
}

#[tokio::test]
async fn a_patch_that_makes_no_sense_changes_nothing() -> TestResult {
    let gms = Gms::new().await?;
    let before = gms.value(ORDERS, "ownership").await?;
    let remove = json!([{ "op": "remove", "path": "/owners" }]);
    let text = json!([{ "op": "add", "path": "/owners", "value": "everybody" }]);
    let root = json!([{ "op": "replace", "path": "", "value": { "owners": [] } }]);
    for operations in [remove, text, root, json!({}), json!("x")] {
        gms.propose("datahub", patch("ownership", operations.clone())).await?.is(400)?;
        let path = format!("/openapi/v3/entity/dataset/{ORDERS}/ownership");
        gms.send("datahub", Method::PATCH, &path, &operations).await?.is(400)?;
    }
    gms.propose("datahub", patch("datasetKey", json!([]))).await?.is(400)?;
    gms.propose("datahub", patch("datasetProfile", json!([]))).await?.is(400)?;
    assert_eq!(gms.value(ORDERS, "ownership").await?, before);
    Ok(())
}

/// Whether a patch fits what is there tells of it.
#[tokio::test]
async fn who_may_not_write_learns_nothing_from_a_patch() -> TestResult {
    let gms = Gms::new().await?;
    let tags = json!({ "tags": [{ "tag": "urn:li:tag:a", "n": 1 }, { "tag": "urn:li:tag:a" }] });
    gms.propose("datahub", proposal(ORDERS, "globalTags", tags)).await?.is(200)?;
    let secret = json!({ "description": "secret" });
    gms.propose("datahub", proposal(ORDERS, "datasetProperties", secret)).await?.is(200)?;
    let test = |text: &str| json!([{ "op": "test", "path": "/description", "value": text }]);
    let replace = json!([{ "op": "replace", "path": "/nothing", "value": 1 }]);
    let mut answers = Vec::new();
    for patch in [
        patch("datasetProperties", test("secret")),
        patch("datasetProperties", test("wrong")),
        patch("datasetProperties", replace),
        patch("globalTags", tag("add", "x")),
        patch("globalTags", json!([{ "op": "add", "path": "/tags/x", "value": {} }])),
    ] {
        answers.push(gms.propose("plain", patch).await?.is(403)?);
    }
    assert!(answers.windows(2).all(|two| two[0] == two[1]), "{answers:?}");
    // Who may write need not be able to read.
    let add = json!([{ "op": "add", "path": "/tags/x", "value": {} }]);
    let twice = gms.propose("owner", patch("globalTags", add)).await?.is(400)?;
    assert!(!twice.to_string().contains("urn:li:tag:a"), "{twice}");
    Ok(())
}

#[tokio::test]
async fn a_tag_is_a_urn() -> TestResult {
    let gms = Gms::new().await?;
    let tags = json!({ "tags": [{ "tag": "pii" }] });
    gms.propose("owner", proposal(ORDERS, "globalTags", tags)).await?.says(400, "tag")?;
    let add = json!([{ "op": "add", "path": "/tags/pii", "value": { "tag": "pii" } }]);
    gms.propose("owner", patch("globalTags", add)).await?.is(400)?;
    assert_eq!(gms.value(ORDERS, "globalTags").await?, Value::Null);
    Ok(())
}

/// Some floats are read as others than were written.
#[tokio::test]
async fn what_is_next_to_any_number_is_patched() -> TestResult {
    let gms = Gms::new().await?;
    let numbers: Vec<f64> = (1..2_000).map(|number| 1e-23_f64 / f64::from(number) / 3.0).collect();
    gms.propose("owner", proposal(ORDERS, "datasetProperties", json!({ "n": numbers })))
        .await?
        .is(200)?;
    let add = json!([{ "op": "add", "path": "/description", "value": "new" }]);
    gms.propose("owner", patch("datasetProperties", add)).await?.is(200)?;
    Ok(())
}

/// What could not be read again would be in everybody's way.
#[tokio::test]
async fn a_value_that_is_too_deep_or_too_large_is_not_stored() -> TestResult {
    let gms = Gms::new().await?;
    let deep = |depth: usize| (0..depth).fold(json!(1), |value, _| json!({ "a": value }));
    gms.propose("owner", proposal(ORDERS, "datasetProperties", deep(64))).await?.is(200)?;
    gms.propose("owner", proposal(ORDERS, "datasetProperties", deep(65)))
        .await?
        .says(400, "deep")?;
    let path = "/b".repeat(20);
    let add = json!([{ "op": "add", "path": path, "value": deep(45) }]);
    gms.propose("owner", patch("datasetProperties", add)).await?.says(400, "deep")?;
    let add = json!([{ "op": "add", "path": path, "value": deep(44) }]);
    gms.propose("owner", patch("datasetProperties", add)).await?.is(200)?;
    for (number, status) in [(0, 200), (1, 200), (2, 400)] {
        let (path, value) = (format!("/text{number}"), "x".repeat(6 * 1024 * 1024));
        let add = json!([{ "op": "add", "path": path, "value": value }]);
        gms.propose("owner", patch("datasetProperties", add)).await?.is(status)?;
    }
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?["text2"], Value::Null);
    Ok(())
}
