//! What was made with a token is marked when that is revoked, and nothing more is made with it.

use std::time::Duration;

use futures_util::{FutureExt, future::join};
use tower_pat::{
    backend::StoreError,
    feed::{Change, ChangeFeed},
    token::{KeyId, LastUse, Revocation, RevocationRule, RuleScope, TokenRecord, TokenType},
    token_service::{MAX_ANCESTORS, Retention, TokenLookup, TokenStore, TokenUses},
};

use super::{Fixture, at, id, read, record, user};

/// A token that was made with another.
fn child(number: u64, parent: u64) -> TokenRecord {
    let mut record = record(number);
    record.parent = Some(id(parent));
    record.token_type = Some(TokenType::Personal);
    record
}

fn session(number: u64) -> TokenRecord {
    let mut record = record(number);
    record.token_type = Some(TokenType::Session);
    record
}

fn revocation() -> Revocation {
    Revocation { at: at(200), by: user("bob") }
}

async fn found(store: &impl TokenLookup, number: u64) -> Option<Revocation> {
    store.find(&id(number)).await.unwrap().unwrap().revoked
}

async fn insert_all(store: &impl TokenStore, records: &[TokenRecord]) {
    for record in records {
        store.insert(record).await.unwrap();
    }
}

fn rule(scope: RuleScope, seconds: i64) -> RevocationRule {
    RevocationRule { scope, issued_before: at(seconds), by: user("admin") }
}

fn key() -> KeyId {
    "0123456789abcdef".parse().unwrap()
}

/// All kinds of scopes that have the token with this record.
fn scopes(record: &TokenRecord) -> [RuleScope; 4] {
    [
        RuleScope::Actor(record.actor.clone()),
        RuleScope::Owner(record.owner.clone()),
        RuleScope::Key(key()),
        RuleScope::All,
    ]
}

pub(super) async fn what_was_made_with_a_token_is_revoked_with_it(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let others = [record(5), child(6, 5), child(7, 99)];
    insert_all(&store, &[record(1), child(2, 1), child(3, 2), child(4, 1)]).await;
    insert_all(&store, &others).await;
    let mut cursor = store.head().await.unwrap();
    assert!(store.revoke(&id(1), &user("bob"), at(200)).await.unwrap());
    for number in 1..=4 {
        assert_eq!(found(&store, number).await, Some(revocation()), "{number}");
    }
    // Nothing depends on the others.
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(1))]);
    for record in others {
        assert_eq!(store.find(&record.id).await.unwrap(), Some(record));
    }
    assert!(!store.revoke(&id(3), &user("carol"), at(300)).await.unwrap());
    assert_eq!(read(&store, &mut cursor).await, []);
}

pub(super) async fn what_was_revoked_before_stays_as_it_is(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    insert_all(&store, &[record(1), child(2, 1), child(3, 2), child(4, 3)]).await;
    store.revoke(&id(3), &user("carol"), at(150)).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    store.revoke(&id(1), &user("bob"), at(200)).await.unwrap();
    let earlier = Revocation { at: at(150), by: user("carol") };
    for number in [3, 4] {
        assert_eq!(found(&store, number).await, Some(earlier.clone()));
    }
    assert_eq!(found(&store, 2).await, Some(revocation()));
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(1))]);
}

pub(super) async fn what_was_made_in_a_session_stays(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut inner = session(3);
    inner.parent = Some(id(2));
    insert_all(&store, &[session(1), child(2, 1), inner, child(4, 3)]).await;
    let mut cursor = store.head().await.unwrap();
    store.revoke(&id(1), &user("bob"), at(200)).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(1))]);
    assert_eq!(found(&store, 2).await, None);
    // A session itself is revoked with what it was made with, and that ends there.
    store.revoke(&id(2), &user("bob"), at(200)).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(2))]);
    assert_eq!(found(&store, 3).await, Some(revocation()));
    assert_eq!(found(&store, 4).await, None);
    store.add_rule(&rule(RuleScope::Actor(user("nobody")), 500)).await.unwrap();
    assert_eq!(found(&store, 4).await, None);
}

pub(super) async fn a_rule_revokes_what_was_made_with_what_it_covers<F: Fixture>(_: &F) {
    let mut parent = child(1, 99);
    parent.actor = user("service");
    parent.owner = user("carol");
    parent.key_id = Some(key());
    for scope in scopes(&parent) {
        let fixture = F::new().await;
        let store = fixture.handle().await;
        // Out of the scope, or made too late for it.
        let mut late = child(2, 1);
        late.created_at = at(150);
        let mut later = child(3, 2);
        later.created_at = at(160);
        let mut parent_of_others = parent.clone();
        parent_of_others.id = id(4);
        parent_of_others.created_at = at(150);
        let mut other = child(5, 4);
        other.created_at = at(150);
        insert_all(&store, &[parent.clone(), late, later, parent_of_others, other]).await;
        let mut cursor = store.head().await.unwrap();

        store.add_rule(&rule(scope.clone(), 100)).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, [Change::Rule(scope.clone())]);
        store.add_rule(&rule(scope.clone(), 101)).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, [Change::Rule(scope.clone())]);
        let by_rule = Revocation { at: at(101), by: user("admin") };
        for number in [2, 3] {
            assert_eq!(found(&store, number).await, Some(by_rule.clone()), "{scope:?}");
        }
        // The rule is enough for what it covers.
        for number in [1, 4, 5] {
            assert_eq!(found(&store, number).await, None, "{scope:?}");
        }
        store.add_rule(&rule(scope.clone(), 90)).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, []);
        store.add_rule(&rule(scope.clone(), 151)).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, [Change::Rule(scope.clone())]);
        let by_rule = Revocation { at: at(151), by: user("admin") };
        // This one covers the child too.
        let marked = (scope != RuleScope::All).then_some(by_rule);
        assert_eq!(found(&store, 5).await, marked, "{scope:?}");
    }
}

