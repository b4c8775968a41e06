use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

/// Where people find the service, such as `https://tokens.example.com` or `http://localhost:9002`.
/// Cheap to clone.
///
/// It decides how session cookies are made and which requests come from the service's own pages. It
/// is configured and never taken from a request, whose `Host` anybody may write.
///
/// Without TLS, only hosts of this machine are taken: `localhost`, names below it, `127.0.0.0/8` and
/// `[::1]`. Everywhere else passwords and sessions would be readable on the way.
///
/// ```
/// use tower_pat::session::PublicUrl;
///
/// let url: PublicUrl = "https://Tokens.example.com:443/".parse()?;
/// assert_eq!(url.origin(), "https://tokens.example.com");
/// assert!(url.is_secure());
/// assert!("http://tokens.example.com".parse::<PublicUrl>().is_err());
/// # Ok::<_, tower_pat::session::PublicUrlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PublicUrl {
    origin: Arc<str>,
    is_secure: bool,
}

impl PublicUrl {
    /// The origin, as browsers write it into the header `Origin` (RFC 6454 section 6.2): lower case,
    /// without the port that is the scheme's own.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, PublicUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(PublicUrlError::Scheme)?;
        let (is_secure, own_port) = match scheme.to_ascii_lowercase().as_str() {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(PublicUrlError::Scheme),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '\\', '?', '#']) {
            return Err(PublicUrlError::Path);
        }
        if authority.contains('@') {
            return Err(PublicUrlError::UserInfo);
        }
        let (host, port) = split(authority)?;
        let host = Host::parse(host)?;
        if !is_secure && !host.is_loopback() {
            return Err(PublicUrlError::Insecure(host.to_string()));
        }
        let scheme = if is_secure { "https" } else { "http" };
        let origin = match port {
            Some(port) if port != own_port => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        };
        Ok(Self { origin: origin.into(), is_secure })
    }
}

impl TryFrom<&str> for PublicUrl {
    type Error = PublicUrlError;

    fn try_from(text: &str) -> Result<Self, PublicUrlError> {
        text.parse()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)
    }
}

/// Why a text is not the [`PublicUrl`] of a service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicUrlError {
    /// It begins with neither `https://` nor `http://`.
    #[error("a public URL begins with https:// or http://")]
    Scheme,
    /// There is something behind host and port.
    #[error("a public URL has neither path nor query: sessions are those of a whole origin")]
    Path,
    /// There is a user name in it.
    #[error("a public URL has no user name")]
    UserInfo,
    /// The host is missing, or is none that a browser would write.
    #[error("the host of a public URL is a name in ASCII (punycode) or an IP address")]
    Host,
    /// The port is none.
    #[error("the port of a public URL is from 1 to 65535")]
    Port,
    /// It has no TLS, and is not of this machine.
    #[error(
        "http:// is for this machine alone (localhost, 127.0.0.0/8, [::1]): passwords and sessions \
         would go to {0} for everybody on the way to read; use https://"
    )]
    Insecure(String),
}

/// Host and port.
fn split(authority: &str) -> Result<(&str, Option<u16>), PublicUrlError> {
    // The colons of an address in brackets are its own.
    let end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let colon = authority.get(end..).and_then(|rest| rest.find(':')).map(|colon| end + colon);
    let Some((host, port)) = colon.and_then(|colon| authority.split_at_checked(colon)) else {
        return Ok((authority, None));
    };
    let port = port.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let port = port.and_then(|port| port.parse().ok()).filter(|port| *port != 0);
    Ok((host, Some(port.ok_or(PublicUrlError::Port)?)))
}

enum Host {
    V4(Ipv4Addr),
    V6(Ipv6Addr),
    Name(String),
}

