use std::{fmt, str::FromStr};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtVerifier},
};

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

// Named explicitly: the process-wide default of `jsonwebtoken` panics if a build turns on both
// backends or neither, which any crate of the build can bring about.
const PROVIDER: &CryptoProvider = &DEFAULT_PROVIDER;

/// A key that signs and verifies tokens by HMAC-SHA-256.
///
/// Its bytes are those of the configured text in UTF-8. The text usually looks like base64, but is
/// **not** decoded (DataHub: `StatelessTokenService`). Wiped when dropped, and never printed.
#[derive(Clone)]
pub struct TokenKey {
    id: KeyId,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl TokenKey {
    /// Bytes that a key has at least (RFC 7518 section 3.2).
    pub const MIN_BYTES: usize = 32;

    /// The key with this text. What else makes a key unsafe is looked at by
    /// [`Config`](crate::config::Config).
    ///
    /// # Errors
    ///
    /// [`KeyError::TooShort`] below [`MIN_BYTES`](Self::MIN_BYTES).
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let bytes = text.as_bytes();
        if bytes.len() < Self::MIN_BYTES {
            return Err(KeyError::TooShort { bytes: bytes.len() });
        }
        let encoding = EncodingKey::from_secret(bytes);
        let decoding = DecodingKey::from_secret(bytes);
        let mac = sign(&encoding, KeyId::MESSAGE)?;
        let id = mac.first_chunk().copied().map(KeyId).ok_or(KeyError::Backend)?;
        Ok(Self { id, encoding, decoding })
    }

    /// The key's name, which says nothing about it.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The MAC of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        sign(&self.encoding, message)
    }

    /// What verifies MACs of this key; compares in constant time.
    pub(super) fn verifier(&self) -> Option<Box<dyn JwtVerifier>> {
        (PROVIDER.verifier_factory)(&Algorithm::HS256, &self.decoding).ok()
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}

fn sign(key: &EncodingKey, message: &[u8]) -> Result<Vec<u8>, KeyError> {
    (PROVIDER.signer_factory)(&Algorithm::HS256, key)
        .ok()
        .and_then(|signer| signer.try_sign(message).ok())
        .ok_or(KeyError::Backend)
}

/// The keys of a deployment: one signs, all verify. Which of them signs, and which are no longer
/// good, may be said by a store, too: see [`KeyStates`](super::KeyStates).
#[derive(Debug, Clone)]
pub struct KeyRing {
    signing: TokenKey,
    verifying: Vec<TokenKey>,
}

impl KeyRing {
    /// A ring whose one key signs and verifies.
    #[must_use]
    pub fn new(signing: TokenKey) -> Self {
        Self { signing, verifying: Vec::new() }
    }

    /// Adds a key that verifies but does not sign, such as the one before a rotation.
    #[must_use]
    pub fn with_verifying(mut self, key: TokenKey) -> Self {
        if self.candidates().all(|known| known.id != key.id) {
            self.verifying.push(key);
        }
        self
    }

    /// The key that signs.
    #[must_use]
    pub fn signing(&self) -> &TokenKey {
        &self.signing
    }

    /// All keys that verify, the signing one first.
    pub fn candidates(&self) -> impl Iterator<Item = &TokenKey> {
        std::iter::once(&self.signing).chain(&self.verifying)
    }

    /// The key with this id, if the ring has it.
    #[must_use]
    pub fn key(&self, id: KeyId) -> Option<&TokenKey> {
        self.candidates().find(|key| key.id == id)
    }
}

/// The name of a key: the first 8 bytes of its MAC of a constant, in hexadecimal. It can be stored
/// and logged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

impl KeyId {
    const MESSAGE: &[u8] = b"tower-pat key id";
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 16 || !text.bytes().all(is_hex) {
            return Err(KeyError::NotAnId);
        }
        u64::from_str_radix(text, 16)
            .map(|number| Self(number.to_be_bytes()))
            .map_err(|_| KeyError::NotAnId)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// HS256 needs 32 bytes.
    #[error("a key has at least {min} bytes, and this one has {bytes}", min = TokenKey::MIN_BYTES)]
    TooShort {
        /// How many it has.
        bytes: usize,
    },
    /// The signature backend refused it.
    #[error("the signature backend cannot use this key")]
    Backend,
    /// The text is not that of a [`KeyId`].
    #[error("a key id is 16 hexadecimal digits in lower case")]
    NotAnId,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";

    #[test]
    fn a_key_of_31_bytes_is_refused() {
        assert!(TokenKey::new(&TEXT[..32]).is_ok());
        assert_eq!(TokenKey::new(&TEXT[..31]).unwrap_err(), KeyError::TooShort { bytes: 31 });
    }

    #[test]
    fn debug_says_nothing_of_the_key() {
        let shown = format!("{:?}", KeyRing::new(TokenKey::new(TEXT).unwrap()));
        assert!(!shown.contains("q7t1") && !shown.contains("113"), "{shown}");
    }

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = TokenKey::new(TEXT).unwrap().id();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!("+123456789abcdef".parse::<KeyId>(), Err(KeyError::NotAnId));
    }

    #[test]
    fn a_ring_has_every_key_and_signs_with_one() {
        let old = TokenKey::new(&TEXT.replace('q', "p")).unwrap();
        let ring = KeyRing::new(TokenKey::new(TEXT).unwrap()).with_verifying(old.clone());
        assert_ne!(ring.signing().id(), old.id());
        assert_eq!(ring.key(old.id()).map(TokenKey::id), Some(old.id()));
    }
}
