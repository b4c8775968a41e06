use crate::{
    actor::Urn,
    backend::{StoreError, chain},
    policy::{FactSet, Requirement, Resource},
    rejection::{Rejection, RejectionCode},
};

/// Why somebody may not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// No policy grants it.
    #[error("{actor} is unauthorized: {requirement} is missing{}", on(.resource.as_deref()))]
    Denied {
        /// Who asked.
        actor: Urn,
        /// For what.
        requirement: Requirement,
        /// On what, if it is about a resource.
        resource: Option<Box<Resource>>,
    },
    /// Whether a policy grants it depends on facts that are not known, so it is not granted.
    #[error(
        "{actor} is unauthorized: {requirement} is missing{}, or depends on what is not known of \
         it: {facts}",
        on(.resource.as_deref())
    )]
    Indeterminate {
        /// Who asked.
        actor: Urn,
        /// For what.
        requirement: Requirement,
        /// On what, if it is about a resource.
        resource: Option<Box<Resource>>,
        /// What is not known.
        facts: FactSet,
    },
    /// The facts that the decision depends on could not be had, so nothing is decided.
    #[error("what the decision depends on cannot be found out at the moment")]
    Facts(#[from] StoreError),
}

impl From<&AuthorizeError> for Rejection {
    fn from(error: &AuthorizeError) -> Self {
        let code = match error {
            AuthorizeError::Denied { .. } => RejectionCode::PrivilegeMissing,
            AuthorizeError::Indeterminate { .. } => RejectionCode::PrivilegeIndeterminate,
            AuthorizeError::Facts(_) => RejectionCode::Unavailable,
        };
        Self::new(code, error.to_string())
    }
}

impl From<AuthorizeError> for Rejection {
    fn from(error: AuthorizeError) -> Self {
        if let AuthorizeError::Facts(cause) = &error {
            tracing::error!(cause = %chain(cause), "facts for a decision could not be read");
        }
        Self::from(&error)
    }
}

fn on(resource: Option<&Resource>) -> String {
    match resource {
        None => String::new(),
        Some(resource) => match resource.urn() {
            Some(urn) => format!(" on {urn}"),
            None => format!(" on every {}", resource.entity_type()),
        },
    }
}
