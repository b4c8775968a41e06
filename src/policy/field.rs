use std::fmt;

/// A field of a resource that a criterion can look at (DataHub: `EntityFieldType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `TYPE`, once `RESOURCE_TYPE`: the entity type, as the caller gave it.
    Type,
    /// `URN`, once `RESOURCE_URN`: the name; no value where all entities of a type are meant.
    Urn,
    /// `OWNER`: the owners, whatever their ownership type.
    Owner,
    /// `DOMAIN`: the domains and all domains above them; a domain is in itself.
    Domain,
    /// `CONTAINER`: the container and all containers above it; a container is in itself.
    Container,
    /// `GLOSSARY`: the glossary terms and all nodes above them; a term or node is in itself.
    Glossary,
    /// `TAG`: the tags of the entity itself, not those of columns.
    Tag,
    /// `DATA_PLATFORM_INSTANCE`: the platform instance; such an instance is its own.
    DataPlatformInstance,
    /// `GROUP_MEMBERSHIP`: the groups of a user, external and native.
    GroupMembership,
}

impl Field {
    /// The field of this name, in any case, as in a decision; `None` for a name that is not known,
    /// on which no criterion holds.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        // All letters, as Java does it: a dotless i is an I. Mostly it is written so already.
        Self::parse_written(name).or_else(|| Self::parse_written(&name.to_uppercase()))
    }

    /// The field of this name, only in upper case, as in a policy that is written.
    #[must_use]
    pub fn parse_written(name: &str) -> Option<Self> {
        Some(match name {
            "TYPE" | "RESOURCE_TYPE" => Self::Type,
            "URN" | "RESOURCE_URN" => Self::Urn,
            "OWNER" => Self::Owner,
            "DOMAIN" => Self::Domain,
            "CONTAINER" => Self::Container,
            "GLOSSARY" => Self::Glossary,
            "TAG" => Self::Tag,
            "DATA_PLATFORM_INSTANCE" => Self::DataPlatformInstance,
            "GROUP_MEMBERSHIP" => Self::GroupMembership,
            _ => return None,
        })
    }

    /// The name, not the deprecated one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Type => "TYPE",
            Self::Urn => "URN",
            Self::Owner => "OWNER",
            Self::Domain => "DOMAIN",
            Self::Container => "CONTAINER",
            Self::Glossary => "GLOSSARY",
            Self::Tag => "TAG",
            Self::DataPlatformInstance => "DATA_PLATFORM_INSTANCE",
            Self::GroupMembership => "GROUP_MEMBERSHIP",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of facts about a resource: its owners and the fields that are looked up.
///
/// [`Field::Owner`] stands for the owners with their ownership types. Type and urn are in the
/// request, so they are never in a set.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FactSet(u8);

impl FactSet {
    /// No fact.
    pub const EMPTY: Self = Self(0);
    /// Every fact there is.
    pub const ALL: Self = Self((1 << FACTS.len()) - 1);

    /// The set of this one; empty for type and urn, which are no facts to be found.
    #[must_use]
    pub const fn of(field: Field) -> Self {
        Self(match field {
            Field::Type | Field::Urn => 0,
            Field::Owner => 1,
            Field::Domain => 1 << 1,
            Field::Container => 1 << 2,
            Field::Glossary => 1 << 3,
            Field::Tag => 1 << 4,
            Field::DataPlatformInstance => 1 << 5,
            Field::GroupMembership => 1 << 6,
        })
    }

    /// What is in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether the fact is in the set.
    #[must_use]
    pub const fn contains(self, field: Field) -> bool {
        self.0 & Self::of(field).0 != 0
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in the set, in the order of [`Field`].
    pub fn iter(self) -> impl Iterator<Item = Field> {
        FACTS.into_iter().filter(move |field| self.contains(*field))
    }
}

impl FromIterator<Field> for FactSet {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Self {
        fields.into_iter().fold(Self::EMPTY, |set, field| set.union(Self::of(field)))
    }
}

/// The names, with commas between them.
impl fmt::Display for FactSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, field) in self.iter().enumerate() {
            if position > 0 {
                f.write_str(", ")?;
            }
            f.write_str(field.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for FactSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

const FACTS: [Field; 7] = [
    Field::Owner,
    Field::Domain,
    Field::Container,
    Field::Glossary,
    Field::Tag,
    Field::DataPlatformInstance,
    Field::GroupMembership,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_written_in_one() {
        assert_eq!(Field::parse("resource_Urn"), Some(Field::Urn));
        assert_eq!(Field::parse("doma\u{131}n"), Some(Field::Domain));
        assert_eq!(Field::parse("PARENT_DOMAIN"), None);
        assert_eq!(Field::parse_written("urn"), None);
        for field in FACTS.into_iter().chain([Field::Type, Field::Urn]) {
            assert_eq!(Field::parse_written(field.as_str()), Some(field));
        }
    }

    #[test]
    fn a_set_holds_each_fact_by_itself() {
        assert_eq!(FactSet::ALL.iter().count(), FACTS.len());
        for field in FACTS {
            assert!(FactSet::of(field).iter().eq([field]));
        }
        assert!(FactSet::of(Field::Type).union(FactSet::of(Field::Urn)).is_empty());
    }

    #[test]
    fn a_set_reads_like_a_list() {
        let set: FactSet = [Field::Tag, Field::Owner].into_iter().collect();
        assert_eq!(set.to_string(), "OWNER, TAG");
        assert!(FactSet::ALL.contains_all(set) && !set.contains_all(FactSet::ALL));
    }
}
