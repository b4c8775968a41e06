use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};

use super::{
    entity::Entity,
    error::BadRequest,
    facet::AndFilterInput,
    group::CorpGroup,
    page::{self, Page, int},
    parse_urn,
    policy_input::PolicyUpdateInput,
    role::DataHubRole,
    user::CorpUser,
};
use crate::{
    access::{Access, Caller, PolicyQuery, RoleQuery, Roles},
    actor::Urn,
    policy::{self, Condition, PolicyRecord},
};

/// Queries about policies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PolicyQueries;

#[Object]
impl PolicyQueries {
    /// Lists policies; for who manages them.
    async fn list_policies(
        &self,
        ctx: &Context<'_>,
        input: ListPoliciesInput,
    ) -> Result<Option<ListPoliciesResult>> {
        let mut conditions = input.or_filters.iter().flatten().flat_map(|all| &all.and);
        if conditions.any(|all| !all.is_empty()) {
            return Err(BadRequest::new("policies are not filtered by orFilters").into());
        }
        let page = Page::of(input.start, input.count)?;
        let mut query = PolicyQuery::default().page(page.start, page.count);
        query.text = page::text(input.query);
        let found = ctx.data::<Access>()?.list_policies(ctx.data::<Caller>()?, &query).await?;
        Ok(Some(ListPoliciesResult {
            start: page.start(),
            count: page.count(),
            total: int(found.total),
            policies: found.policies.into_iter().map(Policy::from).collect(),
        }))
    }
}

/// Changes of policies.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PolicyMutations;

#[Object]
impl PolicyMutations {
    /// Makes a policy, and returns its urn; for who manages policies.
    async fn create_policy(
        &self,
        ctx: &Context<'_>,
        input: PolicyUpdateInput,
    ) -> Result<Option<String>> {
        let (mut policy, roles) = input.into_policy()?;
        policy.actors.roles = roles.unwrap_or_default();
        let access = ctx.data::<Access>()?;
        let urn = access.create_policy(ctx.data::<Caller>()?, policy).await?;
        Ok(Some(urn.to_string()))
    }

    /// Writes a policy anew, and returns its urn; for who manages policies. The roles that it is
    /// for stay as they are unless some are given.
    async fn update_policy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of the policy.")] urn: String,
        input: PolicyUpdateInput,
    ) -> Result<Option<String>> {
        let (policy, roles) = input.into_policy()?;
        let roles = roles.map_or(Roles::Keep, Roles::Set);
        let access = ctx.data::<Access>()?;
        let caller = ctx.data::<Caller>()?;
        let urn = access.update_policy(caller, &parse_urn(&urn)?, policy, roles).await?;
        Ok(Some(urn.to_string()))
    }

    /// Deletes a policy, and returns its urn; for who manages policies.
    async fn delete_policy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of the policy.")] urn: String,
    ) -> Result<Option<String>> {
        let access = ctx.data::<Access>()?;
        let urn = access.delete_policy(ctx.data::<Caller>()?, &parse_urn(&urn)?).await?;
        Ok(Some(urn.to_string()))
    }
}

/// Which policies to list.
#[derive(InputObject)]
pub(super) struct ListPoliciesInput {
    /// How many to skip. Default 0.
    start: Option<i32>,
    /// How many to return at most. Default 20, at most 1000.
    count: Option<i32>,
    /// Those with this text in their urn, name or description. Default all.
    query: Option<String>,
    /// Conditions are refused here. Use `query`.
    or_filters: Option<Vec<AndFilterInput>>,
}

/// A page of policies.
#[derive(SimpleObject)]
pub(super) struct ListPoliciesResult {
    /// How many were skipped.
    start: i32,
    /// How many were asked for.
    count: i32,
    /// How many there are on all pages.
    total: i32,
    /// The policies.
    policies: Vec<Policy>,
}

/// Who may do what.
#[derive(SimpleObject)]
pub(super) struct Policy {
    /// The urn of the policy.
    urn: String,
    /// What it is about.
    #[graphql(name = "type")]
    policy_type: PolicyType,
    /// A name, for people.
    name: String,
    /// Whether it is in force.
    state: PolicyState,
    /// What it is for.
    description: Option<String>,
    /// Which resources it is about; null for all, and where there is none.
    resources: Option<ResourceFilter>,
    /// The ids of the privileges that it grants.
    privileges: Vec<String>,
    /// Whom it is for.
    actors: ActorFilter,
    /// Whether it can be changed.
    editable: bool,
}

impl From<PolicyRecord> for Policy {
    fn from(record: PolicyRecord) -> Self {
        let info = record.info;
        Self {
            urn: record.urn.to_string(),
            // As in DataHub, whatever else is stored reads as the default.
            policy_type: if info.is_platform() {
                PolicyType::Platform
            } else {
                PolicyType::Metadata
            },
            state: match info.state.as_str() {
                "ACTIVE" => PolicyState::Active,
                "DRAFT" => PolicyState::Draft,
                _ => PolicyState::Inactive,
            },
            name: info.display_name,
            description: Some(info.description),
            resources: info.resources.map(ResourceFilter::from),
            privileges: info.privileges.iter().map(|id| id.as_str().to_owned()).collect(),
            actors: ActorFilter { filter: info.actors },
            editable: info.editable,
        }
    }
}

/// What a policy is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum PolicyType {
    /// Resources.
    Metadata,
    /// The service itself.
    Platform,
}

