use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};

use super::{
    entity::{EntityRelationshipsResult, EntityType, RelationshipsInput},
    error::BadRequest,
    facet::{FacetFilterInput, SortCriterion},
    page::{Page, int},
    parse_urn,
    scalar::Long,
    token_filter,
    user::CorpUser,
};
use crate::{
    access::{Access, AccessError, Caller, CreateToken, TokensOf},
    actor::Urn,
    token::{LastUse, Lifetime, TokenId, TokenRecord, TokenStatus, TokenType},
    token_service::{MintedToken, TokenQuery},
};

/// Queries about access tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TokenQueries;

#[Object]
impl TokenQueries {
    /// Makes an access token for the caller. Older than `createAccessToken`, which says more.
    async fn get_access_token(
        &self,
        ctx: &Context<'_>,
        input: GetAccessTokenInput,
    ) -> Result<Option<AccessToken>> {
        let access = ctx.data::<Access>()?;
        let token_type = TokenType::from(input.token_type);
        if token_type != TokenType::Personal {
            return Err(AccessError::UnsupportedTokenType(token_type).into());
        }
        let lifetime = lifetime(input.duration, input.duration_iso)?;
        let actor = parse_urn(&input.actor_urn)?;
        let minted = access.quick_token(ctx.data::<Caller>()?, &actor, lifetime).await?;
        Ok(Some(AccessToken::of(minted, access)))
    }

    /// Lists access tokens: those of everybody for who manages tokens, and for others those that
    /// they own, or that act as them, if they ask for these alone.
    async fn list_access_tokens(
        &self,
        ctx: &Context<'_>,
        input: ListAccessTokenInput,
    ) -> Result<ListAccessTokenResult> {
        let access = ctx.data::<Access>()?;
        let page = Page::of(input.start, input.count)?;
        let mut query = TokenQuery::default().page(page.start, page.count);
        query.filters = token_filter::filters(input.filters.unwrap_or_default(), access.now())?;
        if let Some(sort) = input.sort {
            query = token_filter::sorted(query, &sort)?;
        }
        let found = access.list_tokens(ctx.data::<Caller>()?, &query).await?;
        let tokens = found.tokens.into_iter();
        Ok(ListAccessTokenResult {
            start: page.start(),
            count: page.count(),
            total: int(found.total),
            tokens: tokens.map(|record| AccessTokenMetadata::of(record, access)).collect(),
        })
    }

    /// What is known of an access token, by its text; for who manages tokens.
    async fn get_access_token_metadata(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The text of the token.")] token: String,
    ) -> Result<AccessTokenMetadata> {
        let access = ctx.data::<Access>()?;
        let found = access.token_metadata(ctx.data::<Caller>()?, &token).await?;
        let record = found.ok_or(AccessError::TokenNotFound)?;
        Ok(AccessTokenMetadata::of(record, access))
    }
}

/// Changes of access tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TokenMutations;

#[Object]
impl TokenMutations {
    /// Makes an access token, and shows its text, once.
    async fn create_access_token(
        &self,
        ctx: &Context<'_>,
        input: CreateAccessTokenInput,
    ) -> Result<Option<AccessToken>> {
        let access = ctx.data::<Access>()?;
        let lifetime = lifetime(input.duration, input.duration_iso)?;
        let actor = parse_urn(&input.actor_urn)?;
        let mut request = CreateToken::new(input.token_type.into(), actor, lifetime, input.name)
            .created_via("graphql");
        request.description = input.description;
        let minted = access.create_token(ctx.data::<Caller>()?, request).await?;
        Ok(Some(AccessToken::of(minted, access)))
    }

    /// Revokes an access token for good; for its owner, its actor, and who manages tokens.
    async fn revoke_access_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the token.")] token_id: String,
    ) -> Result<bool> {
        let id: TokenId = token_id.parse().map_err(AccessError::from)?;
        ctx.data::<Access>()?.revoke_token(ctx.data::<Caller>()?, &id).await?;
        Ok(true)
    }

    /// Revokes all access tokens that somebody owns, or all that act as somebody; for themselves,
    /// and for who manages tokens. Exactly one of the two has to be given.
    async fn revoke_access_tokens(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The urn of who made the tokens.")] owner_urn: Option<String>,
        #[graphql(desc = "The urn of who the tokens act as.")] actor_urn: Option<String>,
    ) -> Result<bool> {
        let whose = match (owner_urn, actor_urn) {
            (Some(owner), None) => TokensOf::Owner(parse_urn(&owner)?),
            (None, Some(actor)) => TokensOf::Actor(parse_urn(&actor)?),
            _ => {
                let message = "Exactly one of ownerUrn or actorUrn must be provided when revoking \
                               access tokens";
                return Err(BadRequest::new(message).into());
            }
        };
        ctx.data::<Access>()?.revoke_tokens(ctx.data::<Caller>()?, whose).await?;
        Ok(true)
    }
}

