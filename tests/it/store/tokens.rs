use futures_util::future::join_all;
use tower_pat::{
    backend::StoreError,
    token::{KeyId, LastUse, Revocation, TokenId, TokenType},
    token_service::{TokenLookup, TokenStore, TokenUses},
};

use super::{Fixture, at, id, record, user};

pub(super) async fn a_record_is_read_as_it_was_written(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let least = record(1);
    let mut most = record(2);
    most.name = "a 'name'; -- with\0 everything %_ åäö".into();
    most.description = Some(String::new());
    most.actor = user("service");
    most.expires_at = Some(at(1_000));
    most.valid_until = Some(at(1_000));
    most.token_type = Some(TokenType::ServiceAccount);
    most.key_id = Some("0123456789abcdef".parse::<KeyId>().unwrap());
    most.parent = Some(id(3));
    most.family = Some(id(4));
    most.replaces = Some(id(5));
    most.replaced_at = Some(at(200));
    most.first_used = Some(at(150));
    most.created_via = Some("graphql".into());
    most.restrictions = Some(r#"{"version":1}"#.into());
    most.last_used = Some(LastUse { at: at(160), address: Some("::1".into()), agent: None });
    most.revoked = Some(Revocation { at: at(-1), by: user("bob") });
    for record in [least, most] {
        store.insert(&record).await.unwrap();
        assert_eq!(store.find(&record.id).await.unwrap(), Some(record));
    }
}

pub(super) async fn an_unknown_token_is_not_found(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.insert(&record(1)).await.unwrap();
    assert_eq!(store.find(&id(2)).await.unwrap(), None);
}

pub(super) async fn insert_never_replaces(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.insert(&record(1)).await.unwrap();
    let mut other = record(1);
    other.name = "another".into();
    assert!(matches!(store.insert(&other).await, Err(StoreError::AlreadyExists)));
    assert_eq!(store.find(&id(1)).await.unwrap(), Some(record(1)));
}

pub(super) async fn insert_never_replaces_a_tombstone(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.insert(&record(1)).await.unwrap();
    assert!(store.revoke(&id(1), &user("bob"), at(200)).await.unwrap());
    assert!(matches!(store.insert(&record(1)).await, Err(StoreError::AlreadyExists)));
    assert!(store.find(&id(1)).await.unwrap().unwrap().revoked.is_some());
}

pub(super) async fn one_of_many_inserts_wins(fixture: &impl Fixture) {
    let stores = [fixture.handle().await, fixture.handle().await];
    for number in 0..8 {
        let inserts = (0..16).map(|writer| {
            let store = stores[writer % 2].clone();
            let mut record = record(number);
            record.name = writer.to_string();
            tokio::spawn(async move { store.insert(&record).await.map(|()| record) })
        });
        let mut winners = Vec::new();
        for insert in join_all(inserts).await {
            match insert.unwrap() {
                Ok(record) => winners.push(record),
                Err(error) => assert!(matches!(error, StoreError::AlreadyExists), "{error:?}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert_eq!(stores[0].find(&id(number)).await.unwrap(), winners.pop());
    }
}

pub(super) async fn a_record_that_is_valid_beyond_its_expiry_is_refused(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut odd = record(1);
    odd.expires_at = Some(at(200));
    odd.valid_until = Some(at(201));
    assert!(matches!(store.insert(&odd).await, Err(StoreError::Invalid(_))));
    let records = [record(2), odd];
    assert!(matches!(store.import(&records).await, Err(StoreError::Invalid(_))));
    assert_eq!(store.find(&id(1)).await.unwrap(), None);
}

pub(super) async fn import_adds_what_is_missing(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.insert(&record(1)).await.unwrap();
    let mut others = [record(1), record(2), record(3), record(3)];
    others[0].name = "another".into();
    others[3].name = "the second of two".into();
    assert_eq!(store.import(&others).await.unwrap(), 2);
    assert_eq!(store.import(&others).await.unwrap(), 0);
    for number in 1..=3 {
        assert_eq!(store.find(&id(number)).await.unwrap(), Some(record(number)));
    }
    assert_eq!(store.import(&[]).await.unwrap(), 0);
}

pub(super) async fn import_is_all_or_nothing(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut odd = record(3);
    odd.expires_at = Some(at(200));
    odd.valid_until = Some(at(201));
    assert!(store.import(&[record(1), record(2), odd]).await.is_err());
    assert_eq!(store.find(&id(1)).await.unwrap(), None);
    assert_eq!(store.find(&id(2)).await.unwrap(), None);
}

pub(super) async fn import_does_not_bring_a_revoked_token_back(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.insert(&record(1)).await.unwrap();
    store.revoke(&id(1), &user("bob"), at(200)).await.unwrap();
    assert_eq!(store.import(&[record(1)]).await.unwrap(), 0);
    assert!(store.find(&id(1)).await.unwrap().unwrap().revoked.is_some());
}

pub(super) async fn the_first_revocation_stays(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.insert(&record(1)).await.unwrap();
    assert!(store.revoke(&id(1), &user("bob"), at(200)).await.unwrap());
    assert!(!store.revoke(&id(1), &user("carol"), at(150)).await.unwrap());
    let mut revoked = record(1);
    revoked.revoked = Some(Revocation { at: at(200), by: user("bob") });
    assert_eq!(store.find(&id(1)).await.unwrap(), Some(revoked));
}

pub(super) async fn one_of_many_revocations_wins(fixture: &impl Fixture) {
    let stores = [fixture.handle().await, fixture.handle().await];
    for number in 0..8 {
        stores[0].insert(&record(number)).await.unwrap();
        let revocations = (0..16).map(|writer| {
            let store = stores[writer % 2].clone();
            let by = user(&writer.to_string());
            tokio::spawn(async move {
                store.revoke(&id(number), &by, at(200)).await.unwrap().then_some(by)
            })
        });
        let revoked = join_all(revocations).await.into_iter().map(Result::unwrap);
        let winners: Vec<_> = revoked.flatten().collect();
        assert_eq!(winners.len(), 1);
        let found = stores[1].find(&id(number)).await.unwrap().unwrap();
        assert_eq!(found.revoked.unwrap().by, winners[0]);
    }
}

pub(super) async fn an_unknown_token_cannot_be_revoked(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    assert!(!store.revoke(&id(1), &user("bob"), at(200)).await.unwrap());
    store.insert(&record(1)).await.unwrap();
    assert_eq!(store.find(&id(1)).await.unwrap(), Some(record(1)));
}

pub(super) async fn a_later_use_is_noted_and_an_earlier_one_ignored(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.insert(&record(1)).await.unwrap();
    let used = |seconds, agent: &str| LastUse {
        at: at(seconds),
        address: Some("127.0.0.1".into()),
        agent: Some(agent.into()),
    };
    let uses = [(id(1), used(200, "b")), (id(9), used(200, "b")), (id(1), used(150, "a"))];
    store.record_uses(&uses).await.unwrap();
    let found = store.find(&id(1)).await.unwrap().unwrap();
    assert_eq!((found.first_used, found.last_used), (Some(at(200)), Some(used(200, "b"))));

    store.record_uses(&[(id(1), used(199, "a")), (id(1), used(300, "c"))]).await.unwrap();
    store.record_uses(&[]).await.unwrap();
    let found = store.find(&id(1)).await.unwrap().unwrap();
    assert_eq!((found.first_used, found.last_used), (Some(at(200)), Some(used(300, "c"))));
    assert_eq!(store.find(&id(9)).await.unwrap(), None);
}

pub(super) async fn many_are_found_as_each_is(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    assert_eq!(store.find_all(&[]).await.unwrap(), []);
    for number in (0..600).step_by(2) {
        store.insert(&record(number)).await.unwrap();
    }
    assert!(store.revoke(&id(4), &user("admin"), at(200)).await.unwrap());
    // Every second is unknown, not in order, and one is there twice.
    let ids: Vec<TokenId> = (0..600).rev().map(id).chain([id(4)]).collect();
    let found = store.find_all(&ids).await.unwrap();
    assert_eq!(found.len(), ids.len());
    for (id, found) in ids.iter().zip(&found) {
        assert_eq!(*found, store.find(id).await.unwrap());
    }
    assert_eq!(found.iter().flatten().count(), 301);
    assert_eq!(found.iter().flatten().filter(|record| record.revoked.is_some()).count(), 2);
}
