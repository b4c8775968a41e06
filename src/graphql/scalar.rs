use async_graphql::{InputValueError, InputValueResult, Number, Scalar, ScalarType, Value};

use crate::clock::Timestamp;

/// A whole number of 64 bits, as a number of JSON: times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Long(pub i64);

/// A whole number of 64 bits. Times are milliseconds since the Unix epoch.
#[Scalar(name = "Long")]
impl ScalarType for Long {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number.as_i64().map(Self),
            _ => None,
        }
        // The value itself is not repeated: it may be anything.
        .ok_or_else(|| InputValueError::custom("a Long is a whole number of 64 bits"))
    }

    fn to_value(&self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

impl From<Timestamp> for Long {
    fn from(at: Timestamp) -> Self {
        Self(at.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_numbers_are_taken() {
        let parse = |json| Long::parse(Value::from_json(json).unwrap()).ok();
        assert_eq!(parse(serde_json::json!(i64::MAX)), Some(Long(i64::MAX)));
        assert_eq!(parse(serde_json::json!(i64::MIN)), Some(Long(i64::MIN)));
        for bad in [serde_json::json!(u64::MAX), 1.5.into(), "7".into(), true.into()] {
            assert_eq!(parse(bad), None);
        }
        assert_eq!(Long(7).to_value().to_string(), "7");
    }
}
