use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The name of an entity, such as `urn:li:corpuser:datahub`. Cheap to clone.
///
/// Accepts what DataHub accepts (`com.linkedin.common.urn.Urn`): `urn:`, a namespace of at most 32
/// characters (`[a-z][a-z0-9-]*`), an entity type (`[a-z][A-Za-z0-9_]*`) and, optionally, a key
/// whose parentheses balance; a key in parentheses is a tuple without empty parts. Urns are equal
/// if their texts are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Urn(Arc<str>);

impl Urn {
    /// The urn of the user `id`, by DataHub's rule: `urn:li:corpuser:` and the id, unescaped.
    ///
    /// # Errors
    ///
    /// [`UrnError`] if the id is empty or its parentheses do not balance.
    pub fn corpuser(id: &str) -> Result<Self, UrnError> {
        const START: &str = "urn:li:corpuser:";
        // Only the key can be wrong.
        check_key(id)?;
        // Put together where nothing need be allocated, since it is copied into its place anyway.
        let mut buffer = [0; 128];
        let text = put_together(&mut buffer, &[START, id]);
        Ok(Self(match text {
            Some(text) => text.into(),
            None => [START, id].concat().into(),
        }))
    }

    /// The urn of an entity in the namespace `li`, which is DataHub's.
    ///
    /// # Errors
    ///
    /// [`UrnError`] if type or key are not those of a urn.
    pub fn of(entity_type: &str, key: &str) -> Result<Self, UrnError> {
        if key.is_empty() {
            return Err(UrnError::EmptyKey);
        }
        let parts = ["urn:li:", entity_type, ":", key];
        Self::from_string(parts.concat())
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The entity type: `corpuser` in `urn:li:corpuser:datahub`.
    #[must_use]
    pub fn entity_type(&self) -> &str {
        self.0.split(':').nth(2).unwrap_or_default()
    }

    /// The key: `datahub` in `urn:li:corpuser:datahub`; empty if there is none.
    #[must_use]
    pub fn key(&self) -> &str {
        self.0.splitn(4, ':').nth(3).unwrap_or_default()
    }

    fn from_string(text: String) -> Result<Self, UrnError> {
        check(&text)?;
        Ok(Self(text.into()))
    }
}

impl FromStr for Urn {
    type Err = UrnError;

