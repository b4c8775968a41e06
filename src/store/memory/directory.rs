use std::collections::BTreeSet;

use super::{MemoryStore, State};
use crate::{
    actor::{ActorProfile, Directory, DirectoryStore, GroupKind, Urn},
    backend::{BoxFuture, StoreError},
    feed::Change,
    store::{check, holder::is_group},
};

#[derive(Debug, Default)]
pub(super) struct User {
    removed: bool,
    suspended: bool,
    groups: BTreeSet<Urn>,
    native_groups: BTreeSet<Urn>,
}

impl State {
    fn profile(&self, urn: &Urn) -> Option<ActorProfile> {
        let user = self.users.get(urn)?;
        let group_roles: BTreeSet<&Urn> = user
            .groups
            .union(&user.native_groups)
            .filter_map(|group| self.roles.get(group))
            .flatten()
            .collect();
        Some(ActorProfile {
            removed: user.removed,
            suspended: user.suspended,
            groups: user.groups.iter().cloned().collect(),
            native_groups: user.native_groups.iter().cloned().collect(),
            roles: self.roles_of(urn),
            group_roles: group_roles.into_iter().cloned().collect(),
        })
    }

    fn roles_of(&self, holder: &Urn) -> Vec<Urn> {
        self.roles.get(holder).into_iter().flatten().cloned().collect()
    }

    /// Changes a user by `change`, which says whether that made a difference; `false` if there is
    /// none.
    fn change_user(&mut self, urn: &Urn, change: impl FnOnce(&mut User) -> bool) -> bool {
        let Some(user) = self.users.get_mut(urn) else { return false };
        if change(user) {
            self.announce(Change::Actor(urn.clone()));
        }
        true
    }

    fn set_roles(&mut self, holder: &Urn, roles: &[Urn]) -> bool {
        let change = if is_group(holder) { Change::Group } else { Change::Actor };
        if !is_group(holder) && !self.users.contains_key(holder) {
            return false;
        }
        let roles = set(roles);
        let before = if roles.is_empty() {
            self.roles.remove(holder)
        } else {
            self.roles.insert(holder.clone(), roles.clone())
        };
        if before.unwrap_or_default() != roles {
            self.announce(change(holder.clone()));
        }
        true
    }
}

impl Directory for MemoryStore {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        Box::pin(async move { Ok(self.state().profile(urn)) })
    }
}

impl DirectoryStore for MemoryStore {
    fn create_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            check::user(urn)?;
            Ok(self.write(|state| {
                if state.users.contains_key(urn) {
                    return false;
                }
                state.users.insert(urn.clone(), User::default());
                state.announce(Change::Actor(urn.clone()));
                true
            }))
        })
    }

    fn delete_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                if state.users.remove(urn).is_none() {
                    return false;
                }
                state.roles.remove(urn);
                state.announce(Change::Actor(urn.clone()));
                true
            }))
        })
    }

    fn set_removed<'a>(
        &'a self,
        urn: &'a Urn,
        removed: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self
                .write(|state| state.change_user(urn, |user| replace(&mut user.removed, removed))))
        })
    }

    fn set_suspended<'a>(
        &'a self,
        urn: &'a Urn,
        suspended: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                state.change_user(urn, |user| replace(&mut user.suspended, suspended))
            }))
        })
    }

    fn set_groups<'a>(
        &'a self,
        user: &'a Urn,
        kind: GroupKind,
        groups: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                state.change_user(user, |user| {
                    let place = match kind {
                        GroupKind::External => &mut user.groups,
                        GroupKind::Native => &mut user.native_groups,
                    };
                    replace(place, set(groups))
                })
            }))
        })
    }

    fn set_roles<'a>(
        &'a self,
        holder: &'a Urn,
        roles: &'a [Urn],
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.set_roles(holder, roles))) })
    }

    fn roles_of<'a>(&'a self, holder: &'a Urn) -> BoxFuture<'a, Result<Vec<Urn>, StoreError>> {
        Box::pin(async move { Ok(self.state().roles_of(holder)) })
    }
}

/// Puts `value` in its place; whether that made a difference.
fn replace<T: PartialEq>(place: &mut T, value: T) -> bool {
    let differs = *place != value;
    *place = value;
    differs
}

fn set(urns: &[Urn]) -> BTreeSet<Urn> {
    urns.iter().cloned().collect()
}
