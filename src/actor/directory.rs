use std::{fmt, sync::Arc};

use crate::{
    actor::{
        ActorProfile, GroupKind, GroupPage, GroupQuery, Urn, User, UserInfo, UserPage, UserQuery,
    },
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
};

/// Who exists, may act, and belongs where. Read only, so that one's own user table can be one.
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// What is known of the user `urn`, read at once and consistently; `None` for a user that was
    /// deleted or never existed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the directory cannot answer: an outage is never "no such user".
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>>;

    /// What is known of these users, each as [`profile`](Self::profile) gives it, in the order of
    /// `urns`. One may be there twice.
    ///
    /// What is remembered is judged anew by this, a few hundred users at a time, after changes may
    /// have been missed. Unless a directory does better, each is looked up by itself.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the directory cannot answer for one of them.
    fn profiles<'a>(
        &'a self,
        urns: &'a [Urn],
    ) -> BoxFuture<'a, Result<Vec<Option<ActorProfile>>, StoreError>> {
        Box::pin(async move {
            let mut profiles = Vec::with_capacity(urns.len());
            for urn in urns {
                profiles.push(self.profile(urn).await?);
            }
            Ok(profiles)
        })
    }
}

/// So that a part chosen at run time, `Arc<dyn Directory>`, is one.
impl<T: Directory + ?Sized> Directory for Arc<T> {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        (**self).profile(urn)
    }

    fn profiles<'a>(
        &'a self,
        urns: &'a [Urn],
    ) -> BoxFuture<'a, Result<Vec<Option<ActorProfile>>, StoreError>> {
        (**self).profiles(urns)
    }
}

/// The directory's write side, and what managing users reads. Every change that can alter a
/// decision is announced in the change feed, in the same transaction.
///
/// A change of a user that does not exist does nothing and returns `false`.
pub trait DirectoryStore: Directory {
    /// Adds the user `urn`, active and without groups and roles; `false` if it exists already (it
    /// is left as it is).
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] for what is no user's urn, and for `anonymous`, by which DataHub
    /// means nobody; any other if the store fails.
    fn create_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Adds the user with everything that is said of it, without groups and roles; `false` if there
    /// is one of this name already (it is left as it is).
    ///
    /// # Errors
    ///
    /// As [`create_user`](Self::create_user).
    fn add_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The user `urn`; `None` for one that was deleted or never existed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<Option<User>, StoreError>>;

    /// Replaces what is told of the user, as of the time `at`. That decides nothing, so it is not
    /// announced.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn set_user_info<'a>(
        &'a self,
        urn: &'a Urn,
        info: &'a UserInfo,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// One page of the users that are looked for, in the order of the texts of their urns. Also
    /// those that were removed or suspended.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn list_users<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<UserPage, StoreError>>;

    /// Deletes the user `urn` for good, with its memberships. In a store that has passwords, too, the
    /// password goes with it, and its sessions end. Its other tokens do not verify while there
    /// is no user of this name. Who wants them dead for ever adds a revocation rule for the actor
    /// first, since a user who is created anew would have them again.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn delete_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Soft-deletes the user, or takes it back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn set_removed<'a>(
        &'a self,
        urn: &'a Urn,
        removed: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Suspends the user, or takes it back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn set_suspended<'a>(
        &'a self,
        urn: &'a Urn,
        suspended: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Replaces the groups of one kind that the user is in. Duplicates count once.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn set_groups<'a>(
        &'a self,
        user: &'a Urn,
        kind: GroupKind,
        groups: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Replaces the roles of a user or a group. Duplicates count once. A group needs no record of
    /// its own, so for groups the answer is always `true`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn set_roles<'a>(
        &'a self,
        holder: &'a Urn,
        roles: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Replaces the roles of each of `holders`, users and groups, by `role` alone, or by none, in
    /// one transaction. Users that do not exist are skipped. Returns how many holders have it so
    /// from now on, each once.
    ///
    /// DataHub: `batchAssignRole`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; then nothing was changed.
    fn assign_role<'a>(
        &'a self,
        role: Option<&'a Urn>,
        holders: &'a [Urn],
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// One page of the groups that are looked for, in the order of the texts of their urns. A group
    /// is there that has members, of either kind, or roles.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn list_groups<'a>(
        &'a self,
        query: &'a GroupQuery,
    ) -> BoxFuture<'a, Result<GroupPage, StoreError>>;

    /// Takes everybody out of the group, and its roles from it, in one transaction; `false` if it
    /// had neither. Nothing is left of it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn delete_group<'a>(&'a self, group: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// The roles that a user or group holds itself, in the order of their texts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn roles_of<'a>(&'a self, holder: &'a Urn) -> BoxFuture<'a, Result<Vec<Urn>, StoreError>>;
}
