//! Tokens as JSON, and the questions about them.

use std::{borrow::Cow, str::FromStr};

use serde::{Deserialize, Serialize};

use super::parameters::Parameters;
use crate::{
    access::CreateToken,
    actor::Urn,
    clock::Timestamp,
    rejection::{Rejection, RejectionCode},
    token::{AccessTokenDuration, Lifetime, TokenId, TokenRecord, TokenStatus, TokenType},
    token_service::{TextTest, TokenFilter, TokenQuery, TokenSort, TokenTextField},
};

/// What `POST /tokens` is sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewToken {
    #[serde(rename = "type")]
    token_type: Option<TokenType>,
    actor_urn: Option<Urn>,
    name: String,
    description: Option<String>,
    duration: Option<AccessTokenDuration>,
    duration_iso: Option<String>,
}

impl NewToken {
    /// What it asks for, for itself or, unless it says for whom, for the caller.
    pub(super) fn request(self, caller: &Urn) -> Result<CreateToken, Rejection> {
        let lifetime = match (self.duration, self.duration_iso) {
            (Some(duration), None) => duration.lifetime(),
            (None, Some(text)) => {
                Lifetime::from_str(&text).map_err(|error| bad_request(error.to_string()))?
            }
            _ => {
                return Err(bad_request(
                    "exactly one of duration and durationIso says how long the token is good",
                ));
            }
        };
        let token_type = self.token_type.unwrap_or(TokenType::Personal);
        let actor = self.actor_urn.unwrap_or_else(|| caller.clone());
        let mut request = CreateToken::new(token_type, actor, lifetime, self.name);
        request.description = self.description;
        request.created_via = Some("rest".to_owned());
        Ok(request)
    }
}

/// What `POST /tokens` answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedToken<'a> {
    pub(super) access_token: &'a str,
    pub(super) token: Token<'a>,
}

/// A token, without its text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token<'a> {
    id: TokenId,
    urn: Urn,
    #[serde(rename = "type")]
    token_type: Option<TokenType>,
    name: &'a str,
    description: Option<&'a str>,
    actor_urn: &'a Urn,
    owner_urn: &'a Urn,
    created_at: i64,
    expires_at: Option<i64>,
    status: &'static str,
    created_via: Option<&'a str>,
    last_used_at: Option<i64>,
    last_used_address: Option<&'a str>,
    last_used_agent: Option<&'a str>,
}

impl<'a> Token<'a> {
    pub(super) fn new(record: &'a TokenRecord, now: Timestamp) -> Self {
        let last_used = record.last_used.as_ref();
        Self {
            id: record.id,
            urn: record.id.urn(),
            token_type: record.token_type,
            name: &record.name,
            description: record.description.as_deref(),
            actor_urn: &record.actor,
            owner_urn: &record.owner,
            created_at: record.created_at.as_millis(),
            expires_at: record.ends_at().map(Timestamp::as_millis),
            status: match record.status(now) {
                TokenStatus::Active => "ACTIVE",
                TokenStatus::Expired(_) => "EXPIRED",
                TokenStatus::Revoked(_) => "REVOKED",
            },
            created_via: record.created_via.as_deref(),
            last_used_at: last_used.map(|last_use| last_use.at.as_millis()),
            last_used_address: last_used.and_then(|last_use| last_use.address.as_deref()),
            last_used_agent: last_used.and_then(|last_use| last_use.agent.as_deref()),
        }
    }
}

/// What `GET /tokens` answers.
#[derive(Serialize)]
pub(super) struct TokenPage<'a> {
    pub(super) start: u32,
    pub(super) count: u32,
    pub(super) total: u64,
    pub(super) tokens: Vec<Token<'a>>,
}

/// The question of `GET /tokens`.
pub(super) fn query(text: &str, caller: &Urn, now: Timestamp) -> Result<TokenQuery, Rejection> {
    let given = Parameters::parse(text, &PARAMETERS)?;
    let value = |name: &str| given.value(name);
    let number = |name: &str, default| given.number(name, default);
    let urn = |name: &str| {
        let urn = value(name).map(str::parse::<Urn>).transpose();
        urn.map_err(|error| bad_request(format!("{name} is not a urn: {error}")))
    };

    let mut query = TokenQuery::default().page(number("start", 0)?, number("count", 20)?);
    query = match (urn("owner")?, urn("actor")?, value("all")) {
        (None, None, None | Some("false")) => query.filter(TokenFilter::AnyOf(vec![
            TokenFilter::Owner(vec![caller.clone()]),
            TokenFilter::Actor(vec![caller.clone()]),
        ])),
        (None, None, Some("true")) => query,
        (_, _, Some(all)) if all != "false" => {
            return Err(bad_request("all is true or false, and true without owner and actor"));
        }
        (owner, actor, _) => {
            let owner = owner.map(|urn| TokenFilter::Owner(vec![urn]));
            let actor = actor.map(|urn| TokenFilter::Actor(vec![urn]));
            owner.into_iter().chain(actor).fold(query, TokenQuery::filter)
        }
    };
    if let Some(name) = value("name") {
        query = query.filter(TokenFilter::text(TokenTextField::Name, TextTest::Contains, name));
    }
    let over = TokenFilter::over(now);
    query = match value("status") {
        None => query,
        Some("ACTIVE") => query.filter(TokenFilter::Not(Box::new(over))),
        Some("EXPIRED") => query.filter(over),
        Some(_) => return Err(bad_request("status is ACTIVE or EXPIRED")),
    };
    let sort = match value("sort") {
        None | Some("expiresAt") => TokenSort::ExpiresAt,
        Some("createdAt") => TokenSort::CreatedAt,
        Some("name") => TokenSort::Name,
        Some("lastUsedAt") => TokenSort::LastUsedAt,
        Some(_) => return Err(bad_request("sort is expiresAt, createdAt, name or lastUsedAt")),
    };
    match value("order") {
        None | Some("desc") => Ok(query.descending(sort)),
        Some("asc") => Ok(query.ascending(sort)),
        Some(_) => Err(bad_request("order is asc or desc")),
    }
}

const PARAMETERS: [&str; 9] =
    ["start", "count", "owner", "actor", "all", "name", "status", "sort", "order"];

pub(super) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Rejection {
    Rejection::new(RejectionCode::BadRequest, detail)
}
