use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};

use super::ResponseBody;
use crate::{
    grpc::{self, GrpcKind},
    rejection::{Challenge, ProblemBody, Rejection, RejectionBody},
};

/// How refusals are answered: the challenges of a realm, and the body. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Refusals {
    challenges: Arc<Challenges>,
    body: Arc<dyn RejectionBody>,
}

impl Refusals {
    /// The realm unless one is chosen.
    const REALM: &str = "datahub";

    pub(crate) fn realm(mut self, realm: &str) -> Self {
        self.challenges = Arc::new(Challenges::new(realm));
        self
    }

    pub(crate) fn body(mut self, body: impl RejectionBody) -> Self {
        self.body = Arc::new(body);
        self
    }

    /// The answer to a request: gRPC is answered as gRPC.
    pub(crate) fn respond<B, ReqBody>(
        &self,
        rejection: &Rejection,
        request: &Request<ReqBody>,
    ) -> Response<ResponseBody<B>> {
        let Some(kind) = GrpcKind::of(request) else { return self.respond_http(rejection) };
        let mut response = Response::new(ResponseBody::refusal(Bytes::new()));
        *response.headers_mut() = grpc::refusal(rejection, kind);
        response
    }

    pub(crate) fn respond_http<B>(&self, rejection: &Rejection) -> Response<ResponseBody<B>> {
        let (content_type, bytes) = self.body.body(rejection);
        let mut response = Response::new(ResponseBody::refusal(bytes));
        *response.status_mut() = rejection.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, content_type);
        if let Some(challenge) = self.challenges.header(rejection.code().challenge()) {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(retry_after) = rejection.retry_after() {
            headers.insert(header::RETRY_AFTER, retry_after);
        }
        debug_assert_ne!(response.status(), StatusCode::OK, "a refusal is never a 200");
        response
    }
}

impl Default for Refusals {
    fn default() -> Self {
        Self { challenges: Arc::new(Challenges::new(Self::REALM)), body: Arc::new(ProblemBody) }
    }
}

impl fmt::Debug for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusals").field("challenges", &self.challenges).finish_non_exhaustive()
    }
}

/// The `WWW-Authenticate` headers of a realm (RFC 6750 section 3), made once.
#[derive(Debug)]
struct Challenges {
    plain: HeaderValue,
    invalid_request: HeaderValue,
    invalid_token: HeaderValue,
    insufficient_scope: HeaderValue,
}

impl Challenges {
    fn new(realm: &str) -> Self {
        // What cannot stand in a quoted string (RFC 9110 section 5.6.4) is left out.
        let realm: String = realm
            .chars()
            .filter(|c| matches!(c, ' '..='~'))
            .flat_map(|c| matches!(c, '"' | '\\').then_some('\\').into_iter().chain([c]))
            .collect();
        let header = |error: &str| {
            let text = match error {
                "" => format!("Bearer realm=\"{realm}\""),
                error => format!("Bearer realm=\"{realm}\", error=\"{error}\""),
            };
            HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("Bearer"))
        };
        Self {
            plain: header(""),
            invalid_request: header("invalid_request"),
            invalid_token: header("invalid_token"),
            insufficient_scope: header("insufficient_scope"),
        }
    }

    fn header(&self, challenge: Challenge) -> Option<HeaderValue> {
        match challenge {
            Challenge::None => None,
            Challenge::Plain => Some(self.plain.clone()),
            Challenge::InvalidRequest => Some(self.invalid_request.clone()),
            Challenge::InvalidToken => Some(self.invalid_token.clone()),
            Challenge::InsufficientScope => Some(self.insufficient_scope.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_cannot_break_out_of_its_quotes() {
        let challenges = Challenges::new("a\"b\\c\r\nX: 1é");
        assert_eq!(challenges.plain, r#"Bearer realm="a\"b\\cX: 1""#);
        assert_eq!(
            challenges.invalid_token,
            r#"Bearer realm="a\"b\\cX: 1", error="invalid_token""#
        );
    }
}
