//! Does a decision stay cheap as policies become many?
//!
//! A third of the policies name one entity, a third one domain of one type, a third one tag of what
//! somebody owns. `authorize` asks for what the last policy about an entity grants, `refuse` for
//! what none does, `authorize_by_domain` for what a domain grants, `holds` for what needs no resource,
//! `authorize_by_prefix` by one of as many beginnings of names, of thirty different lengths, `missing_facts` about an entity of
//! which nothing is known, `narrow` for what concerns an actor of three groups and a role, `build`
//! makes the index. `build_wide` makes that of policies such as DataHub's own for editors: 40
//! privileges each, for three of 300 groups, by two of three thousand tags and one of ten types.
#![allow(missing_docs, clippy::unwrap_used)]

use std::{hint::black_box, sync::Arc};

use criterion::{Criterion, criterion_group, criterion_main};
use tower_pat::{
    actor::{Actor, Urn},
    policy::{
        self, ActorFilter, Condition, Field, MatchFilter, Owner, Policy, PolicyIndex, Privilege,
        Resource, ResourceFilter,
    },
};

fn equals(field: Field, value: String) -> policy::Criterion {
    policy::Criterion {
        field: field.as_str().to_owned(),
        values: vec![value],
        condition: Condition::Equals,
    }
}

fn dataset(number: usize) -> String {
    format!("urn:li:dataset:(urn:li:dataPlatform:hive,sales.orders_{number},PROD)")
}

fn domain(number: usize) -> String {
    format!("urn:li:domain:sales_{number}")
}

fn policies(count: usize) -> Vec<Policy> {
    (0..count)
        .map(|number| {
            let mut actors = ActorFilter { all_users: true, ..ActorFilter::default() };
            let criteria = match number % 3 {
                0 => vec![equals(Field::Urn, dataset(number))],
                1 => vec![
                    equals(Field::Type, "dataset".to_owned()),
                    equals(Field::Domain, domain(number)),
                ],
                _ => {
                    actors = ActorFilter { resource_owners: true, ..ActorFilter::default() };
                    vec![equals(Field::Tag, format!("urn:li:tag:{number}"))]
                }
            };
            Policy {
                display_name: format!("policy {number}"),
                description: String::new(),
                policy_type: "METADATA".to_owned(),
                state: "ACTIVE".to_owned(),
                resources: Some(ResourceFilter {
                    filter: Some(MatchFilter { criteria }),
                    ..ResourceFilter::default()
                }),
                privileges: vec![Privilege::VIEW_ENTITY_PAGE, Privilege::EDIT_ENTITY_TAGS],
                actors,
                editable: true,
                last_updated_timestamp: None,
            }
        })
        .collect()
}

fn wide_policies(count: usize) -> Vec<Policy> {
    let tag = |number: usize| format!("urn:li:tag:{}", number * 7 % 3_000);
    policies(count)
        .into_iter()
        .enumerate()
        .map(|(number, mut policy)| {
            let tags = MatchFilter {
                criteria: vec![
                    equals(Field::Type, format!("type{}", number % 10)),
                    policy::Criterion {
                        values: vec![tag(number), tag(number + 1)],
                        ..equals(Field::Tag, String::new())
                    },
                ],
            };
            policy.resources =
                Some(ResourceFilter { filter: Some(tags), ..ResourceFilter::default() });
            policy.privileges =
                Privilege::KNOWN.iter().skip(number % 50).take(40).cloned().collect();
            let groups = (0..3).map(|of| format!("urn:li:corpGroup:{}", (number * 3 + of) % 300));
            policy.actors = ActorFilter { groups: groups.collect(), ..ActorFilter::default() };
            policy
        })
        .collect()
}

fn platform_policy() -> Policy {
    let mut policy = policies(1).remove(0);
    policy.policy_type = "PLATFORM".to_owned();
    policy.resources = None;
    policy.privileges = vec![Privilege::MANAGE_POLICIES];
    policy
}

