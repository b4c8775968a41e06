//! Users, groups and tokens: read and written where they live, for what that asks for.

use super::*;

#[tokio::test]
async fn writing_asks_for_more_than_it_seems() -> TestResult {
    let gms = Gms::new().await?;
    let admins = json!({ "roles": [role("Admin")] });
    let admin_of = |name: &str| written(user(name), "roleMembership", admins.clone());
    let groups = json!({ "groups": ["urn:li:corpGroup:admins"] });
    let native = json!({ "nativeGroups": ["urn:li:corpGroup:admins"] });

    // Who may update users may not make anybody more than they are.
    gms.post("keeper", "corpuser", &admin_of("keeper")).await?.says(403, "MANAGE_POLICIES")?;
    gms.post("keeper", "corpuser", &written(user("keeper"), "groupMembership", groups.clone()))
        .await?
        .says(403, "MANAGE_USERS_AND_GROUPS")?;
    gms.post("keeper", "corpuser", &written(user("new"), "nativeGroupMembership", native.clone()))
        .await?
        .says(403, "MANAGE_USERS_AND_GROUPS")?;
    gms.post(
        "keeper",
        "corpuser/urn:li:corpuser:keeper/roleMembership",
        &json!({ "value": admins }),
    )
    .await?
    .says(403, "MANAGE_POLICIES")?;
    gms.delete("keeper", "corpuser/urn:li:corpuser:admin/roleMembership")
        .await?
        .says(403, "MANAGE_POLICIES")?;
    // One of many changes that is refused refuses all.
    let mut both = written(user("plain"), "corpUserInfo", json!({ "active": true }));
    both.as_array_mut().unwrap().extend(admin_of("keeper").as_array().unwrap().iter().cloned());
    gms.post("keeper", "corpuser", &both).await?.is(403)?;
    assert_eq!(gms.entity("corpuser/urn:li:corpuser:plain").await?["corpUserInfo"], Value::Null);
    // What is left to them.
    gms.post(
        "keeper",
        "corpuser",
        &written(user("plain"), "corpUserInfo", json!({ "active": true })),
    )
    .await?
    .is(200)?;
    gms.post(
        "plain",
        "corpuser",
        &written(user("plain"), "corpUserInfo", json!({ "active": true })),
    )
    .await?
    .says(403, "UPDATE_USERS")?;

    // The directory is what is read back, and what counts.
    gms.post("admin", "corpuser", &admin_of("plain")).await?.is(200)?;
    gms.post("admin", "corpuser", &written(user("plain"), "groupMembership", groups))
        .await?
        .is(200)?;
    gms.post("admin", "corpuser", &written(user("plain"), "nativeGroupMembership", native))
        .await?
        .is(200)?;
    let plain = gms.service.store.profile(&user("plain")).await?.unwrap();
    assert_eq!(plain.roles, [role("Admin")]);
    assert_eq!(plain.groups, plain.native_groups);
    let read = gms.entity("corpuser/urn:li:corpuser:plain").await?;
    assert_eq!(read["roleMembership"]["value"], admins);
    gms.service.store.set_roles(&user("plain"), &[]).await?;
    let read = gms.entity("corpuser/urn:li:corpuser:plain").await?;
    assert_eq!(read["roleMembership"], Value::Null);

    // A group's roles are its members'.
    let group = written("urn:li:corpGroup:admins", "roleMembership", admins.clone());
    gms.post("keeper", "corpGroup", &group).await?.is(403)?;
    gms.post("admin", "corpGroup", &group).await?.is(200)?;
    let plain = gms.service.store.profile(&user("plain")).await?.unwrap();
    assert_eq!(plain.group_roles, [role("Admin")]);
    Ok(())
}

