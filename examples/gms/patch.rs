//! Patches: JSON Patch (RFC 6902) as DataHub's client sends it.
//!
//! DataHub addresses the entries of a list by what they are and not by their place: where `tags` has
//! the key `tag`, `/tags/urn:li:tag:a` is the entry whose `tag` is that. So lists with keys are made
//! maps, patched, and made lists again, in the order that they had. What is added may be in
//! something that is not there yet, and what is removed may be gone already: the client sends its
//! requests again when it has not heard of them.

mod keyed;

use std::collections::BTreeMap;

use json_patch::{AddOperation, Patch as Operations, PatchOperation, jsonptr::Pointer};
use serde::Deserialize;
use serde_json::{Map, Value};

use self::keyed::{KeyedList, Order};
use crate::refused::Refused;

/// A patch of one aspect.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Patch {
    operations: Operations,
    lists: Vec<KeyedList>,
}

impl Patch {
    /// Reads a patch of `aspect`: a list of operations, or an object with these and the keys of
    /// lists. Lists whose keys are not given have those that DataHub has for the aspect.
    pub(crate) fn read(aspect: &str, value: &Value) -> Result<Self, Refused> {
        let bad = |what: &str| Refused::bad(format!("{aspect}: {what}"));
        let (operations, keys) = match value {
            Value::Array(_) => (value.clone(), None),
            _ => {
                let generic = Generic::deserialize(value)
                    .map_err(|error| bad(&format!("the patch cannot be read: {error}")))?;
                (generic.patch, generic.array_primary_keys)
            }
        };
        let operations: Operations = serde_json::from_value(operations)
            .map_err(|error| bad(&format!("the patch cannot be read: {error}")))?;
        if operations.len() > MAX_OPERATIONS {
            return Err(bad(&format!("{MAX_OPERATIONS} operations at most")));
        }
        for operation in &*operations {
            // A few copies of copies would fill the memory.
            if matches!(operation, PatchOperation::Copy(_) | PatchOperation::Move(_)) {
                return Err(bad("the operations are add, remove, replace and test"));
            }
            if operation.path().count() > MAX_DEPTH {
                return Err(bad(&format!("a path has {MAX_DEPTH} parts at most")));
            }
            if operation.path().is_root() {
                return Err(bad("a patch is of something in the aspect"));
            }
        }
        let lists = match keys {
            Some(keys) if keys.len() > MAX_LISTS => {
                return Err(bad(&format!("{MAX_LISTS} lists with keys at most")));
            }
            Some(keys) => {
                let lists = keys.into_iter().map(|(path, keys)| KeyedList::new(&path, &keys));
                lists.collect::<Result<_, _>>().map_err(|what| bad(&what))?
            }
            None => keyed::of_aspect(aspect),
        };
        Ok(Self { operations, lists })
    }

    /// What the aspect is after it.
    pub(crate) fn apply(&self, aspect: &str, current: Option<&Value>) -> Result<Value, Refused> {
        let bad = |what: &str| Refused::bad(format!("{aspect}: {what}"));
        let mut value = current.cloned().unwrap_or_else(|| keyed::empty(aspect));
        let mut order = Order::default();
        // Where there may be a list that is not open: anywhere, and then where something was changed.
        let mut changed: Vec<String> = Vec::new();
        for operation in &*self.operations {
            for list in &self.lists {
                list.open(&mut value, &changed, &mut order).map_err(|what| bad(&what))?;
            }
            changed = operation.path().tokens().map(|token| token.decoded().into_owned()).collect();
            match operation {
                PatchOperation::Remove(remove) if remove.path.resolve(&value).is_err() => continue,
                PatchOperation::Add(AddOperation { path, .. }) => make_parents(&mut value, path),
                _ => {}
            }
            json_patch::patch(&mut value, std::slice::from_ref(operation))
                .map_err(|error| bad(&error.to_string()))?;
        }
        for list in self.lists.iter().rev() {
            list.close(&mut value, &order).map_err(|what| bad(&what))?;
        }
        Ok(value)
    }
}

