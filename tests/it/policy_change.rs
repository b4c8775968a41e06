//! What becomes of remembered tokens when policies change: their privileges are taken from the new
//! ones, and nobody is asked about the tokens.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::FutureExt;
use tower_pat::{
    Authenticator,
    authenticate::Freshness,
    backend::{BoxFuture, StoreError},
    policy::{PolicyRecord, PolicySource, PolicyStore, Privilege, default_policies},
    token_service::MintedToken,
};

use crate::support::{Fault, FaultyStore, Part, World, config, with_token};

const PRIVILEGE: Privilege = Privilege::GENERATE_PERSONAL_ACCESS_TOKENS;

/// Nothing but policies can be read.
fn break_all_but_policies(world: &World) {
    for part in [Part::Find, Part::Rules, Part::Keys, Part::Profile, Part::Batch] {
        world.store.set_fault(part, Fault::Fails);
    }
}

async fn remembered(world: &World, count: usize) -> Vec<MintedToken> {
    let mut tokens = Vec::new();
    for _ in 0..count {
        tokens.push(world.mint().await);
    }
    for minted in &tokens {
        assert!(!world.may(minted.token.expose(), PRIVILEGE).await);
    }
    tokens
}

async fn grant(world: &World) {
    world.store.inner.seed_policies(&default_policies()).await.unwrap();
}

async fn revoke(world: &World) {
    for record in &default_policies() {
        world.store.inner.delete_policy(&record.urn).await.unwrap();
    }
}

#[tokio::test]
async fn new_policies_are_read_once_and_no_store_is_asked_about_a_token() {
    let world = World::new().await;
    let tokens = remembered(&world, 100).await;
    break_all_but_policies(&world);
    let (finds, reads) =
        (world.store.finds(), || world.store.faults.policy_reads.load(Ordering::SeqCst));
    let before = reads();
    grant(&world).await;
    world.gains(tokens[0].token.expose(), PRIVILEGE).await;
    for minted in &tokens {
        assert!(world.may(minted.token.expose(), PRIVILEGE).await);
    }
    assert_eq!((world.store.finds(), reads()), (finds, before + 1));
    // As one change, since it was heard of as one.
    revoke(&world).await;
    world.store.feed_was_read().await;
    for minted in &tokens {
        assert!(!world.may(minted.token.expose(), PRIVILEGE).await);
    }
    assert_eq!((world.store.finds(), reads()), (finds, before + 2));
}

/// Also where a token is used all the time.
#[tokio::test]
async fn nobody_is_answered_by_old_policies_if_the_new_ones_cannot_be_read() {
    for fault in [Fault::Fails, Fault::Corrupt, Fault::Panics] {
        let world = World::new().await;
        let tokens = remembered(&world, 3).await;
        grant(&world).await;
        for minted in &tokens {
            world.gains(minted.token.expose(), PRIVILEGE).await;
        }
        for _ in 0..100 {
            assert!(world.may(tokens[0].token.expose(), PRIVILEGE).await);
        }
        world.store.set_fault(Part::Policies, fault);
        revoke(&world).await;
        world.store.feed_was_read().await;
        for minted in &tokens {
            assert_eq!(world.answer(minted.token.expose()).await.status, 503, "{fault:?}");
        }
        world.store.set_fault(Part::Policies, None);
        break_all_but_policies(&world);
        for minted in &tokens {
            assert!(!world.may(minted.token.expose(), PRIVILEGE).await, "{fault:?}");
        }
    }
}

#[tokio::test]
async fn policies_that_are_never_read_are_waited_for_as_long_as_configured() {
    let world = World::with(config().store_timeout(Duration::from_millis(40))).await;
    let tokens = remembered(&world, 1).await;
    world.store.set_fault(Part::Policies, Fault::Hangs);
    grant(&world).await;
    world.store.feed_was_read().await;
    assert_eq!(world.answer(tokens[0].token.expose()).await.status, 503);
    world.store.set_fault(Part::Policies, None);
    world.becomes(tokens[0].token.expose(), 200).await;
    assert!(world.may(tokens[0].token.expose(), PRIVILEGE).await);
}

#[tokio::test]
async fn a_token_that_ended_with_the_change_gets_no_privileges() {
    let world = World::new().await;
    let tokens = remembered(&world, 2).await;
    assert!(
        world.tokens.revoke(&tokens[0].record.id, &crate::support::user("alice")).await.unwrap()
    );
    grant(&world).await;
    world.store.feed_was_read().await;
    assert_eq!(world.answer(tokens[0].token.expose()).await.status, 401);
    assert!(world.may(tokens[1].token.expose(), PRIVILEGE).await);
}

