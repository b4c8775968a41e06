use futures_util::future::join_all;
use tower_pat::{
    actor::{ActorProfile, Directory, DirectoryStore, GroupKind, Inactive},
    backend::StoreError,
    feed::ChangeFeed,
};

use super::{Fixture, group, read, role, user};

pub(super) async fn nobody_but_users_can_be_created(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    for text in [
        "urn:li:corpuser:anonymous",
        "urn:li:corpuser",
        "urn:other:corpuser:alice",
        "urn:li:corpGroup:admins",
    ] {
        let refused = store.create_user(&text.parse().unwrap()).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{text}");
    }
}

pub(super) async fn a_new_user_is_active_and_alone(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    assert_eq!(store.profile(&user("alice")).await.unwrap(), None);
    assert!(store.create_user(&user("alice")).await.unwrap());
    assert_eq!(store.profile(&user("alice")).await.unwrap(), Some(ActorProfile::default()));
    assert_eq!(store.profile(&user("bob")).await.unwrap(), None);
}

pub(super) async fn a_user_that_exists_is_left_as_it_is(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.create_user(&user("alice")).await.unwrap();
    store.set_suspended(&user("alice"), true).await.unwrap();
    assert!(!store.create_user(&user("alice")).await.unwrap());
    assert!(store.profile(&user("alice")).await.unwrap().unwrap().suspended);
}

pub(super) async fn flags_are_set_and_taken_back(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    let inactive = async || store.profile(&alice).await.unwrap().unwrap().inactive();
    assert!(store.set_suspended(&alice, true).await.unwrap());
    assert_eq!(inactive().await, Some(Inactive::Suspended));
    assert!(store.set_removed(&alice, true).await.unwrap());
    assert_eq!(inactive().await, Some(Inactive::Removed));
    assert!(store.set_removed(&alice, true).await.unwrap());
    assert!(store.set_removed(&alice, false).await.unwrap());
    assert_eq!(inactive().await, Some(Inactive::Suspended));
    assert!(store.set_suspended(&alice, false).await.unwrap());
    assert_eq!(inactive().await, None);
}

pub(super) async fn groups_of_one_kind_replace_those_of_that_kind(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    let [a, b, c] = ["a", "b", "c"].map(group);
    let external = [c.clone(), a.clone(), c.clone()];
    assert!(store.set_groups(&alice, GroupKind::External, &external).await.unwrap());
    assert!(store.set_groups(&alice, GroupKind::Native, std::slice::from_ref(&a)).await.unwrap());
    let profile = store.profile(&alice).await.unwrap().unwrap();
    assert_eq!(profile.groups, [a.clone(), c.clone()]);
    assert_eq!(profile.native_groups, std::slice::from_ref(&a));

    store.set_groups(&alice, GroupKind::Native, &[c.clone(), b.clone()]).await.unwrap();
    store.set_groups(&alice, GroupKind::External, &[]).await.unwrap();
    let profile = store.profile(&alice).await.unwrap().unwrap();
    assert_eq!((profile.groups, profile.native_groups), (vec![], vec![b, c]));
}

pub(super) async fn roles_come_from_the_user_and_from_groups_of_either_kind(
    fixture: &impl Fixture,
) {
    let store = fixture.handle().await;
    let alice = user("alice");
    let [admin, editor, reader] = ["Admin", "Editor", "Reader"].map(role);
    store.create_user(&alice).await.unwrap();
    store.create_user(&user("bob")).await.unwrap();
    store.set_roles(&alice, std::slice::from_ref(&reader)).await.unwrap();
    store.set_roles(&group("a"), &[reader.clone(), editor.clone()]).await.unwrap();
    store.set_roles(&group("b"), &[reader.clone(), admin.clone()]).await.unwrap();
    store.set_roles(&group("other"), &[role("Other")]).await.unwrap();
    store.set_groups(&alice, GroupKind::External, &[group("a")]).await.unwrap();
    store.set_groups(&alice, GroupKind::Native, &[group("a"), group("b")]).await.unwrap();
    let profile = store.profile(&alice).await.unwrap().unwrap();
    assert_eq!(profile.roles, std::slice::from_ref(&reader));
    assert_eq!(profile.group_roles, [admin, editor.clone(), reader.clone()]);

    store.set_groups(&alice, GroupKind::Native, &[]).await.unwrap();
    store.set_roles(&group("a"), std::slice::from_ref(&editor)).await.unwrap();
    let profile = store.profile(&alice).await.unwrap().unwrap();
    assert_eq!(profile.group_roles, [editor]);
    assert_eq!(profile.roles, [reader]);
}

