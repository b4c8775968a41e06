use super::{Group, User, UserKind};

/// Which users to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserQuery {
    /// Those with this text somewhere in the key of their urn, in the name to show or in the
    /// address for mail; the letters of ASCII in either case. Default all.
    pub text: Option<String>,
    /// Those of this kind. Default all.
    pub kind: Option<UserKind>,
    /// How many to skip. Default 0.
    pub start: u32,
    /// How many to return at most. Default 20.
    pub count: u32,
}

impl Default for UserQuery {
    fn default() -> Self {
        Self { text: None, kind: None, start: 0, count: DEFAULT_COUNT }
    }
}

impl UserQuery {
    /// Sets the text that is looked for.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Sets the kind that is looked for.
    #[must_use]
    pub fn kind(mut self, kind: UserKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// The page of `count` users behind the first `start`.
    #[must_use]
    pub fn page(mut self, start: u32, count: u32) -> Self {
        self.start = start;
        self.count = count;
        self
    }

    /// Whether the user is looked for: what every store's own implementation must agree with.
    #[must_use]
    pub fn matches(&self, user: &User) -> bool {
        let texts =
            [Some(user.urn.key()), user.info.display_name.as_deref(), user.info.email.as_deref()];
        self.kind.is_none_or(|kind| kind == user.kind)
            && self
                .text
                .as_deref()
                .is_none_or(|text| texts.into_iter().flatten().any(|place| contains(place, text)))
    }
}

/// A page of a list of users.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserPage {
    /// The users of this page, in the order of the texts of their urns.
    pub users: Vec<User>,
    /// How many there are on all pages.
    pub total: u64,
}

impl UserPage {
    /// A page with these users, of `total` on all pages: for stores.
    #[must_use]
    pub fn new(users: Vec<User>, total: u64) -> Self {
        Self { users, total }
    }
}

/// Which groups to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupQuery {
    /// Those with this text somewhere in the key of their urn; the letters of ASCII in either
    /// case. Default all.
    pub text: Option<String>,
    /// How many to skip. Default 0.
    pub start: u32,
    /// How many to return at most. Default 20.
    pub count: u32,
}

impl Default for GroupQuery {
    fn default() -> Self {
        Self { text: None, start: 0, count: DEFAULT_COUNT }
    }
}

impl GroupQuery {
    /// Sets the text that is looked for.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The page of `count` groups behind the first `start`.
    #[must_use]
    pub fn page(mut self, start: u32, count: u32) -> Self {
        self.start = start;
        self.count = count;
        self
    }

    /// Whether the group of this urn is looked for: what every store's own implementation must
    /// agree with.
    #[must_use]
    pub fn matches(&self, group: &super::Urn) -> bool {
        self.text.as_deref().is_none_or(|text| contains(group.key(), text))
    }
}

/// A page of a list of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupPage {
    /// The groups of this page, in the order of the texts of their urns.
    pub groups: Vec<Group>,
    /// How many there are on all pages.
    pub total: u64,
}

impl GroupPage {
    /// A page with these groups, of `total` on all pages: for stores.
    #[must_use]
    pub fn new(groups: Vec<Group>, total: u64) -> Self {
        Self { groups, total }
    }
}

fn contains(place: &str, text: &str) -> bool {
    place.to_ascii_lowercase().contains(&text.to_ascii_lowercase())
}

const DEFAULT_COUNT: u32 = 20;
