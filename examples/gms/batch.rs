//! What a request wants written: judged as a whole, before anything is.
//!
//! 1. Each [`Change`] has been read into what it would do; what makes no sense, or is never written
//!    here, has been refused.
//! 2. A [`Batch`] is all changes of a request with what is there already, and says what they ask
//!    for.
//! 3. [`Batch::commit`] writes. The entity store and the directory are two databases, so one
//!    transaction cannot span them. Aspects of entities are written all or none, policies too; each
//!    change of a user or group is a step of its own. What takes something away comes first, what
//!    gives something last, so that a crash in between leaves nobody with more than before; and each
//!    step changes nothing when done again, so the same request can be sent again.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tower_pat::{
    actor::{DirectoryStore, Urn},
    clock::{Clock, SystemClock},
    policy::{
        ChangeType, Existence, Fact, FactSet, Field, GraphFacts, Operation, OperationGroup,
        PolicyRecord, PolicyStore, Requirement, Resource, ResourceFacts, requirement,
    },
};

use crate::{
    change::{Change, Effect, raced, tags_of},
    delete::may_change_policy,
    entities::{AspectWrite, Written},
    refused::Refused,
    service::MetadataService,
};

/// All that one request wants written.
#[derive(Debug)]
pub(crate) struct Batch {
    changes: Vec<Change>,
    existed: BTreeMap<Urn, bool>,
    proposed: BTreeMap<Urn, Resource>,
    /// The tags that come or go.
    changed_tags: BTreeMap<Urn, BTreeSet<Urn>>,
}

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
        let mut existed = BTreeMap::new();
        let mut changed_tags: BTreeMap<Urn, BTreeSet<Urn>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for change in &changes {
            // Which of two counts must not be a question where something is decided by it.
            let decides = !matches!(change.effect, Effect::Entity(_))
                || ["domains", "globalTags"].contains(&change.aspect);
            if !seen.insert((&change.urn, change.aspect)) && decides {
                let (aspect, urn) = (change.aspect, &change.urn);
                return Err(Refused::bad(format!("{aspect} of {urn} is there twice")));
            }
            if !existed.contains_key(&change.urn) || change.tags().is_some() {
                let found = service.aspects(change.entity_type, &change.urn).await?;
                existed.insert(change.urn.clone(), found.is_some());
                if let Some(proposed) = change.tags() {
                    let stored = found.and_then(|mut aspects| aspects.remove("globalTags"));
                    let stored = stored.as_ref().map(tags_of).unwrap_or_default();
                    let changed = stored.symmetric_difference(&proposed).cloned().collect();
                    changed_tags.insert(change.urn.clone(), changed);
                }
            }
        }
        let mut batch = Self { changes, existed, proposed: BTreeMap::new(), changed_tags };
        batch.proposed = batch.in_proposed_domains(service).await?;
        Ok(batch)
    }

    /// What is made in a domain is judged as being in it, so that who may make things in a domain
    /// can. DataHub does so as well for what is there and in no domain; here nobody gets
    /// something into their reach by moving it there.
    async fn in_proposed_domains(
        &self,
        service: &MetadataService,
    ) -> Result<BTreeMap<Urn, Resource>, Refused> {
        let mut resources = BTreeMap::new();
        let facts = GraphFacts::new(service.clone());
        for change in self.changes.iter().filter(|change| !self.exists(&change.urn)) {
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

    /// What the changes ask for, each on its entity, and on the tags that come or go with it.
    pub(crate) fn requirements(
        &self,
    ) -> impl Iterator<Item = (Requirement, Resource, Vec<Resource>)> {
        let mut asked = HashSet::new();
        let operations = self.changes.iter().flat_map(|change| {
            let name = change.entity_type.name.as_str();
            let existence =
                if self.exists(&change.urn) { Existence::Exists } else { Existence::Missing };
            let operation = change.change_type.operation(name, existence);
            // Whatever is written to a user who is not there makes the user.
            let makes = (name == "corpuser" && existence == Existence::Missing)
                .then_some(Operation::Create);
            [Some(operation), makes].into_iter().flatten().map(move |operation| (operation, change))
        });
        operations.filter(move |(operation, change)| asked.insert((*operation, &change.urn))).map(
            |(operation, change)| {
                let name = change.entity_type.name.as_str();
                let needed = requirement(OperationGroup::Entity, operation, Some(name));
                let resource = self.proposed.get(&change.urn).cloned();
                let tags = self.changed_tags.get(&change.urn).into_iter().flatten();
                let resource = resource.unwrap_or_else(|| Resource::new(&change.urn));
                (needed.clone(), resource, tags.map(Resource::from).collect())
            },
        )
    }

    /// What they ask for besides, without a resource.
    pub(crate) fn grants(&self) -> impl Iterator<Item = Requirement> {
        let homes = self.changes.iter().map(|change| change.entity_type.home(change.aspect));
        homes.filter_map(Change::grants)
    }

    /// Writes it all.
    pub(crate) async fn commit(&self, service: &MetadataService, by: &Urn) -> Result<(), Refused> {
        self.check_late(service).await?;
        for (urn, existed) in &self.existed {
            if urn.entity_type() == "corpuser"
                && !existed
                && !service.store.create_user(urn).await?
            {
                return Err(raced(urn));
            }
        }
        let (takes, mut others): (Vec<_>, Vec<_>) = self.changes.iter().partition(|it| it.takes());
        others.sort_by_key(|it| it.reactivates());
        for change in takes {
            change.apply(service).await?;
        }
        self.write_entities(service, by).await?;
        let policies: Vec<PolicyRecord> = self.changes.iter().filter_map(Change::policy).collect();
        if !policies.is_empty() {
            service.store.put_policies(&policies).await?;
        }
        for change in others {
            change.apply(service).await?;
        }
        Ok(())
    }

    /// What can only be told after the privileges were asked for, and before anything is written.
    async fn check_late(&self, service: &MetadataService) -> Result<(), Refused> {
        for change in &self.changes {
            let exists = self.exists(&change.urn);
            if change.change_type == ChangeType::CreateEntity && exists {
                return Err(Refused::Conflict(format!("{} exists already", change.urn)));
            }
            if change.entity_type.name == "corpuser"
                && !exists
                && RESERVED_USERS.contains(&change.urn.key())
            {
                return Err(Refused::Forbidden(format!("nobody can be {}", change.urn)));
            }
            if matches!(change.effect, Effect::Policy(_)) {
                may_change_policy(service, &change.urn, "Attempting to edit not editable policy.")
                    .await?;
            }
        }
        Ok(())
    }

    async fn write_entities(&self, service: &MetadataService, by: &Urn) -> Result<(), Refused> {
        let keys = self.changes.iter().filter_map(|change| {
            let entity_type = change.entity_type;
            // A policy is wholly elsewhere.
            if matches!(change.effect, Effect::Policy(_)) {
                return None;
            }
            let key = entity_type.key(&change.urn)?;
            Some(change.to_write(&entity_type.key_aspect, key, true))
        });
        let aspects = self.changes.iter().filter_map(|change| match &change.effect {
            Effect::Entity(value) => {
                let only_if_absent = change.change_type == ChangeType::Create;
                Some(change.to_write(change.aspect, value.clone(), only_if_absent))
            }
            _ => None,
        });
        let writes: Vec<AspectWrite> = keys.chain(aspects).collect();
        // Whether a user exists, the directory says.
        let mut expected = self.existed.clone();
        expected.retain(|urn, _| !matches!(urn.entity_type(), "corpuser" | "dataHubPolicy"));
        let now = SystemClock::default().now();
        match service.entities.write(&writes, &expected, by, now).await? {
            Written::Done => Ok(()),
            Written::Changed(urn) => Err(raced(&urn)),
        }
    }

    fn exists(&self, urn: &Urn) -> bool {
        self.existed.get(urn).copied().unwrap_or_default()
    }
}

/// Aspects that one request may write. Each may have to be looked up.
const MAX_CHANGES: usize = 1_000;

/// DataHub takes the first for nobody and the second for itself.
const RESERVED_USERS: [&str; 2] = ["anonymous", "__datahub_system"];
