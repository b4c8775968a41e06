//! Every operation, every caller, every target.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::json;

use super::*;
use crate::{
    access::AccessErrorKind,
    actor::Actor,
    authenticate::AccessToken,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    policy::{FactSet, Field, PolicyIndex, PolicyOptions},
};

/// Who asks: a name, who it is, what they are granted, and by what they are authenticated.
///
/// `alice` is somebody, `olga` owns the token that acts as `axel`.
const CALLERS: &[(&str, &str, &[&str], Credentials)] = &[
    ("nobody", "", &[], Credentials::Other),
    ("a stranger", "zoe", &[], Credentials::Other),
    ("a stranger who generates", "zoe", &[GENERATE], Credentials::Other),
    ("alice", "alice", &[], Credentials::Other),
    ("alice who generates", "alice", &[GENERATE], Credentials::Other),
    ("alice by a session", "alice", &[GENERATE], Credentials::Token(TokenType::Session)),
    ("alice by a token", "alice", &[GENERATE], Credentials::Token(TokenType::Personal)),
    ("alice, switched off", "alice", &[GENERATE], Credentials::Disabled),
    ("the owner", "olga", &[], Credentials::Other),
    ("the actor", "axel", &[], Credentials::Token(TokenType::ServiceAccount)),
    ("manages tokens", "max", &["MANAGE_ACCESS_TOKENS"], Credentials::Other),
    ("... by a token", "max", &["MANAGE_ACCESS_TOKENS"], Credentials::Token(TokenType::Personal)),
    ("edits and deletes", "max", &["EDIT_ENTITY", "DELETE_ENTITY"], Credentials::Other),
    ("only edits", "max", &["EDIT_ENTITY"], Credentials::Other),
    ("manages accounts", "max", &["MANAGE_SERVICE_ACCOUNTS"], Credentials::Other),
    ("manages policies", "max", &["MANAGE_POLICIES"], Credentials::Other),
    ("manages users", "max", &["MANAGE_USERS_AND_GROUPS"], Credentials::Other),
    ("operates", "max", &["MANAGE_SYSTEM_OPERATIONS"], Credentials::Other),
    ("reads everything", "max", &["VIEW_ENTITY_PAGE"], Credentials::Other),
    ("the system", "system", &[], Credentials::Other),
];

