mod json;
mod shape;

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

pub use self::shape::InvalidPolicyError;
use super::{Policy, PolicyRecord};
use crate::actor::{Urn, UrnError};

/// Policies from DataHub's JSON: one record (`{"urn": …, "info": {…}}`), a list of records, or an
/// object with such a list as `policies`. The content may also stand beside the urn.
///
/// All are read, or none. What DataHub would stumble over or quietly ignore is refused: a required
/// field that is missing, a wrong type, a name that occurs twice or that a policy does not have, a
/// condition or field that no decision knows. As in DataHub, nobody looks at privilege ids, at the
/// urns of actors, at the type or at the state.
///
/// ```
/// use tower_pat::policy::parse_policies;
///
/// let policies = parse_policies(r#"{
///     "urn": "urn:li:dataHubPolicy:readers",
///     "info": {
///         "displayName": "Everybody reads", "type": "METADATA", "state": "ACTIVE",
///         "privileges": ["VIEW_ENTITY_PAGE"], "actors": { "allUsers": true }
///     }
/// }"#)?;
/// assert_eq!(policies.len(), 1);
/// # Ok::<(), tower_pat::policy::PolicyLoadError>(())
/// ```
///
/// # Errors
///
/// [`PolicyLoadError`] names the policy and the field that is refused.
pub fn parse_policies(text: &str) -> Result<Vec<PolicyRecord>, PolicyLoadError> {
    let mut loaded = Loaded::default();
    loaded.add(text, None)?;
    Ok(loaded.records)
}

/// Policies from a file, or from all files of a folder whose names end in `.json`, in the order of
/// their names; folders within are left alone. What a file may hold is at [`parse_policies`].
///
/// # Errors
///
/// [`PolicyLoadError`] if something cannot be read, or is refused; it names the file, the policy
/// and the field.
pub fn load_policies(path: impl AsRef<Path>) -> Result<Vec<PolicyRecord>, PolicyLoadError> {
    let path = path.as_ref();
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| PolicyLoadError::Io { path, source }
    };
    let mut files = Vec::new();
    if fs::metadata(path).map_err(io(path))?.is_dir() {
        for entry in fs::read_dir(path).map_err(io(path))? {
            let file = entry.map_err(io(path))?.path();
            if file.extension() == Some(OsStr::new("json")) && file.is_file() {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let mut loaded = Loaded::default();
    for file in &files {
        let text = fs::read_to_string(file).map_err(io(file))?;
        loaded.add(&text, Some(file))?;
    }
    Ok(loaded.records)
}

impl Policy {
    /// A policy from DataHub's JSON of it (aspect `dataHubPolicyInfo`), as strict as
    /// [`parse_policies`].
    ///
    /// # Errors
    ///
    /// [`PolicyLoadError`] names the field that is refused.
    pub fn from_json(text: &str) -> Result<Self, PolicyLoadError> {
        let value =
            json::parse(text).map_err(|source| PolicyLoadError::Json { file: None, source })?;
        shape::read(&value).map_err(|source| {
            let policy =
                value.get("displayName").and_then(Value::as_str).unwrap_or("without a name");
            PolicyLoadError::Invalid { policy: PolicyPlace::new(policy.to_owned(), None), source }
        })
    }

    /// Checks what DataHub checks when a policy is written, and that every condition is one
    /// that a decision knows.
    ///
    /// # Errors
    ///
    /// [`InvalidPolicyError`] names the field.
    pub fn validate(&self) -> Result<(), InvalidPolicyError> {
        shape::check(self)
    }
}

/// DataHub's default policies, as of August 2026. They go into a store by
/// [`PolicyStore::seed_policies`](super::PolicyStore::seed_policies): at every start, those that are not editable
/// replace what is stored and those that are editable are written only where there is none.
#[must_use]
pub fn default_policies() -> Vec<PolicyRecord> {
    // It is our own file, and a test reads it. If it could not be read, nothing would be granted.
    parse_policies(DEFAULTS).unwrap_or_default()
}

/// The roles that the default policies speak of: `Admin`, `Editor` and `Reader`.
#[must_use]
pub fn default_roles() -> Vec<Urn> {
    let defaults: Value = serde_json::from_str(DEFAULTS).unwrap_or_default();
    let roles = defaults.get("roles").and_then(Value::as_array);
    let urns = roles.into_iter().flatten().filter_map(|role| role.get("urn")?.as_str());
    urns.filter_map(|urn| urn.parse().ok()).collect()
}

/// Why policies could not be loaded. Nothing was loaded then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyLoadError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is no JSON, a name occurs twice in an object, or it is nested too deeply.
    #[error("policies{} are not valid JSON", in_file(file.as_deref()))]
    Json {
        /// The file, if it was one.
        file: Option<PathBuf>,
        /// The cause, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON, but neither a policy, nor a list of policies, nor an object that has one.
    #[error("{policy} is not a policy with its urn")]
    NotAPolicy {
        /// Which one.
        policy: PolicyPlace,
    },
    /// A policy has a urn that is none.
    #[error("{policy} has no valid urn")]
    Urn {
        /// Which one.
        policy: PolicyPlace,
        /// The cause.
        #[source]
        source: UrnError,
    },
    /// Something in a policy is refused.
    #[error("{policy} is not valid")]
    Invalid {
        /// Which one.
        policy: PolicyPlace,
        /// The field, and what is wrong with it.
        #[source]
        source: InvalidPolicyError,
    },
    /// Two policies have the same urn, so that one would be lost.
    #[error("{policy} has a urn that an earlier policy has")]
    DuplicateUrn {
        /// The second one.
        policy: PolicyPlace,
    },
}

/// Which policy it was, for people: by urn, name or number, and file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyPlace {
    name: String,
    file: Option<PathBuf>,
}

impl PolicyPlace {
    fn new(name: String, file: Option<&Path>) -> Self {
        Self { name, file: file.map(Path::to_owned) }
    }
}

impl std::fmt::Display for PolicyPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "policy {}{}", self.name, in_file(self.file.as_deref()))
    }
}

