//! What a token that is made inherits from the token by which the request was authenticated.

use super::{AccessError, permission::token_of, service::Inner};
use crate::{
    authenticate::{Authentication, Credential},
    clock::Timestamp,
    config::TokenMinting,
    token::{TokenId, TokenStatus},
};

/// What a new token takes over.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parent {
    /// With which it is revoked, or which is noted, if it is a session.
    pub(super) id: Option<TokenId>,
    /// When it is over at the latest.
    pub(super) not_after: Option<Timestamp>,
    /// What it may not do.
    pub(super) restrictions: Option<String>,
}

impl Inner {
    /// What a token takes over that is made by a request that was authenticated so.
    pub(super) async fn parent(&self, auth: &Authentication) -> Result<Parent, AccessError> {
        let Some(token) = token_of(auth) else {
            let id = match auth.credential() {
                Credential::AccessToken(session) => Some(session.id),
                Credential::Other { .. } | Credential::Disabled => None,
            };
            return Ok(Parent { id, ..Parent::default() });
        };
        // None of a token of version 1: all that is known of it is what it says itself.
        let record = self.tokens.find(&token.id).await?;
        // It was good when the request came in.
        if record.as_ref().is_some_and(|record| record.status(self.now()) != TokenStatus::Active) {
            return Err(AccessError::CredentialOver);
        }
        let ends_at = record.as_ref().and_then(crate::token::TokenRecord::ends_at);
        let restrictions = record.and_then(|record| record.restrictions);
        match self.minting() {
            TokenMinting::Unbounded => Ok(Parent { restrictions, ..Parent::default() }),
            // Sessions only, and this is none: it got no further than to who may.
            TokenMinting::Bounded | TokenMinting::SessionsOnly => {
                let not_after = token.expires_at.into_iter().chain(ends_at).min();
                Ok(Parent { id: Some(token.id), not_after, restrictions })
            }
        }
    }
}
