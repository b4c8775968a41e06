use std::{borrow::Cow, fmt};

use super::{AuthenticateError, Credential, RequestHead};
use crate::{actor::Urn, backend::BoxFuture, token::TokenText};

/// Takes credentials of another kind than our tokens, before or behind them in the chain.
///
/// It only says *who* it is. Whether they may act, their groups and roles, and what they may do, is
/// found out by the authenticator, as for tokens.
pub trait CredentialAuthenticator: fmt::Debug + Send + Sync + 'static {
    /// Looks at a request.
    fn attempt(&self, head: RequestHead<'_>) -> Attempt;
}

/// What a [`CredentialAuthenticator`] makes of a request.
#[non_exhaustive]
pub enum Attempt {
    /// There are no credentials of its kind: the next one is asked.
    NotMine,
    /// They are good. Nobody else is asked.
    Accepted(Identity),
    /// They are not. Nobody else is asked.
    Refused(AuthenticateError),
    /// They are of its kind, and it needs time. Nobody else is asked.
    Pending(BoxFuture<'static, Result<Identity, AuthenticateError>>),
    /// The text of a SESSION token that was found elsewhere than in the `Authorization` header, such
    /// as in a cookie. It is judged as tokens are, and nobody else is asked: it must be of type
    /// SESSION and stored (version 2), whatever
    /// [`accept_sessions`](crate::config::ConfigBuilder::accept_sessions) says.
    SessionToken(TokenText),
}

/// Who somebody is, by the word of a [`CredentialAuthenticator`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// Who.
    pub actor: Urn,
    /// By what they were authenticated.
    pub credential: Credential,
}

impl Identity {
    /// `actor`, by a credential that is called `name` in [`Credential::Other`].
    #[must_use]
    pub fn new(actor: Urn, name: impl Into<Cow<'static, str>>) -> Self {
        Self { actor, credential: Credential::Other { name: name.into() } }
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMine => f.write_str("NotMine"),
            Self::Accepted(identity) => f.debug_tuple("Accepted").field(identity).finish(),
            Self::Refused(error) => f.debug_tuple("Refused").field(error).finish(),
            Self::Pending(_) => f.write_str("Pending(..)"),
            Self::SessionToken(text) => f.debug_tuple("SessionToken").field(text).finish(),
        }
    }
}
