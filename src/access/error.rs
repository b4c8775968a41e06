use std::borrow::Cow;

use crate::{
    actor::{Urn, UrnError},
    backend::{StoreError, chain},
    policy::InvalidPolicyError,
    random::RandomError,
    rejection::{Rejection, RejectionCode},
    token::{KeyError, KeyId, LifetimeError, ParseTokenIdError, TokenType},
    token_service::{KeyChangeError, MintError},
};

/// Why an operation was not done. What is shown is DataHub's own text where it has one.
///
/// An outage is [`Unavailable`](Self::Unavailable) and never a refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Nobody asks.
    #[error("Unauthorized to perform this action: nobody is authenticated")]
    NotAuthenticated,
    /// The token by which the request was made has been revoked in the meantime.
    #[error("Unauthorized to perform this action: the token of this request has been revoked")]
    CredentialRevoked,
    /// The token by which the request was made has expired in the meantime.
    #[error("Unauthorized to perform this action: the token of this request has expired")]
    CredentialExpired,
    /// The caller may not do it. Also the answer to a caller who may not manage tokens, for every
    /// token that is not theirs and for those that do not exist.
    #[error("{message}")]
    Forbidden {
        /// What the caller is told.
        message: &'static str,
    },
    /// The lifetime is not one of those allowed.
    #[error(transparent)]
    Lifetime(#[from] LifetimeError),
    /// The type is not one that is made on request.
    #[error("Unsupported AccessTokenType {0} provided")]
    UnsupportedTokenType(TokenType),
    /// Nobody may act as this by a token: the system actor, and `anonymous`.
    #[error("No access token can act as {0}")]
    ReservedActor(Urn),
    /// Only users, service accounts among them, act by tokens and hold privileges.
    #[error("Not the urn of a user: {0}")]
    NotAUser(Urn),
    /// The actor of a `SERVICE_ACCOUNT` token is none.
    #[error(
        "Failed to validate service account. Root cause: The specified URN is not a service \
         account: {0}"
    )]
    NotAServiceAccount(Urn),
    /// A text is too long, too short, or blank.
    #[error("{what} must have {least} to {most} characters, and not be blank")]
    Text {
        /// Which text.
        what: &'static str,
        /// How many characters it must have, in Unicode scalar values.
        least: usize,
        /// How many it may have.
        most: usize,
    },
    /// A page is too large, or too far behind.
    #[error("{what} must be at most {most}")]
    Page {
        /// `start` or `count`.
        what: &'static str,
        /// The greatest value there is.
        most: u32,
    },
    /// The policy has a field or a condition that none has.
    #[error("The policy is not valid: {0}")]
    Policy(#[from] InvalidPolicyError),
    /// The urn is not that of a policy.
    #[error("Not the urn of a policy: {0}")]
    NotAPolicy(Urn),
    /// There is no such role.
    #[error("Role {0} does not exist")]
    UnknownRole(Urn),
    /// A text is not a urn.
    #[error("Not a valid urn: {0}")]
    Urn(#[from] UrnError),
    /// A text is not the id of a token.
    #[error("Not the id of an access token: {0}")]
    TokenId(#[from] ParseTokenIdError),
    /// The store does not take such a request, whatever is in it.
    #[error("{0}")]
    Invalid(StoreError),
    /// There is no such token, or it was revoked.
    #[error("Access token no longer exists")]
    TokenNotFound,
    /// The request was not made with a token that is stored.
    #[error("This request was not made with a stored access token")]
    NoCurrentToken,
    /// There is no such service account.
    #[error("Service account not found: {0}")]
    ServiceAccountNotFound(Urn),
    /// There is no such user.
    #[error("User not found: {0}")]
    UserNotFound(Urn),
    /// There is no such policy.
    #[error("Policy not found: {0}")]
    PolicyNotFound(Urn),
    /// The state of a key was not changed.
    #[error("The key was left as it is: {0}")]
    KeyChange(#[source] KeyChangeError),
    /// A rule would revoke what is yet to be made.
    #[error("A rule revokes what was made until now at most, and not what is yet to be made")]
    RuleInFuture,
    /// What is to be made is there already.
    #[error("A record with this key exists already")]
    Conflict,
    /// Others do not stop changing this policy; to be tried again.
    #[error("Policy is being changed by others, please try again: {0}")]
    Contended(Urn),
    /// There is nothing to revoke. A fault of the server for DataHub, and so here.
    #[error("Failed to revoke access token. Root cause: Access token no longer exists")]
    NothingToRevoke,
    /// This node does not have the key that signs.
    #[error("No token can be made here at the moment: this node does not have the key {0}")]
    SigningKeyMissing(KeyId),
    /// The token could not be signed.
    #[error("The access token could not be signed")]
    Key(#[source] KeyError),
    /// There are no random bytes.
    #[error("The server has no random bytes")]
    Random(#[from] RandomError),
    /// Something that is stored cannot be understood.
    #[error("Something that is stored cannot be read")]
    Corrupt(#[source] StoreError),
    /// A store or the facts of a resource cannot be read at the moment, so nothing is decided, or
    /// nothing was done.
    #[error("It cannot be found out at the moment; please try again")]
    Unavailable(#[source] StoreError),
}

/// What kind of answer an [`AccessError`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccessErrorKind {
    /// 401: it is not known who asks, or no longer.
    Unauthenticated,
    /// 403 (DataHub: `UNAUTHORIZED`): they may not.
    Forbidden,
    /// 400 (`BAD_REQUEST`): it makes no sense, whoever asks.
    BadRequest,
    /// 404 (`NOT_FOUND`): what it is about is not there.
    NotFound,
    /// 409 (`CONFLICT`): it is there already, or others change it at the same time.
    Conflict,
    /// 503 (`SERVICE_UNAVAILABLE`): it is not known at the moment.
    Unavailable,
    /// 500 (`SERVER_ERROR`).
    Internal,
}

impl AccessErrorKind {
    /// The HTTP status, which is the `code` of DataHub's GraphQL errors, too.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::BadRequest => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Unavailable => 503,
            Self::Internal => 500,
        }
    }
}

impl AccessError {
    /// What kind of answer it is.
    #[must_use]
    pub const fn kind(&self) -> AccessErrorKind {
        match self {
            Self::NotAuthenticated | Self::CredentialRevoked | Self::CredentialExpired => {
                AccessErrorKind::Unauthenticated
            }
            Self::Forbidden { .. } => AccessErrorKind::Forbidden,
            Self::Lifetime(_)
            | Self::UnsupportedTokenType(_)
            | Self::ReservedActor(_)
            | Self::NotAUser(_)
            | Self::NotAServiceAccount(_)
            | Self::Text { .. }
            | Self::Page { .. }
            | Self::Policy(_)
            | Self::NotAPolicy(_)
            | Self::UnknownRole(_)
            | Self::Urn(_)
            | Self::TokenId(_)
            | Self::RuleInFuture
            | Self::Invalid(_) => AccessErrorKind::BadRequest,
            Self::TokenNotFound
            | Self::KeyChange(KeyChangeError::Unknown(_))
            | Self::NoCurrentToken
            | Self::ServiceAccountNotFound(_)
            | Self::UserNotFound(_)
            | Self::PolicyNotFound(_) => AccessErrorKind::NotFound,
            Self::Conflict | Self::Contended(_) | Self::KeyChange(_) => AccessErrorKind::Conflict,
            Self::NothingToRevoke | Self::Key(_) | Self::Random(_) | Self::Corrupt(_) => {
                AccessErrorKind::Internal
            }
            Self::Unavailable(_) | Self::SigningKeyMissing(_) => AccessErrorKind::Unavailable,
        }
    }

    /// The text that is shown, for those who keep it.
    #[must_use]
    pub fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Forbidden { message } => Cow::Borrowed(message),
            other => Cow::Owned(other.to_string()),
        }
    }
}

impl From<StoreError> for AccessError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::AlreadyExists => Self::Conflict,
            StoreError::ParentRevoked => Self::CredentialRevoked,
            StoreError::Invalid(_) => Self::Invalid(error),
            StoreError::Corrupt { .. } => Self::Corrupt(error),
            StoreError::Unavailable(_) => Self::Unavailable(error),
        }
    }
}

