use std::{cell::OnceCell, collections::BTreeSet, fmt, sync::Arc};

use super::{
    Compiled,
    bucket::{Bucket, KeyField, RuleList, RuleSet},
};
use crate::{
    actor::{Actor, Urn},
    policy::{
        Decision, Fact, FactSet, Field, Owner, Privilege, Requirement, Resource, ViewSelf,
        decision::decide_requirement,
        engine::{VIEW_SELF, names_actor},
        truth::Truth,
    },
};

/// What one actor may do: a [`PolicyIndex`](super::PolicyIndex), narrowed to what concerns it.
///
/// Cheap to clone, and a snapshot: what changes later is not seen. Deciding allocates nothing and
/// waits for nothing. It costs the same whether there are ten policies or ten thousand, but for
/// those that share their criterion with many, or have only NOT_EQUALS: they are tried one by one.
#[derive(Clone)]
pub struct Privileges(Arc<Narrowed>);

struct Narrowed {
    actor: Arc<Actor>,
    index: Arc<Compiled>,
    grants_everything: bool,
    /// The buckets whose rules are for the actor whatever the resource.
    direct: Vec<Arc<Bucket>>,
    owners: Option<Arc<Bucket>>,
}

impl Privileges {
    pub(super) fn narrow(index: Arc<Compiled>, actor: Arc<Actor>) -> Self {
        let is_in_a_group = actor.groups().len() > 0;
        // Room for what most have at once: everybody's, their own, and a group or role or two.
        let mut direct = Vec::with_capacity(4);
        let buckets = index
            .all_users
            .iter()
            .chain(index.all_groups.iter().filter(|_| is_in_a_group))
            .chain(index.users.get(actor.urn().as_str()))
            .chain(actor.groups().filter_map(|group| index.groups.get(group.as_str())))
            .chain(actor.roles().filter_map(|role| index.roles.get(role.as_str())))
            .map(Arc::clone);
        direct.extend(buckets);
        let grants_everything = index.options.grants_everything_to(actor.urn());
        let owners = index.owners.clone();
        Self(Arc::new(Narrowed { actor, index, grants_everything, direct, owners }))
    }

    /// Whose privileges these are.
    #[must_use]
    pub fn actor(&self) -> &Arc<Actor> {
        &self.0.actor
    }

    /// Whether the actor holds what is required, on `resource` or, without one, without any.
    /// `sub_resources` are the other entities that the operation touches; usually none.
    pub fn decide(
        &self,
        requirement: &Requirement,
        resource: Option<&Resource>,
        sub_resources: &[Resource],
    ) -> Decision {
        let question = Question::new(&self.0, resource, sub_resources);
        decide_requirement(requirement, |privilege| question.truth(privilege)).into()
    }

    /// Whether the actor holds one privilege.
    pub fn decide_privilege(&self, privilege: &Privilege, resource: Option<&Resource>) -> Decision {
        Question::new(&self.0, resource, &[]).truth(privilege).into()
    }

    /// Whether the actor holds a privilege without any resource, as for platform privileges.
    #[must_use]
    pub fn holds(&self, privilege: &Privilege) -> bool {
        self.decide_privilege(privilege, None).is_granted()
    }

    /// All privileges that the actor certainly holds, on `resource` or, without one, without any.
    /// Policies and View Self are listed, whatever the mode and the system actor.
    ///
    /// Unlike a decision this asks for every privilege there is: for pages, not for guards.
    #[must_use]
    pub fn granted(&self, resource: Option<&Resource>) -> BTreeSet<Privilege> {
        let question = Question::new(&self.0, resource, &[]);
        let listed = self.0.index.privileges.iter().map(|(privilege, _)| privilege);
        listed
            .chain(&VIEW_SELF)
            .filter(|privilege| question.by_policies(privilege) == Truth::True)
            .cloned()
            .collect()
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Privileges").field("actor", self.0.actor.urn()).finish_non_exhaustive()
    }
}

/// What is asked, with what is found out while answering.
struct Question<'a> {
    by: &'a Narrowed,
    resource: Option<&'a Resource>,
    sub_resources: &'a [Resource],
    // The two that nearly every rule is found by, and that a requirement would look up again for
    // each of its privileges.
    urn: OnceCell<Option<u32>>,
    entity_type: OnceCell<Option<u32>>,
}

impl<'a> Question<'a> {
    fn new(
        by: &'a Narrowed,
        resource: Option<&'a Resource>,
        sub_resources: &'a [Resource],
    ) -> Self {
        let (urn, entity_type) = (OnceCell::new(), OnceCell::new());
        Self { by, resource, sub_resources, urn, entity_type }
    }

    fn truth(&self, privilege: &Privilege) -> Truth {
        if self.by.grants_everything { Truth::True } else { self.by_policies(privilege) }
    }