pub(super) async fn a_rule_leaves_what_was_made_in_a_session(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut made = child(2, 1);
    made.created_at = at(150);
    insert_all(&store, &[session(1), made.clone()]).await;
    store.add_rule(&rule(RuleScope::All, 101)).await.unwrap();
    assert_eq!(store.find(&id(2)).await.unwrap(), Some(made));
}

pub(super) async fn nothing_is_made_with_a_revoked_token<F: Fixture>(_: &F) {
    let mut parent = record(1);
    parent.actor = user("service");
    parent.owner = user("carol");
    parent.key_id = Some(key());
    let mut of_session = parent.clone();
    of_session.token_type = Some(TokenType::Session);
    for parent in [parent, of_session] {
        let scopes = scopes(&parent).map(Some);
        for scope in scopes.into_iter().chain([None]) {
            let fixture = F::new().await;
            let store = fixture.handle().await;
            store.insert(&parent).await.unwrap();
            if let Some(scope) = &scope {
                store.add_rule(&rule(scope.clone(), 100)).await.unwrap();
            }
            store.insert(&child(2, 1)).await.unwrap();
            match &scope {
                Some(scope) => store.add_rule(&rule(scope.clone(), 101)).await.unwrap(),
                None => assert!(store.revoke(&id(1), &user("bob"), at(200)).await.unwrap()),
            }
            let mut cursor = store.head().await.unwrap();
            let refused = store.insert(&child(3, 1)).await;
            assert!(matches!(refused, Err(StoreError::ParentRevoked)), "{scope:?}");
            assert_eq!(store.find(&id(3)).await.unwrap(), None);
            let taken = store.insert(&child(2, 1)).await;
            assert!(matches!(taken, Err(StoreError::AlreadyExists)), "{scope:?}");
            assert_eq!(read(&store, &mut cursor).await, []);
            // Of a parent without a record nothing is known.
            store.insert(&child(4, 99)).await.unwrap();
        }
    }
}

pub(super) async fn nothing_slips_through_while_a_token_is_revoked(fixture: &impl Fixture) {
    let (making, revoking) = (fixture.handle().await, fixture.handle().await);
    for round in 0..20 {
        let number = round * 100;
        let scope: KeyId = format!("{round:016x}").parse().unwrap();
        let mut parent = child(number, 99_999);
        parent.key_id = Some(scope);
        making.insert(&parent).await.unwrap();
        let make = async {
            for made in number + 1..number + 9 {
                match making.insert(&child(made, number)).await {
                    Ok(()) | Err(StoreError::ParentRevoked) => {}
                    Err(error) => panic!("{error:?}"),
                }
            }
        };
        let revoke = async {
            // At another moment in every round.
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
            if round % 2 == 0 {
                assert!(revoking.revoke(&id(number), &user("bob"), at(200)).await.unwrap());
            } else {
                revoking.add_rule(&rule(RuleScope::Key(scope), 101)).await.unwrap();
            }
        };
        join(make, revoke).await;
        for made in number + 1..number + 9 {
            let found = revoking.find(&id(made)).await.unwrap();
            assert!(found.is_none_or(|found| found.revoked.is_some()), "{made}");
        }
        let refused = making.insert(&child(number + 9, number)).await;
        assert!(matches!(refused, Err(StoreError::ParentRevoked)));
    }
}

pub(super) async fn a_child_that_is_imported_is_revoked_with_its_parent(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    insert_all(&store, &[record(1), session(2), child(3, 50)]).await;
    store.revoke(&id(1), &user("bob"), at(200)).await.unwrap();
    store.revoke(&id(2), &user("bob"), at(200)).await.unwrap();
    let mut revoked = record(50);
    revoked.revoked = Some(revocation());
    // Before its parent, after it, and before a parent that was there.
    let records =
        [child(60, 50), child(70, 60), revoked, child(61, 50), child(10, 1), child(20, 2)];
    let mut cursor = store.head().await.unwrap();
    assert_eq!(store.import(&records).await.unwrap(), 6);
    for number in [3, 60, 70, 61, 10] {
        assert_eq!(found(&store, number).await, Some(revocation()), "{number}");
    }
    assert_eq!(found(&store, 20).await, None);
    // What came after its children.
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(50))]);

    store.add_rule(&rule(RuleScope::Owner(user("alice")), 101)).await.unwrap();
    let mut late = child(90, 80);
    late.created_at = at(150);
    assert_eq!(store.import(&[late, record(80)]).await.unwrap(), 2);
    let by_rule = Revocation { at: at(101), by: user("admin") };
    assert_eq!(found(&store, 90).await, Some(by_rule));
    assert_eq!(found(&store, 80).await, None);
    assert_eq!(
        read(&store, &mut cursor).await,
        [Change::Rule(RuleScope::Owner(user("alice"))), Change::Token(id(80))]
    );
}

