use futures_util::future::join_all;
use tower_pat::{
    feed::{Change, ChangeFeed},
    token::{KeyId, KeyRecord, KeyState, Revocation, TokenType},
    token_service::{KeyChange, KeyStore, MAX_COUNTED_TOKENS, TokenLookup, TokenStore},
};

use super::{Fixture, at, id, read, record, user};

fn key(digit: char) -> KeyId {
    digit.to_string().repeat(16).parse().unwrap()
}

fn known(digit: char, state: KeyState) -> KeyRecord {
    KeyRecord {
        id: key(digit),
        state,
        added_at: at(1),
        signing_since: None,
        retired_at: None,
        by: user("admin"),
    }
}

/// The states of all keys that are known.
async fn states(store: &impl TokenLookup) -> Vec<(KeyId, KeyState)> {
    store.keys().await.unwrap().into_iter().map(|key| (key.id, key.state)).collect()
}

pub(super) async fn a_key_is_not_known_until_it_is_added(fixture: &impl Fixture) {
    let (store, admin) = (fixture.handle().await, user("admin"));
    assert_eq!(store.keys().await.unwrap(), []);
    for digit in ['b', 'a'] {
        assert_eq!(store.add_key(key(digit), &admin, at(1)).await.unwrap(), KeyChange::Changed);
    }
    let again = store.add_key(key('a'), &user("eve"), at(9)).await.unwrap();
    assert_eq!(again, KeyChange::Unchanged);
    let expected = ['a', 'b'].map(|digit| known(digit, KeyState::Verifying));
    assert_eq!(store.keys().await.unwrap(), expected);
    // Another process sees the same.
    assert_eq!(fixture.handle().await.keys().await.unwrap(), expected);
}

pub(super) async fn a_promoted_key_signs_and_the_one_before_verifies(fixture: &impl Fixture) {
    let (store, admin) = (fixture.handle().await, user("admin"));
    let promote = async |digit: char, known: &[KeyId], seconds: i64| {
        store.promote_key(key(digit), known, &admin, at(seconds)).await.unwrap()
    };
    // Those that a node knows become known with it, and those that are known stay as they are.
    assert_eq!(promote('a', &[key('a'), key('b')], 1).await, KeyChange::Changed);
    let signing = KeyRecord { signing_since: Some(at(1)), ..known('a', KeyState::Signing) };
    let verifying = known('b', KeyState::Verifying);
    assert_eq!(store.keys().await.unwrap(), [signing.clone(), verifying.clone()]);
    assert_eq!(promote('a', &[key('c')], 5).await, KeyChange::Unchanged);
    assert_eq!(store.keys().await.unwrap(), [signing.clone(), verifying.clone()]);

    let eve = user("eve");
    let promoted = store.promote_key(key('b'), &[], &eve, at(7)).await.unwrap();
    assert_eq!(promoted, KeyChange::Changed);
    let before = KeyRecord { state: KeyState::Verifying, by: eve.clone(), ..signing };
    let signing =
        KeyRecord { state: KeyState::Signing, signing_since: Some(at(7)), by: eve, ..verifying };
    assert_eq!(store.keys().await.unwrap(), [before, signing]);
    // Back again, as when the new one is not everywhere.
    assert_eq!(promote('a', &[], 8).await, KeyChange::Changed);
    let expected = [(key('a'), KeyState::Signing), (key('b'), KeyState::Verifying)];
    assert_eq!(states(&store).await, expected);
}

pub(super) async fn a_retired_key_signs_no_more_unless_it_is_added_again(fixture: &impl Fixture) {
    let (store, admin) = (fixture.handle().await, user("admin"));
    store.promote_key(key('a'), &[], &admin, at(1)).await.unwrap();
    store.promote_key(key('b'), &[], &admin, at(1)).await.unwrap();
    let retire = async |digit: char, seconds: i64| {
        store.retire_key(key(digit), &admin, at(seconds)).await.unwrap()
    };
    assert_eq!(retire('a', 5).await, KeyChange::Changed);
    assert_eq!(retire('a', 6).await, KeyChange::Unchanged);
    // Also one that only a configuration knows.
    assert_eq!(retire('c', 1).await, KeyChange::Changed);
    let retired = |digit, seconds| KeyRecord {
        retired_at: Some(at(seconds)),
        ..known(digit, KeyState::Retired)
    };
    let (a, b) = (
        KeyRecord { signing_since: Some(at(1)), ..retired('a', 5) },
        KeyRecord { signing_since: Some(at(1)), ..known('b', KeyState::Signing) },
    );
    assert_eq!(store.keys().await.unwrap(), [a.clone(), b.clone(), retired('c', 1)]);

    let promoted = store.promote_key(key('a'), &[key('c')], &admin, at(7)).await.unwrap();
    assert_eq!(promoted, KeyChange::IsRetired);
    assert_eq!(store.keys().await.unwrap(), [a.clone(), b.clone(), retired('c', 1)]);
    assert_eq!(store.add_key(key('a'), &admin, at(8)).await.unwrap(), KeyChange::Changed);
    let a = KeyRecord { state: KeyState::Verifying, retired_at: None, ..a };
    assert_eq!(store.keys().await.unwrap(), [a, b, retired('c', 1)]);
    let promoted = store.promote_key(key('a'), &[], &admin, at(9)).await.unwrap();
    assert_eq!(promoted, KeyChange::Changed);
}

