//! `POST /entities?action=delete` and `deleteReferences`.

use super::*;

const DELETE: &str = "entities?action=delete";
const REFERENCES: &str = "entities?action=deleteReferences";

#[tokio::test]
async fn deleting_an_entity_asks_for_that_and_what_is_gone_is_no_error() -> TestResult {
    let gms = Gms::new().await?;
    let body = json!({ "urn": ORDERS });
    gms.act("nobody", DELETE, &body).await?.is(401)?;
    for who in ["plain", "owner"] {
        gms.act(who, DELETE, &body).await?.says(403, "DELETE_ENTITY")?;
    }
    gms.get("datahub", &format!("/entities/{ORDERS}")).await?.is(200)?;
    let deleted = gms.act("datahub", DELETE, &body).await?.is(200)?;
    assert_eq!(deleted["value"]["rows"], 2);
    gms.get("datahub", &format!("/entities/{ORDERS}")).await?.is(404)?;
    // The client sends it again when it has not heard of it.
    assert_eq!(gms.act("datahub", DELETE, &body).await?.is(200)?["value"]["rows"], 0);
    gms.act("plain", DELETE, &body).await?.is(403)?;
    for bad in [json!({}), json!({ "urn": 1 }), json!({ "urn": "x" }), json!([])] {
        gms.act("datahub", DELETE, &bad).await?.is(400)?;
    }
    Ok(())
}

#[tokio::test]
async fn users_groups_policies_and_tokens_are_deleted_where_they_live() -> TestResult {
    let gms = Gms::new().await?;
    let body = |urn: &dyn ToString| json!({ "urn": urn.to_string() });
    let (_, token) = gms.tokens.iter().find(|(name, _)| *name == "plain").ok_or("no token")?;
    let token = gms.service.tokens.id_of(token).urn();
    gms.act("keeper", DELETE, &body(&token)).await?.says(403, "MANAGE_ACCESS_TOKENS")?;
    gms.act("keeper", DELETE, &body(&"urn:li:dataHubPolicy:7")).await?.is(403)?;
    gms.act("datahub", DELETE, &body(&"urn:li:dataHubPolicy:1")).await?.is(403)?;
    gms.act("datahub", DELETE, &body(&"urn:li:dataHubRole:Admin")).await?.is(403)?;
    gms.act("plain", DELETE, &body(&user("owner"))).await?.is(403)?;
    gms.act("datahub", DELETE, &body(&token)).await?.is(200)?;
    gms.eventually("plain", "/entities/urn:li:tag:any", 401).await?;
    gms.act("datahub", DELETE, &body(&user("owner"))).await?.is(200)?;
    gms.eventually("owner", "/entities/urn:li:tag:any", 401).await?;
    // One aspect of a user is no way around what writing it asks for.
    let status = json!({ "urn": user("admin"), "aspectName": "roleMembership" });
    gms.act("keeper", DELETE, &status).await?.says(403, "MANAGE_POLICIES")?;
    assert!(!gms.service.store.profile(&user("admin")).await?.ok_or("no admin")?.roles.is_empty());
    let by_proposal = by("DELETE", proposal("urn:li:corpuser:admin", "roleMembership", json!({})));
    gms.propose("keeper", by_proposal).await?.says(403, "MANAGE_POLICIES")?;
    // The key stands for the entity.
    let key = by("DELETE", proposal("urn:li:corpuser:admin", "corpUserKey", json!({})));
    gms.propose("plain", key.clone()).await?.is(401)?;
    gms.propose("datahub", key).await?.is(200)?;
    assert!(gms.service.store.profile(&user("admin")).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn references_are_taken_out_for_those_who_may_write_where_they_are() -> TestResult {
    let gms = Gms::new().await?;
    let pii = "urn:li:tag:pii";
    let other = "urn:li:dataset:(urn:li:dataPlatform:hive,db.other,PROD)";
    let tags = |names: &[&str]| {
        let tags: Vec<Value> = names.iter().map(|name| json!({ "tag": name })).collect();
        json!({ "tags": tags })
    };
    let tagged = |urn: &str| proposal(urn, "globalTags", tags(&[pii, "urn:li:tag:pii2"]));
    gms.propose_all("datahub", json!([tagged(ORDERS), tagged(other)])).await?.is(200)?;
    let body = |dry: bool| json!({ "urn": pii, "dryRun": dry });
    gms.act("nobody", REFERENCES, &body(true)).await?.is(401)?;
    gms.act("plain", REFERENCES, &body(true)).await?.says(403, "DELETE_ENTITY")?;
    let delete = may("plain", &["DELETE_ENTITY"], only(&[pii]));
    gms.grant(&[delete]).await?;
    // To delete the tag is not to write what has it.
    gms.act("plain", REFERENCES, &body(false)).await?.says(403, "EDIT_ENTITY")?;
    gms.act("plain", REFERENCES, &body(true)).await?.says(403, "EDIT_ENTITY")?;
    gms.grant(&[may("plain", &["EDIT_ENTITY"], only(&[ORDERS]))]).await?;
    gms.act("plain", REFERENCES, &body(false)).await?.says(403, other)?;
    // What may not be read is not named.
    gms.hide().await?;
    let refused = gms.act("plain", REFERENCES, &body(false)).await?.is(403)?;
    assert!(!refused.to_string().contains(other), "{refused}");
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tags(&[pii, "urn:li:tag:pii2"]));

    let found = gms.act("datahub", REFERENCES, &body(true)).await?.is(200)?;
    assert_eq!(found["value"]["total"], 2);
    assert_eq!(found["value"]["relatedAspects"][0]["aspect"], "globalTags");
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tags(&[pii, "urn:li:tag:pii2"]));
    gms.act("datahub", REFERENCES, &body(false)).await?.is(200)?;
    for urn in [ORDERS, other] {
        assert_eq!(gms.value(urn, "globalTags").await?, tags(&["urn:li:tag:pii2"]));
    }
    let again = gms.act("datahub", REFERENCES, &body(false)).await?.is(200)?;
    assert_eq!(again["value"], json!({ "total": 0, "relatedAspects": [] }));
    gms.act("plain", REFERENCES, &body(true)).await?.is(200)?;
    Ok(())
}

