//! Which entities there are, which aspects they have, and where each aspect lives.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::{Map, Value};
use tower_pat::actor::{GroupKind, Urn};

/// A type of entity, such as `dataset`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntityType {
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) key_aspect: String,
    key_record: String,
    key_fields: Vec<String>,
    aspects: Vec<String>,
}

/// Where an aspect lives, and so by whom it is guarded. Identity and policy have one home each;
/// only what has no part in deciding who may do what is kept in the entity store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// The entity store.
    Entities,
    /// The entity store; its value follows from the urn.
    Key,
    /// The entity store, as one event of a series over time.
    Series,
    /// The directory: that the user exists.
    User,
    /// The directory: whether the user is soft-deleted.
    Removed,
    /// The directory: whether the user is suspended.
    Suspended,
    /// The directory: the user's groups.
    Groups(GroupKind),
    /// The directory: the roles of a user or group.
    Roles,
    /// The policy store.
    Policy,
    /// Nowhere here: never written, for this reason.
    Refused(&'static str),
}

impl EntityType {
    /// The type of this exact name; `corpUser` is none.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        REGISTRY.entities.get(name)
    }

    /// All types.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        REGISTRY.entities.values()
    }

    /// The aspect of this exact name, if the type has it.
    pub(crate) fn aspect(&'static self, name: &str) -> Option<&'static str> {
        let mut known = self.aspects.iter().chain([&self.key_aspect]);
        known.find(|known| *known == name).map(String::as_str)
    }

    /// The aspect of this record name, by which DataHub's older requests name it.
    pub(crate) fn aspect_of_record(&'static self, record: &str) -> Option<&'static str> {
        let mut known = self.aspects.iter().chain([&self.key_aspect]);
        known.find(|known| self.record(known) == record).map(String::as_str)
    }

    /// Whether the aspect is a series over time.
    pub(crate) fn is_series(&self, aspect: &str) -> bool {
        REGISTRY.timeseries.iter().any(|series| series == aspect)
    }

    /// Where the aspect lives. Whatever bears identity or policy is listed here; types whose
    /// aspects are not all listed are about neither.
    pub(crate) fn home(&self, aspect: &str) -> Home {
        match (self.name.as_str(), aspect) {
            ("corpuser", "corpUserKey") => Home::User,
            ("corpuser", "status") => Home::Removed,
            ("corpuser", "corpUserStatus") => Home::Suspended,
            ("corpuser", "groupMembership") => Home::Groups(GroupKind::External),
            ("corpuser", "nativeGroupMembership") => Home::Groups(GroupKind::Native),
            ("corpuser" | "corpGroup", "roleMembership") => Home::Roles,
            ("corpuser", "corpUserCredentials") => Home::Refused("passwords are not kept here"),
            // A subtype is what makes a user a service account, whose tokens others may make.
            ("corpuser", "subTypes") => {
                Home::Refused("service accounts are not made through entities")
            }
            ("dataHubPolicy", "dataHubPolicyInfo") => Home::Policy,
            ("dataHubPolicy", _) => Home::Refused("a policy is written as its dataHubPolicyInfo"),
            ("dataHubAccessToken", _) => {
                Home::Refused("access tokens are made by the token service and not written")
            }
            ("dataHubRole", _) => Home::Refused("roles are built in"),
            ("dataHubSecret" | "dataHubConnection", _) => {
                Home::Refused("secrets are not kept here")
            }
            ("inviteToken", _) => Home::Refused("invitations are not kept here"),
            (_, name) if self.is_series(name) => Home::Series,
            (_, name) if name == self.key_aspect => Home::Key,
            _ => Home::Entities,
        }
    }

    /// The value of the key aspect, which follows from the urn; `None` if the urn's key does not
    /// have the parts that the type's keys have.
    pub(crate) fn key(&self, urn: &Urn) -> Option<Value> {
        let parts = match self.key_fields.as_slice() {
            [_] => vec![urn.key()],
            _ => tuple(urn.key())?,
        };
        (parts.len() == self.key_fields.len()).then(|| {
            let fields = self.key_fields.iter().cloned().zip(parts.into_iter().map(Value::from));
            Value::Object(fields.collect::<Map<_, _>>())
        })
    }

    /// The record name of one of its aspects, by which DataHub's older answers name it.
    pub(crate) fn record(&self, aspect: &str) -> String {
        let known = REGISTRY.records.get(aspect).cloned();
        if aspect == self.key_aspect {
            return self.key_record.clone();
        }
        known.unwrap_or_else(|| aspect.to_owned())
    }

    /// The name of the type's snapshot in DataHub's older answers, after that of its key:
    /// `CorpUserKey` makes a `CorpUserSnapshot`.
    pub(crate) fn snapshot(&self) -> String {
        let (_, key) = self.key_record.rsplit_once('.').unwrap_or(("", &self.key_record));
        let name = key.strip_suffix("Key").unwrap_or(key);
        format!("com.linkedin.metadata.snapshot.{name}Snapshot")
    }
}

/// The parts of `(a,b,c)`, cut at the outermost commas.
fn tuple(key: &str) -> Option<Vec<&str>> {
    let inner = key.strip_prefix('(')?.strip_suffix(')')?;
    let mut depth = 0_i32;
    let parts = inner.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        character == ',' && depth == 0
    });
    Some(parts.collect())
}

