use std::{fmt, ops::Range, sync::Arc};

use super::{FactSet, Field};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
};

/// What is asked about: an entity, or all entities of a type, with what is known of it.
///
/// Type and urn are always known. Everything else is *unknown* until it is given, which is not the
/// same as known to be nothing: a decision that hangs on an unknown fact is
/// [`Indeterminate`](super::Decision::Indeterminate) and never a grant.
///
/// Values of DOMAIN, CONTAINER and GLOSSARY include all ancestors; who has only the direct
/// ones lets [`GraphFacts`](super::GraphFacts) find the rest.
///
/// ```
/// use tower_pat::{actor::Urn, policy::{Fact, Field, Owner, Resource}};
///
/// let urn: Urn = "urn:li:dataset:orders".parse()?;
/// let orders = Resource::new(&urn)
///     .with_owners([Owner::new("urn:li:corpuser:alice")])
///     .with_field(Field::Tag, ["urn:li:tag:gold"])
///     .with_no_other_facts();
/// assert_eq!(orders.entity_type(), "dataset");
/// assert!(orders.unknown().is_empty());
/// # Ok::<(), tower_pat::actor::UrnError>(())
/// ```
#[derive(Clone)]
pub struct Resource {
    entity_type: EntityType,
    // `None`: all entities of the type.
    urn: Option<Urn>,
    owners: Fact<Arc<[Owner]>>,
    /// In the order of [`LOOKED_UP`].
    looked_up: [Fact<Arc<[String]>>; LOOKED_UP.len()],
}

#[derive(Clone)]
enum EntityType {
    Given(Arc<str>),
    /// Where it stands in the urn. Every decision asks for it, often more than once.
    InUrn(Range<usize>),
}

/// Something that may not be known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fact<T> {
    /// It is known, and may be nothing.
    Known(T),
    /// It is not known.
    #[default]
    Unknown,
}

/// Somebody who owns a resource (DataHub: an entry of the aspect `ownership`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// The urn of a user or group.
    pub owner: String,
    /// The urn of the ownership type, if the entry names one.
    pub ownership_type: Option<String>,
}

impl Owner {
    /// An owner of no particular ownership type.
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), ownership_type: None }
    }

    /// The same owner, of this ownership type.
    #[must_use]
    pub fn of_type(mut self, ownership_type: impl Into<String>) -> Self {
        self.ownership_type = Some(ownership_type.into());
        self
    }
}

/// Finds what a decision lacks. Given when the authenticator is built.
///
/// [`GraphFacts`](super::GraphFacts) is one that does the walks to ancestors by itself.
pub trait ResourceFacts: fmt::Debug + Send + Sync + 'static {
    /// `resource` with the facts in `needed` known, and others, if they are at hand.
    ///
    /// A fact that is left unknown stays so, and the decision that hangs on it is not a grant.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the facts cannot be read. An outage is an error and never an empty answer:
    /// `NOT_EQUALS` over no values would grant. (DataHub takes a failed look-up for no values.)
    fn facts<'a>(
        &'a self,
        resource: &'a Resource,
        needed: FactSet,
    ) -> BoxFuture<'a, Result<Resource, StoreError>>;
}

impl Resource {
    /// The entity of this name, of the type in the name. Does not allocate.
    #[must_use]
    pub fn new(urn: &Urn) -> Self {
        let mut parts = urn.as_str().split(':').map(str::len);
        let start: usize = parts.by_ref().take(2).map(|part| part + 1).sum();
        let end = start + parts.next().unwrap_or_default();
        Self {
            entity_type: EntityType::InUrn(start..end),
            urn: Some(urn.clone()),
            owners: Fact::Unknown,
            looked_up: Default::default(),
        }
    }

    /// All entities of a type (DataHub: a request with an empty urn). Criteria on TYPE work,
    /// all other facts are known to be nothing, and nobody owns it.
    #[must_use]
    pub fn of_type(entity_type: impl Into<Arc<str>>) -> Self {
        Self {
            entity_type: EntityType::Given(entity_type.into()),
            urn: None,
            owners: Fact::Unknown,
            looked_up: Default::default(),
        }
        .with_no_other_facts()
    }

    /// The same with another type than that of the urn. DataHub does not check that they agree.
    #[must_use]
    pub fn with_type(mut self, entity_type: impl Into<Arc<str>>) -> Self {
        self.entity_type = EntityType::Given(entity_type.into());
        self
    }

