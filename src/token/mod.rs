//! What a token is: its claims, its text, its keys, its id, its lifetime and its record.
//!
//! Nothing here looks anything up. How a text is judged, by [`TokenVerifier`]:
//!
//! 1. It is cut at its dots; there are exactly two. For what is not yet known to be signed nothing
//!    is allocated that grows with it: 32 bytes for the signature, and up to 512 for a header that
//!    is not DataHub's, to name the refusal.
//! 2. The MAC is computed with every candidate key, before any JSON is looked at.
//! 3. The header is `{"alg":"HS256"}`, or a strict JSON object with that `alg` and without `crit`
//!    and `zip` (RFC 7515 section 4.1.11, RFC 8725 section 3.1).
//! 4. The claims are a strict JSON object: no duplicate names, no text behind it, valid UTF-8.
//! 5. `exp` and `nbf`, then `type`, `actorId`, `actorType` and `version`, then, unless switched
//!    off, `iss` and `sub`.
//!
//! ```
//! use tower_pat::{clock::Timestamp, token::{KeyRing, TokenKey, TokenVerifier}};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let signing_key = "bI0yqV8mJ2xQ7nR4tW1zK6cF9hL3pD5s";
//! # let text = "not.a.token";
//! let verifier = TokenVerifier::new(KeyRing::new(TokenKey::new(signing_key)?));
//! match verifier.verify(text, Timestamp::from_seconds(1_750_000_000)) {
//!     Ok(token) => println!("{} acts as {}", token.claims.token_type, token.claims.actor_id),
//!     Err(error) => println!("refused: {error}"),
//! }
//! # Ok(())
//! # }
//! ```

mod claims;
mod compact;
mod error;
mod id;
mod json;
mod kept_verifiers;
mod key;
mod key_material;
mod key_state;
mod lifetime;
mod payload;
mod record;
mod revocation;
mod text;
mod verifier;

pub use self::{
    claims::{ActorType, TokenClaims, TokenType, TokenVersion},
    error::TokenError,
    id::{ParseTokenIdError, Salt, TokenId},
    key::{KeyError, KeyId, KeyRing, TokenKey},
    key_material::KeyMaterial,
    key_state::{KeyRecord, KeyState, KeyStates, ParseKeyStateError},
    lifetime::{AccessTokenDuration, Lifetime, LifetimeError, LifetimePolicy},
    record::{LastUse, Revocation, TokenRecord, TokenStatus},
    revocation::{RevocationRule, RuleScope},
    text::TokenText,
    verifier::{TokenVerifier, VerifiedToken},
};
pub(crate) use self::{payload::Claims, verifier::Buffer};
