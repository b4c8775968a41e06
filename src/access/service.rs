use std::{fmt, sync::Arc};

use super::{
    AccessError, Caller,
    permission::{Operation, Rules},
};
use crate::{
    actor::{DirectoryStore, Urn},
    authenticate::Authentication,
    clock::{Clock, Timestamp},
    config::Config,
    policy::{PolicyStore, ResourceFacts},
    random::RandomSource,
    store::Store,
    token::LifetimePolicy,
    token_service::TokenService,
};

/// Managing tokens, service accounts, policies and users, each for a [`Caller`] who may. Cheap to
/// clone. See the [module docs](super).
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

#[derive(Clone)]
pub(super) struct Inner {
    pub(super) tokens: TokenService,
    pub(super) directory: Arc<dyn DirectoryStore>,
    pub(super) policies: Arc<dyn PolicyStore>,
    pub(super) facts: Option<Arc<dyn ResourceFacts>>,
    rules: Rules,
}

impl Access {
    /// Over one store for everything.
    #[must_use]
    pub fn new<S: Store>(config: &Config, store: Arc<S>) -> Self {
        let tokens = TokenService::new(config, store.clone());
        Self::from_parts(config, tokens, store.clone(), store)
    }

    /// Over parts from different places.
    #[must_use]
    pub fn from_parts(
        config: &Config,
        tokens: TokenService,
        directory: Arc<dyn DirectoryStore>,
        policies: Arc<dyn PolicyStore>,
    ) -> Self {
        let rules = Rules {
            minting: config.settings.token_minting,
            system_actor: config.settings.system_actor.clone(),
        };
        Self { inner: Arc::new(Inner { tokens, directory, policies, facts: None, rules }) }
    }

    /// The clock that dates are taken from. Default that of the token service, which is the
    /// system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.tokens = inner.tokens.clone().clock(clock);
        self
    }

    /// Where the ids of tokens, service accounts and policies come from. Default that of the token
    /// service, which is the system's source.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn RandomSource>) -> Self {
        let inner = Arc::make_mut(&mut self.inner);
        inner.tokens = inner.tokens.clone().random(random);
        self
    }

    /// Who is asked for what is not known of a resource. Default whoever the authenticator was given;
    /// without either, nobody, and what depends on it is not granted.
    #[must_use]
    pub fn facts(mut self, facts: Arc<dyn ResourceFacts>) -> Self {
        Arc::make_mut(&mut self.inner).facts = Some(facts);
        self
    }

    /// Which lifetimes may be asked for.
    #[must_use]
    pub fn lifetimes(&self) -> &LifetimePolicy {
        self.inner.tokens.lifetimes()
    }

    /// What time it is, by the clock that dates of tokens are compared with.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.now()
    }

    pub(super) fn parts(&self) -> &Inner {
        &self.inner
    }
}

impl Inner {
    /// Lets nobody pass who may not.
    pub(super) async fn permit<'c>(
        &self,
        caller: &'c Caller,
        operation: Operation<'_>,
    ) -> Result<&'c Authentication, AccessError> {
        self.rules.permit(caller, operation, self.facts.as_deref()).await
    }

    pub(super) fn minting(&self) -> crate::config::TokenMinting {
        self.rules.minting
    }

    pub(super) fn now(&self) -> Timestamp {
        self.tokens.now()
    }

    /// A new urn of this type: `prefix` and a random UUID.
    pub(super) fn new_urn(&self, entity_type: &str, prefix: &str) -> Result<Urn, AccessError> {
        let uuid = self.tokens.random_uuid()?;
        Ok(Urn::of(entity_type, &format!("{prefix}{uuid}"))?)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("tokens", &self.inner.tokens)
            .field("rules", &self.inner.rules)
            .finish_non_exhaustive()
    }
}
