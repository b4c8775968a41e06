use super::{
    Access, AccessError, Caller, input,
    permission::{Operation, POLICY},
};
use crate::{
    actor::Urn,
    policy::{Policy, PolicyRecord},
};

/// Which policies to list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyQuery {
    /// Those with this text somewhere in their urn, name or description; the letters of ASCII in
    /// either case. Default all.
    pub text: Option<String>,
    /// How many to skip. Default 0.
    pub start: u32,
    /// How many to return at most. Default 20, at most 1,000.
    pub count: u32,
}

impl Default for PolicyQuery {
    fn default() -> Self {
        Self { text: None, start: 0, count: 20 }
    }
}

impl PolicyQuery {
    /// Sets the text that is looked for.
    #[must_use]
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// The page of `count` policies behind the first `start`.
    #[must_use]
    pub fn page(mut self, start: u32, count: u32) -> Self {
        self.start = start;
        self.count = count;
        self
    }
}

/// A page of a list of policies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyPage {
    /// The policies of this page, in the order of the texts of their urns.
    pub policies: Vec<PolicyRecord>,
    /// How many there are on all pages.
    pub total: u64,
}

/// Which roles a policy is for after an update.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Roles {
    /// Those it was for before. DataHub's own update forgets them.
    Keep,
    /// These.
    Set(Vec<String>),
}

/// Policies, for who has `MANAGE_POLICIES`, and so can grant anything to anybody, themselves
/// included.
impl Access {
    /// One page of the policies, whatever their state.
    ///
    /// # Errors
    ///
    /// [`AccessError`].
    pub async fn list_policies(
        &self,
        caller: &Caller,
        query: &PolicyQuery,
    ) -> Result<PolicyPage, AccessError> {
        self.parts().permit(caller, Operation::ListPolicies).await?;
        input::page(query.start, query.count)?;
        let mut policies = self.parts().policies.policies().await?;
        if let Some(text) = &query.text {
            let text = text.to_ascii_lowercase();
            let has = |place: &str| place.to_ascii_lowercase().contains(&text);
            policies.retain(|PolicyRecord { urn, info }| {
                has(urn.as_str()) || has(&info.display_name) || has(&info.description)
            });
        }
        policies.sort_unstable_by(|one, other| one.urn.cmp(&other.urn));
        let total = policies.len() as u64;
        let page = policies.into_iter().skip(query.start as usize).take(query.count as usize);
        Ok(PolicyPage { policies: page.collect(), total })
    }

    /// Stores a new policy, which can be edited, and returns its urn: `urn:li:dataHubPolicy:` and a
    /// random UUID. Unlike in DataHub it may be for roles.
    ///
    /// # Errors
    ///
    /// [`AccessError::Policy`] names a field or a condition that none has. As in DataHub, nobody
    /// looks at the ids of privileges and the urns of actors.
    pub async fn create_policy(
        &self,
        caller: &Caller,
        mut policy: Policy,
    ) -> Result<Urn, AccessError> {
        let parts = self.parts();
        parts.permit(caller, Operation::CreatePolicy).await?;
        policy.editable = true;
        policy.last_updated_timestamp = Some(parts.now().as_millis());
        policy.validate()?;
        let urn = parts.new_urn(POLICY, "")?;
        let record = PolicyRecord { urn, info: policy };
        parts.policies.put_policies(std::slice::from_ref(&record)).await?;
        Ok(record.urn)
    }

    /// Replaces what a policy says, but for its roles, which `roles` is about, and for whether it
    /// can be edited. Of two updates at once, one comes after the other.
    ///
    /// # Errors
    ///
    /// As [`create_policy`](Self::create_policy); [`AccessError::PolicyNotFound`], also if it is
    /// deleted in the meantime; [`AccessError::Forbidden`] for a policy that cannot be edited, but by
    /// the system actor; [`AccessError::Contended`] if others do not stop changing it.
    pub async fn update_policy(
        &self,
        caller: &Caller,
        urn: &Urn,
        mut policy: Policy,
        roles: Roles,
    ) -> Result<Urn, AccessError> {
        let parts = self.parts();
        parts.permit(caller, Operation::UpdatePolicy).await?;
        for _ in 0..ATTEMPTS {
            let stored = self.stored(caller, urn).await?;
            policy.editable = stored.editable;
            policy.last_updated_timestamp = Some(parts.now().as_millis());
            policy.actors.roles = match &roles {
                Roles::Keep => stored.actors.roles.clone(),
                Roles::Set(roles) => roles.clone(),
            };
            policy.validate()?;
            if parts.policies.replace_policy(urn, &stored, &policy).await? {
                return Ok(urn.clone());
            }
        }
        Err(AccessError::Contended(urn.clone()))
    }

    /// Deletes a policy, and returns its urn.
    ///
    /// # Errors
    ///
    /// [`AccessError::PolicyNotFound`]; [`AccessError::Forbidden`] for
    /// `urn:li:dataHubPolicy:0` and `:1`, which keep the root user in, and for a policy that cannot
    /// be edited, but by the system actor; [`AccessError::Contended`] if others do not stop changing
    /// it.
    pub async fn delete_policy(&self, caller: &Caller, urn: &Urn) -> Result<Urn, AccessError> {
        let parts = self.parts();
        parts.permit(caller, Operation::DeletePolicy).await?;
        parts.permit(caller, Operation::DeletePolicyNamed { urn }).await?;
        for _ in 0..ATTEMPTS {
            let stored = self.stored(caller, urn).await?;
            if parts.policies.delete_policy_if(urn, &stored).await? {
                return Ok(urn.clone());
            }
        }
        Err(AccessError::Contended(urn.clone()))
    }

    /// The policy of this urn, if the caller may change it.
    async fn stored(&self, caller: &Caller, urn: &Urn) -> Result<Policy, AccessError> {
        if urn.entity_type() != POLICY {
            return Err(AccessError::NotAPolicy(urn.clone()));
        }
        let Some(PolicyRecord { info, .. }) = self.parts().policies.policy(urn).await? else {
            return Err(AccessError::PolicyNotFound(urn.clone()));
        };
        self.parts().permit(caller, Operation::ChangeStoredPolicy { stored: &info }).await?;
        Ok(info)
    }
}

/// How often a change is tried while others change the same.
const ATTEMPTS: u32 = 5;
