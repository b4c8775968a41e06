//! The compact form of a JWS (RFC 7515 section 7.1), strictly.

use std::borrow::Cow;

use base64::{DecodeSliceError, Engine, engine::general_purpose::URL_SAFE_NO_PAD};

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

/// Bytes of claims that are decoded without allocating. DataHub's have about 200.
pub(super) const PAYLOAD_BUFFER: usize = 320;

/// The three segments, still encoded.
#[derive(Clone, Copy)]
pub(super) struct Compact<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    signature: &'a [u8],
    /// Header, dot and payload.
    pub(super) signing_input: &'a [u8],
}

impl<'a> Compact<'a> {
    /// What stands between the dots. That there is no third one is only seen where the signature
    /// turns out not to be one: see [`refusal`](Self::refusal).
    pub(super) fn split(text: &'a [u8]) -> Result<Self, TokenError> {
        if text.len() > MAX_BYTES {
            return Err(TokenError::Malformed);
        }
        // Nearly every header is DataHub's, and its end need not be looked for.
        let first = match text.get(DATAHUB_HEADER.len()) {
            Some(b'.') if text.starts_with(DATAHUB_HEADER.as_bytes()) => Some(DATAHUB_HEADER.len()),
            _ => memchr::memchr(b'.', text),
        };
        let (header, rest) = cut_at(text, first).ok_or(TokenError::Malformed)?;
        let second = memchr::memchr(b'.', rest);
        let (payload, signature) = cut_at(rest, second).ok_or(TokenError::Malformed)?;
        let signing_input = text.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        if header.is_empty() {
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
        if self.is_datahubs() { Ok(()) } else { check_header(self.header) }
    }

    /// The claims' bytes, once the MAC is known to be good; in `buffer` if they fit.
    pub(super) fn payload<'b>(
        &self,
        buffer: &'b mut [u8; PAYLOAD_BUFFER],
    ) -> Result<Cow<'b, [u8]>, TokenError> {
        match URL_SAFE_NO_PAD.decode_slice(self.payload, buffer) {
            Ok(length) => Ok(Cow::Borrowed(buffer.get(..length).unwrap_or_default())),
            Err(DecodeSliceError::OutputSliceTooSmall) => decode(self.payload).map(Cow::Owned),
            Err(DecodeSliceError::DecodeError(_)) => Err(TokenError::Malformed),
        }
    }

    /// Which refusal describes best a token whose MAC is not good. Costs little for a token with
    /// DataHub's header, and is bounded for any other.
    ///
    /// What is refused for its signature alone has only characters of base64url between its dots.
    pub(super) fn refusal(&self, mac: Option<&Vec<u8>>) -> TokenError {
        if memchr::memchr(b'.', self.signature).is_some() {
            return TokenError::Malformed;
        }
        if self.header.len() > MAX_UNVERIFIED_HEADER {
            if !is_base64url(self.header) {
                return TokenError::Malformed;
            }
        } else if !self.is_datahubs()
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
        if self.signature.len() == 43 && mac.is_none() {
            return TokenError::Malformed;
        }
        TokenError::BadSignature
    }

    fn is_datahubs(&self) -> bool {
        self.header == DATAHUB_HEADER.as_bytes()
    }
}

/// What stands before and behind the byte at `dot`.
fn cut_at(text: &[u8], dot: Option<usize>) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(dot?)?;
    Some((before, rest.get(1..)?))
}

/// Does not leave early, so that the compiler does many bytes at a time.
fn is_base64url(text: &[u8]) -> bool {
    text.iter().fold(true, |so_far, byte| {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let is_digit = byte.wrapping_sub(b'0') < 10;
        so_far & (is_letter | is_digit | (*byte == b'-') | (*byte == b'_'))
    })
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

fn decode(segment: &[u8]) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenError::Malformed)
}

fn check_header(segment: &[u8]) -> Result<(), TokenError> {
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
