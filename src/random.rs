//! Where random bytes come from, as an argument.

use std::fmt;

use base64::Engine;

/// A source of random bytes that cannot be guessed.
pub trait RandomSource: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes`.
    ///
    /// # Errors
    ///
    /// [`RandomError`] if the source has none; `bytes` must not be used then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's source.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl RandomSource for OsRandom {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        getrandom::fill(bytes).map_err(|_| RandomError)
    }
}

/// The source of random bytes failed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the source of random bytes failed")]
pub struct RandomError;

/// A new text fit for a signing key or a salt: 32 random bytes in base64, as of
/// `openssl rand -base64 32`.
///
/// # Errors
///
/// [`RandomError`] if the source fails.
pub fn secret(source: &dyn RandomSource) -> Result<String, RandomError> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    source.fill(&mut *bytes)?;
    Ok(base64::engine::general_purpose::STANDARD.encode(*bytes))
}
