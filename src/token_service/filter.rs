use std::time::Duration;

use crate::{
    actor::Urn,
    clock::Timestamp,
    token::{TokenId, TokenRecord},
};

/// A condition on a token. Each either holds or does not; what a token does not say meets no
/// condition on it, so that the opposite of the condition holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenFilter {
    /// It is one of these.
    Id(Vec<TokenId>),
    /// It acts as one of these.
    Actor(Vec<Urn>),
    /// One of these made it.
    Owner(Vec<Urn>),
    /// A text of it compares so with `value`.
    Text {
        /// The text.
        field: TokenTextField,
        /// How it is compared.
        test: TextTest,
        /// With what.
        value: String,
    },
    /// A time of it is so with regard to `at`.
    Time {
        /// The time.
        field: TokenTimeField,
        /// How it is compared.
        test: TimeTest,
        /// With what.
        at: Timestamp,
    },
    /// It has this.
    Has(TokenOptional),
    /// It is over before this: `expires_at`, or the earlier `valid_until`. Never holds for a token
    /// without end.
    EndsBefore(Timestamp),
    /// The opposite of a condition: holds for exactly the tokens for which that does not.
    Not(Box<TokenFilter>),
    /// At least one of these holds; none of nothing does.
    AnyOf(Vec<TokenFilter>),
    /// All of these hold; all of nothing do.
    AllOf(Vec<TokenFilter>),
}

/// A text of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenTextField {
    /// Its name.
    Name,
    /// What it is for, if it says so.
    Description,
    /// The urn that it acts as.
    Actor,
    /// The urn of who made it.
    Owner,
}

/// How a text is compared with a value. The value is a text, too: nothing in it is a wildcard.
///
/// Where case is said not to matter, that is about the letters of ASCII; all others are themselves
/// alone. Every text has the empty text in it, at its start and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TextTest {
    /// The value is somewhere in it, in either case.
    Contains,
    /// It is the value, byte for byte.
    Equals,
    /// It is the value, in either case.
    EqualsIgnoreCase,
    /// It starts with the value, in either case.
    StartsWith,
    /// It ends with the value, in either case.
    EndsWith,
}

/// A time of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenTimeField {
    /// When it was made.
    CreatedAt,
    /// When it is over, if it ever is: its expiry, or the earlier `valid_until`.
    ExpiresAt,
}

/// How a time is compared with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeTest {
    /// It is earlier.
    Before,
    /// It is earlier or the same.
    AtOrBefore,
    /// It is the same, to the millisecond.
    At,
    /// It is later or the same.
    AtOrAfter,
    /// It is later.
    After,
}

/// What a token may have or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenOptional {
    /// An end: an expiry, or a `valid_until`.
    ExpiresAt,
    /// A description, also an empty one.
    Description,
}

impl TokenFilter {
    /// The condition that a text of the token compares so with `value`.
    #[must_use]
    pub fn text(field: TokenTextField, test: TextTest, value: impl Into<String>) -> Self {
        Self::Text { field, test, value: value.into() }
    }

    /// The condition that a time of the token is so with regard to `at`.
    #[must_use]
    pub fn time(field: TokenTimeField, test: TimeTest, at: Timestamp) -> Self {
        Self::Time { field, test, at }
    }

    /// The condition that the token is over at the time `now`: from the millisecond on at which it
    /// ends, as [`TokenRecord::status`] says it.
    #[must_use]
    pub fn over(now: Timestamp) -> Self {
        Self::EndsBefore(now.saturating_add(Duration::from_millis(1)))
    }

    /// Whether the condition holds: what every store's own implementation must agree with.
    #[must_use]
    pub fn matches(&self, record: &TokenRecord) -> bool {
        match self {
            Self::Id(ids) => ids.contains(&record.id),
            Self::Actor(urns) => urns.contains(&record.actor),
            Self::Owner(urns) => urns.contains(&record.owner),
            Self::Text { field, test, value } => {
                field.of(record).is_some_and(|text| test.holds(text, value))
            }
            Self::Time { field, test, at } => {
                field.of(record).is_some_and(|time| test.holds(time, *at))
            }
            Self::Has(TokenOptional::ExpiresAt) => record.ends_at().is_some(),
            Self::Has(TokenOptional::Description) => record.description.is_some(),
            Self::EndsBefore(at) => record.ends_at().is_some_and(|end| end < *at),
            Self::Not(filter) => !filter.matches(record),
            Self::AnyOf(filters) => filters.iter().any(|filter| filter.matches(record)),
            Self::AllOf(filters) => filters.iter().all(|filter| filter.matches(record)),
        }
    }
}

impl TokenTextField {
    fn of(self, record: &TokenRecord) -> Option<&str> {
        match self {
            Self::Name => Some(&record.name),
            Self::Description => record.description.as_deref(),
            Self::Actor => Some(record.actor.as_str()),
            Self::Owner => Some(record.owner.as_str()),
        }
    }
}

impl TextTest {
    fn holds(self, text: &str, value: &str) -> bool {
        if self == Self::Equals {
            return text == value;
        }
        let (text, value) = (text.to_ascii_lowercase(), value.to_ascii_lowercase());
        match self {
            Self::Contains => text.contains(&value),
            Self::Equals | Self::EqualsIgnoreCase => text == value,
            Self::StartsWith => text.starts_with(&value),
            Self::EndsWith => text.ends_with(&value),
        }
    }
}

impl TokenTimeField {
    fn of(self, record: &TokenRecord) -> Option<Timestamp> {
        match self {
            Self::CreatedAt => Some(record.created_at),
            Self::ExpiresAt => record.ends_at(),
        }
    }
}

impl TimeTest {
    fn holds(self, time: Timestamp, at: Timestamp) -> bool {
        match self {
            Self::Before => time < at,
            Self::AtOrBefore => time <= at,
            Self::At => time == at,
            Self::AtOrAfter => time >= at,
            Self::After => time > at,
        }
    }
}
