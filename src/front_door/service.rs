use std::{
    convert::Infallible,
    error::Error,
    fmt,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum_core::body::Body as ProxiedBody;
use axum_reverse_proxy::{ProxyError, ProxyPolicy, ReverseProxy, XForwardedFor};
use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri, header, request::Parts, uri::Scheme,
};
use http_body::Body;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use tower_service::Service;

use super::{
    FrontDoorError, Paths, ResponseBody,
    headers::{self, Passed},
    path::PathError,
};
use crate::{
    authenticate::{Authentication, ClientAddress, Credential, Decided},
    backend::BoxFuture,
    gate::Refusals,
    rejection::{Rejection, RejectionBody, RejectionCode},
    require,
    token::TokenType,
};

/// Passes requests on to a metadata service, to be put behind an
/// [`AuthenticateLayer`](crate::AuthenticateLayer). Cheap to clone. See the [module docs](super).
#[derive(Clone)]
#[must_use]
pub struct FrontDoor {
    proxy: ReverseProxy<HttpConnector>,
    policy: ProxyPolicy,
    paths: Paths,
    session_cookie: Option<Arc<str>>,
    refusals: Refusals,
}

impl FrontDoor {
    /// A front door to the service at `url`, such as `http://127.0.0.1:8080`. A path in it comes
    /// before all that are passed on.
    ///
    /// # Errors
    ///
    /// [`FrontDoorError`] if it is no URL, its scheme is not `http`, or it has a user name or a
    /// query.
    pub fn new(url: &str) -> Result<Self, FrontDoorError> {
        let target: Uri = url
            .parse()
            .map_err(|source| FrontDoorError::Url { url: shown(url).to_owned(), source })?;
        if target.scheme() != Some(&Scheme::HTTP) {
            return Err(FrontDoorError::Scheme { url: shown(url).to_owned() });
        }
        // A fragment is not kept by the parser.
        let has_user = target.authority().is_some_and(|authority| authority.as_str().contains('@'));
        if has_user || target.host().is_none_or(str::is_empty) || url.contains(['?', '#']) {
            return Err(FrontDoorError::Surplus);
        }
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIME_LIMIT));
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(TokioTimer::new())
            .build(connector);
        // What is said of where a request comes from is said by `headers`.
        let policy = ProxyPolicy::new()
            .with_x_forwarded_for(XForwardedFor::Preserve)
            .with_upstream_timeout(TIME_LIMIT);
        Ok(Self {
            proxy: ReverseProxy::new_with_client("", target.to_string(), client)
                .with_policy(policy.clone()),
            policy,
            paths: Paths::default(),
            session_cookie: None,
            refusals: Refusals::default(),
        })
    }

    /// What becomes of paths. Default [`Paths::Frontend`].
    pub fn paths(mut self, paths: Paths) -> Self {
        self.paths = paths;
        self
    }

    /// The name of the cookie in which sessions are, which is the one cookie that is passed on, for a
    /// request that was authenticated by it. Default none: no cookie is passed on.
    pub fn session_cookie(mut self, name: &str) -> Self {
        self.session_cookie = Some(name.into());
        self
    }

    /// How long it may take until the head of an answer is there, with the time in which the request
    /// is sent; what takes longer is answered with 504. Its body may take as long as it likes. Default
    /// 120 s, as DataHub's frontend has it.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.policy = self.policy.with_upstream_timeout(limit);
        self.proxy = self.proxy.with_policy(self.policy.clone());
        self
    }

    /// The realm of challenges. Default `datahub`.
    pub fn realm(mut self, realm: &str) -> Self {
        self.refusals = self.refusals.realm(realm);
        self
    }

    /// What makes the bodies of refusals. Default
    /// [`ProblemBody`](crate::rejection::ProblemBody).
    pub fn rejection_body(mut self, body: impl RejectionBody) -> Self {
        self.refusals = self.refusals.body(body);
        self
    }

    async fn answer(self, request: Request<ProxiedBody>) -> Response<ResponseBody> {
        match self.pass_on(request).await {
            Ok(response) => response.map(ResponseBody::passed_on),
            Err(rejection) => {
                let mut response = self.refusals.respond_http(&rejection).map(ResponseBody::new);
                let no_store = HeaderValue::from_static("no-store");
                response.headers_mut().insert(header::CACHE_CONTROL, no_store);
                response
            }
        }
    }

    async fn pass_on(
        &self,
        request: Request<ProxiedBody>,
    ) -> Result<Response<ProxiedBody>, Rejection> {
        let (mut parts, body) = request.into_parts();
        // First of all, so that a stranger learns nothing, not even which paths there are.
        let (passed, actor) = self.passed(&parts)?;
        // A tunnel, and a request to be shown what credentials it has.
        if matches!(parts.method, Method::CONNECT | Method::TRACE) {
            let detail = "this method is not passed on";
            return Err(Rejection::new(RejectionCode::MethodNotAllowed, detail));
        }
        let path = self.paths.of(&parts.uri).map_err(refuse_path)?;
        // The proxy takes for granted that both together are a path.
        if self.proxy.target().len().saturating_add(path.as_str().len()) > MAX_TARGET {
            let detail = "the target of the request is too long to be passed on";
            return Err(Rejection::new(RejectionCode::BadRequest, detail));
        }
        parts.uri = path.into();
        let address = parts.extensions.get::<ClientAddress>().map(|address| address.0);
        headers::prepare(&mut parts.headers, passed, actor, address);
        // Nothing that this service knows of the request goes any further.
        parts.extensions.clear();
        let request = Request::from_parts(parts, body);
        let Ok(response) = self.proxy.proxy_request(request).await;
        match response.extensions().get::<ProxyError>() {
            None => Ok(response),
            Some(error) => Err(failed(error, response.status())),
        }
    }

    /// What is passed on of the request's credentials, and who it is from.
    fn passed(&self, parts: &Parts) -> Result<(Passed<'_>, HeaderValue), Rejection> {
        if parts.extensions.get::<Authentication>().is_none()
            && parts.extensions.get() == Some(&Decided::Excluded)
        {
            return Ok((Passed::Nothing, HeaderValue::from_static("")));
        }
        let authentication = require::authentication(&parts.extensions)?;
        let has_header = parts.headers.contains_key(header::AUTHORIZATION);
        let passed = match (authentication.credential(), &self.session_cookie) {
            (Credential::AccessToken(_), _) if has_header => Passed::Header,
            (Credential::AccessToken(token), Some(name))
                if token.token_type == TokenType::Session =>
            {
                Passed::Cookie(name)
            }
            _ => Passed::Nothing,
        };
        let actor = authentication.actor().urn().as_str().as_bytes();
        let actor = HeaderValue::from_bytes(actor).map_err(|_| {
            // No user of ours has such a name.
            Rejection::new(RejectionCode::Internal, "the actor cannot be named in a header")
        })?;
        Ok((passed, actor))
    }
}

