use std::collections::BTreeMap;

use super::{
    list::{RuleList, Split},
    privilege_set::PrivilegeSet,
    rule::Rule,
};
use crate::policy::FactSet;

/// Rules that are found by the beginning of a value.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// What they are about.
    pub(super) privileges: PrivilegeSet,
    /// What was added so far.
    added: BTreeMap<Box<str>, RuleList>,
    /// What was added, sorted.
    sorted: Vec<Prefix>,
}

#[derive(Debug)]
struct Prefix {
    text: Box<str>,
    rules: RuleList,
    /// The place of the longest other one with which this one begins.
    shorter: Option<usize>,
}

impl Prefixes {
    pub(super) fn push(&mut self, prefix: &str, place: u32, mentions: FactSet) {
        if let Some(rules) = self.added.get_mut(prefix) {
            rules.push(place, mentions);
        } else {
            let mut rules = RuleList::default();
            rules.push(place, mentions);
            self.added.insert(prefix.into(), rules);
        }
    }

    /// To be called when nothing more is added, with all rules.
    pub(super) fn finish(&mut self, all: &[Rule], split: &mut Split) {
        // From the last one, with which the next may begin, to the shortest.
        let mut open: Vec<usize> = Vec::new();
        for (text, mut rules) in std::mem::take(&mut self.added) {
            rules.finish(all, split);
            let begins_with = |at: &usize| {
                self.sorted.get(*at).is_some_and(|prefix| text.starts_with(&*prefix.text))
            };
            while open.last().is_some_and(|last| !begins_with(last)) {
                open.pop();
            }
            let shorter = open.last().copied();
            open.push(self.sorted.len());
            self.sorted.push(Prefix { text, rules, shorter });
        }
    }

    /// The rules found by the beginnings of this value, however many lengths there are.
    ///
    /// Whatever sorts between a prefix of the value and the value begins with that prefix. So the
    /// last one that sorts before the value is one, or begins with all that are.
    pub(super) fn of<'a>(&'a self, value: &'a str) -> impl Iterator<Item = &'a RuleList> {
        let after = self.sorted.partition_point(|prefix| *prefix.text <= *value);
        let last = after.checked_sub(1).and_then(|last| self.sorted.get(last));
        let shorter = |prefix: &&Prefix| self.sorted.get(prefix.shorter?);
        std::iter::successors(last, shorter)
            .filter(|prefix| value.starts_with(&*prefix.text))
            .map(|prefix| &prefix.rules)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prefixes_are_found_as_if_tried_one_by_one(
            prefixes in prop::collection::btree_set("[ab\u{e9}]{0,4}", 0..12),
            value in "[ab\u{e9}]{0,6}",
        ) {
            let mut of = Prefixes::default();
            for (place, prefix) in (0..).zip(&prefixes) {
                of.push(prefix, place, FactSet::EMPTY);
            }
            of.finish(&[], &mut Split::default());
            let mut expected = 0;
            for prefix in &prefixes {
                expected += usize::from(value.starts_with(prefix));
            }
            prop_assert_eq!(of.of(&value).count(), expected);
            prop_assert!(of.sorted.iter().filter(|it| value.starts_with(&*it.text)).count() == expected);
        }
    }
}
