use super::{RuleSubject, TokenLookup};
use crate::{
    actor::Urn,
    backend::StoreError,
    clock::Timestamp,
    feed::Subject,
    token::{TokenId, TokenRecord, TokenType},
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

/// What the tokens that were made with this one depend on.
#[derive(Debug, Clone)]
pub(crate) struct Ancestor {
    id: TokenId,
    /// `None` if it has no record.
    actor_and_owner: Option<(Urn, Urn)>,
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
                ancestors.push(Ancestor { id, actor_and_owner: None });
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
            let actor_and_owner = Some((record.actor, record.owner));
            ancestors.push(Ancestor { id, actor_and_owner });
        }
        Ok(Self::Good(ancestors.into()))
    }
}

impl Ancestor {
    /// What the changes that can revoke this token are about, and with it what was made with it.
    /// Whether its actor may act is nothing to that, but is a change of the same subject.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = Subject<'_>> {
        let urns = self.actor_and_owner.iter().flat_map(|(actor, owner)| [actor, owner]);
        std::iter::once(Subject::Token(&self.id)).chain(urns.map(Subject::Urn))
    }
}
