use std::{borrow::Cow, fmt, sync::Arc};

use crate::{
    actor::Actor,
    clock::Timestamp,
    gate::Admit,
    policy::{Policy, PolicyIndex, Privileges, ResourceFacts},
    token::{TokenId, TokenType},
};

/// Who a request comes from, by what credential, and what they may do: the one value that
/// [`AuthenticateLayer`](super::AuthenticateLayer) puts into a request's extensions. Cheap to clone.
///
/// What it may do is asked by `require`, `require_on` and `authorize`, in the module
/// [`require`](crate::require).
#[derive(Clone)]
pub struct Authentication {
    inner: Arc<Inner>,
}

struct Inner {
    credential: Credential,
    privileges: Privileges,
    facts: Option<Arc<dyn ResourceFacts>>,
}

/// By what somebody was authenticated. Never the text of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// A token.
    AccessToken(AccessToken),
    /// Whatever an [`CredentialAuthenticator`](super::CredentialAuthenticator) of the service's own
    /// takes.
    Other {
        /// What the authenticator calls it.
        name: Cow<'static, str>,
    },
    /// None: authentication is switched off.
    Disabled,
}

/// The token by which somebody was authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessToken {
    /// Its id.
    pub id: TokenId,
    /// Its name; `None` for a token that is not stored.
    pub name: Option<String>,
    /// Its type.
    pub token_type: TokenType,
    /// When it is over; `None` for never.
    pub expires_at: Option<Timestamp>,
}

impl AccessToken {
    /// Whether it is of version 1, of which nothing is stored.
    pub(crate) fn is_stateless(&self) -> bool {
        self.name.is_none()
    }
}

impl Authentication {
    pub(crate) fn new(
        credential: Credential,
        privileges: Privileges,
        facts: Option<Arc<dyn ResourceFacts>>,
    ) -> Self {
        Self { inner: Arc::new(Inner { credential, privileges, facts }) }
    }

    /// An authentication out of thin air, for tests of handlers: `actor` with what `policies` grant.
    ///
    /// ```
    /// use tower_pat::{actor::{Actor, Urn}, policy::Privilege, Authentication};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let auth = Authentication::for_tests(Actor::new(Urn::corpuser("alice")?), []);
    /// assert!(auth.require(Privilege::MANAGE_POLICIES).is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn for_tests(actor: Actor, policies: impl IntoIterator<Item = Policy>) -> Self {
        let privileges = PolicyIndex::new(policies).privileges(Arc::new(actor));
        Self::new(Credential::Other { name: Cow::Borrowed("test") }, privileges, None)
    }

    /// Gives facts to an authentication made [`for_tests`](Self::for_tests).
    #[must_use]
    pub fn with_facts(self, facts: Arc<dyn ResourceFacts>) -> Self {
        let inner = &self.inner;
        Self::new(inner.credential.clone(), inner.privileges.clone(), Some(facts))
    }

    /// The same with other privileges.
    pub(super) fn with_privileges(&self, privileges: Privileges) -> Self {
        Self::new(self.inner.credential.clone(), privileges, self.inner.facts.clone())
    }

    /// The same in memory of its own, which nobody else counts the users of.
    pub(super) fn apart(&self) -> Self {
        self.with_privileges(self.inner.privileges.clone())
    }

    /// How many clones there are.
    #[cfg(test)]
    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.inner)
    }

    /// Whether this is a clone of the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Who it is.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        self.inner.privileges.actor()
    }

    /// By what they were authenticated.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.inner.credential
    }

    /// What they may do.
    #[must_use]
    pub fn privileges(&self) -> &Privileges {
        &self.inner.privileges
    }

    /// Who is asked for what is not known of a resource.
    pub(crate) fn facts(&self) -> Option<&dyn ResourceFacts> {
        self.inner.facts.as_deref()
    }
}

impl Admit for Authentication {
    fn admit(self, extensions: &mut http::Extensions) {
        extensions.insert(self);
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication")
            .field("actor", self.actor().urn())
            .field("credential", &self.inner.credential)
            .finish_non_exhaustive()
    }
}
