use std::{collections::BTreeSet, fmt};

use super::Urn;

/// Somebody who asks, with everything that decides what they may do.
#[derive(Clone, PartialEq, Eq)]
pub struct Actor {
    urn: Urn,
    groups: BTreeSet<Urn>,
    roles: BTreeSet<Urn>,
}

impl Actor {
    /// An actor without groups and roles.
    #[must_use]
    pub fn new(urn: Urn) -> Self {
        Self { urn, groups: BTreeSet::new(), roles: BTreeSet::new() }
    }

    /// The actor that the directory describes: external and native groups are one, and so are
    /// direct roles and those held through a group (DataHub: `DataHubAuthorizer`).
    #[must_use]
    pub fn from_profile(urn: Urn, profile: ActorProfile) -> Self {
        let ActorProfile { groups, native_groups, roles, group_roles, .. } = profile;
        Self {
            urn,
            groups: groups.into_iter().chain(native_groups).collect(),
            roles: roles.into_iter().chain(group_roles).collect(),
        }
    }

    /// Adds a group that the actor is in.
    #[must_use]
    pub fn with_group(mut self, group: Urn) -> Self {
        self.groups.insert(group);
        self
    }

    /// Adds a role that the actor holds.
    #[must_use]
    pub fn with_role(mut self, role: Urn) -> Self {
        self.roles.insert(role);
        self
    }

    /// The actor's name, such as `urn:li:corpuser:datahub`.
    #[must_use]
    pub fn urn(&self) -> &Urn {
        &self.urn
    }

    /// The part of the urn that DataHub calls the actor's id, such as `datahub`.
    #[must_use]
    pub fn id(&self) -> &str {
        self.urn.key()
    }

    /// The groups the actor is in, of either kind.
    #[must_use]
    pub fn groups(&self) -> impl ExactSizeIterator<Item = &Urn> {
        self.groups.iter()
    }

    /// The roles the actor holds, itself or through a group.
    #[must_use]
    pub fn roles(&self) -> impl ExactSizeIterator<Item = &Urn> {
        self.roles.iter()
    }

    /// Whether the actor is in the group of this urn.
    #[must_use]
    pub fn is_in_group(&self, urn: &str) -> bool {
        self.groups.contains(urn)
    }

    /// Whether the actor holds the role of this urn.
    #[must_use]
    pub fn has_role(&self, urn: &str) -> bool {
        self.roles.contains(urn)
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("urn", &self.urn)
            .field("groups", &self.groups)
            .field("roles", &self.roles)
            .finish()
    }
}

/// What the directory knows of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActorProfile {
    /// Soft-deleted (DataHub: aspect `status`).
    pub removed: bool,
    /// Suspended (DataHub: aspect `corpUserStatus`).
    pub suspended: bool,
    /// External groups, from ingestion or single sign-on (aspect `groupMembership`).
    pub groups: Vec<Urn>,
    /// Groups managed here (aspect `nativeGroupMembership`).
    pub native_groups: Vec<Urn>,
    /// Roles of the user itself (aspect `roleMembership`).
    pub roles: Vec<Urn>,
    /// Roles of the user's groups, of either kind.
    pub group_roles: Vec<Urn>,
}

impl ActorProfile {
    /// Why the user may not act, if so.
    #[must_use]
    pub fn inactive(&self) -> Option<Inactive> {
        if self.removed {
            Some(Inactive::Removed)
        } else if self.suspended {
            Some(Inactive::Suspended)
        } else {
            None
        }
    }
}

/// Why an actor may not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inactive {
    /// Hard-deleted, or never there.
    NotFound,
    /// Soft-deleted.
    Removed,
    /// Suspended.
    Suspended,
}

impl fmt::Display for Inactive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Removed => "removed",
            Self::Suspended => "suspended",
        })
    }
}

/// Where a group membership comes from. Decisions do not tell the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupKind {
    /// From ingestion or single sign-on (aspect `groupMembership`).
    External,
    /// Managed here (aspect `nativeGroupMembership`).
    Native,
}
