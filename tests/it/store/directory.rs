use futures_util::future::join_all;
use tower_pat::{
    actor::{
        ActorProfile, Directory, DirectoryStore, Group, GroupKind, GroupQuery, Inactive, Urn, User,
        UserInfo, UserKind, UserQuery,
    },
    backend::StoreError,
    feed::{Change, ChangeFeed},
};

use super::{Fixture, at, group, read, role, user};

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
        let refused = store.add_user(&User::new(text.parse().unwrap())).await;
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
    let other = User::new(user("alice")).kind(UserKind::ServiceAccount);
    assert!(!store.add_user(&other).await.unwrap());
    assert!(store.profile(&user("alice")).await.unwrap().unwrap().suspended);
    assert_eq!(store.user(&user("alice")).await.unwrap().unwrap().kind, UserKind::Person);
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
    assert!(!store.set_user_info(&bob, &UserInfo::default(), at(1)).await.unwrap());
    assert_eq!(
        store.assign_role(Some(&role("Admin")), std::slice::from_ref(&bob)).await.unwrap(),
        0
    );
    assert_eq!(store.profile(&bob).await.unwrap(), None);
    assert_eq!(store.user(&bob).await.unwrap(), None);
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
    store.set_user_info(&alice, &UserInfo::default().title("T"), at(1)).await.unwrap();
    assert!(store.delete_user(&alice).await.unwrap());
    assert_eq!(store.profile(&alice).await.unwrap(), None);
    assert_eq!(store.user(&alice).await.unwrap(), None);
    assert!(!store.delete_user(&alice).await.unwrap());
    assert!(store.create_user(&alice).await.unwrap());
    assert_eq!(store.profile(&alice).await.unwrap(), Some(ActorProfile::default()));
    assert_eq!(store.user(&alice).await.unwrap(), Some(User::new(alice)));
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

/// A user of whom everything is known.
fn machine() -> User {
    let info = UserInfo::default()
        .display_name("Ingestion' \u{0}<script> \u{202e}%_")
        .title("what it is for")
        .email("Ingestion@example.com")
        .first_name("")
        .last_name("Ä");
    let mut user = User::new(user("service_1\u{0}x"))
        .kind(UserKind::ServiceAccount)
        .info(info)
        .created(at(100), user("alice"));
    user.removed = true;
    user.suspended = true;
    user.updated_at = Some(at(-1));
    user
}

pub(super) async fn a_user_is_read_as_it_was_added(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut cursor = store.head().await.unwrap();
    let (most, least) = (machine(), User::new(user("alice")));
    for user in [&most, &least] {
        assert!(store.add_user(user).await.unwrap());
        assert!(!store.add_user(user).await.unwrap());
        assert_eq!(store.user(&user.urn).await.unwrap().as_ref(), Some(user));
    }
    let added = [&most, &least].map(|user| Change::Actor(user.urn.clone()));
    assert_eq!(read(&store, &mut cursor).await, added);
    let profile = store.profile(&most.urn).await.unwrap().unwrap();
    assert!(profile.removed && profile.suspended && profile.roles.is_empty());

    store.set_removed(&most.urn, false).await.unwrap();
    store.set_suspended(&least.urn, true).await.unwrap();
    let flags = async |urn| {
        let user = store.user(urn).await.unwrap().unwrap();
        (user.removed, user.suspended)
    };
    assert_eq!(flags(&most.urn).await, (false, true));
    assert_eq!(flags(&least.urn).await, (false, true));
    store.create_user(&user("bob")).await.unwrap();
    assert_eq!(store.user(&user("bob")).await.unwrap(), Some(User::new(user("bob"))));
}

pub(super) async fn what_is_told_of_a_user_is_replaced_and_not_announced(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut user = machine();
    store.add_user(&user).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    user.info = UserInfo::default().display_name("another").last_name("one");
    user.updated_at = Some(at(300));
    assert!(store.set_user_info(&user.urn, &user.info, at(300)).await.unwrap());
    assert_eq!(store.user(&user.urn).await.unwrap(), Some(user));
    assert_eq!(read(&store, &mut cursor).await, []);
}