/// DataHub's `GenericJsonPatch`. That lists be patched by these keys is all that it is told by
/// `forceGenericPatch`, and they always are here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Generic {
    patch: Value,
    array_primary_keys: Option<BTreeMap<String, Vec<String>>>,
    #[serde(default, rename = "forceGenericPatch")]
    _force_generic_patch: Option<bool>,
}

fn make_parents(value: &mut Value, path: &Pointer) {
    let Some(parent) = path.parent() else { return };
    let mut at = value;
    for token in parent.tokens() {
        let next = match at {
            Value::Object(members) => {
                let member = members.entry(token.decoded().into_owned());
                member.or_insert_with(|| Value::Object(Map::new()))
            }
            // Whether there is such a place, the operation itself will tell.
            Value::Array(entries) => {
                let entry = token.decoded().parse::<usize>().ok();
                match entry.and_then(|entry| entries.get_mut(entry)) {
                    Some(entry) => entry,
                    None => return,
                }
            }
            _ => return,
        };
        at = next;
    }
}

const MAX_OPERATIONS: usize = 1_000;
const MAX_DEPTH: usize = 32;
const MAX_LISTS: usize = 32;

#[cfg(test)]
mod tests {
    use std::borrow::Borrow;

    use serde_json::json;

    use super::*;

    fn patched(aspect: &str, current: Value, patch: impl Borrow<Value>) -> Result<Value, Refused> {
        let current = (!current.is_null()).then_some(current);
        Patch::read(aspect, patch.borrow())?.apply(aspect, current.as_ref())
    }

    #[test]
    fn members_are_patched_in_place() {
        let properties = json!({ "customProperties": { "a": "1" }, "tags": ["x", "y"] });
        let patch = json!([
            { "op": "add", "path": "/description", "value": "new" },
            { "op": "add", "path": "/customProperties/b", "value": "2" },
            { "op": "remove", "path": "/customProperties/a" },
            { "op": "remove", "path": "/customProperties/gone" },
            { "op": "replace", "path": "/tags/0", "value": "z" },
        ]);
        let expected =
            json!({ "customProperties": { "b": "2" }, "tags": ["z", "y"], "description": "new" });
        assert_eq!(patched("datasetProperties", properties, patch.clone()).unwrap(), expected);
        // Once more, it changes nothing.
        assert_eq!(patched("datasetProperties", expected.clone(), patch).unwrap(), expected);
        let deep = json!([{ "op": "add", "path": "/a/b/c", "value": 1 }]);
        assert_eq!(patched("x", Value::Null, deep).unwrap(), json!({ "a": { "b": { "c": 1 } } }));
    }

    #[test]
    fn entries_are_known_by_their_keys_and_keep_their_order() {
        let tag = |name: &str| json!({ "tag": format!("urn:li:tag:{name}") });
        let tags = json!({ "tags": [tag("z"), tag("a/b"), tag("m")] });
        let generic = |operations: Value| {
            json!({
                "arrayPrimaryKeys": { "tags": ["attribution\u{241f}source", "tag"] },
                "patch": operations, "forceGenericPatch": false,
            })
        };
        let add = generic(json!([
            { "op": "add", "path": "/tags//urn:li:tag:x", "value": tag("x") },
            { "op": "remove", "path": "/tags//urn:li:tag:a~1b", "value": {} },
            { "op": "remove", "path": "/tags/urn:li:source/urn:li:tag:z", "value": {} },
        ]));
        let expected = json!({ "tags": [tag("z"), tag("m"), tag("x")] });
        assert_eq!(patched("globalTags", tags.clone(), add.clone()).unwrap(), expected);
        assert_eq!(patched("globalTags", expected.clone(), add.clone()).unwrap(), expected);
        let first = patched("globalTags", Value::Null, add).unwrap();
        assert_eq!(first, json!({ "tags": [tag("x")] }));
        // All with the same first key.
        let none = generic(json!([{ "op": "remove", "path": "/tags/", "value": {} }]));
        assert_eq!(patched("globalTags", tags, none).unwrap(), json!({ "tags": [] }));
        // From another source, it is another entry.
        let sourced = json!({ "tag": "urn:li:tag:z", "attribution": { "source": "urn:li:s" } });
        let add = generic(json!([
            { "op": "add", "path": "/tags/urn:li:s/urn:li:tag:z", "value": sourced },
        ]));
        let both = patched("globalTags", json!({ "tags": [tag("z")] }), add).unwrap();
        assert_eq!(both, json!({ "tags": [tag("z"), sourced] }));
    }

