use std::{collections::BTreeSet, fmt};

use super::{FactSet, Field, Owner, Resource, ResourceFacts};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
};

/// What single entities refer to. With [`GraphFacts`], all that a store of metadata has to know.
pub trait EntityGraph: fmt::Debug + Send + Sync + 'static {
    /// What the entity of this urn refers to; `None` if there is no such entity.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if that cannot be read: an outage is never "refers to nothing".
    fn references<'a>(
        &'a self,
        urn: &'a str,
    ) -> BoxFuture<'a, Result<Option<References>, StoreError>>;
}

/// What one entity refers to itself, without anything that lies further up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// Its domains (aspect `domains`).
    pub domains: Vec<String>,
    /// The domain above a domain (`domainProperties.parentDomain`).
    pub parent_domain: Option<String>,
    /// The container it is in (aspect `container`); for a container, the one above it.
    pub container: Option<String>,
    /// Its glossary terms (aspect `glossaryTerms`).
    pub terms: Vec<String>,
    /// The node above a glossary term or node (`parentNode`).
    pub parent_node: Option<String>,
    /// Its tags (aspect `globalTags`).
    pub tags: Vec<String>,
    /// Its owners (aspect `ownership`).
    pub owners: Vec<Owner>,
    /// Its platform instance (`dataPlatformInstance.instance`).
    pub data_platform_instance: Option<String>,
    /// The external groups of a user (aspect `groupMembership`).
    pub groups: Vec<String>,
    /// The native groups of a user (aspect `nativeGroupMembership`).
    pub native_groups: Vec<String>,
}

/// Facts found by walking an [`EntityGraph`].
///
/// 1. An entity that is not there has no values, but a domain, container, glossary term or node,
///    and platform instance still is in itself. What kind of entity it is, its urn says.
/// 2. Walks to ancestors go on to the top, stop at cycles, and count a parent that is named and not
///    there.
/// 3. A walk over more than 10,000 entities is an error, as is an outage; DataHub takes both for
///    no values.
#[derive(Debug, Clone)]
pub struct GraphFacts<G> {
    graph: G,
}

impl<G: EntityGraph> GraphFacts<G> {
    /// Facts from this graph.
    pub fn new(graph: G) -> Self {
        Self { graph }
    }

    async fn find(&self, resource: &Resource, needed: FactSet) -> Result<Resource, StoreError> {
        let needed = needed.intersection(resource.unknown());
        let mut found = resource.clone();
        // Of all entities of a type everything is known.
        let Some(urn) = resource.urn().filter(|_| !needed.is_empty()) else { return Ok(found) };
        let own = self.graph.references(urn.as_str()).await?.unwrap_or_default();
        for field in needed.iter() {
            found = if field == Field::Owner {
                found.with_owners(own.owners.iter().cloned())
            } else {
                found.with_field(field, self.values(urn, &own, field).await?)
            };
        }
        Ok(found)
    }

    async fn values(
        &self,
        urn: &Urn,
        own: &References,
        field: Field,
    ) -> Result<BTreeSet<String>, StoreError> {
        let kind = urn.entity_type();
        let itself = [urn.as_str().to_owned()];
        let from = |is_itself, references| if is_itself { itself.as_slice() } else { references };
        let values = match field {
            Field::Domain => {
                let start = from(kind == "domain", &own.domains);
                return self.with_ancestors(start, |it| it.parent_domain).await;
            }
            Field::Container => {
                let start = from(kind == "container", own.container.as_slice());
                return self.with_ancestors(start, |it| it.container).await;
            }
            Field::Glossary => {
                let start = from(matches!(kind, "glossaryTerm" | "glossaryNode"), &own.terms);
                return self.with_ancestors(start, |it| it.parent_node).await;
            }
            Field::DataPlatformInstance => {
                from(kind == "dataPlatformInstance", own.data_platform_instance.as_slice())
            }
            Field::Tag => &own.tags,
            Field::GroupMembership => {
                return Ok(own.groups.iter().chain(&own.native_groups).cloned().collect());
            }
            Field::Type | Field::Urn | Field::Owner => &[],
        };
        Ok(values.iter().cloned().collect())
    }

    async fn with_ancestors(
        &self,
        start: &[String],
        parent: impl Fn(References) -> Option<String>,
    ) -> Result<BTreeSet<String>, StoreError> {
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut next: Vec<String> = start.to_vec();
        while let Some(urn) = next.pop() {
            if found.contains(&urn) {
                continue;
            }
            if found.len() == MAX_WALK {
                return Err(StoreError::Invalid(format!(
                    "a resource has more than {MAX_WALK} ancestors of one kind"
                )));
            }
            next.extend(self.graph.references(&urn).await?.and_then(&parent));
            found.insert(urn);
        }
        Ok(found)
    }
}

impl<G: EntityGraph> ResourceFacts for GraphFacts<G> {
    fn facts<'a>(
        &'a self,
        resource: &'a Resource,
        needed: FactSet,
    ) -> BoxFuture<'a, Result<Resource, StoreError>> {
        Box::pin(self.find(resource, needed))
    }
}

const MAX_WALK: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::policy::Fact;

    /// Every container lies in the next one; there is no last.
    #[derive(Debug)]
    struct Endless;

    impl EntityGraph for Endless {
        fn references<'a>(
            &'a self,
            urn: &'a str,
        ) -> BoxFuture<'a, Result<Option<References>, StoreError>> {
            let next = urn.rsplit(':').next().and_then(|key| key.parse::<u64>().ok());
            let container = next.map(|key| format!("urn:li:container:{}", key + 1));
            Box::pin(async { Ok(Some(References { container, ..References::default() })) })
        }
    }

    #[derive(Debug)]
    struct Down;

    impl EntityGraph for Down {
        fn references<'a>(
            &'a self,
            _: &'a str,
        ) -> BoxFuture<'a, Result<Option<References>, StoreError>> {
            Box::pin(async { Err(StoreError::unavailable("down")) })
        }
    }

    fn facts(graph: impl EntityGraph, needed: FactSet) -> Result<Resource, StoreError> {
        let resource = Resource::new(&"urn:li:container:0".parse().unwrap());
        let facts = GraphFacts::new(graph);
        match pin!(facts.facts(&resource, needed)).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result,
            Poll::Pending => panic!("nothing here waits"),
        }
    }

    #[test]
    fn a_walk_without_end_is_an_error() {
        let result = facts(Endless, FactSet::of(Field::Container));
        assert!(matches!(result, Err(StoreError::Invalid(_))));
    }

    #[test]
    fn an_outage_is_an_error_and_not_an_empty_answer() {
        assert!(matches!(facts(Down, FactSet::ALL), Err(StoreError::Unavailable(_))));
    }

    #[test]
    fn only_what_is_needed_becomes_known() {
        let found = facts(Endless, FactSet::of(Field::Tag)).unwrap();
        assert_eq!(found.unknown().iter().count(), FactSet::ALL.iter().count() - 1);
        assert!(matches!(found.values(Field::Tag), Fact::Known(_)));
    }

    #[test]
    fn nothing_is_read_when_nothing_is_needed() {
        assert!(facts(Down, FactSet::EMPTY).is_ok());
    }
}
