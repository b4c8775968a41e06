//! Bodies.

use std::time::Duration;

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::{FromRequest, Query, Request, rejection::QueryRejection},
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, EXPECT},
    },
};
use bytes::BytesMut;
use http_body_util::BodyExt;
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

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let (head, body) = request.into_parts();
        let bytes = tokio::time::timeout(BODY_TIME, read(&head.headers, body)).await;
        let bytes = bytes.map_err(|_| {
            Refused::Body(StatusCode::BAD_REQUEST, "the body took too long".to_owned())
        })??;
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

/// Reads a body that is JSON, of at most [`BODY_LIMIT`] bytes. One that is refused is read on for a
/// while and thrown away: who is cut off while sending sees a broken connection instead of the
/// answer, and DataHub's client sends the same again for half a minute. Who asks first
/// (`Expect: 100-continue`) is answered at once.
async fn read(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Refused> {
    let too_large = || {
        let text = format!("the body is longer than {BODY_LIMIT} bytes");
        Refused::Body(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    let unsupported = || {
        let text = "the content type is application/json".to_owned();
        Refused::Body(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    };
    let limit = if is_json(headers) { BODY_LIMIT } else { 0 };
    let refusal = || if is_json(headers) { too_large() } else { unsupported() };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > BODY_LIMIT + DISCARDED || (announced > limit && headers.contains_key(EXPECT)) {
        return Err(refusal());
    }
    let mut bytes = BytesMut::with_capacity(announced.min(limit));
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            let text = "the body could not be read to its end".to_owned();
            Refused::Body(StatusCode::BAD_REQUEST, text)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        length = length.saturating_add(data.len());
        if length > BODY_LIMIT + DISCARDED {
            break;
        }
        if length > limit {
            bytes = BytesMut::new();
        } else {
            bytes.extend_from_slice(&data);
        }
    }
    if length > limit || !is_json(headers) { Err(refusal()) } else { Ok(bytes.freeze()) }
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

/// How many bytes behind the limit are read and thrown away.
const DISCARDED: usize = 32 * 1024 * 1024;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(60);
