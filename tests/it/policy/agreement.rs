//! The index and the plain engine give the same answers, down to the facts that are missing; and
//! what is decided without a fact stays decided with it.

use std::sync::Arc;

use proptest::{prelude::*, sample::select};
use tower_pat::{
    actor::{Actor, Urn},
    policy::{
        ActorFilter, AuthorizationMode, Candidates, Condition, Criterion, Decision, Fact, FactSet,
        Field, MatchFilter, Owner, Policy, PolicyEngine, PolicyIndex, PolicyOptions, Privilege,
        Requirement, Resource, ResourceFilter, ViewSelf, evaluate,
    },
};

// Few of everything, so that things meet.
const USERS: [&str; 3] = ["urn:li:corpuser:a", "urn:li:corpuser:b", "urn:li:corpuser:c"];
const GROUPS: [&str; 2] = ["urn:li:corpGroup:g", "urn:li:corpGroup:h"];
const ROLES: [&str; 2] = ["urn:li:dataHubRole:r", "urn:li:dataHubRole:s"];
const RESOURCES: [&str; 4] =
    ["urn:li:dataset:x", "urn:li:dataset:xy", "urn:li:chart:x", "urn:li:corpuser:a"];
const TYPES: [&str; 3] = ["dataset", "chart", "corpuser"];
const VALUES: [&str; 4] = ["urn:li:tag:x", "urn:li:tag:xy", "urn:li:domain:x", ""];
const OWNERSHIP_TYPES: [&str; 2] = ["urn:li:ownershipType:t", "urn:li:ownershipType:u"];
const PRIVILEGES: [&str; 3] = ["EDIT_ENTITY", "VIEW_ENTITY_PAGE", "OWN"];
const WILDCARD: &str = "urn:li:allEntities:all";

fn some(texts: &'static [&'static str], most: usize) -> BoxedStrategy<Vec<String>> {
    prop::collection::vec(select(texts).prop_map(str::to_owned), 0..=most).boxed()
}

