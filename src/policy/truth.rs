use super::FactSet;

/// Kleene's three values: what is unknown comes with the facts it hangs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    True,
    False,
    Unknown(FactSet),
}

impl Truth {
    /// True where either is, and unknown only where no fact can be spared.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::Unknown(one), Self::Unknown(two)) => Self::Unknown(one.union(two)),
            (Self::Unknown(facts), Self::False) | (Self::False, Self::Unknown(facts)) => {
                Self::Unknown(facts)
            }
            (Self::False, Self::False) => Self::False,
        }
    }

    /// False where either is.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Unknown(one), Self::Unknown(two)) => Self::Unknown(one.union(two)),
            (Self::Unknown(facts), Self::True) | (Self::True, Self::Unknown(facts)) => {
                Self::Unknown(facts)
            }
            (Self::True, Self::True) => Self::True,
        }
    }

    /// True if some value is; looks no further then.
    pub(super) fn any(values: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::False;
        for value in values {
            result = result.or(value);
            if result == Self::True {
                break;
            }
        }
        result
    }

    /// True if all values are; looks no further at the first that is not.
    pub(super) fn all(values: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::True;
        for value in values {
            result = result.and(value);
            if result == Self::False {
                break;
            }
        }
        result
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Field;

    #[test]
    fn what_decides_alone_makes_the_unknown_irrelevant() {
        let unknown = Truth::Unknown(FactSet::of(Field::Tag));
        assert_eq!(unknown.or(Truth::True), Truth::True);
        assert_eq!(unknown.and(Truth::False), Truth::False);
        assert_eq!(unknown.or(Truth::False), unknown);
        assert_eq!(unknown.and(Truth::True), unknown);
    }

    #[test]
    fn two_unknowns_hang_on_the_facts_of_both() {
        let (tag, owner) = (FactSet::of(Field::Tag), FactSet::of(Field::Owner));
        let both = Truth::Unknown(tag.union(owner));
        assert_eq!(Truth::Unknown(tag).or(Truth::Unknown(owner)), both);
        assert_eq!(Truth::Unknown(tag).and(Truth::Unknown(owner)), both);
    }

    #[test]
    fn any_of_nothing_is_false_and_all_of_nothing_true() {
        assert_eq!(Truth::any([]), Truth::False);
        assert_eq!(Truth::all([]), Truth::True);
    }
}
