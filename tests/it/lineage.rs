//! A token ends with the tokens it was made with, by what verifying sees and not by what is marked.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tower_pat::{
    AuthenticateLayer, Authenticator, Config, TokenService,
    authenticate::Freshness,
    backend::{BoxFuture, StoreError},
    clock::{Clock, ManualClock, Timestamp},
    config::ConfigBuilder,
    store::{MemoryStore, Store},
    token::{
        AccessTokenDuration, KeyRecord, RevocationRule, RuleScope, TokenId, TokenRecord, TokenType,
    },
    token_service::{
        MAX_ANCESTORS, MintRequest, MintedToken, RuleSubject, TokenLookup, VerifyError,
    },
};

use crate::support::{answer, config, user, with_token};

/// A store that has not marked what was made with a revoked token.
#[derive(Debug)]
struct Unmarked<S>(S);

impl<S: TokenLookup> TokenLookup for Unmarked<S> {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move {
            let mut found = self.0.find(id).await?;
            if let Some(record) = found.as_mut().filter(|record| record.name == "marked") {
                record.revoked = None;
            }
            Ok(found)
        })
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        self.0.rules(subject)
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        self.0.keys()
    }
}

/// What is verified by one handle of a store and changed by another.
struct Place<S> {
    there: S,
    clock: Arc<ManualClock>,
    tokens: TokenService,
    /// Asks the store each time.
    cold: AuthenticateLayer,
    warm: AuthenticateLayer,
}

impl<S: Store + Clone> Place<S> {
    async fn new(here: S, there: S) -> Self {
        there.create_user(&user("bob")).await.unwrap();
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_750_000_000)));
        let built = |config: ConfigBuilder| -> Config { config.build().unwrap() };
        let layer = async |config: ConfigBuilder| {
            let feed = || Freshness::Feed(Arc::new(here.clone()));
            let authenticator = Authenticator::builder_from_parts(
                built(config),
                (Arc::new(Unmarked(here.clone())), feed()),
                (Arc::new(here.clone()), feed()),
                (Arc::new(here.clone()), feed()),
            )
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
            AuthenticateLayer::new(authenticator)
        };
        Self {
            tokens: TokenService::new(&built(config()), Arc::new(there.clone()))
                .clock(clock.clone()),
            cold: layer(config().cache_capacity(0)).await,
            warm: layer(config()).await,
            there,
            clock,
        }
    }

    /// A token that is made a moment after everything before.
    async fn mint(&self, request: MintRequest) -> MintedToken {
        self.clock.advance(Duration::from_millis(5));
        self.tokens.mint(request).await.unwrap()
    }

    async fn status(&self, token: &MintedToken) -> (u16, u16) {
        let cold = answer(&self.cold, with_token(token.token.expose())).await.status;
        (cold, answer(&self.warm, with_token(token.token.expose())).await.status)
    }

    async fn end(&self, ancestor: &TokenRecord, scope: Option<&RuleScope>) {
        let by = user("admin");
        let Some(scope) = scope else {
            let now = self.clock.now();
            assert!(self.there.revoke(&ancestor.id, &by, now).await.unwrap());
            return;
        };
        let issued_before = ancestor.created_at.saturating_add(Duration::from_millis(1));
        let rule = RevocationRule { scope: scope.clone(), issued_before, by };
        self.there.add_rule(&rule).await.unwrap();
    }
}

fn request(token_type: TokenType, actor: &str, owner: &str) -> MintRequest {
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    MintRequest::new(token_type, user(actor), lifetime).owner(user(owner))
}

/// All ways to end a token.
fn ends(record: &TokenRecord) -> [Option<RuleScope>; 5] {
    [
        None,
        Some(RuleScope::Actor(record.actor.clone())),
        Some(RuleScope::Owner(record.owner.clone())),
        Some(RuleScope::Key(record.key_id.unwrap())),
        Some(RuleScope::All),
    ]
}

async fn a_token_ends_with_each_of_its_ancestors<S: Store + Clone>(here: S, there: S) {
    let place = Place::new(here, there).await;
    let personal = TokenType::Personal;
    for (ended, way) in [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4)].into_iter().chain([
        (1, 0),
        (1, 1),
        (1, 2),
        (1, 3),
        (1, 4),
    ]) {
        let name = |who: &str| format!("{who}-{ended}-{way}");
        let eldest = place.mint(request(personal, &name("a"), &name("b"))).await.record;
        let parent = request(personal, &name("c"), &name("d")).parent(eldest.id);
        let parent = place.mint(parent.name(if ended == 0 { "marked" } else { "" })).await.record;
        let child = || request(personal, "bob", "bob").parent(parent.id).name("marked");
        let (child, other) = (place.mint(child()).await, place.mint(child().parent(eldest.id)));
        let (other, stranger) = (other.await, place.mint(request(personal, "bob", "bob")).await);
        // The second time it is remembered.
        for token in [&child, &other, &stranger, &child] {
            assert_eq!(place.status(token).await, (200, 200));
        }
        let ancestor = [&eldest, &parent][ended];
        let scope = &ends(ancestor)[way];
        let begun = Instant::now();
        place.end(ancestor, scope.as_ref()).await;
        let cold = answer(&place.cold, with_token(child.token.expose())).await.status;
        assert_eq!(cold, 401, "at once: {scope:?}");
        while place.status(&child).await != (401, 401) {
            assert!(begun.elapsed() < Duration::from_secs(1), "within the bound: {scope:?}");
            tokio::task::yield_now().await;
        }
        assert_eq!(place.status(&stranger).await, (200, 200), "{scope:?}");
        // A rule about all of its age is about the eldest too, with which the other was made.
        let is_of_other = ended == 0 || way >= 3;
        while (place.status(&other).await == (401, 401)) != is_of_other {
            assert!(begun.elapsed() < Duration::from_secs(1), "{scope:?}");
            tokio::task::yield_now().await;
        }
        assert_eq!(place.tokens.metadata(&child.record.id).await.unwrap(), None);
    }
}

