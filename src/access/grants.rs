use std::collections::BTreeSet;

use super::{
    Access, AccessError, Caller, facts,
    permission::{Operation, USER},
};
use crate::{
    actor::{Actor, Urn},
    policy::{Candidates, PolicyEngine, PolicyOptions, Privilege, Resource, names_actor, why_not},
};

/// Whose privileges to list, and on what.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GrantedPrivileges {
    /// Whose.
    pub actor: Urn,
    /// On the resource of this type and urn, or with an empty urn on all of the type. Default
    /// without any resource.
    pub resource: Option<(String, String)>,
    /// Whether to say of each policy that does not apply, why. Default not; and only for who manages
    /// policies.
    pub details: bool,
}

impl GrantedPrivileges {
    /// Those of `actor`, without any resource and without details.
    #[must_use]
    pub fn new(actor: Urn) -> Self {
        Self { actor, resource: None, details: false }
    }

    /// Those on this resource: its type, and its urn.
    #[must_use]
    pub fn on(mut self, entity_type: impl Into<String>, urn: impl Into<String>) -> Self {
        self.resource = Some((entity_type.into(), urn.into()));
        self
    }

    /// Also why policies do not apply.
    #[must_use]
    pub fn details(mut self) -> Self {
        self.details = true;
        self
    }
}

/// What somebody is granted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Grants {
    /// The ids of the privileges, in their order.
    pub privileges: Vec<String>,
    /// The name of each policy that does not apply, and why; if that was asked for, and for who
    /// manages policies. Policies of the same name are all there, while in DataHub one replaces the
    /// other.
    pub evaluation: Option<Vec<(String, String)>>,
}

/// What somebody may do, and where from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DebugAccess {
    /// The roles the user holds itself.
    pub roles: Vec<String>,
    /// The groups the user is in.
    pub groups: Vec<String>,
    /// Those of the groups that hold roles.
    pub groups_with_roles: Vec<String>,
    /// The roles these hold.
    pub roles_via_groups: Vec<String>,
    /// The roles from both.
    pub all_roles: Vec<String>,
    /// The urns of the policies in force that are for the user, whatever the resource. Those for
    /// owners are not among them, since they are for who owns something.
    pub policies: Vec<String>,
    /// The ids of the privileges in these.
    pub privileges: Vec<String>,
}

/// What policies come to.
impl Access {
    /// What an actor is certainly granted (DataHub: `getGrantedPrivileges`), for itself and for who
    /// manages policies. All policies count but those whose state is `INACTIVE`, and so does what
    /// every actor may do to itself. An actor that does not exist has what everybody has.
    ///
    /// With a resource, its facts are asked for; what hangs on a fact that is not known is left out.
    ///
    /// # Errors
    ///
    /// [`AccessError`]; an outage of the facts is [`AccessError::Unavailable`].
    pub async fn granted_privileges(
        &self,
        caller: &Caller,
        request: GrantedPrivileges,
    ) -> Result<Grants, AccessError> {
        let parts = self.parts();
        let operation = Operation::ReadPrivileges { actor: &request.actor };
        let auth = parts.permit(caller, operation).await?;
        let details =
            request.details && parts.permit(caller, Operation::ReadEvaluation).await.is_ok();
        if request.actor.entity_type() != USER {
            return Err(AccessError::NotAUser(request.actor));
        }
        let mut resource = match request.resource {
            None => None,
            Some((of_type, urn)) if urn.is_empty() => Some(Resource::of_type(of_type)),
            Some((of_type, urn)) => Some(Resource::new(&urn.parse()?).with_type(of_type)),
        };
        let policies = parts.policies.policies().await?;
        let profile = parts.directory.profile(&request.actor).await?;
        let actor = match profile {
            Some(profile) => Actor::from_profile(request.actor, profile),
            None => Actor::new(request.actor),
        };
        if let Some(known) = &resource
            && let Some(source) = parts.facts.as_deref().or(auth.facts())
            && !known.unknown().is_empty()
        {
            resource = Some(facts::of(source, known, known.unknown()).await?);
        }
        let evaluation = details.then(|| {
            policies
                .iter()
                .filter_map(|policy| {
                    let reason = why_not(&policy.info, &actor, resource.as_ref())?;
                    Some((policy.info.display_name.clone(), reason))
                })
                .collect()
        });
        let options = PolicyOptions::default().candidates(Candidates::All);
        let engine = PolicyEngine::with_options(policies, options);
        let granted = engine.granted_privileges(&actor, resource.as_ref());
        Ok(Grants { privileges: texts(granted), evaluation })
    }

    /// What a user may do, and where from (DataHub: `debugAccess`), for who manages users and
    /// groups.
    ///
    /// # Errors
    ///
    /// [`AccessError::UserNotFound`].
    pub async fn debug_access(
        &self,
        caller: &Caller,
        user: &Urn,
    ) -> Result<DebugAccess, AccessError> {
        let parts = self.parts();
        parts.permit(caller, Operation::DebugAccess).await?;
        let Some(profile) = parts.directory.profile(user).await? else {
            return Err(AccessError::UserNotFound(user.clone()));
        };
        let direct: BTreeSet<_> = profile.roles.iter().cloned().collect();
        let via_groups: BTreeSet<_> = profile.group_roles.iter().cloned().collect();
        let actor = Actor::from_profile(user.clone(), profile);
        let mut with_roles = Vec::new();
        for group in actor.groups() {
            if !parts.directory.roles_of(group).await?.is_empty() {
                with_roles.push(group.clone());
            }
        }
        let policies = parts.policies.policies().await?;
        let (mut named, mut privileges) = (Vec::new(), BTreeSet::new());
        for policy in policies {
            if policy.info.is_active() && names_actor(&policy.info.actors, &actor) {
                privileges.extend(policy.info.privileges);
                named.push(policy.urn);
            }
        }
        named.sort_unstable();
        Ok(DebugAccess {
            roles: texts(direct),
            groups: texts(actor.groups()),
            groups_with_roles: texts(with_roles),
            roles_via_groups: texts(via_groups),
            all_roles: texts(actor.roles()),
            policies: texts(named),
            privileges: texts::<Privilege>(privileges),
        })
    }
}

fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}
