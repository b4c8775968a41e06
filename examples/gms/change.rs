//! One aspect to be written, read into what it would do.

use std::collections::BTreeSet;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use tower_pat::{
    Privilege,
    actor::{GroupKind, Urn},
    policy::{
        ChangeType, Operation, OperationGroup, Policy, PolicyRecord, Requirement, requirement,
    },
};

use crate::{
    entities::{AspectWrite, SystemMetadata, check_event},
    facts,
    patch::Patch,
    refused::{Refused, chain},
    registry::{EntityType, Home},
    service::MetadataService,
    target::Target,
};

/// One aspect to be written.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) entity_type: &'static EntityType,
    pub(crate) urn: Urn,
    pub(crate) aspect: &'static str,
    pub(crate) change_type: ChangeType,
    pub(crate) effect: Effect,
    pub(crate) metadata: SystemMetadata,
    /// What the aspect was when the change was made up.
    pub(crate) based_on: Option<Value>,
}

/// What a change does, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// The user exists; nothing else.
    User,
    Removed(bool),
    Suspended(bool),
    Groups(GroupKind, Vec<Urn>),
    Roles(Vec<Urn>),
    Policy(Box<Policy>),
    Entity(Value),
    /// What is there, changed: becomes `Entity` once it is known what is there.
    Patch(Patch),
    /// An event of a series.
    Event(Value),
}

impl Change {
    pub(crate) fn new(
        target: Target,
        aspect: &'static str,
        value: &Value,
        change_type: ChangeType,
        metadata: SystemMetadata,
    ) -> Result<Self, Refused> {
        let Target { entity_type, urn, .. } = target;
        if change_type == ChangeType::Delete {
            return Err(Refused::bad("DELETE is a proposal on its own"));
        }
        let key = entity_type.key(&urn).ok_or_else(|| {
            Refused::bad(format!(
                "{urn} does not have the parts that its {} has",
                entity_type.key_aspect
            ))
        })?;
        let is_patch = change_type == ChangeType::Patch;
        if aspect == entity_type.key_aspect && !is_patch && *value != key {
            return Err(Refused::bad(format!("{aspect} is {key}, which follows from the urn")));
        }
        let effect = match entity_type.home(aspect) {
            Home::Refused(reason) => return Err(Refused::Forbidden(format!("{aspect}: {reason}"))),
            Home::Entities if is_patch => Effect::Patch(Patch::read(aspect, value)?),
            // What decides who may do what is said in full, and not in terms of what was there.
            _ if is_patch => return Err(Refused::bad(format!("{aspect} is not patched"))),
            Home::User => Effect::User,
            Home::Removed => Effect::Removed(parse::<Status>(aspect, value)?.removed),
            Home::Suspended => {
                let UserStatus { status, .. } = parse(aspect, value)?;
                Effect::Suspended(status == State::Suspended)
            }
            Home::Groups(GroupKind::External) => {
                let GroupMembership { groups } = parse(aspect, value)?;
                Effect::Groups(GroupKind::External, of_type("corpGroup", groups)?)
            }
            Home::Groups(GroupKind::Native) => {
                let NativeGroupMembership { native_groups } = parse(aspect, value)?;
                Effect::Groups(GroupKind::Native, of_type("corpGroup", native_groups)?)
            }
            Home::Roles => {
                let RoleMembership { roles } = parse(aspect, value)?;
                Effect::Roles(of_type("dataHubRole", roles)?)
            }
            Home::Policy => {
                let policy = Policy::from_json(&value.to_string())
                    .map_err(|error| Refused::bad(chain(&error)))?;
                if !policy.editable {
                    return Err(Refused::bad("a policy that is written here is editable"));
                }
                Effect::Policy(Box::new(policy))
            }
            Home::Key => Effect::Entity(key),
            Home::Series => {
                check_event(aspect, value)?;
                is_storable(aspect, value)?;
                Effect::Event(value.clone())
            }
            Home::Entities => {
                facts::check(aspect, value)?;
                is_storable(aspect, value)?;
                Effect::Entity(value.clone())
            }
        };
        // Where there is nothing to tell "not there" from "nothing", only UPSERT makes sense.
        let may_be_absent = matches!(effect, Effect::Entity(_) | Effect::User | Effect::Patch(_));
        if !may_be_absent && !upserts(change_type) {
            return Err(Refused::bad(format!("{aspect} is written by UPSERT, not {change_type}")));
        }
        Ok(Self { entity_type, urn, aspect, change_type, effect, metadata, based_on: None })
    }

