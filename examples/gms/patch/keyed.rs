//! Lists whose entries are addressed by their keys, as the maps that they are in paths.

use std::collections::{HashMap, hash_map::Entry};

use serde_json::{Map, Value, json};

/// A list in an aspect, and the members of its entries that tell these apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyedList {
    /// Where it is; `*` is every entry of the list around it.
    path: Vec<String>,
    /// Where the keys are in an entry; none, if entries are texts.
    keys: Vec<Vec<String>>,
}

/// In which order the entries of lists were: their places by their keys, by where the list is.
#[derive(Debug, Default)]
pub(super) struct Order(HashMap<Vec<String>, HashMap<Vec<String>, usize>>);

impl KeyedList {
    pub(super) fn new(path: &str, keys: &[String]) -> Result<Self, String> {
        let list = Self::of(path, keys);
        let is_long = |path: &Vec<String>| path.len() > MAX_PARTS;
        if list.keys.len() > MAX_KEYS || is_long(&list.path) || list.keys.iter().any(is_long) {
            return Err(format!(
                "a list has {MAX_KEYS} keys, and a path {MAX_PARTS} parts at most"
            ));
        }
        if list.path.iter().filter(|part| *part == "*").count() > MAX_WILDCARDS {
            return Err(format!("a path has {MAX_WILDCARDS} `*` at most"));
        }
        Ok(list)
    }

    fn of(path: &str, keys: &[impl AsRef<str>]) -> Self {
        let split = |text: &str| text.split([SEPARATOR, '/']).map(str::to_owned).collect();
        Self { path: split(path), keys: keys.iter().map(|key| split(key.as_ref())).collect() }
    }

    /// Makes the list a map, one level for each of the keys. Only what is on the way to `changed`, or
    /// behind it, is looked at.
    pub(super) fn open(
        &self,
        value: &mut Value,
        changed: &[String],
        order: &mut Order,
    ) -> Result<(), String> {
        descend(value, &self.path, changed, &mut Vec::new(), &mut |place, list| {
            let Value::Array(entries) = list else { return Ok(()) };
            let mut map = Value::Object(Map::new());
            let mut places: HashMap<Vec<String>, usize> = HashMap::new();
            for entry in std::mem::take(entries) {
                let keys = self.keys_of(&entry);
                let mut slot = &mut map;
                for key in &keys {
                    let level = slot.as_object_mut().ok_or("a list has unlike entries")?;
                    slot = level.entry(key.clone()).or_insert_with(|| Value::Object(Map::new()));
                }
                let number = places.len();
                match places.entry(keys) {
                    Entry::Occupied(_) if *slot != entry => {
                        return Err("two entries have the same key".to_owned());
                    }
                    Entry::Occupied(_) => {}
                    Entry::Vacant(free) => {
                        free.insert(number);
                        *slot = entry;
                    }
                }
            }
            *list = map;
            order.0.insert(place.to_vec(), places);
            Ok(())
        })
    }

    /// Makes the map a list again: what was there in the order that it had, then what is new.
    pub(super) fn close(&self, value: &mut Value, order: &Order) -> Result<(), String> {
        descend(value, &self.path, &[], &mut Vec::new(), &mut |place, map| {
            let Value::Object(_) = map else { return Ok(()) };
            let mut entries = Vec::new();
            self.leaves(std::mem::take(map), &mut Vec::new(), &mut entries)?;
            if let Some(places) = order.0.get(place) {
                entries.sort_by_key(|(keys, _)| places.get(keys).copied().unwrap_or(usize::MAX));
            }
            *map = entries.into_iter().map(|(_, entry)| entry).collect();
            Ok(())
        })
    }

    fn levels(&self) -> usize {
        self.keys.len().max(1)
    }

    fn keys_of(&self, entry: &Value) -> Vec<String> {
        if self.keys.is_empty() {
            return vec![text_of(Some(entry))];
        }
        let key =
            |path: &Vec<String>| text_of(path.iter().try_fold(entry, |at, member| at.get(member)));
        self.keys.iter().map(key).collect()
    }

    fn leaves(
        &self,
        value: Value,
        keys: &mut Vec<String>,
        entries: &mut Vec<(Vec<String>, Value)>,
    ) -> Result<(), String> {
        if keys.len() == self.levels() {
            entries.push((keys.clone(), self.entry(keys, value)));
            return Ok(());
        }
        let Value::Object(members) = value else {
            let (given, needed) = (keys.len(), self.levels());
            return Err(format!("an entry has {needed} keys, and the path has {given}"));
        };
        for (key, member) in members {
            keys.push(key);
            self.leaves(member, keys, entries)?;
            keys.pop();
        }
        Ok(())
    }

