use serde_json::Value;

use crate::policy::{Condition, Field, Policy};

/// The policy in `value`, if nothing about it is odd.
pub(super) fn read(value: &Value) -> Result<Policy, InvalidPolicyError> {
    fits(value, &POLICY, "")?;
    // The shape is what serde asks for, so this does not fail; if it did, the policy is refused.
    serde_json::from_value(value.clone()).map_err(|_| InvalidPolicyError::new("", Problem::Shape))
}

/// Whether a policy that is already read would be read by [`read`].
pub(super) fn check(policy: &Policy) -> Result<(), InvalidPolicyError> {
    let value =
        serde_json::to_value(policy).map_err(|_| InvalidPolicyError::new("", Problem::Shape))?;
    fits(&value, &POLICY, "")
}

/// Which field of a policy is refused, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", at(path))]
pub struct InvalidPolicyError {
    path: String,
    problem: Problem,
}

impl InvalidPolicyError {
    fn new(path: &str, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem }
    }

    /// The field, such as `resources.filter.criteria[0].field`; empty for the policy itself.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.path
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("a required field is missing")]
    Missing,
    #[error("a policy has no such field")]
    NoSuchField,
    #[error("not {0}")]
    Type(&'static str),
    #[error("not a policy")]
    Shape,
    #[error("not a condition: `{0}` is none of EQUALS, STARTS_WITH, NOT_EQUALS")]
    Condition(String),
    #[error(
        "not a field of resources: `{0}` is none of TYPE, RESOURCE_TYPE, URN, RESOURCE_URN, OWNER, \
         DOMAIN, CONTAINER, GLOSSARY, TAG, DATA_PLATFORM_INSTANCE, GROUP_MEMBERSHIP"
    )]
    Field(String),
}

enum Shape {
    Text,
    Flag,
    Integer,
    Condition,
    Field,
    List(&'static Shape),
    Object(&'static [(&'static str, Need, Shape)]),
}

#[derive(PartialEq)]
enum Need {
    Required,
    Optional,
}

use self::{
    Need::{Optional, Required},
    Shape::{Flag, Integer, List, Object, Text},
};

// A field that is not listed is refused: it could be one that narrows the policy.
const POLICY: Shape = Object(&[
    ("displayName", Required, Text),
    ("description", Optional, Text),
    ("type", Required, Text),
    ("state", Required, Text),
    ("resources", Optional, RESOURCES),
    ("privileges", Required, List(&Text)),
    ("actors", Required, ACTORS),
    ("editable", Optional, Flag),
    ("lastUpdatedTimestamp", Optional, Integer),
]);

const ACTORS: Shape = Object(&[
    ("users", Optional, List(&Text)),
    ("groups", Optional, List(&Text)),
    ("roles", Optional, List(&Text)),
    ("allUsers", Optional, Flag),
    ("allGroups", Optional, Flag),
    ("resourceOwners", Optional, Flag),
    ("resourceOwnersTypes", Optional, List(&Text)),
]);

const RESOURCES: Shape = Object(&[
    ("filter", Optional, FILTER),
    ("privilegeConstraints", Optional, FILTER),
    ("type", Optional, Text),
    ("resources", Optional, List(&Text)),
    ("allResources", Optional, Flag),
]);

const FILTER: Shape = Object(&[("criteria", Required, List(&CRITERION))]);

const CRITERION: Shape = Object(&[
    ("field", Required, Shape::Field),
    ("values", Required, List(&Text)),
    ("condition", Optional, Shape::Condition),
]);

// Goes as deep as the shape does, not as deep as the value.
fn fits(value: &Value, shape: &Shape, path: &str) -> Result<(), InvalidPolicyError> {
    let is = |fits: bool, what| {
        if fits { Ok(()) } else { Err(InvalidPolicyError::new(path, Problem::Type(what))) }
    };
    match shape {
        Text => is(value.is_string(), "a text"),
        Flag => is(value.is_boolean(), "true or false"),
        Integer => is(value.is_i64(), "a whole number of 64 bits"),
        Shape::Condition => {
            let text = value.as_str().unwrap_or_default();
            is(value.is_string(), "a text")?;
            match Condition::from(text.to_owned()) {
                Condition::Other(text) => {
                    Err(InvalidPolicyError::new(path, Problem::Condition(text)))
                }
                _ => Ok(()),
            }
        }
        Shape::Field => {
            let text = value.as_str().unwrap_or_default();
            is(value.is_string(), "a text")?;
            match Field::parse_written(text) {
                Some(_) => Ok(()),
                None => Err(InvalidPolicyError::new(path, Problem::Field(text.to_owned()))),
            }
        }
        List(element) => {
            let Value::Array(list) = value else { return is(false, "a list") };
            for (index, value) in list.iter().enumerate() {
                fits(value, element, &format!("{path}[{index}]"))?;
            }
            Ok(())
        }
        Object(fields) => {
            let Value::Object(object) = value else { return is(false, "an object") };
            for name in object.keys() {
                if !fields.iter().any(|(known, ..)| known == name) {
                    return Err(InvalidPolicyError::new(&join(path, name), Problem::NoSuchField));
                }
            }
            for (name, need, shape) in *fields {
                match object.get(*name) {
                    None | Some(Value::Null) if *need == Required => {
                        return Err(InvalidPolicyError::new(&join(path, name), Problem::Missing));
                    }
                    None | Some(Value::Null) => {}
                    Some(value) => fits(value, shape, &join(path, name))?,
                }
            }
            Ok(())
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(", at {path}") }
}
