use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use tokio::time::timeout;
use tower_pat::{
    actor::{Directory, DirectoryStore, GroupKind, User},
    feed::{Change, ChangeFeed, FeedCursor},
    policy::{PolicyRecord, PolicyStore},
    store::Store,
    token::{KeyId, LastUse, RevocationRule, RuleScope},
    token_service::{Retention, TokenLookup, TokenStore, TokenUses},
};

use super::{Fixture, SOON, at, group, id, read, record, role, user};

fn rule(scope: RuleScope) -> RevocationRule {
    RevocationRule { scope, issued_before: at(100), by: user("admin") }
}

fn policy() -> PolicyRecord {
    let info = serde_json::json!({
        "displayName": "p", "type": "PLATFORM", "state": "ACTIVE", "privileges": [], "actors": {}
    });
    PolicyRecord {
        urn: "urn:li:dataHubPolicy:p".parse().unwrap(),
        info: serde_json::from_value(info).unwrap(),
    }
}

pub(super) async fn every_change_is_announced(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    let key: KeyId = "0123456789abcdef".parse().unwrap();
    store.insert(&record(1)).await.unwrap();
    let mut cursor = store.head().await.unwrap();

    store.revoke(&id(1), &alice, at(200)).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(1))]);
    for scope in [
        RuleScope::Actor(alice.clone()),
        RuleScope::Owner(alice.clone()),
        RuleScope::Key(key),
        RuleScope::All,
    ] {
        store.add_rule(&rule(scope.clone())).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, [Change::Rule(scope)]);
    }

    store.create_user(&alice).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice.clone())]);
    store.set_removed(&alice, true).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice.clone())]);
    store.set_suspended(&alice, true).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice.clone())]);
    for kind in [GroupKind::External, GroupKind::Native] {
        store.set_groups(&alice, kind, &[group("a")]).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice.clone())]);
    }
    store.set_roles(&alice, &[role("Admin")]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice.clone())]);
    store.set_roles(&group("a"), &[role("Admin")]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Group(group("a"))]);
    store.set_roles(&group("a"), &[]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Group(group("a"))]);
    store.assign_role(Some(&role("Reader")), &[alice.clone(), group("a")]).await.unwrap();
    let both = [Change::Group(group("a")), Change::Actor(alice.clone())];
    assert_eq!(read(&store, &mut cursor).await, both);
    store.delete_group(&group("a")).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Group(group("a"))]);
    store.delete_user(&alice).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice.clone())]);
    store.add_user(&User::new(alice.clone())).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(alice)]);

    store.put_policies(&[policy()]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies]);
    store.delete_policy(&policy().urn).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies]);
    store.seed_policies(&[policy()]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Policies]);
}

pub(super) async fn what_makes_no_difference_is_not_announced(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    store.insert(&record(1)).await.unwrap();
    let mut shorter = rule(RuleScope::All);
    shorter.issued_before = at(99);
    let all = async |store: &_| everything(store).await;
    all(&store).await;
    let mut cursor = store.head().await.unwrap();
    all(&store).await;
    store.add_rule(&shorter).await.unwrap();
    store.revoke(&id(2), &alice, at(200)).await.unwrap();
    store.delete_user(&user("nobody")).await.unwrap();
    store.delete_group(&group("nobody's")).await.unwrap();
    store.assign_role(None, &[user("nobody"), group("nobody's")]).await.unwrap();
    store.delete_policy(&role("no-policy")).await.unwrap();
    store.seed_policies(&[policy()]).await.unwrap();
    store.sweep(at(300), &Retention::default()).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, []);
}