    /// An entry as it is in the list. What its path says of it need not be said again: a text is its
    /// key, and a key that is not there is what the path has for it.
    fn entry(&self, keys: &[String], mut value: Value) -> Value {
        if self.keys.is_empty() {
            return Value::from(keys.concat());
        }
        if let Value::Object(members) = &mut value {
            for (path, key) in self.keys.iter().zip(keys).filter(|(_, key)| !key.is_empty()) {
                if let [name] = path.as_slice() {
                    members.entry(name.clone()).or_insert_with(|| Value::from(key.clone()));
                }
            }
        }
        value
    }
}

/// What is done to each list, told where it is.
type Change<'a> = dyn FnMut(&[String], &mut Value) -> Result<(), String> + 'a;
fn descend(
    value: &mut Value,
    path: &[String],
    changed: &[String],
    place: &mut Vec<String>,
    change: &mut Change<'_>,
) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        return change(place, value);
    };
    let Value::Object(members) = value else { return Ok(()) };
    let (only, behind) = match changed.split_first() {
        Some((next, _)) if first != "*" && first != next => return Ok(()),
        Some((next, behind)) => (Some(next), behind),
        None => (Some(first).filter(|first| *first != "*"), changed),
    };
    let mut enter = |name: &String, member: &mut Value| {
        place.push(name.clone());
        descend(member, rest, behind, place, change)?;
        place.pop();
        Ok(())
    };
    match only {
        Some(name) => members.get_mut(name).map_or(Ok(()), |member| enter(name, member)),
        None => members.iter_mut().try_for_each(|(name, member)| enter(name, member)),
    }
}

/// What is not there is the empty text, as DataHub's client has it in paths.
fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The lists of an aspect whose keys DataHub knows without being told. Lists around others first.
pub(super) fn of_aspect(aspect: &str) -> Vec<KeyedList> {
    let known = LISTS.iter().filter(|(name, _, _)| *name == aspect);
    known.map(|(_, path, keys)| KeyedList::of(path, keys)).collect()
}

/// What an aspect that is not there is patched as: what DataHub's client needs of it, empty.
pub(super) fn empty(aspect: &str) -> Value {
    let of = LISTS.iter().filter(|(name, path, _)| *name == aspect && !path.contains('/'));
    let mut members: Map<_, _> = of.map(|(_, path, _)| ((*path).to_owned(), json!([]))).collect();
    if aspect == "glossaryTerms" {
        let unknown = json!({ "time": 0, "actor": "urn:li:corpuser:unknown" });
        members.insert("auditStamp".to_owned(), unknown);
    }
    Value::Object(members)
}

/// Keys of a list, parts of a path, and lists around lists: more than any of DataHub's has.
const MAX_KEYS: usize = 8;
const MAX_PARTS: usize = 32;
const MAX_WILDCARDS: usize = 2;

/// What DataHub separates the members of a path by: U+241F.
const SEPARATOR: char = '\u{241f}';

const LISTS: [(&str, &str, &[&str]); 27] = [
    ("chartInfo", "chartEdges", &["destinationUrn"]),
    ("chartInfo", "inputEdges", &["destinationUrn"]),
    ("dashboardInfo", "chartEdges", &["destinationUrn"]),
    ("dashboardInfo", "charts", &[]),
    ("dashboardInfo", "dashboards", &["destinationUrn"]),
    ("dashboardInfo", "datasetEdges", &["destinationUrn"]),
    ("dashboardInfo", "datasets", &[]),
    ("dataJobInputOutput", "inputDatajobEdges", &["destinationUrn"]),
    ("dataJobInputOutput", "inputDatasetEdges", &["destinationUrn"]),
    ("dataJobInputOutput", "inputDatasetFields", &[]),
    ("dataJobInputOutput", "inputDatasets", &[]),
    ("dataJobInputOutput", "outputDatasetEdges", &["destinationUrn"]),
    ("dataJobInputOutput", "outputDatasetFields", &[]),
    ("dataJobInputOutput", "outputDatasets", &[]),
    ("dataProductProperties", "assets", &["destinationUrn"]),
    ("editableSchemaMetadata", "editableSchemaFieldInfo", &["fieldPath"]),
    ("editableSchemaMetadata", "editableSchemaFieldInfo/*/globalTags/tags", &["tag"]),
    ("editableSchemaMetadata", "editableSchemaFieldInfo/*/glossaryTerms/terms", &["urn"]),
    ("formInfo", "prompts", &["id"]),
    ("globalTags", "tags", &["tag"]),
    ("glossaryTerms", "terms", &["urn"]),
    ("institutionalMemory", "elements", &["url"]),
    ("ownership", "owners", &["owner", "type"]),
    ("propertyDefinition", "entityTypes", &[]),
    ("siblings", "siblings", &[]),
    ("structuredProperties", "properties", &["propertyUrn"]),
    ("upstreamLineage", "upstreams", &["dataset"]),
];