pub(super) async fn users_are_found_by_text_and_kind(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let named = |key, name: &str| User::new(user(key)).info(UserInfo::default().display_name(name));
    let mailed = User::new(user("Zoë")).info(UserInfo::default().email("zoe@Example.com"));
    let titled = User::new(user("titled")).info(UserInfo::default().title("example"));
    let users = [
        named("alice", "Alice Ärger"),
        named("bob_100%", "li:corpuser"),
        machine(),
        mailed,
        titled,
        User::new(user("carol")).kind(UserKind::ServiceAccount),
    ];
    for user in &users {
        store.add_user(user).await.unwrap();
    }
    let query = UserQuery::default;
    for (query, expected) in [
        (query(), vec!["Zoë", "alice", "bob_100%", "carol", "service_1\u{0}x", "titled"]),
        (query().text(""), vec!["Zoë", "alice", "bob_100%", "carol", "service_1\u{0}x", "titled"]),
        (query().text("ALICE"), vec!["alice"]),
        (query().text("example"), vec!["Zoë", "service_1\u{0}x"]),
        (query().text("Ä"), vec!["alice"]),
        (query().text("ä"), vec![]),
        (query().text("%"), vec!["bob_100%", "service_1\u{0}x"]),
        (query().text("_"), vec!["bob_100%", "service_1\u{0}x"]),
        (query().text("1\u{0}X"), vec!["service_1\u{0}x"]),
        (query().text("\u{0}<SCRIPT> \u{202e}"), vec!["service_1\u{0}x"]),
        (query().text("ingestion' "), vec!["service_1\u{0}x"]),
        // Not in the part of the urn that all have.
        (query().text("corpuser"), vec!["bob_100%"]),
        (query().text("' OR 1 --"), vec![]),
        (query().kind(UserKind::ServiceAccount), vec!["carol", "service_1\u{0}x"]),
        (query().kind(UserKind::ServiceAccount).text("C"), vec!["carol", "service_1\u{0}x"]),
        (query().kind(UserKind::ServiceAccount).text("ca"), vec!["carol"]),
        (query().kind(UserKind::Person).text("ca"), vec![]),
    ] {
        let page = store.list_users(&query).await.unwrap();
        let keys: Vec<_> = page.users.iter().map(|user| user.urn.key()).collect();
        assert_eq!(keys, expected, "{query:?}");
        assert_eq!(page.total, expected.len() as u64);
        for user in &users {
            assert_eq!(query.matches(user), page.users.contains(user), "{query:?} {user:?}");
        }
    }
}

pub(super) async fn users_are_listed_page_by_page(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    for number in (0..25).rev() {
        store.create_user(&user(&format!("user{number:02}"))).await.unwrap();
    }
    let mut seen = Vec::new();
    for start in [0, 10, 20, 30] {
        let page = store.list_users(&UserQuery::default().page(start, 10)).await.unwrap();
        assert_eq!(page.total, 25);
        seen.extend(page.users.into_iter().map(|user| user.urn));
    }
    let expected: Vec<_> = (0..25).map(|number| user(&format!("user{number:02}"))).collect();
    assert_eq!(seen, expected);
    assert_eq!(store.list_users(&UserQuery::default()).await.unwrap().users.len(), 20);
    for (start, count) in [(u32::MAX, u32::MAX), (0, 0)] {
        let page = store.list_users(&UserQuery::default().page(start, count)).await.unwrap();
        assert_eq!((page.users, page.total), (vec![], 25));
    }
}

pub(super) async fn groups_are_known_by_members_and_roles(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    assert_eq!(store.list_groups(&GroupQuery::default()).await.unwrap().total, 0);
    for name in ["alice", "bob"] {
        store.create_user(&user(name)).await.unwrap();
        store
            .set_groups(&user(name), GroupKind::External, &[group("Both"), group("b")])
            .await
            .unwrap();
    }
    store
        .set_groups(&user("bob"), GroupKind::Native, &[group("Both"), group("c%_")])
        .await
        .unwrap();
    store.set_roles(&group("Both"), &[role("b"), role("a")]).await.unwrap();
    store.set_roles(&group("d"), &[role("Admin")]).await.unwrap();
    // Holders of roles that are no group.
    store.set_roles(&user("alice"), &[role("Admin")]).await.unwrap();
    let expect = |name: &str, members, roles: &[Urn]| {
        let mut group = Group::new(group(name));
        group.members = members;
        group.roles = roles.to_vec();
        group
    };
    let all = [
        expect("Both", 2, &[role("a"), role("b")]),
        expect("b", 2, &[]),
        expect("c%_", 1, &[]),
        expect("d", 0, &[role("Admin")]),
    ];
    let query = GroupQuery::default;
    for (query, expected, total) in [
        (query(), &all[..], 4),
        (query().page(1, 2), &all[1..3], 4),
        (query().page(u32::MAX, u32::MAX), &[], 4),
        (query().text("B"), &all[..2], 2),
        (query().text("b").page(1, 1), &all[1..2], 2),
        (query().text("%_"), &all[2..3], 1),
        (query().text("corpgroup"), &[], 0),
        (query().text(""), &all[..], 4),
    ] {
        let page = store.list_groups(&query).await.unwrap();
        assert_eq!((page.groups.as_slice(), page.total), (expected, total), "{query:?}");
    }
}

