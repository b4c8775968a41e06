//! Each peer, configured as its documentation says: HS256 with a key held in memory, `exp` checked,
//! and the claims left in the extensions for a handler.
//!
//! They read `sub` and `exp` of the eight claims, or the registered ones where they have a type for them.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use aliri::{Jwk, Jwks, jwa, jwk, jwt};
use aliri_clock::UnixTime;
use aliri_oauth2::{Authority, HasScope, Scope};
use axum::{
    body::Body,
    extract::{self, State},
    middleware::{self, Next},
};
use axum_0_7::body::Body as Body07;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use jsonwebtoken::{DecodingKey, Validation, decode};
use jwt_authorizer::{IntoLayer, JwtAuthorizer};
use serde::Deserialize;
use tower::{Layer, Service, service_fn, util::ServiceFn};
use tower_oauth2_resource_server::{server::OAuth2ResourceServer, tenant::TenantConfiguration};

use crate::{
    Outcome,
    deployment::{Deployment, KEY_ID, KeyId, Memory},
    versions::version,
};

/// Sends a request and says the status of the answer; 0 is none.
pub type Sender = Box<dyn FnMut(Request<Body>) -> u16>;

/// Something that requests are sent through.
pub struct Peer {
    pub name: &'static str,
    pub version: String,
    /// What it knows of a request that it lets through.
    pub checks: &'static str,
    /// Whether it wants a token whose header names the key.
    pub key_id: KeyId,
    pub send: Sender,
}

impl Peer {
    /// Whether everything is answered with 200.
    pub fn is_floor(&self) -> bool {
        self.checks == NOTHING
    }
}

/// What the floors check.
const NOTHING: &str = "nothing";
/// What all peers check that read a token.
const TOKEN: &str = "signature, expiry";

/// What is measured: the floors first, then tower-pat, then the others.
pub async fn peers(deployment: &Deployment) -> Outcome<Vec<Peer>> {
    let key = deployment.key.as_bytes();
    let own = version("tower-pat", "")?;
    let jsonwebtoken = version("jsonwebtoken", "11.")?;
    Ok(vec![
        floor("a service that does nothing", "0.8", bare())?,
        floor("the same, with the body of axum 0.7", "0.7", bare_0_7())?,
        floor("a service that inserts an `Arc`", "0.8", inserting())?,
        Peer {
            name: "tower-pat, a remembered token",
            version: own.clone(),
            checks: "signature, claims, expiry, revocation, actor, policies",
            key_id: KeyId::None,
            send: sender(deployment.layer(Memory::Default).await?.layer(bare())),
        },
        Peer {
            name: "tower-pat, remembering nothing",
            version: own,
            checks: "the same, by asking the store in memory each time",
            key_id: KeyId::None,
            send: sender(deployment.layer(Memory::None).await?.layer(bare())),
        },
        Peer {
            name: "tower-http, `ValidateRequestHeaderLayer::bearer`",
            version: version("tower-http", "0.7")?,
            checks: "equal to one fixed text",
            key_id: KeyId::None,
            send: bearer(&deployment.authorization),
        },
        verifying("`from_fn` on jsonwebtoken", jsonwebtoken, from_fn(key)),
        verifying("jwt-authorizer", version("jwt-authorizer", "")?, {
            sender(jwt_authorizer(&deployment.key).await?.layer(bare_0_7()))
        }),
        Peer {
            key_id: KeyId::Added,
            ..verifying(
                "tower-oauth2-resource-server",
                version("tower-oauth2-resource-server", "")?,
                tower_oauth2_resource_server(key).await?,
            )
        },
        verifying("axum-jwt", version("axum-jwt", "")?, axum_jwt(key)),
        verifying("tower-jwt", version("tower-jwt", "")?, tower_jwt(key)),
        verifying("aliri_tower", version("aliri_tower", "")?, aliri_tower(key)),
    ])
}

fn floor<S, B>(name: &'static str, axum: &str, service: S) -> Outcome<Peer>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
{
    let version = format!("axum {}", version("axum", axum)?);
    Ok(Peer { name, version, checks: NOTHING, key_id: KeyId::None, send: sender(service) })
}

fn verifying(name: &'static str, version: String, send: Sender) -> Peer {
    Peer { name, version, checks: TOKEN, key_id: KeyId::None, send }
}

/// Sends a request as a server does, but polls once, since nothing here has to be waited for.
fn sender<S, B>(mut service: S) -> Sender
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
{
    Box::new(move |request| {
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(())) = service.poll_ready(&mut context) else { return 0 };
        match pin!(service.call(request)).poll(&mut context) {
            Poll::Ready(Ok(response)) => response.status().as_u16(),
            Poll::Pending => 0,
        }
    })
}

type Inner<B> = ServiceFn<fn(Request<Body>) -> Ready<Result<Response<B>, Infallible>>>;

fn bare() -> Inner<Body> {
    service_fn(|_| ready(Ok(Response::new(Body::empty()))))
}

fn bare_0_7() -> Inner<Body07> {
    service_fn(|_| ready(Ok(Response::new(Body07::empty()))))
}

