//! When a token that was verified before is good at once, and when it is not.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tower_pat::{
    Authentication, Authenticator,
    actor::DirectoryStore,
    authenticate::Freshness,
    backend::BoxFuture,
    clock::{Clock, Timestamp},
    feed::ChangeFeed,
    policy::{PolicyStore, Privilege, default_policies},
    token::{AccessTokenDuration, RevocationRule, RuleScope, TokenType},
    token_service::{MintRequest, MintedToken, TokenStore},
};

use crate::support::{FaultyStore, World, config, user, with_token};

/// Good as a key, and not the one that signs.
const OTHER_KEY: &str = "Zk3vB9xWq1LmT6yNcR8pD2sHfJ4gUaE7oK5iXtVbC0w=";

#[tokio::test]
async fn a_remembered_token_asks_no_store() {
    let world = World::new().await;
    let token = world.mint().await.token;
    for _ in 0..5 {
        assert_eq!(world.answer(token.expose()).await.status, 200);
    }
    assert_eq!(world.store.finds(), 1);
    // The feed is fresh for the bound after its last read, so what is remembered stays good.
    world.store.set_down(true);
    assert_eq!(world.answer(token.expose()).await.status, 200);
}

#[tokio::test]
async fn with_a_stale_feed_the_store_is_asked_and_its_outage_is_503() {
    let world = World::new().await;
    let token = world.mint().await.token;
    assert_eq!(world.answer(token.expose()).await.status, 200);
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_millis(1_001));
    for asked in 2..4 {
        assert_eq!(world.answer(token.expose()).await.status, 200);
        assert_eq!(world.store.finds(), asked);
    }
    world.store.set_down(true);
    assert_eq!(world.answer(token.expose()).await.status, 503);
    // As soon as the feed is read again, what is remembered is an answer again.
    world.store.set_down(false);
    world.becomes(token.expose(), 200).await;
}

#[tokio::test]
async fn with_a_stale_feed_a_revocation_still_counts() {
    let world = World::new().await;
    let minted = world.mint().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap();
    world.clock.advance(Duration::from_millis(1_001));
    assert_eq!(world.answer(minted.token.expose()).await.status, 401);
}

#[tokio::test]
async fn a_change_during_the_look_up_keeps_the_token_from_being_remembered() {
    let world = World::new().await;
    let minted = world.mint().await;
    let faults = &world.store.faults;
    faults.hold_profiles.store(true, Ordering::SeqCst);
    let (parts, _) = with_token(minted.token.expose()).into_parts();
    let authenticator = world.authenticator.clone();
    let pending = tokio::spawn(async move { authenticator.authenticate(&parts).await });
    // The record has been read, and the answer of the directory is on its way.
    while world.store.finds() == 0 {
        tokio::task::yield_now().await;
    }
    world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap();
    let witness = world.mint().await;
    wait_for_feed(&world).await;
    faults.profiles.add_permits(1);
    // This request began before the revocation; the next one did not.
    let _ = pending.await.unwrap();
    assert_eq!(world.answer(minted.token.expose()).await.status, 401);
    assert_eq!(world.answer(witness.token.expose()).await.status, 200);
}

/// Waits until the feed has been read once more, which a token remembered before shows.
async fn wait_for_feed(world: &World) {
    world.store.faults.hold_profiles.store(false, Ordering::SeqCst);
    let probe = world.mint().await;
    assert_eq!(world.answer(probe.token.expose()).await.status, 200);
    world.tokens.revoke(&probe.record.id, &user("alice")).await.unwrap();
    world.becomes(probe.token.expose(), 401).await;
}

#[tokio::test]
async fn new_policies_are_in_force_within_the_bound() {
    let world = World::new().await;
    let token = world.mint().await.token;
    assert!(!world.may(token.expose(), Privilege::GENERATE_PERSONAL_ACCESS_TOKENS).await);
    world.store.inner.seed_policies(&default_policies()).await.unwrap();
    world.gains(token.expose(), Privilege::GENERATE_PERSONAL_ACCESS_TOKENS).await;
}

