use super::Urn;
use crate::clock::Timestamp;

/// A user as people see it. What decides what they may do is their
/// [`ActorProfile`](super::ActorProfile).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct User {
    /// The user's name, such as `urn:li:corpuser:datahub`.
    pub urn: Urn,
    /// Person or machine.
    pub kind: UserKind,
    /// What is told of the user.
    pub info: UserInfo,
    /// Soft-deleted (DataHub: aspect `status`).
    pub removed: bool,
    /// Suspended (DataHub: aspect `corpUserStatus`).
    pub suspended: bool,
    /// When the user was added, if that is known.
    pub created_at: Option<Timestamp>,
    /// Who added the user, if that is known.
    pub created_by: Option<Urn>,
    /// When `info` was set last, if that is known.
    pub updated_at: Option<Timestamp>,
}

impl User {
    /// A person who is active, and of whom nothing else is known.
    #[must_use]
    pub fn new(urn: Urn) -> Self {
        Self {
            urn,
            kind: UserKind::Person,
            info: UserInfo::default(),
            removed: false,
            suspended: false,
            created_at: None,
            created_by: None,
            updated_at: None,
        }
    }

    /// Sets the kind. Default a person.
    #[must_use]
    pub fn kind(mut self, kind: UserKind) -> Self {
        self.kind = kind;
        self
    }

    /// Sets what is told of the user. Default nothing.
    #[must_use]
    pub fn info(mut self, info: UserInfo) -> Self {
        self.info = info;
        self
    }

    /// Sets when and by whom the user was added. Default unknown.
    #[must_use]
    pub fn created(mut self, at: Timestamp, by: Urn) -> Self {
        self.created_at = Some(at);
        self.created_by = Some(by);
        self
    }
}

/// Person or machine (DataHub: aspect `subTypes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UserKind {
    /// A person.
    Person,
    /// A service account (`SERVICE_ACCOUNT`).
    ServiceAccount,
}

/// What is told of a user (DataHub: aspects `corpUserInfo` and `corpUserEditableInfo`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserInfo {
    /// The name to show.
    pub display_name: Option<String>,
    /// The title; of a service account, what it is for.
    pub title: Option<String>,
    /// The address for mail.
    pub email: Option<String>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
}

impl UserInfo {
    /// Sets the name to show. Default none.
    #[must_use]
    pub fn display_name(mut self, display_name: impl Into<String>) -> Self {
        self.display_name = Some(display_name.into());
        self
    }

    /// Sets the title; of a service account, what it is for. Default none.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets the address for mail. Default none.
    #[must_use]
    pub fn email(mut self, email: impl Into<String>) -> Self {
        self.email = Some(email.into());
        self
    }

    /// Sets the first name. Default none.
    #[must_use]
    pub fn first_name(mut self, first_name: impl Into<String>) -> Self {
        self.first_name = Some(first_name.into());
        self
    }

    /// Sets the last name. Default none.
    #[must_use]
    pub fn last_name(mut self, last_name: impl Into<String>) -> Self {
        self.last_name = Some(last_name.into());
        self
    }
}

/// A group: it has no record of its own, and is known by its members or its roles.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// The group's name, such as `urn:li:corpGroup:admins`.
    pub urn: Urn,
    /// How many users are in it, of either [`GroupKind`](super::GroupKind).
    pub members: u64,
    /// The roles it holds, in the order of their texts.
    pub roles: Vec<Urn>,
}

impl Group {
    /// A group without members and roles.
    #[must_use]
    pub fn new(urn: Urn) -> Self {
        Self { urn, members: 0, roles: Vec::new() }
    }
}
