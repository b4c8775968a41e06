use futures_util::future::join_all;
use tower_pat::{
    actor::Urn,
    token::{KeyId, RevocationRule, RuleScope},
    token_service::{RuleSubject, TokenLookup, TokenQuery, TokenStore},
};

use super::{Fixture, at, record, user};

fn key(digit: char) -> KeyId {
    digit.to_string().repeat(16).parse().unwrap()
}

fn rule(scope: RuleScope, seconds: i64) -> RevocationRule {
    RevocationRule { scope, issued_before: at(seconds), by: user("admin") }
}

/// The rules for a token, the one that reaches furthest first.
async fn rules(
    store: &impl TokenLookup,
    actor: &Urn,
    owner: Option<&Urn>,
    key: KeyId,
) -> Vec<RevocationRule> {
    let mut rules = store.rules(RuleSubject::new(actor, owner, Some(key))).await.unwrap();
    rules.sort_by_key(|rule| std::cmp::Reverse(rule.issued_before));
    rules
}

pub(super) async fn rules_are_found_by_what_they_are_about(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let (alice, bob) = (user("alice"), user("bob"));
    let actor = rule(RuleScope::Actor(alice.clone()), 4);
    let owner = rule(RuleScope::Owner(bob.clone()), 3);
    let signed = rule(RuleScope::Key(key('a')), 2);
    for rule in [&signed, &actor, &owner] {
        store.add_rule(rule).await.unwrap();
    }
    let found = rules(&store, &alice, Some(&bob), key('a')).await;
    assert_eq!(found, [actor.clone(), owner.clone(), signed.clone()]);
    assert_eq!(rules(&store, &bob, Some(&alice), key('b')).await, []);
    assert_eq!(rules(&store, &bob, Some(&bob), key('b')).await, [owner]);
    assert_eq!(rules(&store, &alice, None, key('a')).await, [actor, signed]);

    let all = rule(RuleScope::All, 1);
    store.add_rule(&all).await.unwrap();
    assert_eq!(rules(&store, &bob, None, key('b')).await, [all]);
}

pub(super) async fn a_list_has_nothing_that_a_rule_covers(fixture: &impl Fixture) {
    let scopes = [
        RuleScope::Actor(user("service")),
        RuleScope::Owner(user("bob")),
        RuleScope::Key(key('a')),
        RuleScope::All,
    ];
    let store = fixture.handle().await;
    let mut tokens = Vec::new();
    for number in 0..16 {
        let mut token = record(number);
        token.created_at = at(i64::from(number % 2 == 1));
        token.actor = user(if number & 2 == 0 { "alice" } else { "service" });
        token.owner = user(if number & 4 == 0 { "alice" } else { "bob" });
        token.key_id = (number & 8 == 0).then(|| key('a'));
        store.insert(&token).await.unwrap();
        tokens.push(token);
    }
    for scope in scopes {
        let rule = rule(scope, 1);
        store.add_rule(&rule).await.unwrap();
        tokens.retain(|token| !rule.covers(token));
        let page = store.list(&TokenQuery::default().page(0, 100)).await.unwrap();
        let mut listed = page.tokens;
        listed.sort_by_key(|token| token.id);
        let mut expected = tokens.clone();
        expected.sort_by_key(|token| token.id);
        assert_eq!((listed, page.total), (expected, tokens.len() as u64));
    }
    assert_eq!(tokens.len(), 8);
}

pub(super) async fn the_rule_that_reaches_further_stays(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let alice = user("alice");
    for (scope, longest) in [(RuleScope::Actor(alice.clone()), 200), (RuleScope::All, 300)] {
        for seconds in [100, longest, 150] {
            store.add_rule(&rule(scope.clone(), seconds)).await.unwrap();
        }
        assert_eq!(rules(&store, &alice, None, key('a')).await[0], rule(scope, longest));
    }
    assert_eq!(rules(&store, &alice, None, key('a')).await.len(), 2);
}