/// Whether a policy is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum PolicyState {
    /// Not yet.
    Draft,
    /// It is.
    Active,
    /// No longer.
    Inactive,
}

/// Whom a policy is for.
pub(super) struct ActorFilter {
    filter: policy::ActorFilter,
}

/// Whom a policy is for: whoever any of this says.
#[Object]
impl ActorFilter {
    /// The urns of users.
    async fn users(&self) -> Option<&[String]> {
        Some(&self.filter.users)
    }

    /// The urns of groups.
    async fn groups(&self) -> Option<&[String]> {
        Some(&self.filter.groups)
    }

    /// The urns of roles.
    async fn roles(&self) -> Option<&[String]> {
        Some(&self.filter.roles)
    }

    /// Whether it is for the owners of a resource.
    async fn resource_owners(&self) -> bool {
        self.filter.resource_owners
    }

    /// The urns of the types of ownership that count; null for all.
    async fn resource_owners_types(&self) -> Option<&[String]> {
        self.filter.resource_owners_types.as_deref()
    }

    /// Whether it is for everybody.
    async fn all_users(&self) -> bool {
        self.filter.all_users
    }

    /// Whether it is for everybody who is in a group.
    async fn all_groups(&self) -> bool {
        self.filter.all_groups
    }

    /// The users.
    async fn resolved_users(&self) -> Option<Vec<CorpUser>> {
        Some(of_type(&self.filter.users, "corpuser").map(CorpUser::of).collect())
    }

    /// The groups.
    async fn resolved_groups(&self) -> Option<Vec<CorpGroup>> {
        Some(of_type(&self.filter.groups, "corpGroup").map(CorpGroup::of).collect())
    }

    /// The roles, as far as they are known.
    async fn resolved_roles(&self, ctx: &Context<'_>) -> Result<Option<Vec<DataHubRole>>> {
        let query = RoleQuery::default().page(0, 1_000);
        let known = ctx.data::<Access>()?.list_roles(ctx.data::<Caller>()?, &query).await?.roles;
        let named = |role: &crate::access::Role| {
            self.filter.roles.iter().any(|urn| urn == role.urn.as_str())
        };
        Ok(Some(known.into_iter().filter(named).map(DataHubRole).collect()))
    }
}

/// Those of these texts that are urns of this type.
fn of_type<'a>(urns: &'a [String], entity_type: &'a str) -> impl Iterator<Item = Urn> + 'a {
    urns.iter()
        .filter_map(|urn| urn.parse::<Urn>().ok())
        .filter(move |urn| urn.entity_type() == entity_type)
}

/// Which resources a policy is about.
#[derive(SimpleObject)]
pub(super) struct ResourceFilter {
    /// The type of entities. Older than `filter`.
    #[graphql(name = "type")]
    resource_type: Option<String>,
    /// The urns of entities. Older than `filter`.
    resources: Option<Vec<String>>,
    /// Whether `resources` does not matter. Older than `filter`.
    all_resources: Option<bool>,
    /// What must hold of the resource.
    filter: Option<PolicyMatchFilter>,
    /// What must hold of every other entity that is touched.
    privilege_constraints: Option<PolicyMatchFilter>,
}

impl From<policy::ResourceFilter> for ResourceFilter {
    fn from(filter: policy::ResourceFilter) -> Self {
        Self {
            resource_type: filter.resource_type,
            resources: filter.resources,
            all_resources: Some(filter.all_resources),
            filter: filter.filter.map(PolicyMatchFilter::from),
            privilege_constraints: filter.privilege_constraints.map(PolicyMatchFilter::from),
        }
    }
}

/// Criteria that must all hold.
#[derive(SimpleObject)]
pub(super) struct PolicyMatchFilter {
    /// The criteria.
    criteria: Option<Vec<PolicyMatchCriterion>>,
}

impl From<policy::MatchFilter> for PolicyMatchFilter {
    fn from(filter: policy::MatchFilter) -> Self {
        Self { criteria: Some(filter.criteria.into_iter().map(Into::into).collect()) }
    }
}

/// A condition on a field of a resource.
#[derive(SimpleObject)]
pub(super) struct PolicyMatchCriterion {
    /// The name of the field.
    field: String,
    /// The values.
    values: Vec<PolicyMatchCriterionValue>,
    /// How the field is compared with them.
    condition: PolicyMatchCondition,
}

impl From<policy::Criterion> for PolicyMatchCriterion {
    fn from(criterion: policy::Criterion) -> Self {
        let value = |value: String| PolicyMatchCriterionValue {
            entity: value.parse().ok().map(Entity::of),
            value,
        };
        Self {
            field: criterion.field,
            values: criterion.values.into_iter().map(value).collect(),
            condition: match criterion.condition {
                Condition::Equals => PolicyMatchCondition::Equals,
                Condition::StartsWith => PolicyMatchCondition::StartsWith,
                Condition::NotEquals => PolicyMatchCondition::NotEquals,
                Condition::Other(_) => PolicyMatchCondition::Unknown,
            },
        }
    }
}

/// A value that a field is compared with.
#[derive(SimpleObject)]
pub(super) struct PolicyMatchCriterionValue {
    /// The value.
    value: String,
    /// The entity, if the value is a urn.
    entity: Option<Entity>,
}

/// How a field is compared with values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum PolicyMatchCondition {
    /// It is one of them.
    Equals,
    /// It starts with one of them.
    StartsWith,
    /// It is none of them.
    NotEquals,
    /// In a way that is not known here, which never holds. No policy can be written with it.
    Unknown,
}
