use serde::Deserialize;

use super::{KeyId, TokenId, TokenType};
use crate::{actor::Urn, clock::Timestamp};

/// What is stored of a token: everything but its text.
///
/// DataHub's own fields are those of its aspect `dataHubAccessTokenInfo`; the others are `None` in
/// records made by a DataHub.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRecord {
    /// The hash of its text.
    pub id: TokenId,
    /// The name its maker gave it.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Who it acts as.
    pub actor: Urn,
    /// Who made it.
    pub owner: Urn,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it expires; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// An earlier end than `expires_at`, such as that of a grace period after rotation.
    pub valid_until: Option<Timestamp>,
    /// Its type.
    pub token_type: Option<TokenType>,
    /// The key that signed it.
    pub key_id: Option<KeyId>,
    /// The token or session it was made with.
    pub parent: Option<TokenId>,
    /// The first of the tokens that replaced each other by rotation.
    pub family: Option<TokenId>,
    /// The token that it replaces.
    pub replaces: Option<TokenId>,
    /// When it was replaced itself.
    pub replaced_at: Option<Timestamp>,
    /// When it was used for the first time.
    pub first_used: Option<Timestamp>,
    /// By what it was made, such as `graphql`.
    pub created_via: Option<String>,
    /// What it may not do, of what its actor may: versioned JSON. A record with restrictions that
    /// are not understood does not verify.
    pub restrictions: Option<String>,
    /// When and from where it was used last, within a minute.
    pub last_used: Option<LastUse>,
    /// When and by whom it was revoked.
    pub revoked: Option<Revocation>,
}

impl TokenRecord {
    /// A record of a token without expiry, and without everything that is optional.
    #[must_use]
    pub fn new(
        id: TokenId,
        name: impl Into<String>,
        actor: Urn,
        owner: Urn,
        created_at: Timestamp,
    ) -> Self {
        Self {
            id,
            name: name.into(),
            description: None,
            actor,
            owner,
            created_at,
            expires_at: None,
            valid_until: None,
            token_type: None,
            key_id: None,
            parent: None,
            family: None,
            replaces: None,
            replaced_at: None,
            first_used: None,
            created_via: None,
            restrictions: None,
            last_used: None,
            revoked: None,
        }
    }

    /// The record of a token that a DataHub made, from the JSON of its aspect
    /// `dataHubAccessTokenInfo`.
    ///
    /// ```
    /// use tower_pat::token::TokenRecord;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let id = "zZSw+UtbXZ/fXWbycoePvljOPoe8fUXSeJxg4Oz3HxQ=".parse()?;
    /// let record = TokenRecord::from_datahub(id, r#"{
    ///     "name": "laptop",
    ///     "actorUrn": "urn:li:corpuser:alice",
    ///     "ownerUrn": "urn:li:corpuser:alice",
    ///     "createdAt": 1750000000000,
    ///     "expiresAt": 1752592000000
    /// }"#)?;
    /// assert_eq!(record.actor.key(), "alice");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The error of reading it: a field that is missing or of the wrong type, a urn that is none.
    /// Fields that are not known are left alone, since DataHub may have more.
    pub fn from_datahub(id: TokenId, info: &str) -> Result<Self, serde_json::Error> {
        let info: DataHubInfo = serde_json::from_str(info)?;
        let mut record = Self::new(id, info.name, info.actor_urn, info.owner_urn, info.created_at);
        record.description = info.description;
        record.expires_at = info.expires_at;
        Ok(record)
    }

    /// The earlier of `expires_at` and `valid_until`.
    #[must_use]
    pub fn ends_at(&self) -> Option<Timestamp> {
        match (self.expires_at, self.valid_until) {
            (Some(expires_at), Some(valid_until)) => Some(expires_at.min(valid_until)),
            (end, None) | (None, end) => end,
        }
    }

    /// What has become of it at the time `now`. Revoked counts more than expired.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> TokenStatus {
        match (&self.revoked, self.ends_at()) {
            (Some(revocation), _) => TokenStatus::Revoked(revocation.at),
            (None, Some(end)) if now >= end => TokenStatus::Expired(end),
            _ => TokenStatus::Active,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DataHubInfo {
    name: String,
    actor_urn: Urn,
    owner_urn: Urn,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    description: Option<String>,
}

/// What has become of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenStatus {
    /// It is good.
    Active,
    /// It has been over since then.
    Expired(Timestamp),
    /// It was revoked then.
    Revoked(Timestamp),
}

/// When and from where a token was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// From which address, as text.
    pub address: Option<String>,
    /// By which program (`User-Agent`).
    pub agent: Option<String>,
}

/// When and by whom a token was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: Urn,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_datahubs_needs_what_datahub_always_writes() {
        let id = TokenId::from_bytes([0; 32]);
        let whole = r#"{"name":"a","actorUrn":"urn:li:corpuser:a","ownerUrn":"urn:li:corpuser:b","createdAt":1}"#;
        let record = TokenRecord::from_datahub(id, whole).unwrap();
        assert_eq!((record.expires_at, record.owner.key()), (None, "b"));
        for (from, to) in [("name", "title"), ("corpuser:a", "corpuser:"), (":1}", ":\"1\"}")] {
            assert!(TokenRecord::from_datahub(id, &whole.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn the_earlier_end_counts() {
        let alice = Urn::corpuser("alice").unwrap();
        let id = TokenId::from_bytes([0; 32]);
        let at = Timestamp::from_seconds;
        let mut record = TokenRecord::new(id, "a", alice.clone(), alice.clone(), at(0));
        assert_eq!(record.status(at(i64::MAX)), TokenStatus::Active);
        record.expires_at = Some(at(100));
        record.valid_until = Some(at(50));
        assert_eq!(record.status(at(49)), TokenStatus::Active);
        assert_eq!(record.status(at(50)), TokenStatus::Expired(at(50)));
        record.valid_until = Some(at(150));
        assert_eq!(record.status(at(100)), TokenStatus::Expired(at(100)));
        record.revoked = Some(Revocation { at: at(7), by: alice });
        assert_eq!(record.status(at(200)), TokenStatus::Revoked(at(7)));
    }
}
