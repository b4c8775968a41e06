//! Which headers of a request are passed on.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::cookies;

/// What a request's credential is, as it is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed<'a> {
    /// The `Authorization` header.
    Header,
    /// The cookie of this name.
    Cookie(&'a str),
    /// None.
    Nothing,
}

/// Takes out of the headers what is not to be passed on, and puts in what is said of the request.
pub(super) fn prepare(
    headers: &mut HeaderMap,
    passed: Passed<'_>,
    actor: HeaderValue,
    address: Option<IpAddr>,
) {
    drop_connection(headers);
    let authorization = headers.remove(header::AUTHORIZATION);
    let cookie = match passed {
        Passed::Cookie(name) => cookie(headers, name),
        Passed::Header | Passed::Nothing => None,
    };
    headers.remove(header::COOKIE);
    let dropped: Vec<HeaderName> =
        headers.keys().filter(|name| is_dropped(name.as_str())).cloned().collect();
    for name in dropped {
        headers.remove(name);
    }
    // The body has its length, and nobody else knows it better.
    headers.remove(header::CONTENT_LENGTH);

    match passed {
        Passed::Header => {
            if let Some(mut value) = authorization {
                value.set_sensitive(true);
                headers.insert(header::AUTHORIZATION, value);
            }
        }
        Passed::Cookie(_) => {
            if let Some(mut value) = cookie {
                value.set_sensitive(true);
                headers.insert(header::COOKIE, value);
            }
        }
        Passed::Nothing => {}
    }
    headers.insert(X_DATAHUB_ACTOR, actor);
    if let Some(Ok(address)) = address.map(|address| HeaderValue::try_from(address.to_string())) {
        headers.insert(X_FORWARDED_FOR, address);
    }
}

/// The headers of this connection alone (RFC 9110 section 7.6.1). Before anything is put in: else
/// somebody could name what we put in, and have it taken out again.
fn drop_connection(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    headers.remove(header::CONNECTION);
    headers.remove(header::UPGRADE);
}

/// The one cookie of this name, as it was sent; none if there are several, since which was judged is
/// not known.
fn cookie(headers: &HeaderMap, name: &str) -> Option<HeaderValue> {
    let mut found = cookies::values(headers, name);
    let (Some(value), None) = (found.next(), found.next()) else { return None };
    HeaderValue::from_bytes(&[name.as_bytes(), b"=", value].concat()).ok()
}

fn is_dropped(name: &str) -> bool {
    DROPPED.iter().any(|dropped| match dropped.strip_suffix('*') {
        Some(prefix) => is_spelled(name.get(..prefix.len()).unwrap_or_default(), prefix),
        None => is_spelled(name, dropped),
    })
}

/// Whether these are the same name to a server that takes `_` for `-`.
fn is_spelled(name: &str, other: &str) -> bool {
    let dash = |byte: u8| if byte == b'_' { b'-' } else { byte };
    name.len() == other.len() && name.bytes().map(dash).eq(other.bytes())
}

