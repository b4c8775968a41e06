use super::{Access, AccessError, Caller, input, permission::Operation};
use crate::{
    actor::Urn,
    clock::Timestamp,
    token::{RevocationRule, RuleScope},
    token_service::RulePage,
};

/// Revocation rules: everything of somebody, of a key, or of all, by one record. DataHub has none.
impl Access {
    /// Revokes every token and session in `scope` that was made before `issued_before`, or until now.
    /// For who manages tokens; for everybody what acts as themselves, and what they made. There is no
    /// way back: a rule can only be made to reach further.
    ///
    /// Dates are those of the node that made the token. If the clocks of nodes differ by a second, a
    /// token that was made up to a second before now may be left out.
    ///
    /// Returns the rule that is in force for the scope: this one, or one that was there before and
    /// reaches further.
    ///
    /// Revokes also the token by which it is asked for, if the rule covers that. So whoever finds
    /// somebody's token can end all of that user's tokens and sessions by one call; one by one, that
    /// token could be used for it as well.
    ///
    /// Tokens of version 1 do not say when they were made: any rule for their actor, their key or all
    /// revokes them, however early its date.
    ///
    /// # Errors
    ///
    /// [`AccessError::RuleInFuture`] for a time to come: what is made until then would never be good;
    /// [`AccessError::NotAUser`] for an actor or owner that is none. Then nothing was revoked. After
    /// [`AccessError::Unavailable`] the rule may be in force; it can be asked for once more.
    pub async fn add_rule(
        &self,
        caller: &Caller,
        scope: RuleScope,
        issued_before: Option<Timestamp>,
    ) -> Result<RevocationRule, AccessError> {
        let parts = self.parts();
        let auth = parts.permit(caller, Operation::AddRule { scope: &scope }).await?;
        if let RuleScope::Actor(urn) | RuleScope::Owner(urn) = &scope {
            // As minting does: nobody else has tokens.
            if Urn::corpuser(urn.key()).as_ref() != Ok(urn) {
                return Err(AccessError::NotAUser(urn.clone()));
            }
        }
        let until_now = parts.tokens.until_now();
        let issued_before = issued_before.unwrap_or(until_now);
        if issued_before > until_now {
            return Err(AccessError::RuleInFuture);
        }
        let rule = RevocationRule { scope, issued_before, by: auth.actor().urn().clone() };
        Ok(parts.tokens.add_rule(&rule).await?)
    }

    /// One page of the revocation rules, up to 1,000, for who manages tokens.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn list_rules(
        &self,
        caller: &Caller,
        start: u32,
        count: u32,
    ) -> Result<RulePage, AccessError> {
        self.parts().permit(caller, Operation::ListRules).await?;
        input::page(start, count)?;
        Ok(self.parts().tokens.list_rules(start, count).await?)
    }
}
