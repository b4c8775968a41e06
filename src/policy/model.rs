use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Privilege;
use crate::actor::Urn;

/// A policy as it is stored: its name and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// The policy's name, such as `urn:li:dataHubPolicy:0`.
    pub urn: Urn,
    /// What it says.
    pub info: Policy,
}

impl From<PolicyRecord> for Policy {
    fn from(record: PolicyRecord) -> Self {
        record.info
    }
}

impl AsRef<Policy> for PolicyRecord {
    fn as_ref(&self) -> &Policy {
        &self.info
    }
}

/// What a policy says (DataHub: aspect `dataHubPolicyInfo`), in DataHub's JSON names.
///
/// Reading by serde is lenient, as a decision must be: any type, state, condition and field is
/// kept as it stands. Where a policy comes in from outside, [`Policy::from_json`] and
/// [`Policy::validate`] are strict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// A name for people. Several policies may have the same.
    pub display_name: String,
    /// What the policy is for. DataHub's own files leave it out, which reads as empty.
    #[serde(default, deserialize_with = "null_as_default")]
    pub description: String,
    /// `PLATFORM`, or else it is a policy about resources; see [`Policy::is_platform`].
    #[serde(rename = "type")]
    pub policy_type: String,
    /// `ACTIVE`, `INACTIVE` or some other text; see [`Policy::is_active`].
    pub state: String,
    /// Which resources it is about. Without, it also grants where no resource is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceFilter>,
    /// What it grants; may be nothing.
    pub privileges: Vec<Privilege>,
    /// Whom it grants this.
    pub actors: ActorFilter,
    /// Whether it may be changed. Default true; no effect on decisions.
    #[serde(default = "editable", deserialize_with = "null_as_editable")]
    pub editable: bool,
    /// When it was last changed, in milliseconds of Unix time. No effect on decisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_timestamp: Option<i64>,
}

impl Policy {
    /// Whether it grants without looking at the resource: its type is exactly `PLATFORM`.
    #[must_use]
    pub fn is_platform(&self) -> bool {
        self.policy_type == "PLATFORM"
    }

    /// Whether its state is exactly `ACTIVE`, which is what a session asks for.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == "ACTIVE"
    }

    /// Whether its state is exactly `INACTIVE`, which nothing grants by.
    #[must_use]
    pub fn is_inactive(&self) -> bool {
        self.state == "INACTIVE"
    }
}

impl AsRef<Policy> for Policy {
    fn as_ref(&self) -> &Policy {
        self
    }
}

/// Whom a policy is for. The parts are alternatives; with none set it is for nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActorFilter {
    /// Urns of users. DataHub does not check them, so they are texts.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Urns of groups, for their members.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Urns of roles, for who holds them, directly or through a group.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Everybody. Default false.
    #[serde(default, deserialize_with = "null_as_default")]
    pub all_users: bool,
    /// Everybody who is in some group. Default false.
    #[serde(default, deserialize_with = "null_as_default")]
    pub all_groups: bool,
    /// Owners of the resource, directly or through a group. Default false.
    #[serde(default, deserialize_with = "null_as_default")]
    pub resource_owners: bool,
    /// Narrows `resource_owners` to these ownership types. Empty lets no owner through; absent
    /// lets all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_owners_types: Option<Vec<String>>,
}

/// Which resources a policy is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceFilter {
    /// What must hold of the resource. If present, the three deprecated fields mean nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<MatchFilter>,
    /// What must hold of every other entity that the operation touches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privilege_constraints: Option<MatchFilter>,
    /// Deprecated in DataHub: the entity type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    /// Deprecated in DataHub: urns. Present and empty, it matches no resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Vec<String>>,
    /// Deprecated in DataHub: whether `resources` is ignored. Default false.
    #[serde(default, deserialize_with = "null_as_default")]
    pub all_resources: bool,
}

/// Criteria that must all hold; none hold always.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatchFilter {
    /// The criteria.
    pub criteria: Vec<Criterion>,
}

