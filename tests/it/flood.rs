//! What a flood of tokens that are not good costs those that are.

use std::sync::Arc;

use tower_pat::{
    TokenService,
    actor::DirectoryStore,
    authenticate::{AuthenticateError, Verdict},
    store::MemoryStore,
    token::{AccessTokenDuration, TokenType},
    token_service::{MintRequest, MintedToken},
};

use crate::support::{World, config, user, with_token};

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

/// Of each kind many, each another one. They are refused where they are seen, so that there is nothing
/// in which anything of them could be kept.
#[tokio::test]
async fn whatever_is_not_signed_is_refused_at_once_and_evicts_nothing() {
    const HEADER: &str = "eyJhbGciOiJIUzI1NiJ9";
    let world = world().await;
    let good = remembered(&world).await;
    let asked = (world.store.finds(), world.store.key_reads());
    let (input, signature) = good[0].token.expose().rsplit_once('.').unwrap();
    let payload = input.strip_prefix(HEADER).unwrap();
    let long = "a".repeat(7_000);
    for number in 0..FLOOD / 10 {
        let number = format!("{number:05}");
        let bad_signature = "the token's signature is wrong";
        let malformed = "the token is malformed";
        for (text, reason) in [
            (format!("{input}.{number}{}", &signature[5..]), Some(bad_signature)),
            (format!("{HEADER}.{number}.{signature}"), Some(bad_signature)),
            (format!("{HEADER}.{long}{number}.{signature}"), Some(bad_signature)),
            // Headers that are not looked into, since they are long.
            (format!("{long}{number}{payload}.{signature}"), Some(bad_signature)),
            (format!("+{long}{number}{payload}.{signature}"), Some(malformed)),
            (format!("eyJhbGciOiJub25lIn0.{number}."), Some("the token is not signed")),
            (format!("{input}{number}."), Some("the token is not signed")),
            (
                format!("eyJhbGciOiJIUzI1NSJ9.{number}.{signature}"),
                Some("the token's algorithm is not HS256"),
            ),
            (format!("{number}.{number}.{signature}"), Some(malformed)),
            (format!("{HEADER}.+{number}.{signature}"), Some(malformed)),
            (format!("{input}.{number}{signature}"), Some(bad_signature)),
            (format!("{input}.{number}.{signature}"), Some(malformed)),
            (format!("{input}.{number}{}=", &signature[6..]), Some(malformed)),
            // A third dot, whatever else there is to say.
            (format!("eyJhbGciOiJub25lIn0.{number}.."), Some(malformed)),
            (number.clone(), Some(malformed)),
            (format!("{input}{number}"), Some(malformed)),
            (format!("{input}.{number} {}", &signature[6..]), None),
            (format!("{input} {number}.{signature}"), None),
            (format!("{input}\u{e9}{number}.{signature}"), None),
            (format!("eyJhbGciOiJub25lIn0.{number}\"."), None),
            (format!("{long}\"{number}{payload}.{signature}"), None),
        ] {
            let (parts, _) = with_token(&text).into_parts();
            let error = match world.authenticator.verdict((&parts).into()) {
                Verdict::Ready(Err(error)) => error,
                other => panic!("{text}: {other:?}"),
            };
            match (&error, reason) {
                (AuthenticateError::MalformedHeader, None) => {}
                (AuthenticateError::InvalidToken(error), Some(reason)) => {
                    assert_eq!(error.to_string(), reason, "{text}");
                }
                _ => panic!("{text}: {error:?}"),
            }
        }
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
