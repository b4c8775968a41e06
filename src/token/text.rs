use std::fmt;

use zeroize::Zeroizing;

/// The text of a token: a secret. Wiped when dropped, and never printed.
#[derive(Clone)]
pub struct TokenText(Zeroizing<String>);

impl TokenText {
    /// The text of a token that was found somewhere, such as in a cookie. Whether it is one is not
    /// looked at.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one time that it is shown to whom it belongs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for TokenText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(..)")
    }
}