/// Who may what. A column for each caller, in groups as above: nobody; strangers; alice; owner and
/// actor; tokens; accounts, policies, users, operations; readers; the system.
/// `u` unauthenticated, `-` forbidden, `+` allowed.
const TABLE: &[(&str, &str, &str)] = &[
    ("CreatePersonalToken", "for alice", "u -- -++++ -- +++- ---- - +"),
    ("CreatePersonalToken", "for olga", "u -- ----- -- +++- ---- - +"),
    ("CreatePersonalToken", "for max", "u -- ----- -- +++- ---- - +"),
    ("CreateServiceAccountToken", "", "u -- ----- -- ---- +--- - +"),
    ("QuickToken", "for alice", "u -- -++++ -- ---- ---- - -"),
    ("QuickToken", "for olga", "u -- ----- -- ---- ---- - -"),
    ("QuickToken", "for max", "u -- ----- -- ++-- ---- - -"),
    ("ListTokens", "all", "u -- ----- -- +++- ---- - +"),
    ("ListTokens", "alice's", "u -- -++++ -- +++- ---- - +"),
    ("ListTokens", "olga's", "u -- ----- -- +++- ---- - +"),
    ("ReadToken", "olga's for axel", "u -- ----- ++ +++- ---- - +"),
    ("ReadToken", "none", "u -- ----- -- +++- ---- - +"),
    ("ReadCurrentToken", "", "u ++ +++++ ++ ++++ ++++ + +"),
    ("ReadTokenByText", "", "u -- ----- -- +++- ---- - +"),
    ("Introspect", "olga's for axel", "u -- ----- ++ ++++ ---- + +"),
    ("Introspect", "of version 1, for axel", "u -- ----- -+ ++++ ---- + +"),
    ("RevokeToken", "olga's for axel", "u -- ----- ++ +++- ---- - +"),
    ("RevokeToken", "none", "u -- ----- -- +++- ---- - +"),
    ("RevokeTokenByText", "", "u ++ +++++ ++ ++++ ++++ + +"),
    ("RevokeTokens", "that olga made", "u -- ----- +- +++- ---- - +"),
    ("RevokeTokens", "that act as axel", "u -- ----- -+ +++- ---- - +"),
    ("AddRule", "what olga made", "u -- ----- +- +++- ---- - +"),
    ("AddRule", "what acts as axel", "u -- ----- -+ +++- ---- - +"),
    ("AddRule", "of a key", "u -- ----- -- +++- ---- - +"),
    ("AddRule", "all", "u -- ----- -- +++- ---- - +"),
    ("ListRules", "", "u -- ----- -- +++- ---- - +"),
    ("ReadKeys", "", "u -- ----- -- ---- ---+ - +"),
    ("ChangeKeys", "", "u -- ----- -- ---- ---+ - +"),
    ("CreateServiceAccount", "", "u -- ----- -- ---- +--- - +"),
    ("ReadServiceAccount", "", "u -- ----- -- ---- +--- - +"),
    ("ListServiceAccounts", "", "u -- ----- -- ---- +--- - +"),
    ("DeleteServiceAccount", "", "u -- ----- -- ---- +--- - +"),
    ("ListPolicies", "", "u -- ----- -- ---- -+-- - +"),
    ("CreatePolicy", "", "u -- ----- -- ---- -+-- - +"),
    ("UpdatePolicy", "", "u -- ----- -- ---- -+-- - +"),
    ("DeletePolicy", "", "u -- ----- -- ---- -+-- - +"),
    ("DeletePolicyNamed", "some", "u -- ----- -- ---- -+-- - +"),
    ("DeletePolicyNamed", "0", "u -- ----- -- ---- ---- - -"),
    ("DeletePolicyNamed", "1", "u -- ----- -- ---- ---- - -"),
    ("ChangeStoredPolicy", "editable", "u -- ----- -- ---- -+-- - +"),
    ("ChangeStoredPolicy", "not editable", "u -- ----- -- ---- ---- - +"),
    ("ReadPrivileges", "of alice", "u -- +++++ -- ---- -+-- - +"),
    ("ReadPrivileges", "of olga", "u -- ----- +- ---- -+-- - +"),
    ("ReadEvaluation", "", "u -- ----- -- ---- -+-- - +"),
    ("ReadUser", "alice", "u -- +++++ -- --++ --+- + +"),
    ("ReadUser", "olga", "u -- ----- +- --++ --+- + +"),
    ("ListUsers", "", "u -- ----- -- ---- --+- - +"),
    ("ListGroups", "", "u -- ----- -- ---- --+- - +"),
    ("ListRoles", "", "u ++ +++++ ++ ++++ ++++ + +"),
    ("AssignRole", "", "u -- ----- -- ---- -+-- - +"),
    ("SuspendUser", "", "u -- ----- -- ---- --+- - +"),
    ("DebugAccess", "", "u -- ----- -- ---- --+- - +"),
];

/// Who may make tokens if only sessions may.
const SESSIONS_ONLY: &[(&str, &str, &str)] = &[
    ("CreatePersonalToken", "for alice", "u -- -++-+ -- +-+- ---- - +"),
    ("QuickToken", "for alice", "u -- -++-+ -- ---- ---- - -"),
    ("QuickToken", "for max", "u -- ----- -- +--- ---- - -"),
    ("CreateServiceAccountToken", "", "u -- ----- -- ---- +--- - +"),
    // And nothing else is another matter than before.
    ("RevokeToken", "olga's for axel", "u -- ----- ++ +++- ---- - +"),
    ("CreateServiceAccount", "", "u -- ----- -- ---- +--- - +"),
];

#[derive(Clone, Copy)]
enum Credentials {
    Other,
    Disabled,
    Token(TokenType),
}

const GENERATE: &str = "GENERATE_PERSONAL_ACCESS_TOKENS";

fn user(id: &str) -> Urn {
    Urn::corpuser(id).unwrap()
}

fn policy(value: serde_json::Value) -> Policy {
    serde_json::from_value(value).unwrap()
}