/// What token to make.
#[derive(InputObject)]
pub(super) struct GetAccessTokenInput {
    /// The type: only `PERSONAL`.
    #[graphql(name = "type")]
    token_type: AccessTokenType,
    /// The urn of who it acts as: only the caller.
    actor_urn: String,
    /// How long it is good. This or `durationIso`.
    duration: Option<AccessTokenDuration>,
    /// How long it is good, as a duration of ISO 8601 such as `P30D`. This or `duration`.
    duration_iso: Option<String>,
}

/// What token to make.
#[derive(InputObject)]
pub(super) struct CreateAccessTokenInput {
    /// The type.
    #[graphql(name = "type")]
    token_type: AccessTokenType,
    /// The urn of who it acts as.
    actor_urn: String,
    /// How long it is good. This or `durationIso`.
    duration: Option<AccessTokenDuration>,
    /// How long it is good, as a duration of ISO 8601 such as `P30D`. This or `duration`.
    duration_iso: Option<String>,
    /// A name, for people: 1 to 50 characters.
    name: String,
    /// What it is for: up to 500 characters.
    description: Option<String>,
}

/// Which tokens to list.
#[derive(InputObject)]
pub(super) struct ListAccessTokenInput {
    /// How many to skip. Default 0.
    start: Option<i32>,
    /// How many to return at most. Default 20, at most 1000.
    count: Option<i32>,
    /// What must all hold of the tokens, by these fields: `id`, `name`, `description`, `actorUrn`,
    /// `ownerUrn`, `ownerOrActorUrn` for either of these two, `query` for what is somewhere in name
    /// or description (`CONTAIN`), `status` (`ACTIVE` or `EXPIRED`, by the clock of the server), and
    /// in milliseconds since the Unix epoch `createdAt` and `expiresAt`.
    filters: Option<Vec<FacetFilterInput>>,
    /// By what they are sorted: `expiresAt`, where never is later than every date, `createdAt`,
    /// `name`, or `lastUsedAt`, where never is earlier than every date. Default the latest expiry
    /// first.
    sort: Option<SortCriterion>,
}

/// What an access token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub(super) enum AccessTokenType {
    /// A person's.
    Personal,
    /// A service account's.
    ServiceAccount,
}

impl From<AccessTokenType> for TokenType {
    fn from(token_type: AccessTokenType) -> Self {
        match token_type {
            AccessTokenType::Personal => Self::Personal,
            AccessTokenType::ServiceAccount => Self::ServiceAccount,
        }
    }
}

/// How long an access token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "crate::token::AccessTokenDuration")]
pub(super) enum AccessTokenDuration {
    /// 1 hour.
    OneHour,
    /// 24 hours.
    OneDay,
    /// 7 days.
    OneWeek,
    /// 30 days.
    OneMonth,
    /// 90 days.
    ThreeMonths,
    /// 180 days.
    SixMonths,
    /// 365 days.
    OneYear,
    /// For ever, where that is allowed.
    NoExpiry,
}

/// The lifetime that is asked for in one of two ways.
fn lifetime(named: Option<AccessTokenDuration>, iso: Option<String>) -> Result<Lifetime> {
    match (named, iso) {
        (Some(named), None) => Ok(crate::token::AccessTokenDuration::from(named).lifetime()),
        (None, Some(iso)) => Ok(iso.parse()?),
        _ => {
            let message = "Exactly one of duration or durationIso must be provided when creating \
                           an access token";
            Err(BadRequest::new(message).into())
        }
    }
}

/// An access token that was just made.
pub(super) struct AccessToken {
    minted: MintedToken,
    metadata: AccessTokenMetadata,
}

