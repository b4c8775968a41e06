use super::AuthorizeError;
use crate::{
    authenticate::Authentication,
    backend::StoreError,
    policy::{Decision, Requirement, Resource},
};

/// What somebody may do, for handlers that ask themselves.
impl Authentication {
    /// Whether they may do something that is not about one resource. Decides at once.
    ///
    /// # Errors
    ///
    /// [`AuthorizeError::Denied`] if no policy grants it.
    pub fn require(&self, requirement: impl Into<Requirement>) -> Result<(), AuthorizeError> {
        self.check(&requirement.into(), None)
    }

    /// Whether they may do something to `resource`. Decides at once, by the facts that `resource`
    /// has; facts that are not known never grant.
    ///
    /// # Errors
    ///
    /// [`AuthorizeError::Denied`] if no policy grants it, [`AuthorizeError::Indeterminate`] if it
    /// depends on facts that are not known.
    pub fn require_on(
        &self,
        requirement: impl Into<Requirement>,
        resource: &Resource,
    ) -> Result<(), AuthorizeError> {
        self.check(&requirement.into(), Some(resource))
    }

    /// Whether they may do something to `resource`. Facts that the decision depends on and that are
    /// not known are asked for, from the
    /// [`ResourceFacts`](crate::policy::ResourceFacts) given when the authenticator was built.
    ///
    /// # Errors
    ///
    /// [`AuthorizeError::Denied`] if no policy grants it, [`AuthorizeError::Facts`] if the facts
    /// could not be had, [`AuthorizeError::Indeterminate`] if they are still not known.
    pub async fn authorize(
        &self,
        requirement: impl Into<Requirement>,
        resource: impl Into<Resource>,
    ) -> Result<(), AuthorizeError> {
        self.authorize_with(requirement.into(), resource.into(), &[]).await
    }

    /// As [`authorize`](Self::authorize), for an operation that also touches `sub_resources`, such
    /// as the tags that are added to a dataset.
    ///
    /// # Errors
    ///
    /// As [`authorize`](Self::authorize).
    pub async fn authorize_with(
        &self,
        requirement: impl Into<Requirement>,
        resource: impl Into<Resource>,
        sub_resources: &[Resource],
    ) -> Result<(), AuthorizeError> {
        let (requirement, mut resource) = (requirement.into(), resource.into());
        let mut decision = self.privileges().decide(&requirement, Some(&resource), sub_resources);
        if let (Decision::Indeterminate(needed), Some(facts)) = (decision, self.facts()) {
            resource = same(facts.facts(&resource, needed).await?, &resource)?;
            let mut known = Vec::with_capacity(sub_resources.len());
            for sub_resource in sub_resources {
                known.push(same(facts.facts(sub_resource, needed).await?, sub_resource)?);
            }
            decision = self.privileges().decide(&requirement, Some(&resource), &known);
        }
        self.conclude(decision, &requirement, Some(&resource))
    }

    pub(super) fn check(
        &self,
        requirement: &Requirement,
        resource: Option<&Resource>,
    ) -> Result<(), AuthorizeError> {
        let decision = self.privileges().decide(requirement, resource, &[]);
        self.conclude(decision, requirement, resource)
    }

    fn conclude(
        &self,
        decision: Decision,
        requirement: &Requirement,
        resource: Option<&Resource>,
    ) -> Result<(), AuthorizeError> {
        let actor = || self.actor().urn().clone();
        let requirement = || requirement.clone();
        let resource = || resource.cloned().map(Box::new);
        match decision {
            Decision::Granted => Ok(()),
            Decision::Denied => Err(AuthorizeError::Denied {
                actor: actor(),
                requirement: requirement(),
                resource: resource(),
            }),
            Decision::Indeterminate(facts) => Err(AuthorizeError::Indeterminate {
                actor: actor(),
                requirement: requirement(),
                resource: resource(),
                facts,
            }),
        }
    }
}

/// What is decided about is what was asked about, whatever else an implementation has facts of.
fn same(found: Resource, asked: &Resource) -> Result<Resource, StoreError> {
    if found.urn() == asked.urn() && found.entity_type() == asked.entity_type() {
        return Ok(found);
    }
    Err(StoreError::Invalid("the facts are those of another resource".to_owned()))
}
