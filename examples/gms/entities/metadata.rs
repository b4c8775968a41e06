//! What a write comes with: DataHub's system metadata.

use serde_json::{Map, Value};

use crate::refused::Refused;

/// The system metadata of a write, kept as it was sent, and the run that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SystemMetadata {
    pub(super) json: Option<String>,
    pub(crate) run_id: String,
}

impl SystemMetadata {
    /// Reads it from a request: an object, the same as JSON text (`datahub put --run-id`), or
    /// nothing.
    pub(crate) fn read(sent: Option<&Value>) -> Result<Self, Refused> {
        let bad = || Refused::bad("systemMetadata is an object, and its runId a text");
        let parsed;
        let members: &Map<String, Value> = match sent {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(members)) => members,
            Some(Value::String(text)) => {
                parsed = serde_json::from_str::<Map<_, _>>(text).map_err(|_| bad())?;
                &parsed
            }
            Some(_) => return Err(bad()),
        };
        let run_id = match members.get("runId") {
            None | Some(Value::Null) => NO_RUN.to_owned(),
            Some(Value::String(run_id)) => run_id.clone(),
            Some(_) => return Err(bad()),
        };
        let json = Value::Object(members.clone()).to_string();
        Ok(Self { json: Some(json), run_id })
    }
}

impl Default for SystemMetadata {
    fn default() -> Self {
        Self { json: None, run_id: NO_RUN.to_owned() }
    }
}

/// DataHub's run id where none is given.
const NO_RUN: &str = "no-run-id-provided";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_an_object_or_the_text_of_one_or_nothing() {
        let object = json!({ "runId": "r", "lastObserved": 1 });
        let read = SystemMetadata::read(Some(&object)).unwrap();
        assert_eq!(read.run_id, "r");
        assert_eq!(SystemMetadata::read(Some(&json!(object.to_string()))).unwrap(), read);
        for nothing in [None, Some(&Value::Null)] {
            assert_eq!(SystemMetadata::read(nothing).unwrap(), SystemMetadata::default());
        }
        assert_eq!(SystemMetadata::read(Some(&json!({}))).unwrap().run_id, NO_RUN);
        for bad in [json!([]), json!("x"), json!(1), json!({ "runId": 1 })] {
            assert!(SystemMetadata::read(Some(&bad)).is_err(), "{bad}");
        }
    }
}