fn granting(privileges: &[&str]) -> Policy {
    policy(json!({
        "displayName": "p", "type": "METADATA", "state": "ACTIVE",
        "privileges": privileges, "actors": { "allUsers": true },
        // On every entity, and so on all of a type; platform privileges by a policy of their own.
        "resources": { "filter": { "criteria": [] } },
    }))
}

fn authentication(id: &str, policies: Vec<Policy>, credential: Credential) -> Authentication {
    let options = PolicyOptions::default().system_actor(user("system"));
    let index = PolicyIndex::with_options(policies, options);
    Authentication::new(credential, index.privileges(Arc::new(Actor::new(user(id)))), None)
}

fn caller(id: &str, privileges: &[&str], credentials: Credentials) -> Caller {
    if id.is_empty() {
        return Caller::anonymous();
    }
    let (about_entities, platform): (Vec<_>, Vec<_>) =
        privileges.iter().copied().partition(|id| id.contains("_ENTITY"));
    let mut platform = granting(&platform);
    platform.policy_type = "PLATFORM".to_owned();
    let credential = match credentials {
        Credentials::Other => Credential::Other { name: "test".into() },
        Credentials::Disabled => Credential::Disabled,
        Credentials::Token(token_type) => Credential::AccessToken(AccessToken {
            id: TokenId::from_bytes([1; 32]),
            name: Some("laptop".to_owned()),
            token_type,
            expires_at: None,
        }),
    };
    authentication(id, vec![granting(&about_entities), platform], credential).into()
}

/// What operations are about.
struct Targets {
    alice: Urn,
    olga: Urn,
    axel: Urn,
    max: Urn,
    record: TokenRecord,
    own: Vec<TokenFilter>,
    olgas: Vec<TokenFilter>,
    made_by_olga: TokensOf,
    as_axel: TokensOf,
    scopes: [RuleScope; 4],
    policies: [Urn; 3],
    editable: Policy,
    fixed: Policy,
}

impl Targets {
    fn new() -> Self {
        let (alice, olga, axel) = (user("alice"), user("olga"), user("axel"));
        let (id, at) = (TokenId::from_bytes([2; 32]), Timestamp::from_millis(0));
        let policy = |id: &str| Urn::of("dataHubPolicy", id).unwrap();
        let editable = granting(&[]);
        Self {
            record: TokenRecord::new(id, "ci", axel.clone(), olga.clone(), at),
            own: vec![TokenFilter::Owner(vec![alice.clone()])],
            olgas: vec![TokenFilter::Owner(vec![olga.clone()])],
            made_by_olga: TokensOf::Owner(olga.clone()),
            as_axel: TokensOf::Actor(axel.clone()),
            scopes: [
                RuleScope::Owner(olga.clone()),
                RuleScope::Actor(axel.clone()),
                RuleScope::Key("0123456789abcdef".parse().unwrap()),
                RuleScope::All,
            ],
            policies: [policy("0"), policy("1"), policy("some")],
            fixed: Policy { editable: false, ..editable.clone() },
            editable,
            max: user("max"),
            alice,
            olga,
            axel,
        }
    }

