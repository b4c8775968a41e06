use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use tokio::sync::OnceCell;

use super::{
    entity::{EntityRelationshipsResult, EntityType, RelationshipsInput},
    page::{self, Page, int},
    parse_urn,
};
use crate::{
    access::{Access, AccessError, AccessErrorKind, Caller},
    actor::{Urn, User, UserInfo, UserQuery},
};

/// Queries about users.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UserQueries;

#[Object]
impl UserQueries {
    /// A user; null if there is none.
    async fn corp_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of the user.")] urn: String,
    ) -> Result<Option<CorpUser>> {
        let found = ctx.data::<Access>()?.user(ctx.data::<Caller>()?, &parse_urn(&urn)?).await?;
        Ok(found.map(CorpUser::known))
    }

    /// Lists users, service accounts among them; for who manages users and groups.
    async fn list_users(
        &self,
        ctx: &Context<'_>,
        input: ListUsersInput,
    ) -> Result<Option<ListUsersResult>> {
        let page = Page::of(input.start, input.count)?;
        let mut query = UserQuery::default().page(page.start, page.count);
        query.text = page::text(input.query);
        let found = ctx.data::<Access>()?.list_users(ctx.data::<Caller>()?, &query).await?;
        Ok(Some(ListUsersResult {
            start: page.start(),
            count: page.count(),
            total: int(found.total),
            users: found.users.into_iter().map(CorpUser::known).collect(),
        }))
    }
}

/// Changes of users.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct UserMutations;

#[Object]
impl UserMutations {
    /// Suspends a user, or takes it back, and returns the urn; for who manages users and groups.
    async fn update_user_status(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of the user.")] urn: String,
        #[graphql(desc = "What the user is from now on.")] status: CorpUserStatus,
    ) -> Result<Option<String>> {
        let user = parse_urn(&urn)?;
        let suspended = status == CorpUserStatus::Suspended;
        let access = ctx.data::<Access>()?;
        access.set_suspended(ctx.data::<Caller>()?, &user, suspended).await?;
        Ok(Some(urn))
    }
}

/// Which users to list.
#[derive(InputObject)]
pub(super) struct ListUsersInput {
    /// How many to skip. Default 0.
    start: Option<i32>,
    /// How many to return at most. Default 20, at most 1000.
    count: Option<i32>,
    /// Those with this text in their id, name or address for mail. Default all.
    query: Option<String>,
}

/// A page of users.
#[derive(SimpleObject)]
pub(super) struct ListUsersResult {
    /// How many were skipped.
    start: i32,
    /// How many were asked for.
    count: i32,
    /// How many there are on all pages.
    total: i32,
    /// The users.
    users: Vec<CorpUser>,
}

/// The users that one request has to do with, each looked up at most once, and only if something
/// is asked that is not in the urn.
#[derive(Debug)]
pub(super) struct Users {
    access: Access,
    caller: Caller,
    seen: Mutex<HashMap<Urn, Found>>,
}

/// Who was found under a urn, once that is known.
type Found = Arc<OnceCell<Seen>>;

/// What the caller may know of whom a urn names.
#[derive(Debug, Clone)]
enum Seen {
    There(Arc<User>),
    Nobody,
    /// Nothing, not even whether there is somebody.
    Hidden,
}

impl Seen {
    fn user(self) -> Option<Arc<User>> {
        match self {
            Self::There(user) => Some(user),
            Self::Nobody | Self::Hidden => None,
        }
    }
}

impl Users {
    pub(super) fn new(access: Access, caller: Caller) -> Self {
        Self { access, caller, seen: Mutex::default() }
    }

    /// What is known of a user.
    async fn find(&self, urn: &Urn) -> Result<Seen, AccessError> {
        let cell = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.entry(urn.clone()).or_default().clone()
        };
        let found = cell.get_or_try_init(|| async {
            match self.access.user(&self.caller, urn).await {
                Ok(Some(user)) => Ok(Seen::There(Arc::new(user))),
                Ok(None) => Ok(Seen::Nobody),
                Err(error) if error.kind() == AccessErrorKind::Forbidden => Ok(Seen::Hidden),
                Err(error) => Err(error),
            }
        });
        found.await.cloned()
    }
}

/// A user: a person or a service account.
#[derive(Debug, Clone)]
pub struct CorpUser {
    urn: Urn,
    known: Option<Arc<User>>,
}

impl CorpUser {
    /// The user of this urn, of whom the rest is looked up if it is asked for.
    #[must_use]
    pub fn of(urn: Urn) -> Self {
        Self { urn, known: None }
    }

    fn known(user: User) -> Self {
        Self { urn: user.urn.clone(), known: Some(Arc::new(user)) }
    }

    async fn seen(&self, ctx: &Context<'_>) -> Result<Seen> {
        match &self.known {
            Some(user) => Ok(Seen::There(user.clone())),
            None => Ok(ctx.data::<Users>()?.find(&self.urn).await?),
        }
    }