impl<B> Service<Request<B>> for FrontDoor
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<ResponseBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request.map(ProxiedBody::new)).await) })
    }
}

impl fmt::Debug for FrontDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontDoor")
            .field("url", &self.proxy.target())
            .field("paths", &self.paths)
            .field("session_cookie", &self.session_cookie)
            .field("time_limit", &self.policy.upstream_timeout)
            .finish_non_exhaustive()
    }
}

fn refuse_path(error: PathError) -> Rejection {
    let detail = match error {
        PathError::NotAPath => "the target of the request is not a path",
        PathError::Dots => "a path with a segment `.` or `..` is not passed on",
    };
    Rejection::new(RejectionCode::BadRequest, detail)
}

/// That there is no answer. Why is for the log, where the proxy writes it.
fn failed(error: &ProxyError, status: StatusCode) -> Rejection {
    if status == StatusCode::GATEWAY_TIMEOUT {
        let detail = "the service behind this did not answer in time";
        Rejection::new(RejectionCode::GatewayTimeout, detail)
    } else if error.is_connect() {
        Rejection::new(RejectionCode::BadGateway, "the service behind this cannot be reached")
    } else {
        Rejection::new(RejectionCode::Internal, "the request could not be passed on")
    }
}

/// The URL as it may be shown: without user name and password.
fn shown(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}

const TIME_LIMIT: Duration = Duration::from_secs(120);

/// How long a connection may take to be made.
const CONNECT_TIME_LIMIT: Duration = Duration::from_secs(10);

/// How long a connection that nobody uses is kept. Shorter than the time for which servers keep them
/// (Jetty 30 s), so that few requests meet one that is being closed.
const IDLE: Duration = Duration::from_secs(20);

/// How many bytes the URL of the service and path and query may have together: what `http` takes.
const MAX_TARGET: usize = u16::MAX as usize - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_taken() {
        for good in ["http://127.0.0.1:8080", "http://localhost/", "http://[::1]:1/gms"] {
            assert!(FrontDoor::new(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("https://gms:8080", "http://"),
            ("gms:8080", "http://"),
            ("/gms", "http://"),
            ("ftp://gms", "http://"),
            ("", "not a URL"),
            ("http://", "not a URL"),
            ("http://a b", "not a URL"),
            ("http://user:secret@gms", "no more"),
            ("https://user:secret@gms", "http://"),
            ("http://gms?a=b", "no more"),
            ("http://gms/#a", "no more"),
        ] {
            let error = FrontDoor::new(bad).unwrap_err();
            assert!(error.to_string().contains(why), "{bad}: {error}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn what_it_is_can_be_shown() {
        let door = FrontDoor::new("http://127.0.0.1:8080").unwrap().session_cookie("session");
        let shown = format!("{door:?}");
        assert!(shown.contains("http://127.0.0.1:8080") && shown.contains("120s"), "{shown}");
    }
}
