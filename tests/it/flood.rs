//! What a flood of tokens that are not good costs those that are.

use std::sync::Arc;

use tower_pat::{
    TokenService,
    actor::DirectoryStore,
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::{MintRequest, MintedToken},
};

use crate::support::{World, config, user};

/// Far fewer than there are places, so that what is remembered would stay if nothing else came.
const GOOD: usize = 40;
const FLOOD: usize = 10_000;

async fn world() -> World {
    World::with(config().cache_capacity(32 * 32)).await
}

async fn remembered(world: &World) -> Vec<MintedToken> {
    let mut good = Vec::new();
    for _ in 0..GOOD {
        good.push(world.mint().await);
    }
    for minted in &good {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    }
    good
}

/// Nothing of what was remembered is gone.
async fn all_are_remembered(world: &World, good: &[MintedToken]) {
    let asked = world.store.finds();
    for minted in good {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    }
    assert_eq!(world.store.finds(), asked);
}

#[tokio::test]
async fn bad_signatures_reach_no_store_and_evict_nothing() {
    let world = world().await;
    let good = remembered(&world).await;
    let asked = (world.store.finds(), world.store.key_reads());
    let (input, signature) = good[0].token.expose().rsplit_once('.').unwrap();
    for number in 0..FLOOD {
        let text = format!("{input}.{number:05}{}", &signature[5..]);
        assert_eq!(world.answer(&text).await.status, 401);
    }
    assert_eq!((world.store.finds(), world.store.key_reads()), asked);
    all_are_remembered(&world, &good).await;
}

#[tokio::test]
async fn unknown_and_revoked_tokens_with_good_signatures_evict_nothing() {
    let world = world().await;
    let mut revoked = Vec::new();
    for _ in 0..100 {
        let minted = world.mint().await;
        assert!(world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap());
        revoked.push(minted);
    }
    world.store.feed_was_read().await;
    let good = remembered(&world).await;
    // The same key, and a store that nobody here knows.
    let elsewhere = MemoryStore::default();
    elsewhere.create_user(&user("alice")).await.unwrap();
    let elsewhere =
        TokenService::new(&world.config, Arc::new(elsewhere)).clock(world.clock.clone());
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    for _ in 0..FLOOD / 500 {
        for minted in &revoked {
            assert_eq!(world.answer(minted.token.expose()).await.status, 401);
            let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
            let unknown = elsewhere.mint(request).await.unwrap();
            assert_eq!(world.answer(unknown.token.expose()).await.status, 401);
        }
    }
    all_are_remembered(&world, &good).await;
}
