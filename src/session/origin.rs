//! Whether a request comes from the service's own pages.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::PublicUrl;

/// Whether the request may change something, or become something else that can (WebSockets).
pub(super) fn is_write(method: &Method, headers: &HeaderMap) -> bool {
    // Not `Method::is_safe`, which has TRACE.
    let is_read = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    !is_read || headers.contains_key(header::UPGRADE)
}

/// Whether the request comes from a page of this very origin, or from no page.
///
/// 1. `Sec-Fetch-Site` says it, if it is there. Every browser sends it since 2023, to `https` and to
///    this machine, and no script can set it. `same-origin` is a page of ours; `none` is the person
///    at the address bar. `same-site` is not enough: other ports of this machine, and other names
///    below one's domain, are other people's services.
/// 2. Without it, `Origin` must be the public URL's. Browsers have sent it with whatever is no GET or
///    HEAD since 2020 at the latest. `Host` is no measure: whoever points a name of theirs here
///    chooses it.
/// 3. Without either it is no browser, and nobody's page made it do this: what has the cookie sent
///    it on purpose.
pub(super) fn is_own(public_url: &PublicUrl, headers: &HeaderMap) -> bool {
    match values(headers, &SEC_FETCH_SITE) {
        Values::None => {}
        Values::One(site) => return site == "same-origin" || site == "none",
        Values::Several => return false,
    }
    match values(headers, &header::ORIGIN) {
        Values::None => true,
        Values::One(origin) => origin == public_url.origin(),
        Values::Several => false,
    }
}

enum Values<'a> {
    None,
    One(&'a HeaderValue),
    Several,
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Values<'a> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Values::None,
        (Some(value), None) => Values::One(value),
        (Some(_), Some(_)) => Values::Several,
    }
}

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_pages_of_the_very_origin_and_programs_pass() {
        let url: PublicUrl = "http://localhost:9002".parse().unwrap();
        let is_own = |pairs: &[(&'static str, &str)]| is_own(&url, &headers(pairs));
        let site = "sec-fetch-site";
        assert!(is_own(&[]));
        assert!(is_own(&[(site, "same-origin")]));
        assert!(is_own(&[(site, "none")]));
        assert!(is_own(&[("origin", "http://localhost:9002")]));
        // What a browser says of itself counts more: the person may use another name of this host.
        assert!(is_own(&[(site, "same-origin"), ("origin", "http://127.0.0.1:9002")]));
        for bad in ["same-site", "cross-site", "", "Same-Origin", "same-origin, none"] {
            assert!(!is_own(&[(site, bad)]), "{bad}");
            assert!(!is_own(&[(site, bad), ("origin", "http://localhost:9002")]), "{bad}");
        }
        assert!(!is_own(&[(site, "same-origin"), (site, "same-origin")]));
        for bad in [
            "null",
            "",
            "http://localhost",
            "http://localhost:8080",
            "https://localhost:9002",
            "http://localhost:9002/",
            "http://localhost:9002.example.com",
            "http://LOCALHOST:9002",
            "http://127.0.0.1:9002",
        ] {
            assert!(!is_own(&[("origin", bad)]), "{bad}");
            assert!(!is_own(&[("origin", bad), ("host", "localhost:9002")]), "{bad}");
        }
        let own = ("origin", "http://localhost:9002");
        assert!(!is_own(&[own, own]));
    }

    #[test]
    fn only_reading_is_no_write() {
        let none = HeaderMap::new();
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert!(!is_write(&method.parse().unwrap(), &none), "{method}");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "get", "QUERY"] {
            assert!(is_write(&method.parse().unwrap(), &none), "{method}");
        }
        assert!(is_write(&Method::GET, &headers(&[("upgrade", "websocket")])));
    }
}
