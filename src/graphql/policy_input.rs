use async_graphql::InputObject;

use super::{
    error::BadRequest,
    policy::{PolicyMatchCondition, PolicyState, PolicyType},
};
use crate::policy::{
    ActorFilter, Condition, Criterion, MatchFilter, Policy, Privilege, ResourceFilter,
};

/// What a policy is to say.
#[derive(InputObject)]
pub(super) struct PolicyUpdateInput {
    /// What it is about.
    #[graphql(name = "type")]
    policy_type: PolicyType,
    /// A name, for people.
    name: String,
    /// Whether it is in force.
    state: PolicyState,
    /// What it is for.
    description: Option<String>,
    /// Which resources it is about.
    resources: Option<ResourceFilterInput>,
    /// The ids of the privileges that it grants.
    privileges: Vec<String>,
    /// Whom it is for.
    actors: ActorFilterInput,
}

impl PolicyUpdateInput {
    /// The policy without its roles, and these, if any are given.
    pub(super) fn into_policy(self) -> Result<(Policy, Option<Vec<String>>), BadRequest> {
        let actors = self.actors;
        let policy = Policy {
            display_name: self.name,
            description: self.description.unwrap_or_default(),
            policy_type: match self.policy_type {
                PolicyType::Metadata => "METADATA",
                PolicyType::Platform => "PLATFORM",
            }
            .to_owned(),
            state: match self.state {
                PolicyState::Draft => "DRAFT",
                PolicyState::Active => "ACTIVE",
                PolicyState::Inactive => "INACTIVE",
            }
            .to_owned(),
            resources: self.resources.map(ResourceFilterInput::into_filter).transpose()?,
            privileges: self.privileges.into_iter().map(Privilege::new).collect(),
            actors: ActorFilter {
                users: actors.users.unwrap_or_default(),
                groups: actors.groups.unwrap_or_default(),
                roles: Vec::new(),
                all_users: actors.all_users,
                all_groups: actors.all_groups,
                resource_owners: actors.resource_owners,
                resource_owners_types: actors.resource_owners_types,
            },
            editable: true,
            last_updated_timestamp: None,
        };
        Ok((policy, actors.roles))
    }
}

/// Whom a policy is for: whoever any of this says.
#[derive(InputObject)]
pub(super) struct ActorFilterInput {
    /// The urns of users.
    users: Option<Vec<String>>,
    /// The urns of groups.
    groups: Option<Vec<String>>,
    /// The urns of roles. Default, in a policy that is written anew, those that it was for.
    roles: Option<Vec<String>>,
    /// Whether it is for the owners of a resource.
    resource_owners: bool,
    /// The urns of the types of ownership that count. Default all.
    resource_owners_types: Option<Vec<String>>,
    /// Whether it is for everybody.
    all_users: bool,
    /// Whether it is for everybody who is in a group.
    all_groups: bool,
}

/// Which resources a policy is about.
#[derive(InputObject)]
pub(super) struct ResourceFilterInput {
    /// The type of entities. Older than `filter`.
    #[graphql(name = "type")]
    resource_type: Option<String>,
    /// The urns of entities. Older than `filter`.
    resources: Option<Vec<String>>,
    /// Whether `resources` does not matter. Older than `filter`.
    all_resources: Option<bool>,
    /// What must hold of the resource.
    filter: Option<PolicyMatchFilterInput>,
    /// What must hold of every other entity that is touched.
    privilege_constraints: Option<PolicyMatchFilterInput>,
}

impl ResourceFilterInput {
    fn into_filter(self) -> Result<ResourceFilter, BadRequest> {
        Ok(ResourceFilter {
            filter: self.filter.map(PolicyMatchFilterInput::into_filter).transpose()?,
            privilege_constraints: self
                .privilege_constraints
                .map(PolicyMatchFilterInput::into_filter)
                .transpose()?,
            resource_type: self.resource_type,
            resources: self.resources,
            all_resources: self.all_resources.unwrap_or_default(),
        })
    }
}

/// Criteria that must all hold.
#[derive(InputObject)]
pub(super) struct PolicyMatchFilterInput {
    /// The criteria.
    criteria: Option<Vec<PolicyMatchCriterionInput>>,
}

impl PolicyMatchFilterInput {
    fn into_filter(self) -> Result<MatchFilter, BadRequest> {
        let criteria = self.criteria.unwrap_or_default().into_iter();
        let criteria = criteria.map(PolicyMatchCriterionInput::into_criterion);
        Ok(MatchFilter { criteria: criteria.collect::<Result<_, _>>()? })
    }
}

/// A condition on a field of a resource.
#[derive(InputObject)]
pub(super) struct PolicyMatchCriterionInput {
    /// The name of the field.
    field: String,
    /// The values.
    values: Vec<String>,
    /// How the field is compared with them.
    condition: PolicyMatchCondition,
}

impl PolicyMatchCriterionInput {
    fn into_criterion(self) -> Result<Criterion, BadRequest> {
        let condition = match self.condition {
            PolicyMatchCondition::Equals => Condition::Equals,
            PolicyMatchCondition::StartsWith => Condition::StartsWith,
            PolicyMatchCondition::NotEquals => Condition::NotEquals,
            PolicyMatchCondition::Unknown => {
                return Err(BadRequest::new("UNKNOWN is no condition to write a policy with"));
            }
        };
        Ok(Criterion { field: self.field, values: self.values, condition })
    }
}
