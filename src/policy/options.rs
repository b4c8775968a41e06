use super::Policy;
use crate::actor::Urn;

/// How an authorizer judges, besides by its policies. The default is what serves requests: session
/// candidates, View Self, no system actor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct PolicyOptions {
    pub(super) mode: AuthorizationMode,
    pub(super) candidates: Candidates,
    pub(super) view_self: ViewSelf,
    pub(super) system_actor: Option<Urn>,
}

/// Whether policies are asked at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthorizationMode {
    /// Policies decide.
    #[default]
    Default,
    /// Everything is granted to everybody (DataHub: `ALLOW_ALL`). Listings stay as they are.
    DangerousAllowAll,
}

/// Which policies count, by their state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Candidates {
    /// Those whose state is exactly `ACTIVE`: what a request is judged by.
    #[default]
    Session,
    /// All but those whose state is exactly `INACTIVE`: what DataHub's listing of somebody's
    /// privileges is made of.
    All,
}

/// Whether every actor may look at, edit and delete its own entity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewSelf {
    /// As in DataHub.
    #[default]
    On,
    /// Only stored policies grant.
    Off,
}

impl PolicyOptions {
    /// Whether policies are asked. Default: they are.
    pub fn mode(mut self, mode: AuthorizationMode) -> Self {
        self.mode = mode;
        self
    }

    /// Which policies count. Default: those of a session.
    pub fn candidates(mut self, candidates: Candidates) -> Self {
        self.candidates = candidates;
        self
    }

    /// Whether every actor holds View Self. Default: on.
    pub fn view_self(mut self, view_self: ViewSelf) -> Self {
        self.view_self = view_self;
        self
    }

    /// The actor that is granted everything before any policy is asked. Default: none, while
    /// DataHub has `urn:li:corpuser:__datahub_system`.
    pub fn system_actor(mut self, actor: impl Into<Option<Urn>>) -> Self {
        self.system_actor = actor.into();
        self
    }

    /// Whether a policy counts.
    pub(super) fn is_candidate(&self, policy: &Policy) -> bool {
        match self.candidates {
            Candidates::Session => policy.is_active(),
            Candidates::All => !policy.is_inactive(),
        }
    }

    /// Whether no policy needs to be asked for this actor.
    pub(super) fn grants_everything_to(&self, actor: &Urn) -> bool {
        self.mode == AuthorizationMode::DangerousAllowAll
            || self.system_actor.as_ref() == Some(actor)
    }
}