pub(super) async fn roles_are_in_the_order_of_their_texts(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    assert!(store.set_roles(&alice, &[role("b"), role("a"), role("B")]).await.unwrap());
    assert_eq!(store.roles_of(&alice).await.unwrap(), [role("B"), role("a"), role("b")]);
    assert!(store.set_roles(&alice, &[role("c"), role("c")]).await.unwrap());
    assert_eq!(store.roles_of(&alice).await.unwrap(), [role("c")]);
    assert_eq!(store.roles_of(&user("bob")).await.unwrap(), []);
}

pub(super) async fn a_group_needs_no_record(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    assert!(store.set_roles(&group("a"), &[]).await.unwrap());
    assert!(store.set_roles(&group("a"), &[role("Admin")]).await.unwrap());
    assert!(store.set_roles(&group("a"), &[role("Admin")]).await.unwrap());
    assert_eq!(store.roles_of(&group("a")).await.unwrap(), [role("Admin")]);
    assert_eq!(store.profile(&group("a")).await.unwrap(), None);
}

pub(super) async fn nothing_happens_to_a_user_that_does_not_exist(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let bob = user("bob");
    let mut cursor = store.head().await.unwrap();
    assert!(!store.delete_user(&bob).await.unwrap());
    assert!(!store.set_removed(&bob, true).await.unwrap());
    assert!(!store.set_suspended(&bob, true).await.unwrap());
    assert!(!store.set_groups(&bob, GroupKind::Native, &[group("a")]).await.unwrap());
    assert!(!store.set_roles(&bob, &[role("Admin")]).await.unwrap());
    assert_eq!(store.profile(&bob).await.unwrap(), None);
    assert_eq!(store.roles_of(&bob).await.unwrap(), []);
    assert_eq!(read(&store, &mut cursor).await, []);
}

pub(super) async fn a_deleted_user_leaves_nothing(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    store.set_removed(&alice, true).await.unwrap();
    store.set_groups(&alice, GroupKind::External, &[group("a")]).await.unwrap();
    store.set_groups(&alice, GroupKind::Native, &[group("b")]).await.unwrap();
    store.set_roles(&alice, &[role("Admin")]).await.unwrap();
    assert!(store.delete_user(&alice).await.unwrap());
    assert_eq!(store.profile(&alice).await.unwrap(), None);
    assert!(!store.delete_user(&alice).await.unwrap());
    assert!(store.create_user(&alice).await.unwrap());
    assert_eq!(store.profile(&alice).await.unwrap(), Some(ActorProfile::default()));
}

pub(super) async fn of_many_writers_each_is_whole(fixture: &impl Fixture) {
    let stores = [fixture.handle().await, fixture.handle().await];
    let alice = user("alice");
    stores[0].create_user(&alice).await.unwrap();
    let mut cursor = stores[0].head().await.unwrap();
    let writes = (0..24).map(|writer: usize| {
        let (store, alice) = (stores[writer % 2].clone(), alice.clone());
        let names = ["a", "b", "c"].map(|name| format!("{name}{writer}"));
        tokio::spawn(async move {
            let groups = names.each_ref().map(|name| group(name));
            assert!(store.set_groups(&alice, GroupKind::Native, &groups).await.unwrap());
            let roles = names.each_ref().map(|name| role(name));
            assert!(store.set_roles(&alice, &roles).await.unwrap());
        })
    });
    join_all(writes).await.into_iter().for_each(Result::unwrap);
    let profile = stores[1].profile(&alice).await.unwrap().unwrap();
    for urns in [profile.native_groups, profile.roles] {
        let last = urns[0].key().strip_prefix('a').unwrap();
        let keys: Vec<_> = urns.iter().map(|urn| urn.key().to_owned()).collect();
        assert_eq!(keys, ["a", "b", "c"].map(|name| format!("{name}{last}")));
    }
    assert_eq!(read(&stores[0], &mut cursor).await.len(), 48);
}
