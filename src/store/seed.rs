//! Which default policies are written, and which policies change.

use std::collections::BTreeMap;

use crate::{
    actor::Urn,
    policy::{Policy, PolicyRecord},
};

/// What is to be stored after all, one policy for each urn: the last.
pub(super) fn last_of_each(records: &[PolicyRecord]) -> BTreeMap<&Urn, &Policy> {
    records.iter().map(|record| (&record.urn, &record.info)).collect()
}

/// What is to be stored after loading `records` as defaults, where `is_stored` tells what is there
/// already: one that is not editable always, an editable one only where nothing is.
pub(super) fn defaults(
    records: &[PolicyRecord],
    is_stored: impl Fn(&Urn) -> bool,
) -> BTreeMap<&Urn, &Policy> {
    let mut wanted = BTreeMap::new();
    for PolicyRecord { urn, info } in records {
        if !info.editable || !(wanted.contains_key(urn) || is_stored(urn)) {
            wanted.insert(urn, info);
        }
    }
    wanted
}
