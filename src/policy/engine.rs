use std::collections::BTreeSet;

use super::{
    ActorFilter, Condition, Criterion, Decision, Fact, FactSet, Field, MatchFilter, Owner, Policy,
    PolicyOptions, Privilege, Requirement, Resource, ResourceFilter, ViewSelf,
    decision::decide_requirement,
    filter::{allows_sub_resources, matches_resource},
    truth::Truth,
};
use crate::actor::{Actor, Urn};

/// What one policy, on its own, says (DataHub: `PolicyEngine`).
///
/// `sub_resources` are the other entities that the operation touches, such as the tags that are
/// added; usually none.
pub fn evaluate(
    policy: &Policy,
    actor: &Actor,
    privilege: &Privilege,
    resource: Option<&Resource>,
    sub_resources: &[Resource],
) -> Decision {
    if !policy.privileges.contains(privilege) {
        return Decision::Denied;
    }
    applies(policy, actor, resource, sub_resources).into()
}

/// The plain authorizer: asks every policy, one after the other (DataHub:
/// `DataHubAuthorizer`).
///
/// It is the reference for [`PolicyIndex`](super::PolicyIndex), which gives the same answers fast,
/// and it makes the listings.
#[derive(Debug, Clone, Default)]
pub struct PolicyEngine {
    policies: Vec<Policy>,
    options: PolicyOptions,
}

impl PolicyEngine {
    /// An authorizer with default options.
    pub fn new<P: Into<Policy>>(policies: impl IntoIterator<Item = P>) -> Self {
        Self::with_options(policies, PolicyOptions::default())
    }

    /// An authorizer with options.
    pub fn with_options<P: Into<Policy>>(
        policies: impl IntoIterator<Item = P>,
        options: PolicyOptions,
    ) -> Self {
        Self { policies: policies.into_iter().map(Into::into).collect(), options }
    }

    /// Whether the actor holds what is required.
    pub fn decide(
        &self,
        actor: &Actor,
        requirement: &Requirement,
        resource: Option<&Resource>,
        sub_resources: &[Resource],
    ) -> Decision {
        decide_requirement(requirement, |privilege| {
            self.truth(actor, privilege, resource, sub_resources)
        })
        .into()
    }

    /// Whether the actor holds one privilege.
    pub fn decide_privilege(
        &self,
        actor: &Actor,
        privilege: &Privilege,
        resource: Option<&Resource>,
        sub_resources: &[Resource],
    ) -> Decision {
        self.truth(actor, privilege, resource, sub_resources).into()
    }

    /// All privileges that the actor certainly holds, on `resource` or, without one, without any.
    /// Policies and View Self are listed, whatever the mode and whoever is the system
    /// actor.
    #[must_use]
    pub fn granted_privileges(
        &self,
        actor: &Actor,
        resource: Option<&Resource>,
    ) -> BTreeSet<Privilege> {
        let view_self = self.view_self(actor);
        self.candidates()
            .chain(&view_self)
            .filter(|policy| applies(policy, actor, resource, &[]) == Truth::True)
            .flat_map(|policy| policy.privileges.iter().cloned())
            .collect()
    }

    /// Who holds a privilege by stored, active policies, as far as it can be said without
    /// asking who is in which group.
    #[must_use]
    pub fn authorized_actors(
        &self,
        privilege: &Privilege,
        resource: Option<&Resource>,
    ) -> AuthorizedActors {
        let mut listing = AuthorizedActors::default();
        for policy in &self.policies {
            if policy.is_active() && policy.privileges.contains(privilege) {
                match matches_resource(policy, resource) {
                    Truth::True => listing.add(&policy.actors, resource),
                    Truth::False => {}
                    Truth::Unknown(facts) => listing.unknown = listing.unknown.union(facts),
                }
            }
        }
        listing
    }

    fn truth(
        &self,
        actor: &Actor,
        privilege: &Privilege,
        resource: Option<&Resource>,
        sub_resources: &[Resource],
    ) -> Truth {
        if self.options.grants_everything_to(actor.urn()) {
            return Truth::True;
        }
        let view_self = self.view_self(actor);
        let candidates = self.candidates().chain(&view_self);
        Truth::any(
            candidates
                .filter(|policy| policy.privileges.contains(privilege))
                .map(|policy| applies(policy, actor, resource, sub_resources)),
        )
    }

    fn candidates(&self) -> impl Iterator<Item = &Policy> {
        self.policies.iter().filter(|policy| self.options.is_candidate(policy))
    }

    fn view_self(&self, actor: &Actor) -> Option<Policy> {
        (self.options.view_self == ViewSelf::On).then(|| view_self(actor.urn()))
    }
}

/// Who holds a privilege, from [`PolicyEngine::authorized_actors`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuthorizedActors {
    /// Users named by policies, and owners that are users, whatever their ownership type. May hold
    /// duplicates.
    pub users: Vec<String>,
    /// Groups named by policies, and owners that are groups.
    pub groups: Vec<String>,
    /// Roles named by policies.
    pub roles: Vec<String>,
    /// Whether everybody does.
    pub all_users: bool,
    /// As `all_users`: DataHub does not look at what policies say of all groups.
    pub all_groups: bool,
    /// What is not known of the resource; while this is not empty, somebody may be missing.
    pub unknown: FactSet,
}

