use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use http_body::Body;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};
use tower_service::Service;

use super::{
    OPENAPI,
    key::Keys,
    oauth::{self, Introspection, OAuthBody},
    parameters::Parameters,
    route::{NoRoute, Route},
    rule::{self, NewRule, Rule, RulePage},
    token::{self, CreatedToken, NewToken, Token, TokenPage, bad_request},
};
use crate::{
    access::{Access, AccessError, Caller, RevokedByText},
    actor::Urn,
    answer::{self, AnswerBody},
    authenticate::{Authentication, Authenticator},
    backend::BoxFuture,
    body::{self, BodyReader, BoxError},
    gate::Refusals,
    rejection::Rejection,
    require,
    token::{TokenId, TokenRecord},
};

/// The REST API as a service, to be put behind an
/// [`AuthenticateLayer`](crate::AuthenticateLayer). Cheap to clone. See the [module docs](super).
#[derive(Debug, Clone)]
pub struct RestService {
    access: Access,
    public_path: Arc<str>,
    body: BodyReader,
    refusals: Refusals,
    oauth_refusals: Refusals,
}

impl RestService {
    /// The service over `access`.
    #[must_use]
    pub fn new(access: Access) -> Self {
        Self {
            access,
            public_path: Arc::default(),
            body: BodyReader::new(LIMIT),
            refusals: Refusals::default(),
            oauth_refusals: Refusals::default().body(OAuthBody::default()),
        }
    }

    /// Where clients find this service, such as `/api`, if a router in front takes a prefix off the
    /// paths: what the header `Location` of a new token begins with. Default nothing.
    #[must_use]
    pub fn public_path(mut self, path: &str) -> Self {
        self.public_path = path.trim_end_matches('/').into();
        self
    }

