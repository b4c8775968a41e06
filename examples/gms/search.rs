//! Searching the entity store: what is there of some types, and matches some conditions.
//!
//! Nothing here asks who may find what: the caller says of each hit whether it is one, and only
//! these are counted.

mod document;

use serde_json::Value;
use tower_pat::{actor::Urn, backend::BoxFuture};

use self::document::Document;
use crate::{
    refused::Refused,
    registry::EntityType,
    service::{Aspects, MetadataService},
};

/// What is searched for.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Of these types; of all, if none are named.
    pub(crate) types: Vec<&'static EntityType>,
    /// Words that are all in it; `*` is in everything.
    pub(crate) text: String,
    /// Alternatives, of which one matches; none match everything.
    pub(crate) any_of: Vec<Vec<Criterion>>,
    /// Whether soft-deleted entities are found, where no condition is about that.
    pub(crate) include_removed: bool,
}

/// A condition on a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Criterion {
    pub(crate) field: String,
    pub(crate) values: Vec<String>,
    pub(crate) condition: Condition,
    pub(crate) negated: bool,
}

/// How a field is compared with values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Equal,
    EqualIgnoreCase,
    Contain,
    StartWith,
    EndWith,
    Exists,
}

/// Who asks, and so what they find.
pub(crate) trait Readable: Sync {
    /// Whether they may read this entity.
    fn may_read<'a>(
        &'a self,
        entity_type: &'static EntityType,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<bool, Refused>>;
}

/// Which of the hits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice<'a> {
    /// Those behind this urn.
    pub(crate) after: &'a str,
    /// Without as many of the first.
    pub(crate) skip: usize,
    /// At most so many.
    pub(crate) count: usize,
    /// Whether it is asked how many there are on all pages.
    pub(crate) total: bool,
}

/// A page of hits, in the order of their urns.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    pub(crate) urns: Vec<Urn>,
    /// Where the next page begins, if there is one.
    pub(crate) next: Option<String>,
    /// How many there are on all pages, if that was asked: at least, where there is too much to look
    /// at for one request.
    pub(crate) total: usize,
}

impl Search {
    /// Finds what matches and is `readable`; nobody learns of anything else from it.
    pub(crate) async fn find(
        &self,
        service: &MetadataService,
        slice: Slice<'_>,
        readable: &impl Readable,
    ) -> Result<Hits, Refused> {
        for criterion in self.any_of.iter().flatten() {
            criterion.check()?;
        }
        let types = self.type_names();
        let mut hits = Hits::default();
        // How many there are is the same on every page.
        let mut after = if slice.total { String::new() } else { slice.after.to_owned() };
        let mut skipped = 0;
        let mut is_full = false;
        let mut looked_at = 0;
        loop {
            let (candidates, last) = service.entities.candidates(&types, &after, CHUNK).await?;
            let Some(last) = last else { break };
            after = last;
            looked_at += CHUNK;
            for (urn, aspects) in candidates {
                let Some(entity_type) = EntityType::find(urn.entity_type()) else { continue };
                let Some(aspects) = whole(service, entity_type, &urn, aspects).await? else {
                    continue;
                };
                if !self.matches(entity_type, &urn, &aspects)
                    || !readable.may_read(entity_type, &urn).await?
                {
                    continue;
                }
                hits.total += 1;
                if urn.as_str() <= slice.after {
                    continue;
                }
                if skipped < slice.skip {
                    skipped += 1;
                    continue;
                }
                if hits.urns.len() < slice.count {
                    hits.urns.push(urn);
                } else {
                    is_full = true;
                    hits.next = hits.urns.last().map(ToString::to_string);
                }
                if is_full && !slice.total {
                    return Ok(hits);
                }
            }
            if looked_at >= MAX_LOOKED_AT && after.as_str() <= slice.after {
                // What is counted ends here, and the page begins further on.
                slice.after.clone_into(&mut after);
                looked_at = 0;
            } else if looked_at >= MAX_LOOKED_AT {
                // The rest is for whoever asks for the next page.
                hits.next.get_or_insert(after);
                break;
            }
        }
        Ok(hits)
    }

