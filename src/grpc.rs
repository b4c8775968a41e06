//! gRPC: how a request is recognised and a refusal is answered, without any gRPC library.

use http::{HeaderMap, HeaderValue, Method, Request, header};

use crate::rejection::Rejection;

/// Which kind of gRPC a request speaks, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrpcKind {
    Grpc,
    Web,
    WebText,
}

impl GrpcKind {
    /// A POST of `application/grpc`, `application/grpc-web` or `application/grpc-web-text`, each
    /// alone, with `+` and a format, or with parameters; anything else is not gRPC. The method
    /// counts, since a refusal of gRPC has the HTTP status 200, which nobody who asks by GET for
    /// another's sake (forward authentication) must get.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method() != Method::POST {
            return None;
        }
        Self::of_headers(request.headers())
    }

    fn of_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
        let prefix = b"application/grpc";
        let (start, rest) = value.split_at_checked(prefix.len())?;
        if !start.eq_ignore_ascii_case(prefix) {
            return None;
        }
        let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b'+' | b';' | b' '));
        match (ends(rest), strip(rest, b"-web-text"), strip(rest, b"-web")) {
            (true, ..) => Some(Self::Grpc),
            (_, Some(rest), _) if ends(rest) => Some(Self::WebText),
            (_, _, Some(rest)) if ends(rest) => Some(Self::Web),
            _ => None,
        }
    }

    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web+proto",
            Self::WebText => "application/grpc-web-text+proto",
        })
    }
}

fn strip<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// The headers of an answer that is trailers only: its HTTP status is 200, and the outcome is here.
pub(crate) fn refusal(rejection: &Rejection, kind: GrpcKind) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, kind.content_type());
    headers.insert("grpc-status", HeaderValue::from(u16::from(rejection.code().grpc_code())));
    if let Ok(message) = HeaderValue::try_from(percent_encode(rejection.detail())) {
        headers.insert("grpc-message", message);
    }
    headers
}

/// The encoding that gRPC has for messages: everything but printable ASCII, and `%`, as `%XX`.
fn percent_encode(text: &str) -> String {
    const HEX: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => encoded.extend(['%', hex(byte >> 4), hex(byte & 0xf)]),
            _ => encoded.push(char::from(byte)),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(content_type: &'static str) -> Option<GrpcKind> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        GrpcKind::of_headers(&headers)
    }

    #[test]
    fn grpc_is_recognised_by_its_content_type_alone() {
        for text in ["application/grpc", "application/grpc+proto", "Application/GRPC;charset=x"] {
            assert_eq!(kind(text), Some(GrpcKind::Grpc), "{text}");
        }
        assert_eq!(kind("application/grpc-web"), Some(GrpcKind::Web));
        assert_eq!(kind("application/grpc-web+proto"), Some(GrpcKind::Web));
        assert_eq!(kind("application/grpc-web-text"), Some(GrpcKind::WebText));
        for text in ["application/json", "application/grpcx", "application/grpc-webby", "text/grpc"]
        {
            assert_eq!(kind(text), None, "{text}");
        }
        assert_eq!(GrpcKind::of_headers(&HeaderMap::new()), None);
    }

    #[test]
    fn messages_are_percent_encoded() {
        assert_eq!(percent_encode("100% é\n"), "100%25 %C3%A9%0A");
    }
}