/// Changes that make a difference the first time.
async fn everything(store: &impl Store) {
    let alice = user("alice");
    store.create_user(&alice).await.unwrap();
    assert!(store.set_removed(&alice, true).await.unwrap());
    assert!(store.set_suspended(&alice, true).await.unwrap());
    let groups = [group("b"), group("a"), group("b")];
    assert!(store.set_groups(&alice, GroupKind::External, &groups).await.unwrap());
    assert!(store.set_groups(&alice, GroupKind::Native, &groups).await.unwrap());
    assert!(store.set_roles(&alice, &[role("b"), role("a"), role("b")]).await.unwrap());
    assert!(store.set_roles(&group("a"), &[role("b"), role("a")]).await.unwrap());
    assert_eq!(store.assign_role(Some(&role("a")), &[group("b")]).await.unwrap(), 1);
    store.add_user(&User::new(alice.clone())).await.unwrap();
    store.revoke(&id(1), &alice, at(200)).await.unwrap();
    store.add_rule(&rule(RuleScope::All)).await.unwrap();
    store.put_policies(&[policy()]).await.unwrap();
}

pub(super) async fn making_and_using_tokens_is_not_announced(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut cursor = store.head().await.unwrap();
    store.insert(&record(1)).await.unwrap();
    store.import(&[record(1), record(2)]).await.unwrap();
    let used = LastUse { at: at(200), address: None, agent: None };
    store.record_uses(&[(id(1), used)]).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, []);
    store.revoke(&id(2), &user("bob"), at(200)).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(2))]);
}

pub(super) async fn what_came_before_the_head_is_not_read(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut start = store.head().await.unwrap();
    assert_eq!(read(&store, &mut start.clone()).await, []);
    store.create_user(&user("alice")).await.unwrap();
    let mut head = store.head().await.unwrap();
    assert_eq!(read(&store, &mut head).await, []);
    store.create_user(&user("bob")).await.unwrap();
    assert_eq!(read(&store, &mut head).await, [Change::Actor(user("bob"))]);
    assert_eq!(read(&store, &mut head).await, []);
    let both = [Change::Actor(user("alice")), Change::Actor(user("bob"))];
    assert_eq!(read(&store, &mut start).await, both);
    assert_eq!(read(&store, &mut start).await, []);
}

pub(super) async fn changes_reach_every_handle(fixture: &impl Fixture) {
    let (one, two) = (fixture.handle().await, fixture.handle().await);
    let mut cursors = (one.head().await.unwrap(), two.head().await.unwrap());
    for number in 0..10 {
        let urn = user(&number.to_string());
        if number % 2 == 0 { &one } else { &two }.create_user(&urn).await.unwrap();
        let change = [Change::Actor(urn.clone())];
        assert_eq!(read(&one, &mut cursors.0).await, change);
        assert_eq!(read(&two, &mut cursors.1).await, change);
        assert!(one.profile(&urn).await.unwrap().is_some());
        assert!(two.profile(&urn).await.unwrap().is_some());
    }
}

