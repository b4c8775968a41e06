//! Keys: one signs and several verify, and all of it changes while requests are served.

#[cfg(feature = "sqlite")]
use std::sync::atomic::AtomicBool;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tower_pat::{
    Authenticator, Config, TokenService,
    actor::DirectoryStore,
    clock::Clock,
    config::ConfigBuilder,
    store::MemoryStore,
    token::{AccessTokenDuration, KeyId, KeyState, TokenKey, TokenText, TokenType},
    token_service::{
        KeyChangeError, KeyOverview, KeyStore, MintError, MintRequest, TokenLookup, VerifyError,
    },
};

use crate::support::{Fault, KEY, Log, Part, SALT, World, answer, config, user, with_token};

const NEW: &str = "Zk3vB9xWq1LmT6yNcR8pD2sHfJ4gUaE7oK5iXtVbC0w=";
const OTHER: &str = "hY2rF6nQ0zVbM8kTjL4wXcS1dG5pA9uEoI3eRtKyW7s=";

fn id(text: &str) -> KeyId {
    TokenKey::new(text).unwrap().id()
}

fn request() -> MintRequest {
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    MintRequest::new(TokenType::Personal, user("alice"), lifetime)
}

fn states(overview: &KeyOverview) -> Vec<(KeyId, KeyState)> {
    overview.keys.iter().map(|key| (key.id, key.state)).collect()
}

#[tokio::test]
async fn what_signs_is_promoted_and_what_signed_goes_on_verifying() {
    let world = World::with(config().verification_key(NEW)).await;
    let (tokens, admin) = (&world.tokens, user("admin"));
    let before = world.mint().await;
    assert_eq!(before.record.key_id, Some(id(KEY)));
    let overview = tokens.keys().await.unwrap();
    assert_eq!(states(&overview), [(id(KEY), KeyState::Signing), (id(NEW), KeyState::Verifying)]);
    assert!(overview.keys.iter().all(|key| key.record.is_none() && key.has_material));
    assert_eq!(world.answer(before.token.expose()).await.status, 200);

    assert!(tokens.promote_key(id(NEW), &admin).await.unwrap());
    assert!(!tokens.promote_key(id(NEW), &admin).await.unwrap());
    let after = world.mint().await;
    assert_eq!(after.record.key_id, Some(id(NEW)));
    for minted in [&before, &after] {
        assert_eq!(world.answer(minted.token.expose()).await.status, 200);
        assert!(tokens.verify(minted.token.expose()).await.is_ok());
    }
    // Both are known to the store now, so that a node without them can say what it lacks.
    let overview = tokens.keys().await.unwrap();
    assert_eq!(states(&overview), [(id(NEW), KeyState::Signing), (id(KEY), KeyState::Verifying)]);
    assert!(overview.keys.iter().all(|key| key.record.is_some() && key.tokens == 1));
}

#[tokio::test]
async fn what_a_retired_key_signed_is_refused_and_told_why() {
    let world = World::with(config().verification_key(NEW)).await;
    let (tokens, admin) = (&world.tokens, user("admin"));
    let old = world.mint().await;
    let error = tokens.retire_key(id(NEW), &admin).await.unwrap_err();
    assert!(matches!(error, KeyChangeError::NoneSigns), "{error}");
    tokens.promote_key(id(NEW), &admin).await.unwrap();
    let new = world.mint().await;
    let error = tokens.retire_key(id(NEW), &admin).await.unwrap_err();
    assert!(matches!(error, KeyChangeError::Signing(key) if key == id(NEW)), "{error}");
    assert_eq!(world.answer(old.token.expose()).await.status, 200);

    assert!(tokens.retire_key(id(KEY), &admin).await.unwrap());
    let refused = world.becomes(old.token.expose(), 401).await;
    assert_eq!(refused.code(), "token_revoked");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("the key that signed the token was retired at 2025-06-15"), "{detail}");
    assert!(matches!(
        tokens.verify(old.token.expose()).await,
        Err(VerifyError::KeyRetired { since }) if since == world.clock.now()
    ));
    assert_eq!(world.answer(new.token.expose()).await.status, 200);
    // Who has not that key's signature is told nothing of it.
    let forged = forged(&old.token);
    assert_eq!(world.answer(&forged).await.code(), "token_not_accepted");

    let error = tokens.promote_key(id(KEY), &admin).await.unwrap_err();
    assert!(matches!(error, KeyChangeError::Retired(key) if key == id(KEY)), "{error}");
    // And it can be taken back.
    assert!(tokens.add_key(id(KEY), &admin).await.unwrap());
    world.becomes(old.token.expose(), 200).await;
}

