use super::{
    Access, AccessError, Caller, input,
    permission::{Operation, USER},
};
use crate::{
    actor::{Urn, User, UserInfo, UserKind, UserPage, UserQuery},
    token::RuleScope,
};

/// What service account to make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewServiceAccount {
    /// The name to show: up to 255 characters. Default, also if it is blank, its id.
    pub display_name: Option<String>,
    /// What it is for: up to 500 characters. Default none. It is kept as the account's title, as in
    /// DataHub.
    pub description: Option<String>,
}

impl NewServiceAccount {
    /// Sets the name to show.
    #[must_use]
    pub fn display_name(mut self, display_name: impl Into<String>) -> Self {
        self.display_name = Some(display_name.into());
        self
    }

    /// Sets what it is for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }
}

/// Service accounts: users who are machines, known by their [kind](UserKind) and not by their name.
/// All of this is for who has `MANAGE_SERVICE_ACCOUNTS`, and nothing is looked up for others.
impl Access {
    /// Makes a service account, `urn:li:corpuser:service_` and a random UUID.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; then there is none.
    pub async fn create_service_account(
        &self,
        caller: &Caller,
        info: NewServiceAccount,
    ) -> Result<User, AccessError> {
        let parts = self.parts();
        let auth = parts.permit(caller, Operation::CreateServiceAccount).await?;
        input::description(info.description.as_deref())?;
        let urn = parts.new_urn(USER, "service_")?;
        let name = match info.display_name {
            Some(name) if !name.trim().is_empty() => {
                input::display_name(&name)?;
                name
            }
            _ => urn.key().to_owned(),
        };
        let mut told = UserInfo::default().display_name(name);
        told.title = info.description;
        let account = User::new(urn)
            .kind(UserKind::ServiceAccount)
            .info(told)
            .created(parts.now(), auth.actor().urn().clone());
        if parts.directory.add_user(&account).await? {
            Ok(account)
        } else {
            Err(AccessError::Conflict)
        }
    }

    /// The service account of this urn; `None` if there is none, or if it is a person.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn service_account(
        &self,
        caller: &Caller,
        urn: &Urn,
    ) -> Result<Option<User>, AccessError> {
        self.parts().permit(caller, Operation::ReadServiceAccount).await?;
        let user = self.parts().directory.user(urn).await?;
        Ok(user.filter(|user| user.kind == UserKind::ServiceAccount))
    }

    /// One page of the service accounts, up to 1,000. The kind in the query is not looked at.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn list_service_accounts(
        &self,
        caller: &Caller,
        query: UserQuery,
    ) -> Result<UserPage, AccessError> {
        self.parts().permit(caller, Operation::ListServiceAccounts).await?;
        input::page(query.start, query.count)?;
        Ok(self.parts().directory.list_users(&query.kind(UserKind::ServiceAccount)).await?)
    }

    /// Deletes a service account and revokes its tokens for ever, these first, and afterwards those
    /// that were made in the meantime.
    ///
    /// # Errors
    ///
    /// [`AccessError::ServiceAccountNotFound`], also for a person. If the store fails before the
    /// account is deleted, the tokens are revoked, the account is there, and it can be deleted again.
    pub async fn delete_service_account(
        &self,
        caller: &Caller,
        urn: &Urn,
    ) -> Result<(), AccessError> {
        let parts = self.parts();
        let auth = parts.permit(caller, Operation::DeleteServiceAccount).await?;
        let user = parts.directory.user(urn).await?;
        if user.is_none_or(|user| user.kind != UserKind::ServiceAccount) {
            return Err(AccessError::ServiceAccountNotFound(urn.clone()));
        }
        let revoke_all =
            || parts.tokens.revoke_all(RuleScope::Actor(urn.clone()), auth.actor().urn());
        revoke_all().await?;
        let was_there = parts.directory.delete_user(urn).await?;
        // Also what was made in the meantime, while the account was still there.
        revoke_all().await?;
        if was_there { Ok(()) } else { Err(AccessError::ServiceAccountNotFound(urn.clone())) }
    }
}
