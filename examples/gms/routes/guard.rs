//! What is asked for before anything is done: DataHub's words for it, and the two that ask for
//! something that depends on what is there.

use tower_pat::{
    Authentication,
    actor::Urn,
    backend::BoxFuture,
    policy::{Operation, OperationGroup, Requirement, Resource, requirement},
    require::AuthorizeError,
    token::TokenId,
    token_service::{TokenFilter, TokenQuery},
};

use crate::{
    batch::Batch,
    change::{Change, tags_of},
    delete::{delete_aspect, delete_entity},
    entities::Deleted,
    refused::Refused,
    registry::EntityType,
    search::Readable,
    service::{Aspects, MetadataService, Page},
    target::Target,
};

/// What DataHub asks for to do this to entities of this type.
pub(super) fn asked(operation: Operation, entity_type: &EntityType) -> Requirement {
    requirement(OperationGroup::Entity, operation, Some(&entity_type.name)).into()
}

/// What DataHub asks for to do this to series over time.
pub(super) fn asked_of_series(operation: Operation) -> Requirement {
    requirement(OperationGroup::Timeseries, operation, None).into()
}

/// Every entity of the type.
pub(super) fn of_type(entity_type: &EntityType) -> Resource {
    Resource::of_type(entity_type.name.as_str())
}

/// The aspects of an entity that the caller may read; `None` if there is no such entity. Everybody
/// may read everything by DataHub's default policies, but what is known of an access token is the
/// business of its owner, its actor and who manages tokens. For others, there is none.
pub(super) async fn visible(
    auth: &Authentication,
    service: &MetadataService,
    entity_type: &'static EntityType,
    urn: &Urn,
) -> Result<Option<Aspects>, Refused> {
    if entity_type.name == TokenId::ENTITY_TYPE && !manages_tokens(auth, entity_type).await? {
        let me = auth.actor().urn();
        let token = service.token(urn).await?;
        if !token.is_some_and(|token| token.owner == *me || token.actor == *me) {
            return Ok(None);
        }
    }
    Ok(service.aspects(entity_type, urn).await?)
}

/// A page of entities of a type; of tokens, of those that are the caller's business.
pub(super) async fn page(
    auth: &Authentication,
    service: &MetadataService,
    entity_type: &'static EntityType,
    from: &str,
    count: u32,
) -> Result<Page, Refused> {
    if entity_type.name != TokenId::ENTITY_TYPE {
        return service.list(entity_type, from, count).await;
    }
    let mut query = TokenQuery::default();
    if !manages_tokens(auth, entity_type).await? {
        let me = vec![auth.actor().urn().clone()];
        let own = vec![TokenFilter::Owner(me.clone()), TokenFilter::Actor(me)];
        query = query.filter(TokenFilter::AnyOf(own));
    }
    service.list_tokens(query, from, count).await
}

async fn manages_tokens(auth: &Authentication, tokens: &EntityType) -> Result<bool, Refused> {
    granted(auth.authorize(asked(Operation::Manage, tokens), of_type(tokens)).await)
}

/// Whether it was granted; that it cannot be told is a no, and that a store failed an error.
fn granted(decision: Result<(), AuthorizeError>) -> Result<bool, Refused> {
    match decision {
        Ok(()) => Ok(true),
        Err(AuthorizeError::Denied { .. } | AuthorizeError::Indeterminate { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Where it cannot be told whether they may read something, they may not.
impl Readable for Authentication {
    fn may_read<'a>(
        &'a self,
        entity_type: &'static EntityType,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<bool, Refused>> {
        Box::pin(
            async move { granted(self.authorize(asked(Operation::Read, entity_type), urn).await) },
        )
    }
}

/// Asks for everything first, and then writes everything. If somebody else was faster, all is asked
/// for and written anew.
pub(super) async fn commit(
    auth: &Authentication,
    service: &MetadataService,
    changes: Vec<Change>,
) -> Result<(), Refused> {
    let is_based = changes.iter().any(|change| change.based_on.is_some());
    let mut attempt = 1;
    loop {
        let mut batch = Batch::new(service, changes.clone()).await?;
        // Before patches are applied: what comes of that tells of what is there.
        for (needed, resource) in batch.first_requirements() {
            auth.authorize(needed, resource).await?;
        }
        for needed in batch.grants() {
            auth.require(needed)?;
        }
        batch.resolve(service).await?;
        for (needed, resource, tags) in batch.requirements() {
            auth.authorize_with(needed, resource, &tags).await?;
        }
        match batch.commit(service, auth.actor().urn()).await {
            // Who made up changes of what was there has to do so again.
            Err(Refused::Raced(_)) if attempt < ATTEMPTS && !is_based => attempt += 1,
            done => return done,
        }
    }
}

/// Asks for everything first, and then deletes an entity, or one of its aspects. What is gone already
/// is no error: the client sends its requests again when it has not heard of them.
pub(super) async fn remove(
    auth: &Authentication,
    service: &MetadataService,
    target: &Target,
) -> Result<Deleted, Refused> {
    match remove_once(auth, service, target).await {
        Err(Refused::NotFound(_)) => Ok(Deleted::default()),
        deleted => deleted,
    }
}

async fn remove_once(
    auth: &Authentication,
    service: &MetadataService,
    target: &Target,
) -> Result<Deleted, Refused> {
    // Revoking somebody else's token is managing tokens.
    let is_token = target.entity_type.name == TokenId::ENTITY_TYPE;
    let operation = if is_token { Operation::Manage } else { Operation::Delete };
    auth.authorize(asked(operation, target.entity_type), &target.urn).await?;
    let Some(aspect) = target.aspect else {
        return delete_entity(service, target, auth.actor().urn()).await;
    };
    if target.entity_type.is_series(aspect) {
        auth.authorize(asked_of_series(Operation::Delete), &target.urn).await?;
    }
    if let Some(needed) = Change::grants(target.entity_type.home(aspect)) {
        auth.require(needed)?;
    }
    if aspect == "globalTags" {
        let stored = service.aspects(target.entity_type, &target.urn).await?;
        let stored = stored.and_then(|mut aspects| aspects.remove(aspect));
        let tags = stored.as_ref().map(tags_of).unwrap_or_default();
        let tags: Vec<Resource> = tags.iter().map(Resource::from).collect();
        auth.authorize_with(asked(operation, target.entity_type), &target.urn, &tags).await?;
    }
    delete_aspect(service, target, aspect, auth.actor().urn()).await
}

/// How often a write is tried that others are faster than: DataHub's client has 15 threads.
pub(super) const ATTEMPTS: u32 = 32;
