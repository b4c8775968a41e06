use futures_util::future::join_all;
use serde_json::json;
use tower_pat::{
    actor::Urn,
    feed::{Change, ChangeFeed},
    policy::{PolicyRecord, PolicySource, PolicyStore},
};

use super::{Fixture, read};

fn urn(name: &str) -> Urn {
    Urn::of("dataHubPolicy", name).unwrap()
}

fn policy(name: &str, display_name: &str, editable: bool) -> PolicyRecord {
    let info = json!({
        "displayName": display_name, "type": "METADATA", "state": "INACTIVE",
        "privileges": ["VIEW_ENTITY_PAGE"], "editable": editable,
        "actors": { "users": ["urn:li:corpuser:å'\u{0}"], "resourceOwnersTypes": [] },
        "resources": { "filter": { "criteria": [
            { "field": "TYPE", "values": ["dataset"], "condition": "LIKE" }
        ] } }
    });
    PolicyRecord { urn: urn(name), info: serde_json::from_value(info).unwrap() }
}

pub(super) async fn a_policy_is_read_as_it_was_written(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    assert_eq!(store.policies().await.unwrap(), []);
    let records = [policy("a", "A", true), policy("b", "B", false)];
    store.put_policies(&records).await.unwrap();
    assert_eq!(store.policy(&urn("b")).await.unwrap().as_ref(), Some(&records[1]));
    assert_eq!(store.policy(&urn("c")).await.unwrap(), None);
    let mut all = store.policies().await.unwrap();
    all.sort_by(|a, b| a.urn.cmp(&b.urn));
    assert_eq!(all, records);
}

pub(super) async fn put_replaces_what_is_there(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut cursor = store.head().await.unwrap();
    store.put_policies(&[policy("a", "A", true), policy("b", "B", true)]).await.unwrap();
    store.put_policies(&[policy("b", "B2", true), policy("c", "C", true)]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies, Change::Policies]);
    assert_eq!(store.policies().await.unwrap().len(), 3);
    assert_eq!(store.policy(&urn("b")).await.unwrap(), Some(policy("b", "B2", true)));
    // What is the same as before is no change.
    store.put_policies(&[policy("a", "A", true), policy("b", "B2", true)]).await.unwrap();
    store.put_policies(&[]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, []);
}

pub(super) async fn of_two_policies_of_one_name_the_later_stays(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let records = [policy("a", "A1", true), policy("a", "A2", true)];
    store.put_policies(&records).await.unwrap();
    assert_eq!(store.policies().await.unwrap(), [policy("a", "A2", true)]);
    let mut cursor = store.head().await.unwrap();
    store.put_policies(&records).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, []);
}

pub(super) async fn a_policy_is_deleted_once(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.put_policies(&[policy("a", "A", true), policy("b", "B", true)]).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    assert!(store.delete_policy(&urn("a")).await.unwrap());
    assert!(!store.delete_policy(&urn("a")).await.unwrap());
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies]);
    assert_eq!(store.policies().await.unwrap(), [policy("b", "B", true)]);
}

pub(super) async fn defaults_replace_only_what_is_not_editable(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.put_policies(&[policy("a", "mine", true), policy("b", "mine", true)]).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    let defaults = [
        policy("a", "default", true),
        policy("b", "default", false),
        policy("c", "default", true),
        policy("c", "default of the same name", true),
    ];
    assert_eq!(store.seed_policies(&defaults).await.unwrap(), 2);
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies]);
    assert_eq!(store.policy(&urn("a")).await.unwrap(), Some(policy("a", "mine", true)));
    assert_eq!(store.policy(&urn("b")).await.unwrap(), Some(policy("b", "default", false)));
    assert_eq!(store.policy(&urn("c")).await.unwrap(), Some(policy("c", "default", true)));

    assert_eq!(store.seed_policies(&defaults).await.unwrap(), 0);
    assert_eq!(read(&store, &mut cursor).await, []);
}

pub(super) async fn a_policy_is_replaced_and_deleted_only_as_it_was_read(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let [first, second] = ["A1", "A2"].map(|name| policy("a", name, true).info);
    store.put_policies(&[policy("b", "B", true)]).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    // What is not there does not come back.
    assert!(!store.replace_policy(&urn("a"), &first, &second).await.unwrap());
    assert!(!store.delete_policy_if(&urn("a"), &first).await.unwrap());
    assert_eq!(store.policy(&urn("a")).await.unwrap(), None);
    assert_eq!(read(&store, &mut cursor).await, []);

    store.put_policies(&[policy("a", "A1", true)]).await.unwrap();
    assert!(store.replace_policy(&urn("a"), &first, &second).await.unwrap());
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies, Change::Policies]);
    // What is another one by now stays, and what is the same is no change.
    assert!(!store.replace_policy(&urn("a"), &first, &first).await.unwrap());
    assert!(!store.delete_policy_if(&urn("a"), &first).await.unwrap());
    assert!(store.replace_policy(&urn("a"), &second, &second).await.unwrap());
    assert_eq!(store.policy(&urn("a")).await.unwrap().unwrap().info, second);
    assert_eq!(read(&store, &mut cursor).await, []);

    assert!(store.delete_policy_if(&urn("a"), &second).await.unwrap());
    assert!(!store.delete_policy_if(&urn("a"), &second).await.unwrap());
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies]);
    assert_eq!(store.policies().await.unwrap(), [policy("b", "B", true)]);
}

pub(super) async fn one_of_many_replacements_wins(fixture: &impl Fixture) {
    let stores = [fixture.handle().await, fixture.handle().await];
    let first = policy("a", "first", true);
    stores[0].put_policies(std::slice::from_ref(&first)).await.unwrap();
    let writes = (0..8).map(|writer| {
        let (store, first) = (stores[writer % 2].clone(), first.info.clone());
        let new = policy("a", &format!("of {writer}"), true).info;
        tokio::spawn(async move { store.replace_policy(&urn("a"), &first, &new).await.unwrap() })
    });
    let won = join_all(writes).await.into_iter().map(Result::unwrap);
    assert_eq!(won.filter(|won| *won).count(), 1);
}