#[tokio::test]
async fn nobody_cheats_identity_or_policy_into_the_entity_store() -> TestResult {
    let gms = Gms::new().await?;
    let roles = json!({ "roles": [role("Admin")] });
    let orders = ORDERS;
    let policy_info = json!({
        "displayName": "mine", "description": "", "type": "PLATFORM", "state": "ACTIVE",
        "privileges": ["MANAGE_POLICIES"], "actors": { "users": [user("plain")] },
    });
    let mut grants_other = policy_info.clone();
    grants_other["editable"] = json!(false);
    for (path, urn, aspect, value, status) in [
        // The type under another spelling, or another type than that of the urn.
        ("corpUser", "urn:li:corpUser:plain", "roleMembership", &roles, 400),
        ("CorpUser", "urn:li:corpuser:plain", "roleMembership", &roles, 400),
        ("corpuser%20", "urn:li:corpuser:plain", "roleMembership", &roles, 400),
        ("datahubpolicy", "urn:li:datahubpolicy:x", "dataHubPolicyInfo", &policy_info, 400),
        ("dataset", "urn:li:corpuser:plain", "roleMembership", &roles, 400),
        ("dataset", "urn:li:dataHubPolicy:x", "dataHubPolicyInfo", &policy_info, 400),
        ("corpuser", "urn:li:dataHubPolicy:x", "dataHubPolicyInfo", &policy_info, 400),
        ("corpuser", "urn%3Ali%3Acorpuser%3Aplain", "roleMembership", &roles, 400),
        ("corpuser", "urn:x:corpuser:plain", "roleMembership", &roles, 400),
        ("corpuser", "urn:li:corpuser", "roleMembership", &roles, 400),
        // The aspect under another spelling, or on another entity.
        ("corpuser", "urn:li:corpuser:plain", "rolemembership", &roles, 400),
        ("corpuser", "urn:li:corpuser:plain", "roleMembership ", &roles, 400),
        ("dataset", orders, "roleMembership", &roles, 400),
        ("corpGroup", "urn:li:corpGroup:x", "groupMembership", &json!({ "groups": [] }), 400),
        ("dataset", orders, "dataHubPolicyInfo", &policy_info, 400),
        ("dataset", orders, "dataHubAccessTokenInfo", &json!({}), 400),
        // Values that are not quite what they are taken for.
        ("corpuser", "urn:li:corpuser:plain", "roleMembership", &json!({ "patch": [] }), 400),
        (
            "corpuser",
            "urn:li:corpuser:plain",
            "roleMembership",
            &json!({ "roles": [user("x")] }),
            400,
        ),
        ("corpuser", "urn:li:corpuser:plain", "status", &json!({ "removed": "no" }), 400),
        (
            "corpuser",
            "urn:li:corpuser:plain",
            "corpUserStatus",
            &json!({ "status": "suspended" }),
            400,
        ),
        (
            "corpuser",
            "urn:li:corpuser:plain",
            "corpUserKey",
            &json!({ "username": "datahub" }),
            400,
        ),
        ("dataHubPolicy", "urn:li:dataHubPolicy:x", "dataHubPolicyInfo", &json!({}), 400),
        ("dataHubPolicy", "urn:li:dataHubPolicy:x", "dataHubPolicyInfo", &grants_other, 400),
        // What is never written.
        ("corpuser", "urn:li:corpuser:plain", "corpUserCredentials", &json!({}), 403),
        (
            "corpuser",
            "urn:li:corpuser:plain",
            "subTypes",
            &json!({ "typeNames": ["SERVICE_ACCOUNT"] }),
            403,
        ),
        (
            "corpuser",
            "urn:li:corpuser:__datahub_system",
            "corpUserKey",
            &json!({ "username": "__datahub_system" }),
            403,
        ),
        ("corpuser", "urn:li:corpuser:anonymous", "corpUserInfo", &json!({ "active": true }), 403),
        (
            "dataHubAccessToken",
            "urn:li:dataHubAccessToken:x",
            "dataHubAccessTokenInfo",
            &json!({}),
            403,
        ),
        (
            "dataHubAccessToken",
            "urn:li:dataHubAccessToken:x",
            "dataHubAccessTokenKey",
            &json!({ "id": "x" }),
            403,
        ),
        ("dataHubRole", "urn:li:dataHubRole:Admin", "dataHubRoleInfo", &json!({}), 403),
        ("dataHubSecret", "urn:li:dataHubSecret:x", "dataHubSecretValue", &json!({}), 403),
        ("inviteToken", "urn:li:inviteToken:x", "inviteToken", &json!({}), 403),
        (
            "dataHubConnection",
            "urn:li:dataHubConnection:x",
            "dataHubConnectionDetails",
            &json!({}),
            403,
        ),
    ] {
        let body = written(urn, aspect, value.clone());
        // Not even root, who holds every privilege that could be asked for.
        for who in ["plain", "datahub"] {
            gms.post(who, path, &body).await?.is(status)?;
        }
        let path = format!("{path}/{urn}/{aspect}").replace(' ', "%20");
        let answer = gms.post("plain", &path, &json!({ "value": value })).await?;
        assert!(answer.status.is_client_error(), "{answer:?}");
    }
    // What is asked for is asked for under every way to write.
    let mine = written("urn:li:dataHubPolicy:mine", "dataHubPolicyInfo", policy_info.clone());
    gms.post("plain", "dataHubPolicy", &mine).await?.says(403, "MANAGE_POLICIES")?;
    let admin = written(user("plain"), "roleMembership", roles.clone());
    for query in ["createIfNotExists=true", "createIfEntityNotExists=true", "async=true"] {
        for (path, body) in [("dataHubPolicy", &mine), ("corpuser", &admin)] {
            let path = format!("{path}?{query}");
            let answer = gms.post("plain", &path, body).await?;
            assert!(answer.status.is_client_error(), "{answer:?}");
            // There is no telling apart "no roles" and "not there", so nobody writes them like this.
            if query.starts_with("create") {
                gms.post("datahub", &path, body).await?.says(400, "UPSERT")?;
            }
        }
    }
    let encoded = "corpuser/urn%3Ali%3Acorpuser%3Aplain/roleMembership";
    gms.post("plain", encoded, &json!({ "value": roles })).await?.is(403)?;

    let plain = gms.service.store.profile(&user("plain")).await?.unwrap();
    assert!(plain.roles.is_empty() && plain.groups.is_empty() && !plain.removed);
    assert_eq!(gms.service.store.policies().await?.len(), 17);
    for urn in ["urn:li:corpuser:plain", "urn:li:dataHubPolicy:mine", "urn:li:dataHubSecret:x"] {
        assert_eq!(gms.service.entities.aspects(&urn.parse()?).await?, None, "{urn}");
    }
    assert!(gms.service.store.profile(&user("anonymous")).await?.is_none());
    Ok(())
}

