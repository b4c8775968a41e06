//! Every worked case of `tests/data/policy/policies.json`, by the plain engine and by the index.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::Deserialize;
use serde_json::{Value, json};
use tower_pat::{
    actor::{Actor, ActorProfile, Urn},
    backend::{BoxFuture, StoreError},
    policy::{
        AuthorizationMode, Candidates, ChangeType, Decision, EntityGraph, Existence, Fact, Field,
        GraphFacts, Operation, OperationGroup, Owner, Policy, PolicyEngine, PolicyIndex,
        PolicyOptions, Privilege, References, Requirement, Resource, ResourceFacts, ViewSelf,
        default_policies, evaluate, requirement,
    },
};

#[derive(Deserialize)]
struct Case {
    name: String,
    op: String,
    policy: Option<Policy>,
    policies: Option<Vec<Policy>>,
    policy_set: Option<String>,
    actor: Option<CaseActor>,
    privilege: Option<Privilege>,
    resource: Option<CaseResource>,
    #[serde(default)]
    sub_resources: Vec<CaseResource>,
    resources: Option<Vec<CaseResource>>,
    type_only: Option<String>,
    mode: Option<String>,
    #[serde(default)]
    session: bool,
    group: Option<String>,
    operation: Option<String>,
    rest_api_authorization: Option<bool>,
    change_type: Option<String>,
    entity_exists: Option<bool>,
    world: Option<BTreeMap<String, CaseReferences>>,
    field: Option<String>,
    expected: Value,
    why: String,
}

#[derive(Deserialize)]
struct CaseActor {
    urn: String,
    #[serde(default)]
    groups: Vec<Urn>,
    #[serde(default)]
    native_groups: Vec<Urn>,
    #[serde(default)]
    roles: Vec<Urn>,
    #[serde(default)]
    group_roles: BTreeMap<String, Vec<Urn>>,
}

#[derive(Deserialize)]
struct CaseResource {
    #[serde(rename = "type")]
    entity_type: String,
    urn: String,
    #[serde(default)]
    owners: Vec<CaseOwner>,
    #[serde(default)]
    fields: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct CaseOwner {
    owner: String,
    #[serde(rename = "type")]
    ownership_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CaseReferences {
    #[serde(default)]
    domains: Vec<String>,
    parent_domain: Option<String>,
    container: Option<String>,
    #[serde(default)]
    terms: Vec<String>,
    parent_node: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    owners: Vec<CaseOwner>,
    platform_instance: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    native_groups: Vec<String>,
}

impl CaseActor {
    /// `None` where the case names an actor by something that is no urn: such an actor cannot be
    /// made here at all, which is the refusal that the case expects.
    fn actor(&self) -> Option<Actor> {
        // Whose roles count is the directory's to say: it gives those of the user's groups.
        let own_groups: BTreeSet<&str> =
            self.groups.iter().chain(&self.native_groups).map(Urn::as_str).collect();
        let of_own_groups =
            self.group_roles.iter().filter(|(group, _)| own_groups.contains(group.as_str()));
        let profile = ActorProfile {
            groups: self.groups.clone(),
            native_groups: self.native_groups.clone(),
            roles: self.roles.clone(),
            group_roles: of_own_groups.flat_map(|(_, roles)| roles).cloned().collect(),
            ..ActorProfile::default()
        };
        Some(Actor::from_profile(self.urn.parse().ok()?, profile))
    }
}

impl CaseOwner {
    fn owner(&self) -> Owner {
        let owner = Owner::new(self.owner.as_str());
        match &self.ownership_type {
            Some(of_type) => owner.of_type(of_type.as_str()),
            None => owner,
        }
    }
}

impl CaseResource {
    fn resource(&self) -> Resource {
        if self.urn.is_empty() {
            return Resource::of_type(self.entity_type.as_str());
        }
        let mut resource = Resource::new(&self.urn.parse().unwrap())
            .with_type(self.entity_type.as_str())
            .with_owners(self.owners.iter().map(CaseOwner::owner));
        for (name, values) in &self.fields {
            resource = resource.with_field(Field::parse(name).unwrap(), values);
        }
        resource.with_no_other_facts()
    }
}

#[derive(Debug)]
struct World(BTreeMap<String, References>);

impl EntityGraph for World {
    fn references<'a>(
        &'a self,
        urn: &'a str,
    ) -> BoxFuture<'a, Result<Option<References>, StoreError>> {
        let references = self.0.get(urn).cloned();
        Box::pin(async { Ok(references) })
    }
}

