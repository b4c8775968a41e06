use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// The named lifetimes of DataHub's GraphQL API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum AccessTokenDuration {
    /// 1 hour.
    OneHour,
    /// 24 hours.
    OneDay,
    /// 7 days. Named in DataHub's schema, but an error there when used.
    OneWeek,
    /// 30 days.
    OneMonth,
    /// 90 days.
    ThreeMonths,
    /// 180 days.
    SixMonths,
    /// 365 days.
    OneYear,
    /// Never expires; refused unless the configuration allows it.
    NoExpiry,
}

impl AccessTokenDuration {
    /// All of them, the shortest first.
    pub const ALL: [Self; 8] = [
        Self::OneHour,
        Self::OneDay,
        Self::OneWeek,
        Self::OneMonth,
        Self::ThreeMonths,
        Self::SixMonths,
        Self::OneYear,
        Self::NoExpiry,
    ];

    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OneHour => "ONE_HOUR",
            Self::OneDay => "ONE_DAY",
            Self::OneWeek => "ONE_WEEK",
            Self::OneMonth => "ONE_MONTH",
            Self::ThreeMonths => "THREE_MONTHS",
            Self::SixMonths => "SIX_MONTHS",
            Self::OneYear => "ONE_YEAR",
            Self::NoExpiry => "NO_EXPIRY",
        }
    }

    /// The lifetime it stands for.
    #[must_use]
    pub const fn lifetime(self) -> Lifetime {
        let seconds = match self {
            Self::OneHour => HOUR,
            Self::OneDay => DAY,
            Self::OneWeek => 7 * DAY,
            Self::OneMonth => 30 * DAY,
            Self::ThreeMonths => 90 * DAY,
            Self::SixMonths => 180 * DAY,
            Self::OneYear => 365 * DAY,
            Self::NoExpiry => return Lifetime::Never,
        };
        Lifetime::For(Duration::from_secs(seconds))
    }
}

impl fmt::Display for AccessTokenDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AccessTokenDuration {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        Self::ALL
            .into_iter()
            .find(|duration| duration.as_str() == text)
            .ok_or_else(|| LifetimeError::Unknown(excerpt(text)))
    }
}

/// How long a token is to be good.
///
/// As text, DataHub's subset of ISO 8601 (`IsoDurationParser`): `P[nY][nM][nW][nD][T[nH][nM][nS]]`
/// in any case, with at least one part, whole numbers (seconds may have a fraction, rounded to the
/// nearest millisecond), no signs. A year is 365 days, a month 30 days, a week 7 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lifetime {
    /// This long; whole milliseconds.
    For(Duration),
    /// Without end.
    Never,
}

impl FromStr for Lifetime {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(LifetimeError::Blank);
        }
        match iso_millis(trimmed) {
            None => Err(LifetimeError::Invalid(excerpt(trimmed))),
            Some(0) => Err(LifetimeError::NotPositive(excerpt(trimmed))),
            Some(millis) => Ok(Self::For(Duration::from_millis(millis))),
        }
    }
}

/// Milliseconds of an ISO 8601 duration; `None` if it is not one, or beyond `i64`.
fn iso_millis(text: &str) -> Option<u64> {
    const DATE: [(u8, u64); 4] =
        [(b'Y', 365 * DAY), (b'M', 30 * DAY), (b'W', 7 * DAY), (b'D', DAY)];
    const TIME: [(u8, u64); 3] = [(b'H', HOUR), (b'M', 60), (b'S', 1)];

    let mut rest = text.strip_prefix(['P', 'p'])?;
    let mut units = DATE.as_slice();
    let mut in_time = false;
    let mut millis = 0_u64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if !in_time && let Some(time) = rest.strip_prefix(['T', 't']) {
            (rest, units, in_time) = (time, TIME.as_slice(), true);
            // `T` must be followed by a part, which begins with a digit.
        }
        let (whole, after) = split_digits(rest)?;
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after).map(|(digits, after)| (Some(digits), after))?,
            None => (None, after),
        };
        let unit = after.bytes().next()?.to_ascii_uppercase();
        let place = units.iter().position(|(name, _)| *name == unit)?;
        let (_, seconds) = units.get(place)?;
        // Units come in this order, each at most once.
        units = units.get(place + 1..)?;
        rest = after.get(1..)?;

        let part = whole.parse::<u64>().ok()?.checked_mul(*seconds)?.checked_mul(1000)?;
        millis = millis.checked_add(part)?;
        if let Some(fraction) = fraction {
            if !(in_time && unit == b'S') {
                return None;
            }
            millis = millis.checked_add(fraction_millis(fraction))?;
        }
    }
    i64::try_from(millis).is_ok().then_some(millis)
}

/// Cuts off the digits that `text` begins with; `None` if there are none.
fn split_digits(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 { None } else { text.split_at_checked(end) }
}

/// The digits behind a point, in milliseconds, rounded half up.
fn fraction_millis(digits: &str) -> u64 {
    let digit = |at: usize| digits.as_bytes().get(at).map_or(0, |digit| u64::from(digit - b'0'));
    digit(0) * 100 + digit(1) * 10 + digit(2) + u64::from(digit(3) >= 5)
}

/// Which lifetimes may be asked for when a token is made (DataHub: `AccessTokenConfiguration`).
/// Tokens that exist are not concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifetimePolicy {
    allowed: Vec<Duration>,
    texts: String,
    allow_no_expiry: bool,
}

impl LifetimePolicy {
    /// What DataHub allows by default: an hour, a day, and 7, 30, 90, 180 and 365 days.
    pub const DEFAULT_ALLOWED: &str = "PT1H,P1D,P7D,P30D,P90D,P180D,P365D";

