//! Every operation as it is called: who passes, what a refusal costs, and what an outage is.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use tower_pat::{
    Access, Config, TokenService,
    access::{
        AccessError, AccessErrorKind, Caller, CreateToken, GrantedPrivileges, NewServiceAccount,
        PlatformPrivileges, PolicyQuery, RevokedByText, RoleQuery, Roles, TokensOf,
    },
    actor::{DirectoryStore, GroupQuery, User, UserKind, UserQuery},
    clock::Timestamp,
    policy::{PolicyRecord, PolicyStore},
    token::{AccessTokenDuration, KeyId, RuleScope, TokenId, TokenKey, TokenType},
    token_service::{KeyStore, MintRequest, TokenFilter, TokenQuery},
};

use super::{
    ACCOUNTS, GENERATE, HOUR, POLICIES, Place, TOKENS, USERS, caller, granting, max, personal,
    watched::Watched,
};
use crate::support::{KEY, SALT, config, urn, user};

const NEW_KEY: &str = "Zk3vB9xWq1LmT6yNcR8pD2sHfJ4gUaE7oK5iXtVbC0w=";

type Call = fn(Access, Caller) -> BoxFuture<'static, Result<(), AccessError>>;

macro_rules! call {
    (|$access:ident, $caller:ident| $call:expr) => {
        |$access, $caller| async move { $call.await.map(|_| ()) }.boxed()
    };
}

/// Each operation, as bob or about bob, with who passes: nobody; a stranger; a stranger who
/// generates; bob; bob who generates; who manages tokens, accounts, policies, users, operations.
/// `u` unauthenticated, `-` forbidden, `+` not.
const OPERATIONS: &[(&str, &str, Call)] = &[
    ("create_token", "u -- -+ +----", call!(|a, c| a.create_token(&c, personal("bob")))),
    (
        "create_token for an account",
        "u -- -- -+---",
        call!(|a, c| {
            let urn = user("robot");
            a.create_token(&c, CreateToken::new(TokenType::ServiceAccount, urn, HOUR, "ci"))
        }),
    ),
    ("quick_token", "u -- -+ -----", call!(|a, c| a.quick_token(&c, &user("bob"), HOUR))),
    ("list_tokens", "u -- -- +----", call!(|a, c| a.list_tokens(&c, &TokenQuery::default()))),
    (
        "list_tokens of bob",
        "u -- -+ +----",
        call!(|a, c| {
            let query = TokenQuery::default().filter(TokenFilter::Actor(vec![user("bob")]));
            async move { a.list_tokens(&c, &query).await }
        }),
    ),
    ("token", "u -- ++ +----", call!(|a, c| a.token(&c, &BOBS))),
    (
        "current_token",
        "u ++ ++ +++++",
        call!(|a, c| async move {
            match a.current_token(&c).await {
                Err(AccessError::NoCurrentToken) => Ok(()),
                other => other.map(|_| ()),
            }
        }),
    ),
    ("token_metadata", "u -- -- +----", call!(|a, c| a.token_metadata(&c, "text"))),
    ("introspect", "u ++ ++ +++++", call!(|a, c| a.introspect(&c, "text"))),
    ("revoke_token", "u -- ++ +----", call!(|a, c| a.revoke_token(&c, &BOBS))),
    ("revoke_token_by_text", "u ++ ++ +++++", call!(|a, c| a.revoke_token_by_text(&c, "text"))),
    (
        "revoke_tokens",
        "u -- ++ +----",
        call!(|a, c| a.revoke_tokens(&c, TokensOf::Actor(user("bob")))),
    ),
    (
        "add_rule",
        "u -- ++ +----",
        call!(|a, c| a.add_rule(&c, RuleScope::Actor(user("bob")), None)),
    ),
    ("add_rule for all", "u -- -- +----", call!(|a, c| a.add_rule(&c, RuleScope::All, None))),
    ("list_rules", "u -- -- +----", call!(|a, c| a.list_rules(&c, 0, 10))),
    ("keys", "u -- -- ----+", call!(|a, c| a.keys(&c))),
    ("add_key", "u -- -- ----+", call!(|a, c| a.add_key(&c, key()))),
    ("promote_key", "u -- -- ----+", call!(|a, c| a.promote_key(&c, key()))),
    (
        "retire_key",
        "u -- -- ----+",
        call!(|a, c| async move {
            match a.retire_key(&c, key()).await {
                // Nothing was promoted yet.
                Err(AccessError::KeyChange(_)) => Ok(()),
                other => other.map(|_| ()),
            }
        }),
    ),
    (
        "create_service_account",
        "u -- -- -+---",
        call!(|a, c| { a.create_service_account(&c, NewServiceAccount::default()) }),
    ),
    ("service_account", "u -- -- -+---", call!(|a, c| a.service_account(&c, &user("robot")))),
    (
        "list_service_accounts",
        "u -- -- -+---",
        call!(|a, c| { a.list_service_accounts(&c, UserQuery::default()) }),
    ),
    (
        "delete_service_account",
        "u -- -- -+---",
        call!(|a, c| a.delete_service_account(&c, &user("robot"))),
    ),
    ("list_policies", "u -- -- --+--", call!(|a, c| a.list_policies(&c, &PolicyQuery::default()))),
    ("create_policy", "u -- -- --+--", call!(|a, c| a.create_policy(&c, granting("bob", &[])))),
    (
        "update_policy",
        "u -- -- --+--",
        call!(|a, c| {
            let urn = urn("urn:li:dataHubPolicy:some");
            async move { a.update_policy(&c, &urn, granting("bob", &[]), Roles::Keep).await }
        }),
    ),
    (
        "delete_policy",
        "u -- -- --+--",
        call!(|a, c| {
            let urn = urn("urn:li:dataHubPolicy:some");
            async move { a.delete_policy(&c, &urn).await }
        }),
    ),
    (
        "granted_privileges",
        "u -- ++ --+--",
        call!(|a, c| { a.granted_privileges(&c, GrantedPrivileges::new(user("bob"))) }),
    ),
    ("user", "u -- ++ ---+-", call!(|a, c| a.user(&c, &user("bob")))),
    ("list_users", "u -- -- ---+-", call!(|a, c| a.list_users(&c, &UserQuery::default()))),
    ("list_groups", "u -- -- ---+-", call!(|a, c| a.list_groups(&c, &GroupQuery::default()))),
    ("list_roles", "u ++ ++ +++++", call!(|a, c| a.list_roles(&c, &RoleQuery::default()))),
    ("assign_role", "u -- -- --+--", call!(|a, c| a.assign_role(&c, None, &[user("zoe")]))),
    ("set_suspended", "u -- -- ---+-", call!(|a, c| a.set_suspended(&c, &user("zoe"), true))),
    ("debug_access", "u -- -- ---+-", call!(|a, c| a.debug_access(&c, &user("bob")))),
];

