use std::{cmp::Reverse, collections::HashMap};

use async_graphql::{
    Name, PathSegment, Positioned, Response, Value,
    parser::types::{
        BaseType, ExecutableDocument, OperationType, Selection, SelectionSet, ServiceDocument,
        Type, TypeKind, TypeSystemDefinition,
    },
};

use super::variables::{chosen, innermost};

/// The types of the fields of a schema's objects, by which it is found out what is null where a
/// field failed.
///
/// The library leaves a field that failed out of its object. Clients, and the specification
/// (section 6.4.4), want it to be null, or what it is in if it may not be null itself, and so on up
/// to the whole of `data`.
#[derive(Debug)]
pub(super) struct OutputTypes {
    query: Name,
    mutation: Name,
    fields: HashMap<Name, HashMap<Name, Type>>,
}

impl OutputTypes {
    /// Takes them from a schema.
    pub(super) fn of(schema: &ServiceDocument) -> Self {
        let mut types = Self {
            query: Name::new("Query"),
            mutation: Name::new("Mutation"),
            fields: HashMap::new(),
        };
        for definition in &schema.definitions {
            let definition = match definition {
                TypeSystemDefinition::Schema(schema) => {
                    let name = |name: &Option<Positioned<Name>>, default: Name| {
                        name.as_ref().map_or(default, |name| name.node.clone())
                    };
                    types.query = name(&schema.node.query, types.query);
                    types.mutation = name(&schema.node.mutation, types.mutation);
                    continue;
                }
                TypeSystemDefinition::Type(definition) => &definition.node,
                TypeSystemDefinition::Directive(_) => continue,
            };
            let fields = match &definition.kind {
                TypeKind::Object(object) => &object.fields,
                TypeKind::Interface(interface) => &interface.fields,
                _ => continue,
            };
            let fields = fields.iter().map(|field| &field.node);
            let fields = fields.map(|field| (field.name.node.clone(), field.ty.node.clone()));
            types.fields.insert(definition.name.node.clone(), fields.collect());
        }
        types
    }

    /// Makes null what has to be for every error that is about a field.
    pub(super) fn propagate(
        &self,
        document: &ExecutableDocument,
        operation_name: Option<&str>,
        response: &mut Response,
    ) {
        let mut places = Vec::new();
        for path in response.errors.iter().map(|error| &error.path) {
            if path.is_empty() {
                continue;
            }
            // A path that cannot be followed says that less is known than was thought: then nothing
            // is shown.
            let length = self.nullable(document, operation_name, path);
            let Some(place) = length.and_then(|length| path.get(..length)) else {
                response.data = Value::Null;
                return;
            };
            places.push(place);
        }
        // The innermost first, so that none of them comes back in what is null as a whole.
        places.sort_unstable_by_key(|place| Reverse(place.len()));
        for place in places {
            make_null(&mut response.data, place);
        }
    }

    /// How much of a path leads to the innermost place that may be null; `None` if it is `data`.
    fn nullable(
        &self,
        document: &ExecutableDocument,
        operation_name: Option<&str>,
        path: &[PathSegment],
    ) -> Option<usize> {
        let operation = chosen(document, operation_name)?;
        let root = match operation.ty {
            OperationType::Query => &self.query,
            OperationType::Mutation => &self.mutation,
            OperationType::Subscription => return None,
        };
        let mut sets = vec![(&operation.selection_set.node, root.clone())];
        let mut current: Option<&Type> = None;
        let mut nullable = None;
        for (at, segment) in path.iter().enumerate() {
            let ty = match segment {
                PathSegment::Field(key) => {
                    let mut found = Found::default();
                    for (set, parent) in &sets {
                        self.find(document, set, parent, key, &mut found);
                    }
                    sets = found.sets;
                    found.ty?
                }
                PathSegment::Index(_) => match &current?.base {
                    BaseType::List(item) => item,
                    BaseType::Named(_) => return None,
                },
            };
            if ty.nullable {
                nullable = Some(at + 1);
            }
            current = Some(ty);
        }
        nullable
    }

    /// Finds the fields that answer under `key`, also in fragments, which do not go in circles.
    fn find<'a>(
        &'a self,
        document: &'a ExecutableDocument,
        set: &'a SelectionSet,
        parent: &Name,
        key: &str,
        found: &mut Found<'a>,
    ) {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) if field.node.response_key().node == key => {
                    let name = &field.node.name.node;
                    let Some(ty) = self.fields.get(parent).and_then(|fields| fields.get(name))
                    else {
                        continue;
                    };
                    found.ty = found.ty.or(Some(ty));
                    found.sets.push((&field.node.selection_set.node, innermost(ty).clone()));
                }
                Selection::Field(_) => {}
                Selection::InlineFragment(fragment) => {
                    let condition = fragment.node.type_condition.as_ref();
                    let parent = condition.map_or(parent, |condition| &condition.node.on.node);
                    self.find(document, &fragment.node.selection_set.node, parent, key, found);
                }
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    if let Some(fragment) = document.fragments.get(name) {
                        let fragment = &fragment.node;
                        let parent = &fragment.type_condition.node.on.node;
                        self.find(document, &fragment.selection_set.node, parent, key, found);
                    }
                }
            }
        }
    }
}

/// The fields that answer under one key: they have one type, and all of their selections count.
#[derive(Default)]
struct Found<'a> {
    ty: Option<&'a Type>,
    sets: Vec<(&'a SelectionSet, Name)>,
}

