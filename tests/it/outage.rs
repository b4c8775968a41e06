//! What is answered while the store fails, and that it is never a "no".

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{Request, header};
use tower_pat::{
    AuthenticateLayer, Authenticator,
    actor::DirectoryStore,
    authenticate::{AuthenticateError, BuildError},
    clock::{Clock, ManualClock, Timestamp},
    config::ConfigBuilder,
};
use tracing::Level;

use crate::support::{Fault, FaultyStore, Log, Part, World, answer, config, user, with_token};

const FAULTS: [Fault; 4] = [Fault::Fails, Fault::Corrupt, Fault::Hangs, Fault::Panics];

/// Behind the bound, with a feed that cannot be read.
async fn stale(config: ConfigBuilder) -> World {
    let world = World::with(config).await;
    go_stale(&world);
    world
}

fn go_stale(world: &World) {
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_millis(1_001));
}

// Time passes at once when nothing else is to be done, such as that of what never answers.
#[tokio::test(start_paused = true)]
async fn whatever_fails_is_503_and_to_be_tried_again() {
    let world = stale(config()).await;
    let minted = world.mint().await;
    for part in [Part::Find, Part::Rules, Part::Profile, Part::Policies] {
        for fault in FAULTS {
            world.store.set_fault(part, fault);
            // What was read at this very moment would do.
            world.clock.advance(Duration::from_millis(1));
            let refused = world.answer(minted.token.expose()).await;
            assert_eq!(refused.status, 503, "{part:?} {fault:?}");
            assert_eq!(refused.headers[header::RETRY_AFTER], "1", "{part:?} {fault:?}");
            assert_eq!(refused.challenge(), None);
            assert_eq!(refused.code(), "unavailable");

            let mut call = with_token(minted.token.expose());
            *call.method_mut() = http::Method::POST;
            call.headers_mut().insert(header::CONTENT_TYPE, "application/grpc".parse().unwrap());
            let refused = answer(&world.layer(), call).await;
            assert_eq!(refused.status, 200, "{part:?} {fault:?}");
            assert_eq!(refused.headers["grpc-status"], "14", "{part:?} {fault:?}");
            world.store.set_fault(part, None);
        }
        // It was no answer, so nothing of it is left.
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_layer_asks_the_directory_and_its_outage_is_503() {
    let world = World::new().await;
    let layer =
        AuthenticateLayer::new(world.authenticator.clone()).dangerous_disabled(user("alice"));
    for fault in FAULTS {
        if fault == Fault::Panics {
            continue;
        }
        world.store.set_fault(Part::Profile, fault);
        let request = Request::get("/").body(String::new()).unwrap();
        assert_eq!(answer(&layer, request).await.status, 503, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_authenticator_is_not_built_on_a_store_that_fails() {
    for part in [Part::Head, Part::Policies] {
        for fault in [Fault::Fails, Fault::Corrupt, Fault::Hangs] {
            let store = FaultyStore::default();
            store.set_fault(part, fault);
            let built = Authenticator::builder(config().build().unwrap(), store).build().await;
            assert!(matches!(built, Err(BuildError::Store(_))), "{part:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_answers_late_is_waited_for_as_long_as_configured() {
    let world = stale(config().store_timeout(Duration::from_secs(2))).await;
    let minted = world.mint().await;
    let waits = |time: u64| {
        let (faults, store) = (world.store.faults.clone(), world.store.clone());
        faults.hold_profiles.store(true, Ordering::SeqCst);
        async move {
            tokio::time::sleep(Duration::from_millis(time)).await;
            store.faults.profiles.add_permits(1);
        }
    };
    let (late, ()) = tokio::join!(world.answer(minted.token.expose()), waits(1_999));
    assert_eq!(late.status, 200);
    let (too_late, ()) = tokio::join!(world.answer(minted.token.expose()), waits(2_001));
    assert_eq!(too_late.status, 503);
}

#[tokio::test]
async fn what_is_remembered_is_served_stale_as_long_as_configured() {
    let log = Log::default();
    let _capture = log.capture(Level::WARN);
    let world = World::with(config().serve_stale_for(Duration::from_secs(10))).await;
    let (known, unknown) = (world.mint().await, world.mint().await);
    let asks = async |expected: [u16; 2]| {
        // The one and the other, in turns, so that neither profits from what the other found out.
        for _ in 0..3 {
            for (minted, status) in [&known, &unknown].into_iter().zip(expected) {
                let answer = world.answer(minted.token.expose()).await;
                assert_eq!(answer.status, status, "{answer:?}");
            }
        }
    };
    assert_eq!(world.answer(known.token.expose()).await.status, 200);
    world.store.set_down(true);
    world.store.feed_was_read().await;
    asks([200, 503]).await;
    // Nothing is known yet to be stale.
    assert_eq!(world.authenticator.served_stale(), 0);
    world.clock.advance(Duration::from_millis(1_001));
    asks([200, 503]).await;
    assert_eq!(world.authenticator.served_stale(), 3);
    // Less a second, as the feed was read later than the clock was made.
    world.clock.advance(Duration::from_millis(9_999));
    asks([200, 503]).await;
    assert_eq!(world.authenticator.served_stale(), 6);
    world.clock.advance(Duration::from_millis(1));
    asks([503, 503]).await;
    world.store.feed_was_read().await;
    asks([503, 503]).await;
    let log = log.take();
    assert_eq!(log.matches("without knowing whether").count(), 1, "{log}");
    assert_eq!(log.matches("known to be good again requests=6").count(), 1, "{log}");

    world.store.set_down(false);
    world.becomes(known.token.expose(), 200).await;
    world.store.feed_was_read().await;
    asks([200, 200]).await;
    assert_eq!(world.authenticator.served_stale(), 6);
}

#[tokio::test]
async fn nothing_is_served_stale_unless_configured() {
    let world = World::new().await;
    let known = world.mint().await;
    assert_eq!(world.answer(known.token.expose()).await.status, 200);
    world.store.set_down(true);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.answer(known.token.expose()).await.status, 200);
    world.clock.advance(Duration::from_nanos(1));
    assert_eq!(world.answer(known.token.expose()).await.status, 503);
    assert_eq!(world.authenticator.served_stale(), 0);
}

#[tokio::test]
async fn what_is_served_stale_is_good_as_far_as_is_known() {
    let world = World::with(config().serve_stale_for(Duration::from_hours(3))).await;
    let (good, revoked, suspended) =
        (world.mint().await, world.mint().await, world.mint_for("bob").await);
    world.store.inner.create_user(&user("bob")).await.unwrap();
    world.store.feed_was_read().await;
    for minted in [&good, &revoked, &suspended] {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    }
    go_stale(&world);
    // While the store answers, its answer counts, and is not forgotten when it fails.
    world.tokens.revoke(&revoked.record.id, &user("alice")).await.unwrap();
    world.store.inner.set_suspended(&user("bob"), true).await.unwrap();
    for (minted, status) in [(&good, 200), (&revoked, 401), (&suspended, 401)] {
        assert_eq!(world.answer(minted.token.expose()).await.status, status);
    }
    world.store.set_down(true);
    for (minted, status) in [(&good, 200), (&revoked, 503), (&suspended, 503)] {
        assert_eq!(world.answer(minted.token.expose()).await.status, status);
    }
    // Its own end is not put off.
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(world.answer(good.token.expose()).await.status, 401);
}

/// Though the feed cannot say that it was revoked meanwhile.
#[tokio::test]
async fn what_was_refused_during_a_look_up_is_not_served_stale() {
    let world = World::with(config().serve_stale_for(Duration::from_hours(1))).await;
    let minted = world.mint().await;
    go_stale(&world);
    let faults = &world.store.faults;
    faults.hold_profiles.store(true, Ordering::SeqCst);
    let (parts, _) = with_token(minted.token.expose()).into_parts();
    let authenticator = world.authenticator.clone();
    let pending = tokio::spawn(async move { authenticator.authenticate(&parts).await });
    // Its record has been read.
    while world.store.finds() == 0 {
        tokio::task::yield_now().await;
    }
    world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap();
    // Too late to share what is under way.
    world.clock.advance(Duration::from_millis(1_001));
    assert_eq!(world.answer(minted.token.expose()).await.status, 401);
    faults.profiles.add_permits(1);
    assert!(pending.await.unwrap().is_ok());
    world.store.set_down(true);
    assert_eq!(world.answer(minted.token.expose()).await.status, 503);
}

/// Though the look-up that read it as good ends last, and the feed is fresh until it dies.
#[tokio::test]
async fn what_this_node_has_seen_revoked_is_not_served_stale_by_an_earlier_look_up() {
    let config = config().serve_stale_for(Duration::from_hours(1));
    let world = World::with(config.revocation_bound(Duration::from_millis(80))).await;
    let minted = world.mint().await;
    world.store.faults.hold_profiles.store(true, Ordering::SeqCst);
    let ask = || {
        let (parts, _) = with_token(minted.token.expose()).into_parts();
        let authenticator = world.authenticator.clone();
        tokio::spawn(async move { authenticator.authenticate(&parts).await })
    };
    let early = ask();
    while world.store.finds() == 0 {
        tokio::task::yield_now().await;
    }
    // So that nobody joins the look-up that is under way.
    world.store.inner.create_user(&user("carol")).await.unwrap();
    world.store.feed_was_read().await;
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap();
    assert!(matches!(ask().await.unwrap(), Err(AuthenticateError::InvalidToken(_))));
    world.store.faults.profiles.add_permits(1);
    assert!(early.await.unwrap().is_ok());
    world.store.set_down(true);
    world.clock.advance(Duration::from_millis(81));
    assert_eq!(world.answer(minted.token.expose()).await.status, 503);
}

#[tokio::test]
async fn what_is_suspect_is_not_served_stale() {
    let world = World::with(config().serve_stale_for(Duration::from_hours(1))).await;
    let minted = world.mint().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    world.store.set_fault(Part::Batch, Fault::Fails);
    world.store.faults.gap_once.store(true, Ordering::SeqCst);
    world.store.feed_was_read().await;
    world.store.set_down(true);
    go_stale(&world);
    assert_eq!(world.answer(minted.token.expose()).await.status, 503);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_store_that_is_known_to_fail() {
    let world = World::with(config().serve_stale_for(Duration::from_hours(1))).await;
    let minted = world.mint().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    go_stale(&world);
    world.store.set_fault(Part::Find, Fault::Hangs);
    let asked = world.store.finds();
    let begun = tokio::time::Instant::now();
    for _ in 0..100 {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    }
    assert_eq!(world.store.finds(), asked + 1);
    assert!(begun.elapsed() < Duration::from_secs(6), "one time limit, not a hundred");
    // And yet it is noticed that it answers again, though the feed cannot be read.
    world.store.set_fault(Part::Find, None);
    world.clock.advance(Duration::from_millis(250));
    for more in 2..4 {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
        assert_eq!(world.store.finds(), asked + more);
    }
}

#[tokio::test]
async fn a_feed_that_panics_is_stale_and_is_followed_again() {
    let world = World::with(config().revocation_bound(Duration::from_millis(80))).await;
    let minted = world.mint().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    world.store.faults.feed_panics.store(true, Ordering::SeqCst);
    world.store.feed_was_read().await;
    world.clock.advance(Duration::from_millis(81));
    let asked = world.store.finds();
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    assert_eq!(world.store.finds(), asked + 1);
    world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap();
    world.store.faults.feed_panics.store(false, Ordering::SeqCst);
    world.store.feed_was_read().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 401);
    // It is fresh again, so what is remembered is an answer.
    let other = world.mint().await;
    for _ in 0..2 {
        assert_eq!(world.answer(other.token.expose()).await.status, 200);
    }
    assert_eq!(world.store.finds(), asked + 3);
}

#[tokio::test]
async fn a_wall_clock_of_another_node_decides_nothing_about_freshness() {
    // Hours apart, and only what is in the records is compared.
    let world = World::new().await;
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_750_000_600)));
    let other = Authenticator::builder(world.config.clone(), world.store.clone())
        .clock(clock.clone())
        .build()
        .await
        .unwrap();
    let minted = world.mint().await;
    let (parts, _) = with_token(minted.token.expose()).into_parts();
    assert!(other.authenticate(&parts).await.is_ok());
    clock.advance(Duration::from_secs(3_000));
    assert!(other.authenticate(&parts).await.is_err(), "expired by its own clock");
    assert!(world.authenticator.authenticate(&parts).await.is_ok(), "not by this one");
    assert!(world.clock.now() < clock.now());
}