#[tokio::test]
async fn without_news_the_store_is_asked_what_became_of_a_key() {
    let world = World::with(config().verification_key(NEW)).await;
    let (old, admin) = (world.mint().await, user("admin"));
    world.tokens.promote_key(id(NEW), &admin).await.unwrap();
    assert_eq!(world.answer(old.token.expose()).await.status, 200);
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.tokens.retire_key(id(KEY), &admin).await.unwrap();
    world.clock.advance(Duration::from_millis(1_001));
    assert_eq!(world.answer(old.token.expose()).await.code(), "token_revoked");
    // And where it cannot be asked, nothing is known: what was read at this very moment would do.
    world.store.set_down(true);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.answer(old.token.expose()).await.status, 503);
}

#[tokio::test]
async fn a_node_without_the_key_that_signs_signs_with_no_other_and_says_nothing_wrong() {
    let world = World::with(config().verification_key(NEW)).await;
    let old = world.mint().await;
    world.tokens.promote_key(id(NEW), &user("admin")).await.unwrap();
    let new = world.mint().await;
    assert_eq!(world.answer(new.token.expose()).await.status, 200);

    // Another node, on which the new key was forgotten.
    let log = Log::default();
    let _guard = log.capture(tracing::Level::ERROR);
    let elsewhere = config().build().unwrap();
    let tokens = TokenService::new(&elsewhere, Arc::new(world.store.inner.clone()))
        .clock(world.clock.clone());
    let error = tokens.mint(request()).await.unwrap_err();
    assert!(matches!(error, MintError::SigningKeyMissing(key) if key == id(NEW)), "{error}");
    assert!(!tokens.keys().await.unwrap().keys[0].has_material);
    let authenticator = Authenticator::builder(elsewhere.clone(), world.store.clone())
        .clock(world.clock.clone())
        .build()
        .await
        .unwrap();
    let layer = tower_pat::AuthenticateLayer::new(authenticator);
    let said = log.take();
    assert!(
        said.contains("does not have the key that signs") && said.contains(&id(NEW).to_string())
    );
    // It knows the old one, and cannot know whether the new one is good.
    assert_eq!(answer(&layer, with_token(old.token.expose())).await.status, 200);
    let unknown = answer(&layer, with_token(new.token.expose())).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (503, "unavailable"));
    assert_eq!(unknown.headers["retry-after"], "1");
    // What is no token at all is none with whatever key.
    assert_eq!(answer(&layer, with_token("a.b.c")).await.status, 401);
    assert_eq!(log.take(), "");

    elsewhere.reload_keys(KEY, [NEW]).unwrap();
    assert_eq!(answer(&layer, with_token(new.token.expose())).await.status, 200);
    assert_eq!(tokens.mint(request()).await.unwrap().record.key_id, Some(id(NEW)));
}

/// Another node on the same store, with other keys.
fn node(world: &World, keys: ConfigBuilder) -> TokenService {
    let config = keys.build().unwrap();
    TokenService::new(&config, Arc::new(world.store.inner.clone())).clock(world.clock.clone())
}

fn forged(token: &TokenText) -> String {
    let (text, last) = token.expose().split_at(token.expose().len() - 1);
    // Each stands for four bits alone, so one in sixteen is an `A`.
    format!("{text}{}", if last == "A" { "E" } else { "A" })
}

