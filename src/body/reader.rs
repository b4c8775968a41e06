//! Reading the bodies of requests that were judged by their heads.

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::{BoxError, TIME_LIMIT, read_within};
use crate::{
    authenticate::{Authentication, Authenticator},
    rejection::Rejection,
};

/// How bodies are read.
#[derive(Debug, Clone)]
pub(crate) struct BodyReader {
    /// How many bytes one may have.
    pub(crate) limit: usize,
    /// How long one may take.
    pub(crate) time_limit: Duration,
    /// Judges the request again when the body is there.
    pub(crate) authenticator: Option<Authenticator>,
}

impl BodyReader {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, time_limit: TIME_LIMIT, authenticator: None }
    }

    /// Reads a body to its end, and says who sent it, as of then.
    ///
    /// The layer in front has judged the head, and a body can take its time: who was suspended, or
    /// whose token was revoked meanwhile, must not be answered by what they were before.
    pub(crate) async fn read<B>(
        &self,
        parts: &Parts,
        authentication: &Authentication,
        body: B,
    ) -> Result<(Bytes, Authentication), Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let bytes = read_within(&parts.headers, body, self.limit, self.time_limit).await?;
        let authentication = match &self.authenticator {
            Some(authenticator) => authenticator.authenticate(parts).await?,
            None => authentication.clone(),
        };
        Ok((bytes, authentication))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body::Frame;
    use http_body_util::{Full, StreamBody};

    use super::*;
    use crate::rejection::RejectionCode;

    #[tokio::test(start_paused = true)]
    async fn a_body_has_its_time() {
        let (parts, ()) = http::Request::new(()).into_parts();
        let authentication = Authentication::for_tests(
            crate::actor::Actor::new(crate::actor::Urn::corpuser("alice").unwrap()),
            [],
        );
        let mut reader = BodyReader::new(10);
        let never = || {
            let frames = futures_util::stream::pending::<Result<Frame<Bytes>, Infallible>>();
            StreamBody::new(frames)
        };
        for limit in [TIME_LIMIT, Duration::from_secs(7)] {
            reader.time_limit = limit;
            let began = tokio::time::Instant::now();
            let refused = reader.read(&parts, &authentication, never()).await.unwrap_err();
            assert_eq!(refused.code(), RejectionCode::RequestTimeout);
            assert_eq!(refused.status(), 408);
            assert!(began.elapsed() >= limit && began.elapsed() < limit * 2);
        }
        let body = Full::new(Bytes::from_static(b"{}"));
        let (bytes, by) = reader.read(&parts, &authentication, body).await.unwrap();
        assert_eq!((&bytes[..], by.actor().urn()), (&b"{}"[..], authentication.actor().urn()));
    }
}