const X_DATAHUB_ACTOR: HeaderName = HeaderName::from_static("x-datahub-actor");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// By which somebody outside could say who they are; `not_passed_on.md` says who believes each. A
/// star stands for whatever follows.
const DROPPED: &[&str] = &[
    "x-datahub-actor",
    "x-datahub-delegated-for-*",
    "proxy-authorization",
    "cookie2",
    "remote-*",
    "x-remote-*",
    "impersonate-*",
    "x-forwarded-*",
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-originating-ip",
    "x-auth-request-*",
    "x-vouch-*",
    "x-authentik-*",
    "x-pomerium-*",
    "x-token-subject",
    "x-webauth-*",
    "x-goog-authenticated-user-*",
    "x-goog-iap-*",
    "x-amzn-oidc-*",
    "x-ms-client-principal*",
    "x-ms-token-*",
    "cf-access-*",
    "tailscale-*",
    "x-client-cert*",
    "x-ssl-*",
    "ssl-client-*",
    "client-cert*",
    "x-consumer-*",
    "x-credential-*",
    "x-anonymous-consumer",
    "x-authenticated-*",
    "x-user",
    "x-user-*",
    "x-username",
    "x-userinfo",
    "x-access-token",
    "x-id-token",
    "x-email",
    "x-groups",
    "x-roles",
    "oidc-*",
    "x-oidc-*",
    "shib-*",
    "x-shib-*",
    "mellon-*",
    "sm-*",
    "iv-*",
    "x-appengine-*",
    "x-endpoint-api-userinfo",
    "x-apigateway-api-userinfo",
    "x-jwt-*",
    "x-envoy-*",
    "x-original-*",
    "x-rewrite-url",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn prepared(lines: &[(&str, &str)], passed: Passed<'_>) -> Vec<(String, String)> {
        let mut headers = headers(lines);
        prepare(&mut headers, passed, HeaderValue::from_static("urn:li:corpuser:a"), None);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn is(found: &[(String, String)], expected: &[(&str, &str)]) {
        let mut found: Vec<_> =
            found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        found.retain(|(name, value)| (*name, *value) != ("x-datahub-actor", "urn:li:corpuser:a"));
        assert_eq!(found, expected);
    }

    const BOTH: &[(&str, &str)] = &[
        ("authorization", "Bearer a.b.c"),
        ("cookie", "first=1; session=x.y.z ; last=\"2\""),
        ("cookie", "more=3"),
        ("accept", "*/*"),
    ];

    #[test]
    fn a_credential_is_passed_on_and_nothing_beside_it() {
        let accept = ("accept", "*/*");
        is(&prepared(BOTH, Passed::Header), &[accept, ("authorization", "Bearer a.b.c")]);
        is(&prepared(BOTH, Passed::Cookie("session")), &[accept, ("cookie", "session=x.y.z")]);
        is(&prepared(BOTH, Passed::Cookie("other")), &[accept]);
        is(&prepared(BOTH, Passed::Cookie("sess")), &[accept]);
        is(&prepared(BOTH, Passed::Nothing), &[accept]);
        let twice = [("cookie", "s=1; s=2")];
        is(&prepared(&twice, Passed::Cookie("s")), &[]);
        let twice = [("cookie", "s=1"), ("cookie", "s=1")];
        is(&prepared(&twice, Passed::Cookie("s")), &[]);
    }

    #[test]
    fn a_credential_that_is_passed_on_is_sensitive() {
        for (passed, name) in
            [(Passed::Header, header::AUTHORIZATION), (Passed::Cookie("session"), header::COOKIE)]
        {
            let mut headers = headers(BOTH);
            prepare(&mut headers, passed, HeaderValue::from_static(""), None);
            assert!(headers[&name].is_sensitive(), "{name}");
        }
    }

    #[test]
    fn a_cookie_of_almost_the_name_is_another_one() {
        let line = HeaderValue::from_bytes("a=b; \u{2000}s=1; s=2".as_bytes()).unwrap();
        let mut headers = HeaderMap::from_iter([(header::COOKIE, line)]);
        prepare(&mut headers, Passed::Cookie("s"), HeaderValue::from_static(""), None);
        assert_eq!(headers[header::COOKIE], "s=2");
    }

    #[test]
    fn nobody_says_who_they_are_but_by_the_credential() {
        let documented: Vec<String> = include_str!("not_passed_on.md")
            .lines()
            .filter(|line| line.starts_with("| `"))
            .filter_map(|line| line.split('|').nth(1))
            .flat_map(|names| names.split('`').skip(1).step_by(2))
            .map(str::to_ascii_lowercase)
            .filter(|name| name != "connection")
            .collect();
        assert_eq!(documented, DROPPED, "what is documented is what is dropped");
        for pattern in documented {
            let name = pattern.replace('*', "user");
            for name in [name.clone(), name.replace('-', "_")] {
                is(&prepared(&[(&name, "urn:li:corpuser:root")], Passed::Nothing), &[]);
            }
        }
        // No prefix of a name is one of them, and nothing that begins differently.
        for name in ["x-datahub-client-mode", "x-restli-protocol-version", "x-useragent", "remote"]
        {
            is(&prepared(&[(name, "1")], Passed::Nothing), &[(name, "1")]);
        }
    }

    #[test]
    fn what_is_set_here_cannot_be_named_away() {
        let lines = [
            ("connection", "close, X-DataHub-Actor, x-forwarded-for, custom"),
            ("connection", "te,, %"),
            ("upgrade", "websocket"),
            ("custom", "1"),
            ("x-datahub-actor", "urn:li:corpuser:root"),
            ("x-datahub-actor", "urn:li:corpuser:other"),
            ("content-length", "3"),
            ("te", "trailers"),
        ];
        let mut headers = headers(&lines);
        let address = "2001:db8::1".parse().unwrap();
        prepare(&mut headers, Passed::Nothing, HeaderValue::from_static(""), Some(address));
        let found: Vec<_> = headers.iter().collect();
        assert_eq!(headers.len(), 2, "{found:?}");
        assert_eq!(headers["x-datahub-actor"], "");
        assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
    }
}
