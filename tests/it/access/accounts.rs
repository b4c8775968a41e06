//! Service accounts.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tower_pat::{
    access::{AccessErrorKind, CreateToken, NewServiceAccount},
    actor::{DirectoryStore, User, UserKind, UserQuery},
    feed::Change,
    store::Store,
    token::{RuleScope, TokenType},
    token_service::{TokenFilter, TokenQuery, TokenStore},
};

use super::{ACCOUNTS, HOUR, Place, TOKENS, USERS, caller, cases, seen, watched::Watched};
use crate::support::{urn, user};

cases! {
    an_account_is_a_user_of_its_own_kind
    accounts_are_known_by_their_kind
    a_deleted_account_leaves_no_token_behind
    permission_comes_before_existence
}

fn manager() -> tower_pat::access::Caller {
    caller("zoe", &[ACCOUNTS])
}

async fn an_account_is_a_user_of_its_own_kind<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let info = NewServiceAccount::default().display_name("CI").description("nightly");
    let made = place.access.create_service_account(&manager(), info).await.unwrap();
    let id = made.urn.key().strip_prefix("service_").expect("the prefix");
    assert_eq!(made.urn.entity_type(), "corpuser");
    assert_eq!(id.len(), 36);
    assert_eq!(&id[14..15], "4", "a UUID of version 4");
    assert_eq!(made.kind, UserKind::ServiceAccount);
    assert_eq!(made.info.display_name.as_deref(), Some("CI"));
    assert_eq!(made.info.title.as_deref(), Some("nightly"));
    assert_eq!(made.created_by, Some(user("zoe")));
    let found = place.access.service_account(&manager(), &made.urn).await.unwrap();
    assert_eq!(found, Some(made));

    for info in [NewServiceAccount::default(), NewServiceAccount::default().display_name(" ")] {
        let made = place.access.create_service_account(&manager(), info).await.unwrap();
        assert_eq!(made.info.display_name.as_deref(), Some(made.urn.key()));
        assert_eq!(made.info.title, None);
    }
    for info in [
        NewServiceAccount::default().display_name("é".repeat(256)),
        NewServiceAccount::default().description("é".repeat(501)),
    ] {
        let refused = place.access.create_service_account(&manager(), info).await;
        assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest);
    }
    let listed = place.access.list_service_accounts(&manager(), UserQuery::default()).await;
    assert_eq!(listed.unwrap().total, 3);
}

async fn accounts_are_known_by_their_kind<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let robot = User::new(user("robot")).kind(UserKind::ServiceAccount);
    place.store.add_user(&robot).await.unwrap();
    let person = user("service_11111111-1111-4111-8111-111111111111");
    place.store.create_user(&person).await.unwrap();
    let manager = manager();
    assert!(place.access.service_account(&manager, &robot.urn).await.unwrap().is_some());
    assert!(place.access.service_account(&manager, &person).await.unwrap().is_none());
    // Whatever kind is asked for.
    let query = UserQuery::default().kind(UserKind::Person);
    let page = place.access.list_service_accounts(&manager, query).await.unwrap();
    assert_eq!((page.users, page.total), (vec![robot], 1));
    let too_many = UserQuery::default().page(0, 1_001);
    let refused = place.access.list_service_accounts(&manager, too_many).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest);
    for urn in [person.clone(), user("nobody-there"), urn("urn:li:corpGroup:admins")] {
        let (kind, told, _) = seen(place.access.delete_service_account(&manager, &urn).await);
        assert_eq!(kind, AccessErrorKind::NotFound);
        assert_eq!(told, format!("Service account not found: {urn}"));
    }
    assert!(place.store.profile(&person).await.unwrap().is_some());
}

async fn a_deleted_account_leaves_no_token_behind<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let manager = manager();
    let info = NewServiceAccount::default();
    let account = place.access.create_service_account(&manager, info).await.unwrap();
    let request = CreateToken::new(TokenType::ServiceAccount, account.urn.clone(), HOUR, "ci");
    let token = place.access.create_token(&manager, request).await.unwrap();
    assert!(place.is_good(&token).await);
    let cursor = place.store.head().await.unwrap();
    place.access.delete_service_account(&manager, &account.urn).await.unwrap();
    // The tokens first, so that nothing is left if it ends there.
    let changes = place.store.since(&cursor).await.unwrap().changes;
    let (rule, deleted) = (RuleScope::Actor(account.urn.clone()), account.urn.clone());
    // Once again afterwards only if time has passed, and so something can have been made.
    assert_eq!(changes, [Change::Rule(rule), Change::Actor(deleted)]);
    assert!(!place.is_good(&token).await);
    let (kind, ..) = seen(place.access.delete_service_account(&manager, &account.urn).await);
    assert_eq!(kind, AccessErrorKind::NotFound);
    // Not even if somebody is made of the same name.
    place.store.add_user(&account).await.unwrap();
    assert!(!place.is_good(&token).await);
}

async fn permission_comes_before_existence<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let robot = User::new(user("robot")).kind(UserKind::ServiceAccount);
    place.store.add_user(&robot).await.unwrap();
    let zoe = caller("zoe", &[TOKENS, USERS]);
    for urn in [&robot.urn, &user("alice"), &user("nobody-there")] {
        let (kind, told, _) = seen(place.access.service_account(&zoe, urn).await);
        assert_eq!(kind, AccessErrorKind::Forbidden);
        assert!(told.starts_with("Unauthorized to view service accounts."), "{told}");
        let (kind, told, _) = seen(place.access.delete_service_account(&zoe, urn).await);
        assert_eq!(kind, AccessErrorKind::Forbidden);
        assert!(told.starts_with("Unauthorized to delete service accounts."), "{told}");
    }
}

#[tokio::test]
async fn what_is_minted_while_an_account_is_deleted_is_revoked() {
    let place = Place::new(Watched::default()).await;
    let info = NewServiceAccount::default();
    let account = place.access.create_service_account(&manager(), info).await.unwrap();
    let request = CreateToken::new(TokenType::ServiceAccount, account.urn.clone(), HOUR, "ci");
    // Between the revocation of what is there, and the end of the account.
    let minted = Arc::new(Mutex::new(None));
    let (access, clock) = (place.access.clone(), place.clock.clone());
    let (keep, wanted) = (minted.clone(), request.clone());
    place.store.before("delete_user", move |_| {
        let (access, clock, keep) = (access.clone(), clock.clone(), keep.clone());
        let wanted = wanted.clone();
        Box::pin(async move {
            clock.advance(Duration::from_secs(1));
            *keep.lock().unwrap() = Some(access.create_token(&manager(), wanted).await.unwrap());
        })
    });
    place.access.delete_service_account(&manager(), &account.urn).await.unwrap();
    let minted = minted.lock().unwrap().take().unwrap();
    // Not even if somebody is made of the same name.
    place.store.add_user(&account).await.unwrap();
    assert!(!place.is_good(&minted).await);

    // Between the look at the account, and the token; the clock does not matter.
    let urn = account.urn.clone();
    place.clock.advance(Duration::from_secs(1));
    let ended = urn.clone();
    place.store.before("insert", move |store| {
        let ended = ended.clone();
        Box::pin(async move { store.delete_user(&ended).await.map(drop).unwrap() })
    });
    let (kind, ..) = seen(place.access.create_token(&manager(), request).await);
    assert_eq!(kind, AccessErrorKind::BadRequest);
    let of_account = TokenQuery::default().filter(TokenFilter::Actor(vec![urn]));
    assert_eq!(place.store.list(&of_account).await.unwrap().total, 0);
}
