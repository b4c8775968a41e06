use super::{
    Access, AccessError, Caller, input, minting::Parent, permission::Operation, service::Inner,
};
use crate::{
    actor::{Urn, UserKind},
    authenticate::{Authentication, Credential},
    token::{Lifetime, RuleScope, TokenId, TokenRecord, TokenType},
    token_service::{ActiveToken, MintRequest, MintedToken, TokenPage, TokenQuery, VerifyError},
};

/// What token to make.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CreateToken {
    /// `PERSONAL` or `SERVICE_ACCOUNT`.
    pub token_type: TokenType,
    /// Who it acts as.
    pub actor: Urn,
    /// How long it is good.
    pub lifetime: Lifetime,
    /// Its name: 1 to 50 characters (Unicode scalar values), not only blanks; kept as it is given.
    pub name: String,
    /// What it is for: up to 500 characters. Default none.
    pub description: Option<String>,
    /// By what it is made, such as `graphql`. Default none.
    pub created_via: Option<String>,
}

impl CreateToken {
    /// A token without description.
    #[must_use]
    pub fn new(
        token_type: TokenType,
        actor: Urn,
        lifetime: Lifetime,
        name: impl Into<String>,
    ) -> Self {
        let name = name.into();
        Self { token_type, actor, lifetime, name, description: None, created_via: None }
    }

    /// Sets what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets by what it is made.
    #[must_use]
    pub fn created_via(mut self, via: impl Into<String>) -> Self {
        self.created_via = Some(via.into());
        self
    }
}

/// All tokens of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokensOf {
    /// Those that this user made, also those that act as others.
    Owner(Urn),
    /// Those that act as this user, also those that others made.
    Actor(Urn),
}

/// What came of revoking a token by its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevokedByText {
    /// It is revoked.
    Revoked,
    /// There was nothing to revoke: it is no token of this deployment, or was revoked before.
    NotActive,
    /// It is good and stays so: it is of version 1, and so not stored.
    NotStored,
}

/// Tokens (DataHub: `createAccessToken` and its kin).
impl Access {
    /// Makes a token, whose owner is the caller.
    ///
    /// A `PERSONAL` token: for oneself who may generate tokens, for anybody who manages them,
    /// service accounts included, as in DataHub: who can act as anybody can act as who manages
    /// these. A `SERVICE_ACCOUNT` token: who manages service accounts, and only for one. What a
    /// caller who was authenticated by a token gets is a matter of
    /// [`TokenMinting`](crate::config::TokenMinting).
    ///
    /// Whether the actor exists is not looked at, but for service accounts.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; then there is no token.
    pub async fn create_token(
        &self,
        caller: &Caller,
        request: CreateToken,
    ) -> Result<MintedToken, AccessError> {
        caller.authenticated()?;
        let parts = self.parts();
        let operation = match request.token_type {
            TokenType::Personal => Operation::CreatePersonalToken { actor: &request.actor },
            TokenType::ServiceAccount => Operation::CreateServiceAccountToken,
            other @ TokenType::Session => return Err(AccessError::UnsupportedTokenType(other)),
        };
        let auth = parts.permit(caller, operation).await?;
        input::token_name(&request.name)?;
        input::description(request.description.as_deref())?;
        if request.token_type == TokenType::ServiceAccount {
            let user = parts.directory.user(&request.actor).await?;
            if user.is_none_or(|user| user.kind != UserKind::ServiceAccount) {
                return Err(AccessError::NotAServiceAccount(request.actor));
            }
        }
        let minted = parts.mint(auth, request).await?;
        if minted.record.token_type == Some(TokenType::ServiceAccount) {
            // Who deletes the account revokes what was made until then; this may have come later.
            let actor = &minted.record.actor;
            if parts.directory.user(actor).await?.is_none() {
                parts.tokens.revoke(&minted.record.id, auth.actor().urn()).await?;
                return Err(AccessError::NotAServiceAccount(actor.clone()));
            }
        }
        Ok(minted)
    }

