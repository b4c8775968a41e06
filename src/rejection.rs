//! A refusal as a plain value: what errors turn themselves into, and what answers are made from.
//!
//! | case | HTTP | challenge | gRPC |
//! | --- | --- | --- | --- |
//! | no credentials, or another scheme | 401 | `Bearer realm="..."` | 16 |
//! | several `Authorization` headers, or credentials of two kinds | 400 | `error="invalid_request"` | 16 |
//! | token malformed, wrong, expired, revoked; actor inactive | 401 | `error="invalid_token"` | 16 |
//! | privilege missing | 403 | `error="insufficient_scope"` | 7 |
//! | from the page of another origin | 403 | none | 7 |
//! | store, directory or facts down | 503 and `Retry-After: 1` | none | 14 |
//! | layers put together wrongly | 500 | none | 13 |
//! | what the request is about is not there | 404 | none | 5 |
//! | wrong method, size or media type | 405, 413, 415 | none | 12, 8, 3 |
//! | the body took too long | 408 | none | 4 |
//! | user name or password wrong | 400 | none | 16 |
//! | tried too often | 429 and `Retry-After` | none | 8 |
//! | at odds with what is stored | 409 | none | 6 |
//! | a fault of ours | 500 | none | 13 |
//! | the service behind this one cannot be reached, or takes too long | 502, 504 | none | 14, 4 |
//!
//! The body is a problem document (RFC 9457) with these members: `type`, `title`, `status`,
//! `detail`, a stable `code` for programs, and `message` and `exceptionClass`, which DataHub's
//! client shows to people.

use std::{borrow::Cow, fmt, sync::LazyLock};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

/// Why a request is refused, and how that is answered.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    code: RejectionCode,
    detail: Cow<'static, str>,
}

/// The reason of a [`Rejection`] for programs. The texts are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionCode {
    /// `missing_token`: no credentials, or none that could be judged.
    MissingToken,
    /// `invalid_request`: several `Authorization` headers, or credentials of two kinds.
    InvalidRequest,
    /// `bad_request`: what the request is about cannot be taken from it.
    BadRequest,
    /// `token_not_accepted`: no more is said to somebody who has not shown a good signature.
    TokenNotAccepted,
    /// `token_expired`
    TokenExpired,
    /// `token_revoked`
    TokenRevoked,
    /// `actor_inactive`: removed, suspended, or not there.
    ActorInactive,
    /// `privilege_missing`
    PrivilegeMissing,
    /// `privilege_indeterminate`: a policy may grant it, but what that depends on is not known.
    PrivilegeIndeterminate,
    /// `cross_origin`: a session in a cookie was to write something, or somebody to be logged in or
    /// out, and the request came from the page of another origin.
    CrossOrigin,
    /// `unavailable`: nothing is known, since a store, the directory or the facts are down.
    Unavailable,
    /// `not_authenticated`: something that needs authentication is not behind an
    /// `AuthenticateLayer`, or on a path that is excluded from it.
    NotAuthenticated,
    /// `not_found`: what the request is about is not there.
    NotFound,
    /// `method_not_allowed`: this is not done with this method.
    MethodNotAllowed,
    /// `request_timeout`: the body did not come within its time.
    RequestTimeout,
    /// `payload_too_large`: the body is longer than what is read.
    PayloadTooLarge,
    /// `unsupported_media_type`: the body is not in a form that is understood.
    UnsupportedMediaType,
    /// `conflict`: what is asked for is at odds with what is stored.
    Conflict,
    /// `invalid_credentials`: the password is not the user's, or whatever else is wrong with the
    /// user. A 400, as in DataHub, so that it is not taken for a session that is over.
    InvalidCredentials,
    /// `too_many_requests`: it was tried too often.
    TooManyRequests,
    /// `internal`: a fault of this service.
    Internal,
    /// `bad_gateway`: the service to which the request is passed on cannot be reached.
    BadGateway,
    /// `gateway_timeout`: the service to which the request is passed on takes too long.
    GatewayTimeout,
}

