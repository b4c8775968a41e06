use std::{fmt, sync::Arc};

use crate::{
    actor::{ActorProfile, GroupKind, Urn},
    backend::{BoxFuture, StoreError},
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
}

/// So that a part chosen at run time, `Arc<dyn Directory>`, is one.
impl<T: Directory + ?Sized> Directory for Arc<T> {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        (**self).profile(urn)
    }
}

/// The directory's write side. Every change is announced in the change feed, in the same
/// transaction.
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

    /// Deletes the user `urn` for good, with its memberships. Its tokens do not verify while there
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

    /// The roles that a user or group holds itself, in the order of their texts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn roles_of<'a>(&'a self, holder: &'a Urn) -> BoxFuture<'a, Result<Vec<Urn>, StoreError>>;
}
