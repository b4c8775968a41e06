//! Making a batch: its changes, with what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tower_pat::{
    actor::Urn,
    policy::{ChangeType, Fact, FactSet, Field, GraphFacts, Resource, ResourceFacts},
};

use super::Batch;
use crate::{
    change::{Change, Effect, tags_of},
    entities::Expected,
    refused::Refused,
    service::{Aspects, MetadataService},
};

impl Batch {
    /// The changes, with what is there now.
    pub(crate) async fn new(
        service: &MetadataService,
        mut changes: Vec<Change>,
    ) -> Result<Self, Refused> {
        if changes.is_empty() {
            return Err(Refused::bad("there is nothing to write"));
        }
        if changes.len() > MAX_CHANGES {
            return Err(Refused::bad(format!("{MAX_CHANGES} aspects at once at most")));
        }
        let mut stored: BTreeMap<Urn, Option<Aspects>> = BTreeMap::new();
        // What the changes so far make of aspects that later ones depend on.
        let mut becomes: BTreeMap<(Urn, &'static str), Value> = BTreeMap::new();
        let mut expected = Expected::default();
        let mut changed_tags: BTreeMap<Urn, BTreeSet<Urn>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for change in &mut changes {
            let (urn, aspect) = (change.urn.clone(), change.aspect);
            if !seen.insert((urn.clone(), aspect)) && decides(change) {
                return Err(Refused::bad(format!("{aspect} of {urn} is there twice")));
            }
            if !stored.contains_key(&urn) {
                let found = service.aspects(change.entity_type, &urn).await?;
                stored.insert(urn.clone(), found);
            }
            let place = (urn, aspect);
            let is = stored.get(&place.0).and_then(Option::as_ref).and_then(|it| it.get(aspect));
            let current = becomes.get(&place).or(is);
            if change.based_on.as_ref().is_some_and(|based_on| Some(based_on) != is) {
                return Err(Refused::Raced(place.0));
            }
            if matches!(change.effect, Effect::Patch(_))
                || change.based_on.is_some()
                || aspect == "globalTags"
            {
                expected.aspects.insert(place.clone(), is.cloned());
            }
            change.resolve(current)?;
            if let Some(proposed) = change.tags() {
                let before = current.map(tags_of).unwrap_or_default();
                let changed = before.symmetric_difference(&proposed).cloned();
                changed_tags.entry(change.urn.clone()).or_default().extend(changed);
            }
            let is_left_alone = change.change_type == ChangeType::Create && current.is_some();
            if let Effect::Entity(value) = &change.effect
                && !is_left_alone
            {
                becomes.insert(place, value.clone());
            }
        }
        let existed: BTreeMap<Urn, bool> =
            stored.iter().map(|(urn, found)| (urn.clone(), found.is_some())).collect();
        // Whether a user exists, the directory says.
        expected.entities = existed.clone();
        expected
            .entities
            .retain(|urn, _| !matches!(urn.entity_type(), "corpuser" | "dataHubPolicy"));
        let mut batch =
            Self { changes, existed, expected, proposed: BTreeMap::new(), changed_tags };
        batch.proposed = batch.in_proposed_domains(service).await?;
        Ok(batch)
    }

    /// What is made in a domain is judged as being in it, so that who may make things in a domain
    /// can. DataHub does so as well for what is there and in no domain; here nobody gets
    /// something into their reach by moving it there. What a patch moves is judged where it was and
    /// where it will be.
    async fn in_proposed_domains(
        &self,
        service: &MetadataService,
    ) -> Result<BTreeMap<Urn, Resource>, Refused> {
        let mut resources = BTreeMap::new();
        let facts = GraphFacts::new(service.clone());
        for change in &self.changes {
            if self.exists(&change.urn) && change.change_type != ChangeType::Patch {
                continue;
            }
            let Some(proposed) = change.domains()? else { continue };
            let mut domains = BTreeSet::new();
            for domain in &proposed {
                // A domain is in itself and in all that are above it.
                let found = facts.facts(&domain.into(), FactSet::of(Field::Domain)).await?;
                if let Fact::Known(values) = found.values(Field::Domain) {
                    domains.extend(values.map(str::to_owned));
                }
            }
            let resource = Resource::new(&change.urn).with_field(Field::Domain, domains);
            resources.insert(change.urn.clone(), resource);
        }
        Ok(resources)
    }
}

/// Whether something is decided by it, so that which of two counts must not be a question.
fn decides(change: &Change) -> bool {
    match change.effect {
        Effect::Entity(_) | Effect::Patch(_) => change.aspect == "domains",
        Effect::Event(_) => false,
        _ => true,
    }
}

/// Aspects that one request may write. Each may have to be looked up.
pub(crate) const MAX_CHANGES: usize = 1_000;