impl From<KeyChangeError> for AccessError {
    fn from(error: KeyChangeError) -> Self {
        match error {
            KeyChangeError::Store(error) => error.into(),
            error => Self::KeyChange(error),
        }
    }
}

impl From<MintError> for AccessError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Lifetime(error) => Self::Lifetime(error),
            // The only end that is set here is that of the token it is made with.
            MintError::Over(_) => Self::CredentialExpired,
            MintError::ReservedActor(urn) => Self::ReservedActor(urn),
            MintError::NotAUser(urn) => Self::NotAUser(urn),
            MintError::SigningKeyMissing(id) => Self::SigningKeyMissing(id),
            MintError::Key(error) => Self::Key(error),
            MintError::Random(error) => Self::Random(error),
            MintError::Store(error) => error.into(),
        }
    }
}

impl From<&AccessError> for Rejection {
    fn from(error: &AccessError) -> Self {
        let code = match (error, error.kind()) {
            (AccessError::NotAuthenticated, _) => return Self::missing_token(),
            (AccessError::CredentialExpired, _) => RejectionCode::TokenExpired,
            (_, AccessErrorKind::Unauthenticated) => RejectionCode::TokenRevoked,
            (_, AccessErrorKind::Forbidden) => RejectionCode::PrivilegeMissing,
            (_, AccessErrorKind::BadRequest) => RejectionCode::BadRequest,
            (_, AccessErrorKind::NotFound) => RejectionCode::NotFound,
            (_, AccessErrorKind::Conflict) => RejectionCode::Conflict,
            (_, AccessErrorKind::Unavailable) => RejectionCode::Unavailable,
            (_, AccessErrorKind::Internal) => RejectionCode::Internal,
        };
        Self::new(code, error.message())
    }
}

