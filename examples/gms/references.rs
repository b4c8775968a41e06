//! Which aspects name an entity in a list, and what they are without it.

use serde::Serialize;
use serde_json::Value;
use tower_pat::{actor::Urn, policy::ChangeType};

use crate::{
    change::Change, entities::SystemMetadata, refused::Refused, registry::EntityType,
    service::MetadataService, target::Target,
};

/// What names an entity. A name that is no entry of a list stays: without the dataset that it is
/// about, a lineage would make no sense.
#[derive(Debug)]
pub(crate) struct References {
    found: Vec<Reference>,
}

#[derive(Debug)]
struct Reference {
    entity_type: &'static EntityType,
    urn: Urn,
    aspect: &'static str,
    /// Where in the aspect, for people.
    place: String,
    count: usize,
    with: Value,
    without: Value,
}

/// DataHub's `RelatedAspect`; the client shows the members in this order.
#[derive(Debug, Serialize)]
struct RelatedAspect<'a> {
    relationship: &'a str,
    entity: &'a Urn,
    aspect: &'a str,
}

/// DataHub's `DeleteReferencesResponse`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary<'a> {
    total: usize,
    related_aspects: Vec<RelatedAspect<'a>>,
}

impl References {
    pub(crate) async fn find(service: &MetadataService, urn: &Urn) -> Result<Self, Refused> {
        let mut found = Vec::new();
        for (referrer, name, mut value) in service.entities.mentions(urn.as_str()).await? {
            let Some(entity_type) = EntityType::find(referrer.entity_type()) else { continue };
            let Some(aspect) = entity_type.aspect(&name) else { continue };
            if referrer == *urn {
                continue;
            }
            let mut places = Vec::new();
            let with = value.clone();
            let count = take_out(&mut value, urn.as_str(), "", &mut places);
            if let Some(place) = places.into_iter().next() {
                let without = value;
                let urn = referrer;
                found.push(Reference { entity_type, urn, aspect, place, count, with, without });
            }
        }
        Ok(Self { found })
    }

    /// The entities whose aspects would be written.
    pub(crate) fn referrers(&self) -> impl Iterator<Item = (&'static EntityType, &Urn)> {
        self.found.iter().map(|found| (found.entity_type, &found.urn))
    }

    pub(crate) fn changes(&self) -> Result<Vec<Change>, Refused> {
        let change = |found: &Reference| {
            let Reference { entity_type, aspect, .. } = *found;
            let target = Target { entity_type, urn: found.urn.clone(), aspect: Some(aspect) };
            let metadata = SystemMetadata::default();
            let upsert = ChangeType::Upsert;
            let mut change = Change::new(target, aspect, &found.without, upsert, metadata)?;
            change.based_on = Some(found.with.clone());
            Ok(change)
        };
        self.found.iter().map(change).collect()
    }

    pub(crate) fn summary(&self) -> Summary<'_> {
        let related = |found: &Reference| found.count;
        let total = self.found.iter().map(related).sum();
        let related_aspects = self.found.iter().take(MAX_SHOWN).map(|found| RelatedAspect {
            relationship: &found.place,
            entity: &found.urn,
            aspect: found.aspect,
        });
        Summary { total, related_aspects: related_aspects.collect() }
    }
}

/// Takes out the entries that are the urn, or have a member that is; how many there were.
fn take_out(value: &mut Value, urn: &str, place: &str, places: &mut Vec<String>) -> usize {
    match value {
        Value::Array(entries) => {
            let before = entries.len();
            entries.retain(|entry| !names(entry, urn));
            let gone = before - entries.len();
            if gone > 0 {
                places.push(place.to_owned());
            }
            let rest = entries.iter_mut().map(|entry| take_out(entry, urn, place, places));
            gone + rest.sum::<usize>()
        }
        Value::Object(members) => {
            let below = members.iter_mut().map(|(name, member)| {
                let place = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
                take_out(member, urn, &place, places)
            });
            below.sum()
        }
        _ => 0,
    }
}

fn names(entry: &Value, urn: &str) -> bool {
    match entry {
        Value::String(text) => text == urn,
        Value::Object(members) => members.values().any(|member| member.as_str() == Some(urn)),
        _ => false,
    }
}

/// How many references are shown.
const MAX_SHOWN: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_go_and_what_is_no_entry_stays() {
        let urn = "urn:li:tag:a";
        for (mut value, count, without) in [
            (
                json!({ "tags": [{ "tag": urn }, { "tag": "urn:li:tag:ab" }] }),
                1,
                json!({ "tags": [{ "tag": "urn:li:tag:ab" }] }),
            ),
            (json!({ "a": { "b": [urn, "x", urn] } }), 2, json!({ "a": { "b": ["x"] } })),
            (json!({ "tag": urn }), 0, json!({ "tag": urn })),
            (
                json!({ "fields": [{ "path": "f", "tags": [{ "tag": urn }] }] }),
                1,
                json!({ "fields": [{ "path": "f", "tags": [] }] }),
            ),
        ] {
            assert_eq!(take_out(&mut value, urn, "", &mut Vec::new()), count);
            assert_eq!(value, without);
        }
    }
}