impl Host {
    fn parse(text: &str) -> Result<Self, PublicUrlError> {
        if let Some(address) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
            return address.parse().map(Self::V6).map_err(|_| PublicUrlError::Host);
        }
        let name = text.to_ascii_lowercase();
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
                })
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            return Err(PublicUrlError::Host);
        }
        // Browsers take such a name for an address, in whatever odd form; only the plain one is left.
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.starts_with(|first: char| first.is_ascii_digit()) {
            return name.parse().map(Self::V4).map_err(|_| PublicUrlError::Host);
        }
        Ok(Self::Name(name))
    }

    fn is_loopback(&self) -> bool {
        match self {
            Self::V4(address) => address.is_loopback(),
            Self::V6(address) => address.is_loopback(),
            // RFC 6761 section 6.3; browsers do not ask a name server for these.
            Self::Name(name) => name == "localhost" || name.ends_with(".localhost"),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(address) => write!(f, "{address}"),
            Self::V6(address) => write!(f, "[{address}]"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(text: &str) -> String {
        let url: PublicUrl = text.parse().unwrap();
        assert_eq!(url.is_secure(), url.origin().starts_with("https://"));
        url.origin().to_owned()
    }

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, expected) in [
            ("https://tokens.example.com", "https://tokens.example.com"),
            ("HTTPS://Tokens.Example.COM/", "https://tokens.example.com"),
            ("https://example.com:443", "https://example.com"),
            ("https://example.com:80", "https://example.com:80"),
            ("https://example.com:08443/", "https://example.com:8443"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("https://10.0.0.1", "https://10.0.0.1"),
            ("https://[2001:DB8:0:0::1]:9002", "https://[2001:db8::1]:9002"),
            ("http://localhost:9002", "http://localhost:9002"),
            ("http://localhost:80/", "http://localhost"),
            ("http://a.localhost", "http://a.localhost"),
            ("http://127.9.9.9:1", "http://127.9.9.9:1"),
            ("http://[::1]:9002", "http://[::1]:9002"),
        ] {
            assert_eq!(origin(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_public_url_is_refused_with_the_reason() {
        use PublicUrlError as Error;
        let insecure = |host: &str| Error::Insecure(host.to_owned());
        for (text, expected) in [
            ("", Error::Scheme),
            ("localhost:9002", Error::Scheme),
            ("ftp://example.com", Error::Scheme),
            ("https:/example.com", Error::Scheme),
            ("https://example.com/tokens", Error::Path),
            ("https://example.com//", Error::Path),
            ("https://example.com?", Error::Path),
            ("https://example.com/?a=b", Error::Path),
            ("https://example.com#a", Error::Path),
            ("https://a@example.com", Error::UserInfo),
            ("https://a:b@example.com", Error::UserInfo),
            ("https://", Error::Host),
            ("https:///", Error::Host),
            ("https://:443", Error::Host),
            ("https://example..com", Error::Host),
            ("https://example.com.", Error::Host),
            ("https://bücher.example", Error::Host),
            ("https://exam ple.com", Error::Host),
            ("https://example.com\r\n", Error::Host),
            ("https://example.com\r\nX: y", Error::Port),
            ("https://*", Error::Host),
            ("https://127.1", Error::Host),
            ("https://0x7f.0.0.1.0x1", Error::Host),
            ("https://::1", Error::Port),
            ("https://[::1", Error::Port),
            ("https://[::g]", Error::Host),
            ("https://a[::1]", Error::Host),
            ("https://example.com:", Error::Port),
            ("https://example.com:0", Error::Port),
            ("https://example.com:65536", Error::Port),
            ("https://example.com:+1", Error::Port),
            ("http://example.com", insecure("example.com")),
            ("http://10.0.0.1:9002", insecure("10.0.0.1")),
            ("http://128.0.0.1", insecure("128.0.0.1")),
            ("http://notlocalhost", insecure("notlocalhost")),
            ("http://localhost.example.com", insecure("localhost.example.com")),
            ("http://127.0.0.1.example.com", insecure("127.0.0.1.example.com")),
            ("http://[::2]", insecure("[::2]")),
        ] {
            assert_eq!(text.parse::<PublicUrl>(), Err(expected), "{text}");
        }
        let error = "http://example.com".parse::<PublicUrl>().unwrap_err().to_string();
        assert!(error.contains("use https://"), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_taken_is_taken_again_and_is_the_same(
            text in "(https?|HTTP)://(\\PC*|[a-z0-9.:\\[\\]/@-]{0,20})",
        ) {
            if let Ok(url) = text.parse::<PublicUrl>() {
                prop_assert_eq!(url.origin().parse::<PublicUrl>().unwrap(), url);
            }
        }
    }
}
