use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::{
    entity::{EntityRelationshipsResult, EntityType, RelationshipsInput},
    error::BadRequest,
    page::{self, Page, int},
    parse_urn,
    scalar::Long,
    view::DataHubView,
};
use crate::{
    access::{Access, AccessError, Caller, NewServiceAccount},
    actor::{User, UserQuery},
};

/// Queries about service accounts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ServiceAccountQueries;

#[Object]
impl ServiceAccountQueries {
    /// Lists service accounts; for who manages them.
    async fn list_service_accounts(
        &self,
        ctx: &Context<'_>,
        input: ListServiceAccountsInput,
    ) -> Result<ListServiceAccountsResult> {
        let page = Page::of(input.start, input.count)?;
        let mut query = UserQuery::default().page(page.start, page.count);
        query.text = page::text(input.query);
        let access = ctx.data::<Access>()?;
        let found = access.list_service_accounts(ctx.data::<Caller>()?, query).await?;
        Ok(ListServiceAccountsResult {
            start: page.start(),
            count: page.count(),
            total: int(found.total),
            service_accounts: found.users.into_iter().map(ServiceAccount::listed).collect(),
        })
    }

    /// A service account; for who manages them.
    async fn get_service_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of the service account.")] urn: String,
    ) -> Result<Option<ServiceAccount>> {
        let access = ctx.data::<Access>()?;
        let found = access.service_account(ctx.data::<Caller>()?, &parse_urn(&urn)?).await?;
        Ok(found.map(ServiceAccount::listed))
    }
}

/// Changes of service accounts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ServiceAccountMutations;

#[Object]
impl ServiceAccountMutations {
    /// Makes a service account; for who manages them.
    async fn create_service_account(
        &self,
        ctx: &Context<'_>,
        input: CreateServiceAccountInput,
    ) -> Result<ServiceAccount> {
        let CreateServiceAccountInput { display_name, description } = input;
        let info = NewServiceAccount { display_name, description };
        let access = ctx.data::<Access>()?;
        let user = access.create_service_account(ctx.data::<Caller>()?, info).await?;
        // As in DataHub, the prefix is shown here and nowhere else.
        Ok(ServiceAccount { name: user.urn.key().to_owned(), user: Box::new(user) })
    }

    /// Clears the view that a service account sees things in; for who manages service accounts.
    /// There are no views here, so none can be set.
    async fn update_service_account_default_view(
        &self,
        ctx: &Context<'_>,
        input: UpdateServiceAccountDefaultViewInput,
    ) -> Result<bool> {
        let urn = parse_urn(&input.urn)?;
        let access = ctx.data::<Access>()?;
        if access.service_account(ctx.data::<Caller>()?, &urn).await?.is_none() {
            return Err(AccessError::ServiceAccountNotFound(urn).into());
        }
        if input.default_view.is_some() {
            return Err(BadRequest::new("There are no views here, so none can be set").into());
        }
        Ok(true)
    }

    /// Deletes a service account, and revokes its tokens; for who manages them.
    async fn delete_service_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of the service account.")] urn: String,
    ) -> Result<bool> {
        let access = ctx.data::<Access>()?;
        access.delete_service_account(ctx.data::<Caller>()?, &parse_urn(&urn)?).await?;
        Ok(true)
    }
}

/// What service account to make.
#[derive(InputObject)]
pub(super) struct CreateServiceAccountInput {
    /// The name to show. Default the id.
    display_name: Option<String>,
    /// What it is for: up to 500 characters.
    description: Option<String>,
}

/// Which view a service account is to see things in.
#[derive(InputObject)]
pub(super) struct UpdateServiceAccountDefaultViewInput {
    /// The urn of the service account.
    urn: String,
    /// The urn of the view; null for none.
    default_view: Option<String>,
}

/// Which service accounts to list.
#[derive(InputObject)]
pub(super) struct ListServiceAccountsInput {
    /// How many to skip. Default 0.
    start: Option<i32>,
    /// How many to return at most. Default 20, at most 1000.
    count: Option<i32>,
    /// Those with this text in their id or name. Default all.
    query: Option<String>,
}

/// A page of service accounts.
#[derive(SimpleObject)]
pub(super) struct ListServiceAccountsResult {
    /// How many were skipped.
    start: i32,
    /// How many were asked for.
    count: i32,
    /// How many there are on all pages.
    total: i32,
    /// The service accounts.
    service_accounts: Vec<ServiceAccount>,
}

/// A user that is a machine.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    user: Box<User>,
    name: String,
}

impl ServiceAccount {
    fn listed(user: User) -> Self {
        let key = user.urn.key();
        let name = key.strip_prefix("service_").unwrap_or(key).to_owned();
        Self { user: Box::new(user), name }
    }
}

/// A user that is a machine.
#[Object]
impl ServiceAccount {
    /// The name of the entity.
    pub(super) async fn urn(&self) -> String {
        self.user.urn.to_string()
    }

    /// What it is: `CORP_USER`.
    #[graphql(name = "type")]
    pub(super) async fn entity_type(&self) -> EntityType {
        EntityType::CorpUser
    }

    /// Its id.
    async fn name(&self) -> &str {
        &self.name
    }

    /// The name to show.
    async fn display_name(&self) -> Option<&str> {
        self.user.info.display_name.as_deref()
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.user.info.title.as_deref()
    }

    /// The urn of who made it.
    async fn created_by(&self) -> Option<&str> {
        self.user.created_by.as_ref().map(AsRef::as_ref)
    }

    /// When it was made, in milliseconds since the Unix epoch.
    async fn created_at(&self) -> Option<Long> {
        self.user.created_at.map(Long::from)
    }

    /// When it was last changed, in milliseconds since the Unix epoch.
    async fn updated_at(&self) -> Option<Long> {
        self.user.updated_at.map(Long::from)
    }

    /// The view that it sees things in. There are none here: always null.
    async fn default_view(&self) -> Option<DataHubView> {
        None
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
