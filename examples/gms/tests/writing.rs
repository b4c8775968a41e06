//! Writing over Rest.li and OpenAPI: who may, all or nothing, and what is no request.

use sqlx::Connection;

use super::*;

const OTHER: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.other,PROD)";

fn status(urn: &str) -> Value {
    proposal(urn, "status", json!({ "removed": false }))
}

#[tokio::test]
async fn who_may_read_may_not_write_in_any_way() -> TestResult {
    let gms = Gms::new().await?;
    let value = json!({ "value": { "removed": false } });
    let patch = json!({ "patch": [{ "op": "add", "path": "/removed", "value": false }] });
    let list = json!([{ "urn": ORDERS, "status": value }]);
    let patches = json!([{ "urn": ORDERS, "status": { "value": patch } }]);
    let single = json!({ "proposal": status(ORDERS) });
    let batch = json!({ "proposals": [status(ORDERS)] });
    let snapshot = json!({ "entity": { "value": {
        "com.linkedin.metadata.snapshot.DatasetSnapshot": {
            "urn": ORDERS, "aspects": [{ "com.linkedin.common.Status": { "removed": false } }],
        },
    } } });
    let profile = proposal(ORDERS, "datasetProfile", json!({ "timestampMillis": 1 }));
    let profile = json!({ "proposal": profile });
    let path = format!("/openapi/v3/entity/dataset/{ORDERS}/status");
    for (method, path, body) in [
        ("POST", "/aspects?action=ingestProposal", &single),
        ("POST", "/aspects?action=ingestProposal", &profile),
        ("POST", "/aspects?action=ingestProposalBatch", &batch),
        ("POST", "/entities?action=ingest", &snapshot),
        ("POST", "/openapi/v3/entity/dataset", &list),
        ("POST", "/openapi/v3/entity/dataset?async=true", &list),
        ("PATCH", "/openapi/v3/entity/dataset", &patches),
        ("POST", &path, &value),
        ("PATCH", &path, &patch),
    ] {
        gms.send("nobody", method.parse()?, path, body).await?.is(401)?;
        gms.send("plain", method.parse()?, path, body).await?.says(403, "EDIT_ENTITY")?;
        for who in ["owner", "datahub"] {
            let answer = gms.send(who, method.parse()?, path, body).await?;
            assert!(answer.status.is_success(), "{answer:?}");
        }
    }
    for change_type in ["UPSERT", "UPDATE", "RESTATE", "CREATE", "CREATE_ENTITY", "DELETE"] {
        let answer = gms.propose("plain", by(change_type, status(ORDERS))).await?;
        answer.is(403)?;
    }
    let patch = by("PATCH", proposal(ORDERS, "status", patch["patch"].clone()));
    gms.propose("plain", patch.clone()).await?.says(403, "EDIT_ENTITY")?;
    gms.propose("owner", patch).await?.is(200)?;
    gms.propose("owner", by("CREATE_ENTITY", status(ORDERS))).await?.is(409)?;
    gms.propose("owner", by("NONSENSE", status(ORDERS))).await?.is(400)?;
    // Owners edit and do not delete.
    gms.propose("owner", by("DELETE", status(ORDERS))).await?.says(403, "DELETE_ENTITY")?;
    gms.propose("admin", by("DELETE", status(ORDERS))).await?.is(200)?;
    assert_eq!(gms.value(ORDERS, "status").await?, Value::Null);
    Ok(())
}

