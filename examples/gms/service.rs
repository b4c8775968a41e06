//! The metadata service behind the handlers: each kind of entity, read from where it lives.
//!
//! Nothing here asks who may do what: that stands in the handlers.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::{Map, Value, json};
use tower_pat::{
    TokenService,
    access::Access,
    actor::{ActorProfile, Urn, UserInfo, UserQuery},
    backend::StoreError,
    clock::{Clock, SystemClock},
    config::Config,
    policy::default_roles,
    session::{PublicUrl, Sessions},
    token::{TokenId, TokenRecord},
    token_service::{TokenQuery, TokenSort},
};

use crate::{
    database::{AnyStore, Database, OpenError},
    entities::{self, EntityStore},
    refused::Refused,
    registry::EntityType,
};

/// The aspects of an entity by their names.
pub(crate) type Aspects = BTreeMap<String, Value>;

/// Where everything is. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct MetadataService {
    /// What bears neither identity nor policy.
    pub(crate) entities: EntityStore,
    /// Users, groups, roles and policies.
    pub(crate) store: Arc<dyn AnyStore>,
    /// Tokens.
    pub(crate) tokens: TokenService,
}

/// One page of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) urns: Vec<Urn>,
    /// Where the next page begins, if there may be one.
    pub(crate) next: Option<String>,
}

impl MetadataService {
    /// Opens the database, and the entities in this folder.
    pub(crate) async fn open(
        folder: &Path,
        database: &Database,
        config: &Config,
    ) -> Result<Self, OpenError> {
        let store = database.open().await?;
        let path = folder.join("entities.db");
        let entities = EntityStore::open(&path).await;
        let entities = entities.map_err(|error| OpenError::file(path, error))?;
        let tokens = TokenService::from_parts(config, store.clone(), store.clone());
        Ok(Self { entities, store, tokens })
    }

    /// Who may manage what.
    pub(crate) fn access(&self, config: &Config) -> Access {
        let store = self.store.clone();
        Access::from_parts(config, self.tokens.clone(), store.clone(), store)
    }

    /// The sessions of people who find the front door there.
    pub(crate) fn sessions(&self, config: &Config, public_url: PublicUrl) -> Sessions {
        let store = self.store.clone();
        Sessions::from_parts(config, store.clone(), store.clone(), store, public_url)
    }

    pub(crate) async fn close(&self) {
        self.entities.close().await;
        self.store.close().await;
    }

    /// All aspects of an entity, its key among them; `None` if there is no such entity.
    pub(crate) async fn aspects(
        &self,
        entity_type: &EntityType,
        urn: &Urn,
    ) -> Result<Option<Aspects>, StoreError> {
        let found = match entity_type.name.as_str() {
            "corpuser" => match self.store.profile(urn).await? {
                Some(profile) => {
                    let mut aspects = self.entities.aspects(urn).await?.unwrap_or_default();
                    aspects.extend(of_user(&profile));
                    Some(aspects)
                }
                None => None,
            },
            "corpGroup" => match self.entities.aspects(urn).await? {
                Some(mut aspects) => {
                    aspects.extend(of_roles(&self.store.roles_of(urn).await?));
                    Some(aspects)
                }
                None => None,
            },
            "dataHubPolicy" => {
                let record = self.store.policy(urn).await?;
                record.map(|record| aspect("dataHubPolicyInfo", json!(record.info)))
            }
            TokenId::ENTITY_TYPE => self.token(urn).await?.map(|record| of_token(&record)),
            "dataHubRole" => default_roles().contains(urn).then(|| {
                let info = json!({ "name": urn.key(), "description": "", "editable": false });
                aspect("dataHubRoleInfo", info)
            }),
            _ => self.entities.aspects(urn).await?,
        };
        Ok(found.map(|mut aspects| {
            if let Some(key) = entity_type.key(urn) {
                aspects.insert(entity_type.key_aspect.clone(), key);
            }
            aspects
        }))
    }

    /// Up to `count` entities of a type, from where an earlier page ended.
    pub(crate) async fn list(
        &self,
        entity_type: &EntityType,
        from: &str,
        count: u32,
    ) -> Result<Page, Refused> {
        let behind = |urn: &Urn| urn.as_str() > from;
        let mut urns: Vec<Urn> = match entity_type.name.as_str() {
            "dataHubPolicy" => {
                let policies = self.store.policies().await?.into_iter();
                policies.map(|record| record.urn).filter(behind).collect()
            }
            "dataHubRole" => default_roles().into_iter().filter(behind).collect(),
            "corpuser" => {
                let start = start(from)?;
                let query = UserQuery::default().page(start, count);
                let page = self.store.list_users(&query).await?;
                let next = start.saturating_add(count);
                let urns = page.users.into_iter().map(|user| user.urn).collect();
                let next = (u64::from(next) < page.total).then(|| next.to_string());
                return Ok(Page { urns, next });
            }
            TokenId::ENTITY_TYPE => {
                return self.list_tokens(TokenQuery::default(), from, count).await;
            }
            _ => {
                let urns = self.entities.list(entity_type, from, count).await?.into_iter();
                let corrupt = |error| StoreError::corrupt("aspect.urn", error);
                urns.map(|urn| urn.parse().map_err(corrupt)).collect::<Result<_, StoreError>>()?
            }
        };
        urns.sort();
        urns.truncate(count as usize);
        let is_full = urns.len() == count as usize;
        let next = urns.last().filter(|_| is_full).map(ToString::to_string);
        Ok(Page { urns, next })
    }