impl AccessToken {
    fn of(minted: MintedToken, access: &Access) -> Self {
        let metadata = AccessTokenMetadata::of(minted.record.clone(), access);
        Self { minted, metadata }
    }
}

/// An access token that was just made.
#[Object]
impl AccessToken {
    /// Its text, which is shown here and nowhere else.
    async fn access_token(&self) -> &str {
        self.minted.token.expose()
    }

    /// What is stored of it.
    async fn metadata(&self) -> Option<&AccessTokenMetadata> {
        Some(&self.metadata)
    }
}

/// A page of access tokens.
#[derive(SimpleObject)]
pub(super) struct ListAccessTokenResult {
    /// How many were skipped.
    start: i32,
    /// How many were asked for.
    count: i32,
    /// How many there are on all pages.
    total: i32,
    /// The tokens.
    tokens: Vec<AccessTokenMetadata>,
}

/// What is stored of an access token: everything but its text.
#[derive(Debug, Clone)]
pub struct AccessTokenMetadata {
    record: Box<TokenRecord>,
    status: AccessTokenStatus,
}

impl AccessTokenMetadata {
    fn of(record: TokenRecord, access: &Access) -> Self {
        let status = match record.status(access.now()) {
            TokenStatus::Active => AccessTokenStatus::Active,
            TokenStatus::Expired(_) => AccessTokenStatus::Expired,
            TokenStatus::Revoked(_) => AccessTokenStatus::Revoked,
        };
        Self { record: Box::new(record), status }
    }

    fn last_used(&self) -> Option<&LastUse> {
        self.record.last_used.as_ref()
    }
}

/// What is stored of an access token: everything but its text.
#[Object]
impl AccessTokenMetadata {
    /// The name of the entity: `urn:li:dataHubAccessToken:` and the id.
    pub(super) async fn urn(&self) -> String {
        self.record.id.urn().to_string()
    }

    /// What it is: `ACCESS_TOKEN`.
    #[graphql(name = "type")]
    pub(super) async fn entity_type(&self) -> EntityType {
        EntityType::AccessToken
    }

    /// The id, by which the token is revoked. It is no secret.
    async fn id(&self) -> String {
        self.record.id.to_string()
    }

    /// The name that its owner gave it.
    async fn name(&self) -> &str {
        &self.record.name
    }

    /// What it is for.
    async fn description(&self) -> Option<&str> {
        self.record.description.as_deref()
    }

    /// The urn of who it acts as.
    async fn actor_urn(&self) -> &str {
        self.record.actor.as_str()
    }

    /// The urn of who made it.
    async fn owner_urn(&self) -> &str {
        self.record.owner.as_str()
    }

    /// Who made it.
    async fn owner(&self) -> Option<CorpUser> {
        user(&self.record.owner)
    }

    /// Who it acts as.
    async fn actor(&self) -> Option<CorpUser> {
        user(&self.record.actor)
    }

    /// When it was made, in milliseconds since the Unix epoch.
    async fn created_at(&self) -> Long {
        self.record.created_at.into()
    }

    /// When it expires, in milliseconds since the Unix epoch; null for never.
    async fn expires_at(&self) -> Option<Long> {
        self.record.ends_at().map(Long::from)
    }

    /// When it was used last, in milliseconds since the Unix epoch, within a minute; null if that is
    /// not known.
    async fn last_used_at(&self) -> Option<Long> {
        self.last_used().map(|last_use| last_use.at.into())
    }

    /// From which address it was used last; null if that is not known.
    async fn last_used_address(&self) -> Option<&str> {
        self.last_used()?.address.as_deref()
    }

    /// By which program it was used last (`User-Agent`); null if that is not known.
    async fn last_used_agent(&self) -> Option<&str> {
        self.last_used()?.agent.as_deref()
    }

    /// What has become of it.
    async fn status(&self) -> AccessTokenStatus {
        self.status
    }

    /// By what it was made, such as `graphql`; null where that is not known.
    async fn created_via(&self) -> Option<&str> {
        self.record.created_via.as_deref()
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

/// Whoever has this urn, if it is a user's.
fn user(urn: &Urn) -> Option<CorpUser> {
    (urn.entity_type() == "corpuser").then(|| CorpUser::of(urn.clone()))
}

/// What has become of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum AccessTokenStatus {
    /// It is good.
    Active,
    /// It is over.
    Expired,
    /// It was revoked.
    Revoked,
}