#[tokio::test]
async fn one_refusal_refuses_the_batch_and_nothing_is_written() -> TestResult {
    let gms = Gms::new().await?;
    let made = "urn:li:tag:made";
    let tag = proposal(made, "tagProperties", json!({ "name": "made" }));
    let profile = proposal(ORDERS, "datasetProfile", json!({ "timestampMillis": 1 }));
    let info = proposal("urn:li:corpuser:new", "corpUserInfo", json!({ "active": true }));
    gms.grant(&[may("keeper", &["EDIT_ENTITY"], only(&[ORDERS, made]))]).await?;
    gms.propose_all("keeper", json!([status(ORDERS)])).await?.is(200)?;
    let mut one_other = vec![tag.clone(), profile.clone(), info.clone(), status(OTHER)];
    for _ in 0..one_other.len() {
        one_other.rotate_left(1);
        gms.propose_all("keeper", json!(one_other)).await?.says(403, OTHER)?;
    }
    let bad = by("NONSENSE", status(ORDERS));
    gms.propose_all("datahub", json!([tag, profile, info, bad])).await?.is(400)?;
    gms.propose_all("datahub", json!([tag, by("CREATE_ENTITY", status(ORDERS))])).await?.is(409)?;
    let list = json!([
        { "urn": ORDERS, "datasetProperties": { "value": { "description": "new" } } },
        { "urn": OTHER, "datasetProperties": { "value": { "description": "new" } } },
    ]);
    gms.post("keeper", "dataset", &list).await?.says(403, OTHER)?;
    let patches = json!([
        { "urn": ORDERS, "datasetProperties": { "value": { "patch": [] } } },
        { "urn": OTHER, "datasetProperties": { "value": { "patch": [] } } },
    ]);
    let path = "/openapi/v3/entity/dataset";
    gms.send("keeper", Method::PATCH, path, &patches).await?.says(403, OTHER)?;

    gms.get("datahub", &format!("/entities/{made}")).await?.is(404)?;
    gms.get("datahub", &format!("/entities/{OTHER}")).await?.is(404)?;
    gms.get("datahub", "/entities/urn:li:corpuser:new").await?.is(404)?;
    assert_eq!(gms.value(ORDERS, "datasetProperties").await?, Value::Null);
    let orders: Urn = ORDERS.parse()?;
    let events =
        gms.service.entities.events(&orders, "datasetProfile", Default::default(), 1, |_| true);
    assert_eq!(events.await?, []);
    Ok(())
}

#[tokio::test]
async fn each_way_to_write_asks_for_what_datahub_asks_for() -> TestResult {
    let gms = Gms::new().await?;
    let prefix = "urn:li:tag:new";
    gms.grant(&[may("keeper", &["CREATE_ENTITY"], json!(null))]).await?;
    let name = |urn: &str| proposal(urn, "tagProperties", json!({ "name": "n" }));
    for (number, (change_type, missing, exists)) in [
        ("UPSERT", 200, 403),
        ("UPDATE", 200, 403),
        ("RESTATE", 200, 403),
        ("CREATE_ENTITY", 200, 403),
        ("CREATE", 403, 403),
        ("DELETE", 403, 403),
    ]
    .into_iter()
    .enumerate()
    {
        let urn = format!("{prefix}{number}");
        gms.propose("keeper", by(change_type, name(&urn))).await?.is(missing)?;
        gms.propose("datahub", name(&urn)).await?.is(200)?;
        gms.propose("keeper", by(change_type, name(&urn))).await?.is(exists)?;
    }
    let patch = json!([{ "op": "add", "path": "/name", "value": "n" }]);
    let patch = by("PATCH", proposal("urn:li:tag:patched", "tagProperties", patch));
    gms.propose("keeper", patch).await?.is(403)?;
    // A snapshot is no way to overwrite for who may only make.
    let snapshot = |name: &str| {
        json!({ "entity": { "value": { "com.linkedin.metadata.snapshot.TagSnapshot": {
            "urn": "urn:li:tag:shot",
            "aspects": [{ "com.linkedin.tag.TagProperties": { "name": name } }],
        } } } })
    };
    gms.act("keeper", "entities?action=ingest", &snapshot("a")).await?.is(200)?;
    gms.act("keeper", "entities?action=ingest", &snapshot("b")).await?.is(403)?;
    assert_eq!(gms.value("urn:li:tag:shot", "tagProperties").await?["name"], "a");
    Ok(())
}

#[tokio::test]
async fn the_same_once_more_changes_nothing_and_what_is_there_is_left_by_create() -> TestResult {
    let gms = Gms::new().await?;
    let tag = |name: &str| proposal("urn:li:tag:a", "tagProperties", json!({ "name": name }));
    for _ in 0..2 {
        gms.propose_all("datahub", json!([tag("a"), tag("b")])).await?.is(200)?;
        assert_eq!(gms.value("urn:li:tag:a", "tagProperties").await?["name"], "b");
    }
    gms.propose("datahub", by("CREATE", tag("c"))).await?.is(200)?;
    assert_eq!(gms.value("urn:li:tag:a", "tagProperties").await?["name"], "b");
    for change_type in ["UPDATE", "RESTATE"] {
        gms.propose("datahub", by(change_type, tag(change_type))).await?.is(200)?;
        assert_eq!(gms.value("urn:li:tag:a", "tagProperties").await?["name"], change_type);
    }
    // As the SDK makes an entity.
    let key = proposal("urn:li:tag:b", "tagKey", json!({ "name": "b" }));
    let name = proposal("urn:li:tag:b", "tagProperties", json!({ "name": "b" }));
    let made = json!([by("CREATE_ENTITY", key), by("CREATE", name)]);
    gms.propose_all("datahub", made.clone()).await?.is(200)?;
    gms.propose_all("datahub", made).await?.is(409)?;
    // Many at once, all of which make the same entity: all are written.
    let writes = (0..16).map(|number| {
        let name = if number % 2 == 0 { "domains" } else { "datasetProperties" };
        let value = match name {
            "domains" => json!({ "domains": [] }),
            _ => json!({ "description": number.to_string() }),
        };
        gms.propose("datahub", proposal(OTHER, name, value))
    });
    for answer in futures_util::future::join_all(writes).await {
        answer?.is(200)?;
    }
    Ok(())
}