impl From<&CaseReferences> for References {
    fn from(case: &CaseReferences) -> Self {
        Self {
            domains: case.domains.clone(),
            parent_domain: case.parent_domain.clone(),
            container: case.container.clone(),
            terms: case.terms.clone(),
            parent_node: case.parent_node.clone(),
            tags: case.tags.clone(),
            owners: case.owners.iter().map(CaseOwner::owner).collect(),
            data_platform_instance: case.platform_instance.clone(),
            groups: case.groups.clone(),
            native_groups: case.native_groups.clone(),
        }
    }
}

impl Case {
    fn policies(&self) -> Vec<Policy> {
        match (self.policy_set.as_deref(), &self.policies) {
            (Some("boot"), _) => default_policies().into_iter().map(Policy::from).collect(),
            (Some("none"), _) => Vec::new(),
            (None, Some(policies)) => policies.clone(),
            other => panic!("which policies? {:?}", other.0),
        }
    }

    fn options(&self) -> PolicyOptions {
        let mode = match self.mode.as_deref() {
            Some("ALLOW_ALL") => AuthorizationMode::DangerousAllowAll,
            None | Some("DEFAULT") => AuthorizationMode::Default,
            Some(other) => panic!("mode {other}"),
        };
        PolicyOptions::default()
            .mode(mode)
            .candidates(if self.session { Candidates::Session } else { Candidates::All })
            .system_actor("urn:li:corpuser:__datahub_system".parse::<Urn>().unwrap())
    }

    fn resource(&self) -> Option<Resource> {
        self.resource.as_ref().map(CaseResource::resource)
    }

    fn sub_resources(&self) -> Vec<Resource> {
        self.sub_resources.iter().map(CaseResource::resource).collect()
    }

    /// What engine and index decide about each of the resources; all have to pass.
    fn decide(
        &self,
        options: PolicyOptions,
        needed: &Requirement,
        on: &[Option<Resource>],
    ) -> Both {
        let Some(actor) = self.actor.as_ref().unwrap().actor() else { return Both::DENIED };
        let (policies, subs) = (self.policies(), self.sub_resources());
        let engine = PolicyEngine::with_options(policies.clone(), options.clone());
        let privileges =
            PolicyIndex::with_options(&policies, options).privileges(Arc::new(actor.clone()));
        let all = |decide: &dyn Fn(Option<&Resource>) -> Decision| {
            on.iter().all(|resource| decide(resource.as_ref()).is_granted())
        };
        Both {
            engine: all(&|resource| engine.decide(&actor, needed, resource, &subs)),
            index: all(&|resource| privileges.decide(needed, resource, &subs)),
        }
    }

    fn evaluate(&self) -> Both {
        let Some(actor) = self.actor.as_ref().unwrap().actor() else { return Both::DENIED };
        let policy = self.policy.as_ref().unwrap();
        let privilege = self.privilege.as_ref().unwrap();
        let (resource, subs) = (self.resource(), self.sub_resources());
        let engine = evaluate(policy, &actor, privilege, resource.as_ref(), &subs);
        let options = PolicyOptions::default().candidates(Candidates::All).view_self(ViewSelf::Off);
        let index = PolicyIndex::with_options([policy], options)
            .privileges(Arc::new(actor))
            .decide(&privilege.into(), resource.as_ref(), &subs);
        Both { engine: engine.is_granted(), index: index.is_granted() }
    }

    fn authorize(&self) -> Both {
        let needed = self.privilege.as_ref().unwrap().into();
        self.decide(self.options(), &needed, &[self.resource()])
    }

    fn granted_privileges(&self) -> [Value; 2] {
        let actor = self.actor.as_ref().unwrap().actor().unwrap();
        let (policies, resource) = (self.policies(), self.resource());
        let engine = PolicyEngine::with_options(policies.clone(), self.options());
        let index = PolicyIndex::with_options(policies, self.options());
        let engine = engine.granted_privileges(&actor, resource.as_ref());
        let index = index.privileges(Arc::new(actor)).granted(resource.as_ref());
        [json!(engine), json!(index)]
    }

    fn authorized_actors(&self) -> Value {
        let engine = PolicyEngine::new(self.policies());
        let listing =
            engine.authorized_actors(self.privilege.as_ref().unwrap(), self.resource().as_ref());
        assert!(listing.unknown.is_empty());
        let sorted = |list: Vec<String>| list.into_iter().collect::<BTreeSet<_>>();
        json!({
            "users": sorted(listing.users),
            "groups": sorted(listing.groups),
            "roles": sorted(listing.roles),
            "allUsers": listing.all_users,
            "allGroups": listing.all_groups,
        })
    }

