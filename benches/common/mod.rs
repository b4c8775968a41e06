//! One deployment and one request, for all benches.

use std::{
    convert::Infallible,
    future::Ready,
    sync::{Arc, LazyLock},
    time::Duration,
};

use futures_util::FutureExt;
use http::{HeaderValue, Request, Response, header};
use tower::{Layer, Service, service_fn, util::ServiceFn};
use tower_pat::{
    AuthenticateLayer, Authenticator, Config, TokenService,
    actor::{Actor, DirectoryStore, Urn},
    authenticate::Authenticate,
    policy::{Policy, PolicyIndex, PolicyStore, Privileges, default_policies, parse_policies},
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

pub type Inner = ServiceFn<fn(Request<String>) -> Ready<Result<Response<String>, Infallible>>>;

/// A service that does nothing.
pub fn bare() -> Inner {
    service_fn(|_| std::future::ready(Ok(Response::new(String::new()))))
}

/// A service that does nothing but to put an `Arc` into the extensions.
pub fn inserting() -> Inner {
    service_fn(|mut request| {
        request.extensions_mut().insert(Arc::new(0_u64));
        std::future::ready(Ok(Response::new(String::new())))
    })
}

/// A service that does nothing but to put an `Arc` that is there already into the extensions.
pub fn extending() -> Inner {
    static KEPT: LazyLock<Arc<u64>> = LazyLock::new(Arc::default);
    service_fn(|mut request| {
        request.extensions_mut().insert(KEPT.clone());
        std::future::ready(Ok(Response::new(String::new())))
    })
}

/// A request, with this `Authorization` header if it is not empty.
pub fn request(authorization: &str) -> Request<String> {
    let mut request = Request::new(String::new());
    if !authorization.is_empty()
        && let Ok(value) = HeaderValue::from_str(authorization)
    {
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    request
}

/// Sends a request that needs no real waiting, and returns the status.
pub fn send<S, B>(service: &mut S, request: Request<String>) -> u16
where
    S: Service<Request<String>, Response = Response<B>, Error = Infallible>,
{
    match service.call(request).now_or_never() {
        Some(Ok(response)) => response.status().as_u16(),
        _ => 0,
    }
}

/// A deployment in memory, and a token.
pub struct Deployment {
    /// Drives the task that follows the feed.
    _runtime: tokio::runtime::Runtime,
    pub layer: AuthenticateLayer,
    pub warm: Authenticate<Inner>,
    /// Remembers nothing.
    pub cold: Authenticate<Inner>,
    pub good: String,
    pub bad_signature: String,
}

pub const KEY: &str = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";
pub const SALT: &str = "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ";

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

impl Deployment {
    pub fn new() -> Outcome<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        // Under an instrumented run a second is over soon.
        let config = || Config::builder(KEY, SALT).revocation_bound(Duration::from_hours(1));
        let store = MemoryStore::default();
        let (layer, cold, token) = runtime.block_on(async {
            let user = Urn::corpuser("datahub")?;
            store.create_user(&user).await?;
            store.seed_policies(&default_policies()).await?;
            let lifetime = AccessTokenDuration::OneMonth.lifetime();
            let minted = TokenService::new(&config().build()?, Arc::new(store.clone()))
                .mint(MintRequest::new(TokenType::Personal, user, lifetime).name("bench"))
                .await?;
            let build = async |config: Config| -> Outcome<AuthenticateLayer> {
                let authenticator = Authenticator::builder(config, store.clone()).build().await?;
                Ok(AuthenticateLayer::new(authenticator))
            };
            let layer = build(config().build()?).await?;
            let cold = build(config().cache_capacity(0).build()?).await?.layer(bare());
            Outcome::Ok((layer, cold, minted.token))
        })?;
        let warm = layer.clone().layer(bare());
        let good = format!("Bearer {}", token.expose());
        let payload_end = good.rfind('.').unwrap_or_default();
        let bad_signature =
            format!("{}.{}", &good.get(..payload_end).unwrap_or_default(), "A".repeat(43));
        Ok(Self { _runtime: runtime, layer, warm, cold, good, bad_signature })
    }
}

/// The privileges of an actor among `count` policies, each for everybody on one dataset.
pub fn privileges(count: usize) -> Outcome<Privileges> {
    let policies = (0..count).map(policy).collect::<Outcome<Vec<_>>>()?;
    Ok(PolicyIndex::new(policies).privileges(Arc::new(Actor::new(Urn::corpuser("alice")?))))
}

/// One for everybody on one dataset.
pub fn policy(number: usize) -> Outcome<Policy> {
    let json = format!(
        r#"{{"urn":"urn:li:dataHubPolicy:{number}","info":{{"displayName":"p{number}",
            "description":"","type":"METADATA","state":"ACTIVE","privileges":["EDIT_ENTITY"],
            "actors":{{"allUsers":true}},"resources":{{"filter":{{"criteria":[
            {{"field":"URN","values":["urn:li:dataset:d{number}"]}}]}}}}}}}}"#
    );
    Ok(parse_policies(&json)?.remove(0).info)
}

/// The privileges of somebody by DataHub's own policies.
pub fn privileges_of_platform() -> Outcome<Privileges> {
    let actor = Actor::new(Urn::corpuser("alice")?);
    Ok(PolicyIndex::new(default_policies()).privileges(Arc::new(actor)))
}
