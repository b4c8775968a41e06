use super::privilege_set::PrivilegeSet;
use crate::policy::{
    ActorFilter, Condition, Criterion, Fact, FactSet, Field, Owner, Policy, Resource,
    filter::{effective_criteria, is_wildcard},
    truth::Truth,
};

/// A policy without its direct actors, made ready for deciding.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) privileges: PrivilegeSet,
    pub(super) scope: Scope,
    /// `None`: any sub-resource will do.
    pub(super) constraint: Option<Tests>,
    /// Only for rules that are found by ownership.
    pub(super) ownership: Option<Box<Ownership>>,
}

/// What a rule asks of the resource.
#[derive(Debug)]
pub(super) enum Scope {
    /// Nothing, not even that there is one.
    Anything,
    /// All of these tests, and that there is one.
    Resource(Tests),
}

/// Who is meant by a rule that is for owners.
#[derive(Debug)]
pub(super) struct Ownership {
    /// Sorted; `None`: whatever the ownership type.
    types: Option<Box<[Box<str>]>>,
    /// Whom else it is for. These find it elsewhere.
    pub(super) others: ActorFilter,
}

impl Rule {
    /// `None` for a policy that can never grant anything.
    pub(super) fn new(policy: &Policy, privileges: PrivilegeSet) -> Option<Self> {
        let resources = policy.resources.as_ref();
        let scope = match resources {
            Some(resources) if !policy.is_platform() => {
                Scope::Resource(Tests::new(&effective_criteria(resources)))
            }
            _ => Scope::Anything,
        };
        if matches!(scope, Scope::Resource(Tests::Never)) {
            return None;
        }
        let constraint = resources
            .and_then(|resources| resources.privilege_constraints.as_ref())
            .map(|filter| Tests::new(&filter.criteria));
        let actors = &policy.actors;
        // Who is everybody need not be an owner.
        let ownership = (actors.resource_owners && !actors.all_users)
            .then(|| Ownership::new(actors))
            .flatten()
            .map(Box::new);
        Some(Self { privileges, scope, constraint, ownership })
    }

    /// What the rule says, whoever asks.
    pub(super) fn truth(&self, resource: Option<&Resource>, sub_resources: &[Resource]) -> Truth {
        let scope = match (&self.scope, resource) {
            (Scope::Anything, _) => Truth::True,
            (Scope::Resource(_), None) => Truth::False,
            (Scope::Resource(tests), Some(resource)) => tests.truth(resource),
        };
        match &self.constraint {
            Some(constraint) if scope != Truth::False && !sub_resources.is_empty() => {
                scope.and(Truth::all(sub_resources.iter().map(|sub_resource| {
                    if is_wildcard(sub_resource) {
                        Truth::True
                    } else {
                        constraint.truth(sub_resource)
                    }
                })))
            }
            _ => scope,
        }
    }

    /// The facts that may matter to it.
    pub(super) fn mentions(&self) -> FactSet {
        let scope = match &self.scope {
            Scope::Anything => FactSet::EMPTY,
            Scope::Resource(tests) => tests.mentions(),
        };
        let constraint = self.constraint.as_ref().map_or(FactSet::EMPTY, Tests::mentions);
        let owners = self.ownership.as_ref().map_or(FactSet::EMPTY, |_| FactSet::of(Field::Owner));
        scope.union(constraint).union(owners)
    }
}

impl Ownership {
    fn new(actors: &ActorFilter) -> Option<Self> {
        let types = actors.resource_owners_types.as_deref();
        if types.is_some_and(<[String]>::is_empty) {
            return None;
        }
        Some(Self { types: types.map(sorted), others: actors.clone() })
    }

    /// Whether one of these owners, of whom each is or has the actor, is of a type that counts.
    pub(super) fn counts<'a>(&self, mut actors_own: impl Iterator<Item = &'a Owner>) -> bool {
        actors_own.any(|entry| match &self.types {
            None => true,
            Some(types) => {
                let of_type = entry.ownership_type.as_deref();
                of_type.is_some_and(|of_type| contains(types, of_type))
            }
        })
    }
}