impl RejectionCode {
    /// The text in the body's `code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::InvalidRequest => "invalid_request",
            Self::BadRequest => "bad_request",
            Self::TokenNotAccepted => "token_not_accepted",
            Self::TokenExpired => "token_expired",
            Self::TokenRevoked => "token_revoked",
            Self::ActorInactive => "actor_inactive",
            Self::PrivilegeMissing => "privilege_missing",
            Self::PrivilegeIndeterminate => "privilege_indeterminate",
            Self::CrossOrigin => "cross_origin",
            Self::Unavailable => "unavailable",
            Self::NotAuthenticated => "not_authenticated",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Conflict => "conflict",
            Self::InvalidCredentials => "invalid_credentials",
            Self::TooManyRequests => "too_many_requests",
            Self::Internal => "internal",
            Self::BadGateway => "bad_gateway",
            Self::GatewayTimeout => "gateway_timeout",
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MissingToken
            | Self::TokenNotAccepted
            | Self::TokenExpired
            | Self::TokenRevoked
            | Self::ActorInactive => StatusCode::UNAUTHORIZED,
            Self::InvalidRequest | Self::BadRequest | Self::InvalidCredentials => {
                StatusCode::BAD_REQUEST
            }
            Self::PrivilegeMissing | Self::PrivilegeIndeterminate | Self::CrossOrigin => {
                StatusCode::FORBIDDEN
            }
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotAuthenticated | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::GatewayTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The gRPC status code.
    #[must_use]
    pub const fn grpc_code(self) -> u8 {
        match self {
            Self::MissingToken
            | Self::InvalidRequest
            | Self::TokenNotAccepted
            | Self::TokenExpired
            | Self::TokenRevoked
            | Self::ActorInactive
            | Self::InvalidCredentials => 16,
            Self::BadRequest | Self::UnsupportedMediaType => 3,
            Self::RequestTimeout | Self::GatewayTimeout => 4,
            Self::NotFound => 5,
            Self::Conflict => 6,
            Self::PayloadTooLarge | Self::TooManyRequests => 8,
            Self::MethodNotAllowed => 12,
            Self::PrivilegeMissing | Self::PrivilegeIndeterminate | Self::CrossOrigin => 7,
            Self::Unavailable | Self::BadGateway => 14,
            Self::NotAuthenticated | Self::Internal => 13,
        }
    }

    /// The challenge's `error` (RFC 6750 section 3.1), where there is a challenge. Nothing is named
    /// if no credentials were presented.
    pub(crate) const fn challenge(self) -> Challenge {
        match self {
            Self::MissingToken => Challenge::Plain,
            Self::InvalidRequest => Challenge::InvalidRequest,
            Self::TokenNotAccepted
            | Self::TokenExpired
            | Self::TokenRevoked
            | Self::ActorInactive => Challenge::InvalidToken,
            Self::PrivilegeMissing | Self::PrivilegeIndeterminate => Challenge::InsufficientScope,
            Self::BadRequest
            | Self::CrossOrigin
            | Self::Unavailable
            | Self::NotAuthenticated
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::RequestTimeout
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::Conflict
            | Self::InvalidCredentials
            | Self::TooManyRequests
            | Self::Internal
            | Self::BadGateway
            | Self::GatewayTimeout => Challenge::None,
        }
    }
}

/// Which `WWW-Authenticate` header an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    None,
    Plain,
    InvalidRequest,
    InvalidToken,
    InsufficientScope,
}

