//! What a decision allocates: nothing; and what is kept of tokens that are not good: nothing. In a
//! binary of its own, since that counts what its allocator is asked for.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::{hint::black_box, sync::Arc, time::Duration};

use allocation_counter::measure;
use http::{Request, header, request::Parts};
use serde_json::{Value, json};
use tower_pat::{
    Authenticator, Config, TokenService,
    actor::{Actor, DirectoryStore, Urn},
    authenticate::Verdict,
    policy::{
        Decision, FactSet, Field, Owner, Policy, PolicyIndex, Privilege, Privileges, Requirement,
        Resource,
    },
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

const TAG: &str = "urn:li:tag:gold";
const SHIP: Privilege = Privilege::from_static("SHIP_ORDERS");

fn policy(privileges: &Value, actors: &Value, criteria: &Value) -> Policy {
    serde_json::from_value(json!({
        "displayName": "p", "type": "METADATA", "state": "ACTIVE", "privileges": privileges,
        "actors": actors, "resources": { "filter": { "criteria": criteria } }
    }))
    .unwrap()
}

/// A policy for each way in which a rule is found, each many times, so that lists are long.
fn policies() -> Vec<Policy> {
    let everybody = json!({ "allUsers": true });
    let sales = json!({ "groups": ["urn:li:corpGroup:sales"] });
    let owners =
        json!({ "resourceOwners": true, "resourceOwnersTypes": ["urn:li:ownershipType:t"] });
    let urn = |condition: &str, key: String| json!([{ "field": "URN", "values": [key], "condition": condition }]);
    let tagged = json!([
        { "field": "TYPE", "values": ["dataset"] }, { "field": "TAG", "values": [TAG] }
    ]);
    let untagged = json!([{ "field": "TAG", "values": [TAG], "condition": "NOT_EQUALS" }]);
    let mut policies: Vec<Policy> = (0..100)
        .flat_map(|number| {
            let of = |prefix: &str| format!("urn:li:dataset:{prefix}{number}");
            [
                policy(&json!(["EDIT_ENTITY"]), &everybody, &urn("EQUALS", of("d"))),
                policy(&json!(["EDIT_ENTITY"]), &everybody, &urn("STARTS_WITH", of("raw."))),
                policy(&json!(["EDIT_ENTITY_TAGS"]), &sales, &tagged),
                policy(&json!(["EDIT_ENTITY_DOCS"]), &owners, &tagged),
                policy(&json!(["EDIT_ENTITY_STATUS"]), &sales, &untagged),
            ]
        })
        .collect();
    let platform = json!({
        "displayName": "p", "type": "PLATFORM", "state": "ACTIVE",
        "privileges": ["MANAGE_POLICIES", "SHIP_ORDERS"], "actors": sales,
    });
    policies.push(serde_json::from_value(platform).unwrap());
    let mut constrained = policy(&json!(["CREATE_ENTITY"]), &everybody, &json!([]));
    constrained.resources.as_mut().unwrap().privilege_constraints =
        serde_json::from_value(json!({ "criteria": tagged })).unwrap();
    policies.push(constrained);
    policies
}

fn privileges() -> Privileges {
    let alice = Actor::new(Urn::corpuser("alice").unwrap())
        .with_group("urn:li:corpGroup:sales".parse().unwrap())
        .with_role("urn:li:dataHubRole:Editor".parse().unwrap());
    PolicyIndex::new(policies()).privileges(Arc::new(alice))
}

fn dataset(key: &str) -> Resource {
    Resource::new(&Urn::of("dataset", key).unwrap())
}

fn owned_by(owner: &str) -> Resource {
    let owner = Owner::new(owner).of_type("urn:li:ownershipType:t");
    dataset("x").with_owners([owner]).with_field(Field::Tag, [TAG]).with_no_other_facts()
}

#[test]
fn a_decision_allocates_nothing() {
    let privileges = privileges();
    let (edit, tags, docs) =
        (Privilege::EDIT_ENTITY, Privilege::EDIT_ENTITY_TAGS, Privilege::EDIT_ENTITY_DOCS);
    let status = Privilege::EDIT_ENTITY_STATUS;
    let (tag, owner) = (FactSet::of(Field::Tag), FactSet::of(Field::Owner));
    let unknown = Privilege::from_static("OF_NO_POLICY");
    let granted = Decision::Granted;
    for (privilege, resource, expected) in [
        (&edit, dataset("d7"), granted),
        (&edit, dataset("d700").with_no_other_facts(), Decision::Denied),
        (&edit, dataset("raw.99.orders"), granted),
        (&edit, dataset("r"), Decision::Denied),
        (&edit, Resource::new(&Urn::corpuser("alice").unwrap()), granted),
        (&edit, Resource::of_type("dataset"), Decision::Denied),
        (&tags, dataset("x").with_field(Field::Tag, ["urn:li:tag:red", TAG]), granted),
        (&tags, dataset("x"), Decision::Indeterminate(tag)),
        (&tags, Resource::new(&Urn::of("chart", "x").unwrap()), Decision::Denied),
        (&status, dataset("x"), Decision::Indeterminate(tag)),
        (&status, dataset("x").with_no_other_facts(), granted),
        (&docs, owned_by("urn:li:corpuser:alice"), granted),
        (&docs, owned_by("urn:li:corpGroup:sales"), granted),
        (&docs, owned_by("urn:li:corpuser:bob"), Decision::Denied),
        (&docs, dataset("x"), Decision::Indeterminate(tag.union(owner))),
        (&SHIP, dataset("x"), granted),
        (&unknown, dataset("x"), Decision::Denied),
    ] {
        let mut decision = Decision::Denied;
        let allocated = measure(|| {
            decision = privileges.decide_privilege(black_box(privilege), Some(&resource));
        });
        assert_eq!(decision, expected, "{privilege} {resource}");
        assert_eq!(allocated.count_total, 0, "{privilege} {resource}");
    }
}

#[test]
fn a_requirement_and_sub_resources_allocate_nothing() {
    let privileges = privileges();
    let create = Requirement::from(Privilege::CREATE_ENTITY);
    let several = Requirement::from(Privilege::MANAGE_SECRETS)
        .or(Requirement::all_of([Privilege::EDIT_ENTITY, Privilege::EDIT_ENTITY_TAGS]));
    let tagged = dataset("d3").with_field(Field::Tag, [TAG]);
    let (red, unknown) = (dataset("y").with_no_other_facts(), dataset("y"));
    let missing = Decision::Indeterminate(FactSet::of(Field::Tag));
    for (requirement, subs, expected) in [
        (&several, &[][..], Decision::Granted),
        (&create, std::slice::from_ref(&tagged), Decision::Granted),
        (&create, std::slice::from_ref(&red), Decision::Denied),
        (&create, std::slice::from_ref(&unknown), missing),
    ] {
        let mut decision = Decision::Denied;
        let allocated = measure(|| {
            decision = privileges.decide(black_box(requirement), Some(&tagged), subs);
        });
        assert_eq!(decision, expected, "{requirement}");
        assert_eq!(allocated.count_total, 0, "{requirement}");
    }
}

#[test]
fn a_platform_privilege_and_a_clone_allocate_nothing() {
    let privileges = privileges();
    for (privilege, expected) in
        [(Privilege::MANAGE_POLICIES, true), (SHIP, true), (Privilege::MANAGE_SECRETS, false)]
    {
        let mut holds = !expected;
        let allocated = measure(|| holds = privileges.clone().holds(black_box(&privilege)));
        assert_eq!(holds, expected, "{privilege}");
        assert_eq!(allocated.count_total, 0, "{privilege}");
    }
    // What is counted here is counted.
    assert!(measure(|| drop(black_box(Box::new(7)))).count_total > 0);
}

fn head(token: &str) -> Parts {
    let request = Request::builder().header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.body(()).unwrap().into_parts().0
}

/// Of 10,000 tokens, each another one, no byte is kept when they have been refused.
#[tokio::test]
async fn nothing_is_kept_of_bad_tokens() {
    let key = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";
    // Nobody reads the feed meanwhile, and the states of keys are good as long as that is not overdue.
    let config = Config::builder(key, "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ")
        .revocation_bound(Duration::from_hours(1))
        .build()
        .unwrap();
    let (store, alice) = (MemoryStore::default(), Urn::corpuser("alice").unwrap());
    store.create_user(&alice).await.unwrap();
    let tokens = TokenService::new(&config, Arc::new(store.clone()));
    let request =
        MintRequest::new(TokenType::Personal, alice, AccessTokenDuration::OneHour.lifetime());
    let good = tokens.mint(request).await.unwrap().token.expose().to_owned();
    let authenticator = Authenticator::builder(config, store).build().await.unwrap();
    authenticator.authenticate(&head(&good)).await.unwrap();

    let (input, signature) = good.rsplit_once('.').unwrap();
    let (protected, claims) = input.split_once('.').unwrap();
    let refuse = |from: u32, to: u32| {
        for number in from..to {
            let number = format!("{number:05}");
            let text = match number.as_bytes()[4] % 4 {
                0 => format!("{input}.{number}{}", &signature[5..]),
                1 => format!("{protected}.{number}{claims}.{signature}"),
                2 => format!("{number}{input}.{signature}"),
                _ => format!("{number}{}", "a".repeat(5_000)),
            };
            let head = head(&text);
            let verdict = authenticator.verdict((&head).into());
            assert!(matches!(verdict, Verdict::Ready(Err(_))), "{number}: {verdict:?}");
        }
    };
    // What a thread has once it has refused something.
    refuse(0, 100);
    let kept = measure(|| refuse(100, 10_100));
    assert_eq!((kept.count_current, kept.bytes_current), (0, 0));
    // It was counted, and the good one is still remembered.
    assert!(kept.count_total > 10_000);
    assert!(matches!(authenticator.verdict((&head(&good)).into()), Verdict::Ready(Ok(_))));
}
