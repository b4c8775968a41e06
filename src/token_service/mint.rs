use crate::{
    actor::Urn,
    backend::StoreError,
    clock::Timestamp,
    random::RandomError,
    token::{KeyError, KeyId, Lifetime, LifetimeError, TokenId, TokenRecord, TokenText, TokenType},
};

/// What token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MintRequest {
    /// Its type.
    pub token_type: TokenType,
    /// Who it acts as.
    pub actor: Urn,
    /// Who makes it. Default the actor.
    pub owner: Urn,
    /// How long it is good.
    pub lifetime: Lifetime,
    /// When it is over at the latest, whatever its lifetime. Default no such end.
    pub not_after: Option<Timestamp>,
    /// Its name. Default empty.
    pub name: String,
    /// What it is for. Default none.
    pub description: Option<String>,
    /// The token or session it is made with. Default none.
    pub parent: Option<TokenId>,
    /// By what it is made, such as `graphql`. Default none.
    pub created_via: Option<String>,
    /// What it may not do, of what its actor may: versioned JSON, as in
    /// [`TokenRecord::restrictions`]. Default none.
    pub restrictions: Option<String>,
}

impl MintRequest {
    /// A token by which `actor` acts as itself.
    #[must_use]
    pub fn new(token_type: TokenType, actor: Urn, lifetime: Lifetime) -> Self {
        Self {
            token_type,
            owner: actor.clone(),
            actor,
            lifetime,
            not_after: None,
            name: String::new(),
            description: None,
            parent: None,
            created_via: None,
            restrictions: None,
        }
    }

    /// Sets who makes it.
    #[must_use]
    pub fn owner(mut self, owner: Urn) -> Self {
        self.owner = owner;
        self
    }

    /// Sets when it is over at the latest.
    #[must_use]
    pub fn not_after(mut self, end: Timestamp) -> Self {
        self.not_after = Some(end);
        self
    }

    /// Sets its name.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets the token or session it is made with.
    #[must_use]
    pub fn parent(mut self, parent: TokenId) -> Self {
        self.parent = Some(parent);
        self
    }

    /// Sets by what it is made.
    #[must_use]
    pub fn created_via(mut self, via: impl Into<String>) -> Self {
        self.created_via = Some(via.into());
        self
    }

    /// Sets what it may not do.
    #[must_use]
    pub fn restrictions(mut self, restrictions: impl Into<String>) -> Self {
        self.restrictions = Some(restrictions.into());
        self
    }
}

/// A token that was made: the only place where its text is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MintedToken {
    /// The text, to be shown once.
    pub token: TokenText,
    /// What is stored of it.
    pub record: TokenRecord,
}

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// The lifetime is not one of those allowed.
    #[error(transparent)]
    Lifetime(#[from] LifetimeError),
    /// It would be over when it is made.
    #[error("the token would be over at once: it must end at {0}")]
    Over(Timestamp),
    /// Nobody may act as this by a token: the system actor, and `anonymous`, which DataHub takes
    /// for nobody.
    #[error("no token can act as {0}")]
    ReservedActor(Urn),
    /// Only users, service accounts among them, act by tokens.
    #[error("{0} is not a user")]
    NotAUser(Urn),
    /// The key that signs is not among those that this process has. It signs with no other one.
    #[error("this node does not have the key {0}, which signs")]
    SigningKeyMissing(KeyId),
    /// The signature backend failed.
    #[error("the token could not be signed")]
    Key(#[from] KeyError),
    /// There are no random bytes.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The record could not be stored, so there is no token; also where the token that it was to be
    /// made with has been revoked ([`StoreError::ParentRevoked`]).
    #[error("the token could not be stored")]
    Store(#[from] StoreError),
}