impl From<AccessError> for Rejection {
    fn from(error: AccessError) -> Self {
        if matches!(error.kind(), AccessErrorKind::Unavailable | AccessErrorKind::Internal) {
            tracing::error!(cause = %chain(&error), "an operation could not be done");
        }
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_never_a_refusal() {
        let error = AccessError::from(StoreError::unavailable("the disk is on fire"));
        assert_eq!(error.kind(), AccessErrorKind::Unavailable);
        let error = AccessError::from(MintError::Store(StoreError::unavailable("down")));
        assert_eq!(error.kind(), AccessErrorKind::Unavailable);
        assert!(!error.to_string().contains("down"), "{error}");
    }

    #[test]
    fn a_kind_is_the_status_of_the_rejection() {
        let alice = Urn::corpuser("alice").unwrap();
        for error in [
            AccessError::NotAuthenticated,
            AccessError::CredentialRevoked,
            AccessError::CredentialExpired,
            AccessError::Forbidden { message: "no" },
            AccessError::NotAUser(alice.clone()),
            AccessError::UserNotFound(alice.clone()),
            AccessError::Contended(alice),
            AccessError::Conflict,
            AccessError::NothingToRevoke,
            AccessError::from(StoreError::unavailable("down")),
        ] {
            let rejection = Rejection::from(&error);
            assert_eq!(rejection.status().as_u16(), error.kind().status(), "{error}");
        }
    }

    #[test]
    fn what_expired_is_not_said_to_be_revoked() {
        let code = |error| Rejection::from(&error).code();
        assert_eq!(code(AccessError::CredentialExpired), RejectionCode::TokenExpired);
        assert_eq!(code(AccessError::CredentialRevoked), RejectionCode::TokenRevoked);
        let over = MintError::Over(crate::clock::Timestamp::from_millis(0));
        assert_eq!(code(AccessError::from(over)), RejectionCode::TokenExpired);
        let parent = AccessError::from(StoreError::ParentRevoked);
        assert_eq!(code(parent), RejectionCode::TokenRevoked);
    }
}
