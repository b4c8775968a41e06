use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use tower_service::Service;

use super::{
    asset::Asset,
    page::{Choices, LogIn},
};
use crate::{
    answer::{self, AnswerBody},
    gate::Refusals,
    rejection::{Rejection, RejectionCode},
};

/// The page as a service. Cheap to clone. See the [module docs](super).
#[derive(Debug, Clone, Default)]
pub struct SettingsService {
    choices: Arc<Choices>,
    refusals: Refusals,
}

impl SettingsService {
    /// The page, at `/settings/tokens` beside a GraphQL API at `/api/graphql`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Where people find the page, as their browsers see it: what the addresses of its style sheet and
    /// script begin with. Default `/settings/tokens`.
    #[must_use]
    pub fn public_path(mut self, path: &str) -> Self {
        let path = path.trim_matches('/');
        self.choices().public_path =
            if path.is_empty() { String::new() } else { format!("/{path}") };
        self
    }

    /// Where the GraphQL API is, as browsers see it, on the origin of the page. Default `/api/graphql`.
    #[must_use]
    pub fn graphql_path(mut self, path: impl Into<String>) -> Self {
        self.choices().graphql_path = path.into();
        self
    }

    /// How people log in. Default [`LogIn::None`]: where they usually do.
    #[must_use]
    pub fn log_in(mut self, log_in: LogIn) -> Self {
        self.choices().log_in = log_in;
        self
    }

    /// The address of the metadata service that tokens are for, such as
    /// `https://datahub.example.com/api/gms`: what the curl command and the ingestion sink name. Its own
    /// GraphQL API is at `/api/graphql` below it. Default the origin of the page.
    #[must_use]
    pub fn metadata_service(mut self, url: &str) -> Self {
        self.choices().metadata_service = url.trim_end_matches('/').to_owned();
        self
    }

    /// Whom to ask for privileges, in the middle of a sentence. Default `your DataHub administrator`.
    #[must_use]
    pub fn contact(mut self, contact: impl Into<String>) -> Self {
        self.choices().contact = contact.into();
        self
    }

    fn choices(&mut self) -> &mut Choices {
        Arc::make_mut(&mut self.choices)
    }

    fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<AnswerBody> {
        let mut response = match path.strip_prefix('/').unwrap_or(path) {
            "" => allow_read(method).map(|()| self.page()),
            name => match Asset::named(name) {
                Some(asset) => allow_read(method).map(|()| serve(asset, headers)),
                None => {
                    Err(Rejection::new(RejectionCode::NotFound, "there is nothing at this path"))
                }
            },
        }
        .unwrap_or_else(|rejection| answer::refuse_method(&self.refusals, &rejection, ALLOWED));
        for (name, value) in PROTECTION {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }

    fn page(&self) -> Response<AnswerBody> {
        // Not kept: going back to it loads it anew, and shows nothing of a token.
        whole("text/html; charset=utf-8", "no-store", self.choices.page().into())
    }
}

impl<B> Service<Request<B>> for SettingsService {
    type Response = Response<AnswerBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<AnswerBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.uri().path(), request.headers())))
    }
}

/// What answers GET answers HEAD, and the server leaves the body out.
fn allow_read(method: &Method) -> Result<(), Rejection> {
    if *method == Method::GET || *method == Method::HEAD {
        return Ok(());
    }
    let detail = format!("this method is not for this path; these are: {ALLOWED}");
    Err(Rejection::new(RejectionCode::MethodNotAllowed, detail))
}

fn serve(asset: &Asset, headers: &HeaderMap) -> Response<AnswerBody> {
    let mut response = if asset.is_known(headers) {
        let mut response = whole(asset.content_type, CHECKED, Bytes::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        whole(asset.content_type, CHECKED, Bytes::from_static(asset.text.as_bytes()))
    };
    response.headers_mut().insert(header::ETAG, asset.etag().clone());
    response
}

fn whole(content_type: &'static str, cache: &'static str, bytes: Bytes) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::new(bytes));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}

const ALLOWED: &str = "GET, HEAD";

/// Kept, and asked for each time whether it is still good: a new version of the page never meets an old
/// script.
const CHECKED: &str = "no-cache";

/// What every answer has. Forms are sent by the script alone, so that a password is never in an address.
const PROTECTION: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
