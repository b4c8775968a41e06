//! Whose tokens a query is about and when they are over, which decides by what index they are found.

use super::span::Span;
use crate::{
    actor::Urn,
    token_service::{TextTest, TokenFilter, TokenQuery, TokenTextField},
};

/// The conditions of a query: whose tokens, when they are over, and what else must hold.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection<'a> {
    pub(super) whose: Whose<'a>,
    pub(super) ends: Span,
    pub(super) rest: Vec<&'a TokenFilter>,
}

/// Whose tokens. The texts are those of urns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose<'a> {
    Anybodys,
    /// Those that this one made.
    Owner(&'a str),
    /// Those that act as this one.
    Actor(&'a str),
    /// Those that this one made, and those that act as this one.
    OwnerOrActor(&'a str),
}

impl<'a> Selection<'a> {
    pub(super) fn of(query: &'a TokenQuery) -> Self {
        let mut selection = Self { whose: Whose::Anybodys, ends: Span::ALL, rest: Vec::new() };
        query.filters.iter().for_each(|filter| selection.add(filter));
        selection
    }

    fn add(&mut self, filter: &'a TokenFilter) {
        if let TokenFilter::AllOf(filters) = filter {
            return filters.iter().for_each(|filter| self.add(filter));
        }
        if let Some(ends) = Span::of(filter) {
            self.ends = self.ends.and(ends);
            return;
        }
        match Whose::of(filter).and_then(|whose| self.whose.and(whose)) {
            Some(whose) => self.whose = whose,
            None => self.rest.push(filter),
        }
    }
}

impl<'a> Whose<'a> {
    /// Whose tokens meet the condition, if that is all that it is about.
    fn of(filter: &'a TokenFilter) -> Option<Self> {
        match filter {
            TokenFilter::Owner(urns) => only(urns.iter().map(Urn::as_str)).map(Self::Owner),
            TokenFilter::Actor(urns) => only(urns.iter().map(Urn::as_str)).map(Self::Actor),
            // The empty text is nobody's urn. Among the counts that are kept it stands for anybody.
            TokenFilter::Text { field, test: TextTest::Equals, value } if !value.is_empty() => {
                match field {
                    TokenTextField::Owner => Some(Self::Owner(value)),
                    TokenTextField::Actor => Some(Self::Actor(value)),
                    _ => None,
                }
            }
            TokenFilter::AnyOf(filters) => {
                let mut filters = filters.iter().map(Self::of);
                let first = filters.next()??;
                filters.try_fold(first, |whose, other| whose.or(other?))
            }
            TokenFilter::AllOf(filters) => {
                let mut filters = filters.iter().map(Self::of);
                let first = filters.next()??;
                filters.try_fold(first, |whose, other| whose.and(other?))
            }
            _ => None,
        }
    }

    /// Whose tokens meet both, if there is a word for that.
    fn and(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Anybodys, whose) | (whose, Self::Anybodys) => Some(whose),
            (Self::OwnerOrActor(either), whose @ (Self::Owner(one) | Self::Actor(one)))
            | (whose @ (Self::Owner(one) | Self::Actor(one)), Self::OwnerOrActor(either))
                if one == either =>
            {
                Some(whose)
            }
            (whose, other) if whose == other => Some(whose),
            _ => None,
        }
    }

    /// Whose tokens meet at least one of the two, if there is a word for that.
    fn or(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Anybodys, _) | (_, Self::Anybodys) => Some(Self::Anybodys),
            (whose, other) if whose == other => Some(whose),
            (whose, other) if whose.urn() == other.urn() => whose.urn().map(Self::OwnerOrActor),
            _ => None,
        }
    }

    fn urn(self) -> Option<&'a str> {
        match self {
            Self::Anybodys => None,
            Self::Owner(urn) | Self::Actor(urn) | Self::OwnerOrActor(urn) => Some(urn),
        }
    }
}

