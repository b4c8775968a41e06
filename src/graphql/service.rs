use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_graphql::{ObjectType, Response as Executed, ServerError};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request::Parts};
use http_body::Body;
use serde::Serialize;
use tower_service::Service;

use super::{
    engine::{Engine, engine},
    error,
    limit::Limits,
    request::Asked,
    schema::{MutationRoot, QueryRoot},
};
use crate::{
    access::Access,
    answer::{self, AnswerBody},
    authenticate::{Authentication, Authenticator},
    backend::BoxFuture,
    body::{self, BodyReader, BoxError},
    caught::{Caught, Panicked},
    gate::Refusals,
    rejection::{Rejection, RejectionBody, RejectionCode},
    require,
};

/// Service that answers `POST /api/graphql`. Cheap to clone. See the [module docs](super) for an
/// example.
///
/// It needs an [`Authentication`] in the request's extensions. Without, it answers 401 behind an
/// [`AuthenticateLayer`](crate::AuthenticateLayer) that lets nobody pass as nobody, and 500 where there is no layer.
#[derive(Clone)]
#[must_use]
pub struct GraphqlService {
    engine: Arc<dyn Engine>,
    limits: Limits,
    body: BodyReader,
    refusals: Refusals,
}

impl GraphqlService {
    /// How long a request's body may be unless another limit is chosen: 1 MiB.
    pub const BODY_LIMIT: usize = 1024 * 1024;

    /// The service for these operations.
    pub fn new(access: Access) -> Self {
        Self::with_roots(access, QueryRoot::default(), MutationRoot::default())
    }

    /// The service with other roots: this module's [`Query`](super::Query) and
    /// [`Mutation`](super::Mutation), merged with fields of one's own. See the
    /// [module docs](super#fields-of-your-own).
    ///
    /// # Panics
    ///
    /// If these roots make a schema that cannot be read back from [`sdl`](Self::sdl), such as by a
    /// `"""` in a description.
    pub fn with_roots<Q, M>(access: Access, query: Q, mutation: M) -> Self
    where
        Q: ObjectType + 'static,
        M: ObjectType + 'static,
    {
        Self {
            engine: engine(access, query, mutation),
            limits: Limits::for_bodies_of(Self::BODY_LIMIT),
            body: BodyReader::new(Self::BODY_LIMIT),
            refusals: Refusals::default(),
        }
    }

    /// How many bytes a request's body may have. Default [`BODY_LIMIT`](Self::BODY_LIMIT).
    ///
    /// The arguments of a query, with every variable as often as it is used, may come to four times
    /// as much.
    pub fn body_limit(mut self, bytes: usize) -> Self {
        self.body.limit = bytes;
        self.limits.volume = Limits::volume(bytes);
        self
    }

    /// Judges a request again when its body has been read, by the `Authenticator` that its layer has
    /// too: whoever was suspended, whose token was revoked, or who lost a privilege while the body was
    /// on its way is answered accordingly. Default not again.
    pub fn authenticator(mut self, authenticator: Authenticator) -> Self {
        self.body.authenticator = Some(authenticator);
        self
    }

    /// How long the body of a request may take, from when its head was there; one that takes longer
    /// is answered with 408. Default 30 s.
    pub fn body_time_limit(mut self, limit: Duration) -> Self {
        self.body.time_limit = limit;
        self
    }

    /// What a request may cost. Default 1,000.
    ///
    /// Every selection, argument, directive, list item, object field and use of a variable costs 1,
    /// and so do 20 items of a variable, wherever it is used; all that in a fragment as often as it
    /// is spread. A field of the query root costs 10 more, or 40 if its name begins with `list`,
    /// and one of the mutation root 20 more; a call that makes a token costs 75 more, and one that
    /// goes through all policies (`listPolicies`, `getGrantedPrivileges`, `debugAccess`) 200. Below
    /// a field of a root, what the store is asked for (`owner`, `actor`, `properties` and the like)
    /// costs 5 more, and everything counts once for every 20 rows of the `count` in the arguments,
    /// up to 50 times.
    ///
    /// So ten tokens can be made by one request, or 45 revoked, and a page of 100 tokens can be
    /// listed with owners and actors.
    pub fn cost_limit(mut self, cost: u32) -> Self {
        self.limits.cost = cost;
        self
    }

