//! What each endpoint asks of whom, and that nobody gets around it.
#![expect(clippy::needless_pass_by_value, reason = "what is passed is made on the spot")]

mod deleting;
mod endpoints;
mod front;
mod identity;
mod patches;
mod policies;
mod reading;
mod replay;
mod runs;
mod searching;
mod series;
mod writing;

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
    actor::{Directory, Urn},
    policy::{GraphFacts, PolicyRecord, PolicySource},
    random::{OsRandom, secret},
    session::Sessions,
    token::{AccessTokenDuration, TokenType},
    token_service::{MintRequest, TokenQuery},
};

use crate::{
    database::Database,
    root::{self, SetUp, Urls},
    routes,
    service::MetadataService,
};

type TestResult = Result<(), Box<dyn Error>>;

const ORDERS: &str = "urn:li:dataset:(urn:li:dataPlatform:hive,db.orders,PROD)";

/// A service with `datahub` (root), `admin` (role), `owner` (of the dataset orders), `plain`, and
/// `keeper`, who may update users and nothing else; and `watcher`, by whom it is seen that policies
/// have come.
struct Gms {
    app: Router,
    service: MetadataService,
    sessions: Sessions,
    authenticator: Authenticator,
    tokens: Vec<(&'static str, String)>,
    folder: TempDir,
}

impl Gms {
    async fn new() -> Result<Self, Box<dyn Error>> {
        let folder = TempDir::new()?;
        let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
        let database = Database::File(folder.path().join("tower-pat.db"));
        let service = MetadataService::open(folder.path(), &database, &config).await?;
        let sessions = service.sessions(&config, "http://localhost:9002".parse()?);
        let urls = Urls { gms: "127.0.0.1:1".parse()?, front: None };
        let set_up = SetUp { urls: &urls, new_token: false, new_passwords: &[] };
        root::set_up(&service, &sessions, &set_up, &mut Vec::new()).await?;
        let mut tokens = Vec::new();
        for name in ["datahub", "admin", "owner", "plain", "keeper", "watcher"] {
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
        let facts = Arc::new(GraphFacts::new(service.clone()));
        let access = service.access(&config).facts(facts.clone());
        let authenticator = Authenticator::builder(config, service.store.clone())
            .facts(facts)
            .chain_before(Arc::new(sessions.authenticator()))
            .build()
            .await?;
        let app = routes::app(service.clone(), authenticator.clone(), access);
        let gms = Self { app, service, sessions, authenticator, tokens, folder };
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

    /// An action of Rest.li, such as `aspects?action=ingestProposal`.
    async fn act(&self, who: &str, action: &str, body: &Value) -> Result<Answer, Box<dyn Error>> {
        self.send(who, Method::POST, &format!("/{action}"), body).await
    }

    async fn propose(&self, who: &str, proposal: Value) -> Result<Answer, Box<dyn Error>> {
        self.act(who, "aspects?action=ingestProposal", &json!({ "proposal": proposal })).await
    }

    async fn propose_all(&self, who: &str, proposals: Value) -> Result<Answer, Box<dyn Error>> {
        let body = json!({ "proposals": proposals });
        self.act(who, "aspects?action=ingestProposalBatch", &body).await
    }

    /// The value of an aspect, as root reads it; null if it is not there.
    async fn value(&self, urn: &str, aspect: &str) -> Result<Value, Box<dyn Error>> {
        let path = format!("/aspects/{urn}?aspect={aspect}&version=0");
        let mut body = self.get("datahub", &path).await?.body;
        let records = body["aspect"].as_object_mut().map(std::mem::take).unwrap_or_default();
        Ok(records.into_values().next().unwrap_or_default())
    }

    /// Adds policies, and waits until they count.
    async fn grant(&self, policies: &[PolicyRecord]) -> TestResult {
        let stored = self.service.store.policies().await?.len();
        let marker = format!("urn:li:tag:marker{stored}");
        let mut policies = policies.to_vec();
        let mut mark = may("watcher", &["DELETE_ENTITY"], only(&[&marker]));
        mark.urn = Urn::of("dataHubPolicy", &format!("marker{stored}"))?;
        policies.push(mark);
        self.service.store.put_policies(&policies).await?;
        let path = format!("tag/{marker}");
        // How late a policy may be is tested elsewhere; here it only has to come.
        for _ in 0..1_000 {
            if self.delete("watcher", &path).await?.status == 200 {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("the policies do not come".into())
    }

    /// Takes from everybody that they may view everything.
    async fn hide(&self) -> TestResult {
        let urn = Urn::of("dataHubPolicy", "view-entity-page-all")?;
        self.service.store.delete_policy(&urn).await?;
        self.eventually("plain", "/entities/urn:li:tag:any", 403).await
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

/// A policy that lets somebody do something, to everything or to what `resources` says.
fn may(who: &str, privileges: &[&str], resources: Value) -> PolicyRecord {
    policy(privileges, json!({ "users": [user(who)] }), resources)
}

/// Nothing but these.
fn only(urns: &[&str]) -> Value {
    json!({ "filter": { "criteria": [{ "field": "URN", "values": urns, "condition": "EQUALS" }] } })
}

/// A proposal as the client sends it.
fn proposal(urn: &str, aspect: &str, value: Value) -> Value {
    let entity_type = urn.split(':').nth(2).unwrap_or_default();
    json!({
        "entityType": entity_type, "entityUrn": urn, "changeType": "UPSERT", "aspectName": aspect,
        "aspect": { "value": value.to_string(), "contentType": "application/json" },
        "systemMetadata": { "lastObserved": 1_700_000_000_000_u64, "runId": "run" },
    })
}

/// The same with another way to write.
fn by(change_type: &str, mut proposal: Value) -> Value {
    proposal["changeType"] = json!(change_type);
    if change_type == "PATCH" {
        proposal["aspect"]["contentType"] = json!("application/json-patch+json");
    }
    proposal
}

/// The same in another run.
fn in_run(run_id: &str, mut proposal: Value) -> Value {
    proposal["systemMetadata"] = json!({ "runId": run_id });
    proposal
}
