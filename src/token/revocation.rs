use super::KeyId;
use crate::{actor::Urn, clock::Timestamp};

/// Revokes many tokens by one record: all in its scope that were made before a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevocationRule {
    /// Which tokens.
    pub scope: RuleScope,
    /// Tokens made before this are revoked; those made at it or later are not.
    pub issued_before: Timestamp,
    /// Who made the rule.
    pub by: Urn,
}

/// Which tokens a [`RevocationRule`] is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RuleScope {
    /// Those that act as this actor.
    Actor(Urn),
    /// Those that this owner made.
    Owner(Urn),
    /// Those that were signed with this key.
    Key(KeyId),
    /// Every token.
    All,
}

impl RevocationRule {
    /// Whether a token made at `created_at` is revoked by this rule, if it is in its scope.
    ///
    /// `None` stands for a token that does not say when it was made (version 1 has no `iat`): every
    /// rule revokes it.
    #[must_use]
    pub fn is_before(&self, created_at: Option<Timestamp>) -> bool {
        created_at.is_none_or(|created_at| created_at < self.issued_before)
    }
}