    /// What is asked for besides the operation on the entity. Being in a group or having a role is
    /// being granted whatever these are granted (DataHub: `batchAssignRole`), and whether somebody
    /// may act is for those to say who may also delete users.
    pub(crate) fn grants(home: Home) -> Option<Requirement> {
        match home {
            Home::Roles => Some(Privilege::MANAGE_POLICIES.into()),
            Home::Groups(_) => Some(Privilege::MANAGE_USERS_AND_GROUPS.into()),
            Home::Removed | Home::Suspended => Some(
                requirement(OperationGroup::Entity, Operation::Manage, Some("corpuser")).into(),
            ),
            _ => None,
        }
    }

    /// What a patch makes of what is there, or of what a change before it makes of that.
    pub(crate) fn resolve(&mut self, current: Option<&Value>) -> Result<(), Refused> {
        if let Effect::Patch(patch) = &self.effect {
            let value = patch.apply(self.aspect, current)?;
            // What is wrong could be told by what is stored, which not everybody may read.
            facts::check(self.aspect, &value).map_err(|_| self.bad_result())?;
            is_storable(self.aspect, &value)?;
            if value.to_string().len() > MAX_PATCHED {
                let text = format!("{}: it would have more than 16 MiB", self.aspect);
                return Err(Refused::bad(text));
            }
            self.effect = Effect::Entity(value);
        }
        Ok(())
    }

    fn bad_result(&self) -> Refused {
        Refused::bad(format!("{}: the patch makes of it what makes no sense", self.aspect))
    }

    /// The tags that the entity has after it, if it is about tags.
    pub(crate) fn tags(&self) -> Result<Option<BTreeSet<Urn>>, Refused> {
        match &self.effect {
            Effect::Entity(value) if self.aspect == "globalTags" => {
                let count = value.get("tags").and_then(Value::as_array).map_or(0, Vec::len);
                let tags: Vec<Urn> = urns_of_tags(value).collect();
                // It could not be asked for what is none.
                if tags.len() != count {
                    let text = format!("{}: a tag is the urn of a tag", self.aspect);
                    return Err(Refused::bad(text));
                }
                Ok(Some(tags.into_iter().collect()))
            }
            _ => Ok(None),
        }
    }

    /// The domains that it puts the entity in.
    pub(crate) fn domains(&self) -> Result<Option<Vec<Urn>>, Refused> {
        match &self.effect {
            Effect::Entity(value) if self.aspect == "domains" => {
                let parsed = parse(self.aspect, value).and_then(|Domains { domains }| {
                    if domains.len() > MAX_DOMAINS {
                        return Err(Refused::bad(format!("{MAX_DOMAINS} domains at most")));
                    }
                    of_type("domain", domains)
                });
                match parsed {
                    Err(_) if self.change_type == ChangeType::Patch => Err(self.bad_result()),
                    parsed => parsed.map(Some),
                }
            }
            _ => Ok(None),
        }
    }

    /// Whether it only takes something away.
    pub(crate) fn takes(&self) -> bool {
        matches!(self.effect, Effect::Removed(true) | Effect::Suspended(true))
    }

    /// Whether it lets somebody act again: after whatever else they may do then has been settled.
    pub(crate) fn reactivates(&self) -> bool {
        matches!(self.effect, Effect::Removed(false) | Effect::Suspended(false))
    }

    pub(crate) fn to_write(
        &self,
        aspect: &'static str,
        value: Value,
        only_if_absent: bool,
    ) -> AspectWrite {
        let (entity_type, urn) = (self.entity_type, self.urn.clone());
        let metadata = self.metadata.clone();
        AspectWrite { entity_type, urn, aspect, value, only_if_absent, metadata }
    }

