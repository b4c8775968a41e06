use std::{fmt, slice};

use super::Privilege;

/// What a caller asks for: any one of several sets of privileges, each set in full.
///
/// Every privilege is decided on its own, about the same resource, so that the privileges of one
/// set may come from different policies. A requirement without sets, and a set without privileges,
/// is never met.
///
/// ```
/// use tower_pat::policy::{Privilege, Requirement};
///
/// let manage_tokens = Requirement::from(Privilege::MANAGE_ACCESS_TOKENS)
///     .or(Requirement::all_of([Privilege::EDIT_ENTITY, Privilege::DELETE_ENTITY]));
/// assert_eq!(
///     manage_tokens.to_string(),
///     "MANAGE_ACCESS_TOKENS, or EDIT_ENTITY and DELETE_ENTITY",
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Requirement(Inner);

// Most requirements are one privilege, often a constant: these are made without allocating.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Inner {
    One(Privilege),
    AnyOfAllOf(Vec<Vec<Privilege>>),
}

impl Requirement {
    /// Any one of these privileges.
    pub fn any_of(privileges: impl IntoIterator<Item = Privilege>) -> Self {
        Self::from_sets(privileges.into_iter().map(|privilege| vec![privilege]).collect())
    }

    /// All of these privileges.
    pub fn all_of(privileges: impl IntoIterator<Item = Privilege>) -> Self {
        Self::from_sets(vec![privileges.into_iter().collect()])
    }

    /// Either this or `other`.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut sets = self.into_sets();
        sets.extend(other.into_sets());
        Self::from_sets(sets)
    }

    /// Both this and `other`: each set of one joined with each set of the other, which is how
    /// DataHub makes MANAGE of UPDATE and DELETE. Never met if either never is.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let (left, right) = (self.into_sets(), other.into_sets());
        let mut sets: Vec<Vec<Privilege>> = Vec::new();
        for one in left.iter().filter(|set| !set.is_empty()) {
            for two in right.iter().filter(|set| !set.is_empty()) {
                let mut joined: Vec<Privilege> = Vec::with_capacity(one.len() + two.len());
                for privilege in one.iter().chain(two) {
                    if !joined.contains(privilege) {
                        joined.push(privilege.clone());
                    }
                }
                if !sets.contains(&joined) {
                    sets.push(joined);
                }
            }
        }
        Self::from_sets(sets)
    }

    /// The sets of privileges, of which one has to be held in full.
    pub fn sets(&self) -> impl Iterator<Item = &[Privilege]> {
        let (one, sets) = match &self.0 {
            Inner::One(privilege) => (Some(slice::from_ref(privilege)), [].as_slice()),
            Inner::AnyOfAllOf(sets) => (None, sets.as_slice()),
        };
        one.into_iter().chain(sets.iter().map(Vec::as_slice))
    }

    fn from_sets(mut sets: Vec<Vec<Privilege>>) -> Self {
        if let [set] = sets.as_mut_slice()
            && set.len() == 1
            && let Some(privilege) = set.pop()
        {
            return Self(Inner::One(privilege));
        }
        Self(Inner::AnyOfAllOf(sets))
    }

    fn into_sets(self) -> Vec<Vec<Privilege>> {
        match self.0 {
            Inner::One(privilege) => vec![vec![privilege]],
            Inner::AnyOfAllOf(sets) => sets,
        }
    }
}

impl From<&Self> for Requirement {
    fn from(requirement: &Self) -> Self {
        requirement.clone()
    }
}

impl From<Privilege> for Requirement {
    fn from(privilege: Privilege) -> Self {
        Self(Inner::One(privilege))
    }
}

impl From<&Privilege> for Requirement {
    fn from(privilege: &Privilege) -> Self {
        privilege.clone().into()
    }
}

/// For people: `VIEW_ENTITY_PAGE, or EDIT_ENTITY and DELETE_ENTITY`.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for set in self.sets().filter(|set| !set.is_empty()) {
            if !first {
                f.write_str(", or ")?;
            }
            first = false;
            for (position, privilege) in set.iter().enumerate() {
                if position > 0 {
                    f.write_str(" and ")?;
                }
                fmt::Display::fmt(privilege, f)?;
            }
        }
        if first { f.write_str("what nobody is granted") } else { Ok(()) }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.sets()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(requirement: &Requirement) -> Vec<Vec<&str>> {
        requirement.sets().map(|set| set.iter().map(Privilege::as_str).collect()).collect()
    }

    fn any_of(ids: &[&'static str]) -> Requirement {
        Requirement::any_of(ids.iter().map(|id| Privilege::new(*id)))
    }

    #[test]
    fn one_privilege_is_the_same_however_it_is_made() {
        let one = Requirement::from(Privilege::EDIT_ENTITY);
        assert_eq!(one, Requirement::any_of([Privilege::EDIT_ENTITY]));
        assert_eq!(one, Requirement::all_of([Privilege::EDIT_ENTITY]));
        assert_eq!(one, Requirement::from(&Privilege::EDIT_ENTITY));
        assert_eq!(ids(&one), [["EDIT_ENTITY"]]);
    }

    #[test]
    fn and_is_the_cross_product_without_duplicates() {
        let both = any_of(&["A", "B"]).and(any_of(&["A", "C"]));
        assert_eq!(ids(&both), [vec!["A"], vec!["A", "C"], vec!["B", "A"], vec!["B", "C"]]);
        assert_eq!(ids(&any_of(&["A"]).and(any_of(&["A"]))), [["A"]]);
    }

    #[test]
    fn and_with_nothing_is_never_met() {
        for nothing in [any_of(&[]), Requirement::all_of([])] {
            assert_eq!(any_of(&["A"]).and(nothing).sets().count(), 0);
        }
    }

    #[test]
    fn display_reads_like_a_sentence() {
        let requirement = any_of(&["A"]).or(any_of(&["B"]).and(any_of(&["C"])));
        assert_eq!(requirement.to_string(), "A, or B and C");
        assert_eq!(any_of(&[]).to_string(), "what nobody is granted");
        assert_eq!(Requirement::all_of([]).to_string(), "what nobody is granted");
    }
}