pub(super) async fn no_change_is_missed_under_many_writers(fixture: &impl Fixture) {
    const WRITERS: usize = 6;
    const WRITES: usize = 20;
    let stores = [fixture.handle().await, fixture.handle().await];
    let starts = [stores[0].head().await.unwrap(), stores[1].head().await.unwrap()];
    let writers = (0..WRITERS).map(|writer| {
        let store = stores[writer % 2].clone();
        tokio::spawn(async move {
            for write in 0..WRITES {
                let urn = user(&format!("{writer}-{write}"));
                assert!(store.create_user(&urn).await.unwrap());
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    // Two readers of the one feed, and one of the other.
    let readers = [0, 0, 1].map(|reader| {
        let store = stores[reader].clone();
        let mut cursor = starts[reader].clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < WRITERS * WRITES {
                seen.extend(read(&store, &mut cursor).await);
            }
            assert_eq!(read(&store, &mut cursor).await, []);
            seen
        })
    });
    join_all(writers).await.into_iter().for_each(Result::unwrap);
    let all = read(&stores[1], &mut starts[1].clone()).await;
    let every = |changes: &[Change]| -> BTreeSet<_> {
        changes.iter().map(|change| change.to_parts().1).collect()
    };
    assert_eq!((all.len(), every(&all).len()), (WRITERS * WRITES, WRITERS * WRITES));
    check_order(&all);
    for reader in readers {
        let seen = timeout(SOON, reader).await.unwrap().unwrap();
        assert_eq!(seen.len(), all.len());
        assert_eq!(every(&seen), every(&all));
        check_order(&seen);
    }
}

/// What one writer did after the other is read in that order.
fn check_order(changes: &[Change]) {
    let mut next = BTreeMap::new();
    for change in changes {
        let Change::Actor(urn) = change else { panic!("{change:?}") };
        let (writer, write) = urn.key().split_once('-').unwrap();
        let next = next.entry(writer.to_owned()).or_insert(0);
        assert_eq!(write, next.to_string());
        *next += 1;
    }
}

pub(super) async fn a_change_is_in_the_first_read_that_begins_after_it(fixture: &impl Fixture) {
    let (reading, writing) = (fixture.handle().await, fixture.handle().await);
    let mut cursor = reading.head().await.unwrap();
    for number in 0..150 {
        let urn = user(&number.to_string());
        let write = tokio::spawn({
            let (store, urn) = (writing.clone(), urn.clone());
            async move { store.create_user(&urn).await.unwrap() }
        });
        // Reads that fall anywhere into the write, of which none may hide it from the last.
        let mut seen = Vec::new();
        while !write.is_finished() {
            seen.extend(read(&reading, &mut cursor).await);
        }
        assert!(write.await.unwrap());
        seen.extend(read(&reading, &mut cursor).await);
        assert_eq!(seen, [Change::Actor(urn)]);
    }
}

pub(super) async fn a_cursor_of_another_history_is_a_gap<F: Fixture>(fixture: &F) {
    let (store, other) = (fixture.handle().await, F::new().await);
    store.create_user(&user("alice")).await.unwrap();
    let elsewhere = other.handle().await;
    for name in ["alice", "bob"] {
        elsewhere.create_user(&user(name)).await.unwrap();
    }
    let mut cursors = vec![elsewhere.head().await.unwrap()];
    let texts = ["", "2", "-1", "9223372036854775807", "-9223372036854775808", "1/0", "a/b/c"];
    cursors.extend(texts.map(FeedCursor::new));
    for cursor in cursors {
        let batch = store.since(&cursor).await.unwrap();
        assert!(batch.gap, "{cursor:?}");
        assert_eq!(read(&store, &mut batch.next.clone()).await, []);
    }
    // From there on, it is whole again.
    let mut next = store.since(&FeedCursor::new("")).await.unwrap().next;
    store.create_user(&user("bob")).await.unwrap();
    assert_eq!(read(&store, &mut next).await, [Change::Actor(user("bob"))]);
}

pub(super) async fn a_change_wakes_who_waits(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let clone = store.clone();
    // Both were waiting since before the change, though nobody has polled them.
    let (one, two) = (store.woken(), clone.woken());
    store.insert(&record(1)).await.unwrap();
    let mut idle = store.woken();
    assert!((&mut idle).now_or_never().is_none());
    store.revoke(&id(1), &user("bob"), at(200)).await.unwrap();
    for woken in [one, two, idle] {
        timeout(SOON, woken).await.unwrap();
    }
}

pub(super) async fn an_abandoned_call_leaves_nothing_half_done(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let start = store.head().await.unwrap();
    for number in 0..60 {
        store.insert(&record(number)).await.unwrap();
        // Given up at different moments, some before anything happens and some when all is done.
        let patience = Duration::from_micros(number * 15);
        let _ = timeout(patience, store.revoke(&id(number), &user("bob"), at(200))).await;
        let _ = timeout(patience, store.since(&start)).await;
        let _ = timeout(patience, store.profile(&user("alice"))).await;
    }
    // Everything still works, and each change is whole.
    assert!(store.create_user(&user("alice")).await.unwrap());
    // Whole though it may be a gap, since a connection is not used again on which a read was given up.
    let changes = store.since(&start).await.unwrap().changes;
    for number in 0..60 {
        let found = store.find(&id(number)).await.unwrap().unwrap();
        let announced = changes.contains(&Change::Token(id(number)));
        assert_eq!(found.revoked.is_some(), announced, "{number}");
    }
    assert_eq!(changes.last(), Some(&Change::Actor(user("alice"))));
}
