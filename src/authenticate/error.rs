use std::{error::Error, fmt, sync::Arc};

use crate::{
    actor::Inactive,
    backend::StoreError,
    caught::Panicked,
    rejection::{Rejection, RejectionCode},
    token::TokenError,
    token_service::VerifyError,
};

/// Why a request was not authenticated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// There are no credentials that any authenticator takes.
    #[error("no bearer token in the request")]
    MissingToken,
    /// There are several `Authorization` headers.
    #[error("more than one Authorization header in the request")]
    MultipleHeaders,
    /// There are credentials of two kinds, such as a cookie and an `Authorization` header.
    #[error("more than one kind of credentials in the request")]
    SeveralCredentials,
    /// There are several cookies in which a session may be.
    #[error("more than one session cookie in the request")]
    SeveralSessions,
    /// The request writes by a credential that a browser sends along by itself, and comes from
    /// another origin than the service's own.
    #[error("request from another origin")]
    CrossOrigin,
    /// The `Authorization` header has the scheme `Bearer`, and is not in its syntax or too long.
    #[error("malformed Authorization header")]
    MalformedHeader,
    /// The token is not good.
    #[error("token not accepted")]
    InvalidToken(#[source] VerifyError),
    /// The credentials are good, and their actor may not act.
    #[error("actor is not active: {0}")]
    Inactive(Inactive),
    /// An authenticator of the service's own refused the request.
    #[error("credentials not accepted")]
    Refused(#[source] Rejection),
    /// A store could not answer, so nothing is known.
    #[error("store unavailable")]
    Unavailable(#[source] StoreError),
    /// The signature of the token fits no key that this process has; and it lacks a key that is not
    /// retired, or cannot find out whether it does. So the token may be good, and the answer is that
    /// of [`Unavailable`](Self::Unavailable).
    ///
    /// Apart from that one, since everybody can bring such a token, as often as they like: it is
    /// logged at level DEBUG alone. That a key is missing is logged once.
    #[error("the signature fits no key that is here")]
    UnknownSignature(#[source] StoreError),
}

impl AuthenticateError {
    /// Whether nothing is known, and so nothing refused.
    pub(super) fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::UnknownSignature(_))
    }

    /// Whether a store could not be asked, and not one whose answer cannot be understood.
    pub(super) fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable(StoreError::Unavailable(_)))
    }

    /// The same error for one of several requests that waited for it.
    pub(super) fn of_shared(shared: &Arc<Self>) -> Self {
        let store = match &**shared {
            Self::InvalidToken(error) => match error.copied() {
                Ok(error) => return Self::InvalidToken(error),
                Err(error) => error,
            },
            Self::Inactive(inactive) => return Self::Inactive(*inactive),
            Self::Refused(rejection) => return Self::Refused(rejection.clone()),
            Self::MissingToken => return Self::MissingToken,
            Self::MultipleHeaders => return Self::MultipleHeaders,
            Self::SeveralCredentials => return Self::SeveralCredentials,
            Self::SeveralSessions => return Self::SeveralSessions,
            Self::CrossOrigin => return Self::CrossOrigin,
            Self::MalformedHeader => return Self::MalformedHeader,
            Self::Unavailable(error) | Self::UnknownSignature(error) => error,
        };
        let cause = Box::new(SharedCause(shared.clone()));
        let store = match store {
            StoreError::Corrupt { what, source: None } => {
                StoreError::Corrupt { what, source: None }
            }
            StoreError::Corrupt { what, .. } => StoreError::Corrupt { what, source: Some(cause) },
            _ => StoreError::Unavailable(cause),
        };
        match **shared {
            Self::UnknownSignature(_) => Self::UnknownSignature(store),
            _ => Self::Unavailable(store),
        }
    }

    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Unavailable(error)
            | Self::UnknownSignature(error)
            | Self::InvalidToken(VerifyError::Store(error)) => Some(error),
            _ => None,
        }
    }
}

/// The cause of a store's error that several requests have in common.
#[derive(Debug)]
struct SharedCause(Arc<AuthenticateError>);

impl SharedCause {
    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        let error = self.0.store_error()?;
        // An error without a cause is its own.
        Some(error.source().unwrap_or(error))
    }
}

impl fmt::Display for SharedCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause() {
            Some(cause) => fmt::Display::fmt(cause, f),
            None => fmt::Display::fmt(&self.0, f),
        }
    }
}

impl Error for SharedCause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause()?.source()
    }
}

impl From<VerifyError> for AuthenticateError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Inactive(inactive) => Self::Inactive(inactive),
            VerifyError::Store(error) => Self::Unavailable(error),
            error => Self::InvalidToken(error),
        }
    }
}

impl From<Panicked> for AuthenticateError {
    fn from(panicked: Panicked) -> Self {
        Self::Unavailable(StoreError::unavailable(panicked))
    }
}

impl From<StoreError> for AuthenticateError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error)
    }
}

/// How much is said depends on what the caller has proven: without a good signature, nothing but
/// that the token is not accepted.
impl From<&AuthenticateError> for Rejection {
    fn from(error: &AuthenticateError) -> Self {
        use RejectionCode as Code;
        match error {
            AuthenticateError::MissingToken => Self::missing_token(),
            AuthenticateError::MultipleHeaders => {
                Self::new(Code::InvalidRequest, "more than one Authorization header in the request")
            }
            AuthenticateError::SeveralCredentials => Self::new(
                Code::InvalidRequest,
                "more than one kind of credentials in the request: send one of them",
            ),
            AuthenticateError::SeveralSessions => Self::new(
                Code::InvalidRequest,
                "more than one session cookie in the request: delete the cookies of this site",
            ),
            AuthenticateError::CrossOrigin => {
                Self::new(Code::CrossOrigin, "this request came from the page of another origin")
            }
            AuthenticateError::MalformedHeader => Self::not_accepted(),
            AuthenticateError::InvalidToken(error) => invalid_token(error),
            AuthenticateError::Inactive(inactive) => {
                Self::new(Code::ActorInactive, format!("Actor is not active: {inactive}"))
            }
            AuthenticateError::Refused(rejection) => rejection.clone(),
            AuthenticateError::Unavailable(_) | AuthenticateError::UnknownSignature(_) => {
                Self::new(
                    Code::Unavailable,
                    "it cannot be decided at the moment whether the token is good",
                )
            }
        }
    }
}

impl From<AuthenticateError> for Rejection {
    fn from(error: AuthenticateError) -> Self {
        match error {
            AuthenticateError::Refused(rejection) => rejection,
            error => Self::from(&error),
        }
    }
}

fn invalid_token(error: &VerifyError) -> Rejection {
    match error {
        VerifyError::Token(error) if !error.is_after_signature() => Rejection::not_accepted(),
        VerifyError::Token(error @ TokenError::Expired(_)) => {
            Rejection::new(RejectionCode::TokenExpired, error.to_string())
        }
        VerifyError::Revoked { since } => Rejection::new(
            RejectionCode::TokenRevoked,
            match since {
                Some(since) => format!("the token has been revoked since {since}"),
                None => "the token has been revoked".to_owned(),
            },
        ),
        error @ VerifyError::KeyRetired { .. } => {
            Rejection::new(RejectionCode::TokenRevoked, error.to_string())
        }
        error => Rejection::new(RejectionCode::TokenNotAccepted, error.to_string()),
    }
}