#[tokio::test]
async fn suspending_removing_or_deleting_a_user_ends_its_tokens() -> TestResult {
    let gms = Gms::new().await?;
    let me = "/entities/urn:li:corpuser:plain";
    gms.get("plain", me).await?.is(200)?;
    for (aspect, ended, active) in [
        ("corpUserStatus", json!({ "status": "SUSPENDED" }), json!({ "status": "ACTIVE" })),
        ("status", json!({ "removed": true }), json!({ "removed": false })),
    ] {
        gms.post("plain", "corpuser", &written(user("owner"), aspect, ended.clone()))
            .await?
            .is(403)?;
        gms.post("keeper", "corpuser", &written(user("plain"), aspect, ended)).await?.is(200)?;
        gms.eventually("plain", me, 401).await?;
        gms.post("keeper", "corpuser", &written(user("plain"), aspect, active)).await?.is(200)?;
        gms.eventually("plain", me, 200).await?;
    }
    gms.delete("plain", "corpuser/urn:li:corpuser:plain").await?.is(403)?;
    gms.delete("keeper", "corpuser/urn:li:corpuser:plain").await?.is(200)?;
    gms.eventually("plain", me, 401).await?;
    gms.delete("keeper", "corpuser/urn:li:corpuser:plain").await?.is(200)?;
    gms.get("datahub", me).await?.is(404)?;
    // Another of the same name is another: the old tokens stay ended.
    let again = written(user("plain"), "corpUserKey", json!({ "username": "plain" }));
    gms.post("keeper", "corpuser?createIfEntityNotExists=true", &again).await?.is(200)?;
    gms.post("keeper", "corpuser?createIfEntityNotExists=true", &again).await?.is(409)?;
    gms.eventually("datahub", me, 200).await?;
    gms.get("plain", me).await?.is(401)?;
    Ok(())
}

#[tokio::test]
async fn a_token_is_read_without_its_text_and_revoked_by_deleting_it() -> TestResult {
    let gms = Gms::new().await?;
    let token = &gms.tokens.iter().find(|(name, _)| *name == "plain").unwrap().1;
    let path = format!("dataHubAccessToken/{}", gms.service.tokens.id_of(token).urn());
    let read = gms.entity(&path).await?;
    assert_eq!(read["dataHubAccessTokenInfo"]["value"]["actorUrn"], json!(user("plain")));
    assert!(!read.to_string().contains(token.as_str()));
    gms.delete("plain", &path).await?.says(403, "MANAGE_ACCESS_TOKENS")?;
    gms.delete("admin", &path).await?.is(200)?;
    gms.delete("admin", &path).await?.is(200)?;
    gms.eventually("plain", "/entities/urn:li:corpuser:plain", 401).await?;
    Ok(())
}

