use super::{KeyId, TokenRecord};
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
    /// Those that were signed with this key. A token itself shows it. What was made with a token
    /// is judged by that one's record, though, and a record that was made by a DataHub does not say
    /// the key: what was made with such a token here outlives the key's rule, unless the same key
    /// signed it too and it is as old.
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

    /// Whether this rule revokes the token with this record. A rule about a key covers only records
    /// that say which key it was.
    #[must_use]
    pub fn covers(&self, record: &TokenRecord) -> bool {
        let is_in_scope = match &self.scope {
            RuleScope::Actor(urn) => *urn == record.actor,
            RuleScope::Owner(urn) => *urn == record.owner,
            RuleScope::Key(id) => Some(*id) == record.key_id,
            RuleScope::All => true,
        };
        is_in_scope && self.is_before(Some(record.created_at))
    }
}
