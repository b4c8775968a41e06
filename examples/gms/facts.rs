//! What a decision may depend on: owners, domains, containers, terms, tags and groups, read from the
//! aspects that say so.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tower_pat::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    policy::{EntityGraph, Owner, References},
};

use crate::{
    refused::Refused,
    registry::EntityType,
    service::{Aspects, MetadataService},
};

impl EntityGraph for MetadataService {
    fn references<'a>(
        &'a self,
        urn: &'a str,
    ) -> BoxFuture<'a, Result<Option<References>, StoreError>> {
        Box::pin(async move {
            // Aspects may name what cannot be an entity: that refers to nothing.
            let Ok(urn) = urn.parse::<Urn>() else { return Ok(None) };
            let Some(entity_type) = EntityType::find(urn.entity_type()) else { return Ok(None) };
            let aspects = self.aspects(entity_type, &urn).await?;
            aspects.as_ref().map(references).transpose()
        })
    }
}

/// Refuses a value from which a fact could not be read: a decision must never hang on it.
pub(crate) fn check(aspect: &str, value: &Value) -> Result<(), Refused> {
    read(&mut References::default(), aspect, value)
        .map_err(|error| Refused::bad(format!("{aspect}: {error}")))
}

fn references(aspects: &Aspects) -> Result<References, StoreError> {
    let mut references = References::default();
    for (aspect, value) in aspects {
        read(&mut references, aspect, value)
            .map_err(|_| StoreError::Corrupt { what: "aspect.value", source: None })?;
    }
    Ok(references)
}

fn read(found: &mut References, aspect: &str, value: &Value) -> Result<(), serde_json::Error> {
    match aspect {
        "domains" => found.domains = parse::<Domains>(value)?.domains,
        "domainProperties" => found.parent_domain = parse::<DomainProperties>(value)?.parent_domain,
        "container" => found.container = Some(parse::<Container>(value)?.container),
        "glossaryTerms" => {
            let terms = parse::<GlossaryTerms>(value)?.terms;
            found.terms = terms.into_iter().map(|term| term.urn).collect();
        }
        "glossaryTermInfo" | "glossaryNodeInfo" => {
            found.parent_node = parse::<GlossaryInfo>(value)?.parent_node;
        }
        "globalTags" => {
            let tags = parse::<GlobalTags>(value)?.tags;
            found.tags = tags.into_iter().map(|tag| tag.tag).collect();
        }
        "ownership" => {
            let owners = parse::<Ownership>(value)?.owners;
            found.owners = owners.into_iter().map(Owner::from).collect();
        }
        "dataPlatformInstance" => {
            found.data_platform_instance = parse::<DataPlatformInstance>(value)?.instance;
        }
        "groupMembership" => found.groups = parse::<GroupMembership>(value)?.groups,
        "nativeGroupMembership" => {
            found.native_groups = parse::<NativeGroupMembership>(value)?.native_groups;
        }
        _ => {}
    }
    Ok(())
}

fn parse<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    T::deserialize(value)
}

#[derive(Deserialize)]
struct Domains {
    domains: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DomainProperties {
    parent_domain: Option<String>,
}

#[derive(Deserialize)]
struct Container {
    container: String,
}

#[derive(Deserialize)]
struct GlossaryTerms {
    terms: Vec<GlossaryTerm>,
}

#[derive(Deserialize)]
struct GlossaryTerm {
    urn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GlossaryInfo {
    parent_node: Option<String>,
}

#[derive(Deserialize)]
struct GlobalTags {
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    tag: String,
}

#[derive(Deserialize)]
struct Ownership {
    owners: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    owner: String,
    type_urn: Option<String>,
}

impl From<Entry> for Owner {
    fn from(entry: Entry) -> Self {
        let owner = Self::new(entry.owner);
        match entry.type_urn {
            Some(type_urn) => owner.of_type(type_urn),
            None => owner,
        }
    }
}

#[derive(Deserialize)]
struct DataPlatformInstance {
    instance: Option<String>,
}

#[derive(Deserialize)]
struct GroupMembership {
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NativeGroupMembership {
    native_groups: Vec<String>,
}
