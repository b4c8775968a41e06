use crate::clock::Timestamp;

/// Why a token does not verify.
///
/// The kinds are finer than DataHub's, which tells "expired" from everything else. None carries any
/// of the token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not three segments of canonical base64url, or not strict JSON in them.
    #[error("the token is malformed")]
    Malformed,
    /// `alg` is `none` in some spelling, or there is no signature.
    #[error("the token is not signed")]
    Unsigned,
    /// `alg` is not exactly `HS256`.
    #[error("the token's algorithm is not HS256")]
    UnsupportedAlgorithm,
    /// The header has `crit` or `zip`.
    #[error("the token's header asks for something that is not supported")]
    UnsupportedHeader,
    /// The MAC fits none of the keys.
    #[error("the token's signature is wrong")]
    BadSignature,
    /// `exp` has come.
    #[error("the token expired at {0}")]
    Expired(Timestamp),
    /// `nbf` has not come.
    #[error("the token is not valid before {0}")]
    NotYetValid(Timestamp),
    /// A claim that is needed is absent or null.
    #[error("the token has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim has the wrong JSON type.
    #[error("the token's claim `{0}` has the wrong type")]
    InvalidClaimType(&'static str),
    /// A claim has a value that cannot be used.
    #[error("the token's claim `{0}` is not valid")]
    InvalidClaim(&'static str),
    /// `version` is neither `"1"` nor `"2"`.
    #[error("the token's version is not known")]
    UnknownVersion,
    /// `type` is not one of [`TokenType`](super::TokenType).
    #[error("the token's type is not known")]
    UnknownTokenType,
    /// `actorType` is not one of [`ActorType`](super::ActorType).
    #[error("the token's actor type is not known")]
    UnknownActorType,
    /// `iss` is there and is not the configured issuer.
    #[error("the token was issued by somebody else")]
    WrongIssuer,
    /// `sub` is there and is not the actor.
    #[error("the token's subject is not its actor")]
    ClaimMismatch,
}

impl TokenError {
    /// Whether the token was signed with one of our keys, so that its bearer may be told more.
    #[must_use]
    pub fn is_after_signature(&self) -> bool {
        !matches!(
            self,
            Self::Malformed
                | Self::Unsigned
                | Self::UnsupportedAlgorithm
                | Self::UnsupportedHeader
                | Self::BadSignature
        )
    }
}
