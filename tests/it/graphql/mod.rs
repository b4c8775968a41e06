//! DataHub's GraphQL API, through the real layer and with real tokens.

mod accounts;
mod caller;
mod http;
mod limits;
mod list;
mod page;
mod policies;
mod property;
mod replay;
mod roots;
mod schema;
mod secrets;
mod tokens;
mod users;
mod variables;

use std::{convert::Infallible, sync::Arc};

use ::http::{Method, Request, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, util::BoxCloneSyncService};
use tower_pat::{
    access::Access,
    actor::{DirectoryStore, User, UserInfo},
    config::ConfigBuilder,
    graphql::{GraphqlService, ResponseBody},
    policy::{PolicyStore, default_policies},
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

use crate::support::{Answer, IntoAnswer, World, config, user};

type Body = Full<bytes::Bytes>;
type Service = BoxCloneSyncService<
    Request<Body>,
    ::http::Response<tower_pat::authenticate::ResponseBody<ResponseBody>>,
    Infallible,
>;

/// A service with DataHub's default policies, an administrator `datahub`, and `alice` and `bob`,
/// who may do what everybody may.
pub struct Api {
    pub world: World,
    pub access: Access,
    pub admin: String,
    pub alice: String,
    service: Service,
}

impl Api {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: ConfigBuilder) -> Self {
        Self::of(config, |service| service).await
    }

    pub async fn of(
        config: ConfigBuilder,
        settings: impl FnOnce(GraphqlService) -> GraphqlService,
    ) -> Self {
        Self::with_service(config, |access| settings(GraphqlService::new(access))).await
    }

    pub async fn with_service(
        config: ConfigBuilder,
        service: impl FnOnce(Access) -> GraphqlService,
    ) -> Self {
        let world = World::with(config).await;
        let store = &world.store.inner;
        let told = UserInfo::default().display_name("DataHub");
        store.add_user(&User::new(user("datahub")).info(told)).await.unwrap();
        store.create_user(&user("bob")).await.unwrap();
        store.seed_policies(&default_policies()).await.unwrap();
        let access = Access::new(&world.config, Arc::new(store.clone())).clock(world.clock.clone());
        let service = world.layer().layer(service(access.clone()));
        let service = BoxCloneSyncService::new(service);
        let admin = mint(&world, "datahub", "admin", AccessTokenDuration::OneYear).await;
        let alice = mint(&world, "alice", "alice", AccessTokenDuration::OneYear).await;
        // The policies are there when their change has come through.
        world.gains(&admin, tower_pat::Privilege::MANAGE_ACCESS_TOKENS).await;
        Self { world, access, admin, alice, service }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        self.service.clone().oneshot(request).await.unwrap().into_answer().await
    }

    /// What is answered to this body, sent as a client sends it.
    pub async fn post(&self, token: &str, body: impl Into<bytes::Bytes>) -> Answer {
        self.send(request(token, body)).await
    }

    /// The JSON of what is answered to a query, which is answered with 200.
    pub async fn ask(&self, token: &str, query: &str, variables: Value) -> Value {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let answer = self.post(token, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let json = answer.json();
        assert!(json.get("data").is_some(), "{json}");
        assert_eq!(json["extensions"], json!({}), "{json}");
        json
    }

    /// What a query gives that nothing is wrong with.
    pub async fn data(&self, token: &str, query: &str, variables: Value) -> Value {
        let mut json = self.ask(token, query, variables).await;
        assert_eq!(json.get("errors"), None, "{query}: {json}");
        json["data"].take()
    }

    /// The code and the message of the one thing that is wrong with a query.
    pub async fn error(&self, token: &str, query: &str, variables: Value) -> (u64, String) {
        let json = self.ask(token, query, variables).await;
        let [error] = json["errors"].as_array().map_or(&[][..], Vec::as_slice) else {
            panic!("{query}: {json}")
        };
        let extensions = &error["extensions"];
        let code = extensions["code"].as_u64().unwrap_or_default();
        if code > 0 {
            let name = match code {
                400 => "BAD_REQUEST",
                403 => "UNAUTHORIZED",
                404 => "NOT_FOUND",
                409 => "CONFLICT",
                500 => "SERVER_ERROR",
                503 => "SERVICE_UNAVAILABLE",
                _ => panic!("{error}"),
            };
            assert_eq!(extensions["type"], name);
        }
        (code, error["message"].as_str().unwrap().to_owned())
    }

    /// Makes a token by the API; its text and its metadata.
    pub async fn create(&self, token: &str, input: Value) -> (String, Value) {
        let mut data = self.data(token, CREATE, json!({ "input": input })).await;
        let mut made = data["createAccessToken"].take();
        (made["accessToken"].as_str().unwrap().to_owned(), made["metadata"].take())
    }
}

pub const CREATE: &str = "mutation createAccessToken($input: CreateAccessTokenInput!) {
    createAccessToken(input: $input) { accessToken metadata {
        urn type id name description actorUrn ownerUrn createdAt expiresAt status createdVia
    } }
}";

pub const LIST: &str = "query listAccessTokens($input: ListAccessTokenInput!) {
    listAccessTokens(input: $input) { start count total tokens { id name } }
}";

/// What a personal token for oneself is asked for with.
pub fn personal(id: &str, name: &str) -> Value {
    let actor = user(id).to_string();
    json!({ "type": "PERSONAL", "actorUrn": actor, "duration": "ONE_HOUR", "name": name })
}

pub async fn mint(world: &World, id: &str, name: &str, lifetime: AccessTokenDuration) -> String {
    let request = MintRequest::new(TokenType::Personal, user(id), lifetime.lifetime()).name(name);
    world.tokens.mint(request).await.unwrap().token.expose().to_owned()
}

pub fn request(token: &str, body: impl Into<bytes::Bytes>) -> Request<Body> {
    Request::builder()
        .method(Method::POST)
        .uri("/api/graphql")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(body.into()))
        .unwrap()
}
