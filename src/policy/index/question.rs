use std::cell::OnceCell;

use super::{
    bucket::{Bucket, KeyField},
    list::RuleList,
    privileges::Narrowed,
};
use crate::{
    actor::{Actor, Urn},
    policy::{
        Fact, FactSet, Field, Owner, Privilege, Resource, ViewSelf,
        engine::{VIEW_SELF, names_actor},
        truth::Truth,
    },
};

/// What is asked, with what is found out while answering.
pub(super) struct Question<'a> {
    by: &'a Narrowed,
    resource: Option<&'a Resource>,
    sub_resources: &'a [Resource],
    // The two that nearly every rule is found by, and that a requirement would look up again for
    // each of its privileges.
    urn: OnceCell<Option<u32>>,
    entity_type: OnceCell<Option<u32>>,
    /// What is unknown of anything that is asked about.
    unknown: OnceCell<FactSet>,
}

/// Of which bucket rules are asked, and about what.
#[derive(Clone, Copy)]
struct Asked<'a> {
    rules: &'a Bucket,
    privilege: u32,
    /// The owners, if the rules are those for owners.
    owners: Option<Fact<&'a [Owner]>>,
}

impl<'a> Question<'a> {
    pub(super) fn new(
        by: &'a Narrowed,
        resource: Option<&'a Resource>,
        sub_resources: &'a [Resource],
    ) -> Self {
        let (urn, entity_type, unknown) = Default::default();
        Self { by, resource, sub_resources, urn, entity_type, unknown }
    }

    pub(super) fn truth(&self, privilege: &Privilege) -> Truth {
        if self.by.grants_everything { Truth::True } else { self.by_policies(privilege) }
    }

    pub(super) fn by_policies(&self, privilege: &Privilege) -> Truth {
        if self.is_view_self(privilege) {
            return Truth::True;
        }
        let Some(privilege) = self.by.index.privileges.find(privilege.as_str()) else {
            return Truth::False;
        };
        let is_flagged = match (self.resource, self.sub_resources) {
            (None, []) => return self.by.holds(privilege).into(),
            (None, _) => self.by.buckets().any(|bucket| bucket.always.contains(privilege)),
            (Some(_), _) => self.by.is_granted_on_everything(privilege),
        };
        if is_flagged {
            return Truth::True;
        }
        let mut result = Truth::False;
        for rules in self.by.buckets() {
            result = self.ask(Asked { rules, privilege, owners: None }, result);
            if result == Truth::True {
                return result;
            }
        }
        let rules = &self.by.index.owners;
        if let Some(resource) = self.resource
            && rules.ruled.contains(privilege)
        {
            let owners = resource.owners();
            let may_own = match owners {
                Fact::Unknown => true,
                Fact::Known(owners) => owners.iter().any(|entry| is_or_has(&self.by.actor, entry)),
            };
            if may_own {
                result = self.ask(Asked { rules, privilege, owners: Some(owners) }, result);
            }
        }
        result
    }

    /// What the policy says that is stored nowhere.
    fn is_view_self(&self, privilege: &Privilege) -> bool {
        let urn = self.resource.and_then(Resource::urn).map(Urn::as_str);
        urn == Some(self.by.actor.urn().as_str())
            && self.by.index.options.view_self == ViewSelf::On
            && VIEW_SELF.contains(privilege)
    }

    /// Asks all rules that may apply.
    fn ask(&self, asked: Asked<'_>, so_far: Truth) -> Truth {
        let Asked { rules, privilege, .. } = asked;
        if !rules.ruled.contains(privilege) {
            return so_far;
        }
        let mut result = self.ask_list(asked, &rules.anywhere, false, so_far);
        let Some(resource) = self.resource else { return result };
        for key in &rules.keys {
            result = self.ask_by(asked, key, resource, result);
            if result == Truth::True {
                return result;
            }
        }
        self.ask_list(asked, &rules.unkeyed, false, result)
    }

