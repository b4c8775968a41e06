//! Errors as DataHub's clients know them: a `code`, a `type` and a `classification` in the
//! `extensions` of each.
//!
//! Resolvers return errors of any type by `?`; here is the one place that says what they become.

use async_graphql::{ErrorExtensionValues, Pos, ServerError};
use http::StatusCode;

use crate::{
    access::{AccessError, AccessErrorKind},
    backend::{StoreError, chain},
    rejection::{Rejection, RejectionCode},
    require::AuthorizeError,
    token::LifetimeError,
};

/// Something in the arguments that makes no sense, said to the caller as it stands.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadRequest(pub(super) String);

impl BadRequest {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// DataHub's kinds of errors (`DataHubGraphQLErrorCode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    BadRequest,
    Unauthorized,
    NotFound,
    Conflict,
    ServerError,
    ServiceUnavailable,
}

impl Code {
    const fn number(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Unauthorized => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::ServerError => 500,
            Self::ServiceUnavailable => 503,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::BadRequest => "BAD_REQUEST",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::ServerError => "SERVER_ERROR",
            Self::ServiceUnavailable => "SERVICE_UNAVAILABLE",
        }
    }
}

impl From<AccessErrorKind> for Code {
    fn from(kind: AccessErrorKind) -> Self {
        match kind {
            // DataHub knows one code for both.
            AccessErrorKind::Unauthenticated | AccessErrorKind::Forbidden => Self::Unauthorized,
            AccessErrorKind::BadRequest => Self::BadRequest,
            AccessErrorKind::NotFound => Self::NotFound,
            AccessErrorKind::Conflict => Self::Conflict,
            AccessErrorKind::Unavailable => Self::ServiceUnavailable,
            AccessErrorKind::Internal => Self::ServerError,
        }
    }
}

impl From<RejectionCode> for Code {
    fn from(code: RejectionCode) -> Self {
        match code.status() {
            StatusCode::BAD_REQUEST => Self::BadRequest,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Unauthorized,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::CONFLICT => Self::Conflict,
            StatusCode::SERVICE_UNAVAILABLE => Self::ServiceUnavailable,
            _ => Self::ServerError,
        }
    }
}

/// The document is not GraphQL. What the parser says would repeat it.
pub(super) fn syntax(positions: Vec<Pos>) -> ServerError {
    let message = match positions.first() {
        Some(at) => format!("Invalid syntax at line {} column {}", at.line, at.column),
        None => "Invalid syntax".to_owned(),
    };
    let mut error = classified(message, None, "InvalidSyntax");
    error.locations = positions;
    error
}

/// The document is GraphQL, and not valid.
pub(super) fn invalid(message: impl Into<String>, at: Option<Pos>) -> ServerError {
    classified(message, at, VALIDATION)
}

/// The document is beyond a limit.
pub(super) fn aborted(message: impl Into<String>, at: Option<Pos>) -> ServerError {
    classified(message, at, "ExecutionAborted")
}

fn classified(message: impl Into<String>, at: Option<Pos>, class: &str) -> ServerError {
    let mut error = ServerError::new(message, at);
    error.extensions.get_or_insert_default().set(CLASSIFICATION, class);
    error
}

/// Makes of an error, wherever it comes from, what is shown of it.
pub(super) fn finish(mut error: ServerError) -> ServerError {
    let code = code_of(&error);
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get(CLASSIFICATION).is_none() {
        match code {
            Some(code) => {
                set_code(extensions, code);
                extensions.set(CLASSIFICATION, DATA_FETCHING);
            }
            None => extensions.set(CLASSIFICATION, VALIDATION),
        }
    }
    error.message = shown(&error.message);
    error
}

/// Something panicked. What, is for the panic hook to tell.
pub(super) fn panicked() -> ServerError {
    tracing::error!("a query made something panic");
    let mut error = classified("An unknown error occurred.", None, DATA_FETCHING);
    set_code(error.extensions.get_or_insert_default(), Code::ServerError);
    error
}

