use super::{Access, AccessError, Caller, input, permission::Operation, roles};
use crate::actor::{GroupPage, GroupQuery, Urn, User, UserPage, UserQuery};

/// Users, groups and roles, as far as tokens and policies need them.
impl Access {
    /// A user, for itself, for who manages users and groups, and for who may read that entity;
    /// `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`AccessError`]: who may not read it is not told whether it is there.
    pub async fn user(&self, caller: &Caller, urn: &Urn) -> Result<Option<User>, AccessError> {
        self.parts().permit(caller, Operation::ReadUser { urn }).await?;
        Ok(self.parts().directory.user(urn).await?)
    }

    /// One page of the users, up to 1,000, for who manages users and groups.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn list_users(
        &self,
        caller: &Caller,
        query: &UserQuery,
    ) -> Result<UserPage, AccessError> {
        self.parts().permit(caller, Operation::ListUsers).await?;
        input::page(query.start, query.count)?;
        Ok(self.parts().directory.list_users(query).await?)
    }

    /// One page of the groups, up to 1,000, for who manages users and groups.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn list_groups(
        &self,
        caller: &Caller,
        query: &GroupQuery,
    ) -> Result<GroupPage, AccessError> {
        self.parts().permit(caller, Operation::ListGroups).await?;
        input::page(query.start, query.count)?;
        Ok(self.parts().directory.list_groups(query).await?)
    }

    /// Gives each of `holders` this role alone, or none, and returns how many have it so from now on;
    /// for who manages policies. Users who do not exist, and what is neither user nor group, are
    /// skipped.
    ///
    /// # Errors
    ///
    /// [`AccessError::UnknownRole`] for a role that [`list_roles`](Self::list_roles) does not have;
    /// [`AccessError::Page`] for more than 1,000 holders. Then nothing was changed.
    pub async fn assign_role(
        &self,
        caller: &Caller,
        role: Option<&Urn>,
        holders: &[Urn],
    ) -> Result<u64, AccessError> {
        self.parts().permit(caller, Operation::AssignRole).await?;
        if let Some(role) = role
            && !roles::all().iter().any(|known| known.urn == *role)
        {
            return Err(AccessError::UnknownRole(role.clone()));
        }
        if holders.len() > MAX_HOLDERS as usize {
            return Err(AccessError::Page { what: "the number of actors", most: MAX_HOLDERS });
        }
        Ok(self.parts().directory.assign_role(role, holders).await?)
    }

    /// Suspends a user, or takes it back; for who manages users and groups. What a suspended user
    /// asks for is refused from then on, within the
    /// [bound](crate::config::ConfigBuilder::revocation_bound). The tokens that they made for others
    /// stay good: [`revoke_tokens`](Self::revoke_tokens) ends these.
    ///
    /// # Errors
    ///
    /// [`AccessError::UserNotFound`].
    pub async fn set_suspended(
        &self,
        caller: &Caller,
        urn: &Urn,
        suspended: bool,
    ) -> Result<(), AccessError> {
        self.parts().permit(caller, Operation::SuspendUser).await?;
        if self.parts().directory.set_suspended(urn, suspended).await? {
            Ok(())
        } else {
            Err(AccessError::UserNotFound(urn.clone()))
        }
    }
}

const MAX_HOLDERS: u32 = 1_000;