/// The beginning of names by which a policy is found.
fn prefix(number: usize) -> String {
    let width = 5 + number % 30;
    format!("urn:li:dataset:(urn:li:dataPlatform:hive,{number:0width$}.")
}

fn prefix_policies(count: usize) -> Vec<Policy> {
    let by_prefix = |(number, mut policy): (usize, Policy)| {
        let criterion = policy::Criterion {
            condition: Condition::StartsWith,
            ..equals(Field::Urn, prefix(number))
        };
        let filter = MatchFilter { criteria: vec![criterion] };
        policy.resources =
            Some(ResourceFilter { filter: Some(filter), ..ResourceFilter::default() });
        policy.actors = ActorFilter { all_users: true, ..ActorFilter::default() };
        policy
    };
    policies(count).into_iter().enumerate().map(by_prefix).collect()
}

fn actor() -> Arc<Actor> {
    let urn = |text: &str| text.parse::<Urn>().unwrap();
    Arc::new(
        Actor::new(urn("urn:li:corpuser:alice"))
            .with_group(urn("urn:li:corpGroup:engineering"))
            .with_group(urn("urn:li:corpGroup:finance"))
            .with_group(urn("urn:li:corpGroup:legal"))
            .with_role(urn("urn:li:dataHubRole:Editor")),
    )
}

fn bench(c: &mut Criterion) {
    for count in [10, 1_000, 10_000] {
        let policies = policies(count);
        let mut with_platform = policies.clone();
        with_platform.push(platform_policy());
        let index = PolicyIndex::new(&with_platform);
        let privileges = index.privileges(actor());
        let last = (count - 1) / 3 * 3;
        let view = Privilege::VIEW_ENTITY_PAGE;

        let unknown = |number| Resource::new(&dataset(number).parse().unwrap());
        let known = |number| {
            unknown(number)
                .with_owners([Owner::new("urn:li:corpuser:bob")])
                .with_field(Field::Domain, [domain(0)])
                .with_no_other_facts()
        };
        let granted = known(last);
        let refused = known(count + 1);
        let by_domain = unknown(count + 1)
            .with_field(Field::Domain, [domain(0), domain(last - 2)])
            .with_no_other_facts();
        let missing = unknown(count + 1);

        assert!(privileges.decide_privilege(&view, Some(&granted)).is_granted());
        assert!(privileges.decide_privilege(&view, Some(&by_domain)).is_granted());
        assert!(!privileges.decide_privilege(&view, Some(&refused)).is_granted());

        for (name, resource) in [
            ("authorize", &granted),
            ("refuse", &refused),
            ("authorize_by_domain", &by_domain),
            ("missing_facts", &missing),
        ] {
            c.bench_function(&format!("{name}/{count}_policies"), |b| {
                b.iter(|| privileges.decide_privilege(black_box(&view), Some(black_box(resource))));
            });
        }
        let platform = Privilege::MANAGE_POLICIES;
        c.bench_function(&format!("holds/{count}_policies"), |b| {
            b.iter(|| privileges.holds(black_box(&platform)));
        });
        let by_prefix = PolicyIndex::new(prefix_policies(count)).privileges(actor());
        let name = format!("{}orders,PROD)", prefix(count - 1));
        let begins = Resource::new(&name.parse().unwrap());
        assert!(by_prefix.decide_privilege(&view, Some(&begins)).is_granted());
        c.bench_function(&format!("authorize_by_prefix/{count}_policies"), |b| {
            b.iter(|| by_prefix.decide_privilege(black_box(&view), Some(black_box(&begins))));
        });
        let actor = actor();
        c.bench_function(&format!("narrow/{count}_policies"), |b| {
            b.iter(|| index.privileges(Arc::clone(black_box(&actor))));
        });
        c.bench_function(&format!("build/{count}_policies"), |b| {
            b.iter(|| PolicyIndex::new(black_box(&policies)));
        });
        let policies = wide_policies(count);
        c.bench_function(&format!("build_wide/{count}_policies"), |b| {
            b.iter(|| PolicyIndex::new(black_box(&policies)));
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