    fn operation(&self, name: &str, target: &str) -> Operation<'_> {
        use Operation as Op;
        let [zero, one, some] = &self.policies;
        let [owner, actor, key, all] = &self.scopes;
        match (name, target) {
            ("CreatePersonalToken", "for alice") => Op::CreatePersonalToken { actor: &self.alice },
            ("CreatePersonalToken", "for olga") => Op::CreatePersonalToken { actor: &self.olga },
            ("CreatePersonalToken", "for max") => Op::CreatePersonalToken { actor: &self.max },
            ("CreateServiceAccountToken", "") => Op::CreateServiceAccountToken,
            ("QuickToken", "for alice") => Op::QuickToken { actor: &self.alice },
            ("QuickToken", "for olga") => Op::QuickToken { actor: &self.olga },
            ("QuickToken", "for max") => Op::QuickToken { actor: &self.max },
            ("ListTokens", "all") => Op::ListTokens { filters: &[] },
            ("ListTokens", "alice's") => Op::ListTokens { filters: &self.own },
            ("ListTokens", "olga's") => Op::ListTokens { filters: &self.olgas },
            ("ReadToken", "olga's for axel") => Op::ReadToken { record: Some(&self.record) },
            ("ReadToken", "none") => Op::ReadToken { record: None },
            ("ReadCurrentToken", "") => Op::ReadCurrentToken,
            ("RevokeTokenByText", "") => Op::RevokeTokenByText,
            ("ReadTokenByText", "") => Op::ReadTokenByText,
            ("Introspect", "olga's for axel") => {
                Op::Introspect { actor: &self.axel, owner: Some(&self.olga) }
            }
            ("Introspect", "of version 1, for axel") => {
                Op::Introspect { actor: &self.axel, owner: None }
            }
            ("RevokeToken", "olga's for axel") => Op::RevokeToken { record: Some(&self.record) },
            ("RevokeToken", "none") => Op::RevokeToken { record: None },
            ("RevokeTokens", "that olga made") => Op::RevokeTokens { whose: &self.made_by_olga },
            ("RevokeTokens", "that act as axel") => Op::RevokeTokens { whose: &self.as_axel },
            ("AddRule", "what olga made") => Op::AddRule { scope: owner },
            ("AddRule", "what acts as axel") => Op::AddRule { scope: actor },
            ("AddRule", "of a key") => Op::AddRule { scope: key },
            ("AddRule", "all") => Op::AddRule { scope: all },
            ("ListRules", "") => Op::ListRules,
            ("ReadKeys", "") => Op::ReadKeys,
            ("ChangeKeys", "") => Op::ChangeKeys,
            ("CreateServiceAccount", "") => Op::CreateServiceAccount,
            ("ReadServiceAccount", "") => Op::ReadServiceAccount,
            ("ListServiceAccounts", "") => Op::ListServiceAccounts,
            ("DeleteServiceAccount", "") => Op::DeleteServiceAccount,
            ("ListPolicies", "") => Op::ListPolicies,
            ("CreatePolicy", "") => Op::CreatePolicy,
            ("UpdatePolicy", "") => Op::UpdatePolicy,
            ("DeletePolicy", "") => Op::DeletePolicy,
            ("DeletePolicyNamed", "some") => Op::DeletePolicyNamed { urn: some },
            ("DeletePolicyNamed", "0") => Op::DeletePolicyNamed { urn: zero },
            ("DeletePolicyNamed", "1") => Op::DeletePolicyNamed { urn: one },
            ("ChangeStoredPolicy", "editable") => Op::ChangeStoredPolicy { stored: &self.editable },
            ("ChangeStoredPolicy", "not editable") => {
                Op::ChangeStoredPolicy { stored: &self.fixed }
            }
            ("ReadPrivileges", "of alice") => Op::ReadPrivileges { actor: &self.alice },
            ("ReadPrivileges", "of olga") => Op::ReadPrivileges { actor: &self.olga },
            ("ReadEvaluation", "") => Op::ReadEvaluation,
            ("ReadUser", "alice") => Op::ReadUser { urn: &self.alice },
            ("ReadUser", "olga") => Op::ReadUser { urn: &self.olga },
            ("ListUsers", "") => Op::ListUsers,
            ("ListGroups", "") => Op::ListGroups,
            ("ListRoles", "") => Op::ListRoles,
            ("AssignRole", "") => Op::AssignRole,
            ("SuspendUser", "") => Op::SuspendUser,
            ("DebugAccess", "") => Op::DebugAccess,
            other => panic!("no such operation and target: {other:?}"),
        }
    }
}

fn rules(minting: TokenMinting) -> Rules {
    Rules { minting, system_actor: Some(user("system")) }
}

async fn answer(rules: &Rules, caller: &Caller, operation: Operation<'_>) -> char {
    match rules.permit(caller, operation, None).await {
        Ok(_) => '+',
        Err(error) => match error.kind() {
            AccessErrorKind::Unauthenticated => 'u',
            AccessErrorKind::Forbidden => '-',
            kind => panic!("{kind:?}: {error}"),
        },
    }
}

