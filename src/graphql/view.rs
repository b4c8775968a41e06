// What is behind a value that there is not is not reached, and the macro puts something there.
#![allow(unreachable_code)]

use async_graphql::{Enum, Object};

use super::entity::{EntityRelationshipsResult, EntityType, RelationshipsInput};

/// A saved view, which narrows what is seen. There are none here, so there is no value of this; it
/// is in the schema for who asks for the view of a service account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataHubView {}

/// A saved view, which narrows what is seen. There are none here.
#[Object]
impl DataHubView {
    /// The name of the entity.
    pub(super) async fn urn(&self) -> String {
        match *self {}
    }

    /// What it is: `DATAHUB_VIEW`.
    #[graphql(name = "type")]
    pub(super) async fn entity_type(&self) -> EntityType {
        match *self {}
    }

    /// Who sees it.
    async fn view_type(&self) -> DataHubViewType {
        match *self {}
    }

    /// The name of the view.
    async fn name(&self) -> String {
        match *self {}
    }

    /// What it is for.
    async fn description(&self) -> Option<String> {
        match *self {}
    }

    /// Edges to other entities. They are not kept here: always null.
    pub(super) async fn relationships(
        &self,
        input: RelationshipsInput,
    ) -> Option<EntityRelationshipsResult> {
        let _ = input;
        match *self {}
    }
}

/// Who sees a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum DataHubViewType {
    /// Whoever made it.
    Personal,
    /// Everybody.
    Global,
}