    /// Judges a request again when its body has been read, by the `Authenticator` that its layer has
    /// too: whoever was suspended, whose token was revoked, or who lost a privilege while the body was
    /// on its way is answered accordingly. `GET /keys` says what it
    /// [counted](Authenticator::key_uses). Default not again, and nothing is counted.
    #[must_use]
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.body.authenticator = Some(authenticator);
        self
    }

    /// How long the body of a request may take, from when its head was there; one that takes longer
    /// is answered with 408. Default 30 s.
    #[must_use]
    pub fn body_time_limit(mut self, limit: Duration) -> Self {
        self.body.time_limit = limit;
        self
    }

    /// The realm of challenges. Default `datahub`.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.refusals = self.refusals.realm(realm);
        self.oauth_refusals = self.oauth_refusals.realm(realm);
        self
    }

    async fn answer<B>(self, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let route = Route::of(&parts.method, parts.uri.path());
        let refusals = match &route {
            Ok(Route::Introspect | Route::Revoke) => &self.oauth_refusals,
            _ => &self.refusals,
        };
        match self.handle(&route, &parts, body).await {
            Ok(response) => response,
            Err(rejection) => match route {
                Err(NoRoute::Method(methods)) => {
                    answer::refuse_method(refusals, &rejection, methods)
                }
                _ => answer::refuse(refusals, &rejection),
            },
        }
    }

    async fn handle<B>(
        &self,
        route: &Result<Route, NoRoute>,
        parts: &Parts,
        body: B,
    ) -> Result<Response<AnswerBody>, Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        // First of all, so that a stranger learns nothing, not even which paths there are.
        let authentication = require::authentication(&parts.extensions)?;
        let caller = &Caller::from(authentication);
        let actor = authentication.actor().urn();
        match route {
            Ok(Route::CreateToken) => {
                let (new, authentication) = self.json(parts, authentication, body).await?;
                let caller = &Caller::from(&authentication);
                self.create(caller, authentication.actor().urn(), new).await
            }
            Ok(Route::ListTokens) => {
                self.list(caller, actor, parts.uri.query().unwrap_or_default()).await
            }
            Ok(Route::CurrentToken) => {
                let record = self.access.current_token(caller).await?;
                Ok(self.token(&record))
            }
            Ok(Route::RevokeCurrentToken) => {
                let record = self.access.current_token(caller).await?;
                self.revoke(caller, &record.id).await
            }
            Ok(Route::Token(id)) => Ok(self.token(&self.access.token(caller, id).await?)),
            Ok(Route::RevokeToken(id)) => self.revoke(caller, id).await,
            Ok(Route::Keys) => self.keys(caller).await,
            Ok(Route::AddKey(id)) => {
                self.access.add_key(caller, *id).await?;
                Ok(answer::json(StatusCode::NO_CONTENT, Bytes::new()))
            }
            Ok(Route::PromoteKey(id)) => {
                self.access.promote_key(caller, *id).await?;
                Ok(answer::json(StatusCode::NO_CONTENT, Bytes::new()))
            }
            Ok(Route::RetireKey(id)) => {
                self.access.retire_key(caller, *id).await?;
                Ok(answer::json(StatusCode::NO_CONTENT, Bytes::new()))
            }
            Ok(Route::AddRule) => {
                let (new, authentication): (NewRule, _) =
                    self.json(parts, authentication, body).await?;
                let caller = &Caller::from(&authentication);
                let rule = self.access.add_rule(caller, new.scope()?, new.issued_before()).await?;
                Ok(json_answer(StatusCode::CREATED, &Rule::new(&rule)))
            }
            Ok(Route::ListRules) => {
                self.list_rules(caller, parts.uri.query().unwrap_or_default()).await
            }
            Ok(Route::Introspect) => {
                let (form, caller) = self.form(parts, authentication, body).await?;
                self.introspect(&caller, &form).await
            }
            Ok(Route::Revoke) => {
                let (form, caller) = self.form(parts, authentication, body).await?;
                self.revoke_by_text(&caller, &form).await
            }
            Ok(Route::Document) => Ok(answer::json(StatusCode::OK, self.document())),
            Err(no_route) => Err(no_route.into()),
        }
    }

    /// A body in JSON, and who sent it.
    async fn json<B, T>(
        &self,
        parts: &Parts,
        authentication: &Authentication,
        body: B,
    ) -> Result<(T, Authentication), Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
        T: DeserializeOwned,
    {
        body::check_content_type(&parts.headers, "application/json")?;
        let (bytes, authentication) = self.body.read(parts, authentication, body).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| not_understood(&error))?;
        Ok((value, authentication))
    }

    /// A body that is a form, and who sent it.
    async fn form<B>(
        &self,
        parts: &Parts,
        authentication: &Authentication,
        body: B,
    ) -> Result<(Bytes, Caller), Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        body::check_content_type(&parts.headers, "application/x-www-form-urlencoded")?;
        let (bytes, authentication) = self.body.read(parts, authentication, body).await?;
        Ok((bytes, Caller::from(authentication)))
    }

    async fn create(
        &self,
        caller: &Caller,
        actor: &Urn,
        new: NewToken,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let minted = self.access.create_token(caller, new.request(actor)?).await?;
        let id = minted.record.id.to_string();
        let location =
            format!("{}/tokens/{}", self.public_path, utf8_percent_encode(&id, NON_ALPHANUMERIC));
        let mut response = json_answer(
            StatusCode::CREATED,
            &CreatedToken {
                access_token: minted.token.expose(),
                token: Token::new(&minted.record, self.access.now()),
            },
        );
        // Not a header value only if the path that was set is none; the body has the id, too.
        if let Ok(location) = HeaderValue::try_from(location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        Ok(response)
    }

    async fn list(
        &self,
        caller: &Caller,
        actor: &Urn,
        query: &str,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let now = self.access.now();
        let query = token::query(query, actor, now)?;
        let page = self.access.list_tokens(caller, &query).await?;
        Ok(json_answer(
            StatusCode::OK,
            &TokenPage {
                start: query.start,
                count: query.count,
                total: page.total,
                tokens: page.tokens.iter().map(|record| Token::new(record, now)).collect(),
            },
        ))
    }

    async fn keys(&self, caller: &Caller) -> Result<Response<AnswerBody>, Rejection> {
        let overview = self.access.keys(caller).await?;
        let uses = self.body.authenticator.as_ref().map(Authenticator::key_uses);
        Ok(json_answer(StatusCode::OK, &Keys::new(&overview, uses.as_deref())))
    }

    async fn list_rules(
        &self,
        caller: &Caller,
        query: &str,
    ) -> Result<Response<AnswerBody>, Rejection> {
        let given = Parameters::parse(query, &rule::PARAMETERS)?;
        let (start, count) = (given.number("start", 0)?, given.number("count", 20)?);
        let page = self.access.list_rules(caller, start, count).await?;
        Ok(json_answer(StatusCode::OK, &RulePage::new(start, count, &page)))
    }

    /// The document, with where its paths begin.
    fn document(&self) -> Bytes {
        let servers =
            json!([{ "url": if self.public_path.is_empty() { "/" } else { &*self.public_path } }]);
        match serde_json::from_str::<Map<String, Value>>(OPENAPI) {
            Ok(mut document) => {
                document.insert("servers".to_owned(), servers);
                Value::Object(document).to_string().into()
            }
            Err(_) => OPENAPI.into(),
        }
    }

    fn token(&self, record: &TokenRecord) -> Response<AnswerBody> {
        json_answer(StatusCode::OK, &Token::new(record, self.access.now()))
    }

    async fn revoke(
        &self,
        caller: &Caller,
        id: &TokenId,
    ) -> Result<Response<AnswerBody>, Rejection> {
        match self.access.revoke_token(caller, id).await {
            Ok(()) => Ok(answer::json(StatusCode::NO_CONTENT, Bytes::new())),
            // A fault of the server in DataHub's GraphQL API, which this is not.
            Err(AccessError::NothingToRevoke) => Err(AccessError::TokenNotFound.into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn introspect(
        &self,
        caller: &Caller,
        form: &[u8],
    ) -> Result<Response<AnswerBody>, Rejection> {
        let token = self.access.introspect(caller, &oauth::token(form)?).await?;
        Ok(json_answer(StatusCode::OK, &Introspection::new(token.as_ref())))
    }

    async fn revoke_by_text(
        &self,
        caller: &Caller,
        form: &[u8],
    ) -> Result<Response<AnswerBody>, Rejection> {
        let text = oauth::token(form)?;
        match self.access.revoke_token_by_text(caller, &text).await? {
            // RFC 7009 section 2.2: what is not good is what was wanted.
            RevokedByText::Revoked | RevokedByText::NotActive => {
                Ok(answer::json(StatusCode::OK, Bytes::new()))
            }
            // Saying 200 to the one token that goes on working would be a lie.
            _ => {
                let body = OAuthBody::with_error("unsupported_token_type");
                let rejection = bad_request("this token is not stored, so it cannot be revoked");
                Ok(answer::refuse(&self.refusals.clone().body(body), &rejection))
            }
        }
    }
}

impl<B> Service<Request<B>> for RestService
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

/// Where it is wrong, and not what stands there, which may be a token in the wrong place.
fn not_understood(error: &serde_json::Error) -> Rejection {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = text.split_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    let what = if what.starts_with("missing field") { what } else { "not as it should be" };
    bad_request(format!("the body is not understood: {what}, at line {line} column {column}"))
}

fn json_answer(status: StatusCode, value: &impl Serialize) -> Response<AnswerBody> {
    // Texts and numbers: there is nothing that could fail.
    answer::json(status, serde_json::to_vec(value).unwrap_or_default().into())
}

/// The longest body, in bytes: a name, a description and a token are far below.
const LIMIT: usize = 64 * 1024;