async fn check(table: &[(&str, &str, &str)], minting: TokenMinting) {
    let (targets, rules) = (Targets::new(), rules(minting));
    for (name, target, row) in table {
        let operation = targets.operation(name, target);
        assert_eq!(operation.name(), *name);
        let cells: Vec<char> = row.chars().filter(|cell| *cell != ' ').collect();
        assert_eq!(cells.len(), CALLERS.len(), "{name} {target}");
        for ((who, id, privileges, credentials), expected) in CALLERS.iter().zip(cells) {
            let caller = caller(id, privileges, *credentials);
            let found = answer(&rules, &caller, operation).await;
            assert_eq!(found, expected, "{name}, {target}: {who}");
        }
    }
}

#[tokio::test]
async fn everybody_may_what_the_table_says_and_nothing_else() {
    check(TABLE, TokenMinting::Bounded).await;
    check(TABLE, TokenMinting::Unbounded).await;
}

#[tokio::test]
async fn tokens_mint_nothing_if_only_sessions_may() {
    check(SESSIONS_ONLY, TokenMinting::SessionsOnly).await;
    let alice = user("alice");
    let by_token = caller("alice", &[GENERATE], Credentials::Token(TokenType::Personal));
    let operation = Operation::QuickToken { actor: &alice };
    let refused = rules(TokenMinting::SessionsOnly).permit(&by_token, operation, None).await;
    assert_eq!(refused.unwrap_err().to_string(), TOKENS_MINT_NOTHING);
}

#[tokio::test]
async fn keeping_only_users_or_only_groups_is_not_keeping_both() {
    let rules = rules(TokenMinting::Bounded);
    for (privileges, expected) in [
        (&["UPDATE_USERS"][..], '-'),
        (&["UPDATE_GROUPS"], '-'),
        (&["UPDATE_USERS", "UPDATE_GROUPS"], '+'),
        (&["CREATE_USERS_AND_GROUPS", "UPDATE_USERS_AND_GROUPS"], '-'),
    ] {
        let caller = caller("max", privileges, Credentials::Other);
        for operation in [Operation::ListUsers, Operation::SuspendUser, Operation::DebugAccess] {
            assert_eq!(answer(&rules, &caller, operation).await, expected, "{privileges:?}");
        }
    }
}

#[test]
fn every_operation_is_in_the_table() {
    let in_table: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(in_table, Operation::NAMES.iter().copied().collect());
}