/// A conjunction of tests.
#[derive(Debug)]
pub(super) enum Tests {
    /// One of them never holds.
    Never,
    All(Box<[Test]>),
}

/// A criterion that may hold and may not.
#[derive(Debug)]
pub(super) struct Test {
    pub(super) field: Field,
    pub(super) compare: Compare,
    /// Sorted, not empty.
    pub(super) values: Box<[Box<str>]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Equals,
    NotEquals,
    /// No value starts with another, as the shorter one would do.
    StartsWith,
}

impl Tests {
    fn new(criteria: &[Criterion]) -> Self {
        let mut tests = Vec::with_capacity(criteria.len());
        for criterion in criteria {
            let Some(field) = Field::parse(&criterion.field) else { return Self::Never };
            let nothing_wanted = criterion.values.is_empty();
            let compare = match criterion.condition {
                Condition::NotEquals if nothing_wanted => continue,
                Condition::NotEquals => Compare::NotEquals,
                Condition::Equals if !nothing_wanted => Compare::Equals,
                Condition::StartsWith if !nothing_wanted => Compare::StartsWith,
                _ => return Self::Never,
            };
            let mut values = sorted(&criterion.values);
            if compare == Compare::StartsWith {
                values = without_longer(values);
            }
            tests.push(Test { field, compare, values });
        }
        Self::All(tests.into())
    }

    fn truth(&self, resource: &Resource) -> Truth {
        match self {
            Self::Never => Truth::False,
            Self::All(tests) => Truth::all(tests.iter().map(|test| test.truth(resource))),
        }
    }

    pub(super) fn list(&self) -> &[Test] {
        match self {
            Self::Never => &[],
            Self::All(tests) => tests,
        }
    }

    fn mentions(&self) -> FactSet {
        self.list().iter().map(|test| test.field).collect()
    }
}

impl Test {
    fn truth(&self, resource: &Resource) -> Truth {
        let Fact::Known(mut have) = resource.values(self.field) else {
            return Truth::Unknown(FactSet::of(self.field));
        };
        Truth::from(match self.compare {
            Compare::Equals => have.any(|value| contains(&self.values, value)),
            Compare::NotEquals => !have.any(|value| contains(&self.values, value)),
            Compare::StartsWith => have.any(|value| has_prefix(&self.values, value)),
        })
    }
}

fn sorted(values: &[String]) -> Box<[Box<str>]> {
    let mut values: Vec<Box<str>> = values.iter().map(|value| value.as_str().into()).collect();
    values.sort_unstable();
    values.dedup();
    values.into()
}

fn contains(sorted: &[Box<str>], value: &str) -> bool {
    // Nearly all criteria have one value.
    match sorted {
        [only] => **only == *value,
        _ => sorted.binary_search_by(|wanted| (**wanted).cmp(value)).is_ok(),
    }
}

fn without_longer(sorted: Box<[Box<str>]>) -> Box<[Box<str>]> {
    let mut kept: Vec<Box<str>> = Vec::with_capacity(sorted.len());
    for value in sorted {
        if !kept.last().is_some_and(|prefix| value.starts_with(&**prefix)) {
            kept.push(value);
        }
    }
    kept.into()
}

/// Whether the value starts with one of the prefixes, of which none starts with another: then only
/// the last that sorts before the value can be one, since whatever sorts between a prefix of the
/// value and the value starts with that prefix too.
fn has_prefix(prefixes: &[Box<str>], value: &str) -> bool {
    let before = prefixes.partition_point(|prefix| **prefix <= *value);
    before
        .checked_sub(1)
        .and_then(|last| prefixes.get(last))
        .is_some_and(|prefix| value.starts_with(&**prefix))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prefixes_are_found_as_if_tried_one_by_one(
            values in prop::collection::vec("[ab\u{e9}]{0,4}", 1..8),
            text in "[ab\u{e9}]{0,6}",
        ) {
            let expected = values.iter().any(|prefix| text.starts_with(prefix));
            prop_assert_eq!(has_prefix(&without_longer(sorted(&values)), &text), expected);
            prop_assert_eq!(contains(&sorted(&values), &text), values.contains(&text));
        }
    }
}
