/// Paths on which nothing is judged.
#[derive(Debug, Clone, Default)]
pub(super) struct ExcludedPaths {
    exact: Vec<String>,
    /// With their last slash.
    below: Vec<String>,
}

impl ExcludedPaths {
    pub(super) fn add(&mut self, pattern: String) {
        match pattern.strip_suffix('*') {
            Some(prefix) if prefix.ends_with('/') => self.below.push(prefix.to_owned()),
            _ => self.exact.push(pattern),
        }
    }

    /// Whether the path is one of them, as it was sent. What somebody behind this might read as
    /// another path is not: it is guarded.
    pub(super) fn contains(&self, path: &str) -> bool {
        if self.exact.iter().any(|exact| exact == path) {
            return true;
        }
        self.below
            .iter()
            .any(|prefix| path.strip_prefix(prefix.as_str()).is_some_and(is_unambiguous))
    }
}

/// Whether nobody would take these segments for others: no dots for going up, no empty segments,
/// nothing encoded.
fn is_unambiguous(rest: &str) -> bool {
    !rest.contains(['%', '\\', ';'])
        && rest.split('/').enumerate().all(|(place, segment)| match segment {
            "." | ".." => false,
            // A single slash at the end of the prefix is no empty segment.
            "" => place == 0 && rest.is_empty(),
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(path: &str) -> bool {
        let mut paths = ExcludedPaths::default();
        for pattern in ["/health", "/config", "/schema-registry/*", "/odd*"] {
            paths.add(pattern.to_owned());
        }
        paths.contains(path)
    }

    #[test]
    fn whole_segments_match() {
        for path in ["/health", "/config", "/schema-registry/", "/schema-registry/a/b", "/odd*"] {
            assert!(excluded(path), "{path}");
        }
        for path in
            ["/healthy", "/health/", "/health/live", "/schema-registry", "/config2", "/odd", "/"]
        {
            assert!(!excluded(path), "{path}");
        }
    }

    #[test]
    fn what_could_be_another_path_is_guarded() {
        for rest in [
            "../admin",
            "a/../../admin",
            "./a",
            "..%2fadmin",
            "a//b",
            "//admin",
            "%2e%2e/admin",
            "..\\admin",
            "..;/admin",
            "a/..",
        ] {
            assert!(!excluded(&format!("/schema-registry/{rest}")), "{rest}");
        }
        assert!(!excluded("/HEALTH"));
        assert!(!excluded("//health"));
        assert!(!excluded("/%68ealth"));
    }
}