#[tokio::test]
async fn whether_somebody_may_act_is_for_those_who_manage_users() -> TestResult {
    let gms = Gms::new().await?;
    let updater = json!({ "users": [user("plain")] });
    let updater = policy(&["UPDATE_USERS_AND_GROUPS", "DELETE_ENTITY"], updater, json!(null));
    gms.service.store.put_policies(&[updater]).await?;
    let info = written(user("owner"), "corpUserEditableInfo", json!({ "title": "Owner" }));
    gms.eventually_sent("plain", Method::POST, "/openapi/v3/entity/corpuser", &info, 200).await?;
    for (aspect, value) in [
        ("corpUserStatus", json!({ "status": "SUSPENDED" })),
        ("corpUserStatus", json!({ "status": "ACTIVE" })),
        ("status", json!({ "removed": true })),
    ] {
        let change = written(user("datahub"), aspect, value);
        gms.post("plain", "corpuser", &change).await?.is(403)?;
    }
    gms.delete("plain", "corpuser/urn:li:corpuser:owner/corpUserStatus").await?.is(403)?;
    // Nor does being able to delete things make somebody a manager of tokens.
    let list = gms.service.tokens.list(&TokenQuery::default()).await?;
    let token = list.tokens.first().ok_or("no token")?.id.urn();
    gms.delete("plain", &format!("dataHubAccessToken/{token}")).await?.says(403, "MANAGE_ACCESS")
}

/// The head is judged when it comes, and the body can be as late as it likes.
#[tokio::test]
async fn who_was_suspended_while_the_body_was_on_its_way_writes_nothing() -> TestResult {
    let gms = Gms::new().await?;
    let (reads, reading) = tokio::sync::oneshot::channel::<()>();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let body = json!({ "value": { "status": "ACTIVE" } }).to_string();
    let late = futures_util::stream::once(async move {
        let _ = reads.send(());
        gone.await.map_err(std::io::Error::other)?;
        Ok::<_, std::io::Error>(body)
    });
    let (_, token) = gms.tokens.iter().find(|(name, _)| *name == "admin").ok_or("no admin")?;
    let path = format!("/openapi/v3/entity/corpuser/{}/corpUserStatus", user("admin"));
    let request = Request::post(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from_stream(late))?;
    let pending = tokio::spawn(gms.app.clone().oneshot(request));
    // Somebody asks for the body, so the head has been judged.
    reading.await?;
    gms.service.store.set_suspended(&user("admin"), true).await?;
    gms.eventually("admin", "/entities/urn:li:tag:any", 401).await?;
    go.send(()).map_err(|()| "nobody waits")?;
    assert_eq!(pending.await??.status(), 401);
    let profile = gms.service.store.profile(&user("admin")).await?;
    assert!(profile.is_some_and(|profile| profile.suspended));
    Ok(())
}

#[tokio::test]
async fn a_group_that_is_deleted_grants_nothing_more() -> TestResult {
    let gms = Gms::new().await?;
    let group = "urn:li:corpGroup:admins";
    let admins = json!({ "roles": [role("Admin")] });
    gms.post("datahub", "corpGroup", &written(group, "roleMembership", admins)).await?.is(200)?;
    let groups = json!({ "groups": [group] });
    gms.post("datahub", "corpuser", &written(user("plain"), "groupMembership", groups))
        .await?
        .is(200)?;
    gms.delete("keeper", &format!("corpGroup/{group}")).await?.is(403)?;
    gms.delete("datahub", &format!("corpGroup/{group}")).await?.is(200)?;
    gms.delete("datahub", &format!("corpGroup/{group}")).await?.is(200)?;
    let plain = gms.service.store.profile(&user("plain")).await?.unwrap();
    assert!(plain.groups.is_empty() && plain.group_roles.is_empty());
    Ok(())
}

#[tokio::test]
async fn what_is_said_of_a_user_is_known_to_the_directory() -> TestResult {
    let gms = Gms::new().await?;
    let info = json!({ "active": true, "displayName": "Pat", "email": "pat@example.com" });
    gms.propose("keeper", proposal("urn:li:corpuser:plain", "corpUserInfo", info))
        .await?
        .is(200)?;
    let plain = gms.service.store.user(&user("plain")).await?.ok_or("no user")?;
    assert_eq!(plain.info.display_name.as_deref(), Some("Pat"));
    let me = json!({ "query": "{ me { corpUser { properties { displayName email } } } }" });
    let me = gms.act("plain", "api/graphql", &me).await?.is(200)?;
    assert_eq!(me["data"]["me"]["corpUser"]["properties"]["displayName"], "Pat", "{me}");
    // All users are listed, however they were made.
    let page = gms.get("plain", "/openapi/v3/entity/corpuser?count=3").await?.is(200)?;
    assert_eq!(page["entities"].as_array().map(Vec::len), Some(3));
    let next = page["scrollId"].as_str().unwrap_or_default();
    let next = format!("/openapi/v3/entity/corpuser?count=3&scrollId={next}");
    let page = gms.get("plain", &next).await?.is(200)?;
    assert_eq!(page["entities"].as_array().map(Vec::len), Some(3));
    assert_eq!(page["scrollId"], Value::Null);
    Ok(())
}