fn often(usual: &'static str, others: &'static [&'static str]) -> BoxedStrategy<&'static str> {
    prop_oneof![2 => Just(usual), 1 => select(others)].boxed()
}

fn criterion() -> impl Strategy<Value = Criterion> {
    let looked_up = select(
        &[
            "TAG",
            "tag",
            "DOMAIN",
            "Container",
            "GLOSSARY",
            "DATA_PLATFORM_INSTANCE",
            "GROUP_MEMBERSHIP",
            "COLOUR",
        ][..],
    );
    let fields = prop_oneof![
        2 => (select(&["URN", "urn", "RESOURCE_URN"][..]), some(&RESOURCES, 2)),
        2 => (select(&["TYPE", "Resource_Type"][..]), some(&TYPES, 2)),
        1 => (Just("OWNER"), some(&USERS, 2)),
        4 => (looked_up, some(&VALUES, 2)),
        1 => (select(&["URN", "TYPE"][..]), some(&["", "urn:li:", "data"], 1)),
    ];
    let condition = prop_oneof![
        6 => Just(Condition::Equals),
        2 => Just(Condition::StartsWith),
        2 => Just(Condition::NotEquals),
        1 => Just(Condition::Other("LIKE".to_owned())),
    ];
    (fields, condition).prop_map(|((field, values), condition)| Criterion {
        field: field.to_owned(),
        values,
        condition,
    })
}

fn filter() -> impl Strategy<Value = MatchFilter> {
    prop::collection::vec(criterion(), 0..3).prop_map(|criteria| MatchFilter { criteria })
}

fn resource_filter() -> impl Strategy<Value = ResourceFilter> {
    (
        prop::option::weighted(0.8, filter()),
        prop::option::weighted(0.2, filter()),
        prop::option::weighted(0.3, select(&TYPES[..]).prop_map(str::to_owned)),
        prop::option::weighted(0.3, some(&RESOURCES, 2)),
        any::<bool>(),
    )
        .prop_map(
            |(filter, privilege_constraints, resource_type, resources, all_resources)| {
                ResourceFilter {
                    filter,
                    privilege_constraints,
                    resource_type,
                    resources,
                    all_resources,
                }
            },
        )
}

fn actor_filter() -> impl Strategy<Value = ActorFilter> {
    (
        some(&USERS, 2),
        some(&GROUPS, 1),
        some(&ROLES, 1),
        (prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>()),
        prop::option::weighted(0.4, some(&OWNERSHIP_TYPES, 2)),
    )
        .prop_map(|(users, groups, roles, (all_users, all_groups, owners), types)| {
            ActorFilter {
                users,
                groups,
                roles,
                all_users,
                all_groups,
                resource_owners: owners,
                resource_owners_types: types,
            }
        })
}

fn policy() -> impl Strategy<Value = Policy> {
    (
        often("METADATA", &["PLATFORM", "platform", ""]),
        often("ACTIVE", &["INACTIVE", "DRAFT", "inactive"]),
        prop::option::weighted(0.8, resource_filter()),
        some(&PRIVILEGES, 3),
        actor_filter(),
    )
        .prop_map(|(policy_type, state, resources, privileges, actors)| Policy {
            display_name: "p".to_owned(),
            description: String::new(),
            policy_type: policy_type.to_owned(),
            state: state.to_owned(),
            resources,
            privileges: privileges.into_iter().map(Privilege::new).collect(),
            actors,
            editable: true,
            last_updated_timestamp: None,
        })
}

fn actor() -> impl Strategy<Value = Actor> {
    (select(&USERS[..]), some(&GROUPS, 2), some(&ROLES, 2)).prop_map(|(user, groups, roles)| {
        let urn = |text: &str| text.parse::<Urn>().unwrap();
        let actor =
            groups.iter().fold(Actor::new(urn(user)), |actor, group| actor.with_group(urn(group)));
        roles.iter().fold(actor, |actor, role| actor.with_role(urn(role)))
    })
}

/// All facts of a resource, and which of them are told.
#[derive(Debug, Clone)]
struct Facts {
    urn: Option<&'static str>,
    entity_type: Option<&'static str>,
    owners: Vec<Owner>,
    values: Vec<(Field, Vec<String>)>,
    told: Vec<bool>,
}

impl Facts {
    fn bare(&self) -> Resource {
        match (self.urn, self.entity_type) {
            (Some(urn), None) => Resource::new(&urn.parse().unwrap()),
            (Some(urn), Some(of_type)) => Resource::new(&urn.parse().unwrap()).with_type(of_type),
            (None, of_type) => Resource::of_type(of_type.unwrap_or("dataset")),
        }
    }

    fn told(&self) -> Resource {
        self.values.iter().zip(&self.told).filter(|(_, told)| **told).fold(
            if self.told.last() == Some(&true) {
                self.bare().with_owners(self.owners.clone())
            } else {
                self.bare()
            },
            |resource, ((field, values), _)| resource.with_field(*field, values),
        )
    }

    fn complete(&self) -> Resource {
        let resource = self.bare().with_owners(self.owners.clone());
        self.values
            .iter()
            .fold(resource, |resource, (field, values)| resource.with_field(*field, values))
    }
}

fn facts(urns: &'static [&'static str]) -> impl Strategy<Value = Facts> {
    let owner = (
        select(&[USERS[0], USERS[1], GROUPS[0], "nobody"][..]),
        prop::option::of(select(&OWNERSHIP_TYPES[..])),
    )
        .prop_map(|(owner, of_type)| match of_type {
            Some(of_type) => Owner::new(owner).of_type(of_type),
            None => Owner::new(owner),
        });
    let looked_up: Vec<_> = FactSet::ALL
        .iter()
        .filter(|field| *field != Field::Owner)
        .map(|field| some(&VALUES, 2).prop_map(move |values| (field, values)))
        .collect();
    (
        prop::option::weighted(0.9, select(urns)),
        prop::option::weighted(0.1, select(&TYPES[..])),
        prop::collection::vec(owner, 0..3),
        looked_up,
        prop::collection::vec(any::<bool>(), 7),
    )
        .prop_map(|(urn, entity_type, owners, values, told)| Facts {
            urn,
            entity_type,
            owners,
            values,
            told,
        })
}

fn options() -> impl Strategy<Value = PolicyOptions> {
    (
        prop::bool::weighted(0.05),
        any::<bool>(),
        any::<bool>(),
        prop::option::weighted(0.05, select(&USERS[..])),
    )
        .prop_map(|(allow_all, session, view_self, system)| {
            PolicyOptions::default()
                .mode(if allow_all {
                    AuthorizationMode::DangerousAllowAll
                } else {
                    AuthorizationMode::Default
                })
                .candidates(if session { Candidates::Session } else { Candidates::All })
                .view_self(if view_self { ViewSelf::On } else { ViewSelf::Off })
                .system_actor(system.map(|urn| urn.parse::<Urn>().unwrap()))
        })
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let set = some(&PRIVILEGES, 2)
        .prop_map(|ids| Requirement::all_of(ids.into_iter().map(Privilege::new)));
    prop::collection::vec(set, 0..3)
        .prop_map(|sets| sets.into_iter().fold(Requirement::any_of([]), Requirement::or))
}

fn is_completion(before: Decision, after: Decision) -> bool {
    match before {
        Decision::Indeterminate(_) => true,
        decided => decided == after,
    }
}

#[derive(Debug)]
struct Question {
    needed: Requirement,
    resource: Option<Facts>,
    subs: Vec<Facts>,
}

fn question() -> impl Strategy<Value = Question> {
    let resource = prop::option::weighted(0.9, facts(&RESOURCES));
    let subs = prop::collection::vec(facts(&[VALUES[0], VALUES[2], WILDCARD]), 0..3);
    (requirement(), resource, subs).prop_map(|(needed, resource, subs)| Question {
        needed,
        resource,
        subs,
    })
}

/// Whether the index gives the same answers as the engine.
fn agree(
    policies: &[Policy],
    options: &PolicyOptions,
    actor: &Actor,
    question: &Question,
) -> Result<(), TestCaseError> {
    let Question { needed, resource, subs } = question;
    let engine = PolicyEngine::with_options(policies.to_vec(), options.clone());
    let privileges =
        PolicyIndex::with_options(policies, options.clone()).privileges(Arc::new(actor.clone()));

    let told = resource.as_ref().map(Facts::told);
    let told_subs: Vec<Resource> = subs.iter().map(Facts::told).collect();
    let complete = resource.as_ref().map(Facts::complete);
    let complete_subs: Vec<Resource> = subs.iter().map(Facts::complete).collect();

    for (resource, subs) in [
        (told.as_ref(), told_subs.as_slice()),
        (told.as_ref(), &[]),
        (complete.as_ref(), complete_subs.as_slice()),
    ] {
        let plain = engine.decide(actor, needed, resource, subs);
        prop_assert_eq!(privileges.decide(needed, resource, subs), plain);
        for id in PRIVILEGES {
            let one = Privilege::new(id);
            let plain = engine.decide_privilege(actor, &one, resource, subs);
            prop_assert_eq!(privileges.decide(&one.into(), resource, subs), plain, "{}", id);
        }
        prop_assert_eq!(privileges.granted(resource), engine.granted_privileges(actor, resource));
    }
    for id in PRIVILEGES {
        let one = Privilege::new(id);
        let plain = engine.decide_privilege(actor, &one, told.as_ref(), &[]);
        prop_assert_eq!(privileges.decide_privilege(&one, told.as_ref()), plain);
        let plain = engine.decide_privilege(actor, &one, None, &[]);
        prop_assert_eq!(privileges.holds(&one), plain.is_granted());
    }
    Ok(())
}

/// Many that are about the same resources, and differ in what they grant and to whom.
fn many_policies() -> impl Strategy<Value = Vec<Policy>> {
    let resources = prop::collection::vec(prop::option::weighted(0.8, resource_filter()), 1..3);
    let others = prop::collection::vec((some(&PRIVILEGES, 2), actor_filter()), 40..120);
    (policy(), resources, others).prop_map(|(first, resources, others)| {
        let resources = resources.into_iter().cycle();
        let of_resource = resources.zip(others).map(|(resources, (privileges, actors))| Policy {
            policy_type: "METADATA".to_owned(),
            resources,
            privileges: privileges.into_iter().map(Privilege::new).collect(),
            actors,
            ..first.clone()
        });
        of_resource.collect()
    })
}

/// What lists more privileges than DataHub knows, before those that are asked for are met.
fn with_many_privileges(first: &Policy) -> Policy {
    let own = (0..300).map(|number| Privilege::new(format!("OWN_{number}")));
    Policy { state: "ACTIVE".to_owned(), privileges: own.collect(), ..first.clone() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn index_and_engine_agree_where_there_are_many(
        mut policies in many_policies(),
        many_privileges in any::<bool>(),
        actor in actor(),
        question in question(),
    ) {
        if many_privileges {
            policies.insert(0, with_many_privileges(&policies[0]));
        }
        agree(&policies, &PolicyOptions::default(), &actor, &question)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn index_and_engine_agree(
        policies in prop::collection::vec(policy(), 0..8),
        options in options(),
        actor in actor(),
        question in question(),
    ) {
        agree(&policies, &options, &actor, &question)?;
    }

    /// Facts that come later turn no grant into a refusal and no refusal into a grant; and all that
    /// a decision is said to lack is enough to make it.
    #[test]
    fn what_is_decided_stays_decided(
        policies in prop::collection::vec(policy(), 1..5),
        actor in actor(),
        needed in requirement(),
        resource in facts(&RESOURCES),
        subs in prop::collection::vec(facts(&[VALUES[0], VALUES[2], WILDCARD]), 0..3),
    ) {
        let told_subs: Vec<Resource> = subs.iter().map(Facts::told).collect();
        let complete_subs: Vec<Resource> = subs.iter().map(Facts::complete).collect();
        let (told, complete) = (resource.told(), resource.complete());

        let engine = PolicyEngine::new(policies.clone());
        let before = engine.decide(&actor, &needed, Some(&told), &told_subs);
        let after = engine.decide(&actor, &needed, Some(&complete), &complete_subs);
        prop_assert!(!matches!(after, Decision::Indeterminate(_)));
        prop_assert!(is_completion(before, after), "{} then {}", before, after);

        if let Decision::Indeterminate(facts) = before {
            prop_assert!(!facts.is_empty());
            let mut on = told.clone();
            let mut on_subs = told_subs.clone();
            for field in facts.iter() {
                on = learn(on, &complete, field);
                on_subs = on_subs
                    .into_iter()
                    .zip(&complete_subs)
                    .map(|(sub, complete)| learn(sub, complete, field))
                    .collect();
            }
            let learnt = engine.decide(&actor, &needed, Some(&on), &on_subs);
            prop_assert_eq!(learnt, after);
        }
        for policy in &policies {
            for id in PRIVILEGES {
                let one = Privilege::new(id);
                let before = evaluate(policy, &actor, &one, Some(&told), &told_subs);
                let after = evaluate(policy, &actor, &one, Some(&complete), &complete_subs);
                prop_assert!(is_completion(before, after), "{} then {}", before, after);
            }
        }
    }
}

fn learn(resource: Resource, complete: &Resource, field: Field) -> Resource {
    match (field, complete.owners(), complete.values(field)) {
        (Field::Owner, Fact::Known(owners), _) => resource.with_owners(owners.iter().cloned()),
        (_, _, Fact::Known(values)) => resource.with_field(field, values),
        _ => resource,
    }
}
