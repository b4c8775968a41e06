use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::{entity::EntityType, error::BadRequest, parse_urn};
use crate::access::{self, Access, Caller, GrantedPrivileges};

/// Queries about what somebody may do.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PrivilegeQueries;

#[Object]
impl PrivilegeQueries {
    /// What an actor may do, on a resource or without; for themselves, and for who manages
    /// policies.
    async fn get_granted_privileges(
        &self,
        ctx: &Context<'_>,
        input: GetGrantedPrivilegesInput,
    ) -> Result<Option<Privileges>> {
        let mut request = GrantedPrivileges::new(parse_urn(&input.actor_urn)?);
        if let Some(spec) = input.resource_spec {
            if spec.resource_type == EntityType::Other {
                return Err(BadRequest::new("OTHER is not the type of a resource").into());
            }
            request = request.on(spec.resource_type.as_str(), spec.resource_urn);
        }
        if input.include_evaluation_details == Some(true) {
            request = request.details();
        }
        let access = ctx.data::<Access>()?;
        let grants = access.granted_privileges(ctx.data::<Caller>()?, request).await?;
        let detail = |(policy_name, reason)| PolicyEvaluationDetail { policy_name, reason };
        Ok(Some(Privileges {
            privileges: grants.privileges,
            evaluation_details: grants
                .evaluation
                .map(|details| details.into_iter().map(detail).collect()),
        }))
    }

    /// What a user may do, and where they have it from; for who manages users and groups.
    async fn debug_access(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of the user.")] user_urn: String,
    ) -> Result<DebugAccessResult> {
        let access = ctx.data::<Access>()?;
        let found = access.debug_access(ctx.data::<Caller>()?, &parse_urn(&user_urn)?).await?;
        Ok(found.into())
    }
}

/// Whose privileges are asked for, and on what.
#[derive(InputObject)]
pub(super) struct GetGrantedPrivilegesInput {
    /// The urn of the actor.
    actor_urn: String,
    /// The resource; without, what is granted without regard to one.
    resource_spec: Option<ResourceSpec>,
    /// Whether to say of each policy that does not apply, why; only for who manages policies.
    #[graphql(default_with = "Some(false)")]
    include_evaluation_details: Option<bool>,
}

/// A resource.
#[derive(InputObject)]
pub(super) struct ResourceSpec {
    /// Its type.
    resource_type: EntityType,
    /// Its urn.
    resource_urn: String,
}

/// What an actor may do.
#[derive(SimpleObject)]
pub(super) struct Privileges {
    /// The ids of the privileges.
    privileges: Vec<String>,
    /// Why policies do not apply, if that was asked for.
    evaluation_details: Option<Vec<PolicyEvaluationDetail>>,
}

/// Why a policy does not apply.
#[derive(SimpleObject)]
pub(super) struct PolicyEvaluationDetail {
    /// The name of the policy.
    policy_name: String,
    /// Why.
    reason: String,
}

/// What a user may do, and where they have it from. Urns, but for the privileges.
#[derive(SimpleObject)]
pub(super) struct DebugAccessResult {
    /// The roles that the user holds themselves.
    roles: Vec<String>,
    /// The groups that the user is in.
    groups: Vec<String>,
    /// Those of the groups that hold a role.
    groups_with_roles: Vec<String>,
    /// The roles of these groups.
    roles_via_groups: Vec<String>,
    /// All of these roles.
    all_roles: Vec<String>,
    /// The policies that apply to the user.
    policies: Vec<String>,
    /// The ids of the privileges that these grant.
    privileges: Vec<String>,
}

impl From<access::DebugAccess> for DebugAccessResult {
    fn from(found: access::DebugAccess) -> Self {
        Self {
            roles: found.roles,
            groups: found.groups,
            groups_with_roles: found.groups_with_roles,
            roles_via_groups: found.roles_via_groups,
            all_roles: found.all_roles,
            policies: found.policies,
            privileges: found.privileges,
        }
    }
}