    pub(crate) fn policy(&self) -> Option<PolicyRecord> {
        match &self.effect {
            Effect::Policy(policy) => {
                Some(PolicyRecord { urn: self.urn.clone(), info: policy.as_ref().clone() })
            }
            _ => None,
        }
    }

    /// The step in the directory, if there is one.
    pub(crate) async fn apply(&self, service: &MetadataService) -> Result<(), Refused> {
        let (directory, urn) = (&service.store, &self.urn);
        let found = match &self.effect {
            Effect::Removed(removed) => directory.set_removed(urn, *removed).await?,
            Effect::Suspended(suspended) => directory.set_suspended(urn, *suspended).await?,
            Effect::Groups(kind, groups) => directory.set_groups(urn, *kind, groups).await?,
            Effect::Roles(roles) => directory.set_roles(urn, roles).await?,
            Effect::User
            | Effect::Policy(_)
            | Effect::Entity(_)
            | Effect::Patch(_)
            | Effect::Event(_) => true,
        };
        if found { Ok(()) } else { Err(Refused::Raced(urn.clone())) }
    }
}

/// The tags in the value of the aspect `globalTags`, as far as it has any.
pub(crate) fn tags_of(value: &Value) -> BTreeSet<Urn> {
    urns_of_tags(value).collect()
}

fn urns_of_tags(value: &Value) -> impl Iterator<Item = Urn> {
    let tags = value.get("tags").and_then(Value::as_array).into_iter().flatten();
    tags.filter_map(|tag| tag.get("tag")?.as_str()?.parse().ok())
}

/// Refuses a value that could not be read again: `serde_json` stops at a depth of 128, and an answer
/// has the value somewhere inside.
fn is_storable(aspect: &str, value: &Value) -> Result<(), Refused> {
    if is_deeper_than(MAX_DEPTH, value) {
        return Err(Refused::bad(format!("{aspect}: its value is {MAX_DEPTH} deep at most")));
    }
    Ok(())
}

fn is_deeper_than(depth: usize, value: &Value) -> bool {
    let Some(below) = depth.checked_sub(1) else { return value.is_array() || value.is_object() };
    match value {
        Value::Array(entries) => entries.iter().any(|entry| is_deeper_than(below, entry)),
        Value::Object(members) => members.values().any(|member| is_deeper_than(below, member)),
        _ => false,
    }
}

const MAX_DOMAINS: usize = 100;

/// How deep a value is at most; DataHub's own are far from it.
const MAX_DEPTH: usize = 64;

/// In bytes, what patches make of an aspect: as much as can be sent at once.
const MAX_PATCHED: usize = 16 * 1024 * 1024;

/// Whether it writes what is sent, whatever is there (DataHub takes the three for the same).
fn upserts(change_type: ChangeType) -> bool {
    matches!(change_type, ChangeType::Upsert | ChangeType::Update | ChangeType::Restate)
}

fn of_type(entity_type: &str, urns: Vec<Urn>) -> Result<Vec<Urn>, Refused> {
    match urns.iter().find(|urn| urn.entity_type() != entity_type || urn.key().is_empty()) {
        Some(other) => Err(Refused::bad(format!("{other} is not the urn of a {entity_type}"))),
        None => Ok(urns),
    }
}

fn parse<T: DeserializeOwned>(aspect: &str, value: &Value) -> Result<T, Refused> {
    T::deserialize(value).map_err(|error| Refused::bad(format!("{aspect}: {error}")))
}

#[derive(Deserialize)]
struct Domains {
    domains: Vec<Urn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Status {
    removed: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserStatus {
    status: State,
    #[serde(rename = "lastModified")]
    _last_modified: Option<Value>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Active,
    Suspended,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupMembership {
    groups: Vec<Urn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct NativeGroupMembership {
    native_groups: Vec<Urn>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleMembership {
    roles: Vec<Urn>,
}
