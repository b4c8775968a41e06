//! Requests that bring the same unknown token at the same time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tower_pat::{
    Authentication, Authenticator, TokenService,
    actor::DirectoryStore,
    authenticate::{AuthenticateError, Freshness},
    backend::{BoxFuture, StoreError},
    store::{MemoryStore, Store},
    token::{AccessTokenDuration, KeyRecord, RevocationRule, TokenId, TokenRecord, TokenType},
    token_service::{MintRequest, RuleSubject, TokenLookup},
};

use crate::support::{Fault, Part, World, config, user, with_token};

/// Counts what is asked for.
#[derive(Debug)]
struct Counted<S> {
    store: S,
    finds: AtomicU64,
    rules: AtomicU64,
}

impl<S: TokenLookup> TokenLookup for Counted<S> {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        self.finds.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            // Whoever comes at the same time comes before the answer.
            tokio::task::yield_now().await;
            self.store.find(id).await
        })
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        self.rules.fetch_add(1, Ordering::SeqCst);
        self.store.rules(subject)
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        self.store.keys()
    }
}

async fn a_thousand_requests(store: impl Store + Clone) {
    store.create_user(&user("alice")).await.unwrap();
    let config = config().build().unwrap();
    let tokens = TokenService::new(&config, Arc::new(store.clone()));
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let mint = async || {
        let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
        tokens.mint(request).await.unwrap()
    };
    let (good, revoked) = (mint().await, mint().await);
    assert!(tokens.revoke(&revoked.record.id, &user("alice")).await.unwrap());

    let counted = Arc::new(Counted {
        store: store.clone(),
        finds: AtomicU64::default(),
        rules: AtomicU64::default(),
    });
    let feed = Freshness::Feed(Arc::new(store.clone()));
    let authenticator =
        Authenticator::builder(config, store).tokens(counted.clone(), feed).build().await.unwrap();
    for (minted, is_good) in [(&good, true), (&revoked, false)] {
        let requests = (0..1_000).map(|_| {
            let (parts, _) = with_token(minted.token.expose()).into_parts();
            let authenticator = authenticator.clone();
            async move { authenticator.authenticate(&parts).await }
        });
        for answer in join_all(requests).await {
            assert_eq!(answer.is_ok(), is_good);
            if let Err(error) = answer {
                assert!(matches!(error, AuthenticateError::InvalidToken(_)), "{error:?}");
            }
        }
        let finds = counted.finds.swap(0, Ordering::SeqCst);
        let rules = counted.rules.swap(0, Ordering::SeqCst);
        match is_good {
            true => assert_eq!((finds, rules), (1, 1)),
            // A refusal is for those who had begun when it was looked up; the others share the next.
            false => assert!(finds < 100 && rules == 0, "{finds} look-ups"),
        }
    }
}

#[tokio::test]
async fn a_thousand_requests_with_one_unknown_token_make_one_look_up() {
    a_thousand_requests(MemoryStore::default()).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_thousand_requests_with_one_unknown_token_make_one_look_up_in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    a_thousand_requests(tower_pat::store::SqliteStore::open(path).await.unwrap()).await;
}

type Asking = tokio::task::JoinHandle<Result<Authentication, AuthenticateError>>;

fn ask(world: &World, token: &str) -> Asking {
    let (parts, _) = with_token(token).into_parts();
    let authenticator = world.authenticator.clone();
    tokio::spawn(async move { authenticator.authenticate(&parts).await })
}

/// Waits until everything that can go on has.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_look_up_outlives_the_request_that_began_it() {
    let world = World::new().await;
    let minted = world.mint().await;
    world.store.faults.hold_profiles.store(true, Ordering::SeqCst);
    let first = ask(&world, minted.token.expose());
    settle().await;
    let others: Vec<Asking> = (0..3).map(|_| ask(&world, minted.token.expose())).collect();
    settle().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.store.faults.profiles.add_permits(1);
    for other in others {
        assert!(other.await.unwrap().is_ok());
    }
    assert_eq!(world.store.finds(), 1);
    // Also if nobody is left.
    let minted = world.mint().await;
    let alone = ask(&world, minted.token.expose());
    settle().await;
    alone.abort();
    world.store.faults.profiles.add_permits(1);
    settle().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    assert_eq!(world.store.finds(), 2);
}

