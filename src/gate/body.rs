use std::{
    error::Error,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The body of a guarded service's answers: the inner service's, or a small refusal.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Refusal { bytes: Option<Bytes> },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { kind: Kind::Inner { body } }
    }

    pub(crate) fn refusal(bytes: Bytes) -> Self {
        Self { kind: Kind::Refusal { bytes: Some(bytes).filter(|bytes| !bytes.is_empty()) } }
    }
}

#[cfg(any(feature = "graphql", feature = "rest", feature = "session", feature = "settings"))]
impl<B> ResponseBody<B> {
    /// The bytes of a refusal; none if it is the inner service's body.
    pub(crate) fn into_refusal_bytes(self) -> Bytes {
        match self.kind {
            Kind::Refusal { bytes } => bytes.unwrap_or_default(),
            Kind::Inner { .. } => Bytes::new(),
        }
    }
}

impl ResponseBody<()> {
    /// The same refusal, with whatever body the inner service has. An inner `()` has no bytes.
    pub(crate) fn into_refusal<B>(self) -> ResponseBody<B> {
        match self.kind {
            Kind::Refusal { bytes } => ResponseBody { kind: Kind::Refusal { bytes } },
            Kind::Inner { body: () } => ResponseBody::refusal(Bytes::new()),
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = ResponseBodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { body } => {
                body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(ResponseBodyError)))
            }
            KindProj::Refusal { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Refusal { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            Kind::Refusal { bytes } => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
        }
    }
}

/// Why a body ended early: the inner body's error.
///
/// Its own type, so that there can be other reasons later.
#[derive(Debug)]
pub struct ResponseBodyError<E>(E);

impl<E> ResponseBodyError<E> {
    /// The inner body's error, if that is what it is.
    ///
    /// # Errors
    ///
    /// This error itself, if it is another one.
    pub fn into_inner(self) -> Result<E, Self> {
        Ok(self.0)
    }
}

impl<E: fmt::Display> fmt::Display for ResponseBodyError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// Not an `Error` itself: then it could not be made of an inner `BoxError`, which is none either.
impl<E: Into<BoxError>> From<ResponseBodyError<E>> for BoxError {
    fn from(error: ResponseBodyError<E>) -> Self {
        error.0.into()
    }
}

impl<E: Into<BoxError>> From<ResponseBodyError<E>> for Box<dyn Error> {
    fn from(error: ResponseBodyError<E>) -> Self {
        error.0.into()
    }
}

type BoxError = Box<dyn Error + Send + Sync>;

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::inner(B::default())
    }
}
