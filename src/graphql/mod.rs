//! Managing tokens, service accounts, policies and users by DataHub's GraphQL API.
//!
//! [`GraphqlService`] answers `POST /api/graphql` in the names, types and nullability of DataHub's
//! schema, so that what is written for a DataHub works here. How a request is answered:
//!
//! 1. Without an [`Authentication`](crate::Authentication) in the extensions: 401 if a layer let
//!    the request pass, and 500 if there is no layer. There is no operation for nobody, and no
//!    introspection.
//! 2. What is no `POST` of `application/json`, too long, or no JSON object with a `query`: 405,
//!    415, 413 or 400, with a JSON object that has a `message`. Lists of queries are not taken.
//! 3. From here on the status is 200, and `data` and `extensions` are there. What goes wrong is in
//!    `errors`, each with a `classification` in its `extensions`, and those of operations with
//!    DataHub's `code` and `type`.
//! 4. The document is parsed and measured: how deep it is, and what it costs, with fragments as
//!    often as they are spread. What is beyond a limit is refused before anything is done.
//! 5. Texts in variables that stand for an `Int` are made one: DataHub's own users write `"20"`.
//! 6. It is validated and executed, and the operations of [`Access`](crate::access::Access) decide
//!    who may. A field that fails is null, or what it is in if it may not be null.
//!
//! Neither queries nor variables are logged, and nothing that may be the text of a token is
//! repeated in an error.
//!
//! ```
//! # use std::sync::Arc;
//! use http::{Request, StatusCode};
//! use tower::{Layer, ServiceExt};
//! use tower_pat::{
//!     AuthenticateLayer, Authenticator, Config, access::Access, graphql::GraphqlService,
//!     store::MemoryStore,
//! };
//! # use tower_pat::random::{OsRandom, secret};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
//! # let store = MemoryStore::default();
//! let graphql = GraphqlService::new(Access::new(&config, Arc::new(store.clone())));
//! let authenticator = Authenticator::builder(config, store).build().await?;
//!
//! // In axum: `Router::new().route_service("/api/graphql", graphql)`, with the layer around it.
//! let service = AuthenticateLayer::new(authenticator).layer(graphql);
//! let request = Request::post("/api/graphql")
//!     .header("content-type", "application/json")
//!     .body(r#"{"query": "{ me { corpUser { urn } } }"}"#.to_owned())?;
//! assert_eq!(service.oneshot(request).await?.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! # Fields of your own
//!
//! [`Query`] and [`Mutation`] can be merged with other roots. Their resolvers find the
//! [`Access`](crate::access::Access), the [`Caller`](crate::access::Caller) and the
//! [`Authentication`](crate::Authentication) of the request in their context; whatever error they
//! return becomes one in DataHub's form. The roots have to be named `Query` and `Mutation`.
//!
//! ```
//! use async_graphql::{Context, MergedObject, Object, Result};
//! use tower_pat::{
//!     Authentication, Privilege,
//!     access::Access,
//!     graphql::{Entity, GraphqlService, Mutation, Query},
//! };
//!
//! #[derive(Default)]
//! struct SearchQueries;
//!
//! #[Object]
//! impl SearchQueries {
//!     async fn entity(&self, ctx: &Context<'_>, urn: String) -> Result<Entity> {
//!         let auth = ctx.data::<Authentication>()?;
//!         auth.require(Privilege::VIEW_ENTITY_PAGE)?;
//!         Ok(Entity::of(urn.parse()?))
//!     }
//! }
//!
//! #[derive(Default, MergedObject)]
//! #[graphql(name = "Query")]
//! struct AllQueries(Query, SearchQueries);
//!
//! #[derive(Default, MergedObject)]
//! #[graphql(name = "Mutation")]
//! struct AllMutations(Mutation);
//!
//! fn service(access: Access) -> GraphqlService {
//!     GraphqlService::with_roots(access, AllQueries::default(), AllMutations::default())
//! }
//! # use tower_pat::{Config, random::{OsRandom, secret}, store::MemoryStore};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let config = Config::builder(secret(&OsRandom)?, secret(&OsRandom)?).build()?;
//! # let access = Access::new(&config, std::sync::Arc::new(MemoryStore::default()));
//! let sdl = service(access).sdl();
//! assert!(sdl.contains("entity(urn: String!): Entity!"));
//! assert!(sdl.contains("listAccessTokens(input: ListAccessTokenInput!): ListAccessTokenResult!"));
//! # Ok(())
//! # }
//! ```
//!
//! Of the types that DataHub's searches share, these are here to be used: [`Entity`],
//! [`EntityReference`], [`EntityType`], [`FacetFilterInput`], [`AndFilterInput`],
//! [`SortCriterion`] and [`Long`].
//!
//! # What is other than in DataHub
//!
//! * `createAccessToken` takes `ONE_WEEK`, which is an error there; `getAccessToken` makes a token
//!   that is stored, listed and can be revoked.
//! * Owner and actor of a token both list and revoke it; what else is stricter is said in
//!   [`access`](crate::access).
//! * Lists are up to date, and sorted in a stable order; pages have at most 1,000 entries.
//! * An update of a policy keeps its roles, and `actors.roles` sets them.
//! * More: `revokeAccessTokens`, `sort` of `listAccessTokens`, `status`, `createdVia` and `actor`
//!   of a token, `appConfig.authConfig.accessTokens`.
//! * There are no views: `defaultView` is always null, and none can be set. Policies are not
//!   filtered by `orFilters`: such a filter is refused. There are no edges between entities:
//!   `relationships` is always null.

mod config;
mod engine;
mod entity;
mod error;
mod facet;
mod group;
mod limit;
mod me;
mod nulls;
mod page;
mod policy;
mod policy_input;
mod privileges;
mod request;
mod role;
mod scalar;
mod schema;
mod service;
mod service_account;
mod token;
mod token_filter;
mod user;
mod variables;
mod view;

pub use self::{
    entity::{
        AuditStamp, Entity, EntityReference, EntityRelationship, EntityRelationshipsResult,
        EntityType, RelationshipDirection, RelationshipsInput,
    },
    facet::{AndFilterInput, FacetFilterInput, FilterOperator, SortCriterion, SortOrder},
    group::CorpGroup,
    role::DataHubRole,
    scalar::Long,
    schema::{Mutation, Query},
    service::{GraphqlService, ResponseFuture},
    service_account::ServiceAccount,
    token::{AccessTokenMetadata, AccessTokenStatus},
    user::CorpUser,
    view::{DataHubView, DataHubViewType},
};
pub use crate::answer::AnswerBody as ResponseBody;

use crate::{access::AccessError, actor::Urn};

/// A urn in an argument.
fn parse_urn(text: &str) -> Result<Urn, AccessError> {
    Ok(text.parse()?)
}