/// By DataHub's default policies, everybody may read entities of every type.
#[tokio::test]
async fn a_token_is_known_to_whose_business_it_is() -> TestResult {
    let gms = Gms::new().await?;
    let (_, token) = gms.tokens.iter().find(|(name, _)| *name == "plain").ok_or("no token")?;
    let token = gms.service.tokens.id_of(token).urn().to_string();
    let missing = "urn:li:dataHubAccessToken:nothing";
    let body = |urn: &str| json!([{ "urn": urn }]);
    let entity = "/openapi/v3/entity/dataHubAccessToken";
    for (who, sees) in
        [("plain", true), ("datahub", true), ("admin", true), ("owner", false), ("keeper", false)]
    {
        let status = if sees { 200 } else { 404 };
        for path in [
            format!("/entities/{token}"),
            format!("/aspects/{token}?aspect=dataHubAccessTokenInfo&version=0"),
            format!("/aspects/{token}?aspect=dataHubAccessTokenKey&version=0"),
            format!("{entity}/{token}"),
            format!("{entity}/{token}/dataHubAccessTokenInfo"),
        ] {
            let answer = gms.get(who, &path).await?.is(status)?;
            // As of one that does not exist.
            if !sees {
                let other = gms.get(who, &path.replace(&token, missing)).await?.is(404)?;
                assert_eq!(answer.to_string().replace(&token, missing), other.to_string());
            }
        }
        let head = gms.send(who, Method::HEAD, &format!("{entity}/{token}"), &Value::Null).await?;
        head.is(if sees { 204 } else { 404 })?;
        let aspects = gms.get(who, &format!("/entitiesV2/{token}")).await?.is(200)?;
        assert_eq!(aspects["aspects"]["dataHubAccessTokenInfo"].is_object(), sees, "{who}");
        let found = gms.post(who, "dataHubAccessToken/batchGet", &body(&token)).await?.is(200)?;
        assert_eq!(found.as_array().map(Vec::len), Some(usize::from(sees)), "{who}");
        let page = gms.get(who, &format!("{entity}?count=1000")).await?.is(200)?;
        let urns: Vec<&Value> = page["entities"].as_array().into_iter().flatten().collect();
        assert_eq!(urns.iter().any(|it| it["urn"] == token), sees, "{who}");
        let own = matches!(who, "plain" | "owner" | "keeper");
        assert_eq!(urns.len() == 1, own, "{who}: {page}");
    }
    Ok(())
}

#[tokio::test]
async fn the_directory_says_of_a_user_what_is_stored() -> TestResult {
    let gms = Gms::new().await?;
    let plain = "urn:li:corpuser:plain";
    let info = |name: &str| {
        proposal(plain, "corpUserInfo", json!({ "active": true, "displayName": name }))
    };
    let name = async || -> Result<Option<String>, Box<dyn Error>> {
        let plain = gms.service.store.user(&user("plain")).await?.ok_or("no user")?;
        Ok(plain.info.display_name)
    };
    gms.propose("datahub", in_run("one", info("Pat"))).await?.is(200)?;
    assert_eq!(name().await?.as_deref(), Some("Pat"));
    // What is left alone says nothing.
    gms.propose("datahub", by("CREATE", info("Other"))).await?.is(200)?;
    assert_eq!(name().await?.as_deref(), Some("Pat"));
    gms.propose("datahub", in_run("two", info("Pet"))).await?.is(200)?;
    assert_eq!(name().await?.as_deref(), Some("Pet"));
    let back = |dry: bool| json!({ "runId": "two", "dryRun": dry });
    gms.act("datahub", "runs?action=rollback", &back(true)).await?.is(200)?;
    assert_eq!(name().await?.as_deref(), Some("Pet"));
    gms.act("datahub", "runs?action=rollback", &back(false)).await?.is(200)?;
    assert_eq!(name().await?.as_deref(), Some("Pat"));
    gms.delete("datahub", &format!("corpuser/{plain}/corpUserInfo")).await?.is(200)?;
    assert_eq!(name().await?, None);
    Ok(())
}