    /// Up to `count` tokens, from where an earlier page ended.
    pub(crate) async fn list_tokens(
        &self,
        query: TokenQuery,
        from: &str,
        count: u32,
    ) -> Result<Page, Refused> {
        let start = start(from)?;
        let query = query.ascending(TokenSort::CreatedAt).page(start, count);
        let page = self.tokens.list(&query).await?;
        let next = start.saturating_add(count);
        let urns = page.tokens.iter().map(|record| record.id.urn()).collect();
        let next = (u64::from(next) < page.total).then(|| next.to_string());
        Ok(Page { urns, next })
    }

    /// Has the directory say of a user what is stored of them for people, which it shows in its own
    /// answers. Who is overtaken by another looks again, so the last one says what is there.
    pub(crate) async fn follow_user_info(&self, urn: &Urn) -> Result<(), StoreError> {
        let mut stored = self.user_info(urn).await?;
        loop {
            let value = stored.as_deref().map(entities::parse).transpose()?.unwrap_or_default();
            let now = SystemClock::default().now();
            self.store.set_user_info(urn, &info_of(&value), now).await?;
            let again = self.user_info(urn).await?;
            if again == stored {
                return Ok(());
            }
            stored = again;
        }
    }

    async fn user_info(&self, urn: &Urn) -> Result<Option<String>, StoreError> {
        Ok(self.entities.texts(urn).await?.remove(USER_INFO))
    }

    /// The token of this urn, unless there is none or it was revoked.
    pub(crate) async fn token(&self, urn: &Urn) -> Result<Option<TokenRecord>, StoreError> {
        match urn.key().parse() {
            Ok(id) => self.tokens.metadata(&id).await,
            Err(_) => Ok(None),
        }
    }
}

/// How many come before a page, which its scroll id says.
fn start(from: &str) -> Result<u32, Refused> {
    match from {
        "" => Ok(0),
        from => from.parse().map_err(|_| Refused::bad("there is no page of this scrollId")),
    }
}

fn info_of(value: &Value) -> UserInfo {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut info = UserInfo::default();
    info.display_name = text("displayName");
    info.title = text("title");
    info.email = text("email");
    info.first_name = text("firstName");
    info.last_name = text("lastName");
    info
}

/// What is said of a user for people.
pub(crate) const USER_INFO: &str = "corpUserInfo";

fn aspect(name: &str, value: Value) -> Aspects {
    Aspects::from([(name.to_owned(), value)])
}

fn of_user(profile: &ActorProfile) -> Aspects {
    let status = if profile.suspended { "SUSPENDED" } else { "ACTIVE" };
    // DataHub's client wants to be told since when; the directory does not know.
    let unknown = json!({ "time": 0, "actor": "urn:li:corpuser:unknown" });
    let mut aspects = Aspects::from([
        ("status".to_owned(), json!({ "removed": profile.removed })),
        ("corpUserStatus".to_owned(), json!({ "status": status, "lastModified": unknown })),
    ]);
    if !profile.groups.is_empty() {
        aspects.insert("groupMembership".to_owned(), json!({ "groups": profile.groups }));
    }
    if !profile.native_groups.is_empty() {
        let groups = json!({ "nativeGroups": profile.native_groups });
        aspects.insert("nativeGroupMembership".to_owned(), groups);
    }
    aspects.extend(of_roles(&profile.roles));
    aspects
}

fn of_roles(roles: &[Urn]) -> Aspects {
    if roles.is_empty() {
        return Aspects::new();
    }
    aspect("roleMembership", json!({ "roles": roles }))
}

/// What is known of a token, in DataHub's names. Its text is nowhere.
fn of_token(record: &TokenRecord) -> Aspects {
    let mut info = Map::from_iter([
        ("name".to_owned(), json!(record.name)),
        ("actorUrn".to_owned(), json!(record.actor)),
        ("ownerUrn".to_owned(), json!(record.owner)),
        ("createdAt".to_owned(), json!(record.created_at.as_millis())),
    ]);
    if let Some(expires_at) = record.expires_at {
        info.insert("expiresAt".to_owned(), json!(expires_at.as_millis()));
    }
    if let Some(description) = &record.description {
        info.insert("description".to_owned(), json!(description));
    }
    aspect("dataHubAccessTokenInfo", Value::Object(info))
}