#[tokio::test]
async fn a_node_that_did_not_know_of_a_key_does_not_refuse_what_it_signs() {
    for is_cut_off in [false, true] {
        let world = World::new().await;
        let there = node(&world, config().verification_key(NEW));
        world.store.faults.feed_is_down.store(is_cut_off, Ordering::SeqCst);
        there.promote_key(id(NEW), &user("admin")).await.unwrap();
        let new = there.mint(request()).await.unwrap();
        let answer = match is_cut_off {
            false => world.becomes(new.token.expose(), 503).await,
            true => {
                world.clock.advance(Duration::from_millis(1_001));
                world.answer(new.token.expose()).await
            }
        };
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
        // Nor when it cannot find out.
        world.store.set_down(true);
        world.clock.advance(Duration::from_millis(1_001));
        for fault in [Fault::Fails, Fault::Corrupt, Fault::Panics] {
            world.store.set_fault(Part::Keys, fault);
            assert_eq!(world.answer(new.token.expose()).await.status, 503, "{fault:?}");
            world.store.set_fault(Part::Keys, None);
        }
        world.store.set_down(false);
        world.config.reload_keys(KEY, [NEW]).unwrap();
        world.becomes(new.token.expose(), 200).await;
        // With all keys, what fits none of them is forged.
        world.becomes(&forged(&new.token), 401).await;
    }
}

#[tokio::test]
async fn forged_tokens_have_keys_read_only_where_something_may_have_changed() {
    let world = World::new().await;
    let minted = world.mint().await;
    let forged = forged(&minted.token);
    let flood = async |size: usize, status: u16| {
        let before = world.store.key_reads();
        let layer = world.layer();
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..size {
            let (layer, forged) = (layer.clone(), forged.clone());
            requests.spawn(async move { answer(&layer, with_token(&forged)).await.status });
        }
        for found in requests.join_all().await {
            assert_eq!(found, status);
        }
        world.store.key_reads() - before
    };
    assert_eq!(flood(1_000, 401).await, 0);
    // Once for all, if a key may have changed.
    let there = node(&world, config().verification_key(NEW));
    there.promote_key(id(NEW), &user("admin")).await.unwrap();
    world.becomes(&forged, 503).await;
    let log = Log::default();
    let _guard = log.capture(tracing::Level::INFO);
    assert_eq!(flood(1_000, 503).await, 0);
    // Nobody fills the log with them.
    assert_eq!(log.take(), "");
    // Without news, one read is enough for all who come at one time.
    world.store.faults.feed_is_down.store(true, Ordering::SeqCst);
    world.clock.advance(Duration::from_millis(1_001));
    assert_eq!(flood(1_000, 503).await, 1);
}

