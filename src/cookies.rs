//! Reading the cookies of requests.

use http::{HeaderMap, header};

/// The values of the cookies with this very name, in their order.
///
/// Byte by byte, and nothing is taken off but the spaces and tabs that separate pairs (RFC 6265
/// section 5.4): what browsers protect is the prefix `__Host-` of a name as they see it. Who took
/// other white space off, such as that of Unicode, would find the protected name in a cookie that
/// any page of a sibling domain may set.
pub(crate) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let (found, value) = (parts.next()?, parts.next()?);
            (trim(found) == name.as_bytes()).then(|| trim(value))
        })
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn found(name: &str, lines: &[&[u8]]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        values(&headers, name).map(text).collect()
    }

    #[test]
    fn a_cookie_is_found_by_its_very_name() {
        assert_eq!(found("s", &[b"s=a.b.c"]), ["a.b.c"]);
        assert_eq!(found("s", &[b"a=b; s=a.b.c;c"]), ["a.b.c"]);
        assert_eq!(found("s", &[b"a=b;\t s =\ta=b= ;c"]), ["a=b="]);
        assert_eq!(found("s", &[b"a=\xff; s=\xfe"]), ["\u{fffd}"]);
        assert_eq!(found("s", &[b"a=b", b"s=a"]), ["a"]);
        assert_eq!(found("s", &[b"s="]), [""]);
        assert_eq!(found("s", &[b"s=a; s=b", b"s=a"]), ["a", "b", "a"]);
        for other in [&b"S=a"[..], b"s", b"xs=a", b"a=s=b", b"%73=a", b"=s=a", b"\"s\"=a", b""] {
            assert!(found("s", &[other]).is_empty(), "{other:?}");
        }
    }

    #[test]
    fn no_other_white_space_is_taken_off_a_name() {
        let name = "__Host-s";
        for char in
            (0x80..=0x10_ffff).filter_map(char::from_u32).filter(|char| char.is_whitespace())
        {
            for pair in [format!("{char}{name}=a"), format!("{name}{char}=a")] {
                for line in [pair.clone(), format!("a=b; {pair}"), format!(" {pair} ;")] {
                    assert!(found(name, &[line.as_bytes()]).is_empty(), "{line:?}");
                }
            }
        }
        // Its single bytes, too, which some take for Latin-1.
        for byte in [b"\x85", b"\xa0"] {
            let line = [byte, name.as_bytes(), b"=a"].concat();
            assert!(found(name, &[&line]).is_empty());
        }
    }
}