    /// Makes a personal token of the caller's own by DataHub's older call (`getAccessToken`). It is
    /// stored like others, listed and revocable, while DataHub's is not: version 1 there.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; then there is no token.
    pub async fn quick_token(
        &self,
        caller: &Caller,
        actor: &Urn,
        lifetime: Lifetime,
    ) -> Result<MintedToken, AccessError> {
        let auth = self.parts().permit(caller, Operation::QuickToken { actor }).await?;
        let request = CreateToken::new(TokenType::Personal, actor.clone(), lifetime, QUICK)
            .created_via(QUICK);
        self.parts().mint(auth, request).await
    }

    /// One page of the tokens that were not revoked and are no sessions: up to 1,000, behind up to
    /// 10,000,000.
    ///
    /// Who does not manage tokens must be able to generate them, and has to ask for their own: one of
    /// the query's filters is [`Owner`](crate::token_service::TokenFilter::Owner) or
    /// [`Actor`](crate::token_service::TokenFilter::Actor) with the caller alone, or
    /// [`AnyOf`](crate::token_service::TokenFilter::AnyOf) these two.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn list_tokens(
        &self,
        caller: &Caller,
        query: &TokenQuery,
    ) -> Result<TokenPage, AccessError> {
        let operation = Operation::ListTokens { filters: &query.filters };
        self.parts().permit(caller, operation).await?;
        input::page(query.start, query.count)?;
        Ok(self.parts().tokens.list(query).await?)
    }

    /// What is stored of a token, for its owner, its actor, and who manages tokens.
    ///
    /// # Errors
    ///
    /// [`AccessError::Forbidden`] for everybody else, whether or not there is such a token;
    /// [`AccessError::TokenNotFound`] if there is none, or it was revoked.
    pub async fn token(&self, caller: &Caller, id: &TokenId) -> Result<TokenRecord, AccessError> {
        let (_, record) =
            self.parts().permit_token(caller, id, |record| Operation::ReadToken { record }).await?;
        let record = match record {
            Some(record) => self.parts().tokens.unless_revoked(record).await?,
            None => self.parts().tokens.metadata(id).await?,
        };
        record.ok_or(AccessError::TokenNotFound)
    }

    /// What is stored of the token or session by which the request was made.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoCurrentToken`] if it was made by something else, or by a token that is not
    /// stored; [`AccessError::CredentialRevoked`] and [`AccessError::CredentialExpired`] if it has
    /// been good no longer than until then.
    pub async fn current_token(&self, caller: &Caller) -> Result<TokenRecord, AccessError> {
        let auth = self.parts().permit(caller, Operation::ReadCurrentToken).await?;
        let Credential::AccessToken(token) = auth.credential() else {
            return Err(AccessError::NoCurrentToken);
        };
        self.parts().still_good(auth, token).await?.ok_or(AccessError::NoCurrentToken)
    }

    /// What is stored of the token with this text, for who manages tokens; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn token_metadata(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Result<Option<TokenRecord>, AccessError> {
        self.parts().permit(caller, Operation::ReadTokenByText).await?;
        let tokens = &self.parts().tokens;
        Ok(tokens.metadata(&tokens.id_of(text)).await?)
    }

    /// Whether a token is good, and whose it is (RFC 7662). `None` if it is not good, and if it is
    /// none of the caller's business.
    ///
    /// It is that of its owner and actor, and of who may read all access tokens: whoever has
    /// `VIEW_ENTITY_PAGE`, for instance, on entities of type `dataHubAccessToken`. That is enough,
    /// since who asks has the text already, which anybody could use.
    ///
    /// # Errors
    ///
    /// [`AccessError::Unavailable`] if it cannot be found out, which is not the same as `None`.
    pub async fn introspect(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Result<Option<ActiveToken>, AccessError> {
        caller.authenticated()?;
        let token = match self.parts().tokens.verify(text).await {
            Ok(token) => token,
            Err(VerifyError::Store(error)) => return Err(error.into()),
            Err(_) => return Ok(None),
        };
        let owner = token.record.as_ref().map(|record| &record.owner);
        let operation = Operation::Introspect { actor: token.actor.urn(), owner };
        match self.parts().permit(caller, operation).await {
            Ok(_) => Ok(Some(token)),
            Err(AccessError::Forbidden { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Revokes a token, for its owner, its actor, and who manages tokens. What was made with it is
    /// revoked, too, unless it is a session.
    ///
    /// # Errors
    ///
    /// [`AccessError::Forbidden`] for everybody else, whether or not there is such a token;
    /// [`AccessError::NothingToRevoke`] if there is none, or it was revoked before, by itself or
    /// with others.
    pub async fn revoke_token(&self, caller: &Caller, id: &TokenId) -> Result<(), AccessError> {
        let tokens = &self.parts().tokens;
        let (auth, record) = self
            .parts()
            .permit_token(caller, id, |record| Operation::RevokeToken { record })
            .await?;
        let record = match record {
            Some(record) => tokens.unless_revoked(record).await?,
            None => tokens.metadata(id).await?,
        };
        // Somebody else may be quicker.
        if record.is_some() && tokens.revoke(id, auth.actor().urn()).await? {
            Ok(())
        } else {
            Err(AccessError::NothingToRevoke)
        }
    }

    /// Revokes the token with this text (RFC 7009), for everybody: who has the text could use the
    /// token, and with it revoke it. So whoever finds a token somewhere can end it.
    ///
    /// # Errors
    ///
    /// [`AccessError::Unavailable`] if it cannot be done now.
    pub async fn revoke_token_by_text(
        &self,
        caller: &Caller,
        text: &str,
    ) -> Result<RevokedByText, AccessError> {
        let auth = self.parts().permit(caller, Operation::RevokeTokenByText).await?;
        let tokens = &self.parts().tokens;
        // The id is a hash of the whole text, so nobody names a token by it who has not the text.
        if tokens.revoke(&tokens.id_of(text), auth.actor().urn()).await? {
            return Ok(RevokedByText::Revoked);
        }
        match tokens.verify(text).await {
            Ok(_) => Ok(RevokedByText::NotStored),
            Err(VerifyError::Store(error)) => Err(error.into()),
            Err(_) => Ok(RevokedByText::NotActive),
        }
    }

    /// Revokes all tokens of somebody that were made until now, for themselves and for who manages
    /// tokens, and so also those of who cannot act any more. That there are none is no error.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; then none was revoked.
    pub async fn revoke_tokens(&self, caller: &Caller, whose: TokensOf) -> Result<(), AccessError> {
        let operation = Operation::RevokeTokens { whose: &whose };
        let auth = self.parts().permit(caller, operation).await?;
        let (TokensOf::Owner(urn) | TokensOf::Actor(urn)) = &whose;
        // As minting does: nobody else has tokens.
        if Urn::corpuser(urn.key()).as_ref() != Ok(urn) {
            return Err(AccessError::NotAUser(urn.clone()));
        }
        let scope = match whose {
            TokensOf::Owner(urn) => RuleScope::Owner(urn),
            TokensOf::Actor(urn) => RuleScope::Actor(urn),
        };
        Ok(self.parts().tokens.revoke_all(scope, auth.actor().urn()).await?)
    }
}

impl Inner {
    /// Lets those pass who manage tokens, without a look at the token, and those whose token it is.
    async fn permit_token<'c>(
        &self,
        caller: &'c Caller,
        id: &TokenId,
        operation: impl for<'a> Fn(Option<&'a TokenRecord>) -> Operation<'a>,
    ) -> Result<(&'c Authentication, Option<TokenRecord>), AccessError> {
        match self.permit(caller, operation(None)).await {
            Ok(auth) => Ok((auth, None)),
            Err(AccessError::Forbidden { .. }) => {
                let record = self.tokens.find(id).await?;
                let auth = self.permit(caller, operation(record.as_ref())).await?;
                Ok((auth, record))
            }
            Err(error) => Err(error),
        }
    }

    async fn mint(
        &self,
        auth: &Authentication,
        request: CreateToken,
    ) -> Result<MintedToken, AccessError> {
        let mut mint = MintRequest::new(request.token_type, request.actor, request.lifetime)
            .owner(auth.actor().urn().clone())
            .name(request.name);
        mint.description = request.description;
        mint.created_via = request.created_via;
        let Parent { id, not_after, restrictions } = self.parent(auth).await?;
        mint.parent = id;
        mint.not_after = not_after;
        mint.restrictions = restrictions;
        Ok(self.tokens.mint(mint).await?)
    }
}

/// DataHub's name of the call, which stands for the name that it does not ask for.
const QUICK: &str = "getAccessToken";