pub(super) async fn the_key_that_signs_is_not_retired(fixture: &impl Fixture) {
    let (store, admin) = (fixture.handle().await, user("admin"));
    // As long as it is not known which it is, none is.
    store.add_key(key('a'), &admin, at(1)).await.unwrap();
    for digit in ['a', 'b'] {
        let retired = store.retire_key(key(digit), &admin, at(2)).await.unwrap();
        assert_eq!(retired, KeyChange::NoneSigns);
    }
    assert_eq!(store.keys().await.unwrap(), [known('a', KeyState::Verifying)]);
    store.promote_key(key('a'), &[], &admin, at(3)).await.unwrap();
    let retired = store.retire_key(key('a'), &admin, at(4)).await.unwrap();
    assert_eq!(retired, KeyChange::IsSigning);
    assert_eq!(states(&store).await, [(key('a'), KeyState::Signing)]);
}

pub(super) async fn of_many_promotions_one_signs(fixture: &impl Fixture) {
    let stores = [fixture.handle().await, fixture.handle().await];
    let all: Vec<KeyId> = "0123456789abcdef".chars().map(key).collect();
    for round in 0..3_i64 {
        let writes = all.iter().enumerate().map(|(number, id)| {
            let (store, id, all) = (stores[number % 2].clone(), *id, all.clone());
            tokio::spawn(async move {
                let by = user("admin");
                if number % 3 == 0 {
                    store.retire_key(id, &by, at(round)).await.unwrap();
                }
                store.promote_key(id, &all, &by, at(round)).await.unwrap()
            })
        });
        join_all(writes).await.into_iter().for_each(|change| {
            change.unwrap();
        });
        let states = states(&stores[0]).await;
        assert_eq!(states.len(), 16);
        let signing = states.iter().filter(|(_, state)| *state == KeyState::Signing);
        assert_eq!(signing.count(), 1, "{states:?}");
    }
}

pub(super) async fn what_is_done_with_keys_is_announced_if_it_makes_a_difference(
    fixture: &impl Fixture,
) {
    let (store, admin) = (fixture.handle().await, user("admin"));
    let mut cursor = store.head().await.unwrap();
    for (time, expected) in [(1, &[Change::Keys][..]), (2, &[])] {
        store.add_key(key('a'), &admin, at(time)).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, expected);
    }
    for (time, expected) in [(3, &[Change::Keys][..]), (4, &[])] {
        store.promote_key(key('a'), &[], &admin, at(time)).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, expected);
    }
    store.retire_key(key('a'), &admin, at(5)).await.unwrap();
    assert_eq!(read(&store, &mut cursor).await, []);
    for (time, expected) in [(6, &[Change::Keys][..]), (7, &[])] {
        store.retire_key(key('b'), &admin, at(time)).await.unwrap();
        store.promote_key(key('b'), &[], &admin, at(time)).await.unwrap();
        assert_eq!(read(&store, &mut cursor).await, expected);
    }
}

pub(super) async fn the_tokens_that_need_a_key_are_counted(fixture: &impl Fixture) {
    let store = fixture.handle().await;
    let signed = |number: u64, digit: Option<char>| {
        let mut token = record(number);
        token.key_id = digit.map(key);
        token
    };
    let mut ended = signed(1, Some('a'));
    ended.expires_at = Some(at(1_000));
    let mut ended_early = signed(2, Some('a'));
    (ended_early.expires_at, ended_early.valid_until) = (Some(at(2_000)), Some(at(1_000)));
    let mut revoked = signed(3, Some('a'));
    revoked.revoked = Some(Revocation { at: at(500), by: user("alice") });
    let mut good = signed(4, Some('a'));
    good.expires_at = Some(at(1_001));
    let mut session = signed(5, Some('a'));
    (session.token_type, session.expires_at) = (Some(TokenType::Session), Some(at(2_000)));
    let tokens = [
        ended,
        ended_early,
        revoked,
        good,
        session,
        signed(6, Some('a')),
        signed(7, Some('b')),
        signed(8, None),
    ];
    assert_eq!(store.import(&tokens).await.unwrap(), 8);
    let count = async |digit: Option<char>| {
        store.count_tokens_of_key(digit.map(key), at(1_000)).await.unwrap()
    };
    assert_eq!(count(Some('a')).await, 3);
    assert_eq!(count(Some('b')).await, 1);
    assert_eq!(count(Some('c')).await, 0);
    assert_eq!(count(None).await, 1);
    store.revoke(&id(6), &user("alice"), at(1_000)).await.unwrap();
    assert_eq!(count(Some('a')).await, 2);

    let many: Vec<_> =
        (100..101 + MAX_COUNTED_TOKENS).map(|number| signed(number, Some('d'))).collect();
    for batch in many.chunks(1_000) {
        store.import(batch).await.unwrap();
    }
    assert_eq!(count(Some('d')).await, MAX_COUNTED_TOKENS);
}
