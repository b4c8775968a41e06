//! Answers whose bodies are whole: what the services that are not layers share.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
#[cfg(any(feature = "graphql", feature = "rest", feature = "session"))]
use http::StatusCode;
use http::{HeaderValue, Response, header};
use http_body::{Body, Frame, SizeHint};

use crate::{
    gate::Refusals,
    rejection::{Rejection, RejectionCode},
};

/// The body of an answer that was made at once.
#[derive(Debug, Clone, Default)]
pub struct AnswerBody(Option<Bytes>);

impl AnswerBody {
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}

/// The answer that is this JSON, or nothing, which nobody may keep.
#[cfg(any(feature = "graphql", feature = "rest", feature = "session"))]
pub(crate) fn json(status: StatusCode, json: Bytes) -> Response<AnswerBody> {
    let is_empty = json.is_empty();
    let mut response = Response::new(AnswerBody::new(json));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !is_empty {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The answer that is `rejection`, which nobody may keep. One that is about the method says which
/// there are.
pub(crate) fn refuse_method(
    refusals: &Refusals,
    rejection: &Rejection,
    methods: &'static str,
) -> Response<AnswerBody> {
    let mut response = refuse(refusals, rejection);
    if rejection.code() == RejectionCode::MethodNotAllowed {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    }
    response
}

/// The answer that is `rejection`, which nobody may keep.
pub(crate) fn refuse(refusals: &Refusals, rejection: &Rejection) -> Response<AnswerBody> {
    let mut response = refusals.respond_http::<AnswerBody>(rejection).map(|body| {
        // A refusal has its bytes at hand.
        AnswerBody::new(body.into_refusal_bytes())
    });
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
