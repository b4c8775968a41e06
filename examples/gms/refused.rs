//! Why a request is not served, and how that is answered.

use axum::{
    Json, Router,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;
use tower_pat::{
    Rejection, actor::Urn, backend::StoreError, rejection::RejectionCode, require::AuthorizeError,
};

/// Why a request is not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// A privilege is missing; the answer names it.
    #[error(transparent)]
    Unauthorized(#[from] AuthorizeError),
    /// Whoever sent the head may not act any more now that the body is here.
    #[error("{0}")]
    NoLonger(Rejection),
    /// What was sent makes no sense.
    #[error("{0}")]
    BadRequest(String),
    /// Nobody may do this here.
    #[error("{0}")]
    Forbidden(String),
    /// There is no such thing.
    #[error("{0} is not here")]
    NotFound(String),
    /// There is no such thing, in words of DataHub's.
    #[error("{0}")]
    Absent(String),
    /// It is there already.
    #[error("{0}")]
    Conflict(String),
    /// Somebody else was faster, and the request is judged anew.
    #[error("{0} was changed in the meantime; send the request again")]
    Raced(Urn),
    /// The extractors of axum, which know the status.
    #[error("{1}")]
    Body(StatusCode, String),
    /// A store failed.
    #[error("the store could not answer")]
    Store(#[from] StoreError),
}

impl Refused {
    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::BadRequest(detail.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let detail = self.to_string();
        let code = match self {
            // Those that the crate has a word for, it answers itself.
            Self::Unauthorized(error) => return error.into_response(),
            Self::NoLonger(rejection) => return rejection.into_response(),
            Self::Forbidden(_) => return forbidden(&detail),
            Self::Body(status, _) => match status {
                StatusCode::PAYLOAD_TOO_LARGE => RejectionCode::PayloadTooLarge,
                StatusCode::UNSUPPORTED_MEDIA_TYPE => RejectionCode::UnsupportedMediaType,
                _ => RejectionCode::BadRequest,
            },
            Self::BadRequest(_) => RejectionCode::BadRequest,
            Self::NotFound(_) | Self::Absent(_) => RejectionCode::NotFound,
            Self::Conflict(_) | Self::Raced(_) => RejectionCode::Conflict,
            Self::Store(StoreError::Invalid(detail)) => {
                return Rejection::new(RejectionCode::BadRequest, detail).into_response();
            }
            Self::Store(error) => {
                tracing::error!(error = chain(&error), "a store failed");
                RejectionCode::Unavailable
            }
        };
        Rejection::new(code, detail).into_response()
    }
}

/// What no privilege would help with, in the form of the crate's own answers.
fn forbidden(detail: &str) -> Response {
    problem(StatusCode::FORBIDDEN, "forbidden", detail)
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
        "message": detail,
        "exceptionClass": "com.linkedin.restli.server.RestLiServiceException",
    });
    (status, [(CONTENT_TYPE, "application/problem+json")], Json(body)).into_response()
}

/// Answers a request whose handler panics as other failures are answered, with an object: on a
/// connection that is cut, the client sends the same again.
pub(crate) fn catching(app: Router) -> Router {
    app.layer(CatchPanicLayer::custom(|_| {
        tracing::error!("a handler panicked");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        problem(status, "internal", "the service failed; its log says more")
    }))
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let cause_text = error.to_string();
        // Some errors say what their cause says, too.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use axum::{
        body::{Body, to_bytes},
        http::Request,
        routing::get,
    };
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_and_says_nothing_of_itself() {
        async fn panics() -> &'static str {
            panic!("a secret")
        }
        let app = catching(Router::new().route("/", get(panics)));
        let response = app.oneshot(Request::get("/").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 500);
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert!(body["message"].is_string() && body["status"] == 500, "{body}");
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[test]
    fn what_a_store_refuses_is_a_bad_request() {
        let refused = Refused::Store(StoreError::Invalid("no name".to_owned()));
        assert_eq!(refused.into_response().status(), 400);
    }
}