    #[test]
    fn known_aspects_have_the_keys_that_datahub_has_for_them() {
        let edge = |name: &str| json!({ "dataset": name, "type": "COPY" });
        let patch = json!([
            { "op": "add", "path": "/upstreams", "value": [edge("a"), edge("b")] },
            { "op": "add", "path": "/upstreams/c", "value": edge("c") },
            { "op": "remove", "path": "/upstreams/a", "value": {} },
        ]);
        let lineage = patched("upstreamLineage", Value::Null, patch).unwrap();
        assert_eq!(lineage, json!({ "upstreams": [edge("b"), edge("c")] }));
        // Texts are their own keys.
        let fields = json!([{ "op": "add", "path": "/inputDatasetFields/f", "value": {} }]);
        let fields = patched("dataJobInputOutput", Value::Null, fields).unwrap();
        assert_eq!(fields["inputDatasetFields"], json!(["f"]));
        assert_eq!(fields["outputDatasets"], json!([]));
        let siblings = json!({ "siblings": ["b", "a"], "primary": false });
        let patch = json!([
            { "op": "add", "path": "/siblings/c", "value": "c" },
            { "op": "add", "path": "/siblings/a", "value": "a" },
            { "op": "remove", "path": "/siblings/b", "value": {} },
        ]);
        let siblings = patched("siblings", siblings, patch).unwrap();
        assert_eq!(siblings, json!({ "siblings": ["a", "c"], "primary": false }));
        // Lists in the entries of lists.
        let schema = json!({ "editableSchemaFieldInfo": [
            { "fieldPath": "b", "globalTags": { "tags": [{ "tag": "t" }] } },
            { "fieldPath": "a" },
        ] });
        let new = json!([{ "op": "add", "path": "/editableSchemaFieldInfo/c/globalTags/tags/t",
            "value": { "tag": "t" } }]);
        let expected = json!({ "editableSchemaFieldInfo": [
            { "fieldPath": "c", "globalTags": { "tags": [{ "tag": "t" }] } },
        ] });
        assert_eq!(patched("editableSchemaMetadata", Value::Null, new).unwrap(), expected);
        let patch = json!([
            { "op": "add", "path": "/editableSchemaFieldInfo/a/globalTags/tags/u", "value": { "tag": "u" } },
            { "op": "remove", "path": "/editableSchemaFieldInfo/b/globalTags/tags/t", "value": {} },
        ]);
        let expected = json!({ "editableSchemaFieldInfo": [
            { "fieldPath": "b", "globalTags": { "tags": [] } },
            { "fieldPath": "a", "globalTags": { "tags": [{ "tag": "u" }] } },
        ] });
        assert_eq!(patched("editableSchemaMetadata", schema, patch).unwrap(), expected);
    }

    /// What is patched is all that is looked at again.
    #[test]
    fn many_operations_on_many_entries_take_no_time() {
        let entries: Vec<Value> =
            (0..20_000).map(|number| json!({ "fieldPath": format!("f{number}") })).collect();
        let schema = json!({ "editableSchemaFieldInfo": entries });
        let operations: Vec<Value> = (0..MAX_OPERATIONS)
            .map(|number| {
                let path = format!("/editableSchemaFieldInfo/f{number}/globalTags/tags");
                json!({ "op": "add", "path": path, "value": [{ "tag": "t" }] })
            })
            .collect();
        let start = std::time::Instant::now();
        let patched = patched("editableSchemaMetadata", schema, json!(operations)).unwrap();
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{:?}", start.elapsed());
        let last = &patched["editableSchemaFieldInfo"][MAX_OPERATIONS - 1];
        assert_eq!(last["globalTags"]["tags"], json!([{ "tag": "t" }]));
    }