/// Makes the value at the end of a path null, unless something on the way already is.
fn make_null(mut value: &mut Value, path: &[PathSegment]) {
    let Some((last, before)) = path.split_last() else { return };
    for segment in before {
        let inner = match (segment, value) {
            (PathSegment::Field(key), Value::Object(fields)) => fields.get_mut(key.as_str()),
            (PathSegment::Index(index), Value::List(items)) => items.get_mut(*index),
            _ => None,
        };
        let Some(inner) = inner else { return };
        value = inner;
    }
    match (last, value) {
        (PathSegment::Field(key), Value::Object(fields)) => {
            fields.insert(Name::new(key), Value::Null);
        }
        (PathSegment::Index(index), Value::List(items)) => {
            if let Some(item) = items.get_mut(*index) {
                *item = Value::Null;
            }
        }
        // An object of which every field failed is null already, for the library. It may be one
        // that is not.
        (PathSegment::Field(key), value @ Value::Null) => {
            *value = Value::Object([(Name::new(key), Value::Null)].into_iter().collect());
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{
        ServerError,
        parser::{parse_query, parse_schema},
    };
    use serde_json::{Value as Json, json};

    use super::*;

    const SDL: &str = "
        type Query { a: A b: A! list: [A!] lists: [[A]!]! node: Node }
        interface Node { id: Int! name: Int }
        type A implements Node { id: Int! name: Int a: A b: A! }
    ";

    fn after(query: &str, data: Json, paths: &[Json]) -> Json {
        after_in(SDL, query, data, paths)
    }

    fn after_in(sdl: &str, query: &str, data: Json, paths: &[Json]) -> Json {
        let mut response = Response::new(Value::from_json(data).unwrap());
        for path in paths {
            let path = path.as_array().unwrap().iter().map(|segment| match segment {
                Json::String(key) => PathSegment::Field(key.clone()),
                index => PathSegment::Index(index.as_u64().unwrap().try_into().unwrap()),
            });
            let error = ServerError::new("", None).with_path(path.collect());
            response.errors.push(error);
        }
        let document = parse_query(query).unwrap();
        OutputTypes::of(&parse_schema(sdl).unwrap()).propagate(&document, None, &mut response);
        response.data.into_json().unwrap()
    }

    #[test]
    fn what_may_be_null_is() {
        let query = "{ a { id name } b { id } }";
        let data = json!({ "a": { "id": 1 }, "b": { "id": 2 } });
        let expected = json!({ "a": { "id": 1, "name": null }, "b": { "id": 2 } });
        assert_eq!(after(query, data, &[json!(["a", "name"])]), expected);
        let data = json!({ "b": { "id": 2 } });
        let expected = json!({ "a": null, "b": { "id": 2 } });
        assert_eq!(after(query, data, &[json!(["a"])]), expected);
        // All that was asked for.
        assert_eq!(after("{ a { id } }", json!(null), &[json!(["a"])]), json!({ "a": null }));
    }

    #[test]
    fn what_may_not_be_null_takes_with_it_what_it_is_in() {
        let query = "{ a { id b { id b { id } } } b { id } }";
        let data = || json!({ "a": { "id": 1, "b": { "id": 2, "b": {} } }, "b": { "id": 3 } });
        let expected = json!({ "a": null, "b": { "id": 3 } });
        assert_eq!(after(query, data(), &[json!(["a", "b", "b", "id"])]), expected);
        assert_eq!(after(query, data(), &[json!(["b", "id"])]), json!(null));
        let both = [json!(["b", "id"]), json!(["a", "id"])];
        assert_eq!(after(query, data(), &both), json!(null));
        // Whichever error comes first, nothing comes back in what is null.
        let query = "{ a { id name } b { id } }";
        let mut both = [json!(["a", "id"]), json!(["a", "name"])];
        for _ in 0..2 {
            let data = json!({ "a": null, "b": { "id": 3 } });
            assert_eq!(after(query, data, &both), json!({ "a": null, "b": { "id": 3 } }));
            both.reverse();
        }
    }

    #[test]
    fn lists_and_their_items_are_told_apart() {
        let query = "{ list { id } lists { id } }";
        let data = || json!({ "list": [{}, { "id": 1 }], "lists": [[{}, { "id": 2 }]] });
        let expected = json!({ "list": null, "lists": [[{}, { "id": 2 }]] });
        assert_eq!(after(query, data(), &[json!(["list", 0, "id"])]), expected);
        let expected = json!({ "list": [{}, { "id": 1 }], "lists": [[null, { "id": 2 }]] });
        assert_eq!(after(query, data(), &[json!(["lists", 0, 0, "id"])]), expected);
        assert_eq!(after(query, data(), &[json!(["lists", 0])]), json!(null));
    }

    #[test]
    fn other_names_and_fragments_are_followed() {
        let query = "{ x: b { id } ...f node { ... on A { y: b { id } } ... { z: id } } }
            fragment f on Query { x: b { ...g } } fragment g on A { w: a { v: id } }";
        let data = || json!({ "x": { "id": 1, "w": {} }, "node": { "y": {}, "z": 2 } });
        let expected = json!({ "x": { "id": 1, "w": null }, "node": { "y": {}, "z": 2 } });
        assert_eq!(after(query, data(), &[json!(["x", "w", "v"])]), expected);
        let expected = json!({ "x": { "id": 1, "w": {} }, "node": null });
        assert_eq!(after(query, data(), &[json!(["node", "y", "id"])]), expected);
        assert_eq!(after(query, data(), &[json!(["node", "z"])]), expected);
        assert_eq!(after(query, data(), &[json!(["nothing"])]), json!(null));
    }

    #[test]
    fn roots_may_have_any_name() {
        let sdl = "schema { query: Q mutation: M } type Q { a: Int b: Int! } type M { a: Int }";
        let failed = [json!(["a"])];
        for query in ["{ a }", "mutation { a }"] {
            assert_eq!(after_in(sdl, query, json!(null), &failed), json!({ "a": null }), "{query}");
        }
    }
}