#[tokio::test]
async fn a_key_that_was_taken_out_before_it_was_retired_is_missed() {
    let world = World::with(config().verification_key(NEW)).await;
    let (old, admin) = (world.mint().await, user("admin"));
    world.tokens.promote_key(id(NEW), &admin).await.unwrap();
    assert_eq!(world.answer(old.token.expose()).await.status, 200);
    world.store.feed_was_read().await;

    let log = Log::default();
    let _guard = log.capture(tracing::Level::ERROR);
    let elsewhere = Config::builder(NEW, SALT).build().unwrap();
    let authenticator = Authenticator::builder(elsewhere, world.store.clone())
        .clock(world.clock.clone())
        .build()
        .await
        .unwrap();
    let said = log.take();
    assert!(said.contains("a key that is not retired"), "{said}");
    assert!(said.contains(&id(KEY).to_string()), "{said}");
    let layer = tower_pat::AuthenticateLayer::new(authenticator);
    let found = answer(&layer, with_token(old.token.expose())).await;
    assert_eq!((found.status, found.code().as_str()), (503, "unavailable"));
    assert_eq!(log.take(), "");

    // Retired, it is missed no more.
    world.tokens.retire_key(id(KEY), &admin).await.unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(1), async {
        loop {
            let found = answer(&layer, with_token(old.token.expose())).await;
            if found.status == 401 {
                return found;
            }
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(refused.await.unwrap().code(), "token_not_accepted");
}

#[tokio::test]
async fn a_key_that_is_not_here_is_not_promoted() {
    let world = World::new().await;
    let admin = user("admin");
    for error in [
        world.tokens.promote_key(id(NEW), &admin).await.unwrap_err(),
        world.tokens.add_key(id(NEW), &admin).await.unwrap_err(),
    ] {
        assert!(matches!(error, KeyChangeError::NoMaterial(key) if key == id(NEW)), "{error}");
    }
    world.tokens.promote_key(id(KEY), &admin).await.unwrap();
    let error = world.tokens.retire_key(id(NEW), &admin).await.unwrap_err();
    assert!(matches!(error, KeyChangeError::Unknown(key) if key == id(NEW)), "{error}");
    assert_eq!(world.store.inner.keys().await.unwrap().len(), 1);
}

#[tokio::test]
async fn keys_are_replaced_without_a_restart() {
    let world = World::new().await;
    let old = world.mint().await;
    let answer = async |text: &str| world.answer(text).await.status;
    assert_eq!(answer(old.token.expose()).await, 200);

    // Added and put to work: everything that was made of the configuration has it at once.
    world.config.clone().reload_keys(NEW, [KEY]).unwrap();
    let new = world.mint().await;
    assert_eq!(new.record.key_id, Some(id(NEW)));
    for minted in [&old, &new] {
        assert_eq!(answer(minted.token.expose()).await, 200);
    }
    // Left out: also what is remembered ends, at once.
    let finds = world.store.finds();
    world.config.reload_keys(NEW, Vec::<String>::new()).unwrap();
    assert_eq!(answer(old.token.expose()).await, 401);
    assert_eq!(world.store.finds(), finds);
    assert!(world.tokens.verify(old.token.expose()).await.is_err());
    assert_eq!(answer(new.token.expose()).await, 200);
    // What is refused changes nothing.
    assert!(world.config.reload_keys("short", [NEW]).is_err());
    assert_eq!(answer(new.token.expose()).await, 200);
}

#[tokio::test]
async fn it_is_counted_how_often_each_key_was_the_right_one() {
    let world = World::with(config().verification_key(NEW).accept_stateless(true)).await;
    assert_eq!(world.authenticator.key_uses(), []);
    let old = world.mint().await;
    let stateless = crate::authenticate::stateless(TokenType::Personal);
    world.tokens.promote_key(id(NEW), &user("admin")).await.unwrap();
    let new = world.mint().await;
    // Whatever the feed still has to say is said, so that nothing is verified again for it.
    world.becomes(new.token.expose(), 200).await;
    let count = |key: &str| {
        let uses = world.authenticator.key_uses();
        uses.iter().find(|key_use| key_use.id == id(key)).map_or(0, |key_use| key_use.count)
    };
    world.answer(old.token.expose()).await;
    world.answer(&stateless).await;
    assert_eq!(count(KEY), 2);
    assert!(count(NEW) >= 1);
    let (of_old, of_new) = (count(KEY), count(NEW));
    // Within a minute a token that is remembered counts once.
    for _ in 0..3 {
        world.answer(old.token.expose()).await;
        world.answer(&stateless).await;
    }
    let forged = forged(&old.token);
    world.answer(&forged).await;
    assert!(count(KEY) <= of_old + 2, "{} after {of_old}", count(KEY));
    let of_old = count(KEY);
    // A minute of the clock, in which the feed is read.
    world.clock.advance(Duration::from_secs(61));
    world.becomes(new.token.expose(), 200).await;
    world.answer(old.token.expose()).await;
    world.answer(&stateless).await;
    assert_eq!(count(KEY), of_old + 2);
    assert!(count(NEW) > of_new);
    let uses = world.authenticator.key_uses();
    assert!(uses.iter().all(|key_use| key_use.last_at == world.clock.now()), "{uses:?}");
}

/// Two nodes on one file, as two processes are: a key is configured, promoted, and the old one
/// retired, while both serve all the time.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_exchanged_without_refusing_a_request() {
    use tower_pat::store::SqliteStore;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let store = SqliteStore::open(&path).await.unwrap();
        store.create_user(&user("alice")).await.unwrap();
        let config = Config::builder(KEY, SALT).build().unwrap();
        let tokens = TokenService::new(&config, Arc::new(store.clone()));
        let authenticator = Authenticator::builder(config.clone(), store).build().await.unwrap();
        let layer = tower_pat::AuthenticateLayer::new(authenticator.clone());
        nodes.push((config, tokens, layer, authenticator));
    }
    let old = nodes[0].1.mint(request()).await.unwrap();
    let old = old.token.expose().to_owned();

    // Each client asks one node all the time: with its newest token, and now and then for a new one.
    let is_over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|number: usize| {
            let (_, tokens, _, _) = &nodes[number % 2];
            let layers = [nodes[0].2.clone(), nodes[1].2.clone()];
            let (tokens, is_over, old) = (tokens.clone(), is_over.clone(), old.clone());
            tokio::spawn(async move {
                let mut token = old;
                let mut served = 0_u64;
                while !is_over.load(Ordering::SeqCst) {
                    let minted = tokens.mint(request()).await.unwrap();
                    for layer in &layers {
                        for text in [&token, minted.token.expose()] {
                            let found = answer(layer, with_token(text)).await;
                            assert_eq!(found.status, 200, "{}", found.body);
                            served += 1;
                        }
                    }
                    token = minted.token.expose().to_owned();
                    tokio::task::yield_now().await;
                }
                (served, token)
            })
        })
        .collect();
    let some_time = || tokio::time::sleep(Duration::from_millis(100));
    some_time().await;
    for (config, ..) in &nodes {
        config.reload_keys(KEY, [NEW]).unwrap();
        some_time().await;
    }
    let admin = user("admin");
    assert!(nodes[0].1.promote_key(id(NEW), &admin).await.unwrap());
    // Each node signs with it from the next token on, and so do the clients' newest tokens.
    for (_, tokens, ..) in &nodes {
        assert_eq!(tokens.mint(request()).await.unwrap().record.key_id, Some(id(NEW)));
    }
    some_time().await;
    some_time().await;
    assert!(nodes[1].1.retire_key(id(KEY), &admin).await.unwrap());
    let begun = std::time::Instant::now();
    for (_, _, layer, _) in &nodes {
        while answer(layer, with_token(&old)).await.status != 401 {
            assert!(begun.elapsed() < Duration::from_secs(1), "not refused within the bound");
            tokio::task::yield_now().await;
        }
    }
    some_time().await;
    for (config, ..) in &nodes {
        config.reload_keys(NEW, Vec::<String>::new()).unwrap();
        some_time().await;
    }
    is_over.store(true, Ordering::SeqCst);
    for client in clients {
        let (served, newest) = client.await.unwrap();
        assert!(served > 0);
        assert_eq!(answer(&nodes[0].2, with_token(&newest)).await.status, 200);
    }
    for (_, _, _, authenticator) in &nodes {
        let uses = authenticator.key_uses();
        assert!(uses.iter().any(|key_use| key_use.id == id(NEW) && key_use.count > 0), "{uses:?}");
    }
}

#[tokio::test]
async fn a_key_of_another_deployment_is_none_of_ours() {
    let world = World::new().await;
    let stranger = Config::builder(OTHER, SALT).build().unwrap();
    let store = MemoryStore::default();
    store.create_user(&user("alice")).await.unwrap();
    let foreign = TokenService::new(&stranger, Arc::new(store)).mint(request()).await.unwrap();
    assert_eq!(world.answer(foreign.token.expose()).await.code(), "token_not_accepted");
    // As long as the store says that its tokens are good, they may be.
    let (admin, now) = (user("admin"), world.clock.now());
    world.store.inner.add_key(id(OTHER), &admin, now).await.unwrap();
    world.becomes(foreign.token.expose(), 503).await;
    world.tokens.promote_key(id(KEY), &admin).await.unwrap();
    world.tokens.retire_key(id(OTHER), &admin).await.unwrap();
    let refused = world.becomes(foreign.token.expose(), 401).await;
    assert_eq!(refused.code(), "token_not_accepted");
}
