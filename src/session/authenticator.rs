use http::header;

use super::{PublicUrl, cookie::SessionCookie, origin};
use crate::authenticate::{Attempt, AuthenticateError, CredentialAuthenticator, RequestHead};

/// Takes sessions from cookies; whether they are good is then judged as for tokens. See the
/// [module docs](super).
///
/// 1. Without the cookie, the request is none of its business.
/// 2. The cookie together with an `Authorization` header, or twice, is refused: it would not be clear
///    who that is ([`AuthenticateError::SeveralCredentials`],
///    [`SeveralSessions`](AuthenticateError::SeveralSessions)).
/// 3. What may change something, which is whatever is not GET, HEAD or OPTIONS, must come from a page
///    of the public URL's very origin, or from a program that is no browser
///    ([`AuthenticateError::CrossOrigin`]).
#[derive(Debug, Clone)]
pub struct SessionAuthenticator {
    public_url: PublicUrl,
    cookie: SessionCookie,
}

impl SessionAuthenticator {
    pub(super) fn new(public_url: PublicUrl) -> Self {
        Self { cookie: SessionCookie::new(&public_url), public_url }
    }
}

impl CredentialAuthenticator for SessionAuthenticator {
    fn attempt(&self, head: RequestHead<'_>) -> Attempt {
        let mut tokens = self.cookie.tokens(head.headers);
        let Some(token) = tokens.next() else { return Attempt::NotMine };
        if head.headers.contains_key(header::AUTHORIZATION) {
            return Attempt::Refused(AuthenticateError::SeveralCredentials);
        }
        if tokens.next().is_some() {
            return Attempt::Refused(AuthenticateError::SeveralSessions);
        }
        if origin::is_write(head.method, head.headers)
            && !origin::is_own(&self.public_url, head.headers)
        {
            return Attempt::Refused(AuthenticateError::CrossOrigin);
        }
        Attempt::SessionToken(token)
    }
}
