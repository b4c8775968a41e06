use std::{fmt, sync::Arc};

use percent_encoding::percent_decode_str;
use tower_layer::Layer;

use super::RequirePrivilege;
use crate::{
    actor::{Urn, UrnError},
    authenticate::RequestHead,
    gate::Refusals,
    policy::{Requirement, Resource},
    rejection::{Rejection, RejectionBody, RejectionCode},
};

/// Layer that applies [`RequirePrivilege`]. See the [module docs](super) for an example.
#[derive(Debug, Clone)]
#[must_use]
pub struct RequirePrivilegeLayer {
    settings: Arc<Settings>,
}

/// What all services of a layer share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) requirement: Requirement,
    pub(super) resource: Option<Arc<FindResource>>,
    pub(super) refusals: Refusals,
}

type FindResource = dyn Fn(RequestHead<'_>) -> Result<Resource, Rejection> + Send + Sync;

impl RequirePrivilegeLayer {
    /// A layer that lets those pass who may do this without regard to a resource.
    pub fn new(requirement: impl Into<Requirement>) -> Self {
        let settings = Settings {
            requirement: requirement.into(),
            resource: None,
            refusals: Refusals::default(),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Asks about the resource that `find` takes from the request. A request from which it cannot
    /// be taken is answered by the rejection. Default none.
    ///
    /// It must be the very resource that the handler will serve. Paths come here as they were sent,
    /// encoded, while routers decode them: see [`on_urn`](Self::on_urn) for what to do about it.
    pub fn on(
        self,
        find: impl Fn(RequestHead<'_>) -> Result<Resource, Rejection> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.resource = Some(Arc::new(find)))
    }

    /// Asks about the entity whose urn is the rest of the path behind `prefix`, such as
    /// `/entities/`: decoded once, as routers decode it, so that what is asked about is what the
    /// handler is given. A path that has no urn there is answered by 400.
    ///
    /// ```
    /// use tower_pat::{RequirePrivilegeLayer, policy::Privilege};
    ///
    /// let layer = RequirePrivilegeLayer::new(Privilege::VIEW_ENTITY_PAGE).on_urn("/entities/");
    /// # drop(layer);
    /// ```
    pub fn on_urn(self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        self.on(move |head| urn_behind(&prefix, head.uri.path()))
    }

    /// The realm in the challenge. Default `datahub`. What is not printable ASCII is left out.
    pub fn realm(self, realm: &str) -> Self {
        self.with(|settings| settings.refusals = settings.refusals.clone().realm(realm))
    }

    /// What makes the bodies of refusals. Default
    /// [`ProblemBody`](crate::rejection::ProblemBody). Answers to gRPC have none.
    pub fn rejection_body(self, body: impl RejectionBody) -> Self {
        self.with(|settings| settings.refusals = settings.refusals.clone().body(body))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }
}

impl<S> Layer<S> for RequirePrivilegeLayer {
    type Service = RequirePrivilege<S>;

    fn layer(&self, inner: S) -> RequirePrivilege<S> {
        RequirePrivilege::new(inner, self.settings.clone())
    }
}

fn urn_behind(prefix: &str, path: &str) -> Result<Resource, Rejection> {
    let bad = |what: String| Rejection::new(RejectionCode::BadRequest, what);
    let encoded = path
        .strip_prefix(prefix)
        .ok_or_else(|| bad(format!("the path does not begin with {prefix}")))?;
    let text = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| bad("the path is not UTF-8".to_owned()))?;
    let urn: Urn = text.parse().map_err(|error: UrnError| bad(error.to_string()))?;
    Ok(Resource::from(urn))
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("requirement", &self.requirement)
            .field("resource", &self.resource.is_some())
            .field("refusals", &self.refusals)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_urn_in_a_path_is_decoded_once_and_strictly() {
        let urn = |path| urn_behind("/entities/", path).map(|found| found.urn().cloned());
        let secret: Urn = "urn:li:dataset:secret".parse().unwrap();
        for path in [
            "/entities/urn:li:dataset:secret",
            "/entities/urn%3Ali%3Adataset%3Asecret",
            "/entities/urn:li:dataset:se%63ret",
        ] {
            assert_eq!(urn(path), Ok(Some(secret.clone())), "{path}");
        }
        let once: Urn = "urn:li:dataset:se%63ret".parse().unwrap();
        assert_eq!(urn("/entities/urn:li:dataset:se%2563ret"), Ok(Some(once)));
        for path in [
            "/entities//entities/urn:li:dataset:secret",
            "/entities/",
            "/other/urn:li:dataset:secret",
            "/entities/urn:li:dataset:%ff",
        ] {
            let refused = urn(path).unwrap_err();
            assert_eq!(refused.code(), RejectionCode::BadRequest, "{path}");
        }
    }
}