#[derive(Deserialize)]
struct Registry {
    entities: BTreeMap<String, EntityType>,
    records: BTreeMap<String, String>,
    timeseries: Vec<String>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "it is our own file, and every test reads it")]
    let mut registry: Registry = serde_json::from_str(include_str!("entity-aspects.json"))
        .expect("the registry is of this form");
    for (name, entity_type) in &mut registry.entities {
        entity_type.name.clone_from(name);
    }
    registry
});

#[cfg(test)]
mod tests {
    use super::*;

    fn key(urn: &str) -> Option<Value> {
        let urn: Urn = urn.parse().unwrap();
        EntityType::find(urn.entity_type()).unwrap().key(&urn)
    }

    #[test]
    fn keys_follow_from_urns() {
        let dataset =
            key("urn:li:dataset:(urn:li:dataPlatform:hive,db.f(a,b),PROD)").unwrap().to_string();
        assert_eq!(
            dataset,
            r#"{"name":"db.f(a,b)","origin":"PROD","platform":"urn:li:dataPlatform:hive"}"#
        );
        assert_eq!(key("urn:li:corpuser:a,b").unwrap()["username"], "a,b");
        assert_eq!(key("urn:li:dataset:orders"), None);
        assert_eq!(key("urn:li:dataset:(a,b)"), None);
    }

    #[test]
    fn whatever_bears_identity_or_policy_has_another_home_than_the_entity_store() {
        for (entity_type, kept) in [
            (
                "corpuser",
                &[
                    "corpUserEditableInfo",
                    "corpUserInfo",
                    "corpUserSettings",
                    "forms",
                    "globalTags",
                    "origin",
                    "slackUserInfo",
                    "structuredProperties",
                    "testResults",
                ][..],
            ),
            ("dataHubPolicy", &[]),
            ("dataHubAccessToken", &[]),
            ("dataHubRole", &[]),
            ("dataHubSecret", &[]),
            ("dataHubConnection", &[]),
            ("inviteToken", &[]),
        ] {
            let entity_type = EntityType::find(entity_type).unwrap();
            let all = entity_type.aspects.iter().chain([&entity_type.key_aspect]);
            let entities: Vec<&String> = all
                .filter(|aspect| {
                    matches!(entity_type.home(aspect), Home::Entities | Home::Key | Home::Series)
                })
                .collect();
            assert_eq!(entities, kept, "{}", entity_type.name);
        }
        for entity_type in REGISTRY.entities.values() {
            if entity_type.aspect("roleMembership").is_some() {
                assert_eq!(entity_type.home("roleMembership"), Home::Roles);
            }
        }
    }
}
