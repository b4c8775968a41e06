/// A set of privileges, by their numbers.
///
/// The first numbers are bits. DataHub knows about a hundred privileges, so that others come only
/// where somebody has very many of their own.
#[derive(Debug, Clone, Default)]
pub(super) struct PrivilegeSet {
    bits: PrivilegeBits,
    /// The others, sorted.
    others: Vec<u32>,
}

/// As much of a set as is bits.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PrivilegeBits([u64; 4]);

impl PrivilegeSet {
    pub(super) fn contains(&self, privilege: u32) -> bool {
        match self.bits.contains(privilege) {
            Some(is_in) => is_in,
            None => self.others.binary_search(&privilege).is_ok(),
        }
    }

    pub(super) fn bits(&self) -> PrivilegeBits {
        self.bits
    }

    pub(super) fn insert(&mut self, privilege: u32) {
        if let Some(word) = PrivilegeBits::word(privilege).and_then(|at| self.bits.0.get_mut(at)) {
            *word |= PrivilegeBits::bit(privilege);
        } else if let Err(at) = self.others.binary_search(&privilege) {
            // Mostly at the end: whoever is met later has a higher number.
            self.others.insert(at, privilege);
        }
    }

    pub(super) fn insert_all(&mut self, privileges: &Self) {
        self.bits.insert_all(privileges.bits);
        for privilege in &privileges.others {
            self.insert(*privilege);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = (0..).zip(&self.bits.0).flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let next = (rest != 0).then(|| at * u64::BITS + rest.trailing_zeros());
                rest &= rest.wrapping_sub(1);
                next
            })
        });
        bits.chain(self.others.iter().copied())
    }
}

impl PrivilegeBits {
    /// `None`: this one is no bit.
    pub(super) fn contains(&self, privilege: u32) -> Option<bool> {
        let word = self.0.get(Self::word(privilege)?)?;
        Some(word & Self::bit(privilege) != 0)
    }

    pub(super) fn insert_all(&mut self, more: Self) {
        for (word, more) in self.0.iter_mut().zip(more.0) {
            *word |= more;
        }
    }

    fn word(privilege: u32) -> Option<usize> {
        usize::try_from(privilege / u64::BITS).ok()
    }

    fn bit(privilege: u32) -> u64 {
        1 << (privilege % u64::BITS)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_holds_what_was_put_in(
            first in prop::collection::vec(0_u32..600, 0..40),
            second in prop::collection::vec(0_u32..600, 0..40),
        ) {
            let of = |numbers: &[u32]| {
                numbers.iter().fold(PrivilegeSet::default(), |mut set, number| {
                    set.insert(*number);
                    set
                })
            };
            let mut set = of(&first);
            set.insert_all(&of(&second));
            let expected: BTreeSet<u32> = first.into_iter().chain(second).collect();
            prop_assert!(set.iter().eq(expected.iter().copied()));
            for number in 0..600 {
                let is_in = expected.contains(&number);
                prop_assert_eq!(set.contains(number), is_in);
                let as_bit = (number < 256).then_some(is_in);
                prop_assert_eq!(set.bits().contains(number), as_bit);
            }
        }
    }
}
