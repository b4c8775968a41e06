//! Strict JSON: what `serde_json` lets pass and a verifier should not.
//!
//! `serde_json` itself refuses text behind the value, invalid UTF-8 and nesting beyond 128 levels.
//! Here every object, at any depth, is also refused if it has a member twice, since two readers of
//! such an object need not agree on what it says (RFC 8725 section 2.4, RFC 7515 section 4).

use std::{borrow::Cow, fmt};

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value as far as it matters here.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'de> {
    Text(Cow<'de, str>),
    Integer(i64),
    Float(f64),
    Null,
    /// A boolean, an array, an object, or an integer beyond `i64`.
    Other,
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(i64::try_from(number).map_or(Value::Other, Value::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float(number))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value<'de>, A::Error> {
        while items.next_element::<Value<'de>>()?.is_some() {}
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Value<'de>, A::Error> {
        visit_members(members, |_, _| ())?;
        Ok(Value::Other)
    }
}

/// Reads `bytes` as one object and hands its members to `member`, refusing what is not strict.
///
/// # Errors
///
/// `serde_json`'s, which must not be shown: its text may repeat the input.
pub(super) fn read_object<'de>(
    bytes: &'de [u8],
    member: impl FnMut(&str, Value<'de>),
) -> Result<(), serde_json::Error> {
    // White space around the object is not DataHub's either: its library takes a payload for claims
    // only if it begins and ends with braces.
    if !(bytes.starts_with(b"{") && bytes.ends_with(b"}")) {
        return Err(de::Error::custom("not an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    ObjectSeed(member).deserialize(&mut deserializer)?;
    deserializer.end()
}

struct ObjectSeed<F>(F);

impl<'de, F: FnMut(&str, Value<'de>)> DeserializeSeed<'de> for ObjectSeed<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&str, Value<'de>)> Visitor<'de> for ObjectSeed<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        visit_members(members, self.0)
    }
}

fn visit_members<'de, A: MapAccess<'de>>(
    mut members: A,
    mut member: impl FnMut(&str, Value<'de>),
) -> Result<(), A::Error> {
    let mut names: Vec<Name<'de>> = Vec::with_capacity(FEW);
    while let Some(name) = members.next_key::<Name<'de>>()? {
        let value = members.next_value()?;
        member(&name.0, value);
        if names.len() < FEW && names.contains(&name) {
            return Err(de::Error::custom("a member occurs twice"));
        }
        names.push(name);
    }
    if names.len() > FEW {
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [first, second] if first == second)) {
            return Err(de::Error::custom("a member occurs twice"));
        }
    }
    Ok(())
}

/// Up to so many names it is quicker to compare each with each than to sort them.
const FEW: usize = 16;

/// A member's name, borrowed from the input where it has no escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_strict(text: &str) -> bool {
        read_object(text.as_bytes(), |_, _| ()).is_ok()
    }

    #[test]
    fn duplicates_are_refused_at_any_depth_and_in_any_spelling() {
        assert!(is_strict(r#"{"a":1,"b":{"a":2},"c":[{"a":1},{"a":1}]}"#));
        assert!(!is_strict(r#"{"a":1,"b":2,"a":1}"#));
        assert!(!is_strict(r#"{"a":1,"\u0061":1}"#));
        assert!(!is_strict(r#"{"x":{"a":1,"a":1}}"#));
        assert!(!is_strict(r#"{"x":[[{"a":1,"a":1}]]}"#));
    }

    #[test]
    fn a_duplicate_is_found_among_few_and_among_many() {
        for count in 1..40 {
            let member = |number: usize| format!("\"n{number}\":0");
            let members: Vec<_> = (0..count).map(member).collect();
            assert!(is_strict(&format!("{{{}}}", members.join(","))));
            for twice in 0..count {
                let members = format!("{{{},{}}}", members.join(","), member(twice));
                assert!(!is_strict(&members), "{members}");
            }
        }
    }

    #[test]
    fn only_one_object_is_accepted() {
        for text in ["", "[]", "1", "{}{}", "{} ", " {}", "{", "{\"a\":}", "{}x}"] {
            assert!(!is_strict(text), "{text}");
        }
        assert!(is_strict("{ \"a\" : [1, 2.5, null, true] }"));
    }

    #[test]
    fn deep_nesting_is_refused() {
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_strict(&nested(100)));
        assert!(!is_strict(&nested(10_000)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read_object(&bytes, |_, _| ());
        }

        #[test]
        fn what_is_strict_is_json(text in "\\{[\\{\\}\\[\\]\":,a-b0-9 \\\\u]{0,40}\\}") {
            if is_strict(&text) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
            }
        }
    }
}
