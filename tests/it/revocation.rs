//! How long it takes until a change made by another process counts here: at most the bound.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_pat::{
    AuthenticateLayer, Authenticator, TokenService,
    actor::DirectoryStore,
    backend::StoreError,
    store::SqliteStore,
    token::{AccessTokenDuration, RuleScope, TokenType},
    token_service::{MintError, MintRequest},
};

use crate::support::{answer, config, user, with_token};

/// Two handles that were opened apart share nothing but the file, as two processes do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_process_changes_counts_within_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (here, there) =
        (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    there.create_user(&user("alice")).await.unwrap();
    let config = || config().build().unwrap();
    let tokens = TokenService::new(&config(), Arc::new(there.clone()));
    let authenticator = Authenticator::builder(config(), here.clone()).build().await.unwrap();
    let layer = AuthenticateLayer::new(authenticator);
    let status = async |token: &str| answer(&layer, with_token(token)).await.status;
    let becomes = async |token: &str, wanted: u16| {
        let begun = Instant::now();
        while status(token).await != wanted {
            assert!(begun.elapsed() < Duration::from_secs(1), "not {wanted} within the bound");
            tokio::task::yield_now().await;
        }
    };

    let lifetime = AccessTokenDuration::OneHour.lifetime();
    for _ in 0..3 {
        let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
        let minted = tokens.mint(request).await.unwrap();
        let token = minted.token.expose();
        // Good at once, since making a token needs no announcement.
        assert_eq!(status(token).await, 200);
        there.set_suspended(&user("alice"), true).await.unwrap();
        becomes(token, 401).await;
        there.set_suspended(&user("alice"), false).await.unwrap();
        becomes(token, 200).await;
        assert!(tokens.revoke(&minted.record.id, &user("alice")).await.unwrap());
        becomes(token, 401).await;
    }
    here.close().await;
    there.close().await;
}

/// What was made with a token is remembered for itself, and is forgotten with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_made_with_a_token_ends_with_it_within_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let (here, there) =
        (SqliteStore::open(&path).await.unwrap(), SqliteStore::open(&path).await.unwrap());
    for name in ["alice", "bob"] {
        there.create_user(&user(name)).await.unwrap();
    }
    let config = || config().build().unwrap();
    let tokens = TokenService::new(&config(), Arc::new(there.clone()));
    let authenticator = Authenticator::builder(config(), here.clone()).build().await.unwrap();
    let layer = AuthenticateLayer::new(authenticator);
    let status = async |token: &str| answer(&layer, with_token(token)).await.status;
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let request = |name| MintRequest::new(TokenType::Personal, user(name), lifetime);
    for by_rule in [false, true] {
        let parent = tokens.mint(request("alice")).await.unwrap().record.id;
        let child = tokens.mint(request("bob").parent(parent)).await.unwrap();
        let grandchild = tokens.mint(request("bob").parent(child.record.id)).await.unwrap();
        let other = tokens.mint(request("bob")).await.unwrap();
        let texts = [&child, &grandchild, &other].map(|minted| minted.token.expose());
        for text in texts {
            assert_eq!((status(text).await, status(text).await), (200, 200));
        }
        if by_rule {
            tokens.revoke_all(RuleScope::Actor(user("alice")), &user("alice")).await.unwrap();
        } else {
            assert!(tokens.revoke(&parent, &user("alice")).await.unwrap());
        }
        let begun = Instant::now();
        for text in &texts[..2] {
            while status(text).await != 401 {
                assert!(begun.elapsed() < Duration::from_secs(1), "not refused within the bound");
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(status(texts[2]).await, 200);
        let refused = tokens.mint(request("alice").parent(parent)).await.unwrap_err();
        assert!(matches!(refused, MintError::Store(StoreError::ParentRevoked)), "{refused:?}");
    }
    here.close().await;
    there.close().await;
}
