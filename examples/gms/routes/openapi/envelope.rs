//! The forms of OpenAPI version 3.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use tower_pat::{actor::Urn, policy::ChangeType};

use crate::{
    change::Change,
    entities::{Stamp, SystemMetadata},
    proposal::is_conditional,
    refused::Refused,
    registry::EntityType,
    service::Aspects,
    target::{self, Target},
};

/// An entity with its aspects, and with what these came with if that is asked for.
pub(in crate::routes) fn entity(
    urn: &Urn,
    aspects: Aspects,
    stamps: Option<&BTreeMap<String, Stamp>>,
) -> Value {
    let aspects = aspects.into_iter().map(|(name, value)| {
        let mut aspect = Map::from_iter([("value".to_owned(), value)]);
        if let Some(stamps) = stamps {
            let stamp = stamps.get(&name).and_then(|stamp| stamp.system_metadata.clone());
            let metadata = stamp.unwrap_or_else(|| json!({}));
            aspect.insert("systemMetadata".to_owned(), metadata);
        }
        (name, Value::Object(aspect))
    });
    Value::Object(std::iter::once(("urn".to_owned(), json!(urn))).chain(aspects).collect())
}

/// The changes that a list of entities asks for; the same entity may be there several times.
pub(super) fn changes_of(
    entity_type: &'static EntityType,
    body: &Value,
    change_type: ChangeType,
) -> Result<Vec<Change>, Refused> {
    let entities = body.as_array().ok_or_else(|| Refused::bad("the body is a list of entities"))?;
    let mut changes = Vec::new();
    for entity in entities {
        let members = entity.as_object().ok_or_else(|| Refused::bad("an entity is an object"))?;
        let urn = members.get("urn").and_then(Value::as_str);
        let urn = target::urn(urn.ok_or_else(|| Refused::bad("an entity has a urn"))?)?;
        target::agree(entity_type, &urn)?;
        for (name, envelope) in members.iter().filter(|(name, _)| *name != "urn") {
            let aspect = target::aspect_of(entity_type, name)?;
            let target = Target { entity_type, urn: urn.clone(), aspect: Some(aspect) };
            let (value, metadata) = open(aspect, envelope)?;
            changes.push(Change::new(target, aspect, value, change_type, metadata)?);
        }
    }
    Ok(changes)
}

/// The change of one aspect, and how it is answered.
pub(super) fn change_of(
    target: Target,
    envelope: &Value,
    change_type: ChangeType,
) -> Result<(Change, Value), Refused> {
    let aspect = target.aspect.ok_or_else(|| Refused::bad("the path does not name an aspect"))?;
    let (value, metadata) = open(aspect, envelope)?;
    let answer = json!({ "urn": target.urn, aspect: { "value": value } });
    Ok((Change::new(target, aspect, value, change_type, metadata)?, answer))
}

/// What is in `{"value": {...}, "systemMetadata": ..., "headers": ...}`.
fn open<'a>(aspect: &str, envelope: &'a Value) -> Result<(&'a Value, SystemMetadata), Refused> {
    let bad = |what: &str| Refused::bad(format!("{aspect}: {what}"));
    let members = envelope.as_object().ok_or_else(|| bad("an aspect is an object with a value"))?;
    for (name, member) in members {
        match name.as_str() {
            "value" | "systemMetadata" => {}
            "headers" if is_conditional(Some(member)) => {
                return Err(bad("conditional writes are not known here"));
            }
            "headers" => {}
            other => return Err(bad(&format!("unknown member `{other}`"))),
        }
    }
    let value = members
        .get("value")
        .filter(|value| value.is_object())
        .ok_or_else(|| bad("its value is an object"))?;
    Ok((value, SystemMetadata::read(members.get("systemMetadata"))?))
}
