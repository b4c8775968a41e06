//! The cookie that a session is in.

use std::time::Duration;

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue};

use super::PublicUrl;
use crate::{cookies, token::TokenText};

/// How the cookie of a service is called and made, which is decided by its public URL alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct SessionCookie {
    is_secure: bool,
}

impl SessionCookie {
    pub(super) fn new(public_url: &PublicUrl) -> Self {
        Self { is_secure: public_url.is_secure() }
    }

    /// With TLS the name has the prefix by which browsers know that nobody but this very host set it,
    /// over TLS, for all of its paths.
    pub(super) fn name(self) -> &'static str {
        if self.is_secure { "__Host-tower_pat_session" } else { "tower_pat_session" }
    }

    /// The header that gives a browser the session.
    pub(super) fn set(self, token: &TokenText, lifetime: Duration) -> HeaderValue {
        self.header(token.expose(), lifetime)
    }

    /// The header that takes it away.
    pub(super) fn remove(self) -> HeaderValue {
        self.header("", Duration::ZERO)
    }

    /// The sessions in a request: one, or none. Several if somebody else can set cookies for this
    /// host, such as another service on a port or a name below it.
    pub(super) fn tokens(self, headers: &HeaderMap) -> impl Iterator<Item = TokenText> {
        // What is no text is no token either, and is judged as one that is damaged.
        let text = |value| TokenText::new(String::from_utf8_lossy(value).into_owned());
        cookies::values(headers, self.name()).map(text)
    }

    fn header(self, value: &str, lifetime: Duration) -> HeaderValue {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        let cookie = Cookie::build((self.name(), value))
            .http_only(true)
            .same_site(SameSite::Strict)
            .secure(self.is_secure)
            .path("/")
            .max_age(cookie::time::Duration::seconds(seconds));
        // A token has only characters that a header can have.
        let mut header = HeaderValue::try_from(cookie.to_string())
            .unwrap_or(HeaderValue::from_static("tower_pat_session="));
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn cookie(url: &str) -> SessionCookie {
        SessionCookie::new(&url.parse().unwrap())
    }

    fn found(cookie: SessionCookie, headers: &[&[u8]]) -> Vec<String> {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(header::COOKIE, HeaderValue::from_bytes(value).unwrap());
        }
        cookie.tokens(&map).map(|token| token.expose().to_owned()).collect()
    }

    #[test]
    fn the_public_url_decides_name_and_attributes() {
        let token = TokenText::new("a.b.c".to_owned());
        let day = Duration::from_secs(86_400);
        assert_eq!(
            cookie("http://localhost:9002").set(&token, day),
            "tower_pat_session=a.b.c; HttpOnly; SameSite=Strict; Path=/; Max-Age=86400"
        );
        assert_eq!(
            cookie("https://localhost").set(&token, day),
            "__Host-tower_pat_session=a.b.c; HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=86400"
        );
        assert_eq!(
            cookie("http://localhost:9002").remove(),
            "tower_pat_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"
        );
        assert!(cookie("http://localhost").set(&token, day).is_sensitive());
    }

    #[test]
    fn the_cookie_is_found_by_its_very_name() {
        let plain = cookie("http://localhost:9002");
        assert_eq!(found(plain, &[b"tower_pat_session=a.b.c"]), ["a.b.c"]);
        assert_eq!(found(plain, &[b"a=b; tower_pat_session=a.b.c;c"]), ["a.b.c"]);
        assert_eq!(found(plain, &[b"a=\xff; tower_pat_session=a.b.c"]), ["a.b.c"]);
        assert_eq!(found(plain, &[b"a=b", b"tower_pat_session=a.b.c"]), ["a.b.c"]);
        assert_eq!(found(plain, &[b"tower_pat_session="]), [""]);
        assert_eq!(found(plain, &[b"tower_pat_session=a; tower_pat_session=b"]), ["a", "b"]);
        assert_eq!(found(plain, &[b"tower_pat_session=a", b"tower_pat_session=a"]), ["a", "a"]);
        for other in [
            &b"Tower_Pat_Session=a"[..],
            b"__Host-tower_pat_session=a",
            b"xtower_pat_session=a",
            b"tower_pat_session",
            b"a=tower_pat_session=b",
            b"tower%5Fpat_session=a",
        ] {
            assert!(found(plain, &[other]).is_empty(), "{other:?}");
        }
        let secure = cookie("https://localhost");
        assert!(found(secure, &[b"tower_pat_session=a"]).is_empty());
        assert_eq!(found(secure, &[b"__Host-tower_pat_session=a"]), ["a"]);
        for space in ["\u{85}", "\u{a0}", "\u{2000}", "\u{3000}"] {
            let before = format!("{space}__Host-tower_pat_session=a");
            let behind = format!("__Host-tower_pat_session{space}=a");
            for other in [&before, &behind] {
                assert!(found(secure, &[other.as_bytes()]).is_empty(), "{other:?}");
            }
        }
    }
}