/// Somebody else writes between the decision and the write.
#[tokio::test]
async fn what_was_overtaken_is_judged_anew() -> TestResult {
    let gms = Gms::new().await?;
    gms.grant(&[may("keeper", &["CREATE_ENTITY"], json!(null))]).await?;
    for (who, urn, status) in [("keeper", "urn:li:tag:a", 403), ("datahub", "urn:li:tag:b", 200)] {
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(gms.folder.path().join("entities.db"));
        let mut other = sqlx::SqliteConnection::connect_with(&options).await?;
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut other).await?;
        let name = proposal(urn, "tagProperties", json!({ "name": "mine" }));
        let overtaking = async {
            // Long enough for the decision; the write has to wait.
            tokio::time::sleep(Duration::from_millis(300)).await;
            sqlx::query(
                "INSERT INTO aspect (urn, type, name, value, written_at, written_by)
                 VALUES (?, 'tag', 'status', '{\"removed\":false}', 0, 'urn:li:corpuser:x')",
            )
            .bind(urn)
            .execute(&mut other)
            .await?;
            sqlx::raw_sql("COMMIT").execute(&mut other).await
        };
        let (answer, overtaken) = tokio::join!(gms.propose(who, name), overtaking);
        overtaken?;
        // What may be made need not be what may be changed.
        answer?.is(status)?;
        assert_eq!(gms.value(urn, "tagProperties").await?.is_null(), status == 403);
    }
    Ok(())
}

#[tokio::test]
async fn what_is_no_proposal_is_refused_with_a_message() -> TestResult {
    let gms = Gms::new().await?;
    let with = |change: &dyn Fn(&mut Value)| {
        let mut proposal = status(ORDERS);
        change(&mut proposal);
        proposal
    };
    for bad in [
        json!({}),
        json!("text"),
        with(&|it| it["entityType"] = json!("tag")),
        with(&|it| it["entityType"] = json!("nonsense")),
        with(&|it| it["entityUrn"] = json!("orders")),
        with(&|it| it["entityUrn"] = json!("urn:li:dataset:orders")),
        with(&|it| it["entityUrn"] = json!("urn:li:dataset")),
        with(&|it| it["entityUrn"] = json!("")),
        with(&|it| it["entityUrn"] = json!(null)),
        with(&|it| it["aspectName"] = json!("nonsense")),
        with(&|it| it["aspectName"] = json!(null)),
        with(&|it| it["changeType"] = json!("upsert")),
        with(&|it| it["aspect"] = json!(null)),
        with(&|it| it["aspect"]["value"] = json!({ "removed": true })),
        with(&|it| it["aspect"]["value"] = json!("{\"removed\":")),
        with(&|it| it["aspect"]["value"] = json!("[]")),
        with(&|it| it["aspect"]["contentType"] = json!("application/json-patch+json")),
        with(&|it| it["systemMetadata"] = json!([])),
        with(&|it| it["systemMetadata"] = json!("text")),
        with(&|it| it["headers"] = json!({ "If-Version-Match": "1" })),
        by("PATCH", status(ORDERS)),
    ] {
        gms.propose("datahub", bad.clone()).await?.is(400)?;
        gms.propose_all("datahub", json!([status(OTHER), bad])).await?.is(400)?;
    }
    for body in [json!([]), json!({}), json!({ "proposals": [] }), json!({ "proposal": [] })] {
        gms.act("datahub", "aspects?action=ingestProposal", &body).await?.is(400)?;
        gms.act("datahub", "aspects?action=ingestProposalBatch", &body).await?.is(400)?;
        gms.act("datahub", "entities?action=ingest", &body).await?.is(400)?;
    }
    // A delete is not hidden in a batch.
    gms.propose_all("datahub", json!([status(OTHER), by("DELETE", status(ORDERS))]))
        .await?
        .is(400)?;
    for path in ["aspects", "entities", "runs", "aspects?action=", "entities?action=nonsense"] {
        let answer = gms.act("datahub", path, &json!({})).await?;
        assert!([400, 404].contains(&answer.status.as_u16()), "{answer:?}");
        assert!(answer.body["message"].is_string(), "{answer:?}");
    }
    gms.get("datahub", &format!("/entities/{OTHER}")).await?.is(404)?;
    Ok(())
}

