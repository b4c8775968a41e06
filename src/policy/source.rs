use std::{fmt, sync::Arc};

use super::{Policy, PolicyRecord};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
};

/// Where policies are read from. Read only, so that somebody else's policies can be one.
pub trait PolicySource: fmt::Debug + Send + Sync + 'static {
    /// All policies there are, whatever their state, from one consistent read: never some from
    /// before a change and some from after it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if they cannot all be read. An outage is never "no policies", and a policy
    /// that cannot be understood is never left out.
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>>;
}

/// So that a part chosen at run time, `Arc<dyn PolicySource>`, is one.
impl<T: PolicySource + ?Sized> PolicySource for Arc<T> {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        (**self).policies()
    }
}

/// The write side of policies. Every change is announced in the change feed, in the same
/// transaction; what changes nothing announces nothing.
///
/// Nothing is checked here but what the store needs: who may write what, and whether a policy makes
/// sense ([`Policy::validate`](super::Policy::validate)), is up to the caller.
pub trait PolicyStore: PolicySource {
    /// The policy of this urn, or `None`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn policy<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PolicyRecord>, StoreError>>;

    /// Writes all of `records`, or none; each replaces what was stored under its urn. Of two with
    /// the same urn, the later one stays.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; nothing was written then.
    fn put_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Writes `new` in place of the policy of this urn, if that is still `expected`, in one step:
    /// nobody else's change comes in between. `false`, and nothing is written, if it is another one,
    /// or is not there any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; nothing was written then.
    fn replace_policy<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
        new: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Deletes the policy of this urn for good, if it is still `expected`, in one step; `false`, and
    /// nothing is deleted, if it is another one, or is not there any more.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; nothing was deleted then.
    fn delete_policy_if<'a>(
        &'a self,
        urn: &'a Urn,
        expected: &'a Policy,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Deletes the policy of this urn for good; `false` if there was none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn delete_policy<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Loads default policies, all or none, by DataHub's rule: one that is not editable
    /// replaces what is stored, an editable one is written only if nothing is stored under its urn.
    /// Gives how many records differ from before, so that loading the same again gives 0 and
    /// announces nothing.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; nothing was written then.
    fn seed_policies<'a>(
        &'a self,
        records: &'a [PolicyRecord],
    ) -> BoxFuture<'a, Result<usize, StoreError>>;
}