#[tokio::test]
async fn who_may_not_is_told_so_in_datahubs_words() {
    let (targets, rules) = (Targets::new(), rules(TokenMinting::Bounded));
    let stranger = caller("zoe", &[], Credentials::Other);
    for (name, target, _) in TABLE {
        let operation = targets.operation(name, target);
        let Err(error) = rules.permit(&stranger, operation, None).await else { continue };
        let expected = match *name {
            "CreateServiceAccount" => {
                "Unauthorized to create service accounts. Please contact your DataHub administrator."
            }
            "ReadServiceAccount" => {
                "Unauthorized to view service accounts. Please contact your DataHub administrator."
            }
            "ListServiceAccounts" => {
                "Unauthorized to list service accounts. Please contact your DataHub administrator."
            }
            "DeleteServiceAccount" => {
                "Unauthorized to delete service accounts. Please contact your DataHub administrator."
            }
            "DeletePolicyNamed" => "System policies can not be deleted.",
            "ChangeStoredPolicy" => "Attempting to edit not editable policy.",
            "ReadPrivileges" => "Unauthorized to get privileges for the given author.",
            _ => "Unauthorized to perform this action. Please contact your DataHub administrator.",
        };
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

#[tokio::test]
async fn only_the_plainest_filters_are_ones_own() {
    use TokenFilter::{Actor, AllOf, AnyOf, Not, Owner};
    let (me, olga) = (user("alice"), user("olga"));
    let owner = || Owner(vec![me.clone()]);
    let actor = || Actor(vec![me.clone()]);
    let not = |filter| Not(Box::new(filter));
    let own = [
        vec![owner()],
        vec![actor()],
        vec![AnyOf(vec![owner(), actor()])],
        vec![AnyOf(vec![actor(), owner()])],
        // More conditions only take away.
        vec![not(owner()), actor()],
        vec![Owner(vec![olga.clone()]), actor()],
    ];
    let others = [
        vec![],
        vec![not(owner())],
        vec![not(not(owner()))],
        vec![not(Owner(vec![olga.clone()]))],
        vec![Owner(vec![])],
        vec![Owner(vec![olga.clone()])],
        vec![Actor(vec![olga.clone()])],
        vec![Owner(vec![me.clone(), olga.clone()])],
        vec![Owner(vec![me.clone(), me.clone()])],
        vec![AnyOf(vec![])],
        vec![AnyOf(vec![owner()])],
        vec![AnyOf(vec![owner(), owner()])],
        vec![AnyOf(vec![owner(), Owner(vec![olga.clone()])])],
        vec![AnyOf(vec![owner(), Actor(vec![olga.clone()])])],
        vec![AnyOf(vec![Owner(vec![olga.clone()]), actor()])],
        vec![AnyOf(vec![owner(), actor(), Owner(vec![olga.clone()])])],
        vec![AnyOf(vec![owner(), not(actor())])],
        vec![not(AnyOf(vec![owner(), actor()]))],
        vec![AllOf(vec![owner()])],
        vec![AllOf(vec![])],
        vec![AnyOf(vec![AnyOf(vec![owner(), actor()])])],
    ];
    let caller = caller("alice", &[GENERATE], Credentials::Other);
    let rules = rules(TokenMinting::Bounded);
    for filters in &own {
        let operation = Operation::ListTokens { filters };
        assert_eq!(answer(&rules, &caller, operation).await, '+', "{filters:?}");
    }
    for filters in &others {
        let operation = Operation::ListTokens { filters };
        assert_eq!(answer(&rules, &caller, operation).await, '-', "{filters:?}");
    }
}

/// Knows that olga is tagged, fails, or speaks of somebody else.
#[derive(Debug)]
enum Facts {
    Tagged,
    NotTagged,
    Down,
    Odd,
}

impl ResourceFacts for Facts {
    fn facts<'a>(
        &'a self,
        resource: &'a Resource,
        _: FactSet,
    ) -> BoxFuture<'a, Result<Resource, StoreError>> {
        let tags = |resource: &Resource, tags: &[&str]| {
            resource.clone().with_field(Field::Tag, tags.iter().copied())
        };
        let found = match self {
            Self::Tagged => Ok(tags(resource, &["urn:li:tag:open"])),
            Self::NotTagged => Ok(tags(resource, &[])),
            Self::Down => Err(StoreError::unavailable("down")),
            Self::Odd => Ok(tags(&Resource::new(&user("axel")), &["urn:li:tag:open"])),
        };
        Box::pin(std::future::ready(found))
    }
}

#[tokio::test]
async fn who_may_read_a_user_may_hang_on_facts_which_never_grant_while_unknown() {
    let tag = json!({ "field": "TAG", "values": ["urn:li:tag:open"] });
    let open = policy(json!({
        "displayName": "p", "type": "METADATA", "state": "ACTIVE",
        "privileges": ["VIEW_ENTITY_PAGE"], "actors": { "allUsers": true },
        "resources": { "filter": { "criteria": [tag] } },
    }));
    let credential = Credential::Other { name: "test".into() };
    let zoe = authentication("zoe", vec![open], credential);
    let (olga, rules) = (user("olga"), rules(TokenMinting::Bounded));
    let read = async |caller: &Caller, facts: Option<&dyn ResourceFacts>| {
        let result = rules.permit(caller, Operation::ReadUser { urn: &olga }, facts).await;
        result.map(|_| ()).map_err(|error| error.kind())
    };
    let caller = Caller::from(&zoe);
    assert_eq!(read(&caller, None).await, Err(AccessErrorKind::Forbidden));
    assert_eq!(read(&caller, Some(&Facts::NotTagged)).await, Err(AccessErrorKind::Forbidden));
    assert_eq!(read(&caller, Some(&Facts::Tagged)).await, Ok(()));
    assert_eq!(read(&caller, Some(&Facts::Down)).await, Err(AccessErrorKind::Unavailable));
    assert_eq!(read(&caller, Some(&Facts::Odd)).await, Err(AccessErrorKind::Unavailable));
    // Those that the authenticator was given, if there are no others.
    let caller = Caller::from(zoe.with_facts(Arc::new(Facts::Tagged)));
    assert_eq!(read(&caller, None).await, Ok(()));
    assert_eq!(read(&caller, Some(&Facts::NotTagged)).await, Err(AccessErrorKind::Forbidden));
}