#[derive(Default)]
struct Loaded {
    records: Vec<PolicyRecord>,
    urns: BTreeSet<Urn>,
}

impl Loaded {
    fn add(&mut self, text: &str, file: Option<&Path>) -> Result<(), PolicyLoadError> {
        let value = json::parse(text)
            .map_err(|source| PolicyLoadError::Json { file: file.map(Path::to_owned), source })?;
        let list = match &value {
            Value::Array(list) => list.as_slice(),
            Value::Object(object) => match object.get("policies") {
                Some(Value::Array(list)) => list.as_slice(),
                _ => std::slice::from_ref(&value),
            },
            other => std::slice::from_ref(other),
        };
        for (index, entry) in list.iter().enumerate() {
            let place = PolicyPlace::new(name(entry, index), file);
            let record = read_record(entry, &place)?;
            if !self.urns.insert(record.urn.clone()) {
                return Err(PolicyLoadError::DuplicateUrn { policy: place });
            }
            self.records.push(record);
        }
        Ok(())
    }
}

fn read_record(entry: &Value, place: &PolicyPlace) -> Result<PolicyRecord, PolicyLoadError> {
    let not_a_policy = || PolicyLoadError::NotAPolicy { policy: place.clone() };
    let object = entry.as_object().ok_or_else(not_a_policy)?;
    let urn = object.get("urn").and_then(Value::as_str).ok_or_else(not_a_policy)?;
    let urn =
        urn.parse().map_err(|source| PolicyLoadError::Urn { policy: place.clone(), source })?;
    let info = match object.get("info") {
        Some(info) => shape::read(info),
        None if object.contains_key("displayName") => {
            let mut info = object.clone();
            info.remove("urn");
            shape::read(&Value::Object(info))
        }
        None => return Err(not_a_policy()),
    };
    let info = info.map_err(|source| PolicyLoadError::Invalid { policy: place.clone(), source })?;
    Ok(PolicyRecord { urn, info })
}

fn name(entry: &Value, index: usize) -> String {
    let text = |name: &str| entry.get(name).or_else(|| entry.get("info")?.get(name))?.as_str();
    match text("urn").or_else(|| text("displayName")) {
        Some(name) => format!("`{name}`"),
        None => format!("number {}", index + 1),
    }
}

fn in_file(file: Option<&Path>) -> String {
    file.map(|file| format!(" in {}", file.display())).unwrap_or_default()
}

const DEFAULTS: &str = include_str!("data/boot-policies.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policies_are_all_there() {
        let policies = default_policies();
        assert_eq!(policies.len(), 16);
        assert!(policies.iter().any(|policy| policy.info.editable));
        assert!(policies.iter().any(|policy| !policy.info.editable));
        for policy in &policies {
            assert_eq!(policy.info.validate(), Ok(()), "{}", policy.urn);
        }
    }

    #[test]
    fn the_default_roles_are_three() {
        let roles = default_roles();
        let names: Vec<&str> = roles.iter().map(Urn::key).collect();
        assert_eq!(names, ["Admin", "Editor", "Reader"]);
    }
}
