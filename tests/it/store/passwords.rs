use tower_pat::{
    actor::{DirectoryStore, PasswordHash, PasswordStore, User, UserKind},
    backend::StoreError,
    feed::{Change, ChangeFeed},
    token::{Revocation, TokenRecord, TokenType},
    token_service::{TokenLookup, TokenStore},
};

use super::{Fixture, at, id, read, record, user};

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from(text.to_owned())
}

fn session(number: u64, actor: &str) -> TokenRecord {
    let mut session = record(number);
    session.actor = user(actor);
    session.owner = user(actor);
    session.token_type = Some(TokenType::Session);
    session
}

pub(super) async fn a_password_is_kept_until_it_is_changed(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let (alice, root) = (user("alice"), user("datahub"));
    store.create_user(&alice).await.unwrap();
    assert_eq!(store.password_hash(&alice).await.unwrap(), None);
    for text in ["$one", "$two", ""] {
        assert!(store.set_password_hash(&alice, Some(&hash(text)), &root, at(200)).await.unwrap());
        assert_eq!(store.password_hash(&alice).await.unwrap(), Some(hash(text)));
        let other = fixture.handle().await;
        assert_eq!(other.password_hash(&alice).await.unwrap(), Some(hash(text)));
    }
    assert_eq!(store.password_hash(&user("bob")).await.unwrap(), None);
    for _ in 0..2 {
        assert!(store.set_password_hash(&alice, None, &root, at(200)).await.unwrap());
        assert_eq!(store.password_hash(&alice).await.unwrap(), None);
    }
}

pub(super) async fn only_a_person_who_is_there_gets_a_password(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let (ghost, robot) = (user("ghost"), user("service_robot"));
    let some = hash("$one");
    assert!(!store.set_password_hash(&ghost, Some(&some), &ghost, at(200)).await.unwrap());
    assert!(!store.set_password_hash(&ghost, None, &ghost, at(200)).await.unwrap());
    assert_eq!(store.password_hash(&ghost).await.unwrap(), None);

    store.add_user(&User::new(robot.clone()).kind(UserKind::ServiceAccount)).await.unwrap();
    let refused = store.set_password_hash(&robot, Some(&some), &ghost, at(200)).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(store.password_hash(&robot).await.unwrap(), None);
    assert!(store.set_password_hash(&robot, None, &ghost, at(200)).await.unwrap());
}

pub(super) async fn a_password_goes_with_its_user(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    store.set_password_hash(&alice, Some(&hash("$one")), &alice, at(200)).await.unwrap();
    store.create_user(&user("bob")).await.unwrap();
    let mut personal = record(3);
    personal.token_type = Some(TokenType::Personal);
    for record in [&session(1, "alice"), &session(2, "bob"), &personal] {
        store.insert(record).await.unwrap();
    }
    let mut cursor = store.head().await.unwrap();
    assert!(store.delete_user(&alice).await.unwrap());
    // Who gets the name is not logged in by the session of who had it.
    let changes = read(&store, &mut cursor).await;
    assert!(changes.contains(&Change::Token(id(1))), "{changes:?}");
    assert!(changes.contains(&Change::Actor(alice.clone())), "{changes:?}");
    assert_eq!(changes.len(), 2);
    for (number, is_ended) in [(1, true), (2, false), (3, false)] {
        let found = store.find(&id(number)).await.unwrap().unwrap();
        assert_eq!(found.revoked.is_some(), is_ended, "{number}");
    }
    assert_eq!(store.password_hash(&alice).await.unwrap(), None);
    store.create_user(&alice).await.unwrap();
    assert_eq!(store.password_hash(&alice).await.unwrap(), None);
}

pub(super) async fn changing_a_password_ends_the_sessions_of_the_user_alone(
    fixture: &impl Fixture,
) {
    let store = fixture.handle().await;
    let (alice, root) = (user("alice"), user("datahub"));
    store.create_user(&alice).await.unwrap();
    store.create_user(&user("bob")).await.unwrap();
    for session in [session(1, "alice"), session(2, "alice"), session(3, "alice")] {
        store.insert(&session).await.unwrap();
    }
    store.insert(&session(4, "bob")).await.unwrap();
    // Owned by alice, and one that acts as her; neither is a session of hers.
    let mut personal = record(5);
    personal.token_type = Some(TokenType::Personal);
    let mut of_bob = session(6, "bob");
    of_bob.owner = alice.clone();
    // Made in a session, which stays; and of a DataHub, which does not say its type.
    let mut child = record(7);
    child.parent = Some(id(1));
    for record in [&personal, &of_bob, &child, &record(8)] {
        store.insert(record).await.unwrap();
    }
    store.revoke(&id(3), &alice, at(150)).await.unwrap();

    for (hash, ended) in [(Some(hash("$one")), [1, 2]), (None, [11, 12])] {
        let mut cursor = store.head().await.unwrap();
        assert!(store.set_password_hash(&alice, hash.as_ref(), &root, at(200)).await.unwrap());
        let mut changes = read(&store, &mut cursor).await;
        changes.sort_by_key(|change| change.to_parts().1);
        let mut expected = ended.map(|number| Change::Token(id(number)));
        expected.sort_by_key(|change| change.to_parts().1);
        assert_eq!(changes, expected);
        let by_root = Some(Revocation { at: at(200), by: root.clone() });
        for number in ended {
            assert_eq!(store.find(&id(number)).await.unwrap().unwrap().revoked, by_root);
        }
        let earlier = Some(Revocation { at: at(150), by: alice.clone() });
        assert_eq!(store.find(&id(3)).await.unwrap().unwrap().revoked, earlier);
        for number in 4..=8 {
            let found = store.find(&id(number)).await.unwrap().unwrap();
            assert_eq!(found.revoked, None, "{number}");
        }
        for number in [11, 12] {
            let _ = store.insert(&session(number, "alice")).await;
        }
    }
}

pub(super) async fn a_session_is_made_before_a_change_and_ended_or_after_it(
    fixture: &impl Fixture,
) {
    let stores = [fixture.handle().await, fixture.handle().await];
    let alice = user("alice");
    stores[0].create_user(&alice).await.unwrap();
    for number in 0..20 {
        let (store, user) = (stores[1].clone(), alice.clone());
        let making = tokio::spawn(async move {
            store.insert(&session(number, "alice")).await.unwrap();
            // What a log-in looks at afterwards.
            store.password_hash(&user).await.unwrap()
        });
        let new = hash(&number.to_string());
        stores[0].set_password_hash(&alice, Some(&new), &alice, at(200)).await.unwrap();
        let seen = making.await.unwrap();
        let ended = stores[0].find(&id(number)).await.unwrap().unwrap().revoked.is_some();
        assert!(ended || seen == Some(new), "a session of the old password goes on");
    }
}
