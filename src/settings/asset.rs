use std::{fmt::Write, sync::LazyLock};

use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};

/// A file that is the same for everybody.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) content_type: &'static str,
    pub(super) text: &'static str,
    /// Changes with the text: browsers keep the file, and ask each time whether it is still that.
    etag: LazyLock<HeaderValue>,
}

impl Asset {
    /// The file of this name, if there is one.
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        match name {
            "settings.css" => Some(&STYLE),
            "settings.js" => Some(&SCRIPT),
            "icon.svg" => Some(&ICON),
            _ => None,
        }
    }

    pub(super) fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// Whether the client has this very file (RFC 9110 section 13.1.2).
    pub(super) fn is_known(&self, headers: &HeaderMap) -> bool {
        headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == *self.etag())
    }
}

macro_rules! asset {
    ($name:ident, $file:literal, $content_type:literal) => {
        static $name: Asset = Asset {
            content_type: $content_type,
            text: include_str!($file),
            etag: LazyLock::new(|| etag(include_str!($file))),
        };
    };
}

asset!(STYLE, "settings.css", "text/css; charset=utf-8");
asset!(SCRIPT, "settings.js", "text/javascript; charset=utf-8");
asset!(ICON, "icon.svg", "image/svg+xml");

fn etag(text: &str) -> HeaderValue {
    let mut tag = String::from("\"");
    for byte in Sha256::digest(text).iter().take(16) {
        // Writing to a string does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(asset: &Asset, values: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
        }
        asset.is_known(&headers)
    }

    #[test]
    fn a_file_is_known_by_its_tag() {
        let tag = SCRIPT.etag().to_str().unwrap();
        assert_eq!(tag.len(), 34);
        assert_ne!(SCRIPT.etag(), STYLE.etag());
        assert!(is_known(&SCRIPT, &[tag]));
        assert!(is_known(&SCRIPT, &[&format!("W/{tag}")]), "as a proxy makes it that compresses");
        assert!(is_known(&SCRIPT, &[&format!("\"other\", {tag}")]));
        assert!(is_known(&SCRIPT, &["\"other\"", tag]));
        assert!(is_known(&SCRIPT, &["*"]));
        for other in [&[][..], &[""], &["\"other\""], &[tag.trim_matches('"')]] {
            assert!(!is_known(&SCRIPT, other), "{other:?}");
        }
        assert!(!is_known(&STYLE, &[tag]));
    }
}
