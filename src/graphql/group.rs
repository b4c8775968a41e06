use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::{
    entity::{EntityRelationshipsResult, EntityType, RelationshipsInput},
    page::{self, Page, int},
};
use crate::{
    access::{Access, Caller},
    actor::{Group, GroupQuery, Urn},
};

/// Queries about groups.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GroupQueries;

#[Object]
impl GroupQueries {
    /// Lists groups that have members or roles; for who manages users and groups.
    async fn list_groups(
        &self,
        ctx: &Context<'_>,
        input: ListGroupsInput,
    ) -> Result<Option<ListGroupsResult>> {
        let page = Page::of(input.start, input.count)?;
        let mut query = GroupQuery::default().page(page.start, page.count);
        query.text = page::text(input.query);
        let found = ctx.data::<Access>()?.list_groups(ctx.data::<Caller>()?, &query).await?;
        Ok(Some(ListGroupsResult {
            start: page.start(),
            count: page.count(),
            total: int(found.total),
            groups: found.groups.into_iter().map(CorpGroup::known).collect(),
        }))
    }
}

/// Which groups to list.
#[derive(InputObject)]
pub(super) struct ListGroupsInput {
    /// How many to skip. Default 0.
    start: Option<i32>,
    /// How many to return at most. Default 20, at most 1000.
    count: Option<i32>,
    /// Those with this text in their name. Default all.
    query: Option<String>,
}

/// A page of groups.
#[derive(SimpleObject)]
pub(super) struct ListGroupsResult {
    /// How many were skipped.
    start: i32,
    /// How many were asked for.
    count: i32,
    /// How many there are on all pages.
    total: i32,
    /// The groups.
    groups: Vec<CorpGroup>,
}

/// A group of users.
#[derive(Debug, Clone)]
pub struct CorpGroup {
    urn: Urn,
    known: Option<Group>,
}

impl CorpGroup {
    /// The group of this urn.
    #[must_use]
    pub fn of(urn: Urn) -> Self {
        Self { urn, known: None }
    }

    fn known(group: Group) -> Self {
        Self { urn: group.urn.clone(), known: Some(group) }
    }
}

/// A group of users.
#[Object]
impl CorpGroup {
    /// The name of the entity.
    pub(super) async fn urn(&self) -> String {
        self.urn.to_string()
    }

    /// What it is: `CORP_GROUP`.
    #[graphql(name = "type")]
    pub(super) async fn entity_type(&self) -> EntityType {
        EntityType::CorpGroup
    }

    /// The group's id.
    async fn name(&self) -> &str {
        self.urn.key()
    }

    /// How many users are in it; only in a list of groups.
    async fn member_count(&self) -> Option<i32> {
        self.known.as_ref().map(|group| int(group.members))
    }

    /// The urns of the roles it holds; only in a list of groups.
    async fn role_urns(&self) -> Option<Vec<String>> {
        self.known.as_ref().map(|group| group.roles.iter().map(Urn::to_string).collect())
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