#[tokio::test]
async fn nobody_gets_an_answer_from_before_the_bound() {
    let world = World::new().await;
    let minted = world.mint().await;
    world.store.faults.hold_profiles.store(true, Ordering::SeqCst);
    let first = ask(&world, minted.token.expose());
    settle().await;
    world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap();
    world.clock.advance(Duration::from_secs(1));
    let at_the_bound = ask(&world, minted.token.expose());
    settle().await;
    assert_eq!(world.store.finds(), 1);
    world.clock.advance(Duration::from_nanos(1));
    let beyond = ask(&world, minted.token.expose());
    settle().await;
    assert_eq!(world.store.finds(), 2);
    assert!(beyond.await.unwrap().is_err());
    world.store.faults.profiles.add_permits(1);
    assert!(first.await.unwrap().is_ok() && at_the_bound.await.unwrap().is_ok());
    assert_eq!(world.answer(minted.token.expose()).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn an_outage_and_a_panic_reach_all_who_wait() {
    let world = World::new().await;
    let minted = world.mint().await;
    // What fails at once is no longer under way when the next request comes.
    for (fault, finds) in
        [(Fault::Fails, 50), (Fault::Corrupt, 50), (Fault::Hangs, 1), (Fault::Panics, 50)]
    {
        let asked = world.store.finds();
        world.store.set_fault(Part::Find, fault);
        let requests: Vec<Asking> = (0..50).map(|_| ask(&world, minted.token.expose())).collect();
        for request in requests {
            let answer = request.await.unwrap();
            assert!(matches!(answer, Err(AuthenticateError::Unavailable(_))), "{answer:?}");
        }
        assert_eq!(world.store.finds() - asked, finds, "{fault:?}");
    }
    world.store.set_fault(Part::Find, None);
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
}

#[tokio::test]
async fn the_cause_of_an_outage_is_told_to_all() {
    let world = World::new().await;
    let minted = world.mint().await;
    world.store.set_fault(Part::Find, Fault::Fails);
    let error = ask(&world, minted.token.expose()).await.unwrap().unwrap_err();
    let mut texts = vec![error.to_string()];
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        texts.push(error.to_string());
        source = error.source();
    }
    assert_eq!(texts, ["store unavailable", "the store could not answer", "out of order"]);
}

/// Whoever has an answer by a look-up that began later had its text checked before.
#[tokio::test]
async fn what_was_checked_by_keys_of_before_is_not_remembered_by_those_of_now() {
    const NEW: &str = "Zk3vB9xWq1LmT6yNcR8pD2sHfJ4gUaE7oK5iXtVbC0w=";
    let world = World::with(config().revocation_bound(Duration::from_millis(80))).await;
    let minted = world.mint().await;
    world.store.inner.set_suspended(&user("alice"), true).await.unwrap();
    world.store.feed_was_read().await;
    world.store.faults.hold_profiles.store(true, Ordering::SeqCst);
    let first = ask(&world, minted.token.expose());
    settle().await;
    world.clock.advance(Duration::from_nanos(1));
    let second = ask(&world, minted.token.expose());
    settle().await;
    assert_eq!(world.store.finds(), 1);
    world.store.inner.set_suspended(&user("alice"), false).await.unwrap();
    world.store.feed_was_read().await;
    world.config.reload_keys(NEW, Vec::<String>::new()).unwrap();
    // The first learns that alice may not act. So the second begins anew, with keys that it was not
    // checked by, and is good by those that there were when it came.
    world.store.faults.profiles.add_permits(1);
    assert!(first.await.unwrap().is_err());
    settle().await;
    assert_eq!(world.store.finds(), 2);
    world.store.faults.profiles.add_permits(1);
    assert!(second.await.unwrap().is_ok());
    assert_eq!(world.answer(minted.token.expose()).await.status, 401);
}
