use super::{Access, AccessError, Caller, permission::Operation};
use crate::{token::KeyId, token_service::KeyOverview};

/// Keys, for who has `MANAGE_SYSTEM_OPERATIONS`. DataHub has one key, and nothing to manage.
///
/// That privilege alone is enough for what otherwise takes managing tokens: retiring a key ends all
/// that it signed, and adding it takes that back, also for a key that leaked. A rule of scope
/// [`Key`](crate::token::RuleScope::Key) ([`Access::add_rule`]) is for those who manage tokens, and
/// cannot be taken back.
///
/// For a key that leaked, promote another one, add such a rule, and then retire the key: the rule also
/// ends what was made with the key's tokens and signed with another one.
///
/// How to replace a key while serving:
///
/// 1. Configure the new one on every node as one that verifies
///    ([`Config::reload_keys`](crate::Config::reload_keys), or a restart of one after the other).
/// 2. [Promote](Self::promote_key) it: it signs from then on, on every node.
/// 3. When no good token needs the old one any more ([`keys`](Self::keys)), or when those that do shall
///    end, [retire](Self::retire_key) it, and only then take it out of the configuration: a node that
///    lacks a key which is not retired answers 503 where it cannot tell its tokens from forged ones.
///
/// Tokens of version 1 and those whose record does not say the key are counted for no key; what
/// [`Authenticator::key_uses`](crate::Authenticator::key_uses) counts on every node is all that tells
/// of them.
impl Access {
    /// All keys, as this node sees them, with how many tokens need each.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn keys(&self, caller: &Caller) -> Result<KeyOverview, AccessError> {
        self.parts().permit(caller, Operation::ReadKeys).await?;
        Ok(self.parts().tokens.keys().await?)
    }

    /// Makes a key verify that is retired, or that the store does not know. Returns whether that made
    /// a difference.
    ///
    /// # Errors
    ///
    /// [`AccessError::KeyChange`] if this node does not have the key.
    pub async fn add_key(&self, caller: &Caller, id: KeyId) -> Result<bool, AccessError> {
        let auth = self.parts().permit(caller, Operation::ChangeKeys).await?;
        Ok(self.parts().tokens.add_key(id, auth.actor().urn()).await?)
    }

    /// Makes a key sign, on every node. Returns whether that made a difference.
    ///
    /// # Errors
    ///
    /// [`AccessError::KeyChange`] if this node does not have the key, or it is retired.
    pub async fn promote_key(&self, caller: &Caller, id: KeyId) -> Result<bool, AccessError> {
        let auth = self.parts().permit(caller, Operation::ChangeKeys).await?;
        Ok(self.parts().tokens.promote_key(id, auth.actor().urn()).await?)
    }

    /// Retires a key: the tokens that it signed are refused, on every node. Returns whether that made
    /// a difference.
    ///
    /// # Errors
    ///
    /// [`AccessError::KeyChange`] if the key signs, if none was ever promoted, or if there is no such
    /// key.
    pub async fn retire_key(&self, caller: &Caller, id: KeyId) -> Result<bool, AccessError> {
        let auth = self.parts().permit(caller, Operation::ChangeKeys).await?;
        Ok(self.parts().tokens.retire_key(id, auth.actor().urn()).await?)
    }
}
