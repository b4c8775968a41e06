//! The compact form of a JWS (RFC 7515 section 7.1), strictly.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    TokenError,
    json::{Value, read_object},
};

/// The header of every token DataHub writes, `{"alg":"HS256"}`, encoded.
pub(super) const DATAHUB_HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";

/// Bytes beyond which a text is not looked at. An `Authorization` header is bounded more tightly
/// (8 KiB); this bound is for callers who have the text from elsewhere.
pub(super) const MAX_BYTES: usize = 16 * 1024;

/// Bytes of a foreign header that are looked at before its signature is known to be good, only to
/// tell one refusal from another.
const MAX_UNVERIFIED_HEADER: usize = 512;

/// The three segments, still encoded.
#[derive(Clone, Copy)]
pub(super) struct Compact<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header, dot and payload.
    pub(super) signing_input: &'a str,
}

impl<'a> Compact<'a> {
    pub(super) fn split(text: &'a str) -> Result<Self, TokenError> {
        if text.len() > MAX_BYTES {
            return Err(TokenError::Malformed);
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(TokenError::Malformed)?;
        if header.is_empty() || payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        Ok(Self { header, payload, signature, signing_input })
    }

    /// The 32 bytes of the MAC; `None` if the segment is not the canonical text of so many.
    pub(super) fn mac(&self) -> Option<Vec<u8>> {
        let mut mac = vec![0; 32];
        // The engine refuses padding and spare bits that are set.
        match URL_SAFE_NO_PAD.decode_slice(self.signature, &mut mac) {
            Ok(32) => Some(mac),
            _ => None,
        }
    }

    /// The header, once the MAC is known to be good.
    pub(super) fn check_header(&self) -> Result<(), TokenError> {
        if self.header == DATAHUB_HEADER { Ok(()) } else { check_header(self.header) }
    }

    /// The claims' bytes, once the MAC is known to be good.
    pub(super) fn payload(&self) -> Result<Vec<u8>, TokenError> {
        decode(self.payload)
    }

    /// Which refusal describes best a token whose MAC is not good. Costs nothing for a token with
    /// DataHub's header, and is bounded for any other.
    pub(super) fn refusal(&self) -> TokenError {
        let is_base64url =
            |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if self.header.len() <= MAX_UNVERIFIED_HEADER
            && self.header != DATAHUB_HEADER
            && let Err(error) = check_header(self.header)
        {
            return error;
        }
        if self.signature.is_empty() {
            return TokenError::Unsigned;
        }
        if self.payload.is_empty() || !is_base64url(self.payload) || !is_base64url(self.signature) {
            return TokenError::Malformed;
        }
        // A spare bit makes a second spelling of the same signature.
        if self.signature.len() == 43 && self.mac().is_none() {
            return TokenError::Malformed;
        }
        TokenError::BadSignature
    }
}

/// Encodes a header and a payload into what is signed.
pub(super) fn signing_input(payload: &str) -> String {
    let mut input = String::with_capacity(DATAHUB_HEADER.len() + 1 + payload.len() * 4 / 3 + 64);
    input.push_str(DATAHUB_HEADER);
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut input);
    input
}

/// Appends the signature to what it signs.
pub(super) fn append_signature(mut input: String, mac: &[u8]) -> String {
    input.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut input);
    input
}

fn decode(segment: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenError::Malformed)
}

fn check_header(segment: &str) -> Result<(), TokenError> {
    let json = decode(segment)?;
    let mut algorithm = Err(TokenError::UnsupportedAlgorithm);
    let mut is_plain = true;
    read_object(&json, |name, value| match (name, value) {
        ("alg", Value::Text(text)) => {
            algorithm = match text.as_ref() {
                "HS256" => Ok(()),
                text if text.eq_ignore_ascii_case("none") => Err(TokenError::Unsigned),
                _ => Err(TokenError::UnsupportedAlgorithm),
            };
        }
        // RFC 7515 section 4.1.11: nothing that could be critical is understood here. RFC 8725
        // section 3.6: nothing is decompressed.
        ("crit" | "zip", _) => is_plain = false,
        _ => {}
    })
    .map_err(|_| TokenError::Malformed)?;
    algorithm?;
    if is_plain { Ok(()) } else { Err(TokenError::UnsupportedHeader) }
}