#[tokio::test]
async fn a_body_is_whole_json_of_at_most_16_mebibytes() -> TestResult {
    let gms = Gms::new().await?;
    let send = async |content_type: Option<&str>, body: String| -> Result<_, Box<dyn Error>> {
        let (_, token) = gms.tokens.iter().find(|(name, _)| *name == "datahub").ok_or("no root")?;
        let mut request = Request::post("/aspects?action=ingestProposal")
            .header("authorization", format!("Bearer {token}"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let response = gms.app.clone().oneshot(request.body(Body::from(body))?).await?;
        let status = response.status();
        let bytes = to_bytes(Body::new(response.into_body()), usize::MAX).await?;
        let body = serde_json::from_slice(&bytes)?;
        Ok(Answer { what: format!("{content_type:?}"), status, body })
    };
    let good = json!({ "proposal": status(ORDERS) }).to_string();
    for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
        send(Some(content_type), good.clone()).await?.is(200)?;
    }
    for content_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonx"),
        Some("application/problem+json"),
        Some("multipart/form-data; boundary=application/json"),
    ] {
        send(content_type, good.clone()).await?.is(415)?;
    }
    let json = Some("application/json");
    for length in [0, 1, good.len() / 2, good.len() - 1] {
        send(json, good[..length].to_owned()).await?.is(400)?;
    }
    send(json, format!("{good}{good}")).await?.is(400)?;
    send(json, "[".repeat(100_000)).await?.is(400)?;
    // As large as the client makes them, and larger than they may be.
    let described = |bytes: usize| {
        let value = json!({ "description": "x".repeat(bytes) });
        json!({ "proposal": proposal(ORDERS, "datasetProperties", value) }).to_string()
    };
    send(json, described(15_728_640)).await?.is(200)?;
    send(json, described(17 * 1024 * 1024)).await?.is(413)?;
    Ok(())
}

#[tokio::test]
async fn identity_and_policy_are_no_more_open_over_rest_li() -> TestResult {
    let gms = Gms::new().await?;
    let keeper = "urn:li:corpuser:keeper";
    let admins = json!({ "roles": [role("Admin")] });
    let groups = json!({ "groups": ["urn:li:corpGroup:admins"] });
    let info = json!({
        "displayName": "mine", "description": "", "type": "PLATFORM", "state": "ACTIVE",
        "privileges": ["MANAGE_POLICIES"], "actors": { "users": [user("keeper")] },
    });
    for (urn, aspect, value) in [
        (keeper, "roleMembership", &admins),
        (keeper, "groupMembership", &groups),
        ("urn:li:corpGroup:admins", "roleMembership", &admins),
        ("urn:li:dataHubPolicy:mine", "dataHubPolicyInfo", &info),
        (keeper, "corpUserCredentials", &json!({})),
        (keeper, "subTypes", &json!({ "typeNames": ["SERVICE_ACCOUNT"] })),
        ("urn:li:dataHubAccessToken:x", "dataHubAccessTokenInfo", &json!({})),
    ] {
        let proposal = proposal(urn, aspect, value.clone());
        gms.propose("keeper", proposal.clone()).await?.is(403)?;
        let harmless = self::proposal(keeper, "corpUserInfo", json!({ "active": true }));
        gms.propose_all("keeper", json!([harmless, proposal])).await?.is(403)?;
        for change_type in ["CREATE", "CREATE_ENTITY", "UPDATE", "RESTATE", "DELETE"] {
            let answer = gms.propose("keeper", by(change_type, proposal.clone())).await?;
            assert!(answer.status.is_client_error(), "{answer:?}");
        }
        // Nobody patches what decides who may do what.
        let patch = by("PATCH", self::proposal(urn, aspect, json!([])));
        for who in ["keeper", "datahub"] {
            let answer = gms.propose(who, patch.clone()).await?;
            assert!([400, 403].contains(&answer.status.as_u16()), "{answer:?}");
        }
    }
    let snapshot = json!({ "entity": { "value": {
        "com.linkedin.metadata.snapshot.CorpUserSnapshot": { "urn": keeper, "aspects": [
            { "com.linkedin.identity.RoleMembership": admins },
        ] },
    } } });
    gms.act("keeper", "entities?action=ingest", &snapshot).await?.says(403, "MANAGE_POLICIES")?;
    assert_eq!(gms.value(keeper, "corpUserInfo").await?, Value::Null);
    let profile = gms.service.store.profile(&user("keeper")).await?.ok_or("no keeper")?;
    assert!(profile.roles.is_empty() && profile.groups.is_empty());
    // The part that they may write is theirs as before, and root's the rest.
    let update = by("UPDATE", proposal(keeper, "roleMembership", admins.clone()));
    gms.propose("datahub", update).await?.is(200)?;
    assert_eq!(gms.value(keeper, "roleMembership").await?, admins);
    Ok(())
}