impl Rejection {
    /// A refusal with this reason; `detail` is shown to the caller, so it must say no more than the
    /// caller may know.
    #[must_use]
    pub fn new(code: RejectionCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    const MISSING_TOKEN: &str = "no bearer token in the request";
    const NOT_ACCEPTED: &str = "token not accepted";

    /// Nobody presented anything.
    pub(crate) fn missing_token() -> Self {
        Self::new(RejectionCode::MissingToken, Self::MISSING_TOKEN)
    }

    /// All that is said to somebody who has not shown a good signature.
    pub(crate) fn not_accepted() -> Self {
        Self::new(RejectionCode::TokenNotAccepted, Self::NOT_ACCEPTED)
    }

    /// The reason.
    #[must_use]
    pub fn code(&self) -> RejectionCode {
        self.code
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// What is said to the caller.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What DataHub's client shows to people. For a 401 it has the word *Unauthorized*, by which
    /// that client recognises one.
    #[must_use]
    pub fn message(&self) -> String {
        if self.status() == StatusCode::UNAUTHORIZED {
            format!("Unauthorized to perform this action: {}", self.detail)
        } else {
            self.detail.clone().into_owned()
        }
    }

    pub(crate) fn retry_after(&self) -> Option<HeaderValue> {
        (self.code == RejectionCode::Unavailable).then(|| HeaderValue::from_static("1"))
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection").field("code", &self.code).field("detail", &self.detail).finish()
    }
}

impl std::error::Error for Rejection {}

/// Makes the body of a refusal; status, challenge and other headers stay what they are.
///
/// Closures implement it:
///
/// ```
/// use bytes::Bytes;
/// use http::HeaderValue;
/// use tower_pat::rejection::{Rejection, RejectionBody};
///
/// fn plain(rejection: &Rejection) -> (HeaderValue, Bytes) {
///     (HeaderValue::from_static("text/plain; charset=utf-8"), rejection.detail().to_owned().into())
/// }
/// fn takes(_: impl RejectionBody) {}
/// takes(plain);
/// ```
pub trait RejectionBody: Send + Sync + 'static {
    /// The content type and the bytes.
    fn body(&self, rejection: &Rejection) -> (HeaderValue, Bytes);
}

impl<F> RejectionBody for F
where
    F: Fn(&Rejection) -> (HeaderValue, Bytes) + Send + Sync + 'static,
{
    fn body(&self, rejection: &Rejection) -> (HeaderValue, Bytes) {
        self(rejection)
    }
}

/// The default body: a problem document, as the [module docs](self) describe it.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProblemBody;

impl RejectionBody for ProblemBody {
    fn body(&self, rejection: &Rejection) -> (HeaderValue, Bytes) {
        // The two that strangers are answered with are written once, so that answering costs
        // hardly more than asking.
        static MISSING_TOKEN: LazyLock<Bytes> =
            LazyLock::new(|| problem(&Rejection::missing_token()));
        static NOT_ACCEPTED: LazyLock<Bytes> =
            LazyLock::new(|| problem(&Rejection::not_accepted()));
        let bytes = match (rejection.code, &rejection.detail) {
            (RejectionCode::MissingToken, Cow::Borrowed(Rejection::MISSING_TOKEN)) => {
                MISSING_TOKEN.clone()
            }
            (RejectionCode::TokenNotAccepted, Cow::Borrowed(Rejection::NOT_ACCEPTED)) => {
                NOT_ACCEPTED.clone()
            }
            _ => problem(rejection),
        };
        (HeaderValue::from_static("application/problem+json"), bytes)
    }
}

fn problem(rejection: &Rejection) -> Bytes {
    let status = rejection.status();
    let code = rejection.code.as_str();
    let problem = Problem {
        kind: ProblemType(rejection.code),
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: &rejection.detail,
        code,
        message: &rejection.message(),
        exception_class: "com.linkedin.restli.server.RestLiServiceException",
    };
    // Strings and a number: there is nothing that could fail.
    serde_json::to_vec(&problem).unwrap_or_default().into()
}

#[derive(Serialize)]
struct Problem<'a> {
    #[serde(rename = "type")]
    kind: ProblemType,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    message: &'a str,
    #[serde(rename = "exceptionClass")]
    exception_class: &'a str,
}

/// A URI that identifies the code: the page that describes it.
struct ProblemType(RejectionCode);

impl Serialize for ProblemType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        const PAGE: &str =
            "https://docs.rs/tower-pat/latest/tower_pat/rejection/enum.RejectionCode.html";
        serializer.collect_str(&format_args!("{PAGE}#variant.{:?}", self.0))
    }
}
