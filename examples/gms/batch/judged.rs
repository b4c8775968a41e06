//! Making a batch: its changes, with what is there.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use serde_json::Value;
use tower_pat::{
    actor::Urn,
    policy::{ChangeType, Fact, FactSet, Field, GraphFacts, Resource, ResourceFacts},
};

use super::{Batch, Stored};
use crate::{
    change::{Change, Effect, tags_of},
    entities::{Expected, parse},
    refused::Refused,
    service::MetadataService,
};

impl Batch {
    /// The changes, with what is there now.
    pub(crate) async fn new(
        service: &MetadataService,
        changes: Vec<Change>,
    ) -> Result<Self, Refused> {
        if changes.is_empty() {
            return Err(Refused::bad("there is nothing to write"));
        }
        if changes.len() > MAX_CHANGES {
            return Err(Refused::bad(format!("{MAX_CHANGES} aspects at once at most")));
        }
        let changes = distinct(changes)?;
        let mut stored: BTreeMap<Urn, Stored> = BTreeMap::new();
        for change in &changes {
            if !stored.contains_key(&change.urn) {
                let found = service.aspects(change.entity_type, &change.urn).await?;
                let found = Stored { exists: found.is_some(), ..Stored::default() };
                stored.insert(change.urn.clone(), found);
            }
            if depends(change)
                && let Some(found) = stored.get_mut(&change.urn)
                && found.texts.is_empty()
            {
                found.texts = service.entities.texts(&change.urn).await?;
            }
        }
        let mut expected = Expected::default();
        // Whether a user exists, the directory says.
        let here = stored
            .iter()
            .filter(|(urn, _)| !matches!(urn.entity_type(), "corpuser" | "dataHubPolicy"));
        expected.entities = here.map(|(urn, found)| (urn.clone(), found.exists)).collect();
        for change in changes.iter().filter(|change| depends(change)) {
            let text = stored.get(&change.urn).and_then(|found| found.texts.get(change.aspect));
            if let Some(based_on) = &change.based_on
                && Some(based_on) != text.map(|text| parse(text)).transpose()?.as_ref()
            {
                return Err(Refused::Raced(change.urn.clone()));
            }
            expected.aspects.insert((change.urn.clone(), change.aspect), text.cloned());
        }
        let (proposed, changed_tags) = (BTreeMap::new(), BTreeMap::new());
        Ok(Self { changes, stored, expected, proposed, changed_tags })
    }

    /// Applies patches to what is there. Only for who may write it: whether a patch can be applied
    /// tells of what is there.
    pub(crate) async fn resolve(&mut self, service: &MetadataService) -> Result<(), Refused> {
        // What the changes so far make of aspects that later ones depend on.
        let mut becomes: BTreeMap<(Urn, &'static str), Value> = BTreeMap::new();
        for change in &mut self.changes {
            let place = (change.urn.clone(), change.aspect);
            let stored = self.stored.get(&place.0).and_then(|found| found.texts.get(change.aspect));
            let is = match stored {
                Some(text) if depends(change) => Some(parse(text)?),
                _ => None,
            };
            let current = becomes.get(&place).or(is.as_ref());
            change.resolve(current)?;
            if let Some(proposed) = change.tags()? {
                let before = current.map(tags_of).unwrap_or_default();
                let changed = before.symmetric_difference(&proposed).cloned();
                self.changed_tags.entry(change.urn.clone()).or_default().extend(changed);
            }
            let is_left_alone = change.change_type == ChangeType::Create && current.is_some();
            if let Effect::Entity(value) = &change.effect
                && !is_left_alone
            {
                becomes.insert(place, value.clone());
            }
        }
        self.proposed = self.in_proposed_domains(service).await?;
        Ok(())
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

/// Whether what is there, besides that it is there, makes a difference to it or to what it asks for.
fn depends(change: &Change) -> bool {
    matches!(change.effect, Effect::Patch(_))
        || change.based_on.is_some()
        || change.change_type == ChangeType::Patch
        || change.aspect == "globalTags"
}

/// The changes without those that only say again what one before says.
fn distinct(changes: Vec<Change>) -> Result<Vec<Change>, Refused> {
    let mut seen: BTreeMap<(Urn, &'static str), usize> = BTreeMap::new();
    let mut kept: Vec<Change> = Vec::new();
    for change in changes {
        if !decides(&change) {
            kept.push(change);
            continue;
        }
        match seen.entry((change.urn.clone(), change.aspect)) {
            Entry::Vacant(place) => {
                place.insert(kept.len());
                kept.push(change);
            }
            Entry::Occupied(place) => {
                let first = kept.get(*place.get());
                if !first.is_some_and(|first| says_the_same(first, &change)) {
                    let Change { aspect, urn, .. } = change;
                    return Err(Refused::bad(format!("{aspect} of {urn} is there twice")));
                }
            }
        }
    }
    Ok(kept)
}

/// A patch once more is not the same as the patch once.
fn says_the_same(first: &Change, second: &Change) -> bool {
    first.effect == second.effect
        && first.change_type == second.change_type
        && !matches!(second.effect, Effect::Patch(_))
}

/// Aspects that one request may write. Each may have to be looked up.
pub(crate) const MAX_CHANGES: usize = 1_000;
