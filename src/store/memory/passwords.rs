use super::{MemoryStore, State};
use crate::{
    actor::{PasswordHash, PasswordStore, Urn, UserKind},
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    store::check,
    token::{TokenId, TokenType},
};

impl State {
    fn set_password_hash(
        &mut self,
        user: &Urn,
        hash: Option<&PasswordHash>,
        by: &Urn,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(member) = self.users.get(user) else { return Ok(false) };
        match hash {
            Some(_) if member.user.kind == UserKind::ServiceAccount => {
                return Err(check::no_password());
            }
            Some(hash) => self.passwords.insert(user.clone(), hash.clone()),
            None => self.passwords.remove(user),
        };
        self.end_sessions(user, by, at);
        Ok(true)
    }

    /// Ends every session of the user.
    pub(super) fn end_sessions(&mut self, user: &Urn, by: &Urn, at: Timestamp) {
        let sessions = self.tokens.values().filter(|record| {
            record.token_type == Some(TokenType::Session)
                && record.actor == *user
                && record.revoked.is_none()
        });
        for id in sessions.map(|record| record.id).collect::<Vec<TokenId>>() {
            self.revoke(&id, by, at);
        }
    }
}

impl PasswordStore for MemoryStore {
    fn password_hash<'a>(
        &'a self,
        user: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PasswordHash>, StoreError>> {
        Box::pin(async move { Ok(self.state().passwords.get(user).cloned()) })
    }

    fn set_password_hash<'a>(
        &'a self,
        user: &'a Urn,
        hash: Option<&'a PasswordHash>,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.write(|state| state.set_password_hash(user, hash, by, at)) })
    }
}