#[tokio::test]
async fn roles_of_a_group_reach_its_members_within_the_bound() {
    let world = World::new().await;
    let store = &world.store.inner;
    store.seed_policies(&default_policies()).await.unwrap();
    let group = "urn:li:corpGroup:admins".parse().unwrap();
    store.set_groups(&user("alice"), tower_pat::actor::GroupKind::Native, &[group]).await.unwrap();
    let token = world.mint().await.token;
    assert!(!world.may(token.expose(), Privilege::MANAGE_POLICIES).await);
    let group = "urn:li:corpGroup:admins".parse().unwrap();
    store.set_roles(&group, &["urn:li:dataHubRole:Admin".parse().unwrap()]).await.unwrap();
    world.gains(token.expose(), Privilege::MANAGE_POLICIES).await;
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_ends_what_is_remembered() {
    let world = World::new().await;
    let token = world.mint().await.token;
    assert_eq!(world.answer(token.expose()).await.status, 200);
    // Behind the token's end, while monotonic time stands still.
    world.clock.set_wall(world.clock.now().saturating_add(Duration::from_secs(7_200)));
    assert_eq!(world.becomes(token.expose(), 401).await.code(), "token_expired");
    world.clock.set_wall(Timestamp::from_seconds(1_750_000_000));
    world.becomes(token.expose(), 200).await;
}

#[tokio::test]
async fn no_more_tokens_are_remembered_than_configured() {
    for (capacity, remembered) in [(0, false), (10_000, true)] {
        let world = World::with(config().cache_capacity(capacity)).await;
        let token = world.mint().await.token;
        for _ in 0..3 {
            assert_eq!(world.answer(token.expose()).await.status, 200);
        }
        assert_eq!(world.store.finds(), if remembered { 1 } else { 3 });
    }
    // Far more tokens than places: all of them work.
    let world = World::with(config().cache_capacity(8)).await;
    for _ in 0..100 {
        let token = world.mint().await.token;
        assert_eq!(world.answer(token.expose()).await.status, 200);
        assert_eq!(world.answer(token.expose()).await.status, 200);
    }
}

#[tokio::test]
async fn another_text_with_the_same_signature_is_not_the_remembered_token() {
    let world = World::new().await;
    let token = world.mint().await.token;
    assert_eq!(world.answer(token.expose()).await.status, 200);
    let (_, signature) = token.expose().rsplit_once('.').unwrap();
    let other = world.mint().await.token;
    let (input, _) = other.expose().rsplit_once('.').unwrap();
    assert_eq!(world.answer(&format!("{input}.{signature}")).await.status, 401);
}

/// As one that is used now and then, though its answers come from elsewhere.
#[tokio::test]
async fn a_token_that_is_used_all_the_time_ends_with_each_change() {
    type Change = fn(&World, &MintedToken) -> BoxFuture<'static, ()>;
    let changes: [(&str, u16, Change); 5] = [
        ("revoked", 401, |world, minted| {
            let (tokens, id) = (world.tokens.clone(), minted.record.id);
            Box::pin(async move { assert!(tokens.revoke(&id, &user("alice")).await.unwrap()) })
        }),
        ("suspended", 401, |world, _| {
            let store = world.store.inner.clone();
            Box::pin(
                async move { assert!(store.set_suspended(&user("alice"), true).await.unwrap()) },
            )
        }),
        ("over", 401, |world, _| {
            world.clock.advance(Duration::from_secs(3_600));
            Box::pin(async {})
        }),
        ("keys replaced", 401, |world, _| {
            world.config.reload_keys(OTHER_KEY, Vec::<String>::new()).unwrap();
            Box::pin(async {})
        }),
        ("stale and down", 503, |world, _| {
            world.store.set_down(true);
            world.clock.advance(Duration::from_millis(1_001));
            Box::pin(async {})
        }),
    ];
    for (what, status, change) in changes {
        let world = World::new().await;
        let minted = world.mint().await;
        for _ in 0..200 {
            assert_eq!(world.answer(minted.token.expose()).await.status, 200);
        }
        assert_eq!(world.store.finds(), 1);
        change(&world, &minted).await;
        if what != "stale and down" {
            world.store.feed_was_read().await;
        }
        assert_eq!(world.answer(minted.token.expose()).await.status, status, "{what}");
    }
}

/// Also where the owner is somebody else than the actor, and what ends is no token of the owner's own.
#[tokio::test]
async fn a_remembered_token_ends_with_a_rule_on_its_owner() {
    let world = World::new().await;
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
    let owned = world.tokens.mint(request.owner(user("bob"))).await.unwrap();
    let other = world.mint().await;
    for minted in [&owned, &other] {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    }
    world.clock.advance(Duration::from_millis(10));
    let rule = RevocationRule {
        scope: RuleScope::Owner(user("bob")),
        issued_before: world.clock.now(),
        by: user("alice"),
    };
    world.store.inner.add_rule(&rule).await.unwrap();
    world.store.feed_was_read().await;
    assert_eq!(world.answer(owned.token.expose()).await.status, 401);
    let asked = world.store.finds();
    assert_eq!(world.answer(other.token.expose()).await.status, 200);
    assert_eq!(world.store.finds(), asked);
}

#[tokio::test]
async fn tasks_end_with_the_last_clone() {
    let world = World::new().await;
    let metrics = tokio::runtime::Handle::current().metrics();
    // One reads the feed, one writes when tokens were used, one judges anew what is suspect, and one
    // wipes what is over.
    assert_eq!(metrics.num_alive_tasks(), 4);
    drop(world);
    let ended = async {
        while metrics.num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), ended).await.unwrap();
}