    async fn user(&self, ctx: &Context<'_>) -> Result<Option<Arc<User>>> {
        Ok(self.seen(ctx).await?.user())
    }
}

/// A user: a person or a service account. What the caller may not see of it is null.
#[Object]
impl CorpUser {
    /// The name of the entity.
    pub(super) async fn urn(&self) -> String {
        self.urn.to_string()
    }

    /// What it is: `CORP_USER`.
    #[graphql(name = "type")]
    pub(super) async fn entity_type(&self) -> EntityType {
        EntityType::CorpUser
    }

    /// The user's id.
    async fn username(&self) -> &str {
        self.urn.key()
    }

    /// What is told of the user.
    async fn properties(&self, ctx: &Context<'_>) -> Result<Option<CorpUserProperties>> {
        Ok(self.user(ctx).await?.as_deref().map(CorpUserProperties::from))
    }

    /// What is told of the user.
    #[graphql(deprecation = "use `properties`")]
    async fn info(&self, ctx: &Context<'_>) -> Result<Option<CorpUserInfo>> {
        Ok(self.user(ctx).await?.as_deref().map(CorpUserInfo::from))
    }

    /// What users tell of themselves, in the names of DataHub's user interface.
    async fn editable_properties(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Option<CorpUserEditableProperties>> {
        Ok(self.user(ctx).await?.as_deref().map(CorpUserEditableProperties::from))
    }

    /// Whether the user may act.
    async fn status(&self, ctx: &Context<'_>) -> Result<Option<CorpUserStatus>> {
        Ok(self.user(ctx).await?.map(|user| {
            if user.suspended { CorpUserStatus::Suspended } else { CorpUserStatus::Active }
        }))
    }

    /// Whether there is such a user; null if the caller may not know.
    async fn exists(&self, ctx: &Context<'_>) -> Result<Option<bool>> {
        Ok(match self.seen(ctx).await? {
            Seen::There(user) => Some(!user.removed),
            Seen::Nobody => Some(false),
            Seen::Hidden => None,
        })
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

/// Makes an object of what is told of a user: DataHub has the same under an older name.
macro_rules! properties {
    ($name:ident) => {
        /// What is told of a user.
        #[derive(SimpleObject)]
        pub(super) struct $name {
            /// Whether the user may act.
            active: bool,
            /// The name to show.
            display_name: Option<String>,
            /// The address for mail.
            email: Option<String>,
            /// The title; of a service account, what it is for.
            title: Option<String>,
            /// The first name.
            first_name: Option<String>,
            /// The last name.
            last_name: Option<String>,
            /// The first and the last name.
            full_name: Option<String>,
        }

        impl From<&User> for $name {
            fn from(user: &User) -> Self {
                let info = &user.info;
                Self {
                    active: !user.suspended && !user.removed,
                    display_name: info.display_name.clone(),
                    email: info.email.clone(),
                    title: info.title.clone(),
                    first_name: info.first_name.clone(),
                    last_name: info.last_name.clone(),
                    full_name: full_name(info),
                }
            }
        }
    };
}

properties!(CorpUserProperties);
properties!(CorpUserInfo);

fn full_name(info: &UserInfo) -> Option<String> {
    let parts: Vec<_> =
        [&info.first_name, &info.last_name].into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// What users tell of themselves. It is kept together with what is told of them.
#[derive(SimpleObject)]
pub(super) struct CorpUserEditableProperties {
    /// The name to show.
    display_name: Option<String>,
    /// The title.
    title: Option<String>,
    /// The address for mail.
    email: Option<String>,
}

impl From<&User> for CorpUserEditableProperties {
    fn from(user: &User) -> Self {
        let UserInfo { display_name, title, email, .. } = user.info.clone();
        Self { display_name, title, email }
    }
}

/// Whether a user may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum CorpUserStatus {
    /// They may.
    Active,
    /// They may not, and nothing may as them.
    Suspended,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Authentication, Config,
        actor::{Actor, DirectoryStore},
        store::MemoryStore,
    };

    #[tokio::test]
    async fn a_user_is_looked_up_once_in_a_request() {
        let store = Arc::new(MemoryStore::default());
        let alice = Urn::corpuser("alice").unwrap();
        store.create_user(&alice).await.unwrap();
        let key = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";
        let config = Config::builder(key, "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ").build().unwrap();
        let caller = Authentication::for_tests(Actor::new(alice.clone()), []).into();
        let users = Users::new(Access::new(&config, store), caller);
        let (one, other) = tokio::join!(users.find(&alice), users.find(&alice));
        let there = |found: Result<Seen, _>| found.unwrap().user().unwrap();
        let (one, other) = (there(one), there(other));
        assert!(Arc::ptr_eq(&one, &other));
        assert!(Arc::ptr_eq(&one, &there(users.find(&alice).await)));
        // Whether there is one that the caller may not see is not known.
        let bob = Urn::corpuser("bob").unwrap();
        assert!(matches!(users.find(&bob).await.unwrap(), Seen::Hidden));
    }
}
