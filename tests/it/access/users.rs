//! Users, groups and roles.

use tower_pat::{
    access::{AccessErrorKind, RoleQuery},
    actor::{GroupKind, GroupQuery, Urn, UserQuery},
    policy::PolicyRecord,
    store::Store,
    token::TokenType,
};

use super::{HOUR, POLICIES, Place, TOKENS, USERS, caller, cases, granting, seen};
use crate::support::{urn, user};

cases! {
    users_are_for_themselves_and_for_who_may_read_them
    lists_are_for_managers
    a_role_is_assigned_alone
    a_suspended_user_is_refused_at_once
}

fn manager() -> tower_pat::access::Caller {
    caller("zoe", &[USERS])
}

async fn users_are_for_themselves_and_for_who_may_read_them<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let read = async |caller, id| place.access.user(&caller, &user(id)).await;
    let found = read(caller("alice", &[]), "alice").await.unwrap().unwrap();
    assert_eq!(found.urn, user("alice"));
    assert!(read(manager(), "alice").await.unwrap().is_some());
    assert!(read(manager(), "nobody-there").await.unwrap().is_none());
    let refused = seen(read(caller("bob", &[TOKENS, POLICIES]), "alice").await);
    assert_eq!(refused.0, AccessErrorKind::Forbidden);
    assert_eq!(refused, seen(read(caller("bob", &[]), "nobody-there").await));
    // By a policy about entities.
    let mut info = granting("bob", &["VIEW_ENTITY_PAGE"]);
    info.policy_type = "METADATA".to_owned();
    let record = PolicyRecord { urn: urn("urn:li:dataHubPolicy:bob-reads"), info };
    place.store.put_policies(&[record]).await.unwrap();
    let token = place.mint(TokenType::Personal, "bob", HOUR).await;
    let gains = async {
        while read(place.by(&token).await, "alice").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(1);
    tokio::time::timeout(bound, gains).await.expect("within the bound");
}

async fn lists_are_for_managers<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    place
        .store
        .set_groups(&user("bob"), GroupKind::Native, &[urn("urn:li:corpGroup:sales")])
        .await
        .unwrap();
    let users = place.access.list_users(&manager(), &UserQuery::default()).await.unwrap();
    let ids: Vec<_> = users.users.iter().map(|user| user.urn.key()).collect();
    assert_eq!((ids, users.total), (vec!["alice", "bob", "max"], 3));
    let groups = place.access.list_groups(&manager(), &GroupQuery::default()).await.unwrap();
    assert_eq!((groups.groups[0].urn.key(), groups.groups[0].members), ("sales", 1));
    let refused = place.access.list_users(&manager(), &UserQuery::default().page(0, 1_001)).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest);
    let refused = place.access.list_groups(&manager(), &GroupQuery::default().page(0, 1_001)).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest);

    let anybody = caller("zoe", &[]);
    let roles = place.access.list_roles(&anybody, &RoleQuery::default()).await.unwrap();
    let names: Vec<_> = roles.roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!((names, roles.total), (vec!["Admin", "Editor", "Reader"], 3));
    let roles = place.access.list_roles(&anybody, &RoleQuery::default().text("EDIT")).await;
    assert_eq!(roles.unwrap().roles[0].urn, urn("urn:li:dataHubRole:Editor"));
    let page = RoleQuery::default().page(1, 1);
    let page = place.access.list_roles(&anybody, &page).await.unwrap();
    assert_eq!((page.roles[0].name.as_str(), page.roles.len(), page.total), ("Editor", 1, 3));
    let refused = place.access.list_roles(&anybody, &RoleQuery::default().page(0, 1_001)).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest);
}

async fn a_role_is_assigned_alone<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let manager = caller("zoe", &[POLICIES]);
    let (admin, editor) = (urn("urn:li:dataHubRole:Admin"), urn("urn:li:dataHubRole:Editor"));
    let sales = urn("urn:li:corpGroup:sales");
    place.store.set_roles(&user("alice"), &[urn("urn:li:dataHubRole:Reader")]).await.unwrap();
    let holders = [user("alice"), user("nobody-there"), sales.clone(), urn("urn:li:dataset:a")];
    let roles = async |holder: Urn| place.store.roles_of(&holder).await.unwrap();
    let assigned = place.access.assign_role(&manager, Some(&admin), &holders).await.unwrap();
    assert_eq!(assigned, 2);
    assert_eq!(roles(user("alice")).await, std::slice::from_ref(&admin));
    assert_eq!(roles(sales.clone()).await, std::slice::from_ref(&admin));
    assert_eq!(roles(user("nobody-there")).await, []);
    assert_eq!(roles(urn("urn:li:dataset:a")).await, []);

    let unknown = urn("urn:li:dataHubRole:Root");
    let (kind, told, _) = seen(place.access.assign_role(&manager, Some(&unknown), &holders).await);
    assert_eq!(kind, AccessErrorKind::BadRequest);
    assert_eq!(told, "Role urn:li:dataHubRole:Root does not exist");
    let many = vec![user("alice"); 1_001];
    let refused = place.access.assign_role(&manager, Some(&editor), &many).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest);
    assert_eq!(roles(user("alice")).await, [admin]);
    assert_eq!(place.access.assign_role(&manager, None, &[user("alice")]).await.unwrap(), 1);
    assert_eq!(roles(user("alice")).await, []);
    // Who keeps users cannot make themselves more than that.
    let keeps_users = caller("zoe", &[USERS]);
    let refused = place.access.assign_role(&keeps_users, Some(&editor), &[user("zoe")]).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::Forbidden);
}

async fn a_suspended_user_is_refused_at_once<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let token = place.mint(TokenType::Personal, "alice", HOUR).await;
    assert!(place.by_text(token.token.expose()).await.is_ok());
    place.access.set_suspended(&manager(), &user("alice"), true).await.unwrap();
    let refused = async {
        while place.by_text(token.token.expose()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let bound = std::time::Duration::from_secs(1);
    tokio::time::timeout(bound, refused).await.expect("within the bound");
    place.access.set_suspended(&manager(), &user("alice"), false).await.unwrap();
    assert!(place.is_good(&token).await);
    let (kind, told, _) =
        seen(place.access.set_suspended(&manager(), &user("nobody-there"), true).await);
    assert_eq!(
        (kind, told.as_str()),
        (AccessErrorKind::NotFound, "User not found: urn:li:corpuser:nobody-there")
    );
}
