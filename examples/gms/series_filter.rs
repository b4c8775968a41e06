//! Which events of a series are meant.

use serde::Deserialize;
use serde_json::Value;

/// Alternatives, of which one has to match; none match everything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeriesFilter {
    #[serde(default)]
    or: Vec<All>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct All {
    #[serde(default)]
    and: Vec<Criterion>,
}

/// A member of an event, compared with texts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Criterion {
    field: String,
    #[serde(default)]
    values: Vec<String>,
    // What the client sent before it knew `values`.
    value: Option<String>,
    #[serde(default)]
    condition: Condition,
    #[serde(default)]
    negated: bool,
}

#[derive(Debug, Default, Clone, Copy, Deserialize)]
enum Condition {
    #[default]
    #[serde(rename = "EQUAL", alias = "IN")]
    Equal,
}

impl SeriesFilter {
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.or.is_empty()
            || self.or.iter().any(|all| all.and.iter().all(|criterion| criterion.matches(event)))
    }
}

impl Criterion {
    fn matches(&self, event: &Value) -> bool {
        let Condition::Equal = self.condition;
        let is = match event.get(&self.field) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Null) | None => None,
            Some(other) => Some(other.to_string()),
        };
        let found = is.is_some_and(|is| self.values.iter().chain(&self.value).any(|it| *it == is));
        found != self.negated
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn one_alternative_has_to_match_as_a_whole() {
        let event = json!({ "pipelineName": "p", "runs": 3 });
        let is = |field: &str, value: &str| json!({ "field": field, "values": [value], "condition": "EQUAL" });
        for (filter, matches) in [
            (json!({}), true),
            (json!({ "or": [] }), true),
            (json!({ "or": [{ "and": [] }] }), true),
            (json!({ "or": [{ "and": [is("pipelineName", "p"), is("runs", "3")] }] }), true),
            (json!({ "or": [{ "and": [is("pipelineName", "p"), is("runs", "4")] }] }), false),
            (json!({ "or": [{ "and": [is("runs", "4")] }, { "and": [is("runs", "3")] }] }), true),
            (json!({ "or": [{ "and": [is("other", "")] }] }), false),
            (json!({ "or": [{ "and": [{ "field": "runs", "value": "3" }] }] }), true),
            (
                json!({ "or": [{ "and": [{ "field": "runs", "values": ["3"], "negated": true }] }] }),
                false,
            ),
        ] {
            let read: SeriesFilter = serde_json::from_value(filter.clone()).unwrap();
            assert_eq!(read.matches(&event), matches, "{filter}");
        }
        let unknown = json!({ "or": [{ "and": [{ "field": "a", "condition": "CONTAIN" }] }] });
        assert!(serde_json::from_value::<SeriesFilter>(unknown).is_err());
    }
}
