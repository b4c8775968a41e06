use std::collections::BTreeSet;

use super::{MemoryStore, State};
use crate::{
    actor::{
        ActorProfile, Directory, DirectoryStore, Group, GroupKind, GroupPage, GroupQuery, Urn,
        User, UserInfo, UserPage, UserQuery,
    },
    backend::{BoxFuture, StoreError},
    clock::{Clock, SystemClock, Timestamp},
    feed::Change,
    store::{check, holder::is_group},
};

#[derive(Debug)]
pub(super) struct Member {
    pub(super) user: User,
    groups: BTreeSet<Urn>,
    native_groups: BTreeSet<Urn>,
}

impl Member {
    fn is_in(&self, group: &Urn) -> bool {
        self.groups.contains(group) || self.native_groups.contains(group)
    }
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
            removed: user.user.removed,
            suspended: user.user.suspended,
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
    fn change_user(&mut self, urn: &Urn, change: impl FnOnce(&mut Member) -> bool) -> bool {
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

    fn add_user(&mut self, user: &User) -> bool {
        if self.users.contains_key(&user.urn) {
            return false;
        }
        let (groups, native_groups) = (BTreeSet::new(), BTreeSet::new());
        let member = Member { user: user.clone(), groups, native_groups };
        self.users.insert(user.urn.clone(), member);
        self.announce(Change::Actor(user.urn.clone()));
        true
    }

    fn list_users(&self, query: &UserQuery) -> UserPage {
        let users = self.users.values().map(|member| &member.user);
        let (users, total) =
            page(users.filter(|user| query.matches(user)), query.start, query.count);
        UserPage { users: users.into_iter().cloned().collect(), total }
    }

    fn assign_role(&mut self, role: Option<&Urn>, holders: &[Urn]) -> u64 {
        let roles: Vec<Urn> = role.into_iter().cloned().collect();
        let assigned = set(holders).iter().filter(|holder| self.set_roles(holder, &roles)).count();
        assigned.try_into().unwrap_or(u64::MAX)
    }

    fn list_groups(&self, query: &GroupQuery) -> GroupPage {
        let members = self.users.values().flat_map(|member| &member.groups);
        let native_members = self.users.values().flat_map(|member| &member.native_groups);
        let holders = self.roles.keys().filter(|holder| is_group(holder));
        let groups: BTreeSet<&Urn> = members
            .chain(native_members)
            .chain(holders)
            .filter(|group| query.matches(group))
            .collect();
        let (groups, total) = page(groups, query.start, query.count);
        GroupPage { groups: groups.into_iter().map(|urn| self.group(urn)).collect(), total }
    }

    fn group(&self, urn: &Urn) -> Group {
        let members = self.users.values().filter(|member| member.is_in(urn)).count();
        let mut group = Group::new(urn.clone());
        group.members = members.try_into().unwrap_or(u64::MAX);
        group.roles = self.roles_of(urn);
        group
    }

    fn delete_group(&mut self, group: &Urn) -> bool {
        let mut was_there = is_group(group) && self.roles.remove(group).is_some();
        for member in self.users.values_mut() {
            was_there |= member.groups.remove(group) | member.native_groups.remove(group);
        }
        if was_there {
            self.announce(Change::Group(group.clone()));
        }
        was_there
    }
}

/// The part of `all` that is on a page, and how many there are in all.
fn page<T>(all: impl IntoIterator<Item = T>, start: u32, count: u32) -> (Vec<T>, u64) {
    let (mut page, mut total) = (Vec::new(), 0);
    let (start, end) = (u64::from(start), u64::from(start) + u64::from(count));
    for item in all {
        if (start..end).contains(&total) {
            page.push(item);
        }
        total += 1;
    }
    (page, total)
}

impl Directory for MemoryStore {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        Box::pin(async move { Ok(self.state().profile(urn)) })
    }

    fn profiles<'a>(
        &'a self,
        urns: &'a [Urn],
    ) -> BoxFuture<'a, Result<Vec<Option<ActorProfile>>, StoreError>> {
        Box::pin(async move {
            let state = self.state();
            Ok(urns.iter().map(|urn| state.profile(urn)).collect())
        })
    }
}

impl DirectoryStore for MemoryStore {
    fn create_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { self.add_user(&User::new(urn.clone())).await })
    }

    fn add_user<'a>(&'a self, user: &'a User) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            check::user(&user.urn)?;
            Ok(self.write(|state| state.add_user(user)))
        })
    }

    fn user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<Option<User>, StoreError>> {
        Box::pin(async move { Ok(self.state().users.get(urn).map(|member| member.user.clone())) })
    }

    fn set_user_info<'a>(
        &'a self,
        urn: &'a Urn,
        info: &'a UserInfo,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                let Some(member) = state.users.get_mut(urn) else { return false };
                member.user.info = info.clone();
                member.user.updated_at = Some(at);
                true
            }))
        })
    }

    fn list_users<'a>(
        &'a self,
        query: &'a UserQuery,
    ) -> BoxFuture<'a, Result<UserPage, StoreError>> {
        Box::pin(async move { Ok(self.state().list_users(query)) })
    }

    fn delete_user<'a>(&'a self, urn: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                if state.users.remove(urn).is_none() {
                    return false;
                }
                state.roles.remove(urn);
                state.passwords.remove(urn);
                state.end_sessions(urn, urn, SystemClock::default().now());
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
            Ok(self.write(|state| {
                state.change_user(urn, |user| replace(&mut user.user.removed, removed))
            }))
        })
    }

    fn set_suspended<'a>(
        &'a self,
        urn: &'a Urn,
        suspended: bool,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            Ok(self.write(|state| {
                state.change_user(urn, |user| replace(&mut user.user.suspended, suspended))
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

    fn assign_role<'a>(
        &'a self,
        role: Option<&'a Urn>,
        holders: &'a [Urn],
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.assign_role(role, holders))) })
    }

    fn list_groups<'a>(
        &'a self,
        query: &'a GroupQuery,
    ) -> BoxFuture<'a, Result<GroupPage, StoreError>> {
        Box::pin(async move { Ok(self.state().list_groups(query)) })
    }

    fn delete_group<'a>(&'a self, group: &'a Urn) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.delete_group(group))) })
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
