use http::Method;
use percent_encoding::percent_decode_str;

use crate::{
    rejection::{Rejection, RejectionCode},
    token::{KeyId, TokenId},
};

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    CreateToken,
    ListTokens,
    CurrentToken,
    RevokeCurrentToken,
    Token(TokenId),
    RevokeToken(TokenId),
    Keys,
    AddKey(KeyId),
    PromoteKey(KeyId),
    RetireKey(KeyId),
    AddRule,
    ListRules,
    Introspect,
    Revoke,
    Document,
}

/// Why there is no route.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    /// There is nothing at this path.
    Path,
    /// What comes after `/tokens/` is not a token's id.
    Id,
    /// What comes after `/keys/` is not a key's id.
    KeyId,
    /// There is, but not for this method; only for those of the header `Allow`.
    Method(&'static str),
}

impl Route {
    pub(super) fn of(method: &Method, path: &str) -> Result<Self, NoRoute> {
        // What answers GET answers HEAD, and the server leaves the body out.
        let get = *method == Method::GET || *method == Method::HEAD;
        match path {
            "/tokens" if get => Ok(Self::ListTokens),
            "/tokens" if *method == Method::POST => Ok(Self::CreateToken),
            "/tokens" => Err(NoRoute::Method("GET, HEAD, POST")),
            "/tokens/self" if get => Ok(Self::CurrentToken),
            "/tokens/self" if *method == Method::DELETE => Ok(Self::RevokeCurrentToken),
            "/keys" if get => Ok(Self::Keys),
            "/keys" => Err(NoRoute::Method("GET, HEAD")),
            "/revocation-rules" if get => Ok(Self::ListRules),
            "/revocation-rules" if *method == Method::POST => Ok(Self::AddRule),
            "/revocation-rules" => Err(NoRoute::Method("GET, HEAD, POST")),
            "/introspect" if *method == Method::POST => Ok(Self::Introspect),
            "/revoke" if *method == Method::POST => Ok(Self::Revoke),
            "/introspect" | "/revoke" => Err(NoRoute::Method("POST")),
            "/openapi.json" if get => Ok(Self::Document),
            "/openapi.json" => Err(NoRoute::Method("GET, HEAD")),
            _ if path.starts_with("/keys/") => Self::of_key(method, path),
            _ => match path.strip_prefix("/tokens/") {
                Some(segment) if !get && *method != Method::DELETE && !segment.contains('/') => {
                    Err(NoRoute::Method("DELETE, GET, HEAD"))
                }
                // An id may have a `/`, but percent-encoded: routers in front cut there.
                Some(segment) if !segment.contains('/') => {
                    let id = token_id(segment).ok_or(NoRoute::Id)?;
                    Ok(if get { Self::Token(id) } else { Self::RevokeToken(id) })
                }
                _ => Err(NoRoute::Path),
            },
        }
    }
}

impl Route {
    fn of_key(method: &Method, path: &str) -> Result<Self, NoRoute> {
        let mut segments = path.split('/').skip(2);
        let (Some(id), Some(action), None) = (segments.next(), segments.next(), segments.next())
        else {
            return Err(NoRoute::Path);
        };
        let route: fn(KeyId) -> Self = match action {
            "add" => Self::AddKey,
            "promote" => Self::PromoteKey,
            "retire" => Self::RetireKey,
            _ => return Err(NoRoute::Path),
        };
        if *method != Method::POST {
            return Err(NoRoute::Method("POST"));
        }
        id.parse().map(route).map_err(|_| NoRoute::KeyId)
    }
}

impl From<&NoRoute> for Rejection {
    fn from(no_route: &NoRoute) -> Self {
        match no_route {
            NoRoute::Path => Self::new(RejectionCode::NotFound, "there is nothing at this path"),
            NoRoute::Id => Self::new(
                RejectionCode::BadRequest,
                "that is not the id of a token; ids are percent-encoded here",
            ),
            NoRoute::KeyId => Self::new(
                RejectionCode::BadRequest,
                "that is not the id of a key, which has 16 hexadecimal digits in lower case",
            ),
            NoRoute::Method(allow) => Self::new(
                RejectionCode::MethodNotAllowed,
                format!("this method is not for this path; these are: {allow}"),
            ),
        }
    }
}

fn token_id(segment: &str) -> Option<TokenId> {
    percent_decode_str(segment).decode_utf8().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "zZSw+UtbXZ/fXWbycoePvljOPoe8fUXSeJxg4Oz3HxQ=";

    #[test]
    fn an_id_is_one_segment_decoded_once() {
        let id: TokenId = ID.parse().unwrap();
        let encoded = "zZSw%2BUtbXZ%2ffXWbycoePvljOPoe8fUXSeJxg4Oz3HxQ%3D";
        let get = |path: &str| Route::of(&Method::GET, path);
        assert_eq!(get(&format!("/tokens/{encoded}")), Ok(Route::Token(id)));
        assert_eq!(get(&format!("/tokens/{}", ID.replace('/', "%2F"))), Ok(Route::Token(id)));
        assert_eq!(
            Route::of(&Method::DELETE, &format!("/tokens/{encoded}")),
            Ok(Route::RevokeToken(id))
        );
        assert_eq!(get(&format!("/tokens/{ID}")), Err(NoRoute::Path));
        assert_eq!(get(&format!("/tokens/{}", encoded.replace('%', "%25"))), Err(NoRoute::Id));
        for odd in ["/tokens/", "/tokens/x", "/tokens/%ff", "/tokens/self%20", "/tokens/%73elf"] {
            assert_eq!(get(odd), Err(NoRoute::Id), "{odd}");
        }
    }

    #[test]
    fn a_key_is_changed_by_its_id() {
        let id = "0123456789abcdef";
        let post = |path: &str| Route::of(&Method::POST, path);
        let key = id.parse().unwrap();
        assert_eq!(post(&format!("/keys/{id}/add")), Ok(Route::AddKey(key)));
        assert_eq!(post(&format!("/keys/{id}/promote")), Ok(Route::PromoteKey(key)));
        assert_eq!(post(&format!("/keys/{id}/retire")), Ok(Route::RetireKey(key)));
        assert_eq!(post("/keys/0123456789ABCDEF/retire"), Err(NoRoute::KeyId));
        for nowhere in ["/keys/", "/keys/x", "/keys//", "/keys/x/y", "/keys/x/retire/"] {
            assert_eq!(post(nowhere), Err(NoRoute::Path), "{nowhere}");
        }
        let get = Route::of(&Method::GET, &format!("/keys/{id}/retire"));
        assert_eq!(get, Err(NoRoute::Method("POST")));
    }

    #[test]
    fn a_method_too_many_is_told_which_there_are() {
        let put = |path: &str| Route::of(&Method::PUT, path);
        assert_eq!(put("/tokens"), Err(NoRoute::Method("GET, HEAD, POST")));
        assert_eq!(put("/tokens/self"), Err(NoRoute::Method("DELETE, GET, HEAD")));
        assert_eq!(put("/tokens/x"), Err(NoRoute::Method("DELETE, GET, HEAD")));
        assert_eq!(Route::of(&Method::GET, "/revoke"), Err(NoRoute::Method("POST")));
        for nowhere in ["", "/", "/token", "/tokens/self/", "//tokens", "/tokens/../revoke", "*"] {
            assert_eq!(put(nowhere), Err(NoRoute::Path), "{nowhere}");
        }
    }
}
