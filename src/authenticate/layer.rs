use std::sync::Arc;

use tower_layer::Layer;

use super::{Authenticate, Authenticator, excluded::ExcludedPaths};
use crate::{actor::Urn, gate::Refusals, rejection::RejectionBody};

/// Layer that applies [`Authenticate`]. See the [module docs](super) for an example.
#[derive(Debug, Clone)]
#[must_use]
pub struct AuthenticateLayer {
    settings: Arc<Settings>,
}

/// What all services of a layer share.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) authenticator: Authenticator,
    pub(super) mode: Mode,
    pub(super) excluded: ExcludedPaths,
    pub(super) refusals: Refusals,
}

/// What happens to a request without credentials.
#[derive(Debug, Clone)]
pub(super) enum Mode {
    Required,
    Optional,
    Disabled(Urn),
}

impl AuthenticateLayer {
    /// A layer that refuses requests without credentials, and those with bad ones.
    pub fn new(authenticator: Authenticator) -> Self {
        let settings = Settings {
            authenticator,
            mode: Mode::Required,
            excluded: ExcludedPaths::default(),
            refusals: Refusals::default(),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Lets requests without credentials pass, with no [`Authentication`](super::Authentication) in
    /// their extensions. Default not. Everything that begins with `Bearer` is a credential, and a
    /// bad one is refused.
    pub fn optional(self) -> Self {
        self.with(|settings| settings.mode = Mode::Optional)
    }

    /// Switches authentication off: every request is one of `actor`, whatever its headers say. The
    /// actor is still looked up, and what it may do is still what the policies grant it.
    pub fn dangerous_disabled(self, actor: Urn) -> Self {
        self.with(|settings| settings.mode = Mode::Disabled(actor))
    }

    /// Paths on which nothing is judged, not even a bad token, added to those named before. Default
    /// none.
    ///
    /// `/health` is that path alone; `/public/*` is everything below `/public/`. Whole segments
    /// match, case counts, and the path is taken as it was sent: one with `..`, empty or encoded
    /// segments is not matched by `/*`, and so is guarded.
    pub fn exclude<P: Into<String>>(self, paths: impl IntoIterator<Item = P>) -> Self {
        self.with(|settings| paths.into_iter().for_each(|path| settings.excluded.add(path.into())))
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

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Authenticate<S> {
        Authenticate::new(inner, self.settings.clone())
    }
}