fn callers() -> [Caller; 10] {
    [
        Caller::anonymous(),
        caller("zoe", &[]),
        caller("zoe", &[GENERATE]),
        caller("bob", &[]),
        caller("bob", &[GENERATE]),
        caller("zoe", &[TOKENS]),
        caller("zoe", &[ACCOUNTS]),
        caller("zoe", &[POLICIES]),
        caller("zoe", &[USERS]),
        caller("zoe", &[OPERATIONS_PRIVILEGE]),
    ]
}

/// The key that is configured.
fn key() -> KeyId {
    TokenKey::new(KEY).unwrap().id()
}

const OPERATIONS_PRIVILEGE: &str = "MANAGE_SYSTEM_OPERATIONS";

const BOBS: TokenId = TokenId::from_bytes([7; 32]);

/// Everything that the operations are about is there.
async fn watched() -> (Watched, Access) {
    let store = Watched::default();
    for id in ["bob", "zoe"] {
        store.create_user(&user(id)).await.unwrap();
    }
    let robot = User::new(user("robot")).kind(UserKind::ServiceAccount);
    store.add_user(&robot).await.unwrap();
    let urn = urn("urn:li:dataHubPolicy:some");
    store.put_policies(&[PolicyRecord { urn, info: granting("bob", &[]) }]).await.unwrap();
    let now = Timestamp::from_seconds(4_000_000_000);
    let record = tower_pat::token::TokenRecord::new(BOBS, "ci", user("bob"), user("eve"), now);
    tower_pat::token_service::TokenStore::insert(&store, &record).await.unwrap();
    let config = Config::builder(KEY, SALT).build().unwrap();
    let access = Access::new(&config, Arc::new(store.clone()));
    store.calls();
    (store, access)
}

/// An operation that is not in the table has not been tried.
#[test]
fn every_operation_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/access");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut there = BTreeSet::new();
    for file in files.filter(|file| file.extension().is_some_and(|ext| ext == "rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("pub async fn "));
        there.extend(names.map(|name| name.split(['(', '<']).next().unwrap().to_owned()));
    }
    let tried = OPERATIONS.iter().map(|(name, ..)| name.split(' ').next().unwrap().to_owned());
    assert_eq!(there, tried.collect());
}

