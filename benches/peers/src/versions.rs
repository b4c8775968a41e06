//! The releases that this was built with.

use crate::Outcome;

/// The version of a package, of several the first that starts so.
pub fn version(package: &str, prefix: &str) -> Outcome<String> {
    let name = format!("name = \"{package}\"");
    let mut lines = LOCK.lines();
    while let Some(line) = lines.next() {
        if line != name {
            continue;
        }
        let version = lines.next().and_then(|line| line.strip_prefix("version = \""));
        if let Some(version) = version.map(|version| version.trim_end_matches('"'))
            && version.starts_with(prefix)
        {
            return Ok(version.to_owned());
        }
    }
    Err(format!("there is no {package} {prefix} in Cargo.lock").into())
}

const LOCK: &str = include_str!("../Cargo.lock");
