use std::{fmt, fmt::Write as _, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    actor::{Urn, UrnError},
    clock::Timestamp,
    token::TokenError,
};

/// What a token says (DataHub: `TokenClaims`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClaims {
    /// What kind of actor it acts as.
    pub actor_type: ActorType,
    /// Who it acts as: the part of the urn behind `urn:li:corpuser:`.
    pub actor_id: String,
    /// What kind of token it is.
    pub token_type: TokenType,
    /// Whether the store is asked for it.
    pub version: TokenVersion,
    /// A random UUID that makes the token unique; not needed for verifying.
    pub jti: Option<String>,
    /// From when on it is not valid; `None` for never. Whole seconds in the token.
    pub expires_at: Option<Timestamp>,
}

impl TokenClaims {
    /// The urn of the actor.
    ///
    /// # Errors
    ///
    /// [`UrnError`] for an id that no entity can have, so that nobody can be meant.
    pub fn actor_urn(&self) -> Result<Urn, UrnError> {
        Urn::corpuser(&self.actor_id)
    }

    /// The payload, byte for byte as DataHub writes it: the four claims of its own in the order in
    /// which its hash map returns them, then the registered ones in the order of its calls.
    pub(crate) fn to_json(&self, issuer: Option<&str>) -> String {
        let mut json = String::with_capacity(256);
        let text = |json: &mut String, name: &str, value: &str| {
            json.push(if json.is_empty() { '{' } else { ',' });
            push_string(json, name);
            json.push(':');
            push_string(json, value);
        };
        text(&mut json, "actorType", self.actor_type.as_str());
        text(&mut json, "actorId", &self.actor_id);
        text(&mut json, "type", self.token_type.as_str());
        text(&mut json, "version", self.version.as_str());
        if let Some(jti) = &self.jti {
            text(&mut json, "jti", jti);
        }
        text(&mut json, "sub", &self.actor_id);
        if let Some(expires_at) = self.expires_at {
            // Writing to a `String` cannot fail.
            let _ = write!(json, r#","exp":{}"#, expires_at.as_seconds());
        }
        if let Some(issuer) = issuer {
            text(&mut json, "iss", issuer);
        }
        json.push('}');
        json
    }
}

/// A JSON string in Jackson's spelling: only `"`, `\` and control characters are escaped, the
/// latter with the short forms where there are such and with upper-case hexadecimal digits else.
pub(super) fn push_string(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\u{8}' => json.push_str("\\b"),
            '\t' => json.push_str("\\t"),
            '\n' => json.push_str("\\n"),
            '\u{c}' => json.push_str("\\f"),
            '\r' => json.push_str("\\r"),
            '\0'..='\u{1f}' => {
                let _ = write!(json, "\\u{:04X}", u32::from(character));
            }
            _ => json.push(character),
        }
    }
    json.push('"');
}

/// What kind of actor a token acts as (DataHub: `ActorType`). Service accounts are users too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActorType {
    /// `USER`, the only one.
    User,
}

impl ActorType {
    /// The claim's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        "USER"
    }
}

impl FromStr for ActorType {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        if text == "USER" { Ok(Self::User) } else { Err(TokenError::UnknownActorType) }
    }
}

/// What kind of token it is (DataHub: `TokenType`). Which kinds are taken from the `Authorization`
/// header is a matter of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum TokenType {
    /// Made by logging in.
    Session,
    /// Made by a person, to act as a person.
    Personal,
    /// Made by a person, to act as a service account.
    ServiceAccount,
}

impl TokenType {
    /// The claim's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Session => "SESSION",
            Self::Personal => "PERSONAL",
            Self::ServiceAccount => "SERVICE_ACCOUNT",
        }
    }
}

impl fmt::Display for TokenType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TokenType {
    type Err = TokenError;

    fn from_str(text: &str) -> Result<Self, TokenError> {
        match text {
            "SESSION" => Ok(Self::Session),
            "PERSONAL" => Ok(Self::Personal),
            "SERVICE_ACCOUNT" => Ok(Self::ServiceAccount),
            _ => Err(TokenError::UnknownTokenType),
        }
    }
}

/// Whether a token is looked up (DataHub: `TokenVersion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenVersion {
    /// `"1"`: signature and expiry are all there is; it cannot be revoked by itself.
    Stateless,
    /// `"2"`: the store must know it.
    Stateful,
}

impl TokenVersion {
    /// The claim's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stateless => "1",
            Self::Stateful => "2",
        }
    }
}

impl FromStr for TokenVersion {
    type Err = TokenError;

    /// Literally `1` or `2`: DataHub's parser also takes `02`, `+2` and other scripts' digits.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        match text {
            "1" => Ok(Self::Stateless),
            "2" => Ok(Self::Stateful),
            _ => Err(TokenError::UnknownVersion),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_as_jackson_does() {
        let mut json = String::new();
        push_string(&mut json, "\u{1f}\u{8}\u{c}\n\r\t\u{0}\u{7f}/é");
        assert_eq!(json, "\"\\u001F\\b\\f\\n\\r\\t\\u0000\u{7f}/é\"");
    }
}
