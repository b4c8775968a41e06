//! What values cost: the engine copies a variable wherever it is used.

use std::{
    collections::{HashMap, hash_map::Entry},
    convert::Infallible,
};

use async_graphql::{
    Name, Value, Variables,
    parser::types::{Directive, ExecutableDocument, Field},
};
use bytes::Bytes;

/// How much there is in a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// How many list items, object fields and variables.
    pub(super) nodes: u64,
    /// How many bytes, about, once the variables are put in.
    pub(super) bytes: u64,
}

impl Size {
    pub(super) fn add(&mut self, beside: Self) {
        self.nodes = self.nodes.saturating_add(beside.nodes);
        self.bytes = self.bytes.saturating_add(beside.bytes);
    }

    fn max(self, other: Self) -> Self {
        Self { nodes: self.nodes.max(other.nodes), bytes: self.bytes.max(other.bytes) }
    }
}

/// What an item is taken for beside its text: it takes more memory than it is long.
const ITEM: u64 = 8;

/// So many items of a variable cost as much as one that is written in the document.
const VARIABLE_ITEMS: u64 = 20;

/// The values that variables may have: those that were sent and their defaults, of whichever
/// operation.
pub(super) struct Known<'a> {
    values: HashMap<&'a str, Vec<&'a Value>>,
    sizes: HashMap<&'a str, Size>,
}

impl<'a> Known<'a> {
    pub(super) fn new(document: &'a ExecutableDocument, variables: &'a Variables) -> Self {
        let mut values: HashMap<&str, Vec<&Value>> = HashMap::new();
        for (_, operation) in document.operations.iter() {
            for definition in &operation.node.variable_definitions {
                let definition = &definition.node;
                let name = definition.name.node.as_str();
                let known = match values.entry(name) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => {
                        unknown.insert(variables.get(name).into_iter().collect())
                    }
                };
                known.extend(definition.default_value.as_ref().map(|value| &value.node));
            }
        }
        let largest = |values: &[&Value]| {
            let sizes = values.iter().map(|value| plain(value));
            sizes.fold(Size::default(), Size::max)
        };
        let sizes = values.iter().map(|(name, values)| (*name, largest(values))).collect();
        Self { values, sizes }
    }

    /// The size of a value of an argument.
    pub(super) fn size(&self, value: &Value) -> Size {
        let mut whole = Size::default();
        walk(value, &mut |value| {
            whole.add(Size { nodes: 0, bytes: text(value) });
            if let Value::Binary(name) = value {
                let variable = std::str::from_utf8(name).ok().and_then(|name| self.sizes.get(name));
                let variable = variable.copied().unwrap_or_default();
                let nodes = 1 + variable.nodes / VARIABLE_ITEMS;
                whole.add(Size { nodes, bytes: variable.bytes });
            }
            whole.add(Size { nodes: items(value), bytes: 0 });
        });
        whole
    }

    /// How many rows the arguments of a field ask for, as far as they say it: by a `count`, also
    /// in an `input`.
    pub(super) fn rows(&self, arguments: &[(Name, Value)]) -> Option<u64> {
        let argument = |wanted: &str| {
            let mut arguments = arguments.iter();
            arguments.find(|(name, _)| name.as_str() == wanted).map(|(_, value)| value)
        };
        let inputs = argument("input").map(|input| self.candidates(input)).unwrap_or_default();
        let counts = inputs.into_iter().filter_map(|input| match input {
            Value::Object(fields) => fields.get("count"),
            _ => None,
        });
        let counts = counts.chain(argument("count")).flat_map(|count| self.candidates(count));
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        counts.filter_map(number).max()
    }

    /// What a value may be, once variables are put in.
    fn candidates<'b>(&'b self, value: &'b Value) -> Vec<&'b Value> {
        match value {
            Value::Binary(name) => {
                let name = std::str::from_utf8(name).unwrap_or_default();
                self.values.get(name).into_iter().flatten().copied().collect()
            }
            value => vec![value],
        }
    }
}

/// The size of a value without variables.
pub(super) fn plain(value: &Value) -> Size {
    let mut whole = Size { nodes: 0, bytes: ITEM };
    walk(value, &mut |value| {
        let nodes = items(value);
        whole.add(Size { nodes, bytes: nodes.saturating_mul(ITEM).saturating_add(text(value)) });
    });
    whole
}

/// As deep as brackets and the JSON may be nested, which have limits.
fn walk(value: &Value, visit: &mut impl FnMut(&Value)) {
    visit(value);
    match value {
        Value::List(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(fields) => fields.values().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

fn items(value: &Value) -> u64 {
    count(match value {
        Value::List(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    })
}

fn text(value: &Value) -> u64 {
    count(match value {
        Value::String(text) => text.len(),
        Value::Enum(name) => name.len(),
        Value::Object(fields) => fields.keys().map(|name| name.len()).sum(),
        _ => 0,
    })
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The arguments of a field. A variable stands as [`Value::Binary`], which no document has, since
/// the library shows no type of its own for values with variables.
pub(super) fn of_field(field: &Field) -> Vec<(Name, Value)> {
    let arguments = field.arguments.iter().map(|(name, value)| {
        let value = value.node.clone().into_const_with(marked).unwrap_or_default();
        (name.node.clone(), value)
    });
    arguments.collect()
}

/// The arguments of a directive, in the same form.
pub(super) fn of_directive(directive: &Directive) -> Vec<(Name, Value)> {
    let arguments = directive.arguments.iter().map(|(name, value)| {
        let value = value.node.clone().into_const_with(marked).unwrap_or_default();
        (name.node.clone(), value)
    });
    arguments.collect()
}

#[allow(clippy::needless_pass_by_value)] // as the library passes it
fn marked(name: Name) -> Result<Value, Infallible> {
    Ok(Value::Binary(Bytes::copy_from_slice(name.as_bytes())))
}
