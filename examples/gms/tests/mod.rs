//! What each endpoint asks of whom, and that nobody gets around it.
#![expect(clippy::needless_pass_by_value, reason = "what is passed is made on the spot")]

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Method, Request, StatusCode},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;
use tower_pat::{
    Authenticator, Config,
    actor::{Directory, DirectoryStore, Urn},
    policy::{GraphFacts, PolicyRecord, PolicySource, PolicyStore},
    random::{OsRandom, secret},
    token::{AccessTokenDuration, TokenType},
    token_service::{MintRequest, TokenQuery},
};

use crate::{root, routes, service::MetadataService};

type TestResult = Result<(), Box<dyn Error>>;

const ORDERS: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)";

/// A service with `datahub` (root), `admin` (role), `owner` (of the dataset orders), `plain`, and
/// `keeper`, who may update users and nothing else.
struct Gms {
    app: Router,
    service: MetadataService,
    tokens: Vec<(&'static str, String)>,
    _folder: TempDir,
}

impl Gms {
    async fn new() -> Result<Self, Box<dyn Error>> {
        let folder = TempDir::new()?;
        let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
        let service = MetadataService::open(folder.path(), &config).await?;
        root::set_up(&service, false, "127.0.0.1:1".parse()?, &mut Vec::new()).await?;
        let mut tokens = Vec::new();
        for name in ["datahub", "admin", "owner", "plain", "keeper"] {
            let user = Urn::corpuser(name)?;
            service.store.create_user(&user).await?;
            let lifetime = AccessTokenDuration::OneHour.lifetime();
            let request = MintRequest::new(TokenType::Personal, user, lifetime);
            let minted = service.tokens.mint(request).await?;
            tokens.push((name, minted.token.expose().to_owned()));
        }
        service.store.set_roles(&user("admin"), &[role("Admin")]).await?;
        let keeper = policy(&["UPDATE_USERS"], json!({ "users": [user("keeper")] }), json!(null));
        service.store.put_policies(&[keeper]).await?;
        let authenticator = Authenticator::builder(config, service.store.clone())
            .facts(Arc::new(GraphFacts::new(service.clone())))
            .build()
            .await?;
        let app = routes::app(service.clone(), authenticator);
        let gms = Self { app, service, tokens, _folder: folder };
        let orders = json!([{
            "urn": ORDERS,
            "ownership": { "value": { "owners": [
                { "owner": user("owner"), "type": "DATAOWNER" },
            ] } },
        }]);
        gms.post("datahub", "dataset", &orders).await?.is(200)?;
        Ok(gms)
    }

    async fn send(
        &self,
        who: &str,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<Answer, Box<dyn Error>> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("content-type", "application/json");
        if let Some((_, token)) = self.tokens.iter().find(|(name, _)| *name == who) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let response = self.app.clone().oneshot(request.body(Body::from(body))?).await?;
        let status = response.status();
        let bytes = to_bytes(Body::new(response.into_body()), usize::MAX).await?;
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let what = format!("{who} at {path}");
        Ok(Answer { what, status, body })
    }

    async fn get(&self, who: &str, path: &str) -> Result<Answer, Box<dyn Error>> {
        self.send(who, Method::GET, path, &Value::Null).await
    }

    async fn delete(&self, who: &str, path: &str) -> Result<Answer, Box<dyn Error>> {
        self.send(who, Method::DELETE, &format!("/openapi/v3/entity/{path}"), &json!([])).await
    }

    async fn post(&self, who: &str, path: &str, body: &Value) -> Result<Answer, Box<dyn Error>> {
        self.send(who, Method::POST, &format!("/openapi/v3/entity/{path}"), body).await
    }

    /// Waits for a change to arrive, which it does within the revocation bound of a second.
    async fn eventually(&self, who: &str, path: &str, status: u16) -> TestResult {
        self.eventually_sent(who, Method::GET, path, &Value::Null, status).await
    }

    async fn eventually_sent(
        &self,
        who: &str,
        method: Method,
        path: &str,
        body: &Value,
        status: u16,
    ) -> TestResult {
        for _ in 0..100 {
            if self.send(who, method.clone(), path, body).await?.status == status {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.send(who, method, path, body).await?.is(status).map(drop)
    }

    async fn entity(&self, path: &str) -> Result<Value, Box<dyn Error>> {
        let answer = self.get("datahub", &format!("/openapi/v3/entity/{path}")).await?;
        answer.is(200)
    }
}

#[derive(Debug)]
struct Answer {
    what: String,
    status: StatusCode,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn is(self, status: u16) -> Result<Value, Box<dyn Error>> {
        assert_eq!(self.status, status, "{}: {}", self.what, self.body);
        if status >= 400 && !self.body.is_null() {
            assert!(self.body["message"].is_string(), "{}", self.body);
            assert_eq!(self.body["status"], status, "{}", self.body);
        }
        Ok(self.body)
    }

    #[track_caller]
    fn says(self, status: u16, text: &str) -> TestResult {
        let body = self.is(status)?;
        let message = body["message"].as_str().unwrap_or_default();
        assert!(message.contains(text), "{message}");
        Ok(())
    }
}

fn user(name: &str) -> Urn {
    Urn::corpuser(name).unwrap()
}

fn role(name: &str) -> Urn {
    Urn::of("dataHubRole", name).unwrap()
}

fn policy(privileges: &[&str], actors: Value, resources: Value) -> PolicyRecord {
    let urn = Urn::of("dataHubPolicy", &privileges.join("-")).unwrap();
    let mut info = json!({
        "displayName": "test", "description": "", "type": "METADATA", "state": "ACTIVE",
        "privileges": privileges, "actors": actors,
    });
    if !resources.is_null() {
        info["resources"] = resources;
    }
    PolicyRecord { urn, info: serde_json::from_value(info).unwrap() }
}

fn written(urn: impl ToString, aspect: &str, value: Value) -> Value {
    json!([{ "urn": urn.to_string(), aspect: { "value": value } }])
}

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
        // The second time there is nothing to delete; owners may edit and not delete.
        ("DELETE", &status, &json!([]), [401, 200, 404, 403, 403]),
        ("DELETE", &entity, &json!([]), [401, 200, 404, 403, 403]),
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
    gms.delete("datahub", missing).await?.is(404)?;
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
    gms.delete("keeper", "corpuser/urn:li:corpuser:plain").await?.is(404)?;
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
    gms.delete("admin", &path).await?.is(404)?;
    gms.eventually("plain", "/entities/urn:li:corpuser:plain", 401).await?;
    Ok(())
}

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
        [("corpuser", 1), ("dataHubPolicy", 17), ("dataHubRole", 3), ("dataHubAccessToken", 5)]
    {
        let path = format!("/openapi/v3/entity/{entity_type}?count=1000");
        let page = gms.get("plain", &path).await?.is(200)?;
        assert!(page["entities"].as_array().unwrap().len() >= at_least, "{entity_type}");
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
    let path = "/openapi/v3/entity/tag";
    let large = Value::String("x".repeat(17 * 1024 * 1024));
    gms.send("datahub", Method::POST, path, &large).await?.is(413)?;
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
async fn a_group_is_not_deleted_while_it_would_go_on_granting() -> TestResult {
    let gms = Gms::new().await?;
    let group = written("urn:li:corpGroup:admins", "status", json!({ "removed": false }));
    gms.post("datahub", "corpGroup", &group).await?.is(200)?;
    gms.delete("datahub", "corpGroup/urn:li:corpGroup:admins").await?.says(403, "members")
}
