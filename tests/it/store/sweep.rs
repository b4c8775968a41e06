use std::time::Duration;

use tower_pat::{
    actor::DirectoryStore,
    feed::{Change, ChangeFeed},
    token::{KeyId, Revocation, RevocationRule, RuleScope, TokenType},
    token_service::{Retention, RuleSubject, TokenLookup, TokenQuery, TokenStore},
};

use super::{Fixture, at, id, read, record, user};

fn retention() -> Retention {
    let mut retention = Retention::default();
    retention.expired = Duration::from_secs(30);
    retention.revoked = Duration::from_secs(400);
    retention.changes = Duration::from_secs(10);
    retention
}

pub(super) async fn an_expired_token_is_kept_for_a_while(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let mut late = record(1);
    late.expires_at = Some(at(200));
    let mut cut = record(2);
    cut.expires_at = Some(at(200));
    cut.valid_until = Some(at(150));
    let mut until = record(3);
    until.valid_until = Some(at(150));
    for record in [&late, &cut, &until] {
        store.insert(record).await.unwrap();
    }
    assert_eq!(store.sweep(at(179), &retention()).await.unwrap(), 0);
    assert_eq!(store.sweep(at(180), &retention()).await.unwrap(), 2);
    assert_eq!(store.find(&id(1)).await.unwrap(), Some(late));
    assert_eq!(store.sweep(at(229), &retention()).await.unwrap(), 0);
    assert_eq!(store.sweep(at(230), &retention()).await.unwrap(), 1);
    assert_eq!(store.find(&id(1)).await.unwrap(), None);
}

pub(super) async fn a_tombstone_is_kept_until_its_token_would_have_expired(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let endless = record(1);
    let mut long = record(2);
    long.expires_at = Some(at(9_999));
    let mut short = record(3);
    short.expires_at = Some(at(300));
    short.valid_until = Some(at(210));
    for record in [&endless, &long, &short] {
        store.insert(record).await.unwrap();
        store.revoke(&record.id, &user("alice"), at(200)).await.unwrap();
    }
    assert_eq!(store.sweep(at(299), &retention()).await.unwrap(), 0);
    assert_eq!(store.sweep(at(300), &retention()).await.unwrap(), 1);
    assert_eq!(store.find(&id(3)).await.unwrap(), None);
    assert_eq!(store.sweep(at(599), &retention()).await.unwrap(), 0);
    assert_eq!(store.sweep(at(600), &retention()).await.unwrap(), 2);
}

pub(super) async fn rules_and_good_tokens_are_kept_for_ever(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let rule = RevocationRule { scope: RuleScope::All, issued_before: at(0), by: user("alice") };
    store.add_rule(&rule).await.unwrap();
    store.insert(&record(1)).await.unwrap();
    assert_eq!(store.sweep(at(i64::MAX), &retention()).await.unwrap(), 0);
    let key: KeyId = "0123456789abcdef".parse().unwrap();
    let found = store.rules(RuleSubject::new(&user("alice"), None, Some(key))).await.unwrap();
    assert_eq!(found, [rule]);
    assert_eq!(store.find(&id(1)).await.unwrap(), Some(record(1)));
}