    fn by_policies(&self, privilege: &Privilege) -> Truth {
        if self.is_view_self(privilege) {
            return Truth::True;
        }
        let Some(privilege) = self.by.index.privileges.find(privilege.as_str()) else {
            return Truth::False;
        };
        let mut result = Truth::False;
        for bucket in &self.by.direct {
            if let Some(rules) = bucket.get(privilege) {
                if rules.always || (rules.every_resource && self.resource.is_some()) {
                    return Truth::True;
                }
                result = self.ask(rules, None, result);
                if result == Truth::True {
                    return result;
                }
            }
        }
        let owners = self.by.owners.as_ref().and_then(|bucket| bucket.get(privilege));
        match (owners, self.resource.map(Resource::owners)) {
            (Some(rules), Some(Fact::Unknown)) => self.ask(rules, Some(Fact::Unknown), result),
            (Some(rules), Some(Fact::Known(owners))) => {
                let actor = &self.by.actor;
                let is_owner = owners.iter().any(|entry| is_or_has(actor, entry));
                if is_owner { self.ask(rules, Some(Fact::Known(owners)), result) } else { result }
            }
            _ => result,
        }
    }

    /// What the policy says that is stored nowhere.
    fn is_view_self(&self, privilege: &Privilege) -> bool {
        let urn = self.resource.and_then(Resource::urn).map(Urn::as_str);
        urn == Some(self.by.actor.urn().as_str())
            && self.by.index.options.view_self == ViewSelf::On
            && VIEW_SELF.contains(privilege)
    }

    /// Asks all rules that may apply. With `owners`, the rules are those for owners, and these are
    /// the owners.
    fn ask(&self, rules: &RuleSet, owners: Option<Fact<&[Owner]>>, so_far: Truth) -> Truth {
        let owners_unknown = owners == Some(Fact::Unknown);
        let ask = |list: &RuleList, hopeless: bool, so_far: Truth| {
            if list.rules.is_empty() {
                return so_far;
            }
            let hopeless = (hopeless || owners_unknown).then(|| self.unknown());
            list.truth(hopeless, so_far, |rule| self.ask_one(rule, owners))
        };
        let mut result = ask(&rules.anywhere, false, so_far);
        let Some(resource) = self.resource else { return result };
        for KeyField { field, prefix_lengths } in &rules.keys {
            match self.keys(resource, *field) {
                Fact::Known(keys) => {
                    for key in keys {
                        if let Some(list) = rules.keyed(*field, key) {
                            result = ask(list, false, result);
                        }
                    }
                    for key in self.prefixes(resource, *field, prefix_lengths) {
                        if let Some(list) = rules.prefixed(*field, key) {
                            result = ask(list, false, result);
                        }
                    }
                }
                Fact::Unknown => {
                    for list in rules.of_unknown(*field, self.entity_type(resource)) {
                        result = ask(list, true, result);
                    }
                }
            }
            if result == Truth::True {
                return result;
            }
        }
        ask(&rules.unkeyed, false, result)
    }

    fn ask_one(&self, rule: u32, owners: Option<Fact<&[Owner]>>) -> Truth {
        let Some(rule) = usize::try_from(rule).ok().and_then(|at| self.by.index.rules.get(at))
        else {
            return Truth::False;
        };
        let truth = rule.truth(self.resource, self.sub_resources);
        let (Some(owners), Some(ownership)) = (owners, &rule.ownership) else { return truth };
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

    /// The numbers of the field's values, as far as any rule is found by them.
    fn keys(&self, resource: &Resource, field: Field) -> Fact<impl Iterator<Item = u32>> {
        let ids = &self.by.index.values;
        let (one, several) = match field {
            Field::Type => (self.entity_type(resource), None),
            Field::Urn => (*self.urn.get_or_init(|| ids.find(resource.urn()?.as_str())), None),
            _ => match resource.values(field) {
                Fact::Known(values) => (None, Some(values)),
                Fact::Unknown => return Fact::Unknown,
            },
        };
        let several = several.into_iter().flatten().filter_map(|value| ids.find(value));
        Fact::Known(one.into_iter().chain(several))
    }

    /// The same for the beginnings of the values that are of these lengths.
    fn prefixes(
        &self,
        resource: &Resource,
        field: Field,
        lengths: &[usize],
    ) -> impl Iterator<Item = u32> {
        let ids = &self.by.index.values;
        let values = match resource.values(field) {
            Fact::Known(values) if !lengths.is_empty() => Some(values),
            _ => None,
        };
        values.into_iter().flatten().flat_map(move |value| {
            let prefixes = lengths.iter().map_while(|length| {
                // Nothing begins within a character, and so no rule is found there.
                (*length <= value.len()).then(|| value.get(..*length))
            });
            prefixes.flatten().filter_map(|prefix| ids.find(prefix))
        })
    }

    fn entity_type(&self, resource: &Resource) -> Option<u32> {
        let ids = &self.by.index.values;
        *self.entity_type.get_or_init(|| ids.find(resource.entity_type()))
    }

    /// What is unknown of anything that is asked about.
    fn unknown(&self) -> FactSet {
        self.sub_resources
            .iter()
            .chain(self.resource)
            .fold(FactSet::EMPTY, |facts, resource| facts.union(resource.unknown()))
    }
}

fn is_or_has(actor: &Actor, entry: &Owner) -> bool {
    entry.owner == actor.urn().as_str() || actor.is_in_group(&entry.owner)
}