pub(super) async fn a_deleted_group_leaves_nothing(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let [a, b] = ["a", "b"].map(group);
    for urn in [&alice, &bob] {
        store.create_user(urn).await.unwrap();
        store.set_groups(urn, GroupKind::Native, &[a.clone(), b.clone()]).await.unwrap();
    }
    store.set_groups(&bob, GroupKind::External, std::slice::from_ref(&a)).await.unwrap();
    for group in [&a, &b] {
        store.set_roles(group, &[role("Reader")]).await.unwrap();
    }
    store.set_roles(&alice, &[role("Admin")]).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    assert!(store.delete_group(&a).await.unwrap());
    assert_eq!(read(&store, &mut cursor).await, [Change::Group(a.clone())]);
    for urn in [&alice, &bob] {
        let profile = store.profile(urn).await.unwrap().unwrap();
        assert_eq!((profile.groups, profile.native_groups), (vec![], vec![b.clone()]));
    }
    assert_eq!(store.roles_of(&a).await.unwrap(), []);
    assert_eq!(store.list_groups(&GroupQuery::default()).await.unwrap().total, 1);
    assert!(!store.delete_group(&a).await.unwrap());
    // What is no group is none.
    assert!(!store.delete_group(&alice).await.unwrap());
    assert_eq!(store.roles_of(&alice).await.unwrap(), [role("Admin")]);
    assert_eq!(read(&store, &mut cursor).await, []);

    store.set_roles(&group("roles alone"), &[role("Reader")]).await.unwrap();
    assert!(store.delete_group(&group("roles alone")).await.unwrap());
}

pub(super) async fn a_role_is_given_to_all_who_are_there(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let (alice, bob, team) = (user("alice"), user("bob"), group("team"));
    for urn in [&alice, &bob] {
        store.create_user(urn).await.unwrap();
    }
    store.set_roles(&alice, &[role("Editor"), role("Reader")]).await.unwrap();
    store.set_roles(&bob, &[role("Admin")]).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    let holders = [team.clone(), bob.clone(), user("nobody"), alice.clone(), bob.clone()];
    assert_eq!(store.assign_role(Some(&role("Admin")), &holders).await.unwrap(), 3);
    for holder in [&alice, &bob, &team] {
        assert_eq!(store.roles_of(holder).await.unwrap(), [role("Admin")]);
    }
    assert_eq!(store.roles_of(&user("nobody")).await.unwrap(), []);
    // What bob has, he had.
    let changes = [Change::Group(team.clone()), Change::Actor(alice.clone())];
    assert_eq!(read(&store, &mut cursor).await, changes);

    assert_eq!(store.assign_role(None, &[alice.clone(), user("nobody")]).await.unwrap(), 1);
    assert_eq!(store.roles_of(&alice).await.unwrap(), []);
    assert_eq!(store.roles_of(&bob).await.unwrap(), [role("Admin")]);
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice)]);
    assert_eq!(store.assign_role(None, &[]).await.unwrap(), 0);
}

pub(super) async fn many_users_are_read_as_each_is(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    assert_eq!(store.profiles(&[]).await.unwrap(), []);
    let users: Vec<Urn> = (0..40).map(|number| user(&format!("user {number}"))).collect();
    for (number, urn) in users.iter().enumerate().filter(|(number, _)| number % 4 > 0) {
        store.create_user(urn).await.unwrap();
        store.set_suspended(urn, number % 5 == 0).await.unwrap();
        store.set_removed(urn, number % 7 == 0).await.unwrap();
        let groups = [group(&format!("group {}", number % 3)), group("all")];
        store.set_groups(urn, GroupKind::External, &groups).await.unwrap();
        store.set_groups(urn, GroupKind::Native, &groups[..number % 2]).await.unwrap();
        store.set_roles(urn, &[role("Reader"), role("Editor")][..number % 3]).await.unwrap();
    }
    // One holds roles and is no user.
    store.set_roles(&group("all"), &[role("Reader"), role("Admin")]).await.unwrap();
    let mut wanted: Vec<Urn> = users.iter().rev().cloned().collect();
    wanted.extend([users[1].clone(), user("nobody"), group("all")]);
    let profiles = store.profiles(&wanted).await.unwrap();
    assert_eq!(profiles.len(), wanted.len());
    for (urn, profile) in wanted.iter().zip(&profiles) {
        assert_eq!(*profile, store.profile(urn).await.unwrap(), "{urn}");
    }
    assert_eq!(profiles.iter().flatten().count(), 31);
}