    async fn resolve_field(&self) -> Value {
        let world = self.world.as_ref().unwrap();
        let world = world.iter().map(|(urn, case)| (urn.clone(), case.into())).collect();
        let case = self.resource.as_ref().unwrap();
        let resource =
            Resource::new(&case.urn.parse().unwrap()).with_type(case.entity_type.as_str());
        let field = Field::parse(self.field.as_ref().unwrap()).unwrap();
        let needed = [field].into_iter().collect();
        let found = GraphFacts::new(World(world)).facts(&resource, needed).await.unwrap();
        let Fact::Known(values) = found.values(field) else { panic!("{field} is unknown") };
        json!(values.collect::<BTreeSet<_>>())
    }

    fn api_check(&self) -> Both {
        let group = match self.group.as_deref().unwrap() {
            "ENTITY" => OperationGroup::Entity,
            "LINEAGE" => OperationGroup::Lineage,
            "RELATIONSHIP" => OperationGroup::Relationship,
            "TIMESERIES" => OperationGroup::Timeseries,
            "ANALYTICS" => OperationGroup::Analytics,
            "COUNTS" => OperationGroup::Counts,
            other => panic!("group {other}"),
        };
        let operation = match self.operation.as_deref().unwrap() {
            "CREATE" => Operation::Create,
            "READ" => Operation::Read,
            "UPDATE" => Operation::Update,
            "DELETE" => Operation::Delete,
            "EXISTS" => Operation::Exists,
            "EXECUTE" => Operation::Execute,
            "MANAGE" => Operation::Manage,
            other => panic!("operation {other}"),
        };
        let options = match self.rest_api_authorization {
            // What that switch of DataHub amounts to here.
            Some(false) => self.options().mode(AuthorizationMode::DangerousAllowAll),
            _ => self.options(),
        };
        let mut on: Vec<Option<Resource>> = match (&self.resources, &self.type_only) {
            (Some(resources), None) => resources.iter().map(|one| Some(one.resource())).collect(),
            (None, Some(of_type)) => vec![Some(Resource::of_type(of_type.as_str()))],
            (None, None) => vec![None],
            _ => panic!("resources and a type"),
        };
        if on.is_empty() && group != OperationGroup::Entity {
            on.push(None);
        }
        let entity_type = on.iter().flatten().map(Resource::entity_type).next();
        self.decide(options, requirement(group, operation, entity_type), &on)
    }

    fn api_change(&self) -> [Value; 2] {
        let Ok(change) = self.change_type.as_ref().unwrap().parse::<ChangeType>() else {
            return [json!(400), json!(400)];
        };
        let existence = match self.entity_exists {
            None => Existence::Unknown,
            Some(true) => Existence::Exists,
            Some(false) => Existence::Missing,
        };
        let resource = self.resource().unwrap();
        let entity_type = resource.entity_type().to_owned();
        let operation = change.operation(&entity_type, existence);
        let needed = requirement(OperationGroup::Entity, operation, Some(&entity_type));
        let both = self.decide(self.options(), needed, &[Some(resource)]);
        [both.engine, both.index].map(|granted| json!(if granted { 200 } else { 403 }))
    }
}

struct Both {
    engine: bool,
    index: bool,
}

impl Both {
    const DENIED: Self = Self { engine: false, index: false };

    fn values(self) -> [Value; 2] {
        [self.engine, self.index].map(|granted| json!(if granted { "ALLOW" } else { "DENY" }))
    }
}

#[tokio::test]
async fn every_worked_case_is_decided_as_datahub_does() {
    let data: Value =
        serde_json::from_str(include_str!("../../data/policy/policies.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_value(data["cases"].clone()).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut failures = Vec::new();
    for case in &cases {
        let mut expected = case.expected.clone();
        if let Some(listing) = expected.as_array_mut() {
            listing.sort_by_key(ToString::to_string);
        }
        let results: Vec<Value> = match case.op.as_str() {
            "evaluate" => case.evaluate().values().into(),
            "authorize" => case.authorize().values().into(),
            "granted_privileges" => case.granted_privileges().into(),
            "authorized_actors" => vec![case.authorized_actors()],
            "resolve_field" => vec![case.resolve_field().await],
            "api_check" => case.api_check().values().into(),
            "api_change" => case.api_change().into(),
            other => panic!("{}: op {other}", case.name),
        };
        for (result, by) in results.iter().zip(["engine", "index"]) {
            if *result != expected {
                failures.push(format!(
                    "{} ({by}): {result}, expected {expected}: {}",
                    case.name, case.why
                ));
            }
        }
        *counts.entry(case.op.clone()).or_default() += 1;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // None is left out, and none of the kinds.
    assert_eq!(counts.values().sum::<usize>(), 202);
    assert_eq!(counts.len(), 7);
}