#[tokio::test]
async fn every_operation_lets_pass_who_may() {
    for (name, row, call) in OPERATIONS {
        let cells: Vec<char> = row.chars().filter(|cell| *cell != ' ').collect();
        assert_eq!(cells.len(), callers().len(), "{name}");
        for (caller, expected) in callers().into_iter().zip(cells) {
            let (_, access) = watched().await;
            let who = format!("{name}: {caller:?}");
            let found = match call(access, caller).await {
                Ok(()) => '+',
                Err(error) => match error.kind() {
                    AccessErrorKind::Unauthenticated => 'u',
                    AccessErrorKind::Forbidden => '-',
                    kind => panic!("{who}: {kind:?}, {error}"),
                },
            };
            assert_eq!(found, expected, "{who}");
        }
    }
}

#[tokio::test]
async fn who_may_not_costs_no_look_up_unless_it_hangs_on_the_token() {
    for (name, row, call) in OPERATIONS {
        let cells = row.chars().filter(|cell| *cell != ' ');
        for (caller, expected) in callers().into_iter().zip(cells) {
            if expected == '+' {
                continue;
            }
            let (store, access) = watched().await;
            let is_anonymous = caller.urn().is_none();
            let who = format!("{name}: {caller:?}");
            assert!(call(access, caller).await.is_err());
            let hangs_on_it = ["token", "revoke_token"].contains(name) && !is_anonymous;
            assert_eq!(store.calls(), u64::from(hangs_on_it), "{who}");
        }
    }
}

#[tokio::test]
async fn an_outage_is_neither_a_refusal_nor_an_answer() {
    // It judges the text before it asks anybody, none has come with a token, and no role is stored.
    const NEED_NO_STORE: [&str; 3] = ["introspect", "current_token", "list_roles"];
    for (name, row, call) in OPERATIONS {
        let cells = row.chars().filter(|cell| *cell != ' ');
        for (caller, expected) in callers().into_iter().zip(cells) {
            let (store, access) = watched().await;
            store.set_down(true);
            let who = format!("{name}: {caller:?}");
            let hangs_on_it = ["token", "revoke_token"].contains(name);
            let kind = call(access, caller).await.map_err(|error| error.kind());
            let wanted = match expected {
                'u' => Err(AccessErrorKind::Unauthenticated),
                '-' if !hangs_on_it => Err(AccessErrorKind::Forbidden),
                _ if NEED_NO_STORE.contains(name) => Ok(()),
                _ => Err(AccessErrorKind::Unavailable),
            };
            assert_eq!(kind, wanted, "{who}");
        }
    }
}

#[tokio::test]
async fn introspection_in_an_outage_is_no_answer() {
    let store = Watched::default();
    let place = Place::new(store).await;
    let token = place.mint(TokenType::Personal, "bob", HOUR).await;
    place.store.set_down(true);
    let error = place.access.introspect(&max(), token.token.expose()).await.unwrap_err();
    assert_eq!(error.kind(), AccessErrorKind::Unavailable);
}

#[tokio::test]
async fn introspection_without_a_key_is_no_answer() {
    let here = Place::new(Watched::default()).await;
    let there = config().verification_key(NEW_KEY).build().unwrap();
    let there = TokenService::new(&there, Arc::new(here.store.clone())).clock(here.clock.clone());
    there.promote_key(TokenKey::new(NEW_KEY).unwrap().id(), &user("max")).await.unwrap();
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let request = MintRequest::new(TokenType::Personal, user("bob"), lifetime);
    let minted = there.mint(request).await.unwrap();
    let text = minted.token.expose();
    let error = here.access.introspect(&max(), text).await.unwrap_err();
    assert_eq!(error.kind(), AccessErrorKind::Unavailable);
    // What is no token with whatever key is none.
    assert!(here.access.introspect(&max(), "a.b.c").await.unwrap().is_none());
    // And revoking goes by the text.
    let revoked = here.access.revoke_token_by_text(&max(), text).await.unwrap();
    assert_eq!(revoked, RevokedByText::Revoked);
}

/// A request to make a token has come as far as storing it, and then its key is retired.
#[tokio::test]
async fn nobody_gets_a_token_of_a_key_that_was_retired_meanwhile() {
    let store = Watched::default();
    let place = Place::with(store, config().verification_key(NEW_KEY)).await;
    let [old, new] = [KEY, NEW_KEY].map(|text| TokenKey::new(text).unwrap().id());
    place.store.before("insert", move |store| {
        Box::pin(async move {
            let (by, at) = (user("max"), Timestamp::from_seconds(1));
            store.promote_key(new, &[old, new], &by, at).await.unwrap();
            store.retire_key(old, &by, at).await.unwrap();
        })
    });
    let minted = place.mint(TokenType::Personal, "bob", HOUR).await;
    assert_eq!(minted.record.key_id, Some(new));
    assert!(place.is_good(&minted).await);
    let listed = place.tokens.list(&TokenQuery::default()).await.unwrap();
    assert_eq!(listed.tokens, [minted.record]);
}