    fn matches(&self, entity_type: &EntityType, urn: &Urn, aspects: &Aspects) -> bool {
        let document = Document::new(entity_type, urn, aspects);
        let is_about_removed =
            self.any_of.iter().flatten().any(|criterion| criterion.name() == "removed");
        if !self.include_removed && !is_about_removed && document.is_removed() {
            return false;
        }
        let matches =
            |all: &Vec<Criterion>| all.iter().all(|criterion| criterion.matches(&document));
        let words = self.text.split_whitespace().map(|word| word.trim_matches(['*', '"']));
        let mut words = words.map(str::to_lowercase).filter(|word| !word.is_empty());
        (self.any_of.is_empty() || self.any_of.iter().any(matches))
            && words.all(|word| document.has_word(&word))
    }

    /// The names of the types in the store. What reports on ingestions is found where it is asked
    /// for by its type.
    fn type_names(&self) -> Vec<&'static str> {
        if self.types.is_empty() {
            let all = EntityType::all().map(|entity_type| entity_type.name.as_str());
            return all.filter(|name| !REPORTS.contains(name)).collect();
        }
        self.types.iter().map(|entity_type| entity_type.name.as_str()).collect()
    }
}

impl Criterion {
    /// Refuses a field that is not known. Who deletes what they find must not find everything.
    fn check(&self) -> Result<(), Refused> {
        if document::FIELDS.contains(&self.name()) {
            return Ok(());
        }
        Err(Refused::bad(format!("there is no field `{}` to search by", self.field)))
    }

    fn name(&self) -> &str {
        self.field.strip_suffix(".keyword").unwrap_or(&self.field)
    }

    fn matches(&self, document: &Document<'_>) -> bool {
        let name = self.name();
        let found = document.values(name).iter().any(|value| self.compares(name, value));
        found != self.negated
    }

    fn compares(&self, name: &str, value: &str) -> bool {
        let any = |test: &dyn Fn(&str) -> bool| self.values.iter().any(|wanted| test(wanted));
        match self.condition {
            Condition::Exists => true,
            // `DATASET` and `dataset`, `CORP_USER` and `corpuser`.
            Condition::Equal if name == "_entityType" => {
                any(&|wanted| type_name(wanted) == type_name(value))
            }
            Condition::Equal => any(&|wanted| wanted == value),
            Condition::EqualIgnoreCase => {
                any(&|wanted| wanted.to_lowercase() == value.to_lowercase())
            }
            Condition::Contain => any(&|wanted| value.contains(wanted)),
            Condition::StartWith => any(&|wanted| value.starts_with(wanted)),
            Condition::EndWith => any(&|wanted| value.ends_with(wanted)),
        }
    }
}

/// A user or group as the directory has it; anything else is as it was found.
async fn whole(
    service: &MetadataService,
    entity_type: &'static EntityType,
    urn: &Urn,
    aspects: Aspects,
) -> Result<Option<Aspects>, Refused> {
    match entity_type.name.as_str() {
        "corpuser" | "corpGroup" => Ok(service.aspects(entity_type, urn).await?),
        _ => Ok(Some(aspects)),
    }
}

fn type_name(text: &str) -> String {
    text.replace('_', "").to_lowercase()
}

/// Texts in a value, at most one member deep.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Bool(_) | Value::Number(_) => vec![value.to_string()],
        _ => Vec::new(),
    }
}

const REPORTS: [&str; 2] = ["dataHubIngestionSource", "dataHubExecutionRequest"];

/// Entities that are looked at at once.
const CHUNK: u32 = 500;

/// Entities that are looked at for one request.
const MAX_LOOKED_AT: u32 = if cfg!(test) { 1_000 } else { 50_000 };