    fn from_str(text: &str) -> Result<Self, UrnError> {
        check(text)?;
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for Urn {
    type Error = UrnError;

    fn try_from(text: String) -> Result<Self, UrnError> {
        Self::from_string(text)
    }
}

impl AsRef<str> for Urn {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

// Hash, Eq and Ord are those of the text, so that maps keyed by urns can be asked with a `&str`.
impl Borrow<str> for Urn {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Urn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Urn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Urn {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

/// Why a text is not a urn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrnError {
    /// It does not start with `urn:`.
    #[error("a urn starts with `urn:`")]
    Scheme,
    /// The namespace is missing, too long, or has a character that is not allowed.
    #[error(
        "a urn's namespace is 1 to 32 of the characters a-z, 0-9 and -, and starts with a letter"
    )]
    Namespace,
    /// The entity type is missing or has a character that is not allowed.
    #[error("a urn's entity type has letters, digits and _, and starts with a lower-case letter")]
    EntityType,
    /// There is a colon after the entity type, and nothing after the colon.
    #[error("the urn's key is empty")]
    EmptyKey,
    /// Parentheses in the key do not balance.
    #[error("the parentheses in the urn's key do not balance")]
    Parentheses,
    /// The key is a tuple, and one of its parts is empty.
    #[error("a part of the tuple in the urn's key is empty")]
    EmptyPart,
}

/// The parts as one text in `buffer`, if they fit.
fn put_together<'b>(buffer: &'b mut [u8], parts: &[&str]) -> Option<&'b str> {
    let mut end = 0;
    for part in parts {
        let start = end;
        end += part.len();
        buffer.get_mut(start..end)?.copy_from_slice(part.as_bytes());
    }
    std::str::from_utf8(buffer.get(..end)?).ok()
}

fn check(text: &str) -> Result<(), UrnError> {
    let rest = text.strip_prefix("urn:").ok_or(UrnError::Scheme)?;
    let (namespace, rest) = rest.split_once(':').ok_or(UrnError::Namespace)?;
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if namespace.len() > 32 || !is_name(namespace, inner) {
        return Err(UrnError::Namespace);
    }
    let (entity_type, key) = match rest.split_once(':') {
        Some((entity_type, key)) => (entity_type, Some(key)),
        None => (rest, None),
    };
    if !is_name(entity_type, |byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(UrnError::EntityType);
    }
    key.map_or(Ok(()), check_key)
}

fn is_name(text: &str, inner: impl Fn(u8) -> bool) -> bool {
    text.as_bytes().split_first().is_some_and(|(first, rest)| {
        first.is_ascii_lowercase() && rest.iter().all(|byte| inner(*byte))
    })
}

fn check_key(key: &str) -> Result<(), UrnError> {
    if key.is_empty() {
        return Err(UrnError::EmptyKey);
    }
    // As nearly every one: without parentheses it is no tuple, and there is nothing to balance.
    if key.bytes().fold(true, |so_far, byte| so_far & (byte != b'(') & (byte != b')')) {
        return Ok(());
    }
    let is_tuple = key.starts_with('(');
    let mut depth = 0_usize;
    // Whether the current part of the outermost tuple has no character yet.
    let mut part_is_empty = true;
    let mut closed = false;
    for byte in key.bytes() {
        if closed {
            // Something follows the tuple: its parentheses do not enclose the key.
            return Err(UrnError::Parentheses);
        }
        match byte {
            b'(' => {
                depth += 1;
                if depth > 1 {
                    part_is_empty = false;
                }
            }
            b')' => {
                depth = depth.checked_sub(1).ok_or(UrnError::Parentheses)?;
                if is_tuple && depth == 0 {
                    if part_is_empty {
                        return Err(UrnError::EmptyPart);
                    }
                    closed = true;
                }
            }
            b',' if is_tuple && depth == 1 => {
                if part_is_empty {
                    return Err(UrnError::EmptyPart);
                }
                part_is_empty = true;
            }
            _ => part_is_empty = false,
        }
    }
    if depth == 0 { Ok(()) } else { Err(UrnError::Parentheses) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn accepts_what_datahub_accepts() {
        for text in [
            "urn:li:corpuser:datahub",
            "urn:li:corpuser:urn:li:corpuser:datahub",
            "urn:li:dataset:(urn:li:dataPlatform:hive,sales.orders,PROD)",
            "urn:li:dataHubAccessToken:zZSw+UtbXZ/fXWbycoePvljOPoe8fUXSeJxg4Oz3HxQ=",
            "urn:li:tag:a(b)c",
            "urn:li:tag",
            "urn:my-co1:my_Type9:x",
            "urn:li:corpuser:åäö",
        ] {
            assert!(text.parse::<Urn>().is_ok(), "{text}");
        }
    }

    #[test]
    fn refuses_what_datahub_refuses() {
        for (text, error) in [
            ("", UrnError::Scheme),
            ("alice", UrnError::Scheme),
            ("URN:li:corpuser:a", UrnError::Scheme),
            ("urn:", UrnError::Namespace),
            ("urn:Li:corpuser:a", UrnError::Namespace),
            ("urn:1i:corpuser:a", UrnError::Namespace),
            ("urn:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:t:a", UrnError::Namespace),
            ("urn:li:", UrnError::EntityType),
            ("urn:li:Corpuser:a", UrnError::EntityType),
            ("urn:li:corp-user:a", UrnError::EntityType),
            ("urn:li:corpuser:", UrnError::EmptyKey),
            ("urn:li:tag:a)b(", UrnError::Parentheses),
            ("urn:li:tag:(a", UrnError::Parentheses),
            ("urn:li:tag:(a)b", UrnError::Parentheses),
            ("urn:li:tag:()", UrnError::EmptyPart),
            ("urn:li:tag:(a,)", UrnError::EmptyPart),
            ("urn:li:tag:(,a)", UrnError::EmptyPart),
        ] {
            assert_eq!(text.parse::<Urn>(), Err(error), "{text}");
        }
    }

    #[test]
    fn parts_are_those_of_the_text() {
        let urn: Urn = "urn:li:dataset:(urn:li:dataPlatform:hive,a,PROD)".parse().unwrap();
        assert_eq!(urn.entity_type(), "dataset");
        assert_eq!(urn.key(), "(urn:li:dataPlatform:hive,a,PROD)");
        assert_eq!("urn:li:tag".parse::<Urn>().unwrap().key(), "");
    }

    #[test]
    fn a_user_without_id_has_no_urn() {
        assert_eq!(Urn::corpuser(""), Err(UrnError::EmptyKey));
        assert_eq!(Urn::corpuser("a)"), Err(UrnError::Parentheses));
    }

    #[test]
    fn the_urn_of_a_user_is_as_long_as_its_id() {
        for length in [1, 2, 100, 111, 112, 113, 128, 5_000] {
            for id in ["é".repeat(length / 2 + 1), "(".repeat(length) + &")".repeat(length)] {
                let urn = Urn::corpuser(&id);
                assert_eq!(urn, format!("urn:li:corpuser:{id}").parse(), "{length}");
                assert!(id.starts_with('(') || urn.is_ok());
            }
            let urn = Urn::corpuser(&"a".repeat(length)).unwrap();
            assert_eq!(urn.as_str(), format!("urn:li:corpuser:{}", "a".repeat(length)));
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC*|urn:li:[a-z]{0,4}:[a-z(),:]{0,20}") {
            if let Ok(urn) = text.parse::<Urn>() {
                prop_assert_eq!(urn.as_str(), &text);
                prop_assert!(!urn.entity_type().is_empty());
                prop_assert!(text.ends_with(urn.key()));
            }
        }
    }
}