#[tokio::test]
async fn a_list_is_one_query_and_a_manager_revokes_by_one_write() {
    let (store, access) = watched().await;
    let query = TokenQuery::default().filter(TokenFilter::Owner(vec![user("bob")]));
    access.list_tokens(&caller("bob", &[GENERATE]), &query).await.unwrap();
    assert_eq!(store.calls(), 1);
    access.list_tokens(&caller("zoe", &[TOKENS]), &TokenQuery::default()).await.unwrap();
    assert_eq!(store.calls(), 1);
    // The record, its rules, and the write.
    access.revoke_token(&caller("zoe", &[TOKENS]), &BOBS).await.unwrap();
    assert_eq!(store.calls(), 3);
    // Which key signs, the record, and whether that key was retired meanwhile.
    let request = CreateToken::new(TokenType::Personal, user("bob"), HOUR, "a");
    access.create_token(&caller("bob", &[GENERATE]), request).await.unwrap();
    assert_eq!(store.calls(), 3);
}

#[tokio::test]
async fn pages_show_what_may_be_done() {
    let (_, access) = watched().await;
    assert_eq!(access.platform_privileges(&Caller::anonymous()), PlatformPrivileges::default());
    let of = |privileges: &[&str]| access.platform_privileges(&caller("zoe", privileges));
    let fields = |privileges: PlatformPrivileges| -> Vec<String> {
        let shown = format!("{privileges:?}");
        let held = shown.split([' ', '{', ',']).collect::<Vec<_>>();
        let held = held.windows(2).filter(|pair| pair[1] == "true");
        held.map(|pair| pair[0].trim_end_matches(':').to_owned()).collect()
    };
    for (privilege, expected) in [
        ("", vec![]),
        ("VIEW_ANALYTICS", vec!["view_analytics"]),
        ("GET_ANALYTICS_PRIVILEGE", vec!["view_analytics"]),
        ("MANAGE_POLICIES", vec!["manage_policies"]),
        ("MANAGE_USERS_AND_GROUPS", vec!["manage_identities"]),
        ("CREATE_USERS_AND_GROUPS", vec![]),
        ("GENERATE_PERSONAL_ACCESS_TOKENS", vec!["generate_personal_access_tokens"]),
        ("MANAGE_ACCESS_TOKENS", vec!["manage_tokens"]),
        ("CREATE_DOMAINS", vec!["create_domains"]),
        ("MANAGE_DOMAINS", vec!["create_domains", "manage_domains"]),
        ("CREATE_TAGS", vec!["create_tags"]),
        ("MANAGE_TAGS", vec!["create_tags", "manage_tags"]),
        ("VIEW_MANAGE_TAGS", vec!["view_manage_tags"]),
        ("MANAGE_INGESTION", vec!["manage_ingestion"]),
        ("MANAGE_SECRETS", vec!["manage_secrets"]),
        ("VIEW_TESTS", vec!["view_tests"]),
        ("MANAGE_TESTS", vec!["manage_tests"]),
        ("MANAGE_GLOSSARIES", vec!["manage_glossaries"]),
        ("MANAGE_DOCUMENTS", vec!["manage_documents"]),
        ("MANAGE_USER_CREDENTIALS", vec!["manage_user_credentials"]),
        ("CREATE_LOGICAL_MODELS", vec!["create_logical_models"]),
        ("MANAGE_GLOBAL_VIEWS", vec!["manage_global_views"]),
        ("MANAGE_GLOBAL_SETTINGS", vec!["manage_global_settings"]),
        ("MANAGE_GLOBAL_OWNERSHIP_TYPES", vec!["manage_ownership_types"]),
        ("MANAGE_GLOBAL_ANNOUNCEMENTS", vec!["manage_global_announcements"]),
        ("CREATE_BUSINESS_ATTRIBUTE", vec!["create_business_attributes"]),
        (
            "MANAGE_BUSINESS_ATTRIBUTE",
            vec!["create_business_attributes", "manage_business_attributes"],
        ),
        ("MANAGE_STRUCTURED_PROPERTIES", vec!["manage_structured_properties"]),
        ("VIEW_STRUCTURED_PROPERTIES_PAGE", vec!["view_structured_properties_page"]),
        ("MANAGE_FEATURES", vec!["manage_features"]),
        ("MANAGE_HOME_PAGE_TEMPLATES", vec!["manage_home_page_templates"]),
        ("MANAGE_SERVICE_ACCOUNTS", vec!["manage_service_accounts"]),
    ] {
        assert_eq!(fields(of(&[privilege])), expected, "{privilege}");
    }
    let both = fields(of(&["EDIT_ENTITY", "DELETE_ENTITY"]));
    assert_eq!(both, ["manage_ingestion", "manage_structured_properties", "manage_applications"]);
}