/// What kind of error a resolver returned; `None` for one of the engine's.
///
/// Faults are logged here, where they end. What a caller did wrong is not.
fn code_of(error: &ServerError) -> Option<Code> {
    if let Some(cause) = error.source::<AccessError>() {
        let code = Code::from(cause.kind());
        if matches!(code, Code::ServerError | Code::ServiceUnavailable) {
            tracing::error!(cause = %chain(cause), "an operation failed");
        }
        return Some(code);
    }
    if error.source::<BadRequest>().is_some() || error.source::<LifetimeError>().is_some() {
        return Some(Code::BadRequest);
    }
    // What the resolvers of a service's own fields may well return.
    if let Some(cause) = error.source::<AuthorizeError>() {
        return Some(Rejection::from(cause).code().into());
    }
    if let Some(rejection) = error.source::<Rejection>() {
        return Some(rejection.code().into());
    }
    if let Some(cause) = error.source::<StoreError>() {
        tracing::error!(cause = %chain(cause), "an operation failed");
        return Some(match cause {
            StoreError::Unavailable(_) => Code::ServiceUnavailable,
            StoreError::AlreadyExists => Code::Conflict,
            StoreError::Invalid(_) => Code::BadRequest,
            _ => Code::ServerError,
        });
    }
    if error.source.is_none() && is_of_engine(error) {
        return None;
    }
    tracing::error!(error = %shown(&error.message), "an operation failed");
    Some(Code::ServerError)
}

/// Whether an error that has no source is one of the engine's, and not one that a resolver made of
/// a text. What validation refuses has no path; and some values and variables are only refused where
/// they are used, with these texts.
fn is_of_engine(error: &ServerError) -> bool {
    let message = &error.message;
    error.path.is_empty()
        || message.starts_with("Failed to parse \"")
        || (message.starts_with("Variable ") && message.ends_with(" is not defined."))
}

fn set_code(extensions: &mut ErrorExtensionValues, code: Code) {
    extensions.set("code", code.number());
    extensions.set("type", code.name());
}

const CLASSIFICATION: &str = "classification";
const VALIDATION: &str = "ValidationError";
const DATA_FETCHING: &str = "DataFetchingException";

/// How many characters of a message are shown: some repeat what was sent.
const LONGEST_MESSAGE: usize = 1_000;

/// A message as it is shown: without tokens, and not longer than it helps. In this order, since what
/// is left of a token cannot be told any more.
fn shown(message: &str) -> String {
    let mut message = redact(message);
    if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    message
}

/// Enough of a text from outside to be recognised, and nothing of a token.
pub(super) fn excerpt(text: &str) -> String {
    redact(text).chars().take(40).collect()
}

/// Leaves out of a message what may be the text of a token, or a part of one: the engine repeats
/// names and values that it does not know, and some of our own messages repeat a urn or a name.
fn redact(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        shown.push_str(if is_like_token(run) { "(not shown)" } else { run });
        let next = after.find(is_of_token).unwrap_or(after.len());
        let (between, after) = after.split_at(next);
        shown.push_str(between);
        rest = after;
    }
    shown
}

/// The characters of a JWS in its compact form.
fn is_of_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.')
}

/// Whether this is a token, its header or its claims, which begin with `{"`, or its signature,
/// which is 43 characters of base64url.
fn is_like_token(run: &str) -> bool {
    run.contains("eyJ")
        || run.split('.').any(|part| {
            // As long as a signature, and no name of ours or of an account with a UUID in it.
            part.len() >= 43 && !part.contains("service_")
        })
}

#[cfg(test)]
mod tests {
    use async_graphql::{Error, PathSegment};
    use serde_json::{Value, json};

    use super::*;
    use crate::actor::Urn;

    fn extensions(error: ServerError) -> Value {
        serde_json::to_value(finish(error)).unwrap()["extensions"].clone()
    }

    fn resolver(error: impl Into<Error>) -> ServerError {
        error.into().into_server_error(Pos { line: 1, column: 1 })
    }

    fn with_code(code: u16, name: &str) -> Value {
        json!({ "code": code, "type": name, "classification": "DataFetchingException" })
    }

