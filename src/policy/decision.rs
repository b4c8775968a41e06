use std::fmt;

use super::{FactSet, Requirement, truth::Truth};

/// The answer to whether an actor holds something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Yes, whatever the unknown facts are.
    Granted,
    /// No, whatever the unknown facts are.
    Denied,
    /// It hangs on these facts, of the resource or of a sub-resource. Not a grant: find the facts
    /// and ask again.
    Indeterminate(FactSet),
}

impl Decision {
    /// Whether this is a yes. What is indeterminate is not.
    #[must_use]
    pub fn is_granted(self) -> bool {
        self == Self::Granted
    }
}

impl From<Truth> for Decision {
    fn from(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Granted,
            Truth::False => Self::Denied,
            Truth::Unknown(facts) => Self::Indeterminate(facts),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted => f.write_str("granted"),
            Self::Denied => f.write_str("denied"),
            Self::Indeterminate(facts) => write!(f, "not known without {facts}"),
        }
    }
}

/// Any set, in full: shared by all who decide requirements, so that they agree on the empty ones.
pub(super) fn decide_requirement(
    requirement: &Requirement,
    mut decide: impl FnMut(&super::Privilege) -> Truth,
) -> Truth {
    Truth::any(
        requirement
            .sets()
            .filter(|set| !set.is_empty())
            .map(|set| Truth::all(set.iter().map(&mut decide))),
    )
}