/// The one value that all are.
fn only<'a>(mut values: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, store::span::End, token_service::TokenOptional};

    const ALICE: &str = "urn:li:corpuser:alice";

    fn owner(name: &str) -> TokenFilter {
        TokenFilter::Owner(vec![Urn::corpuser(name).unwrap()])
    }

    fn actor(name: &str) -> TokenFilter {
        TokenFilter::Actor(vec![Urn::corpuser(name).unwrap()])
    }

    fn any(filters: impl Into<Vec<TokenFilter>>) -> TokenFilter {
        TokenFilter::AnyOf(filters.into())
    }

    fn all(filters: impl Into<Vec<TokenFilter>>) -> TokenFilter {
        TokenFilter::AllOf(filters.into())
    }

    #[test]
    fn the_same_question_in_other_words_is_the_same_selection() {
        let text = |field| TokenFilter::text(field, TextTest::Equals, ALICE);
        let either = || any([owner("alice"), actor("alice")]);
        for (filters, whose) in [
            (vec![], Whose::Anybodys),
            (vec![all([])], Whose::Anybodys),
            (vec![owner("alice")], Whose::Owner(ALICE)),
            (vec![any([owner("alice")]), owner("alice")], Whose::Owner(ALICE)),
            (vec![all([text(TokenTextField::Owner)])], Whose::Owner(ALICE)),
            (vec![actor("alice")], Whose::Actor(ALICE)),
            (vec![any([text(TokenTextField::Actor), actor("alice")])], Whose::Actor(ALICE)),
            (vec![either()], Whose::OwnerOrActor(ALICE)),
            (vec![any([actor("alice"), any([owner("alice")])])], Whose::OwnerOrActor(ALICE)),
            (vec![any([owner("alice"), either()])], Whose::OwnerOrActor(ALICE)),
            (vec![either(), owner("alice")], Whose::Owner(ALICE)),
            (vec![all([actor("alice"), either()])], Whose::Actor(ALICE)),
            (vec![any([all([either(), actor("alice")])])], Whose::Actor(ALICE)),
        ] {
            let query = filters.into_iter().fold(TokenQuery::default(), TokenQuery::filter);
            let expected = Selection { whose, ends: Span::ALL, rest: vec![] };
            assert_eq!(Selection::of(&query), expected, "{:?}", query.filters);
            // When they are over is another matter.
            let until = TokenFilter::EndsBefore(Timestamp::from_millis(9));
            let from =
                TokenFilter::Not(Box::new(TokenFilter::EndsBefore(Timestamp::from_millis(7))));
            let query = query.filter(all([until, from]));
            let ends = Span { from: End::At(7), to: End::At(9) };
            assert_eq!(Selection::of(&query), Selection { ends, ..expected });
        }
    }

    #[test]
    fn what_it_has_no_word_for_stays_a_condition() {
        let two = || TokenFilter::Owner(["alice", "bob"].map(|a| Urn::corpuser(a).unwrap()).into());
        let named = || TokenFilter::text(TokenTextField::Name, TextTest::Equals, ALICE);
        let folded = TokenFilter::text(TokenTextField::Owner, TextTest::EqualsIgnoreCase, ALICE);
        for filter in [
            any([]),
            two(),
            named(),
            folded,
            TokenFilter::text(TokenTextField::Owner, TextTest::Equals, ""),
            TokenFilter::text(TokenTextField::Actor, TextTest::Equals, ""),
            TokenFilter::Owner(vec![]),
            TokenFilter::Not(Box::new(owner("alice"))),
            TokenFilter::Has(TokenOptional::Description),
            any([TokenFilter::Has(TokenOptional::ExpiresAt), owner("alice")]),
            any([owner("alice"), actor("bob")]),
            any([owner("alice"), named()]),
            any([all([]), owner("alice")]),
        ] {
            let query = TokenQuery::default().filter(filter.clone());
            let rest = vec![&filter];
            let expected = Selection { whose: Whose::Anybodys, ends: Span::ALL, rest };
            assert_eq!(Selection::of(&query), expected, "{filter:?}");
        }
        let query = TokenQuery::default().filter(owner("alice")).filter(owner("bob"));
        let rest = vec![&query.filters[1]];
        let expected = Selection { whose: Whose::Owner(ALICE), ends: Span::ALL, rest };
        assert_eq!(Selection::of(&query), expected);
    }
}
