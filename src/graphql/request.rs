use std::fmt;

use async_graphql::Variables;
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use crate::rejection::{Rejection, RejectionCode};

/// What a request's body asks for.
///
/// Not `Debug`: a query and its variables may hold the text of a token.
#[derive(Deserialize)]
pub(super) struct Asked {
    pub(super) query: Option<String>,
    #[serde(default, deserialize_with = "variables")]
    pub(super) variables: Variables,
    #[serde(default, rename = "operationName")]
    pub(super) operation_name: Option<String>,
}

impl Asked {
    /// Reads a body. What is wrong is said without repeating anything of it.
    pub(super) fn read(body: &[u8]) -> Result<Self, Rejection> {
        let bad = |detail: String| Rejection::new(RejectionCode::BadRequest, detail);
        let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
        if first == Some(&b'[') {
            return Err(bad("one query to a request: a list of them is not taken".to_owned()));
        }
        let asked: Self = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            bad(match error.classify() {
                serde_json::error::Category::Data => format!(
                    "the body must be a JSON object with a text `query`, and optionally an object \
                     `variables` and a text `operationName` (line {line}, column {column})"
                ),
                _ => format!("the body is not valid JSON (line {line}, column {column})"),
            })
        })?;
        if asked.query().trim().is_empty() {
            return Err(bad("the body has no `query`".to_owned()));
        }
        Ok(asked)
    }

    pub(super) fn query(&self) -> &str {
        self.query.as_deref().unwrap_or_default()
    }
}

fn variables<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Variables, D::Error> {
    struct Object;

    // By hand, since a name that comes twice would otherwise count as its last value.
    impl<'de> de::Visitor<'de> for Object {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Map::new())
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut object = Map::new();
            while let Some((name, value)) = map.next_entry::<String, Value>()? {
                if object.insert(name, value).is_some() {
                    return Err(de::Error::custom("a variable is there twice"));
                }
            }
            Ok(object)
        }
    }

    deserializer.deserialize_any(Object).map(|object| Variables::from_json(Value::Object(object)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_optional_may_be_null_or_absent() {
        for body in [
            r#"{"query":"{a}"}"#,
            r#"{"query":"{a}","variables":null,"operationName":null,"extensions":{}}"#,
            r#" {"operationName":null,"variables":{},"query":"{a}"} "#,
        ] {
            let asked = Asked::read(body.as_bytes()).unwrap_or_else(|e| panic!("{body}: {e}"));
            assert_eq!((asked.query(), asked.operation_name.as_deref()), ("{a}", None));
            assert!(asked.variables.is_empty());
        }
    }

    #[test]
    fn what_is_no_request_is_refused_without_being_repeated() {
        let deep = format!(r#"{{"query":"q","variables":{{"secret":{}"#, "[".repeat(10_000));
        for body in [
            "",
            "null",
            "7",
            "\u{feff}{}",
            "{}",
            r#"{"query":null}"#,
            r#"{"query":" \n"}"#,
            r#"{"query":"secret"#,
            r#"{"query":7}"#,
            r#"{"query":"{a}","variables":"secret"}"#,
            r#"{"query":"{a}","variables":["secret"]}"#,
            r#"{"query":"{a}","variables":{"secret":1,"secret":2}}"#,
            r#"{"query":"{a}","query":"{secret}"}"#,
            r#"{"query":"{a}","operationName":{"secret":1}}"#,
            r#"{"query":"{a}"} secret"#,
            r#"[{"query":"{secret}"}]"#,
            &deep,
        ] {
            let Err(refused) = Asked::read(body.as_bytes()) else { panic!("{body}") };
            assert_eq!(refused.code(), RejectionCode::BadRequest, "{body}");
            assert!(!refused.detail().contains("secret"), "{refused}");
        }
        assert!(Asked::read(b"{\"query\":\"\xff\"}").is_err());
    }
}
