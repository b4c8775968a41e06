mod known;

use std::{
    borrow::{Borrow, Cow},
    fmt,
};

use serde::{Deserialize, Serialize};

/// Something that a policy can grant, by its id, such as `EDIT_ENTITY`.
///
/// Ids are opaque and compared exactly. No privilege implies another: who accepts either of two
/// asks for a [`Requirement`](super::Requirement). The ids that DataHub knows are constants here;
/// ids of one's own work just as well.
///
/// ```
/// use tower_pat::policy::Privilege;
///
/// const SHIP_ORDERS: Privilege = Privilege::from_static("SHIP_ORDERS");
///
/// assert_eq!(Privilege::VIEW_ENTITY_PAGE.as_str(), "VIEW_ENTITY_PAGE");
/// assert_eq!(SHIP_ORDERS, Privilege::new(String::from("SHIP_ORDERS")));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Privilege(Cow<'static, str>);

impl Privilege {
    /// The privilege with this id.
    #[must_use]
    pub fn new(id: impl Into<Cow<'static, str>>) -> Self {
        Self(id.into())
    }

    /// The privilege with this id, for constants.
    #[must_use]
    pub const fn from_static(id: &'static str) -> Self {
        Self(Cow::Borrowed(id))
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Privilege {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Hash, Eq and Ord are those of the id, so that maps keyed by privileges can be asked with a text.
impl Borrow<str> for Privilege {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn known_privileges_are_102_and_distinct() {
        let ids: BTreeSet<&str> = Privilege::KNOWN.iter().map(Privilege::as_str).collect();
        assert_eq!(Privilege::KNOWN.len(), 102);
        assert_eq!(ids.len(), 102);
    }

    #[test]
    fn a_privilege_is_a_text_in_json() {
        let privilege: Privilege = serde_json::from_str("\"EDIT_ENTITY\"").unwrap();
        assert_eq!(privilege, Privilege::EDIT_ENTITY);
        assert_eq!(serde_json::to_string(&privilege).unwrap(), "\"EDIT_ENTITY\"");
    }

    #[test]
    fn ids_are_compared_exactly() {
        assert_ne!(Privilege::new("edit_entity"), Privilege::EDIT_ENTITY);
    }
}
