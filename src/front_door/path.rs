use http::{
    Uri,
    uri::{InvalidUri, PathAndQuery},
};
use percent_encoding::percent_decode_str;

/// What becomes of paths on their way through a [`FrontDoor`](super::FrontDoor).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Paths {
    /// As DataHub's frontend has them: `/api/gms/x` becomes `/x`, `/api/v2/graphql` becomes
    /// `/api/graphql`, all others stay. The default.
    #[default]
    Frontend,
    /// All stay: for a front door from whose paths a router has taken the prefix, as axum's
    /// `nest_service("/api/gms", ..)` does.
    AsTheyAre,
}

/// Why a path is not passed on.
#[derive(Debug, Clone, Copy)]
pub(super) enum PathError {
    /// It is none: a request of a proxy, or to a server as a whole.
    NotAPath,
    /// A segment of it is for going elsewhere.
    Dots,
}

impl Paths {
    /// Path and query as they are passed on.
    pub(super) fn of(self, uri: &Uri) -> Result<PathAndQuery, PathError> {
        let whole = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let path = uri.path();
        if !path.starts_with('/') {
            return Err(PathError::NotAPath);
        }
        // Also as a server reads it that decodes before it splits.
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        if decoded.split(|byte| matches!(byte, b'/' | b'\\')).any(is_dots) {
            return Err(PathError::Dots);
        }
        let rest = match self {
            Self::AsTheyAre => None,
            Self::Frontend if path == GRAPHQL_V2 => {
                Some((GRAPHQL, whole.get(GRAPHQL_V2.len()..).unwrap_or_default()))
            }
            // At a whole segment: `/api/gmsx` is another path.
            Self::Frontend => whole
                .strip_prefix(GMS)
                .filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
                .map(|rest| if rest.starts_with('/') { ("", rest) } else { ("/", rest) }),
        };
        let parsed: Result<PathAndQuery, InvalidUri> = match rest {
            None => whole.parse(),
            Some((begin, rest)) => [begin, rest].concat().parse(),
        };
        parsed.map_err(|_| PathError::NotAPath)
    }
}

/// Whether a decoded segment is `.` or `..`. Servlet containers take what stands behind a semicolon for
/// parameters, and the rest for the segment.
fn is_dots(segment: &[u8]) -> bool {
    matches!(segment, b"." | b".." | [b'.', b';', ..] | [b'.', b'.', b';', ..])
}

const GMS: &str = "/api/gms";
const GRAPHQL: &str = "/api/graphql";
const GRAPHQL_V2: &str = "/api/v2/graphql";

#[cfg(test)]
mod tests {
    use super::*;

    fn passed_on(paths: Paths, uri: &str) -> Result<String, PathError> {
        paths.of(&uri.parse().unwrap()).map(|uri| uri.to_string())
    }

    #[test]
    fn paths_of_the_frontend_are_those_of_the_metadata_service() {
        for (from, to) in [
            ("/api/gms/entities/urn:li:corpuser:datahub", "/entities/urn:li:corpuser:datahub"),
            ("/api/gms/aspects?action=ingestProposal", "/aspects?action=ingestProposal"),
            ("/api/gms/aspects/?action=x", "/aspects/?action=x"),
            ("/api/gms", "/"),
            ("/api/gms/", "/"),
            ("/api/gms?a=b", "/?a=b"),
            ("/api/gms?", "/?"),
            ("/api/gms/api/gms/x", "/api/gms/x"),
            ("/api/gms/api/v2/graphql", "/api/v2/graphql"),
            ("/api/v2/graphql", "/api/graphql"),
            ("/api/v2/graphql?a=/b", "/api/graphql?a=/b"),
            ("/api/v2/graphql/", "/api/v2/graphql/"),
            ("/api/v2/graphqlx", "/api/v2/graphqlx"),
            ("/api/graphql", "/api/graphql"),
            ("/api/gmsx/y", "/api/gmsx/y"),
            ("/api/gms%2Fx", "/api/gms%2Fx"),
            ("/openapi/v3/entity/tag", "/openapi/v3/entity/tag"),
            ("/", "/"),
            ("http://elsewhere:1/api/gms/x?y", "/x?y"),
            ("http://elsewhere:1", "/"),
        ] {
            assert_eq!(passed_on(Paths::Frontend, from).unwrap(), to, "{from}");
        }
    }

    #[test]
    fn a_path_without_prefix_stays_as_it_is() {
        for path in ["/api/gms/x?y=z", "/api/v2/graphql", "/x//y", "/", "/%41?%"] {
            assert_eq!(passed_on(Paths::AsTheyAre, path).unwrap(), path);
        }
    }

    #[test]
    fn nothing_is_normalised() {
        for rest in [
            "//config",
            "/a//b/",
            "/a%2Fb%2f",
            "/a%2F..b%2Fc",
            "/%252e%252e/a",
            "/urn:li:tag:..",
            "/...",
            "/.hidden",
            "/a..b",
            "/a;b",
            "/;/..a",
            "/a;..",
            "/%c3%a9",
            "/A?b=/../c",
        ] {
            assert_eq!(passed_on(Paths::Frontend, &format!("/api/gms{rest}")).unwrap(), rest);
            assert_eq!(passed_on(Paths::AsTheyAre, rest).unwrap(), rest);
        }
    }

    #[test]
    fn a_path_that_goes_elsewhere_is_refused() {
        for path in [
            "/api/gms/../x",
            "/api/gms/..",
            "/api/../gms/x",
            "/../api/gms/x",
            "/api/gms/./x",
            "/api/gms/x/.",
            "/api/gms/%2e%2e/x",
            "/api/gms/.%2E/x",
            "/api/gms/%2e./x",
            "/api/gms/%2E/x",
            "/api/gms/x/..?a",
            "/api/gms/..;/x",
            "/api/gms/..;a=b/x",
            "/api/gms/.;/x",
            "/api/gms/%2e%2e%3b/x",
            "/api/gms/..%2fhealth",
            "/api/gms/%2e%2e%2fhealth",
            "/api/gms/..%5chealth",
            "/x/a%2f..%2f..%2fb",
            "/api/gms/a%2F..%2Fb",
            "/api/gms/a%2F.",
            "/api/gms/a%5C%2E%2E%3Bx",
            "/api/gms/..\\x",
            "/api/gms/a\\..",
        ] {
            for paths in [Paths::Frontend, Paths::AsTheyAre] {
                assert!(matches!(passed_on(paths, path), Err(PathError::Dots)), "{path}");
            }
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        assert!(matches!(passed_on(Paths::Frontend, "*"), Err(PathError::NotAPath)));
        assert!(matches!(passed_on(Paths::AsTheyAre, "example.com:443"), Err(PathError::NotAPath)));
    }
}
