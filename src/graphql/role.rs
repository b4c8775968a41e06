use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::{
    entity::{EntityRelationshipsResult, EntityType, RelationshipsInput},
    page::{self, Page, int},
    parse_urn,
};
use crate::access::{Access, Caller, Role, RoleQuery};

/// Queries about roles.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoleQueries;

#[Object]
impl RoleQueries {
    /// Lists the roles that can be assigned.
    async fn list_roles(
        &self,
        ctx: &Context<'_>,
        input: ListRolesInput,
    ) -> Result<Option<ListRolesResult>> {
        let page = Page::of(input.start, input.count)?;
        let mut query = RoleQuery::default().page(page.start, page.count);
        query.text = page::text(input.query);
        let found = ctx.data::<Access>()?.list_roles(ctx.data::<Caller>()?, &query).await?;
        Ok(Some(ListRolesResult {
            start: page.start(),
            count: page.count(),
            total: int(found.total),
            roles: found.roles.into_iter().map(DataHubRole).collect(),
        }))
    }
}

/// Changes of who holds roles.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RoleMutations;

#[Object]
impl RoleMutations {
    /// Gives users a role instead of those they hold, or takes these away; for who manages
    /// policies. Users who are not there are left out.
    async fn batch_assign_role(
        &self,
        ctx: &Context<'_>,
        input: BatchAssignRoleInput,
    ) -> Result<Option<bool>> {
        let role = input.role_urn.as_deref().map(parse_urn).transpose()?;
        let holders =
            input.actors.iter().map(|urn| parse_urn(urn)).collect::<Result<Vec<_>, _>>()?;
        let access = ctx.data::<Access>()?;
        access.assign_role(ctx.data::<Caller>()?, role.as_ref(), &holders).await?;
        Ok(Some(true))
    }
}

/// Who gets which role.
#[derive(InputObject)]
pub(super) struct BatchAssignRoleInput {
    /// The urn of the role; null takes roles away.
    role_urn: Option<String>,
    /// The urns of the users.
    actors: Vec<String>,
}

/// Which roles to list.
#[derive(InputObject)]
pub(super) struct ListRolesInput {
    /// How many to skip. Default 0.
    start: Option<i32>,
    /// How many to return at most. Default 20, at most 1000.
    count: Option<i32>,
    /// Those with this text in their name. Default all.
    query: Option<String>,
}

/// A page of roles.
#[derive(SimpleObject)]
pub(super) struct ListRolesResult {
    /// How many were skipped.
    start: i32,
    /// How many were asked for.
    count: i32,
    /// How many there are on all pages.
    total: i32,
    /// The roles.
    roles: Vec<DataHubRole>,
}

/// A role, which policies grant something to.
#[derive(Debug, Clone)]
pub struct DataHubRole(pub(super) Role);

/// A role, which policies grant something to.
#[Object]
impl DataHubRole {
    /// The name of the entity.
    pub(super) async fn urn(&self) -> String {
        self.0.urn.to_string()
    }

    /// What it is: `DATAHUB_ROLE`.
    #[graphql(name = "type")]
    pub(super) async fn entity_type(&self) -> EntityType {
        EntityType::DatahubRole
    }

    /// The name of the role.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What who holds it may do.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Edges to other entities. They are not kept here: always null.
    pub(super) async fn relationships(
        &self,
        input: RelationshipsInput,
    ) -> Option<EntityRelationshipsResult> {
        let _ = input;
        None
    }
}
