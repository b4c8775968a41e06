//! Who may: the one place that says so. Everything else in this room asks here.

use super::{AccessError, Caller, TokensOf};
use crate::{
    actor::Urn,
    authenticate::{Authentication, Credential},
    config::TokenMinting,
    policy::{
        Decision, Operation as Api, OperationGroup, Policy, Privilege, Resource, ResourceFacts,
        requirement,
    },
    token::{RuleScope, TokenId, TokenRecord, TokenType},
    token_service::TokenFilter,
};

/// Makes the enum, and for the tests the list of its names: an operation that the table of who may
/// does not have is a test that fails.
macro_rules! operations {
    (enum $enum:ident<$life:lifetime> {
        $($(#[$doc:meta])* $name:ident $({ $($field:ident: $type:ty),* })?,)*
    }) => {
        /// What somebody wants to do, with what the answer depends on.
        #[derive(Debug, Clone, Copy)]
        pub(super) enum $enum<$life> {
            $($(#[$doc])* $name $({ $($field: $type),* })?,)*
        }

        #[cfg(test)]
        impl $enum<'_> {
            pub(super) const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            pub(super) fn name(&self) -> &'static str {
                match self {
                    $(Self::$name $({ $($field: _),* })? => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    enum Operation<'a> {
        /// Make a PERSONAL token that acts as `actor`.
        CreatePersonalToken { actor: &'a Urn },
        /// Make a token that acts as a service account.
        CreateServiceAccountToken,
        /// Make a token of DataHub's older call.
        QuickToken { actor: &'a Urn },
        /// List the tokens for which all of these hold.
        ListTokens { filters: &'a [TokenFilter] },
        /// Look at a token; without a record, at one that does not exist.
        ReadToken { record: Option<&'a TokenRecord> },
        /// Look at the token by which the request was made.
        ReadCurrentToken,
        /// Look at a token by its text.
        ReadTokenByText,
        /// Learn whether a token is good.
        Introspect { actor: &'a Urn, owner: Option<&'a Urn> },
        /// Revoke a token; without a record, one that does not exist.
        RevokeToken { record: Option<&'a TokenRecord> },
        /// Revoke the token whose text is at hand.
        RevokeTokenByText,
        /// Revoke all tokens of somebody.
        RevokeTokens { whose: &'a TokensOf },
        /// Revoke what this scope has.
        AddRule { scope: &'a RuleScope },
        /// List what was revoked by rules.
        ListRules,
        /// Look at the states of keys.
        ReadKeys,
        /// Add, promote or retire a key.
        ChangeKeys,
        /// Make a service account.
        CreateServiceAccount,
        /// Look at a service account.
        ReadServiceAccount,
        /// List service accounts.
        ListServiceAccounts,
        /// Delete a service account.
        DeleteServiceAccount,
        /// List policies.
        ListPolicies,
        /// Write a new policy.
        CreatePolicy,
        /// Write some policy anew.
        UpdatePolicy,
        /// Delete some policy.
        DeletePolicy,
        /// Delete this policy, as far as its name tells.
        DeletePolicyNamed { urn: &'a Urn },
        /// Write anew or delete this very policy.
        ChangeStoredPolicy { stored: &'a Policy },
        /// List what an actor is granted.
        ReadPrivileges { actor: &'a Urn },
        /// Learn why policies do not grant.
        ReadEvaluation,
        /// Look at a user.
        ReadUser { urn: &'a Urn },
        /// List users.
        ListUsers,
        /// List groups.
        ListGroups,
        /// List roles.
        ListRoles,
        /// Give users and groups a role.
        AssignRole,
        /// Suspend a user, or take it back.
        SuspendUser,
        /// Learn what somebody may do, and why.
        DebugAccess,
    }
}

/// What a deployment chose of who may.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) minting: TokenMinting,
    pub(super) system_actor: Option<Urn>,
}

impl Rules {
    /// Lets nobody pass who may not. What hangs on facts that are not known is asked of `facts`; if
    /// they are still not known then, it is no grant.
    pub(super) async fn permit<'c>(
        &self,
        caller: &'c Caller,
        operation: Operation<'_>,
        facts: Option<&dyn ResourceFacts>,
    ) -> Result<&'c Authentication, AccessError> {
        let auth = caller.authenticated()?;
        let may = match operation {
            Operation::ReadUser { urn } => {
                self.may(auth, operation) || may_read(auth, urn, facts).await?
            }
            operation => self.may(auth, operation),
        };
        if !may {
            return Err(AccessError::Forbidden { message: refusal(operation) });
        }
        match self.mints_nothing(auth) {
            Some(message) if makes_a_token(operation) => Err(AccessError::Forbidden { message }),
            _ => Ok(auth),
        }
    }

    /// What can be said without asking for facts.
    fn may(&self, auth: &Authentication, operation: Operation<'_>) -> bool {
        use Operation as Op;
        let me = auth.actor().urn();
        match operation {
            Op::CreatePersonalToken { actor } => {
                manages_tokens(auth) || (actor == me && generates_tokens(auth))
            }
            Op::QuickToken { actor } => actor == me && generates_tokens(auth),
            Op::ListTokens { filters } => {
                manages_tokens(auth)
                    || (filters.iter().any(|filter| is_plainly_own(filter, me))
                        && generates_tokens(auth))
            }
            Op::ReadToken { record } | Op::RevokeToken { record } => {
                manages_tokens(auth)
                    || record.is_some_and(|record| record.owner == *me || record.actor == *me)
            }
            Op::ReadTokenByText | Op::ListRules => manages_tokens(auth),
            Op::AddRule { scope: RuleScope::Actor(urn) | RuleScope::Owner(urn) } => {
                manages_tokens(auth) || urn == me
            }
            Op::AddRule { scope: RuleScope::Key(_) | RuleScope::All } => manages_tokens(auth),
            Op::ReadKeys | Op::ChangeKeys => {
                auth.privileges().holds(&Privilege::MANAGE_SYSTEM_OPERATIONS)
            }
            Op::Introspect { actor, owner } => {
                actor == me
                    || owner == Some(me)
                    || is_granted(auth, Api::Read, TokenId::ENTITY_TYPE)
            }
            Op::RevokeTokens { whose: TokensOf::Owner(urn) | TokensOf::Actor(urn) } => {
                manages_tokens(auth) || urn == me
            }
            Op::CreateServiceAccountToken
            | Op::CreateServiceAccount
            | Op::ReadServiceAccount
            | Op::ListServiceAccounts
            | Op::DeleteServiceAccount => {
                auth.privileges().holds(&Privilege::MANAGE_SERVICE_ACCOUNTS)
            }
            Op::ListPolicies
            | Op::CreatePolicy
            | Op::UpdatePolicy
            | Op::DeletePolicy
            | Op::ReadEvaluation
            | Op::AssignRole => manages_policies(auth),
            Op::DeletePolicyNamed { urn } => {
                manages_policies(auth) && !SYSTEM_POLICIES.contains(&urn.as_str())
            }
            Op::ChangeStoredPolicy { stored } => {
                manages_policies(auth)
                    && (stored.editable || self.system_actor.as_ref() == Some(me))
            }
            Op::ReadPrivileges { actor } => actor == me || manages_policies(auth),
            // Everybody may also read themselves, which is granted as reading others is: by View Self.
            Op::ReadUser { .. }
            | Op::ListUsers
            | Op::ListGroups
            | Op::SuspendUser
            | Op::DebugAccess => manages_users(auth),
            // Who has the text could use the token, and with it revoke it.
            Op::ReadCurrentToken | Op::RevokeTokenByText | Op::ListRoles => true,
        }
    }

    /// Why a request that was authenticated so makes no tokens at all, if that is so.
    fn mints_nothing(&self, auth: &Authentication) -> Option<&'static str> {
        let token = token_of(auth)?;
        match self.minting {
            TokenMinting::SessionsOnly => Some(TOKENS_MINT_NOTHING),
            // What was made with it could not be revoked with it, which cannot be revoked.
            TokenMinting::Bounded if token.is_stateless() => Some(STATELESS_MINTS_NOTHING),
            TokenMinting::Bounded | TokenMinting::Unbounded => None,
        }
    }
}

/// The token by which the request was authenticated, unless that is a session. What an
/// authenticator of the service's own takes counts as a session, too.
pub(super) fn token_of(auth: &Authentication) -> Option<&crate::authenticate::AccessToken> {
    match auth.credential() {
        Credential::AccessToken(token) => match token.token_type {
            TokenType::Session => None,
            TokenType::Personal | TokenType::ServiceAccount => Some(token),
        },
        Credential::Other { .. } | Credential::Disabled => None,
    }
}

fn makes_a_token(operation: Operation<'_>) -> bool {
    matches!(
        operation,
        Operation::CreatePersonalToken { .. }
            | Operation::CreateServiceAccountToken
            | Operation::QuickToken { .. }
    )
}

/// `MANAGE_ACCESS_TOKENS`, or `EDIT_ENTITY` and `DELETE_ENTITY` on all tokens.
fn manages_tokens(auth: &Authentication) -> bool {
    is_granted(auth, Api::Manage, TokenId::ENTITY_TYPE)
}

fn generates_tokens(auth: &Authentication) -> bool {
    [Privilege::GENERATE_PERSONAL_ACCESS_TOKENS, Privilege::MANAGE_ACCESS_TOKENS]
        .iter()
        .any(|privilege| auth.privileges().holds(privilege))
}

pub(super) fn manages_policies(auth: &Authentication) -> bool {
    is_granted(auth, Api::Manage, POLICY)
}

pub(super) fn manages_users(auth: &Authentication) -> bool {
    is_granted(auth, Api::Manage, USER) && is_granted(auth, Api::Manage, GROUP)
}

/// Whether the operation is granted on all entities of a type.
pub(super) fn is_granted(auth: &Authentication, operation: Api, entity_type: &'static str) -> bool {
    let needed = requirement(OperationGroup::Entity, operation, Some(entity_type));
    let all = Resource::of_type(entity_type);
    auth.privileges().decide(needed, Some(&all), &[]).is_granted()
}

async fn may_read(
    auth: &Authentication,
    urn: &Urn,
    facts: Option<&dyn ResourceFacts>,
) -> Result<bool, AccessError> {
    let needed = requirement(OperationGroup::Entity, Api::Read, Some(urn.entity_type()));
    let mut user = Resource::new(urn);
    let mut decision = auth.privileges().decide(needed, Some(&user), &[]);
    if let (Decision::Indeterminate(missing), Some(facts)) = (decision, facts.or(auth.facts())) {
        user = super::facts::of(facts, &user, missing).await?;
        decision = auth.privileges().decide(needed, Some(&user), &[]);
    }
    Ok(decision.is_granted())
}

/// Whether a filter that holds beside others keeps the list to the caller's own tokens. Only its
/// plainest forms count: what is negated, names somebody else too, or looks at another field does
/// not, whatever it amounts to.
fn is_plainly_own(filter: &TokenFilter, me: &Urn) -> bool {
    let is_mine = |filter: &TokenFilter| match filter {
        TokenFilter::Owner(urns) | TokenFilter::Actor(urns) => urns.as_slice() == [me.clone()],
        _ => false,
    };
    match filter {
        TokenFilter::AnyOf(both) => matches!(
            both.as_slice(),
            [one @ TokenFilter::Owner(_), other @ TokenFilter::Actor(_)]
                | [one @ TokenFilter::Actor(_), other @ TokenFilter::Owner(_)]
                if is_mine(one) && is_mine(other)
        ),
        filter => is_mine(filter),
    }
}

/// What is said to who may not.
const fn refusal(operation: Operation<'_>) -> &'static str {
    match operation {
        Operation::CreateServiceAccount => {
            "Unauthorized to create service accounts. Please contact your DataHub administrator."
        }
        Operation::ReadServiceAccount => {
            "Unauthorized to view service accounts. Please contact your DataHub administrator."
        }
        Operation::ListServiceAccounts => {
            "Unauthorized to list service accounts. Please contact your DataHub administrator."
        }
        Operation::DeleteServiceAccount => {
            "Unauthorized to delete service accounts. Please contact your DataHub administrator."
        }
        Operation::DeletePolicyNamed { .. } => "System policies can not be deleted.",
        Operation::ChangeStoredPolicy { .. } => "Attempting to edit not editable policy.",
        Operation::ReadPrivileges { .. } => "Unauthorized to get privileges for the given author.",
        _ => UNAUTHORIZED,
    }
}

const UNAUTHORIZED: &str =
    "Unauthorized to perform this action. Please contact your DataHub administrator.";
const TOKENS_MINT_NOTHING: &str =
    "Unauthorized to create access tokens with an access token. Please log in to create one.";
const STATELESS_MINTS_NOTHING: &str = "Unauthorized to create access tokens with an access token \
                                       that is not stored (version 1), which cannot be revoked.";

pub(super) const POLICY: &str = "dataHubPolicy";
pub(super) const USER: &str = "corpuser";
const GROUP: &str = "corpGroup";

const SYSTEM_POLICIES: [&str; 2] = ["urn:li:dataHubPolicy:0", "urn:li:dataHubPolicy:1"];

#[cfg(test)]
mod tests;
