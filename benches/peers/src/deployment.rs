//! One deployment of tower-pat in memory, and the requests that everybody is sent.

use std::sync::Arc;

use axum::body::Body;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use tower_pat::{
    AuthenticateLayer, Authenticator, Config, TokenService,
    actor::{DirectoryStore, Urn},
    policy::{PolicyStore, default_policies},
    random::{OsRandom, secret},
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

use crate::Outcome;

/// A store with a user and policies, and a token of the user.
pub struct Deployment {
    /// Made for this run. Peers verify with it, too.
    pub key: String,
    /// `Bearer `, and a token that is good for a month.
    pub authorization: String,
    salt: String,
    store: MemoryStore,
}

impl Deployment {
    /// A user, DataHub's default policies, and a token of the user.
    pub async fn new() -> Outcome<Self> {
        let (key, salt) = (secret(&OsRandom)?, secret(&OsRandom)?);
        let config = Config::builder(key.clone(), salt.clone()).build()?;
        let store = MemoryStore::default();
        let user = Urn::corpuser("datahub")?;
        store.create_user(&user).await?;
        store.seed_policies(&default_policies()).await?;
        let lifetime = AccessTokenDuration::OneMonth.lifetime();
        let minted = TokenService::new(&config, Arc::new(store.clone()))
            .mint(MintRequest::new(TokenType::Personal, user, lifetime).name("peers"))
            .await?;
        let authorization = format!("Bearer {}", minted.token.expose());
        Ok(Self { key, authorization, salt, store })
    }

    /// The layer as a service has it; without memory it judges each request anew.
    pub async fn layer(&self, memory: Memory) -> Outcome<AuthenticateLayer> {
        let config = Config::builder(self.key.clone(), self.salt.clone());
        let config = match memory {
            Memory::Default => config,
            Memory::None => config.cache_capacity(0),
        };
        let authenticator = Authenticator::builder(config.build()?, self.store.clone());
        Ok(AuthenticateLayer::new(authenticator.build().await?))
    }

    /// What is sent as `Authorization`; where it is empty, there is no such header.
    ///
    /// With a key id, the same claims are signed with the same key under a header that has one.
    pub fn credentials(&self, key_id: KeyId) -> Outcome<Vec<(Credential, String)>> {
        let (_, token) = self.authorization.split_once(' ').ok_or("no token")?;
        let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part));
        let (Some(header), Some(payload)) = (parts.next(), parts.next()) else {
            return Err("not a token in three parts".into());
        };
        let (header, payload) = (String::from_utf8(header?)?, String::from_utf8(payload?)?);
        let (header, good) = match key_id {
            KeyId::None => (header, self.authorization.clone()),
            KeyId::Added => {
                let header = format!(r#"{{"alg":"HS256","kid":"{KEY_ID}"}}"#);
                let good = self.sign(&header, &payload)?;
                (header, good)
            }
        };
        let (signed, _) = good.rsplit_once('.').ok_or("no signature")?;
        let bad_signature = format!("{signed}.{}", "A".repeat(43));
        Ok(vec![
            (Credential::None, String::new()),
            (Credential::Malformed, "Bearer malformed".to_owned()),
            (Credential::BadSignature, bad_signature),
            (Credential::Expired, self.sign(&header, &expired(&payload)?)?),
            (Credential::Good, good),
        ])
    }

    fn sign(&self, header: &str, payload: &str) -> Outcome<String> {
        let (header, payload) = (URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signed = format!("{header}.{payload}");
        let key = EncodingKey::from_secret(self.key.as_bytes());
        let signature = crypto::sign(signed.as_bytes(), &key, Algorithm::HS256)?;
        Ok(format!("Bearer {signed}.{signature}"))
    }
}

/// The same claims, but expired in 2020, for longer than any leeway.
fn expired(payload: &str) -> Outcome<String> {
    const EXPIRY: &str = r#""exp":"#;
    let (before, rest) = payload.split_once(EXPIRY).ok_or("no expiry")?;
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    Ok(format!("{before}{EXPIRY}1577836800{rest}"))
}

/// The id of the key, for whom asks for one.
pub const KEY_ID: &str = "1";

/// Whether the header of a token says which key it is signed with. DataHub's do not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyId {
    None,
    Added,
}

/// Whether tokens are remembered.
#[derive(Clone, Copy)]
pub enum Memory {
    Default,
    None,
}

/// What a request brings.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    Good,
    None,
    Malformed,
    BadSignature,
    Expired,
}

impl Credential {
    /// Those that are no credential.
    pub const REFUSED: [Self; 4] = [Self::None, Self::Malformed, Self::BadSignature, Self::Expired];

    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good token",
            Self::None => "no header",
            Self::Malformed => "malformed",
            Self::BadSignature => "bad signature",
            Self::Expired => "expired",
        }
    }
}

/// A request with this `Authorization`, where it is not empty.
pub fn request(authorization: &str) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    if !authorization.is_empty()
        && let Ok(value) = HeaderValue::from_str(authorization)
    {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
}
