//! Deleting: each kind of entity where it lives.

use tower_pat::{
    TokenService,
    actor::{Directory, Urn},
    token::{RuleScope, TokenId},
};

use crate::{
    entities::{Deleted, Span},
    refused::Refused,
    registry::Home,
    service::{MetadataService, USER_INFO},
    target::Target,
};

/// Deletes an entity, wherever it lives; a user's tokens end with the user.
pub(crate) async fn delete_entity(
    service: &MetadataService,
    target: &Target,
    by: &Urn,
) -> Result<Deleted, Refused> {
    let urn = &target.urn;
    let elsewhere = |found| Deleted { rows: u64::from(found), series: 0 };
    let deleted = match target.entity_type.name.as_str() {
        "corpuser" => delete_user(service, urn, by).await?,
        "corpGroup" => delete_group(service, urn).await?,
        "dataHubPolicy" => {
            may_change_policy(service, urn, "System policies can not be deleted.").await?;
            elsewhere(service.store.delete_policy(urn).await?)
        }
        TokenId::ENTITY_TYPE => elsewhere(revoke(&service.tokens, urn, by).await?),
        "dataHubRole" => return Err(Refused::Forbidden("roles are built in".to_owned())),
        _ => service.entities.delete(urn).await?,
    };
    if deleted == Deleted::default() {
        return Err(Refused::NotFound(urn.to_string()));
    }
    Ok(deleted)
}

/// Deletes one aspect; of what has a home elsewhere, that is writing what is so without it.
pub(crate) async fn delete_aspect(
    service: &MetadataService,
    target: &Target,
    aspect: &'static str,
    by: &Urn,
) -> Result<Deleted, Refused> {
    let urn = &target.urn;
    let found = match target.entity_type.home(aspect) {
        Home::Refused(reason) => return Err(Refused::Forbidden(format!("{aspect}: {reason}"))),
        Home::User | Home::Key | Home::Policy => return delete_entity(service, target, by).await,
        Home::Removed => service.store.set_removed(urn, false).await?,
        Home::Suspended => service.store.set_suspended(urn, false).await?,
        Home::Groups(kind) => service.store.set_groups(urn, kind, &[]).await?,
        Home::Roles => service.store.set_roles(urn, &[]).await?,
        Home::Entities => service.entities.delete_aspect(urn, aspect).await?,
        Home::Series => {
            let series = service.entities.delete_events(urn, aspect, Span::default()).await?;
            return Ok(Deleted { rows: 0, series });
        }
    };
    if !found {
        return Err(Refused::NotFound(format!("{aspect} of {urn}")));
    }
    if aspect == USER_INFO {
        service.follow_user_info(urn).await?;
    }
    Ok(Deleted { rows: 1, series: 0 })
}

async fn delete_user(service: &MetadataService, urn: &Urn, by: &Urn) -> Result<Deleted, Refused> {
    if service.store.profile(urn).await?.is_none() {
        return Ok(Deleted::default());
    }
    // By a rule, and first: the tokens stay ended when somebody makes a user of the same name.
    service.tokens.revoke_all(RuleScope::Actor(urn.clone()), by).await?;
    let deleted = service.entities.delete(urn).await?;
    let found = service.store.delete_user(urn).await?;
    Ok(Deleted { rows: deleted.rows + u64::from(found), ..deleted })
}

/// What the group grants goes first: a group that is gone and still granted what it did would be
/// worse than one that stays.
async fn delete_group(service: &MetadataService, urn: &Urn) -> Result<Deleted, Refused> {
    let found = service.store.delete_group(urn).await?;
    let deleted = service.entities.delete(urn).await?;
    Ok(Deleted { rows: deleted.rows + u64::from(found), ..deleted })
}

async fn revoke(tokens: &TokenService, urn: &Urn, by: &Urn) -> Result<bool, Refused> {
    match urn.key().parse() {
        Ok(id) => Ok(tokens.revoke(&id, by).await?),
        Err(_) => Ok(false),
    }
}

/// Refuses, in DataHub's words, to change policies that nobody may change.
pub(crate) async fn may_change_policy(
    service: &MetadataService,
    urn: &Urn,
    text: &str,
) -> Result<(), Refused> {
    let stored = service.store.policy(urn).await?;
    let is_fixed = stored.is_some_and(|record| !record.info.editable);
    if is_fixed || SYSTEM_POLICIES.contains(&urn.as_str()) {
        return Err(Refused::Forbidden(text.to_owned()));
    }
    Ok(())
}

const SYSTEM_POLICIES: [&str; 2] = ["urn:li:dataHubPolicy:0", "urn:li:dataHubPolicy:1"];
