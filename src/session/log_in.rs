use std::{
    convert::Infallible,
    net::IpAddr,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use serde::{Deserialize, Deserializer, Serialize};
use tower_service::Service;
use zeroize::Zeroize;

use super::{LogInError, Password, Session, Sessions, error::whole_seconds, origin};
use crate::{
    answer::{self, AnswerBody},
    authenticate::ClientAddress,
    backend::{BoxFuture, chain},
    body::{self, BoxError},
    clock::Timestamp,
    gate::Refusals,
    rejection::{Rejection, RejectionBody, RejectionCode},
};

/// `POST /logIn`: user name and password for a session in a cookie. Cheap to clone. Mount it on a path
/// that the [`AuthenticateLayer`](crate::AuthenticateLayer) excludes; which path it is does not matter
/// to it.
///
/// It takes `{"username": "...", "password": "..."}` as `application/json`, as DataHub's front end
/// does, and answers 200 with the cookie and `{"username", "urn", "expiresAt"}`, the last in
/// milliseconds since 1970. A session that the request has already is ended then.
///
/// Refusals are problem documents, like all others of this crate:
///
/// | status | `code` | why |
/// | --- | --- | --- |
/// | 400 | `invalid_credentials` | [`LogInError::InvalidCredentials`], whatever it is that is wrong |
/// | 400 | `bad_request` | the body is not that JSON object |
/// | 403 | `cross_origin` | it comes from the page of another origin |
/// | 405, 413, 415, 408 | | another method than POST; more than 8 KiB; not JSON; too slow |
/// | 429 | `too_many_requests` | too many failures, with `Retry-After` |
/// | 503 | `unavailable` | too many at once, or the store is down |
/// | 500 | `internal` | no [`ClientAddress`] in the extensions: the server has to put it there |
#[derive(Debug, Clone)]
pub struct LogInService {
    sessions: Sessions,
    body_time_limit: Duration,
    refusals: Refusals,
}

impl LogInService {
    /// The service that makes these sessions.
    #[must_use]
    pub fn new(sessions: Sessions) -> Self {
        Self { sessions, body_time_limit: body::TIME_LIMIT, refusals: Refusals::default() }
    }

    /// How long the body of a request may take, from when its head was there; one that takes longer
    /// is answered with 408. Default 30 s.
    #[must_use]
    pub fn body_time_limit(mut self, limit: Duration) -> Self {
        self.body_time_limit = limit;
        self
    }

    /// The bodies of refusals. Default [`ProblemBody`](crate::rejection::ProblemBody).
    #[must_use]
    pub fn rejection_body(mut self, body: impl RejectionBody) -> Self {
        self.refusals = self.refusals.body(body);
        self
    }

    async fn answer<B>(self, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        match self.handle(&parts, body).await {
            Ok(session) => self.logged_in(&session),
            Err(Refused { rejection, retry_after }) => {
                let mut response = answer::refuse_method(&self.refusals, &rejection, "POST");
                if let Some(retry_after) = retry_after {
                    let seconds = whole_seconds(retry_after).into();
                    response.headers_mut().insert(header::RETRY_AFTER, seconds);
                }
                response
            }
        }
    }

    async fn handle<B>(&self, parts: &Parts, body: B) -> Result<Session, Refused>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        check_post(parts, &self.sessions)?;
        let Some(ClientAddress(address)) = parts.extensions.get().copied() else {
            tracing::error!("log-in needs a `ClientAddress` in the extensions of its requests");
            let detail = "this service is put together wrongly: log-in needs the address of its \
                          client, as a `ClientAddress` in the extensions of the request";
            return Err(Rejection::new(RejectionCode::Internal, detail).into());
        };
        body::check_content_type(&parts.headers, "application/json")?;
        let bytes = body::read_within(&parts.headers, body, LIMIT, self.body_time_limit).await?;
        // What is wrong with it is not said: it could be said of a password.
        let credentials = serde_json::from_slice(&bytes);
        if let Ok(mut bytes) = bytes.try_into_mut() {
            bytes.zeroize();
        }
        let Credentials { username, password } = credentials.map_err(|_| {
            let detail = "the body must be a JSON object with the texts `username` and `password`";
            Rejection::new(RejectionCode::BadRequest, detail)
        })?;
        let session = match self.sessions.log_in(&username, &password, address).await {
            Ok(session) => session,
            Err(error) => {
                self.log(&error, address);
                let retry_after = match error {
                    LogInError::TooManyAttempts { retry_after } => Some(retry_after),
                    _ => None,
                };
                return Err(Refused { rejection: Rejection::from(&error), retry_after });
            }
        };
        tracing::info!(user = %session.user, %address, "logged in");
        // The cookie is replaced, and then nobody could end that session any more.
        if let Err(error) = self.sessions.log_out_of(&parts.headers).await {
            tracing::warn!(cause = %chain(&error), "an earlier session could not be ended");
        }
        Ok(session)
    }

    /// The user's name is not logged: people type passwords into the wrong field. What costs who
    /// asks nothing is no line of the log for each time.
    fn log(&self, error: &LogInError, address: IpAddr) {
        match error {
            LogInError::InvalidCredentials => {
                tracing::info!(%address, reason = %error, "a log-in was refused");
            }
            LogInError::TooManyAttempts { .. } => {
                tracing::debug!(%address, reason = %error, "a log-in was refused");
            }
            LogInError::Busy => {
                if self.sessions.may_say_busy() {
                    tracing::warn!(%address, reason = %error, "log-ins are not judged");
                }
            }
            _ => tracing::error!(cause = %chain(error), "a log-in could not be judged"),
        }
    }

    fn logged_in(&self, session: &Session) -> Response<AnswerBody> {
        let answer = LoggedIn {
            username: session.user.key(),
            urn: session.user.as_str(),
            expires_at: session.expires_at,
        };
        // Texts and a number: there is nothing that could fail.
        let json = serde_json::to_vec(&answer).unwrap_or_default();
        let mut response = answer::json(StatusCode::OK, json.into());
        response.headers_mut().insert(header::SET_COOKIE, self.sessions.cookie(session));
        response
    }
}

impl<B> Service<Request<B>> for LogInService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<AnswerBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

/// Refuses what is no POST, or comes from somebody else's page.
pub(super) fn check_post(parts: &Parts, sessions: &Sessions) -> Result<(), Rejection> {
    if parts.method != Method::POST {
        let detail = "this is done with POST";
        return Err(Rejection::new(RejectionCode::MethodNotAllowed, detail));
    }
    // Also a log-in: nobody else's page is to decide as whom the person goes on.
    if !origin::is_own(sessions.public_url(), &parts.headers) {
        return Err(Rejection::from(&crate::authenticate::AuthenticateError::CrossOrigin));
    }
    Ok(())
}

/// A refusal, and when it is worth trying again.
struct Refused {
    rejection: Rejection,
    retry_after: Option<Duration>,
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self { rejection, retry_after: None }
    }
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    #[serde(deserialize_with = "password")]
    password: Password,
}

/// Straight into what is wiped, also if the rest of the body is refused.
fn password<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Password, D::Error> {
    String::deserialize(deserializer).map(Password::from)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LoggedIn<'a> {
    username: &'a str,
    urn: &'a str,
    expires_at: Timestamp,
}

/// The longest body, in bytes.
const LIMIT: usize = 8 * 1024;
