use super::AccessError;
use crate::{
    backend::StoreError,
    policy::{FactSet, Resource, ResourceFacts},
};

/// `resource` with what is missing of it. That it cannot be had is an outage, whatever the reason.
pub(super) async fn of(
    facts: &dyn ResourceFacts,
    resource: &Resource,
    missing: FactSet,
) -> Result<Resource, AccessError> {
    let found = facts.facts(resource, missing).await.map_err(AccessError::Unavailable)?;
    // What is decided about is what was asked about.
    if found.urn() == resource.urn() && found.entity_type() == resource.entity_type() {
        return Ok(found);
    }
    let odd = StoreError::Invalid("the facts are those of another resource".to_owned());
    Err(AccessError::Unavailable(odd))
}