impl AuthorizedActors {
    fn add(&mut self, actors: &ActorFilter, resource: Option<&Resource>) {
        self.users.extend_from_slice(&actors.users);
        self.groups.extend_from_slice(&actors.groups);
        self.roles.extend_from_slice(&actors.roles);
        self.all_users |= actors.all_users;
        self.all_groups |= actors.all_users;
        if let Some(resource) = resource
            && actors.resource_owners
        {
            match resource.owners() {
                Fact::Known(owners) => self.add_owners(owners),
                Fact::Unknown => self.unknown = self.unknown.union(FactSet::of(Field::Owner)),
            }
        }
    }

    fn add_owners(&mut self, owners: &[Owner]) {
        for Owner { owner, .. } in owners {
            match owner.parse::<Urn>() {
                Ok(urn) if urn.entity_type() == "corpuser" => self.users.push(owner.clone()),
                Ok(urn) if urn.entity_type() == "corpGroup" => self.groups.push(owner.clone()),
                _ => {}
            }
        }
    }
}

/// The privileges of the policy that every actor has without its being stored.
pub(super) const VIEW_SELF: [Privilege; 4] = [
    Privilege::VIEW_ENTITY_PAGE,
    Privilege::GET_ENTITY_PRIVILEGE,
    Privilege::EDIT_ENTITY,
    Privilege::DELETE_ENTITY,
];

fn view_self(actor: &Urn) -> Policy {
    let only_itself = Criterion {
        field: Field::Urn.as_str().to_owned(),
        values: vec![actor.to_string()],
        condition: Condition::Equals,
    };
    Policy {
        display_name: "View Self".to_owned(),
        description: String::new(),
        policy_type: "METADATA".to_owned(),
        state: "ACTIVE".to_owned(),
        resources: Some(ResourceFilter {
            filter: Some(MatchFilter { criteria: vec![only_itself] }),
            ..ResourceFilter::default()
        }),
        privileges: VIEW_SELF.to_vec(),
        actors: ActorFilter { users: vec![actor.to_string()], ..ActorFilter::default() },
        editable: false,
        last_updated_timestamp: None,
    }
}

// What is left of an evaluation once the privilege is found in the policy.
fn applies(
    policy: &Policy,
    actor: &Actor,
    resource: Option<&Resource>,
    sub_resources: &[Resource],
) -> Truth {
    if policy.is_inactive() {
        return Truth::False;
    }
    matches_actor(&policy.actors, actor, resource)
        .and(matches_resource(policy, resource))
        .and(allows_sub_resources(policy, sub_resources))
}

/// Why a policy does not apply to the actor, in DataHub's words where it has any; `None` if it does.
pub(crate) fn why_not(
    policy: &Policy,
    actor: &Actor,
    resource: Option<&Resource>,
) -> Option<String> {
    if policy.is_inactive() {
        return Some("Inactive Policy".to_owned());
    }
    let because = |truth, no: &str| match truth {
        Truth::True => None,
        Truth::False => Some(no.to_owned()),
        Truth::Unknown(facts) => Some(format!("Not known of the resource: {facts}")),
    };
    because(matches_actor(&policy.actors, actor, resource), "Actor did not match")
        .or_else(|| because(matches_resource(policy, resource), "Resource does not match"))
}

fn matches_actor(filter: &ActorFilter, actor: &Actor, resource: Option<&Resource>) -> Truth {
    Truth::from(names_actor(filter, actor)).or(matches_owner(filter, actor, resource))
}

/// Whether the policy is for the actor whatever the resource.
pub(crate) fn names_actor(filter: &ActorFilter, actor: &Actor) -> bool {
    filter.all_users
        || filter.users.iter().any(|user| user == actor.urn().as_str())
        || (filter.all_groups && actor.groups().len() > 0)
        || filter.groups.iter().any(|group| actor.is_in_group(group))
        || filter.roles.iter().any(|role| actor.has_role(role))
}

/// Whether the policy is for the actor as an owner of the resource.
fn matches_owner(filter: &ActorFilter, actor: &Actor, resource: Option<&Resource>) -> Truth {
    let Some(resource) = resource else { return Truth::False };
    let types = filter.resource_owners_types.as_deref();
    if !filter.resource_owners || types.is_some_and(<[String]>::is_empty) {
        return Truth::False;
    }
    let Fact::Known(owners) = resource.owners() else {
        return Truth::Unknown(FactSet::of(Field::Owner));
    };
    Truth::from(owners.iter().any(|entry| {
        let counts = types.is_none_or(|types| {
            entry.ownership_type.as_ref().is_some_and(|of_type| types.contains(of_type))
        });
        counts && (entry.owner == actor.urn().as_str() || actor.is_in_group(&entry.owner))
    }))
}
