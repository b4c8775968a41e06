use std::fmt;

use zeroize::Zeroizing;

use crate::random::{RandomError, RandomSource};

/// A password: a secret. Wiped when dropped, and never printed.
///
/// What came over the network is wiped where this crate has it alone: the body of a log-in, and the
/// memory that its hash was computed in. Copies that the server made while it read are its own.
///
/// It is taken byte for byte: no blanks are cut off, and letters that look the same count as
/// different if they are written in different ways.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// How many characters a password has at least (OWASP, NIST SP 800-63B).
    pub const MIN_CHARACTERS: usize = 12;

    /// How many bytes a password has at most, in UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// A new password of 24 characters, which nobody guesses: 120 random bits in Crockford's base 32.
    ///
    /// It has no characters that look alike (`l`, `o`), and none that would have to be escaped where
    /// somebody pastes it, such as into JSON.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if the source fails.
    pub fn random(source: &dyn RandomSource) -> Result<Self, RandomError> {
        let mut bytes = Zeroizing::new([0; 24]);
        source.fill(&mut *bytes)?;
        let mut text = Zeroizing::new(String::with_capacity(bytes.len()));
        // 32 divides 256, so that every character is equally likely.
        let characters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        text.extend(characters.map(|character| char::from(*character)));
        Ok(Self(text))
    }

    /// The text itself, for the one time that it is shown to whom it belongs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it may be somebody's new password.
    pub(super) fn check(&self) -> Result<(), PasswordError> {
        if self.0.trim().is_empty() {
            return Err(PasswordError::Blank);
        }
        if self.0.chars().count() < Self::MIN_CHARACTERS {
            return Err(PasswordError::TooShort);
        }
        if self.0.len() > Self::MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        Ok(())
    }
}

impl From<String> for Password {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Why a text may not be a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// There is nothing, or nothing but blanks.
    #[error("a password must not be blank")]
    Blank,
    /// It is shorter than [`Password::MIN_CHARACTERS`].
    #[error("a password has at least {} characters", Password::MIN_CHARACTERS)]
    TooShort,
    /// It is longer than [`Password::MAX_BYTES`].
    #[error("a password has at most {} bytes", Password::MAX_BYTES)]
    TooLong,
}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::OsRandom;

    #[test]
    fn a_random_password_has_120_bits_and_is_good() {
        #[derive(Debug)]
        struct Counting;
        impl RandomSource for Counting {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
                assert_eq!(bytes.len(), 24);
                bytes.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
                Ok(())
            }
        }
        assert_eq!(ALPHABET.iter().collect::<BTreeSet<_>>().len(), 32);
        assert_eq!(Password::random(&Counting).unwrap().expose(), "0123456789abcdefghjkmnpq");
        let (one, other) = (Password::random(&OsRandom), Password::random(&OsRandom));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.check(), Ok(()));
        assert_ne!(one.expose(), other.expose());
    }

    #[test]
    fn a_password_is_neither_blank_nor_short_nor_endless() {
        let check = |text: String| Password::from(text).check();
        assert_eq!(check(String::new()), Err(PasswordError::Blank));
        assert_eq!(check(" \t\u{3000}".repeat(12)), Err(PasswordError::Blank));
        assert_eq!(check("abcdefghijk".to_owned()), Err(PasswordError::TooShort));
        // Characters and not bytes: eleven of two bytes are too few.
        assert_eq!(check("é".repeat(11)), Err(PasswordError::TooShort));
        assert_eq!(check("é".repeat(12)), Ok(()));
        assert_eq!(check("a".repeat(1024)), Ok(()));
        assert_eq!(check("a".repeat(1025)), Err(PasswordError::TooLong));
        assert_eq!(check("é".repeat(513)), Err(PasswordError::TooLong));
    }

    #[test]
    fn a_password_is_not_printed() {
        assert_eq!(format!("{:?}", Password::from("hunter2hunter2".to_owned())), "Password(..)");
    }
}