    /// Makes the owners known. They are the values of [`Field::Owner`], too.
    #[must_use]
    pub fn with_owners(mut self, owners: impl IntoIterator<Item = Owner>) -> Self {
        self.owners = Fact::Known(owners.into_iter().collect());
        self
    }

    /// Makes the values of a field known.
    ///
    /// For [`Field::Owner`] the values are owners of no particular type. [`Field::Type`] and
    /// [`Field::Urn`] are fixed by the resource itself and stay as they are.
    #[must_use]
    pub fn with_field<V: Into<String>>(
        mut self,
        field: Field,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        if field == Field::Owner {
            return self.with_owners(values.into_iter().map(Owner::new));
        }
        if let Some(fact) = slot(field).and_then(|slot| self.looked_up.get_mut(slot)) {
            *fact = Fact::Known(values.into_iter().map(Into::into).collect());
        }
        self
    }

    /// Makes everything that is still unknown known to be nothing.
    #[must_use]
    pub fn with_no_other_facts(mut self) -> Self {
        if self.owners == Fact::Unknown {
            self.owners = Fact::Known(Arc::default());
        }
        for fact in &mut self.looked_up {
            if *fact == Fact::Unknown {
                *fact = Fact::Known(Arc::default());
            }
        }
        self
    }

    /// The entity type, as the caller gave it.
    #[must_use]
    pub fn entity_type(&self) -> &str {
        match &self.entity_type {
            EntityType::Given(entity_type) => entity_type,
            EntityType::InUrn(range) => {
                let urn = self.urn.as_ref().map(Urn::as_str);
                urn.and_then(|urn| urn.get(range.clone())).unwrap_or_default()
            }
        }
    }

    /// The name, or `None` for all entities of the type.
    #[must_use]
    pub fn urn(&self) -> Option<&Urn> {
        self.urn.as_ref()
    }

    /// Who owns it.
    #[must_use]
    pub fn owners(&self) -> Fact<&[Owner]> {
        match &self.owners {
            // Ownership is never looked at without a urn.
            _ if self.urn.is_none() => Fact::Known(&[]),
            Fact::Known(owners) => Fact::Known(owners),
            Fact::Unknown => Fact::Unknown,
        }
    }

    /// The values of a field.
    #[must_use]
    pub fn values(&self, field: Field) -> Fact<Values<'_>> {
        let values = match field {
            Field::Type => ValuesInner::One(Some(self.entity_type())),
            Field::Urn => ValuesInner::One(self.urn.as_ref().map(Urn::as_str)),
            Field::Owner => match self.owners() {
                Fact::Known(owners) => ValuesInner::Owners(owners.iter()),
                Fact::Unknown => return Fact::Unknown,
            },
            _ if self.urn.is_none() => ValuesInner::One(None),
            _ => match slot(field).and_then(|slot| self.looked_up.get(slot)) {
                Some(Fact::Known(values)) => ValuesInner::Texts(values.iter()),
                Some(Fact::Unknown) | None => return Fact::Unknown,
            },
        };
        Fact::Known(Values(values))
    }

    /// The facts that are unknown.
    #[must_use]
    pub fn unknown(&self) -> FactSet {
        if self.urn.is_none() {
            return FactSet::EMPTY;
        }
        let mut unknown = FactSet::EMPTY;
        if matches!(self.owners, Fact::Unknown) {
            unknown = unknown.union(FactSet::of(Field::Owner));
        }
        for (field, fact) in LOOKED_UP.into_iter().zip(&self.looked_up) {
            if matches!(fact, Fact::Unknown) {
                unknown = unknown.union(FactSet::of(field));
            }
        }
        unknown
    }
}

// Where the type is written makes no difference.
impl PartialEq for Resource {
    fn eq(&self, other: &Self) -> bool {
        self.entity_type() == other.entity_type()
            && self.urn == other.urn
            && self.owners == other.owners
            && self.looked_up == other.looked_up
    }
}

impl Eq for Resource {}

impl From<&Urn> for Resource {
    fn from(urn: &Urn) -> Self {
        Self::new(urn)
    }
}

impl From<Urn> for Resource {
    fn from(urn: Urn) -> Self {
        Self::new(&urn)
    }
}