pub(super) async fn a_parent_that_comes_later_as_revoked_takes_its_children(
    fixture: &impl Fixture,
) {
    let store = fixture.handle().await;
    insert_all(&store, &[child(2, 1), child(3, 2)]).await;
    let mut revoked = record(1);
    revoked.revoked = Some(revocation());
    let mut cursor = store.head().await.unwrap();
    store.insert(&revoked).await.unwrap();
    for number in [2, 3] {
        assert_eq!(found(&store, number).await, Some(revocation()));
    }
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(1))]);
    // Also one that is good: from now on it can end them.
    insert_all(&store, &[child(12, 11), record(11)]).await;
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(11))]);
}

pub(super) async fn a_circle_and_a_long_chain_come_to_an_end(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.import(&[child(1, 2), child(2, 1), child(3, 3)]).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    for number in [1, 3] {
        assert!(store.revoke(&id(number), &user("bob"), at(200)).await.unwrap());
    }
    assert_eq!(read(&store, &mut cursor).await, [1, 3].map(|number| Change::Token(id(number))));
    assert_eq!(found(&store, 2).await, Some(revocation()));
    let refused = store.insert(&child(4, 2)).await;
    assert!(matches!(refused, Err(StoreError::ParentRevoked)), "{refused:?}");
    store.import(&[child(5, 6), child(6, 5)]).await.unwrap();
    let refused = store.insert(&child(7, 6)).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");

    let chain: Vec<_> = (1_000..1_100).map(|number| child(number, number - 1)).collect();
    store.import(&chain).await.unwrap();
    read(&store, &mut cursor).await;
    assert!(store.revoke(&id(1_000), &user("bob"), at(200)).await.unwrap());
    assert_eq!(read(&store, &mut cursor).await, [Change::Token(id(1_000))]);
    assert_eq!(found(&store, 1_099).await, Some(revocation()));
}

pub(super) async fn a_token_has_so_many_ancestors_and_no_more(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let deepest = u64::try_from(MAX_ANCESTORS).unwrap();
    insert_all(&store, &[record(0)]).await;
    for number in 1..=deepest {
        store.insert(&child(number, number - 1)).await.unwrap();
    }
    let refused = store.insert(&child(100, deepest)).await;
    assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
    assert_eq!(store.find(&id(100)).await.unwrap(), None);
    // With a session it begins anew.
    let mut inner = session(200);
    inner.parent = Some(id(deepest - 1));
    insert_all(&store, &[inner, child(201, 200), child(202, 201)]).await;
    store.revoke(&id(0), &user("bob"), at(200)).await.unwrap();
    assert_eq!(found(&store, deepest).await, Some(revocation()));
    for number in [200, 201] {
        let made = store.insert(&child(300 + number, number)).await;
        let is_refused = matches!(made, Err(StoreError::ParentRevoked));
        assert_eq!(is_refused, number == 200, "{made:?}");
    }
}

pub(super) async fn an_abandoned_revocation_is_whole_or_not_at_all(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    for round in 0..40 {
        let parent = 10_000 * (round + 1);
        let children: Vec<_> = (1..=20).map(|n| child(parent + n, parent)).collect();
        store.insert(&record(parent)).await.unwrap();
        store.import(&children).await.unwrap();
        let (token, by, mut cursor) = (id(parent), user("bob"), store.head().await.unwrap());
        let mut revoking = store.revoke(&token, &by, at(200));
        for _ in 0..=round {
            if (&mut revoking).now_or_never().is_some() {
                break;
            }
            // As long as an answer of the database takes, more or less.
            tokio::time::sleep(Duration::from_micros(60)).await;
        }
        drop(revoking);
        // This waits until the transaction that was abandoned is over.
        store
            .record_uses(&[(id(1), LastUse { at: at(1), address: None, agent: None })])
            .await
            .unwrap();
        let is_revoked = found(&store, parent).await.is_some();
        let announced = read(&store, &mut cursor).await;
        assert_eq!(announced.contains(&Change::Token(id(parent))), is_revoked, "{round}");
        let made = store.insert(&child(parent + 100, parent)).await;
        assert_eq!(matches!(made, Err(StoreError::ParentRevoked)), is_revoked, "{made:?}");
        for child in &children {
            let child = store.find(&child.id).await.unwrap().unwrap();
            assert!(is_revoked || child.revoked.is_none(), "{round}");
        }
        store.sweep(at(200), &Retention::default()).await.unwrap();
        for child in &children {
            let child = store.find(&child.id).await.unwrap().unwrap();
            assert_eq!(child.revoked.is_some(), is_revoked, "{round}");
        }
    }
}
