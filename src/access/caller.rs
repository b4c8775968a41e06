use crate::{actor::Urn, authenticate::Authentication};

use super::AccessError;

/// Who asks for an operation: whoever a request comes from, or nobody.
///
/// ```
/// use tower_pat::{Authentication, access::Caller, actor::{Actor, Urn}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let alice = Urn::corpuser("alice")?;
/// let authentication = Authentication::for_tests(Actor::new(alice.clone()), []);
/// assert_eq!(Caller::from(&authentication).urn(), Some(&alice));
/// assert_eq!(Caller::anonymous().urn(), None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Caller(Option<Authentication>);

impl Caller {
    /// Nobody: every operation is refused as unauthenticated.
    #[must_use]
    pub fn anonymous() -> Self {
        Self(None)
    }

    /// Who it is.
    #[must_use]
    pub fn urn(&self) -> Option<&Urn> {
        self.0.as_ref().map(|authentication| authentication.actor().urn())
    }

    /// By what it is known who it is.
    #[must_use]
    pub fn authentication(&self) -> Option<&Authentication> {
        self.0.as_ref()
    }

    /// What is needed for everything.
    pub(super) fn authenticated(&self) -> Result<&Authentication, AccessError> {
        self.0.as_ref().ok_or(AccessError::NotAuthenticated)
    }
}

impl From<Authentication> for Caller {
    fn from(authentication: Authentication) -> Self {
        Self(Some(authentication))
    }
}

impl From<&Authentication> for Caller {
    fn from(authentication: &Authentication) -> Self {
        Self(Some(authentication.clone()))
    }
}