async fn a_session_and_what_is_nothing_to_the_child_do_not_end_it<S: Store + Clone>(
    here: S,
    there: S,
) {
    let place = Place::new(here, there).await;
    for way in 0..5 {
        let name = |who: &str| format!("{who}-{way}");
        let session = request(TokenType::Session, &name("a"), &name("b"));
        let session = place.mint(session).await.record;
        let of_session = request(TokenType::Personal, "bob", "bob").parent(session.id);
        let of_session = place.mint(of_session).await;
        assert_eq!(place.status(&of_session).await, (200, 200));
        place.end(&session, ends(&session)[way].as_ref()).await;
        // What is announced later has come, so this has too.
        let witness = place.mint(request(TokenType::Personal, "bob", "bob")).await;
        assert_eq!(place.status(&witness).await, (200, 200));
        assert!(
            place.there.revoke(&witness.record.id, &user("bob"), place.clock.now()).await.unwrap()
        );
        let begun = Instant::now();
        while place.status(&witness).await != (401, 401) {
            assert!(begun.elapsed() < Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
        assert_eq!(place.status(&of_session).await, (200, 200), "{way}");
    }
    // Suspending who a parent acts as.
    place.there.create_user(&user("carol")).await.unwrap();
    let parent = place.mint(request(TokenType::Personal, "carol", "carol")).await;
    let child = request(TokenType::Personal, "bob", "carol").parent(parent.record.id);
    let child = place.mint(child).await;
    assert_eq!((place.status(&parent).await, place.status(&child).await), ((200, 200), (200, 200)));
    place.there.set_suspended(&user("carol"), true).await.unwrap();
    let begun = Instant::now();
    while place.status(&parent).await != (401, 401) {
        assert!(begun.elapsed() < Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert_eq!(place.status(&child).await, (200, 200));
}

/// A parent whose record comes later is not known by those who verified the child before.
async fn a_parent_that_comes_later_ends_its_children<S: Store + Clone>(here: S, there: S) {
    let place = Place::new(here, there).await;
    let elsewhere = TokenService::new(&config().build().unwrap(), Arc::new(MemoryStore::default()))
        .clock(place.clock.clone());
    for is_revoked in [true, false] {
        let parent = request(TokenType::Personal, "carol", "carol");
        let mut parent = elsewhere.mint(parent).await.unwrap().record;
        let child = request(TokenType::Personal, "bob", "bob").parent(parent.id);
        let child = place.mint(child).await;
        assert_eq!(place.status(&child).await, (200, 200));
        if is_revoked {
            let at = place.clock.now();
            parent.revoked = Some(tower_pat::token::Revocation { at, by: user("carol") });
        }
        place.there.import(std::slice::from_ref(&parent)).await.unwrap();
        if !is_revoked {
            place.end(&parent, Some(&RuleScope::Owner(user("carol")))).await;
        }
        let begun = Instant::now();
        while place.status(&child).await != (401, 401) {
            assert!(begun.elapsed() < Duration::from_secs(1), "{is_revoked}");
            tokio::task::yield_now().await;
        }
    }
}

async fn what_has_too_many_ancestors_to_look_at_is_refused<S: Store + Clone>(here: S, _: S) {
    let tokens = TokenService::new(&config().build().unwrap(), Arc::new(here.clone()));
    here.create_user(&user("bob")).await.unwrap();
    let bobs = || request(TokenType::Personal, "bob", "bob");
    let mut newest = tokens.mint(bobs()).await.unwrap();
    for _ in 0..MAX_ANCESTORS {
        newest = tokens.mint(bobs().parent(newest.record.id)).await.unwrap();
    }
    tokens.verify(newest.token.expose()).await.unwrap();
    tokens.mint(bobs().parent(newest.record.id)).await.unwrap_err();
    // Elsewhere, where the parent is not known, it is made.
    let elsewhere = TokenService::new(&config().build().unwrap(), Arc::new(MemoryStore::default()));
    let deeper = elsewhere.mint(bobs().parent(newest.record.id)).await.unwrap();
    here.import(&[deeper.record]).await.unwrap();
    let refused = tokens.verify(deeper.token.expose()).await;
    assert!(matches!(refused, Err(VerifyError::Revoked { since: None })), "{refused:?}");
}

macro_rules! on_both_stores {
    ($($case:ident)*) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let store = tower_pat::store::MemoryStore::default();
                super::$case(store.clone(), store).await;
            })*
        }

        /// Two handles that were opened apart share nothing but the file, as two processes do.
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                let open = || tower_pat::store::SqliteStore::open(folder.path().join("store.db"));
                let (here, there) = (open().await.unwrap(), open().await.unwrap());
                super::$case(here.clone(), there.clone()).await;
                here.close().await;
                there.close().await;
            })*
        }
    };
}

on_both_stores! {
    a_token_ends_with_each_of_its_ancestors
    a_session_and_what_is_nothing_to_the_child_do_not_end_it
    a_parent_that_comes_later_ends_its_children
    what_has_too_many_ancestors_to_look_at_is_refused
}
