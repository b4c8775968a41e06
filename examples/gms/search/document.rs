//! An entity as a search sees it.

use serde_json::Value;
use tower_pat::actor::Urn;

use super::texts;
use crate::{registry::EntityType, service::Aspects};

/// An entity, and its fields by DataHub's names.
#[derive(Debug)]
pub(super) struct Document<'a> {
    entity_type: &'a EntityType,
    urn: &'a Urn,
    aspects: &'a Aspects,
    key: Value,
}

impl<'a> Document<'a> {
    pub(super) fn new(entity_type: &'a EntityType, urn: &'a Urn, aspects: &'a Aspects) -> Self {
        let key = entity_type.key(urn).unwrap_or(Value::Null);
        Self { entity_type, urn, aspects, key }
    }

    /// The values of one of [`FIELDS`].
    pub(super) fn values(&self, field: &str) -> Vec<String> {
        match field {
            "urn" => vec![self.urn.to_string()],
            "_entityType" => vec![self.entity_type.name.clone()],
            "removed" => vec![self.is_removed().to_string()],
            "platform" => self.platform().into_iter().collect(),
            "platformInstance" => self.at("dataPlatformInstance", &["instance"]),
            "origin" => texts(self.key.get("origin").unwrap_or(&Value::Null)),
            "env" => self.anywhere("env"),
            "customProperties" => self.custom_properties(),
            "browsePathV2" => {
                let urns = self.at("browsePathsV2", &["path", "urn"]);
                urns.into_iter().chain(self.at("browsePathsV2", &["path", "id"])).collect()
            }
            "container" => self.at("container", &["container"]),
            "domains" => self.at("domains", &["domains"]),
            "glossaryTerms" => self.at("glossaryTerms", &["terms", "urn"]),
            "owners" => self.at("ownership", &["owners", "owner"]),
            "tags" => self.at("globalTags", &["tags", "tag"]),
            "typeNames" => self.at("subTypes", &["typeNames"]),
            "name" => self.anywhere("name"),
            _ => Vec::new(),
        }
    }

    pub(super) fn is_removed(&self) -> bool {
        self.at("status", &["removed"]) == ["true"]
    }

    /// Whether a word, in lower case, is in what people call the entity.
    pub(super) fn has_word(&self, word: &str) -> bool {
        let names = ["name", "displayName", "title", "fullName", "email", "description"];
        self.urn.key().to_lowercase().contains(word)
            || names
                .iter()
                .flat_map(|name| self.anywhere(name))
                .any(|text| text.to_lowercase().contains(word))
    }

    /// The platform in the key, or that of the entity in the key, or that of its instance.
    fn platform(&self) -> Option<String> {
        let key = |name: &str| self.key.get(name).and_then(Value::as_str);
        let named = |name: &str| Some(format!("urn:li:dataPlatform:{name}"));
        if let Some(platform) = key("platform") {
            return Some(platform.to_owned());
        }
        if let Some(name) = key("orchestrator").or(key("dashboardTool")) {
            return named(name);
        }
        if let Some(flow) = key("flow").and_then(|flow| flow.parse::<Urn>().ok()) {
            let flow = EntityType::find("dataFlow")?.key(&flow)?;
            return named(flow.get("orchestrator")?.as_str()?);
        }
        self.at("dataPlatformInstance", &["platform"]).pop()
    }

    fn custom_properties(&self) -> Vec<String> {
        let all = self.aspects.values().filter_map(|value| value.get("customProperties"));
        let members = all.filter_map(Value::as_object).flatten();
        members.filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect()
    }

    /// The texts of a member of any aspect.
    fn anywhere(&self, member: &str) -> Vec<String> {
        self.aspects.values().filter_map(|value| value.get(member)).flat_map(texts).collect()
    }

    /// The texts at a place in an aspect; of a list, of all its entries.
    fn at(&self, aspect: &str, path: &[&str]) -> Vec<String> {
        let mut found: Vec<&Value> = self.aspects.get(aspect).into_iter().collect();
        for member in path {
            let members = found.into_iter().filter_map(|value| value.get(member));
            found = members
                .flat_map(|value| match value {
                    Value::Array(entries) => entries.iter().collect(),
                    other => vec![other],
                })
                .collect();
        }
        found.into_iter().flat_map(texts).collect()
    }
}

/// What can be searched by.
pub(super) const FIELDS: [&str; 16] = [
    "urn",
    "_entityType",
    "removed",
    "platform",
    "platformInstance",
    "origin",
    "env",
    "customProperties",
    "browsePathV2",
    "container",
    "domains",
    "glossaryTerms",
    "owners",
    "tags",
    "typeNames",
    "name",
];
