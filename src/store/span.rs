//! When the tokens that are asked for are over, which an index tells as a range.

use crate::{
    clock::Timestamp,
    token_service::{TimeTest, TokenFilter, TokenOptional, TokenTimeField},
};

/// Ends of tokens that are next to each other: from one on, and up to another that is not among
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: End,
    pub(super) to: End,
}

/// When a token is over, in the order of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// At this millisecond.
    At(i64),
    Never,
    /// Behind all there are.
    Beyond,
}

impl Span {
    pub(super) const ALL: Self = Self { from: End::At(i64::MIN), to: End::Beyond };

    /// The ends that meet the condition, if that is all that it is about, and if they are next to
    /// each other.
    pub(super) fn of(filter: &TokenFilter) -> Option<Self> {
        match filter {
            TokenFilter::EndsBefore(at) => Some(Self::until(End::of(*at))),
            TokenFilter::Time { field: TokenTimeField::ExpiresAt, test, at } => {
                let (at, behind) = (End::of(*at), End::behind(*at));
                Some(match test {
                    TimeTest::Before => Self::until(at),
                    TimeTest::AtOrBefore => Self::until(behind),
                    TimeTest::At => Self { from: at, to: behind },
                    TimeTest::AtOrAfter => Self { from: at, to: End::Never },
                    TimeTest::After => Self { from: behind, to: End::Never },
                })
            }
            TokenFilter::Has(TokenOptional::ExpiresAt) => Some(Self::until(End::Never)),
            TokenFilter::Not(filter) => Self::of(filter)?.opposite(),
            _ => None,
        }
    }

    /// What is in both.
    pub(super) fn and(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }

    pub(super) fn is_empty(self) -> bool {
        self.from >= self.to
    }

    /// Everything else, if that is next to each other.
    fn opposite(self) -> Option<Self> {
        if self.from == Self::ALL.from {
            Some(Self { from: self.to, to: End::Beyond })
        } else if self.to == End::Beyond {
            Some(Self::until(self.from))
        } else {
            None
        }
    }

    fn until(to: End) -> Self {
        Self { to, ..Self::ALL }
    }
}

impl End {
    fn of(at: Timestamp) -> Self {
        Self::At(at.as_millis())
    }

    /// The next one, a millisecond later.
    fn behind(at: Timestamp) -> Self {
        at.as_millis().checked_add(1).map_or(Self::Never, Self::At)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(test: TimeTest, at: i64) -> TokenFilter {
        TokenFilter::time(TokenTimeField::ExpiresAt, test, Timestamp::from_millis(at))
    }

    fn not(filter: TokenFilter) -> TokenFilter {
        TokenFilter::Not(Box::new(filter))
    }

    #[test]
    fn conditions_on_the_end_are_spans() {
        use End::{At, Beyond, Never};
        use TimeTest as Test;

        let first = At(i64::MIN);
        let before = || TokenFilter::EndsBefore(Timestamp::from_millis(7));
        for (filter, from, to) in [
            (before(), first, At(7)),
            (not(before()), At(7), Beyond),
            (not(not(before())), first, At(7)),
            (time(Test::Before, 7), first, At(7)),
            (time(Test::AtOrBefore, 7), first, At(8)),
            (time(Test::AtOrBefore, i64::MAX), first, Never),
            (time(Test::At, 7), At(7), At(8)),
            (time(Test::AtOrAfter, 7), At(7), Never),
            (time(Test::After, 7), At(8), Never),
            (time(Test::After, i64::MAX), Never, Never),
            (not(time(Test::AtOrBefore, 7)), At(8), Beyond),
            (TokenFilter::Has(TokenOptional::ExpiresAt), first, Never),
            (not(TokenFilter::Has(TokenOptional::ExpiresAt)), Never, Beyond),
        ] {
            assert_eq!(Span::of(&filter), Some(Span { from, to }), "{filter:?}");
        }
        for filter in [
            not(time(Test::At, 7)),
            not(time(Test::After, 7)),
            TokenFilter::Has(TokenOptional::Description),
            TokenFilter::time(TokenTimeField::CreatedAt, Test::At, Timestamp::from_millis(7)),
            TokenFilter::AnyOf(vec![before()]),
        ] {
            assert_eq!(Span::of(&filter), None, "{filter:?}");
        }
    }

    #[test]
    fn of_two_spans_there_is_what_is_in_both() {
        let from = Span { from: End::At(7), ..Span::ALL };
        let to = Span { to: End::At(9), ..Span::ALL };
        assert_eq!(from.and(to), Span { from: End::At(7), to: End::At(9) });
        assert_eq!(to.and(from), from.and(to));
        assert!(!from.and(to).is_empty());
        let never = Span { from: End::Never, ..Span::ALL };
        assert!(never.and(to).is_empty());
        assert!(Span { from: End::Never, to: End::Never }.is_empty());
        assert!(!never.is_empty());
    }
}
