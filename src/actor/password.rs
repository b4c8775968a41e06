use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
};

/// What is kept of a password: its hash, as a PHC string with algorithm, parameters and salt.
///
/// A store takes it as it is. It is no password, but whoever has it can try passwords on it without
/// being noticed, so it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Zeroizing<String>);

impl PasswordHash {
    /// The text, to be stored or to be compared with.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for PasswordHash {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// Where the hashes of passwords are, beside the users whose they are. A store in which nobody has a
/// password need not be one.
pub trait PasswordStore: fmt::Debug + Send + Sync + 'static {
    /// The hash of the user's password, read from the primary; `None` for who has none, also
    /// because there is no such user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer: an outage is never "no password".
    fn password_hash<'a>(
        &'a self,
        user: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PasswordHash>, StoreError>>;

    /// Sets the user's password, or with `None` takes it away; `false` if there is no such user.
    ///
    /// In the same transaction, every SESSION token that acts as the user is revoked by `by` as of
    /// `at`, and announced as [`Change::Token`](crate::feed::Change::Token): who came in by the old
    /// password is out. What was made in those sessions stays. Deleting a user deletes the password,
    /// and ends the sessions likewise, by the user's own word and by the system's clock: who gets the
    /// name later is somebody else.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] if a service account is to get a password: only people log in. Any
    /// other if the store fails; then nothing was changed.
    fn set_password_hash<'a>(
        &'a self,
        user: &'a Urn,
        hash: Option<&'a PasswordHash>,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;
}

/// So that a part chosen at run time, `Arc<dyn PasswordStore>`, is one.
impl<T: PasswordStore + ?Sized> PasswordStore for Arc<T> {
    fn password_hash<'a>(
        &'a self,
        user: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PasswordHash>, StoreError>> {
        (**self).password_hash(user)
    }

    fn set_password_hash<'a>(
        &'a self,
        user: &'a Urn,
        hash: Option<&'a PasswordHash>,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        (**self).set_password_hash(user, hash, by, at)
    }
}