    #[test]
    fn errors_of_operations_have_datahubs_codes() {
        let urn = Urn::corpuser("alice").unwrap();
        let forbidden = with_code(403, "UNAUTHORIZED");
        assert_eq!(extensions(resolver(AccessError::Forbidden { message: "no" })), forbidden);
        assert_eq!(extensions(resolver(AccessError::NotAuthenticated)), forbidden);
        let bad = with_code(400, "BAD_REQUEST");
        assert_eq!(extensions(resolver(AccessError::NotAUser(urn.clone()))), bad);
        assert_eq!(extensions(resolver(BadRequest::new("so"))), bad);
        assert_eq!(extensions(resolver(LifetimeError::Blank)), bad);
        assert_eq!(
            extensions(resolver(AccessError::UserNotFound(urn))),
            with_code(404, "NOT_FOUND")
        );
        assert_eq!(extensions(resolver(AccessError::Conflict)), with_code(409, "CONFLICT"));
        assert_eq!(
            extensions(resolver(AccessError::NothingToRevoke)),
            with_code(500, "SERVER_ERROR")
        );
        let outage = || StoreError::unavailable("the disk is on fire");
        let unavailable = with_code(503, "SERVICE_UNAVAILABLE");
        assert_eq!(extensions(resolver(AccessError::from(outage()))), unavailable);
        assert_eq!(extensions(resolver(outage())), unavailable);
        assert_eq!(extensions(resolver(AuthorizeError::Facts(outage()))), unavailable);
        let rejection = Rejection::new(RejectionCode::PrivilegeMissing, "no");
        assert_eq!(extensions(resolver(rejection)), forbidden);
        assert_eq!(extensions(resolver("something else")), with_code(500, "SERVER_ERROR"));
    }

    #[test]
    fn the_engines_own_errors_have_no_code() {
        let engine = ServerError::new("Unknown field", None);
        assert_eq!(extensions(engine), json!({ "classification": "ValidationError" }));
        assert_eq!(
            extensions(aborted("deep", None)),
            json!({ "classification": "ExecutionAborted" })
        );
        assert_eq!(extensions(syntax(vec![])), json!({ "classification": "InvalidSyntax" }));
    }

    #[test]
    fn errors_that_are_only_a_text_are_faults_of_whoever_made_them() {
        let made = |path: &[&str], message: &str| {
            let path = path.iter().map(|field| PathSegment::Field((*field).to_owned())).collect();
            extensions(resolver(Error::new(message)).with_path(path))
        };
        assert_eq!(made(&["a", "b"], "it fell over"), with_code(500, "SERVER_ERROR"));
        // A value that is refused where it is used, as elsewhere.
        let validation = json!({ "classification": "ValidationError" });
        assert_eq!(made(&["a"], "Failed to parse \"Long\": no"), validation);
        assert_eq!(made(&[], "Cannot query field"), validation);
        assert_eq!(extensions(panicked()), with_code(500, "SERVER_ERROR"));
    }

    #[test]
    fn messages_are_not_longer_than_it_helps() {
        let long = ServerError::new("é ".repeat(100_000), None);
        assert_eq!(finish(long).message.chars().count(), LONGEST_MESSAGE + 1);
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.dBjftJeZ4CVP";
        let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        for secret in [token, signature] {
            assert_eq!(excerpt(secret), "(not shown)");
            let message = format!("{}{secret}", "a ".repeat(LONGEST_MESSAGE / 2 - 10));
            let shown = finish(ServerError::new(message, None)).message;
            assert!(!shown.contains(&secret[..8]), "{shown}");
        }
        assert_eq!(excerpt(&"a ".repeat(40)), "a ".repeat(20));
    }

    #[test]
    fn nothing_of_a_token_is_repeated() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.\
                     dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        let mut parts: Vec<&str> = token.split('.').collect();
        parts.push(token);
        for part in parts {
            let message = format!("Unknown field \"{part}\" on {part}, in [{part}].");
            let redacted = "Unknown field \"(not shown)\" on (not shown), in [(not shown)].";
            assert_eq!(
                redact(&message).replace("(not shown).", "(not shown)"),
                redacted.replace("(not shown).", "(not shown)"),
                "{part}"
            );
        }
        for plain in [
            "",
            "Cannot query field 'nope' on type 'AuthenticatedUser'.",
            "updateServiceAccountDefaultViewInput",
            "Service account not found: urn:li:corpuser:service_0c5d2f0e-1c1c-4a3e-9b9e-1d7a2d7f3a55",
            "Größe …",
        ] {
            assert_eq!(redact(plain), plain);
        }
    }
}
