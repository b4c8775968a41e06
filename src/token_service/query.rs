use super::TokenFilter;
use crate::token::TokenRecord;

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

/// What tokens are sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenSort {
    /// When it is over: `expires_at` or the earlier `valid_until`. "Never" is later than every date.
    ExpiresAt,
    /// `created_at`.
    CreatedAt,
    /// The bytes of the name.
    Name,
    /// When it was used last. "Never" is earlier than every date, so that these come last in
    /// descending order.
    LastUsedAt,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenPage {
    /// The tokens of this page.
    pub tokens: Vec<TokenRecord>,
    /// How many there are on all pages.
    pub total: u64,
}

impl TokenPage {
    /// A page with these tokens, of `total` on all pages: for stores.
    #[must_use]
    pub fn new(tokens: Vec<TokenRecord>, total: u64) -> Self {
        Self { tokens, total }
    }
}
