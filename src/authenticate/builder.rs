use std::{sync::Arc, time::Duration};

use super::{Authenticator, CredentialAuthenticator, authenticator::Parts};
use crate::{
    actor::Directory,
    backend::StoreError,
    clock::{Clock, SystemClock},
    config::Config,
    feed::ChangeFeed,
    policy::{PolicySource, ResourceFacts},
    token_service::{TokenLookup, TokenUses},
};

/// Builds an [`Authenticator`].
#[derive(Debug)]
#[must_use]
pub struct AuthenticatorBuilder {
    config: Config,
    tokens: (Arc<dyn TokenLookup>, Freshness),
    directory: (Arc<dyn Directory>, Freshness),
    policies: (Arc<dyn PolicySource>, Freshness),
    token_uses: Option<Arc<dyn TokenUses>>,
    facts: Option<Arc<dyn ResourceFacts>>,
    before: Vec<Arc<dyn CredentialAuthenticator>>,
    after: Vec<Arc<dyn CredentialAuthenticator>>,
    clock: Arc<dyn Clock>,
}

/// How it becomes known that what was read from a part is no longer so.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Freshness {
    /// The part's changes are in this feed.
    Feed(Arc<dyn ChangeFeed>),
    /// Not at all: what was read is used for this long, at most the revocation bound.
    TimeToLive(Duration),
}

impl AuthenticatorBuilder {
    pub(super) fn new<S>(config: Config, store: S) -> Self
    where
        S: TokenLookup + TokenUses + Directory + PolicySource + ChangeFeed,
    {
        let store = Arc::new(store);
        let feed = Freshness::Feed(store.clone());
        Self::from_parts(
            config,
            (store.clone(), feed.clone()),
            (store.clone(), feed.clone()),
            (store.clone(), feed),
        )
        .token_uses(store)
    }

    pub(super) fn from_parts(
        config: Config,
        tokens: (Arc<dyn TokenLookup>, Freshness),
        directory: (Arc<dyn Directory>, Freshness),
        policies: (Arc<dyn PolicySource>, Freshness),
    ) -> Self {
        Self {
            config,
            tokens,
            directory,
            policies,
            token_uses: None,
            facts: None,
            before: Vec::new(),
            after: Vec::new(),
            clock: Arc::new(SystemClock::default()),
        }
    }

    /// Looks tokens up somewhere else. Default the store.
    pub fn tokens(mut self, tokens: Arc<dyn TokenLookup>, freshness: Freshness) -> Self {
        self.tokens = (tokens, freshness);
        self
    }

    /// Where it is noted when tokens were used, from which address and by which program. Default the
    /// store, and with [`builder_from_parts`](Authenticator::builder_from_parts) nowhere.
    ///
    /// Of two authenticators that one request passes, such as at a front door and at the service
    /// behind it, one should note it, or the second needs a
    /// [`ClientAddress`](crate::authenticate::ClientAddress) from a header of the first: else the later
    /// note says the address of the front door.
    ///
    /// A use is noted at most once a minute per token, beside the requests and never on their way,
    /// about a second later. If the store fails, uses wait for it, 8,192 of them at most, and what
    /// is more is lost; no request is.
    pub fn token_uses(mut self, uses: Arc<dyn TokenUses>) -> Self {
        self.token_uses = Some(uses);
        self
    }

    /// Asks somebody else about actors, such as one's own user table. Default the store.
    pub fn directory(mut self, directory: Arc<dyn Directory>, freshness: Freshness) -> Self {
        self.directory = (directory, freshness);
        self
    }

    /// Takes policies from somewhere else. Default the store.
    pub fn policies(mut self, policies: Arc<dyn PolicySource>, freshness: Freshness) -> Self {
        self.policies = (policies, freshness);
        self
    }

    /// Who is asked for what [`Authentication::authorize`](super::Authentication::authorize) needs
    /// to know of a resource. Default nobody: what depends on owners, domains, tags and the like is
    /// then never granted.
    pub fn facts(mut self, facts: Arc<dyn ResourceFacts>) -> Self {
        self.facts = Some(facts);
        self
    }

    /// Adds an authenticator that is asked before tokens are looked for, behind those added so far.
    pub fn chain_before(mut self, authenticator: Arc<dyn CredentialAuthenticator>) -> Self {
        self.before.push(authenticator);
        self
    }

    /// Adds an authenticator that is asked if there is no Bearer token in the request, behind those
    /// added so far.
    pub fn chain_after(mut self, authenticator: Arc<dyn CredentialAuthenticator>) -> Self {
        self.after.push(authenticator);
        self
    }

    /// The clock. Default the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The authenticator, which has read its policies once and follows the feeds from now on, in
    /// tasks that end with its last clone. A look-up that is under way then comes to its end first.
    ///
    /// # Errors
    ///
    /// [`BuildError`], which names what it refused.
    pub async fn build(self) -> Result<Authenticator, BuildError> {
        // Asked here, since spawning without a runtime panics.
        tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let bound = self.config.settings.revocation_bound;
        let mut feeds: Vec<Arc<dyn ChangeFeed>> = Vec::new();
        let mut time_to_live = |part, freshness: Freshness| match freshness {
            Freshness::TimeToLive(time) if time > bound => {
                Err(BuildError::TimeToLive { part, time, bound })
            }
            Freshness::TimeToLive(time) => Ok(Some(time)),
            Freshness::Feed(feed) => {
                // One store that is several parts has one feed.
                if !feeds.iter().any(|known| Arc::ptr_eq(known, &feed)) {
                    feeds.push(feed);
                }
                Ok(None)
            }
        };
        let parts = Parts {
            tokens: self.tokens.0,
            tokens_ttl: time_to_live("tokens", self.tokens.1)?,
            directory: self.directory.0,
            directory_ttl: time_to_live("directory", self.directory.1)?,
            policies: self.policies.0,
            policies_ttl: time_to_live("policies", self.policies.1)?,
            token_uses: self.token_uses,
            facts: self.facts,
            before: self.before,
            after: self.after,
            clock: self.clock,
            feeds,
        };
        Authenticator::start(&self.config, parts).await.map_err(BuildError::Store)
    }
}

/// Why an authenticator was not built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// There is no tokio runtime that could follow the feed.
    #[error("an authenticator is built inside of a tokio runtime")]
    NoRuntime,
    /// A part without feed would be used for longer than the revocation bound.
    #[error("a time to live of {time:?} for {part} is beyond the revocation bound of {bound:?}")]
    TimeToLive {
        /// Which part.
        part: &'static str,
        /// What was asked for.
        time: Duration,
        /// What is possible.
        bound: Duration,
    },
    /// The feed's end or the policies could not be read.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
}
