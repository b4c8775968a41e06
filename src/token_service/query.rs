use crate::{actor::Urn, clock::Timestamp, token::TokenRecord};

/// Which tokens to list, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenQuery {
    /// All of these must hold. Default none.
    pub filters: Vec<TokenFilter>,
    /// The order. Default the latest expiry first, as in DataHub.
    pub sort: TokenSort,
    /// Whether the order is turned round. Default true.
    pub descending: bool,
    /// How many to skip. Default 0.
    pub start: u32,
    /// How many to return at most. Default 20.
    pub count: u32,
}

impl Default for TokenQuery {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            sort: TokenSort::ExpiresAt,
            descending: true,
            start: 0,
            count: 20,
        }
    }
}

impl TokenQuery {
    /// Adds a filter.
    #[must_use]
    pub fn filter(mut self, filter: TokenFilter) -> Self {
        self.filters.push(filter);
        self
    }

    /// The page of `count` tokens behind the first `start`.
    #[must_use]
    pub fn page(mut self, start: u32, count: u32) -> Self {
        self.start = start;
        self.count = count;
        self
    }

    /// The order: by `sort`, the smallest first.
    #[must_use]
    pub fn ascending(mut self, sort: TokenSort) -> Self {
        self.sort = sort;
        self.descending = false;
        self
    }

    /// The order: by `sort`, the greatest first.
    #[must_use]
    pub fn descending(mut self, sort: TokenSort) -> Self {
        self.sort = sort;
        self.descending = true;
        self
    }
}

/// A condition on a token.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFilter {
    /// It acts as one of these.
    Actor(Vec<Urn>),
    /// One of these made it.
    Owner(Vec<Urn>),
    /// Its name has this text somewhere; ASCII letters in either case. The empty text is in every
    /// name.
    NameContains(String),
    /// It was made before this.
    CreatedBefore(Timestamp),
    /// It is over before this: `expires_at`, or the earlier `valid_until`. Never holds for a token
    /// without end.
    EndsBefore(Timestamp),
    /// The opposite of a condition: holds for exactly the tokens for which that does not.
    Not(Box<TokenFilter>),
    /// At least one of these holds; none of nothing does.
    AnyOf(Vec<TokenFilter>),
}

impl TokenFilter {
    /// Whether the condition holds: what every store's own implementation must agree with.
    #[must_use]
    pub fn matches(&self, record: &TokenRecord) -> bool {
        match self {
            Self::Actor(urns) => urns.contains(&record.actor),
            Self::Owner(urns) => urns.contains(&record.owner),
            Self::NameContains(text) => {
                record.name.to_ascii_lowercase().contains(&text.to_ascii_lowercase())
            }
            Self::CreatedBefore(at) => record.created_at < *at,
            Self::EndsBefore(at) => record.ends_at().is_some_and(|end| end < *at),
            Self::Not(filter) => !filter.matches(record),
            Self::AnyOf(filters) => filters.iter().any(|filter| filter.matches(record)),
        }
    }
}

/// What tokens are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSort {
    /// `expires_at`; "never" is later than every date.
    ExpiresAt,
    /// `created_at`.
    CreatedAt,
    /// The bytes of the name.
    Name,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPage {
    /// The tokens of this page.
    pub tokens: Vec<TokenRecord>,
    /// How many there are on all pages.
    pub total: u64,
}