pub(super) async fn what_a_rule_covers_becomes_a_tombstone(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let typed = |number, token_type| {
        let mut record = record(number);
        record.token_type = token_type;
        record
    };
    let personal = Some(TokenType::Personal);
    // More than one batch.
    let many: Vec<_> = (10..1_210).map(|number| typed(number, personal)).collect();
    store.import(&many).await.unwrap();
    let session = typed(1, Some(TokenType::Session));
    let mut others = typed(2, personal);
    others.actor = user("service");
    others.owner = user("bob");
    let mut later = typed(3, personal);
    later.created_at = at(150);
    let mut revoked_before = typed(4, personal);
    revoked_before.revoked = Some(Revocation { at: at(110), by: user("carol") });
    let mut in_session = typed(5, personal);
    (in_session.owner, in_session.actor) = (user("bob"), user("bob"));
    in_session.parent = Some(id(1));
    for record in [&session, &others, &later, &revoked_before, &in_session] {
        store.import(std::slice::from_ref(record)).await.unwrap();
    }
    let rule = |scope, seconds| RevocationRule {
        scope,
        issued_before: at(seconds),
        by: user(if seconds == 120 { "admin" } else { "bob" }),
    };
    store.add_rule(&rule(RuleScope::Actor(user("alice")), 105)).await.unwrap();
    store.add_rule(&rule(RuleScope::Owner(user("alice")), 120)).await.unwrap();
    let cursor = store.head().await.unwrap();
    let total = store.list(&TokenQuery::default()).await.unwrap().total;
    assert_eq!(total, 3);

    assert_eq!(store.sweep(at(200), &retention()).await.unwrap(), 0);
    // By the rule that reaches furthest, and as it says.
    let revoked = Some(Revocation { at: at(120), by: user("admin") });
    for number in [1, 10, 600, 1_209] {
        let found = store.find(&id(number)).await.unwrap().unwrap();
        assert_eq!(found.revoked, revoked, "{number}");
    }
    for record in [&others, &later, &revoked_before, &in_session] {
        assert_eq!(store.find(&record.id).await.unwrap().as_ref(), Some(record));
    }
    // Nothing that counts has changed, so nothing is told.
    assert_eq!(store.since(&cursor).await.unwrap().changes, []);
    assert_eq!(store.list(&TokenQuery::default()).await.unwrap().total, 3);
    assert!(!store.revoke(&id(10), &user("bob"), at(210)).await.unwrap());
    // Kept as what was revoked is kept.
    assert_eq!(store.sweep(at(519), &retention()).await.unwrap(), 1);
    assert_eq!(store.sweep(at(520), &retention()).await.unwrap(), 1_201);
}

pub(super) async fn a_reader_that_was_away_too_long_notices_the_gap(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let start = store.head().await.unwrap();
    store.create_user(&user("alice")).await.unwrap();
    let early = store.head().await.unwrap();
    store.create_user(&user("bob")).await.unwrap();
    store.create_user(&user("carol")).await.unwrap();
    store.sweep(at(100), &retention()).await.unwrap();
    store.sweep(at(109), &retention()).await.unwrap();
    assert_eq!(store.since(&start).await.unwrap().changes.len(), 3);

    store.sweep(at(110), &retention()).await.unwrap();
    for cursor in [start, early] {
        let batch = store.since(&cursor).await.unwrap();
        assert!(batch.gap);
        // From there on, it is whole again.
        let mut cursor = batch.next;
        store.set_removed(&user("bob"), true).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("bob"))]);
        store.set_removed(&user("bob"), false).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("bob"))]);
    }
}

pub(super) async fn a_reader_that_stands_at_the_end_misses_nothing(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    store.create_user(&user("alice")).await.unwrap();
    let mut cursor = store.head().await.unwrap();
    for now in [100, 200, 300] {
        store.sweep(at(now), &retention()).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, []);
    }
    store.create_user(&user("bob")).await.unwrap();
    // The end where the reader stands is old by now, and no longer the end.
    store.sweep(at(400), &retention()).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, [Change::Actor(user("bob"))]);
}

pub(super) async fn a_token_is_kept_for_what_was_made_with_it(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    // The grandchild outlives its parent, as where tokens are minted as DataHub does.
    let mut child = record(2);
    child.parent = Some(id(1));
    child.expires_at = Some(at(200));
    let mut grandchild = record(3);
    grandchild.parent = Some(id(2));
    grandchild.expires_at = Some(at(400));
    for record in [&record(1), &child, &grandchild] {
        store.insert(record).await.unwrap();
    }
    assert_eq!(store.sweep(at(300), &retention()).await.unwrap(), 0);
    assert!(store.find(&id(2)).await.unwrap().is_some());
    // So it still ends with the first.
    assert!(store.revoke(&id(1), &user("alice"), at(310)).await.unwrap());
    assert!(store.find(&id(3)).await.unwrap().unwrap().revoked.is_some());

    // Where nothing is revoked, they go together.
    let mut parent = record(11);
    parent.expires_at = Some(at(200));
    let mut child = record(12);
    child.parent = Some(id(11));
    child.expires_at = Some(at(200));
    store.insert(&parent).await.unwrap();
    store.insert(&child).await.unwrap();
    store.sweep(at(320), &retention()).await.unwrap();
    assert!(store.find(&id(11)).await.unwrap().is_none());
    assert!(store.find(&id(12)).await.unwrap().is_none());
}
