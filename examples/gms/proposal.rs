//! What DataHub's older API proposes: aspects in Rest.li's forms.

use serde::Deserialize;
use serde_json::{Map, Value};
use tower_pat::policy::ChangeType;

use crate::{
    change::Change,
    entities::SystemMetadata,
    refused::Refused,
    target::{self, Target},
};

/// One aspect to be written or deleted (DataHub: `MetadataChangeProposal`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Proposal {
    entity_type: String,
    entity_urn: String,
    change_type: String,
    aspect_name: String,
    aspect: Option<GenericAspect>,
    system_metadata: Option<Value>,
    headers: Option<Value>,
}

/// A value as text.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenericAspect {
    value: String,
    content_type: String,
}

impl Proposal {
    pub(crate) fn change_type(&self) -> Result<ChangeType, Refused> {
        let parsed = self.change_type.parse();
        parsed.map_err(|error| Refused::bad(format!("`{}`: {error}", self.change_type)))
    }

    /// What it is about. The key aspect stands for the entity.
    pub(crate) fn target(&self) -> Result<Target, Refused> {
        let entity_type = target::type_of(&self.entity_type)?;
        let target = Target::of(&self.entity_urn)?;
        target::agree(entity_type, &target.urn)?;
        target.with_aspect(&self.aspect_name)
    }

    pub(crate) fn into_change(self) -> Result<Change, Refused> {
        let target = self.target()?;
        let change_type = self.change_type()?;
        let aspect = target::aspect_of(target.entity_type, &self.aspect_name)?;
        let bad = |what: &str| Refused::bad(format!("{aspect}: {what}"));
        if is_conditional(self.headers.as_ref()) {
            return Err(bad("conditional writes are not known here"));
        }
        let sent = self.aspect.ok_or_else(|| bad("there is no value"))?;
        let expected = if change_type == ChangeType::Patch { PATCH } else { JSON };
        if sent.content_type != expected {
            return Err(bad(&format!("{change_type} has a value of content type {expected}")));
        }
        let value: Value = serde_json::from_str(&sent.value)
            .map_err(|error| bad(&format!("its value is not JSON: {error}")))?;
        if change_type != ChangeType::Patch && !value.is_object() {
            return Err(bad("its value is an object"));
        }
        let metadata = SystemMetadata::read(self.system_metadata.as_ref())?;
        Change::new(target, aspect, &value, change_type, metadata)
    }
}

/// A condition that nobody looks at must not pass for one that holds.
pub(crate) fn is_conditional(headers: Option<&Value>) -> bool {
    let headers = headers.and_then(Value::as_object).into_iter().flatten();
    headers.into_iter().any(|(name, _)| name.to_ascii_lowercase().starts_with("if-"))
}

/// The aspects in a snapshot, `{"<record>": {"urn": .., "aspects": [{"<record>": {..}}]}}`.
pub(crate) fn changes_of_snapshot(
    snapshot: &Map<String, Value>,
    metadata: &SystemMetadata,
) -> Result<Vec<Change>, Refused> {
    let mut records = snapshot.iter();
    let (Some((name, members)), None) = (records.next(), records.next()) else {
        return Err(Refused::bad("an entity has one snapshot"));
    };
    let bad = |what: &str| Refused::bad(format!("{name}: {what}"));
    let Snapshot { urn, aspects } =
        Snapshot::deserialize(members).map_err(|error| bad(&error.to_string()))?;
    let target = Target::of(&urn)?;
    if target.entity_type.snapshot() != *name {
        return Err(bad(&format!("{urn} is not the urn of such an entity")));
    }
    let mut changes = Vec::new();
    for (record, value) in aspects.iter().flatten() {
        let aspect = target.entity_type.aspect_of_record(record);
        let aspect = aspect.ok_or_else(|| bad(&format!("it has no aspect `{record}`")))?;
        if !value.is_object() {
            return Err(bad(&format!("the value of `{record}` is an object")));
        }
        let (target, metadata) = (target.clone(), metadata.clone());
        changes.push(Change::new(target, aspect, value, ChangeType::Upsert, metadata)?);
    }
    Ok(changes)
}

#[derive(Deserialize)]
struct Snapshot {
    urn: String,
    aspects: Vec<Map<String, Value>>,
}

const JSON: &str = "application/json";
const PATCH: &str = "application/json-patch+json";
