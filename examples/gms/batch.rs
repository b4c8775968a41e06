//! What a request wants written: judged as a whole, before anything is.
//!
//! 1. Each [`Change`] has been read into what it would do; what makes no sense, or is never written
//!    here, has been refused.
//! 2. A [`Batch`] is all changes of a request with what is there already, and says what they ask
//!    for whatever comes of them.
//! 3. Once that is granted, [`Batch::resolve`] applies patches to what is there, and it is asked for
//!    the tags that come or go and the domains that something is put in, too.
//! 4. [`Batch::commit`] writes. The entity store and the directory are two databases, so one
//!    transaction cannot span them. Aspects of entities are written all or none, and only if
//!    nothing that was decided upon has changed; policies are written all or none, too; each change
//!    of a user or group is a step of its own. What takes something away comes first, what gives
//!    something last, so that a crash in between leaves nobody with more than before; and each step
//!    changes nothing when done again, so the same request can be sent again.

mod judged;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use tower_pat::{
    actor::Urn,
    clock::{Clock, SystemClock},
    policy::{
        ChangeType, Existence, Operation, OperationGroup, PolicyRecord, Requirement, Resource,
        requirement,
    },
};

pub(crate) use self::judged::MAX_CHANGES;
use crate::{
    change::{Change, Effect},
    delete::may_change_policy,
    entities::{AspectWrite, Expected, Written},
    refused::Refused,
    service::{MetadataService, USER_INFO},
};

/// All that one request wants written.
#[derive(Debug)]
pub(crate) struct Batch {
    changes: Vec<Change>,
    stored: BTreeMap<Urn, Stored>,
    /// What the decision, or what is written, depends on.
    expected: Expected,
    /// What is made, and what is patched into other domains, as it will be.
    proposed: BTreeMap<Urn, Resource>,
    /// The tags that come or go.
    changed_tags: BTreeMap<Urn, BTreeSet<Urn>>,
}

/// What is there of an entity.
#[derive(Debug, Default)]
struct Stored {
    exists: bool,
    /// The aspects that patches and decisions depend on, as they are stored.
    texts: BTreeMap<String, String>,
}

impl Batch {
    /// What the changes ask for on entities as they are, whatever patches make of these. What is to
    /// be made in a domain by a patch can only be judged when that is known.
    pub(crate) fn first_requirements(&self) -> impl Iterator<Item = (Requirement, Resource)> {
        let is_made_in_domain = |urn: &Urn| {
            !self.exists(urn)
                && self.changes.iter().any(|it| it.urn == *urn && it.aspect == "domains")
        };
        let unknown: HashSet<&Urn> =
            self.stored.keys().filter(|urn| is_made_in_domain(urn)).collect();
        let known = self.operations().filter(move |(_, change)| !unknown.contains(&change.urn));
        known.map(|(operation, change)| {
            let name = change.entity_type.name.as_str();
            let needed = requirement(OperationGroup::Entity, operation, Some(name));
            (needed.into(), Resource::new(&change.urn))
        })
    }

    /// What the changes ask for, each on its entity, and on the tags that come or go with it.
    pub(crate) fn requirements(
        &self,
    ) -> impl Iterator<Item = (Requirement, Resource, Vec<Resource>)> {
        self.operations().flat_map(|(operation, change)| {
            let name = change.entity_type.name.as_str();
            let needed = requirement(OperationGroup::Entity, operation, Some(name));
            let tags = self.changed_tags.get(&change.urn).into_iter().flatten();
            let tags: Vec<Resource> = tags.map(Resource::from).collect();
            let resources = self.resources(&change.urn).into_iter();
            resources.map(move |resource| (needed.clone(), resource, tags.clone()))
        })
    }

    /// Each operation on each entity, once.
    fn operations(&self) -> impl Iterator<Item = (Operation, &Change)> {
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
        operations.filter(move |(operation, change)| asked.insert((*operation, &change.urn)))
    }

    /// What they ask for besides, without a resource.
    pub(crate) fn grants(&self) -> impl Iterator<Item = Requirement> {
        let homes = self.changes.iter().map(|change| change.entity_type.home(change.aspect));
        homes.filter_map(Change::grants)
    }

    /// Writes it all.
    pub(crate) async fn commit(&self, service: &MetadataService, by: &Urn) -> Result<(), Refused> {
        self.check_late(service).await?;
        let now = SystemClock::default().now();
        let entities = service.entities.prepare(&self.writes(), &self.expected, by, now).await?;
        let entities = match entities {
            Written::Prepared(entities) => entities,
            Written::Changed(urn) => return Err(Refused::Raced(urn)),
        };
        for (urn, stored) in &self.stored {
            if urn.entity_type() == "corpuser"
                && !stored.exists
                && !service.store.create_user(urn).await?
            {
                return Err(Refused::Raced(urn.clone()));
            }
        }
        let (takes, mut others): (Vec<_>, Vec<_>) = self.changes.iter().partition(|it| it.takes());
        others.sort_by_key(|it| it.reactivates());
        for change in takes {
            change.apply(service).await?;
        }
        entities.commit().await?;
        for change in self.changes.iter().filter(|it| it.aspect == USER_INFO) {
            service.follow_user_info(&change.urn).await?;
        }
        let policies: Vec<PolicyRecord> = self.changes.iter().filter_map(Change::policy).collect();
        if !policies.is_empty() {
            service.store.put_policies(&policies).await?;
        }
        for change in others {
            change.apply(service).await?;
        }
        Ok(())
    }

    /// What is asked about: the entity as it is, and where it will be if it is made or patched into
    /// other domains.
    fn resources(&self, urn: &Urn) -> Vec<Resource> {
        let proposed = self.proposed.get(urn).cloned();
        let is = (proposed.is_none() || self.exists(urn)).then(|| Resource::new(urn));
        is.into_iter().chain(proposed).collect()
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

    /// What the entity store is to write: a key for each entity, and the aspects that it keeps.
    fn writes(&self) -> Vec<AspectWrite> {
        let mut keyed = HashSet::new();
        let keys = self.changes.iter().filter_map(|change| {
            let entity_type = change.entity_type;
            // A policy is wholly elsewhere.
            if matches!(change.effect, Effect::Policy(_)) || !keyed.insert(&change.urn) {
                return None;
            }
            let key = entity_type.key(&change.urn)?;
            Some(change.to_write(&entity_type.key_aspect, key, true))
        });
        let aspects = self.changes.iter().filter_map(|change| match &change.effect {
            // The key is there already.
            Effect::Entity(_) if change.aspect == change.entity_type.key_aspect => None,
            Effect::Entity(value) | Effect::Event(value) => {
                let only_if_absent = change.change_type == ChangeType::Create;
                Some(change.to_write(change.aspect, value.clone(), only_if_absent))
            }
            _ => None,
        });
        keys.chain(aspects).collect()
    }

    fn exists(&self, urn: &Urn) -> bool {
        self.stored.get(urn).is_some_and(|stored| stored.exists)
    }
}

/// DataHub takes the first for nobody and the second for itself.
const RESERVED_USERS: [&str; 2] = ["anonymous", "__datahub_system"];
