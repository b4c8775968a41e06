use super::{RuleSubject, TokenLookup};
use crate::{
    actor::Urn,
    backend::StoreError,
    clock::Timestamp,
    feed::Change,
    token::{KeyId, RuleScope, TokenId, TokenRecord, TokenType},
};

/// How many ancestors a token has at most: the token that it was made with, the one that this was
/// made with, and so on. A store makes none that has more
/// ([`TokenStore::insert`](super::TokenStore::insert)), and one that was imported does not verify.
pub const MAX_ANCESTORS: usize = 16;

/// What the ancestors of a token say of it.
#[derive(Debug)]
pub(crate) enum Lineage {
    /// None of them is revoked.
    Good(Box<[Ancestor]>),
    /// One of them is, or there are too many to tell. Since when, if that is known.
    Revoked(Option<Timestamp>),
}

/// By what a change finds the tokens that were made with this one.
#[derive(Debug, Clone)]
pub(crate) struct Ancestor {
    id: TokenId,
    /// `None` if it has no record.
    known: Option<Known>,
}

#[derive(Debug, Clone)]
struct Known {
    actor: Urn,
    owner: Urn,
    key_id: Option<KeyId>,
}

impl Lineage {
    /// Walks up from the token with this record, through what it was made with, until nothing more
    /// is known. What was made in a session outlives it, so that ends there too.
    pub(crate) async fn of(
        tokens: &dyn TokenLookup,
        record: &TokenRecord,
    ) -> Result<Self, StoreError> {
        let mut ancestors = Vec::new();
        let mut next = record.parent;
        while let Some(id) = next {
            let Some(record) = tokens.find(&id).await? else {
                ancestors.push(Ancestor { id, known: None });
                break;
            };
            if record.token_type == Some(TokenType::Session) {
                break;
            }
            if let Some(revocation) = record.revoked {
                return Ok(Self::Revoked(Some(revocation.at)));
            }
            let subject = RuleSubject::new(&record.actor, Some(&record.owner), record.key_id);
            let rules = tokens.rules(subject).await?;
            if let Some(rule) = rules.iter().find(|rule| rule.covers(&record)) {
                return Ok(Self::Revoked(Some(rule.issued_before)));
            }
            if ancestors.len() >= MAX_ANCESTORS {
                return Ok(Self::Revoked(None));
            }
            next = record.parent;
            let TokenRecord { actor, owner, key_id, .. } = record;
            ancestors.push(Ancestor { id, known: Some(Known { actor, owner, key_id }) });
        }
        Ok(Self::Good(ancestors.into()))
    }
}

impl Ancestor {
    /// Whether the change can revoke this token, and with it what was made with it. Whether its
    /// actor may act is nothing to the token that was made with it.
    pub(crate) fn is_concerned_by(&self, change: &Change) -> bool {
        match (change, &self.known) {
            (Change::Token(id), _) => *id == self.id,
            (Change::Rule(RuleScope::Actor(urn)), Some(known)) => *urn == known.actor,
            (Change::Rule(RuleScope::Owner(urn)), Some(known)) => *urn == known.owner,
            (Change::Rule(RuleScope::Key(id)), Some(known)) => Some(*id) == known.key_id,
            (Change::Rule(RuleScope::All), Some(_)) => true,
            _ => false,
        }
    }
}
