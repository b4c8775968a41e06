//! What a token that is made inherits from the token by which the request was authenticated.

use super::{AccessError, permission::token_of, service::Inner};
use crate::{
    authenticate::{AccessToken, Authentication, Credential},
    clock::Timestamp,
    config::TokenMinting,
    token::{TokenId, TokenRecord, TokenStatus},
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
        let record = self.still_good(auth, token).await?;
        let ends_at = record.as_ref().and_then(TokenRecord::ends_at);
        let restrictions = record.and_then(|record| record.restrictions);
        match self.minting() {
            TokenMinting::Unbounded => Ok(Parent { restrictions, ..Parent::default() }),
            // A token of version 1, and with sessions only any token, got no further than to who may.
            TokenMinting::Bounded | TokenMinting::SessionsOnly => {
                let not_after = token.expires_at.into_iter().chain(ends_at).min();
                Ok(Parent { id: Some(token.id), not_after, restrictions })
            }
        }
    }

    /// What is stored of the token by which the request was authenticated, which was good then, if it
    /// is still good; `None` for a token of version 1, of which nothing is stored.
    pub(super) async fn still_good(
        &self,
        auth: &Authentication,
        token: &AccessToken,
    ) -> Result<Option<TokenRecord>, AccessError> {
        if token.expires_at.is_some_and(|end| end <= self.now()) {
            return Err(AccessError::CredentialExpired);
        }
        if token.is_stateless() {
            let is_revoked = self.tokens.is_stateless_revoked(auth.actor().urn()).await?;
            return if is_revoked { Err(AccessError::CredentialRevoked) } else { Ok(None) };
        }
        let record = self.tokens.find(&token.id).await?.ok_or(AccessError::CredentialRevoked)?;
        match record.status(self.now()) {
            TokenStatus::Active => {}
            TokenStatus::Expired(_) => return Err(AccessError::CredentialExpired),
            TokenStatus::Revoked(_) => return Err(AccessError::CredentialRevoked),
        }
        let Some(record) = self.tokens.unless_revoked(record).await? else {
            return Err(AccessError::CredentialRevoked);
        };
        // A record that was taken over does not say the key.
        if let Some(key) = record.key_id
            && self.tokens.is_retired(key).await?
        {
            return Err(AccessError::CredentialRevoked);
        }
        Ok(Some(record))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        access::{Access, Caller, CreateToken},
        actor::{Actor, Urn},
        clock::ManualClock,
        config::Config,
        policy::{Policy, PolicyIndex},
        store::MemoryStore,
        token::{AccessTokenDuration, TokenType},
        token_service::TokenStore,
    };

    /// Such a record does not verify yet, so that it cannot be tried from outside.
    #[tokio::test]
    async fn what_the_record_says_is_taken_over() {
        let alice = Urn::corpuser("alice").unwrap();
        let policy: Policy = serde_json::from_value(serde_json::json!({
            "displayName": "p", "type": "PLATFORM", "state": "ACTIVE",
            "privileges": ["GENERATE_PERSONAL_ACCESS_TOKENS"], "actors": { "allUsers": true },
        }))
        .unwrap();
        for minting in [TokenMinting::Bounded, TokenMinting::Unbounded] {
            let key = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";
            let config = Config::builder(key, "mR4vT8yB2nK6pX0c").token_minting(minting);
            let store = Arc::new(MemoryStore::default());
            let (id, made) = (TokenId::from_bytes([1; 32]), Timestamp::from_seconds(1_750_000_000));
            let clock = Arc::new(ManualClock::new(made));
            let access = Access::new(&config.build().unwrap(), store.clone()).clock(clock);
            let mut parent = TokenRecord::new(id, "p", alice.clone(), alice.clone(), made);
            // Ended since the request was authenticated, which knows of no end.
            let soon = made.saturating_add(Duration::from_secs(60));
            parent.valid_until = Some(soon);
            parent.restrictions = Some(r#"{"version":1}"#.to_owned());
            store.insert(&parent).await.unwrap();
            let credential = Credential::AccessToken(AccessToken {
                id,
                name: Some("p".to_owned()),
                token_type: TokenType::Personal,
                expires_at: None,
            });
            let actor = Arc::new(Actor::new(alice.clone()));
            let privileges = PolicyIndex::new([&policy]).privileges(actor);
            let caller = Caller::from(Authentication::new(credential, privileges, None));
            let lifetime = AccessTokenDuration::OneHour.lifetime();
            let request = CreateToken::new(TokenType::Personal, alice.clone(), lifetime, "c");
            let minted = access.create_token(&caller, request).await.unwrap();
            // These whatever else is.
            assert_eq!(minted.record.restrictions, parent.restrictions, "{minting:?}");
            let is_bounded = minting == TokenMinting::Bounded;
            assert_eq!(minted.record.expires_at == Some(soon), is_bounded, "{minting:?}");
        }
    }
}
