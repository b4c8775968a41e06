use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{actor::Urn, token::TokenText};

/// What a token is stored and named by: SHA-256 over the bytes of its text and then of the salt
/// (DataHub: `StatefulTokenService.hash`).
///
/// Its text is standard base64 with padding, 44 characters. It is no secret: nothing can be done
/// with it but to name the token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenId([u8; 32]);

impl TokenId {
    /// The id of the token `text` in a deployment with this salt.
    #[must_use]
    pub fn of(text: &str, salt: &Salt) -> Self {
        Self::of_bytes(text.as_bytes(), salt)
    }

    /// As [`of`](Self::of), for a text that is not known to be one.
    pub(crate) fn of_bytes(text: &[u8], salt: &Salt) -> Self {
        let hash = Sha256::new().chain_update(text).chain_update(salt.0.as_bytes());
        Self(hash.finalize().into())
    }

    /// The id whose hash has these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes of the hash.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The token's urn: `urn:li:dataHubAccessToken:` and the id.
    #[must_use]
    pub fn urn(&self) -> Urn {
        match Urn::of(Self::ENTITY_TYPE, &self.to_string()) {
            Ok(urn) => urn,
            // Base64 has neither parentheses nor is it empty here.
            Err(_) => unreachable!("the id of a token is a key of a urn"),
        }
    }

    /// The entity type of access tokens.
    pub const ENTITY_TYPE: &str = "dataHubAccessToken";
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for TokenId {
    type Err = ParseTokenIdError;

    fn from_str(text: &str) -> Result<Self, ParseTokenIdError> {
        let mut bytes = [0; 32];
        // 44 characters may decode to more than 32 bytes, if there is no padding: that is refused
        // by the slice's length.
        match STANDARD.decode_slice(text, &mut bytes) {
            Ok(32) => Ok(Self(bytes)),
            _ => Err(ParseTokenIdError),
        }
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TokenId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The text is not a token id, so there is no such token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token id is 44 characters of base64")]
pub struct ParseTokenIdError;

/// What is hashed behind a token's text; one for a whole deployment. Changing it makes every stored
/// token unknown.
///
/// The bytes are those of the configured text (`DATAHUB_TOKEN_SERVICE_SALT`), in UTF-8. Wiped when
/// dropped, and never printed.
#[derive(Clone)]
pub struct Salt(Zeroizing<String>);

impl Salt {
    /// The salt with this text. What makes a salt unsafe is looked at by
    /// [`Config`](crate::config::Config).
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl TokenText {
    /// The id under which this token is stored.
    #[must_use]
    pub fn id(&self, salt: &Salt) -> TokenId {
        TokenId::of(self.expose(), salt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = TokenId::of("abc", &Salt::new("def"));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 44);
        assert!(id.urn().as_str().starts_with("urn:li:dataHubAccessToken:"));
    }

    #[test]
    fn the_salt_stands_behind_the_token() {
        assert_eq!(TokenId::of("ab", &Salt::new("cd")), TokenId::of("abc", &Salt::new("d")));
        assert_ne!(TokenId::of("ab", &Salt::new("cd")), TokenId::of("cd", &Salt::new("ab")));
    }

    #[test]
    fn texts_that_are_no_id_are_refused() {
        let good = TokenId::of("abc", &Salt::new("def")).to_string();
        for text in ["", "abc", &good[..43], &format!("{good}="), &"A".repeat(44), &"!".repeat(44)]
        {
            assert_eq!(text.parse::<TokenId>(), Err(ParseTokenIdError), "{text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        assert_eq!(format!("{:?}", Salt::new("pepper")), "Salt(..)");
        assert_eq!(format!("{:?}", TokenText::new("ey".into())), "TokenText(..)");
    }
}