    /// How many fields may stand in each other. Default 20; never more than 64.
    pub fn depth_limit(mut self, depth: u32) -> Self {
        self.limits.depth = depth;
        self
    }

    /// The realm in challenges. Default `datahub`.
    pub fn realm(mut self, realm: &str) -> Self {
        self.refusals = self.refusals.realm(realm);
        self
    }

    /// The bodies of refusals. Default [`ProblemBody`](crate::rejection::ProblemBody).
    pub fn rejection_body(mut self, body: impl RejectionBody) -> Self {
        self.refusals = self.refusals.body(body);
        self
    }

    /// The schema, in GraphQL's own language.
    #[must_use]
    pub fn sdl(&self) -> String {
        self.engine.sdl()
    }

    async fn answer<B>(&self, parts: Parts, body: B) -> Response<AnswerBody>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        match self.try_answer(&parts, body).await {
            Ok(json) => answer::json(StatusCode::OK, json),
            Err(rejection) => answer::refuse_method(&self.refusals, &rejection, "POST"),
        }
    }

    async fn try_answer<B>(&self, parts: &Parts, body: B) -> Result<Bytes, Rejection>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let authentication = require::authentication(&parts.extensions)?;
        if parts.method != Method::POST {
            let detail = "GraphQL is asked for by POST";
            return Err(Rejection::new(RejectionCode::MethodNotAllowed, detail));
        }
        body::check_content_type(&parts.headers, "application/json")?;
        let (bytes, authentication) = self.body.read(parts, authentication, body).await?;
        let asked = Asked::read(&bytes)?;
        drop(bytes);
        let executed = self.execute(asked, authentication).await;
        write(executed)
    }

    async fn execute(&self, asked: Asked, authentication: Authentication) -> Executed {
        let executed = Caught::new(async {
            match self.engine.prepare(asked, self.limits) {
                Ok(prepared) => self.engine.execute(prepared, authentication).await,
                Err(error) => Executed::from_errors(vec![error]),
            }
        });
        executed.await.unwrap_or_else(|Panicked| Executed::from_errors(vec![error::panicked()]))
    }
}

/// How many errors are told of one query.
const MOST_ERRORS: usize = 100;

/// The JSON of an answer. `data` and `extensions` are always there, as DataHub's clients need it.
fn write(executed: Executed) -> Result<Bytes, Rejection> {
    #[derive(Serialize)]
    struct Answer<'a> {
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        errors: &'a [ServerError],
        data: &'a async_graphql::Value,
        extensions: &'a std::collections::BTreeMap<String, async_graphql::Value>,
    }

    let errors: Vec<_> = executed.errors.into_iter().take(MOST_ERRORS).map(error::finish).collect();
    let answer = Answer { errors: &errors, data: &executed.data, extensions: &executed.extensions };
    serde_json::to_vec(&answer).map(Bytes::from).map_err(|error| {
        tracing::error!(%error, "the answer to a query cannot be written as JSON");
        Rejection::new(RejectionCode::Internal, "the answer cannot be written as JSON")
    })
}

impl<B> Service<Request<B>> for GraphqlService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let service = self.clone();
        let (parts, body) = request.into_parts();
        ResponseFuture { answer: Box::pin(async move { service.answer(parts, body).await }) }
    }
}

impl fmt::Debug for GraphqlService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphqlService")
            .field("limits", &self.limits)
            .field("body", &self.body)
            .field("refusals", &self.refusals)
            .finish_non_exhaustive()
    }
}

/// The answer of a [`GraphqlService`] to come.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture {
    answer: BoxFuture<'static, Response<AnswerBody>>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<AnswerBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.answer.as_mut().poll(cx).map(Ok)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