#[tokio::test]
async fn a_run_reports_itself_for_those_who_manage_ingestion() -> TestResult {
    let gms = Gms::new().await?;
    let source = json!({ "name": "[CLI] file", "type": "file", "config": { "recipe": "{}" } });
    let source =
        proposal("urn:li:dataHubIngestionSource:cli", "dataHubIngestionSourceInfo", source);
    let input = json!({ "task": "CLI Ingestion", "args": {}, "requestedAt": 1 });
    let urn = "urn:li:dataHubExecutionRequest:run";
    let input = proposal(urn, "dataHubExecutionRequestInput", input);
    for one in [&source, &input] {
        gms.propose("plain", one.clone()).await?.is(403)?;
        gms.propose("datahub", one.clone()).await?.is(200)?;
    }
    // With their report in it, the batch of who may only write data is refused as a whole.
    gms.grant(&[may("keeper", &["EDIT_ENTITY"], only(&[ORDERS]))]).await?;
    gms.propose_all("keeper", json!([status(ORDERS), input])).await?.is(403)?;
    Ok(())
}

/// The head is judged when it comes, and the body can be as late as it likes.
#[tokio::test]
async fn who_was_suspended_while_a_proposal_was_on_its_way_writes_nothing() -> TestResult {
    let gms = Gms::new().await?;
    for (method, path) in [
        ("POST", "/aspects?action=ingestProposal"),
        ("POST", "/entities?action=delete"),
        ("POST", "/runs?action=rollback"),
        ("PATCH", "/openapi/v3/entity/dataset"),
        ("POST", "/api/graphql"),
        ("POST", "/pat/tokens"),
    ] {
        let (reads, reading) = tokio::sync::oneshot::channel::<()>();
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let body = json!({ "urn": ORDERS, "proposal": status(ORDERS), "runId": "r" }).to_string();
        let late = futures_util::stream::once(async move {
            let _ = reads.send(());
            gone.await.map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(body)
        });
        let (_, token) = gms.tokens.iter().find(|(name, _)| *name == "admin").ok_or("no admin")?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from_stream(late))?;
        let pending = tokio::spawn(gms.app.clone().oneshot(request));
        reading.await?;
        gms.service.store.set_suspended(&user("admin"), true).await?;
        gms.eventually("admin", "/entities/urn:li:tag:any", 401).await?;
        go.send(()).map_err(|()| "nobody waits")?;
        assert_eq!(pending.await??.status(), 401, "{path}");
        gms.service.store.set_suspended(&user("admin"), false).await?;
        gms.eventually("admin", "/entities/urn:li:tag:any", 404).await?;
    }
    gms.get("datahub", &format!("/entities/{ORDERS}")).await?.is(200)?;
    assert_eq!(gms.value(ORDERS, "status").await?, Value::Null);
    Ok(())
}

/// Who is cut off while sending does not read the answer.
#[tokio::test]
async fn a_body_that_is_refused_is_read_on_for_a_while() -> TestResult {
    use std::sync::atomic::{AtomicUsize, Ordering};

    let gms = Gms::new().await?;
    let (_, token) = gms.tokens.iter().find(|(name, _)| *name == "datahub").ok_or("no token")?;
    let mebibyte = axum::body::Bytes::from(vec![b' '; 1 << 20]);
    for (content_type, sent, status, read) in [
        ("application/json", 20, 413, 20),
        ("application/json", 100, 413, 49),
        ("text/plain", 3, 415, 3),
        ("text/plain", 0, 415, 0),
        ("text/plain", 100, 415, 49),
    ] {
        let count = Arc::new(AtomicUsize::new(0));
        let (counter, chunk) = (count.clone(), mebibyte.clone());
        let chunks = (0..sent).map(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(chunk.clone())
        });
        let request = Request::post("/openapi/v3/entity/tag")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", content_type)
            .body(Body::from_stream(futures_util::stream::iter(chunks)))?;
        let response = gms.app.clone().oneshot(request).await?;
        assert_eq!(response.status(), status, "{content_type} {sent}");
        assert_eq!(count.load(Ordering::Relaxed), read, "{content_type} {sent}");
    }
    Ok(())
}