fn inserting() -> Inner<Body> {
    service_fn(|mut request| {
        request.extensions_mut().insert(Arc::new(0_u64));
        ready(Ok(Response::new(Body::empty())))
    })
}

/// What peers read of a token.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    #[allow(dead_code, reason = "for a handler")]
    sub: String,
    exp: UnixTime,
    // What aliri wants of claims; the tokens have none.
    #[serde(skip)]
    audiences: jwt::Audiences,
    #[serde(skip)]
    scope: Scope,
}

#[expect(deprecated, reason = "too basic for real applications, it says; here it is a mark")]
fn bearer(authorization: &str) -> Sender {
    use tower_http::validate_request::ValidateRequestHeaderLayer;
    let token = authorization.trim_start_matches("Bearer ");
    sender(ValidateRequestHeaderLayer::bearer(token).layer(bare()))
}

/// The middleware that people write by hand.
fn from_fn(key: &[u8]) -> Sender {
    type Verifier = Arc<(DecodingKey, Validation)>;

    async fn guard(
        State(verifier): State<Verifier>,
        mut request: extract::Request,
        next: Next,
    ) -> Result<axum::response::Response, StatusCode> {
        let (key, validation) = &*verifier;
        let claims = request
            .headers()
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .and_then(|token| decode::<Claims>(token, key, validation).ok())
            .ok_or(StatusCode::UNAUTHORIZED)?
            .claims;
        request.extensions_mut().insert(claims);
        Ok(next.run(request).await)
    }

    let verifier: Verifier = Arc::new((DecodingKey::from_secret(key), Validation::default()));
    sender(middleware::from_fn_with_state(verifier, guard).layer(bare()))
}

/// As its documentation has it, with claims of its own type.
pub async fn jwt_authorizer(
    key: &str,
) -> Outcome<jwt_authorizer::layer::AuthorizationLayer<jwt_authorizer::RegisteredClaims>> {
    Ok(JwtAuthorizer::from_secret(key).build().await?.into_layer())
}

/// It finds keys by the id in the header and takes HMAC only where it is told to.
async fn tower_oauth2_resource_server(key: &[u8]) -> Outcome<Sender> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let key = URL_SAFE_NO_PAD.encode(key);
    let keys =
        format!(r#"{{"keys":[{{"kty":"oct","alg":"HS256","kid":"{KEY_ID}","k":"{key}"}}]}}"#);
    let tenant = TenantConfiguration::static_builder(keys)
        .allowed_algorithms(&[jsonwebtoken::Algorithm::HS256])
        .build()?;
    let server = <OAuth2ResourceServer>::builder().add_tenant(tenant).build().await?;
    Ok(sender(server.into_layer().layer(bare())))
}

fn axum_jwt(key: &[u8]) -> Sender {
    use axum_jwt::{Decoder, Token, jsonwebtoken::DecodingKey};
    let decoder = Decoder::from_key(DecodingKey::from_secret(key));
    // The filter is what decides about the type of the claims.
    let layer = axum_jwt::layer(decoder).with_filter(|_: &Token<Claims>| true).store_to_extension();
    sender(layer.layer(bare()))
}

/// It lets requests without a header through, and leaves it to the service to look for claims.
fn tower_jwt(key: &[u8]) -> Sender {
    use tower_jwt::{DecodingKey, JwtLayer, RequestClaim, Validation};
    let inner: Inner<Body> = service_fn(|request: Request<Body>| {
        let mut response = Response::new(Body::empty());
        if request.extensions().get::<RequestClaim<Claims>>().is_none() {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
        }
        ready(Ok(response))
    });
    let layer = JwtLayer::<Claims>::new(Validation::default(), DecodingKey::from_secret(key));
    sender(layer.layer(inner))
}

fn aliri_tower(key: &[u8]) -> Sender {
    let key = Jwk::from(jwa::Hmac::new(aliri_base64::Base64Url::from_raw(key)))
        .with_algorithm(jwa::Algorithm::HS256)
        .with_key_id(jwk::KeyId::from_static(KEY_ID));
    let mut keys = Jwks::default();
    keys.add_key(key);
    let validator = jwt::CoreValidator::default().add_approved_algorithm(jwa::Algorithm::HS256);
    let authorizer = aliri_tower::Oauth2Authorizer::new()
        .with_claims::<Claims>()
        .with_terse_error_handler::<Body>();
    let layer = authorizer.jwt_layer(Authority::new(keys, validator));
    sender(layer.layer(bare()))
}

impl jwt::CoreClaims for Claims {
    fn nbf(&self) -> Option<UnixTime> {
        None
    }

    fn exp(&self) -> Option<UnixTime> {
        Some(self.exp)
    }

    fn aud(&self) -> &jwt::Audiences {
        &self.audiences
    }

    fn iss(&self) -> Option<&jwt::IssuerRef> {
        None
    }

    fn sub(&self) -> Option<&jwt::SubjectRef> {
        None
    }
}

impl HasScope for Claims {
    fn scope(&self) -> &Scope {
        &self.scope
    }
}