    /// A list that an operation puts there is one that the next finds open.
    #[test]
    fn what_became_a_list_again_is_opened_again() {
        let field = |tags: Value| json!({ "fieldPath": "a", "globalTags": { "tags": tags } });
        let patch = json!([
            { "op": "add", "path": "/editableSchemaFieldInfo", "value": [field(json!([{ "tag": "t" }]))] },
            { "op": "add", "path": "/editableSchemaFieldInfo/a/globalTags/tags/u", "value": { "tag": "u" } },
            { "op": "replace", "path": "/editableSchemaFieldInfo/a", "value": field(json!([{ "tag": "v" }])) },
            { "op": "add", "path": "/editableSchemaFieldInfo/a/globalTags/tags/w", "value": { "tag": "w" } },
            { "op": "remove", "path": "/editableSchemaFieldInfo/a/globalTags/tags/v" },
        ]);
        let patched = patched("editableSchemaMetadata", Value::Null, patch).unwrap();
        let expected = json!({ "editableSchemaFieldInfo": [field(json!([{ "tag": "w" }]))] });
        assert_eq!(patched, expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let add = |path: &str, value: Value| json!([{ "op": "add", "path": path, "value": value }]);
        let deep = "/a".repeat(MAX_DEPTH + 1);
        let lists = |count: usize| -> BTreeMap<String, [&str; 1]> {
            (0..count).map(|number| (format!("list{number}"), ["key"])).collect()
        };
        let most = json!({ "arrayPrimaryKeys": lists(MAX_LISTS), "patch": [] });
        assert!(Patch::read("x", &most).is_ok());
        let many = vec![json!({ "op": "remove", "path": "/a" }); MAX_OPERATIONS + 1];
        for (current, patch) in [
            (json!(null), json!("add")),
            (json!(null), json!({ "arrayPrimaryKeys": {} })),
            (json!(null), json!({ "patch": [], "other": 1 })),
            (json!(null), json!([{ "op": "jump", "path": "/a" }])),
            (json!({ "tags": [], "a": 1 }), json!([{ "op": "copy", "from": "/a", "path": "/b" }])),
            (json!({ "tags": [], "a": 1 }), json!([{ "op": "move", "from": "/a", "path": "/b" }])),
            (json!(null), json!([{ "op": "replace", "path": "/a", "value": 1 }])),
            (json!({ "a": 1 }), json!([{ "op": "test", "path": "/a", "value": 2 }])),
            (json!(null), add("", json!(1))),
            (json!(null), add("tags", json!(1))),
            (json!(null), add(&deep, json!(1))),
            (json!(null), json!({ "arrayPrimaryKeys": lists(MAX_LISTS + 1), "patch": [] })),
            (json!(null), json!({ "arrayPrimaryKeys": { deep.clone(): ["a"] }, "patch": [] })),
            (json!(null), json!({ "arrayPrimaryKeys": { "a": [deep.clone()] }, "patch": [] })),
            (json!(null), json!({ "arrayPrimaryKeys": { "a": vec!["k"; 9] }, "patch": [] })),
            (json!(null), json!({ "arrayPrimaryKeys": { "a/*/b/*/c/*/d": ["k"] }, "patch": [] })),
            (json!(null), json!(many)),
            (json!({ "a": "text" }), add("/a/b", json!(1))),
            // Not an entry for each of the keys.
            (
                json!(null),
                json!({ "arrayPrimaryKeys": { "tags": ["s", "tag"] },
                "patch": [{ "op": "add", "path": "/tags/x", "value": "y" }] }),
            ),
            // Which of two of the same key is meant, nobody can tell.
            (
                json!({ "tags": [{ "tag": "a", "n": 1 }, { "tag": "a", "n": 2 }] }),
                json!([{ "op": "add", "path": "/tags/b", "value": { "tag": "b" } }]),
            ),
        ] {
            let patched = patched("globalTags", current, patch.clone());
            assert!(patched.is_err(), "{patch} {patched:?}");
        }
    }
}