/// Waits until what is remembered is an answer, which it is while the feed is fresh.
async fn wait_until_fresh(world: &World, token: &str) {
    let fresh = async {
        loop {
            let asked = world.store.finds();
            assert_eq!(world.answer(token).await.status, 200);
            if world.store.finds() == asked {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), fresh).await.unwrap();
}

#[tokio::test]
async fn a_remembered_token_is_over_at_its_end_while_the_feed_is_fresh() {
    let world = World::new().await;
    let token = world.mint().await.token;
    world.clock.advance(Duration::from_millis(3_599_500));
    wait_until_fresh(&world, token.expose()).await;
    // Less than the bound, so the feed stays fresh.
    world.clock.advance(Duration::from_millis(499));
    assert_eq!(world.answer(token.expose()).await.status, 200);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.answer(token.expose()).await.code(), "token_expired");
}

#[tokio::test]
async fn a_jump_of_the_wall_clock_during_the_look_up_keeps_the_token_from_being_remembered() {
    let world = World::new().await;
    let faults = &world.store.faults;
    let witness = world.mint().await.token;
    assert_eq!(world.answer(witness.expose()).await.status, 200);
    let token = world.mint().await.token;
    faults.hold_profiles.store(true, Ordering::SeqCst);
    let (parts, _) = with_token(token.expose()).into_parts();
    let authenticator = world.authenticator.clone();
    let pending = tokio::spawn(async move { authenticator.authenticate(&parts).await });
    while world.store.finds() < 2 {
        tokio::task::yield_now().await;
    }
    faults.hold_profiles.store(false, Ordering::SeqCst);
    world.clock.set_wall(world.clock.now().saturating_add(Duration::from_secs(7_200)));
    // The witness was remembered, so its being over shows that the jump has been noticed.
    world.becomes(witness.expose(), 401).await;
    faults.profiles.add_permits(1);
    assert!(pending.await.unwrap().is_ok());
    assert_eq!(world.answer(token.expose()).await.code(), "token_expired");
}

#[tokio::test]
async fn with_a_stale_feed_new_policies_still_count() {
    let world = World::new().await;
    let token = world.mint().await.token;
    assert!(!world.may(token.expose(), Privilege::GENERATE_PERSONAL_ACCESS_TOKENS).await);
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.store.inner.seed_policies(&default_policies()).await.unwrap();
    world.clock.advance(Duration::from_millis(1_001));
    assert!(world.may(token.expose(), Privilege::GENERATE_PERSONAL_ACCESS_TOKENS).await);
}

#[tokio::test]
async fn after_a_gap_in_the_feed_nothing_is_remembered() {
    let world = World::new().await;
    let minted = world.mint().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    // From here on the feed says nothing but that it may have lost something.
    world.store.faults.feed_has_gap.store(true, Ordering::SeqCst);
    world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap();
    world.becomes(minted.token.expose(), 401).await;
    // So do policies that changed meanwhile.
    let token = world.mint().await.token;
    world.store.inner.seed_policies(&default_policies()).await.unwrap();
    world.gains(token.expose(), Privilege::GENERATE_PERSONAL_ACCESS_TOKENS).await;
}

/// Each part without a feed in turn: what it said is used for its time to live and no longer.
#[tokio::test]
async fn what_a_part_without_feed_said_is_used_for_its_time_to_live() {
    let ttl = || Freshness::TimeToLive(Duration::from_millis(400));
    for part in ["tokens", "directory", "policies"] {
        // The store's own feed is of another store, in which nothing ever changes.
        let world = World::new().await;
        let quiet: Arc<dyn ChangeFeed> = Arc::new(FaultyStore::default());
        let store = Arc::new(world.store.clone());
        let fresh = |name| if name == part { ttl() } else { Freshness::Feed(quiet.clone()) };
        let authenticator = Authenticator::builder_from_parts(
            config().build().unwrap(),
            (store.clone(), fresh("tokens")),
            (store.clone(), fresh("directory")),
            (store.clone(), fresh("policies")),
        )
        .clock(world.clock.clone())
        .build()
        .await
        .unwrap();
        let minted = world.mint().await;
        let ask = async || {
            let (parts, _) = with_token(minted.token.expose()).into_parts();
            authenticator.authenticate(&parts).await
        };
        let may = |authentication: &Authentication| {
            authentication.require(Privilege::GENERATE_PERSONAL_ACCESS_TOKENS).is_ok()
        };
        assert!(!may(&ask().await.unwrap()), "{part}");
        match part {
            "tokens" => {
                assert!(world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap());
            }
            "directory" => {
                assert!(world.store.inner.set_suspended(&user("alice"), true).await.unwrap());
            }
            _ => {
                let policies = default_policies();
                assert!(world.store.inner.seed_policies(&policies).await.unwrap() > 0);
            }
        }
        world.clock.advance(Duration::from_millis(399));
        assert!(!may(&ask().await.unwrap()), "{part} is used for its time to live");
        world.clock.advance(Duration::from_millis(1));
        match ask().await {
            Ok(authentication) => assert!(part == "policies" && may(&authentication), "{part}"),
            Err(_) => assert_ne!(part, "policies"),
        }
    }
}