    /// Asks the rules that are found by the values of a field.
    fn ask_by(
        &self,
        asked: Asked<'_>,
        key: &KeyField,
        resource: &Resource,
        mut result: Truth,
    ) -> Truth {
        let Asked { rules, privilege, .. } = asked;
        let field = key.field;
        let is_keyed = key.keyed.contains(privilege);
        let is_prefixed = key.prefixes.privileges.contains(privilege);
        if !is_keyed && !is_prefixed {
            return result;
        }
        let by_value =
            |value: Option<u32>, result| match value.and_then(|value| rules.keyed(field, value)) {
                Some(list) => self.ask_list(asked, list, false, result),
                None => result,
            };
        let ids = &self.by.index.values;
        match field {
            Field::Type if is_keyed => result = by_value(self.entity_type(resource), result),
            Field::Urn if is_keyed => result = by_value(self.urn(resource), result),
            Field::Type | Field::Urn => {}
            _ => match resource.values(field) {
                Fact::Known(values) => {
                    for value in values.filter(|_| is_keyed) {
                        result = by_value(ids.find(value), result);
                    }
                }
                Fact::Unknown => {
                    for list in rules.of_unknown(field, self.entity_type(resource)) {
                        result = self.ask_list(asked, list, true, result);
                    }
                    return result;
                }
            },
        }
        if is_prefixed && let Fact::Known(values) = resource.values(field) {
            for list in values.flat_map(|value| key.prefixes.of(value)) {
                result = self.ask_list(asked, list, false, result);
            }
        }
        result
    }

    /// Asks rules; `hopeless` ones cannot grant, since what they are found by is unknown.
    fn ask_list(&self, asked: Asked<'_>, list: &RuleList, hopeless: bool, so_far: Truth) -> Truth {
        if list.is_empty() {
            return so_far;
        }
        let hopeless = (hopeless || asked.owners == Some(Fact::Unknown)).then(|| self.unknown());
        list.truth(asked.privilege, hopeless, so_far, |rule| self.ask_one(asked, rule))
    }

    fn ask_one(&self, asked: Asked<'_>, rule: u32) -> Truth {
        let rule = usize::try_from(rule).ok().and_then(|at| self.by.index.rules.get(at));
        let Some(rule) = rule.filter(|rule| rule.privileges.contains(asked.privilege)) else {
            return Truth::False;
        };
        let truth = rule.truth(self.resource, self.sub_resources);
        let (Some(owners), Some(ownership)) = (asked.owners, &rule.ownership) else {
            return truth;
        };
        let actor = &self.by.actor;
        let truth = truth.and(match owners {
            Fact::Unknown => Truth::Unknown(FactSet::of(Field::Owner)),
            Fact::Known(owners) => {
                Truth::from(ownership.counts(owners.iter().filter(|entry| is_or_has(actor, entry))))
            }
        });
        // Who is meant anyway need not wait for the owners: another bucket has the answer.
        if matches!(truth, Truth::Unknown(_)) && names_actor(&ownership.others, actor) {
            return Truth::False;
        }
        truth
    }

    fn urn(&self, resource: &Resource) -> Option<u32> {
        let ids = &self.by.index.values;
        *self.urn.get_or_init(|| ids.find(resource.urn()?.as_str()))
    }

    fn entity_type(&self, resource: &Resource) -> Option<u32> {
        let ids = &self.by.index.values;
        *self.entity_type.get_or_init(|| ids.find(resource.entity_type()))
    }

    fn unknown(&self) -> FactSet {
        *self.unknown.get_or_init(|| {
            self.sub_resources
                .iter()
                .chain(self.resource)
                .fold(FactSet::EMPTY, |facts, resource| facts.union(resource.unknown()))
        })
    }
}

fn is_or_has(actor: &Actor, entry: &Owner) -> bool {
    entry.owner == actor.urn().as_str() || actor.is_in_group(&entry.owner)
}