pub(super) async fn the_rule_that_reaches_furthest_stays_under_many_writers(
    fixture: &impl Fixture,
) {
    let stores = [fixture.handle().await, fixture.handle().await];
    let writes = (0..32_u8).map(|writer| {
        let store = stores[usize::from(writer % 2)].clone();
        // 7 and 32 have no common divisor: every number once, not in order.
        let rule = rule(RuleScope::All, i64::from(writer * 7 % 32));
        tokio::spawn(async move { store.add_rule(&rule).await.unwrap() })
    });
    join_all(writes).await.into_iter().for_each(Result::unwrap);
    let found = rules(&stores[0], &user("alice"), None, key('a')).await;
    assert_eq!(found, [rule(RuleScope::All, 31)]);
}

pub(super) async fn rules_are_listed_page_by_page(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    // In the order of the texts, not of what is made first.
    let expected = [
        rule(RuleScope::Actor(user("Zoe")), 5),
        rule(RuleScope::Actor(user("alice")), 3),
        rule(RuleScope::Actor(user("éva")), 4),
        rule(RuleScope::All, 1),
        rule(RuleScope::Key(key('a')), 2),
        rule(RuleScope::Key(key('b')), 9),
        rule(RuleScope::Owner(user("alice")), 8),
    ];
    for rule in expected.iter().rev() {
        store.add_rule(rule).await.unwrap();
    }
    let all = store.list_rules(0, 100).await.unwrap();
    assert_eq!((all.rules, all.total), (expected.to_vec(), 7));
    for (start, count) in [(0, 3), (3, 3), (6, 3), (7, 3), (100, 3), (2, 0)] {
        let page = store.list_rules(start, count).await.unwrap();
        let (start, count) = (start as usize, count as usize);
        let expected: Vec<_> = expected.iter().skip(start).take(count).cloned().collect();
        assert_eq!((page.rules, page.total), (expected, 7));
    }
}

pub(super) async fn rules_for_many_are_those_for_each(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let users: Vec<Urn> = (0..20).map(|number| user(&format!("user {number}"))).collect();
    let keys: Vec<KeyId> = ('a'..='f').map(key).collect();
    let subjects: Vec<RuleSubject<'_>> = (0..200_usize)
        .map(|number| {
            let owner = (number % 3 > 0).then(|| &users[number * 3 % 20]);
            let key = (number % 4 > 0).then(|| keys[number % 6]);
            RuleSubject::new(&users[number * 7 % 20], owner, key)
        })
        .collect();
    assert_eq!(store.rules_for_any(&subjects).await.unwrap(), []);
    for number in (0..20_usize).step_by(3) {
        let (actor, owner) = (users[number].clone(), users[(number + 1) % 20].clone());
        store.add_rule(&rule(RuleScope::Actor(actor), 2)).await.unwrap();
        store.add_rule(&rule(RuleScope::Owner(owner), 3)).await.unwrap();
        store.add_rule(&rule(RuleScope::Key(keys[number % 6]), 4)).await.unwrap();
    }
    // A name is no other scope's, and of nobody that is asked for.
    store.add_rule(&rule(RuleScope::Actor(user("somebody else")), 5)).await.unwrap();
    for is_with_all in [false, true] {
        if is_with_all {
            store.add_rule(&rule(RuleScope::All, 1)).await.unwrap();
        }
        let order = |rule: &RevocationRule| format!("{rule:?}");
        for many in [&subjects[..], &subjects[..1], &subjects[7..9], &[]] {
            let rules = store.rules_for_any(many).await.unwrap();
            for subject in many {
                let of_one = rules.iter().filter(|rule| subject.is_in(&rule.scope));
                let mut of_one: Vec<RevocationRule> = of_one.cloned().collect();
                of_one.sort_by_key(order);
                of_one.dedup();
                let mut alone = store.rules(*subject).await.unwrap();
                alone.sort_by_key(order);
                assert_eq!(of_one, alone, "{subject:?}");
            }
            let is_theirs = |rule: &RevocationRule| {
                rule.scope == RuleScope::All
                    || many.iter().any(|subject| subject.is_in(&rule.scope))
            };
            assert!(rules.iter().all(is_theirs), "{rules:?}");
        }
    }
}