    /// The policy with this comma-separated list of ISO 8601 durations
    /// (`ACCESS_TOKEN_ALLOWED_DURATIONS`). Tokens without expiry are not allowed.
    ///
    /// # Errors
    ///
    /// [`LifetimeError::EmptyList`] without any, or the error of the first that cannot be read.
    pub fn new(allowed: &str) -> Result<Self, LifetimeError> {
        let allowed: Vec<_> = allowed.split(',').map(str::trim).filter(|t| !t.is_empty()).collect();
        if allowed.is_empty() {
            return Err(LifetimeError::EmptyList);
        }
        let texts = allowed.join(", ");
        let allowed = allowed
            .into_iter()
            .map(|text| match text.parse()? {
                Lifetime::For(duration) => Ok(duration),
                Lifetime::Never => Err(LifetimeError::Invalid(excerpt(text))),
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { allowed, texts, allow_no_expiry: false })
    }

    /// Whether tokens may be made that never expire (`ACCESS_TOKEN_ALLOW_NO_EXPIRY`). Default
    /// false.
    #[must_use]
    pub fn allow_no_expiry(mut self, allow: bool) -> Self {
        self.allow_no_expiry = allow;
        self
    }

    /// The durations on the list, in its order.
    #[must_use]
    pub fn allowed(&self) -> &[Duration] {
        &self.allowed
    }

    /// Whether tokens may be made that never expire.
    #[must_use]
    pub fn allows_no_expiry(&self) -> bool {
        self.allow_no_expiry
    }

    /// Whether a token with this lifetime may be made. Lifetimes are the same if their milliseconds
    /// are, so `P1M` is on a list that has `P30D`.
    ///
    /// # Errors
    ///
    /// [`LifetimeError::NotAllowed`] or [`LifetimeError::NoExpiry`].
    pub fn check(&self, lifetime: Lifetime) -> Result<(), LifetimeError> {
        match lifetime {
            Lifetime::Never if self.allow_no_expiry => Ok(()),
            Lifetime::Never => Err(LifetimeError::NoExpiry),
            Lifetime::For(duration) if self.allowed.contains(&duration) => Ok(()),
            Lifetime::For(duration) => {
                Err(LifetimeError::NotAllowed { duration, allowed: self.texts.clone() })
            }
        }
    }
}

impl Default for LifetimePolicy {
    fn default() -> Self {
        match Self::new(Self::DEFAULT_ALLOWED) {
            Ok(policy) => policy,
            Err(_) => unreachable!("the default list is valid, which a test shows"),
        }
    }
}

/// Why a lifetime cannot be had. The texts are DataHub's where it has one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifetimeError {
    /// The text is blank.
    #[error("Access token duration must not be blank")]
    Blank,
    /// The text is not of the subset of ISO 8601.
    #[error("Invalid ISO-8601 access token duration: {0}")]
    Invalid(String),
    /// The duration is nothing.
    #[error("Access token duration must be positive: {0}")]
    NotPositive(String),
    /// No [`AccessTokenDuration`] has this name.
    #[error("Unrecognized access token duration {0} provided")]
    Unknown(String),
    /// The duration is not on the list.
    #[error(
        "Access token duration of {} ms is not allowed. Allowed durations: [{allowed}]",
        duration.as_millis()
    )]
    NotAllowed {
        /// What was asked for.
        duration: Duration,
        /// What may be.
        allowed: String,
    },
    /// Tokens without expiry are not allowed.
    #[error(
        "Creating access tokens with no expiry is disabled. Configure \
         authentication.accessTokens.allowNoExpiry=true to enable."
    )]
    NoExpiry,
    /// The list of allowed durations has none.
    #[error("authentication.accessTokens.allowedDurations must not be empty")]
    EmptyList,
}

/// Enough of a text from outside to be recognised in a message.
fn excerpt(text: &str) -> String {
    const CHARACTERS: usize = 64;
    let mut excerpt: String = text.chars().take(CHARACTERS).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_default_list_is_valid() {
        assert_eq!(LifetimePolicy::default().allowed().len(), 7);
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert_eq!(LifetimePolicy::new(" , "), Err(LifetimeError::EmptyList));
        assert!(LifetimePolicy::new("P1D,soon").is_err());
    }

    #[test]
    fn no_expiry_is_refused_unless_allowed() {
        let policy = LifetimePolicy::default();
        assert_eq!(policy.check(Lifetime::Never), Err(LifetimeError::NoExpiry));
        assert_eq!(policy.allow_no_expiry(true).check(Lifetime::Never), Ok(()));
    }

    #[test]
    fn seconds_are_rounded_half_up() {
        for (text, millis) in [("PT0.0005S", 1), ("PT1.9994S", 1999), ("PT1.9995S", 2000)] {
            assert_eq!(text.parse(), Ok(Lifetime::For(Duration::from_millis(millis))), "{text}");
        }
    }

    #[test]
    fn what_overflows_is_refused() {
        let text = "P99999999999999999999Y";
        assert_eq!(text.parse::<Lifetime>(), Err(LifetimeError::Invalid(text.to_owned())));
        assert!("P400000000Y".parse::<Lifetime>().is_err());
    }

    #[test]
    fn messages_stay_short() {
        let error = "x".repeat(9_999).parse::<Lifetime>().unwrap_err();
        assert!(error.to_string().len() < 200);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|[Pp]?[0-9YMWDTHS.]{0,20}") {
            let _ = text.parse::<Lifetime>();
            let _ = LifetimePolicy::new(&text);
        }
    }
}
