//! Reading the bodies of requests: what the services that are not layers share.

#[cfg(any(feature = "graphql", feature = "rest"))]
mod reader;

use std::{error::Error, pin::pin, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, header};
use http_body::Body;
use http_body_util::BodyExt;

#[cfg(any(feature = "graphql", feature = "rest"))]
pub(crate) use self::reader::BodyReader;
use crate::rejection::{Rejection, RejectionCode};

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Checks that a body is of this media type, such as `application/json`, whatever its parameters
/// are, and not compressed.
pub(crate) fn check_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Rejection> {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (types.next(), types.next()) else {
        return Err(unsupported(format!("the Content-Type must be {expected}")));
    };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case(expected) {
        return Err(unsupported(format!("the Content-Type must be {expected}")));
    }
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(unsupported("a body with a Content-Encoding is not read".to_owned()));
    }
    Ok(())
}

/// How many bytes behind the limit are read and thrown away.
const DISCARDED: usize = 32 * 1024 * 1024;

/// How long a body may take unless another limit is chosen.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);

fn unsupported(detail: String) -> Rejection {
    Rejection::new(RejectionCode::UnsupportedMediaType, detail)
}

/// Reads a body of at most `limit` bytes, which has to be there within `time_limit`.
pub(crate) async fn read_within<B>(
    headers: &HeaderMap,
    body: B,
    limit: usize,
    time_limit: Duration,
) -> Result<Bytes, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    tokio::time::timeout(time_limit, read(headers, body, limit)).await.map_err(|_| {
        let detail = format!("the body was not there within {time_limit:?}");
        Rejection::new(RejectionCode::RequestTimeout, detail)
    })?
}

/// Reads a body of at most `limit` bytes.
///
/// A longer one is read on for a while and thrown away, so that its sender gets around to reading
/// the answer: who is cut off while sending sees a broken connection instead. Who asks first
/// (`Expect: 100-continue`) is answered at once.
async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let most = limit.saturating_add(DISCARDED);
    let too_large = || {
        Rejection::new(
            RejectionCode::PayloadTooLarge,
            format!("the body is longer than {limit} bytes, which are the most that is read"),
        )
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > most || (announced > limit && headers.contains_key(header::EXPECT)) {
        return Err(too_large());
    }

    let mut body = pin!(body);
    let mut bytes = BytesMut::with_capacity(announced.min(limit));
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let error: BoxError = error.into();
            tracing::debug!(%error, "the body of a request broke off");
            Rejection::new(RejectionCode::BadRequest, "the body could not be read to its end")
        })?;
        let Ok(mut data) = frame.into_data() else { continue };
        length = length.saturating_add(data.remaining());
        if length > most {
            break;
        }
        if length > limit {
            bytes = BytesMut::new();
            continue;
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            bytes.extend_from_slice(chunk);
            let read = chunk.len();
            data.advance(read);
        }
    }
    if length > limit { Err(too_large()) } else { Ok(bytes.freeze()) }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use http_body::{Frame, SizeHint};
    use http_body_util::{Full, StreamBody};

    use super::*;

    fn headers(values: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_body_must_say_that_it_is_json() {
        let check = |values: &[_]| check_content_type(&headers(values), "application/json").is_ok();
        let content_type = header::CONTENT_TYPE;
        for good in ["application/json", "Application/JSON; charset=utf-8", "application/json ;a=b"]
        {
            assert!(check(&[(content_type.clone(), good)]), "{good}");
        }
        for bad in ["", "text/plain", "application/json, text/plain", "application/jsonp"] {
            assert!(!check(&[(content_type.clone(), bad)]), "{bad}");
        }
        assert!(!check(&[]));
        let json = (content_type, "application/json");
        assert!(!check(&[json.clone(), json.clone()]));
        assert!(!check(&[json.clone(), (header::CONTENT_ENCODING, "gzip")]));
        assert!(check(&[json, (header::CONTENT_ENCODING, "identity")]));
    }

    async fn read_all(length: usize, limit: usize) -> Result<Bytes, Rejection> {
        read(&HeaderMap::new(), Full::new(Bytes::from(vec![b'a'; length])), limit).await
    }

    #[tokio::test]
    async fn a_body_may_be_as_long_as_the_limit() {
        assert_eq!(read_all(10, 10).await.unwrap(), vec![b'a'; 10]);
        assert_eq!(read_all(0, 0).await.unwrap(), Bytes::new());
        let refused = read_all(11, 10).await.unwrap_err();
        assert_eq!(refused.code(), RejectionCode::PayloadTooLarge);
        assert_eq!(read_all(40 << 20, 10).await.unwrap_err(), refused);
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_ends_at_the_limit() {
        use std::sync::atomic::{AtomicUsize, Ordering};

        let sent = AtomicUsize::new(0);
        let endless = futures_util::stream::repeat_with(|| {
            sent.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b'a'; 1 << 20])))
        });
        let refused = read(&HeaderMap::new(), StreamBody::new(endless), 25).await.unwrap_err();
        assert_eq!(refused.code(), RejectionCode::PayloadTooLarge);
        assert_eq!(sent.into_inner(), 33, "what is thrown away is limited, too");
    }

    #[tokio::test]
    async fn who_asks_first_is_answered_at_once() {
        struct Unread;
        impl Body for Unread {
            type Data = Bytes;
            type Error = Infallible;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
                panic!("nothing is to be read")
            }
            fn size_hint(&self) -> SizeHint {
                SizeHint::with_exact(11)
            }
        }
        let headers = headers(&[(header::EXPECT, "100-continue")]);
        let refused = read(&headers, Unread, 10).await.unwrap_err();
        assert_eq!(refused.code(), RejectionCode::PayloadTooLarge);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_not_taken_for_whole() {
        let broken = futures_util::stream::iter([
            Ok(Frame::data(Bytes::from_static(b"{}"))),
            Err(std::io::Error::other("gone")),
        ]);
        let refused = read(&HeaderMap::new(), StreamBody::new(broken), 10).await.unwrap_err();
        assert_eq!(refused.code(), RejectionCode::BadRequest);
    }
}