/// As in an answer: the urn, or the type in angle brackets.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.urn {
            Some(urn) => fmt::Display::fmt(urn, f),
            None => write!(f, "<{}>", self.entity_type()),
        }
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Resource");
        debug.field("type", &self.entity_type()).field("urn", &self.urn);
        if let Fact::Known(owners) = self.owners() {
            debug.field("owners", &owners);
        }
        for field in FactSet::ALL.iter().filter(|field| *field != Field::Owner) {
            if let Fact::Known(values) = self.values(field) {
                debug.field(field.as_str(), &values);
            }
        }
        debug.finish_non_exhaustive()
    }
}

/// The values of one field of a resource, from [`Resource::values`].
#[derive(Clone)]
pub struct Values<'a>(ValuesInner<'a>);

#[derive(Clone)]
enum ValuesInner<'a> {
    One(Option<&'a str>),
    Owners(std::slice::Iter<'a, Owner>),
    Texts(std::slice::Iter<'a, String>),
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        match &mut self.0 {
            ValuesInner::One(value) => value.take(),
            ValuesInner::Owners(owners) => owners.next().map(|owner| owner.owner.as_str()),
            ValuesInner::Texts(values) => values.next().map(String::as_str),
        }
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The fields whose values are neither in the request nor the owners.
const LOOKED_UP: [Field; 6] = [
    Field::Domain,
    Field::Container,
    Field::Glossary,
    Field::Tag,
    Field::DataPlatformInstance,
    Field::GroupMembership,
];

fn slot(field: Field) -> Option<usize> {
    LOOKED_UP.iter().position(|looked_up| *looked_up == field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dataset() -> Resource {
        Resource::new(&"urn:li:dataset:orders".parse().unwrap())
    }

    fn values(resource: &Resource, field: Field) -> Option<Vec<&str>> {
        match resource.values(field) {
            Fact::Known(values) => Some(values.collect()),
            Fact::Unknown => None,
        }
    }

    #[test]
    fn only_type_and_urn_are_known_at_first() {
        assert_eq!(dataset().unknown(), FactSet::ALL);
        assert_eq!(values(&dataset(), Field::Type), Some(vec!["dataset"]));
        assert_eq!(values(&dataset(), Field::Urn), Some(vec!["urn:li:dataset:orders"]));
        assert_eq!(values(&dataset(), Field::Tag), None);
    }

    #[test]
    fn of_a_type_nothing_but_the_type_has_values() {
        let datasets = Resource::of_type("dataset")
            .with_field(Field::Tag, ["urn:li:tag:x"])
            .with_owners([Owner::new("urn:li:corpuser:alice")]);
        assert!(datasets.unknown().is_empty());
        assert_eq!(values(&datasets, Field::Type), Some(vec!["dataset"]));
        for field in FactSet::ALL.iter().chain([Field::Urn]) {
            assert_eq!(values(&datasets, field), Some(vec![]), "{field}");
        }
        assert_eq!(datasets.owners(), Fact::Known([].as_slice()));
    }

    #[test]
    fn the_type_may_differ_from_the_urn() {
        let chart = dataset().with_type("chart");
        assert_eq!(values(&chart, Field::Type), Some(vec!["chart"]));
        assert_eq!(dataset(), dataset().with_type("dataset"));
        for urn in ["urn:li:tag", "urn:li:corpuser:a", "urn:li:dataset:(urn:li:dataPlatform:x,y,z)"]
        {
            let urn: Urn = urn.parse().unwrap();
            assert_eq!(Resource::new(&urn).entity_type(), urn.entity_type());
        }
    }

    #[test]
    fn no_other_facts_keeps_what_is_known() {
        let resource = dataset().with_field(Field::Tag, ["t"]).with_no_other_facts();
        assert_eq!(values(&resource, Field::Tag), Some(vec!["t"]));
        assert_eq!(values(&resource, Field::Domain), Some(vec![]));
        assert!(resource.unknown().is_empty());
    }

    #[test]
    fn every_fact_can_be_made_known_alone() {
        for field in FactSet::ALL.iter() {
            let resource = dataset().with_field(field, ["v"]);
            assert_eq!(values(&resource, field), Some(vec!["v"]));
            assert_eq!(resource.unknown().iter().count(), FactSet::ALL.iter().count() - 1);
        }
    }
}
