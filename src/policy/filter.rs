use std::borrow::Cow;

use super::{
    Condition, Criterion, Fact, FactSet, Field, MatchFilter, Policy, Resource, ResourceFilter,
    truth::Truth,
};

/// Whether the policy is about the resource.
pub(super) fn matches_resource(policy: &Policy, resource: Option<&Resource>) -> Truth {
    if policy.is_platform() {
        return Truth::True;
    }
    match (&policy.resources, resource) {
        (None, _) => Truth::True,
        (Some(_), None) => Truth::False,
        (Some(filter), Some(resource)) => all_hold(&effective_criteria(filter), resource),
    }
}

/// Whether the policy takes the other entities that the operation touches.
pub(super) fn allows_sub_resources(policy: &Policy, sub_resources: &[Resource]) -> Truth {
    let constraints =
        policy.resources.as_ref().and_then(|resources| resources.privilege_constraints.as_ref());
    constraints.map_or(Truth::True, |MatchFilter { criteria }| {
        Truth::all(sub_resources.iter().map(|sub_resource| {
            if is_wildcard(sub_resource) { Truth::True } else { all_hold(criteria, sub_resource) }
        }))
    })
}

/// The one sub-resource that meets every constraint.
pub(super) fn is_wildcard(sub_resource: &Resource) -> bool {
    sub_resource.urn().is_some_and(|urn| urn.as_str() == WILDCARD)
}

/// The criteria that count: those of the filter or, without one, of the deprecated fields.
pub(super) fn effective_criteria(resources: &ResourceFilter) -> Cow<'_, [Criterion]> {
    if let Some(filter) = &resources.filter {
        return Cow::Borrowed(&filter.criteria);
    }
    let equals = |field: Field, values: Vec<String>| Criterion {
        field: field.as_str().to_owned(),
        values,
        condition: Condition::Equals,
    };
    let mut criteria = Vec::new();
    if let Some(entity_type) = &resources.resource_type {
        criteria.push(equals(Field::Type, vec![entity_type.clone()]));
    }
    if let Some(urns) = &resources.resources
        && !resources.all_resources
    {
        criteria.push(equals(Field::Urn, urns.clone()));
    }
    Cow::Owned(criteria)
}

impl ResourceFilter {
    /// How many values the criteria list that count.
    pub(crate) fn values(&self) -> usize {
        match &self.filter {
            Some(filter) => filter.values(),
            // Without a copy of them.
            None => self.resources.as_ref().map_or(0, Vec::len).saturating_add(1),
        }
    }
}

impl MatchFilter {
    /// How many values its criteria list.
    pub(crate) fn values(&self) -> usize {
        self.criteria.iter().map(|criterion| criterion.values.len()).sum()
    }
}

fn all_hold(criteria: &[Criterion], resource: &Resource) -> Truth {
    Truth::all(criteria.iter().map(|criterion| holds(criterion, resource)))
}

fn holds(criterion: &Criterion, resource: &Resource) -> Truth {
    let Criterion { field, values: want, condition } = criterion;
    // Before anything else: not even NOT_EQUALS holds on a field that nobody knows.
    let Some(field) = Field::parse(field) else { return Truth::False };
    match condition {
        Condition::Other(_) => return Truth::False,
        // Nothing wanted is decided without looking at what is there.
        Condition::Equals | Condition::StartsWith if want.is_empty() => return Truth::False,
        Condition::NotEquals if want.is_empty() => return Truth::True,
        _ => {}
    }
    let Fact::Known(mut have) = resource.values(field) else {
        return Truth::Unknown(FactSet::of(field));
    };
    let is_wanted = |value: &str| want.iter().any(|wanted| wanted == value);
    Truth::from(match condition {
        Condition::Equals => have.any(is_wanted),
        Condition::NotEquals => !have.any(is_wanted),
        Condition::StartsWith => have.any(|value| want.iter().any(|want| value.starts_with(want))),
        Condition::Other(_) => false,
    })
}

const WILDCARD: &str = "urn:li:allEntities:all";

#[cfg(test)]
mod tests {
    use super::*;

    fn resource() -> Resource {
        Resource::new(&"urn:li:dataset:orders".parse().unwrap())
    }

    fn criterion(field: &str, condition: &str, values: &[&str]) -> Criterion {
        Criterion {
            field: field.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            condition: condition.to_owned().into(),
        }
    }

    #[test]
    fn an_unknown_fact_is_neither_there_nor_missing() {
        let unknown = Truth::Unknown(FactSet::of(Field::Tag));
        for condition in ["EQUALS", "STARTS_WITH", "NOT_EQUALS"] {
            assert_eq!(holds(&criterion("tag", condition, &["t"]), &resource()), unknown);
        }
    }

    #[test]
    fn nothing_wanted_decides_without_the_fact() {
        let holds = |condition| holds(&criterion("TAG", condition, &[]), &resource());
        assert_eq!(holds("EQUALS"), Truth::False);
        assert_eq!(holds("STARTS_WITH"), Truth::False);
        assert_eq!(holds("NOT_EQUALS"), Truth::True);
    }

    #[test]
    fn nothing_holds_on_an_unknown_field_or_condition() {
        for (field, condition) in [("COLOUR", "NOT_EQUALS"), ("TAG", "LIKE"), ("URN", "equals")] {
            let criterion = criterion(field, condition, &["urn:li:dataset:orders"]);
            assert_eq!(holds(&criterion, &resource()), Truth::False);
        }
    }

    #[test]
    fn the_empty_prefix_needs_a_value() {
        let tagged = resource().with_field(Field::Tag, ["t"]).with_no_other_facts();
        assert_eq!(holds(&criterion("TAG", "STARTS_WITH", &[""]), &tagged), Truth::True);
        assert_eq!(holds(&criterion("DOMAIN", "STARTS_WITH", &[""]), &tagged), Truth::False);
    }
}