/// A tag that may not be taken off stays, however it is taken off.
#[tokio::test]
async fn references_to_tags_ask_for_the_tags() -> TestResult {
    let gms = Gms::new().await?;
    let pii = "urn:li:tag:pii";
    let tagged = json!({ "tags": [{ "tag": pii }] });
    gms.propose("datahub", proposal(ORDERS, "globalTags", tagged.clone())).await?.is(200)?;
    let other_tags = json!({
        "filter": { "criteria": [] },
        "privilegeConstraints": { "criteria": [
            { "field": "URN", "values": ["urn:li:tag:public"], "condition": "EQUALS" },
        ] },
    });
    let delete = may("plain", &["DELETE_ENTITY"], only(&[pii]));
    gms.grant(&[delete, may("plain", &["EDIT_ENTITY"], other_tags)]).await?;
    gms.act("plain", REFERENCES, &json!({ "urn": pii })).await?.is(403)?;
    assert_eq!(gms.value(ORDERS, "globalTags").await?, tagged);
    Ok(())
}

#[tokio::test]
async fn what_was_written_since_a_reference_was_found_is_not_overwritten() -> TestResult {
    let gms = Gms::new().await?;
    let tags = |names: &[&str]| {
        let tags: Vec<Value> = names.iter().map(|name| json!({ "tag": name })).collect();
        proposal(ORDERS, "globalTags", json!({ "tags": tags }))
    };
    let pii: Urn = "urn:li:tag:pii".parse()?;
    gms.propose("datahub", tags(&["urn:li:tag:pii"])).await?.is(200)?;
    let references = crate::references::References::find(&gms.service, &pii).await?;
    gms.propose("datahub", tags(&["urn:li:tag:pii", "urn:li:tag:new"])).await?.is(200)?;
    let batch = crate::batch::Batch::new(&gms.service, references.changes()?).await;
    assert!(matches!(batch, Err(crate::refused::Refused::Raced(_))), "{batch:?}");
    Ok(())
}

/// What is written while references are taken out is looked at again.
#[tokio::test]
async fn references_are_taken_out_among_other_writes() -> TestResult {
    let gms = Gms::new().await?;
    let pii = "urn:li:tag:pii";
    let add = |name: &str| {
        let tag = json!({ "tag": name });
        let add = json!([{ "op": "add", "path": format!("/tags/{name}"), "value": tag }]);
        by("PATCH", proposal(ORDERS, "globalTags", add))
    };
    gms.propose("datahub", add(pii)).await?.is(200)?;
    let names: Vec<String> = (0..30).map(|number| format!("urn:li:tag:t{number}")).collect();
    let writes = async {
        for name in &names {
            gms.propose("datahub", add(pii)).await?.is(200)?;
            gms.propose("datahub", add(name)).await?.is(200)?;
        }
        TestResult::Ok(())
    };
    let body = json!({ "urn": pii });
    let deletes = async {
        for _ in 0..60 {
            gms.act("datahub", REFERENCES, &body).await?.is(200)?;
        }
        TestResult::Ok(())
    };
    let (written, deleted) = tokio::join!(writes, deletes);
    written?;
    deleted?;
    gms.act("datahub", REFERENCES, &body).await?.is(200)?;
    let tags = gms.value(ORDERS, "globalTags").await?;
    assert_eq!(tags["tags"].as_array().map(Vec::len), Some(names.len()), "{tags}");
    Ok(())
}
