//! The token in the `Authorization` header (RFC 6750 section 2.1, RFC 9110 section 11.4).

use http::{HeaderMap, HeaderValue, header};

use super::AuthenticateError;

/// What the `Authorization` header presents.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Presented<'a> {
    /// What stands behind the scheme, and is to be a token. That it has only characters that one can
    /// have is not looked at: whatever is good has, and for the rest there is [`is_token`].
    Bearer(&'a [u8]),
    /// Nothing, or the credentials of another scheme.
    NoBearer,
}

/// Bytes beyond which a header is not looked at.
const MAX_BYTES: usize = 8 * 1024;

const SCHEME: &[u8] = b"bearer";

/// Finds the token: exactly one header, the scheme in any case, one or more spaces, and then
/// something.
///
/// Everything that begins with the scheme's name counts as an attempt to present a token, so that
/// a slip does not silently make somebody anonymous.
pub(super) fn present(headers: &HeaderMap) -> Result<Presented<'_>, AuthenticateError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(Presented::NoBearer),
        (Some(value), None) => present_value(value),
        (Some(_), Some(_)) => Err(AuthenticateError::MultipleHeaders),
    }
}

fn present_value(value: &HeaderValue) -> Result<Presented<'_>, AuthenticateError> {
    let bytes = value.as_bytes();
    // As nearly everybody writes it.
    if let Some(token @ [first, ..]) = bytes.strip_prefix(b"Bearer ")
        && *first != b' '
        && bytes.len() <= MAX_BYTES
    {
        return Ok(Presented::Bearer(token));
    }
    let Some((scheme, rest)) = bytes.split_at_checked(SCHEME.len()) else {
        return Ok(Presented::NoBearer);
    };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Ok(Presented::NoBearer);
    }
    let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
    let token = rest.get(spaces..).unwrap_or_default();
    if bytes.len() > MAX_BYTES || spaces == 0 || token.is_empty() {
        return Err(AuthenticateError::MalformedHeader);
    }
    Ok(Presented::Bearer(token))
}

/// Whether there are only characters of `b64token`, wherever they stand. Looks at all of them, since
/// a loop that does not leave early is one that the compiler does many bytes at a time.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    bytes.iter().fold(true, |so_far, byte| {
        // Letters in one comparison: bit 5 is what tells the cases apart.
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        // `-`, `.`, `/` and the digits stand in a row.
        let is_digit = byte.wrapping_sub(b'-') < 13;
        let is_other = (*byte == b'_') | (*byte == b'~') | (*byte == b'+') | (*byte == b'=');
        so_far & (is_letter | is_digit | is_other)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(value: Option<&str>) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let presented = present(&headers).and_then(|presented| match presented {
            Presented::Bearer(token) if is_token(token) => Ok(Some(token)),
            Presented::Bearer(_) => Err(AuthenticateError::MalformedHeader),
            Presented::NoBearer => Ok(None),
        });
        match (presented, value) {
            (Ok(Some(token)), _) => Ok(str::from_utf8(token).unwrap().to_owned()),
            (Ok(None), None) => Err("missing_header"),
            (Ok(None), Some(_)) => Err("not_bearer"),
            (Err(AuthenticateError::MalformedHeader), _) => Err("malformed"),
            (Err(error), _) => panic!("{error:?}"),
        }
    }

    /// Where we differ from the vectors' strict verdict on purpose: the scheme is taken in any case
    /// and with more than one space, and what begins with the scheme's name is a presented token.
    const EXCEPTIONS: [(&str, Result<&str, &str>); 7] = [
        ("bearer_upper", Ok("abc.def.ghi")),
        ("bearer_mixed", Ok("abc.def.ghi")),
        ("two_spaces", Ok("abc")),
        ("scheme_only", Err("malformed")),
        ("scheme_and_space", Err("malformed")),
        ("tab_instead_of_space", Err("malformed")),
        ("no_space", Err("malformed")),
    ];

    #[test]
    fn every_header_is_read_strictly_but_for_the_exceptions() {
        let file: Value =
            serde_json::from_str(include_str!("../../tests/data/token/headers.json")).unwrap();
        let cases = file["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 16);
        for case in cases {
            let name = case["name"].as_str().unwrap();
            let found = read(case["authorization"].as_str());
            let strict = &case["expected_strict"];
            let strict = match strict["token"].as_str() {
                Some(token) => Ok(token),
                None => Err(strict["error_kind"].as_str().unwrap()),
            };
            let exception = EXCEPTIONS.iter().find(|(known, _)| *known == name);
            let expected = exception.map_or(strict, |(_, expected)| *expected);
            assert_eq!(found.as_deref().map_err(|kind| *kind), expected, "{name}");
            assert!(exception.is_none_or(|(_, expected)| *expected != strict), "{name}");
        }
    }

    #[test]
    fn several_headers_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        assert!(matches!(present(&headers), Err(AuthenticateError::MultipleHeaders)));
    }

    #[test]
    fn a_header_of_more_than_8_kib_is_refused() {
        assert!(read(Some(&format!("Bearer {}", "a".repeat(MAX_BYTES - 7)))).is_ok());
        assert_eq!(read(Some(&format!("Bearer {}", "a".repeat(MAX_BYTES - 6)))), Err("malformed"));
    }

    #[test]
    fn the_characters_of_a_token_are_those_of_rfc_6750() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
            assert_eq!(is_token(&[b'a', byte]), expected, "{byte}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            prefix in "|Bearer |bearer  |BEARER",
        ) {
            let bytes = [prefix.as_bytes(), &bytes].concat();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(header::AUTHORIZATION, value);
                if let Ok(Presented::Bearer(token)) = present(&headers)
                    && is_token(token)
                {
                    prop_assert!(bytes.ends_with(token));
                    prop_assert!(!token.is_empty() && !token.contains(&b' '));
                }
            }
        }
    }
}
