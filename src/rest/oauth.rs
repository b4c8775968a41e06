//! What other services ask about tokens: RFC 7662 and RFC 7009.

use bytes::Bytes;
use form_urlencoded::parse;
use http::HeaderValue;
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::token::bad_request;
use crate::{
    actor::Urn,
    clock::Timestamp,
    rejection::{ProblemBody, Rejection, RejectionBody},
    token::{TokenRecord, TokenType},
    token_service::ActiveToken,
};

/// The token in the form, which is all that is needed of it. Parameters that are not known are left
/// alone (RFC 6749 section 3.2).
pub(super) fn token(form: &[u8]) -> Result<Zeroizing<String>, Rejection> {
    let mut tokens = parse(form).filter(|(name, _)| name == "token");
    match (tokens.next(), tokens.next()) {
        (Some((_, token)), None) if !token.is_empty() => Ok(Zeroizing::new(token.into_owned())),
        (Some(_), Some(_)) => Err(bad_request("token is given twice")),
        _ => Err(bad_request("token is missing")),
    }
}

/// The problem document, and OAuth's members of an error (RFC 6749 section 5.2) besides.
#[derive(Debug, Default)]
pub(super) struct OAuthBody {
    error: Option<&'static str>,
}

impl OAuthBody {
    /// With this `error`, whatever the status says.
    pub(super) fn with_error(error: &'static str) -> Self {
        Self { error: Some(error) }
    }
}

impl RejectionBody for OAuthBody {
    fn body(&self, rejection: &Rejection) -> (HeaderValue, Bytes) {
        let (content_type, bytes) = ProblemBody.body(rejection);
        let Ok(mut problem) = serde_json::from_slice::<Map<String, Value>>(&bytes) else {
            return (content_type, bytes);
        };
        let error = self.error.unwrap_or(match rejection.status().as_u16() {
            401 => "invalid_token",
            403 => "insufficient_scope",
            503 => "temporarily_unavailable",
            500 => "server_error",
            _ => "invalid_request",
        });
        problem.insert("error".to_owned(), error.into());
        problem.insert("error_description".to_owned(), rejection.detail().into());
        (content_type, Value::Object(problem).to_string().into())
    }
}

/// What `/introspect` answers.
#[derive(Default, Serialize)]
pub(super) struct Introspection<'a> {
    active: bool,
    #[serde(flatten)]
    token: Option<Known<'a>>,
}

/// What is said of a token that is good.
#[derive(Serialize)]
struct Known<'a> {
    token_type: &'static str,
    sub: &'a Urn,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(rename = "actorUrn")]
    actor: &'a Urn,
    #[serde(rename = "ownerUrn", skip_serializing_if = "Option::is_none")]
    owner: Option<&'a Urn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(rename = "type")]
    kind: TokenType,
}

impl<'a> Introspection<'a> {
    /// What is said of `token`; nothing but that it is not active for `None`.
    pub(super) fn new(token: Option<&'a ActiveToken>) -> Self {
        let Some(token) = token else { return Self::default() };
        let record = token.record.as_ref();
        let seconds = |time: Timestamp| time.as_millis().div_euclid(1_000);
        // A DataHub's record may end a little later than its token.
        let ends = [record.and_then(TokenRecord::ends_at), token.claims.expires_at];
        let end = ends.into_iter().flatten().min();
        let known = Known {
            token_type: "Bearer",
            sub: token.actor.urn(),
            username: token.actor.id(),
            exp: end.map(seconds),
            iat: record.map(|record| seconds(record.created_at)),
            jti: record.map(|record| record.id.to_string()),
            actor: token.actor.urn(),
            owner: record.map(|record| &record.owner),
            name: record.map(|record| record.name.as_str()),
            kind: token.claims.token_type,
        };
        Self { active: true, token: Some(known) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_token_in_the_form() {
        let text = |form: &str| token(form.as_bytes()).map(|token| token.to_string());
        assert_eq!(text("token=a.b.c&token_type_hint=access_token").unwrap(), "a.b.c");
        assert_eq!(text("x=1&token=a%2Bb+c").unwrap(), "a+b c");
        for form in ["", "token=", "token", "Token=a", "token=a&token=a", "token=a&token="] {
            assert!(text(form).is_err(), "{form}");
        }
    }

    #[test]
    fn of_what_is_not_active_nothing_else_is_said() {
        let inactive = serde_json::to_string(&Introspection::new(None)).unwrap();
        assert_eq!(inactive, r#"{"active":false}"#);
    }
}