/// Also before a token has had its turn, which comes behind that of what is suspect.
#[tokio::test]
async fn what_is_served_stale_takes_its_privileges_from_the_policies_that_are_known() {
    let world = World::with(config().serve_stale_for(Duration::from_hours(1))).await;
    remembered(&world, 1).await;
    world.store.set_fault(Part::Batch, Fault::Fails);
    world.store.faults.gap_once.store(true, Ordering::SeqCst);
    world.store.feed_was_read().await;
    let tokens = remembered(&world, 3).await;
    grant(&world).await;
    world.store.feed_was_read().await;
    world.gains(tokens[0].token.expose(), PRIVILEGE).await;
    world.store.set_down(true);
    world.clock.advance(Duration::from_millis(1_001));
    for minted in &tokens {
        assert!(world.may(minted.token.expose(), PRIVILEGE).await);
    }
}

/// What is known of policies counts, as what is known of tokens does.
#[tokio::test]
async fn what_is_served_stale_has_the_policies_that_are_known() {
    for are_known in [true, false] {
        let world = World::with(config().serve_stale_for(Duration::from_hours(1))).await;
        let tokens = remembered(&world, 50).await;
        if !are_known {
            world.store.set_fault(Part::Policies, Fault::Fails);
        }
        grant(&world).await;
        world.store.feed_was_read().await;
        if are_known {
            world.gains(tokens[0].token.expose(), PRIVILEGE).await;
        }
        world.store.set_down(true);
        world.clock.advance(Duration::from_millis(1_001));
        for minted in &tokens {
            match are_known {
                true => assert!(world.may(minted.token.expose(), PRIVILEGE).await),
                false => assert_eq!(world.answer(minted.token.expose()).await.status, 503),
            }
        }
    }
}

/// Policies from a source that needs a runtime, as the drivers of databases do, and in which one waits
/// for its answer.
#[derive(Debug)]
struct NeedsRuntime(FaultyStore);

impl PolicySource for NeedsRuntime {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        Box::pin(async move {
            let store = self.0.clone();
            let read = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                store.policies().await
            });
            read.await.unwrap()
        })
    }
}

#[test]
fn new_policies_are_read_for_a_request_that_no_runtime_polls() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let source = Arc::new(NeedsRuntime(world.store.clone()));
    let feed = Freshness::Feed(Arc::new(world.store.clone()));
    let builder = Authenticator::builder(world.config.clone(), world.store.clone())
        .policies(source, feed)
        .clock(world.clock.clone());
    let authenticator = runtime.block_on(builder.build()).unwrap();
    let minted = runtime.block_on(world.mint());
    let (parts, _) = with_token(minted.token.expose()).into_parts();
    let before = runtime.block_on(authenticator.authenticate(&parts)).unwrap();
    assert!(before.require(PRIVILEGE).is_err());
    // Nobody has read them when the request comes.
    world.store.set_fault(Part::Policies, Fault::Fails);
    runtime.block_on(async {
        grant(&world).await;
        // By this authenticator, and not only by the world's own.
        world.store.feed_was_read().await;
        world.store.feed_was_read().await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    });
    world.store.set_fault(Part::Policies, None);
    let mut asked = Box::pin(authenticator.authenticate(&parts));
    assert!((&mut asked).now_or_never().is_none());
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(20)).await });
    let after = asked.now_or_never().unwrap().unwrap();
    assert!(after.require(PRIVILEGE).is_ok());
}

/// Whoever asks for its answer no more, and has not gone away either.
#[tokio::test]
async fn a_request_that_is_not_polled_keeps_no_other_from_new_policies() {
    let world = World::with(config().store_timeout(Duration::from_millis(50))).await;
    let tokens = remembered(&world, 2).await;
    world.store.set_fault(Part::Policies, Fault::Hangs);
    grant(&world).await;
    world.store.feed_was_read().await;
    let (parts, _) = with_token(tokens[0].token.expose()).into_parts();
    let mut left_alone = Box::pin(world.authenticator.authenticate(&parts));
    assert!((&mut left_alone).now_or_never().is_none());
    world.store.set_fault(Part::Policies, None);
    world.becomes(tokens[1].token.expose(), 200).await;
    assert!(world.may(tokens[1].token.expose(), PRIVILEGE).await);
    drop(left_alone);
}
