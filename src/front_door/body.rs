use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use axum_core::body::Body as ProxiedBody;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::gate;

/// The body of an answer: that of the service behind the front door, as it comes, or a small refusal.
pub struct ResponseBody(gate::ResponseBody<ProxiedBody>);

impl ResponseBody {
    pub(super) fn new(body: gate::ResponseBody<ProxiedBody>) -> Self {
        Self(body)
    }

    pub(super) fn passed_on(body: ProxiedBody) -> Self {
        Self(gate::ResponseBody::inner(body))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        frame.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseBody(..)")
    }
}
