//! Bodies.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, Query, Request, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_pat::{Authentication, Authenticator};

use super::BODY_LIMIT;
use crate::refused::Refused;

/// A body that is JSON, and who sent it, as of when it was here.
///
/// The layer has judged the head, and a body can take its time: whoever was suspended meanwhile must
/// not be able to undo that by the body's end.
pub(super) struct JsonBody {
    pub(super) auth: Authentication,
    pub(super) body: Value,
}

impl JsonBody {
    /// The body in this form.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refused> {
        T::deserialize(&self.body).map_err(|error| Refused::bad(format!("the body: {error}")))
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let head = parts.clone();
        if !is_json(&head.headers) {
            let text = "the content type is application/json".to_owned();
            return Err(Refused::Body(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        let bytes = Bytes::from_request(Request::from_parts(parts, body), state);
        let bytes = tokio::time::timeout(BODY_TIME, bytes)
            .await
            .map_err(|_| {
                Refused::Body(StatusCode::BAD_REQUEST, "the body took too long".to_owned())
            })?
            .map_err(|rejection| match rejection.status() {
                StatusCode::PAYLOAD_TOO_LARGE => {
                    let text = format!("the body is longer than {BODY_LIMIT} bytes");
                    Refused::Body(StatusCode::PAYLOAD_TOO_LARGE, text)
                }
                status => Refused::Body(status, rejection.body_text()),
            })?;
        let auth = match head.extensions.get::<Authenticator>() {
            Some(authenticator) => {
                let auth = authenticator.authenticate(&head).await;
                auth.map_err(|error| Refused::NoLonger(error.into()))?
            }
            None => return Err(Refused::bad("there is no authenticator")),
        };
        let body = serde_json::from_slice(&bytes)
            .map_err(|error| Refused::bad(format!("the body is not JSON: {error}")))?;
        Ok(Self { auth, body })
    }
}

/// What a query is, or why it cannot be read.
pub(super) type Asked<T> = Result<Query<T>, QueryRejection>;

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad(rejection.body_text())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(Ok(sent)) = headers.get(CONTENT_TYPE).map(|sent| sent.to_str()) else { return false };
    let sent = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    sent == "application/json"
}

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);