/// A condition on the values of one field of a resource (DataHub: `PolicyMatchCriterion`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criterion {
    /// The field's name; see [`Field::parse`](super::Field::parse).
    pub field: String,
    /// The values wanted.
    pub values: Vec<String>,
    /// How they are compared. Default `EQUALS`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub condition: Condition,
}

/// How values are compared with those wanted (DataHub: `PolicyMatchCondition`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// Some value is among those wanted.
    #[default]
    Equals,
    /// Some value starts with one of those wanted.
    StartsWith,
    /// No value is among those wanted.
    NotEquals,
    /// A condition that is not known here; it never holds.
    Other(String),
}

impl Condition {
    /// DataHub's word for it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Equals => "EQUALS",
            Self::StartsWith => "STARTS_WITH",
            Self::NotEquals => "NOT_EQUALS",
            Self::Other(text) => text,
        }
    }
}

impl From<String> for Condition {
    fn from(text: String) -> Self {
        match text.as_str() {
            "EQUALS" => Self::Equals,
            "STARTS_WITH" => Self::StartsWith,
            "NOT_EQUALS" => Self::NotEquals,
            _ => Self::Other(text),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(String::deserialize(deserializer)?.into())
    }
}

fn editable() -> bool {
    true
}

// DataHub's serializers write an optional field that is absent as `null`, or not at all.
fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn null_as_editable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(editable))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn policy(more: Value) -> Policy {
        let mut value = json!({
            "displayName": "p", "type": "METADATA", "state": "ACTIVE",
            "privileges": [], "actors": {}
        });
        let Value::Object(more) = more else { panic!("an object") };
        value.as_object_mut().unwrap().extend(more);
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn absent_and_empty_stay_apart() {
        assert_eq!(policy(json!({})).resources, None);
        let resources = |value| policy(json!({ "resources": value })).resources.unwrap();
        assert_eq!(resources(json!({})), ResourceFilter::default());
        assert_eq!(resources(json!({ "resources": [] })).resources, Some(vec![]));
        let filter = resources(json!({ "filter": { "criteria": [] } })).filter;
        assert_eq!(filter, Some(MatchFilter::default()));
        let actors = policy(json!({ "actors": { "resourceOwnersTypes": [] } })).actors;
        assert_eq!(actors.resource_owners_types, Some(vec![]));
    }

    #[test]
    fn null_is_absent() {
        let nulls = json!({
            "description": null, "resources": null, "editable": null, "lastUpdatedTimestamp": null,
            "actors": { "users": null, "allUsers": null, "resourceOwnersTypes": null }
        });
        assert_eq!(policy(nulls), policy(json!({})));
        assert!(policy(json!({})).editable);
    }

    #[test]
    fn writing_and_reading_gives_the_same_policy() {
        let policy = policy(json!({
            "description": "d", "editable": false, "lastUpdatedTimestamp": 7,
            "privileges": ["EDIT_ENTITY", "OWN"],
            "actors": { "users": ["alice"], "resourceOwners": true, "resourceOwnersTypes": [] },
            "resources": {
                "type": "dataset", "resources": [], "allResources": true,
                "filter": { "criteria": [{ "field": "tag", "values": [], "condition": "LIKE" }] },
                "privilegeConstraints": { "criteria": [] }
            }
        }));
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy);
    }

    #[test]
    fn only_the_exact_words_count() {
        let odd = policy(json!({ "type": "platform", "state": "inactive" }));
        assert!(!odd.is_platform() && !odd.is_active() && !odd.is_inactive());
    }

    #[test]
    fn a_policy_without_a_required_field_is_not_read() {
        for field in ["displayName", "type", "state", "privileges", "actors"] {
            let mut value = serde_json::to_value(policy(json!({}))).unwrap();
            value.as_object_mut().unwrap().remove(field);
            assert!(serde_json::from_value::<Policy>(value).is_err(), "{field}");
        }
    }
}
