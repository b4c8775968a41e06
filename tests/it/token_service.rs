//! Making, listing and revoking tokens, as mechanism.

use std::{sync::Arc, time::Duration};

use tower_pat::{
    Config, TokenService,
    actor::{DirectoryStore, Urn},
    backend::StoreError,
    clock::{Clock, ManualClock, Timestamp},
    random::{RandomError, RandomSource},
    store::MemoryStore,
    token::{
        AccessTokenDuration, Lifetime, LifetimePolicy, RevocationRule, RuleScope, TokenError,
        TokenType,
    },
    token_service::{
        MintError, MintRequest, TokenFilter, TokenQuery, TokenSort, TokenStore, VerifyError,
    },
};

use crate::support::{KEY, World, config, user};

const DAY: Lifetime = Lifetime::For(Duration::from_hours(24));

fn personal(id: &str) -> MintRequest {
    MintRequest::new(TokenType::Personal, user(id), DAY)
}

/// Says the bytes 0, 1, 2 and so on.
#[derive(Debug)]
struct Counting;

impl RandomSource for Counting {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomError> {
        bytes.iter_mut().zip(0..).for_each(|(byte, number)| *byte = number);
        Ok(())
    }
}

#[derive(Debug)]
struct Broken;

impl RandomSource for Broken {
    fn fill(&self, _: &mut [u8]) -> Result<(), RandomError> {
        Err(RandomError)
    }
}

#[tokio::test]
async fn what_is_minted_is_stored_and_verifies() {
    let world = World::new().await;
    let request = personal("alice").owner(user("bob")).name("ci").description("nightly");
    let minted = world.tokens.mint(request.created_via("rust")).await.unwrap();
    let record = &minted.record;
    assert_eq!(world.tokens.metadata(&record.id).await.unwrap().as_ref(), Some(record));
    assert_eq!(world.tokens.id_of(minted.token.expose()), record.id);
    assert_eq!((record.name.as_str(), record.description.as_deref()), ("ci", Some("nightly")));
    assert_eq!((&record.actor, &record.owner), (&user("alice"), &user("bob")));
    assert_eq!(record.created_at, Timestamp::from_seconds(1_750_000_000));
    assert_eq!(record.expires_at, Some(Timestamp::from_seconds(1_750_086_400)));
    assert_eq!(record.created_via.as_deref(), Some("rust"));
    assert!(record.key_id.is_some());

    let active = world.tokens.verify(minted.token.expose()).await.unwrap();
    assert_eq!(active.record.as_ref(), Some(record));
    assert_eq!(*active.actor.urn(), user("alice"));
    assert_eq!(active.claims.token_type, TokenType::Personal);
}

#[tokio::test]
async fn the_jti_is_a_uuid_of_the_random_source() {
    let store = Arc::new(MemoryStore::default());
    store.create_user(&user("alice")).await.unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_750_000_000)));
    let service = TokenService::new(&config().build().unwrap(), store).clock(clock);
    let counting = service.clone().random(Arc::new(Counting));
    let minted = counting.mint(personal("alice")).await.unwrap();
    let active = counting.verify(minted.token.expose()).await.unwrap();
    assert_eq!(active.claims.jti.as_deref(), Some("00010203-0405-4607-8809-0a0b0c0d0e0f"));
    // The very same token again: nothing is replaced.
    let again = counting.mint(personal("alice")).await.unwrap_err();
    assert!(matches!(again, MintError::Store(StoreError::AlreadyExists)), "{again}");
    let broken = service.random(Arc::new(Broken)).mint(personal("alice")).await;
    assert!(matches!(broken, Err(MintError::Random(_))));
}

#[tokio::test]
async fn nobody_gets_a_token_for_who_must_not_act_by_one() {
    let system = user("root");
    let world = World::with(config().dangerous_system_actor(system.clone())).await;
    for actor in [system, user("__datahub_system"), user("anonymous")] {
        let request = MintRequest::new(TokenType::Personal, actor.clone(), DAY);
        let error = world.tokens.mint(request).await.unwrap_err();
        assert!(matches!(&error, MintError::ReservedActor(reserved) if *reserved == actor));
    }
    for text in [
        "urn:li:corpGroup:admins",
        "urn:li:corpuser",
        "urn:li:dataHubRole:Admin",
        "urn:other:corpuser:alice",
    ] {
        let actor: Urn = text.parse().unwrap();
        let request = MintRequest::new(TokenType::Personal, actor, DAY);
        let error = world.tokens.mint(request).await.unwrap_err();
        assert!(matches!(error, MintError::NotAUser(_)), "{text}");
    }
}

#[tokio::test]
async fn only_allowed_lifetimes_are_minted() {
    let world = World::new().await;
    let mint = async |lifetime| {
        let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
        world.tokens.mint(request).await
    };
    for duration in AccessTokenDuration::ALL {
        let is_allowed = duration != AccessTokenDuration::NoExpiry;
        assert_eq!(mint(duration.lifetime()).await.is_ok(), is_allowed, "{duration}");
    }
    let odd = mint("PT2H".parse().unwrap()).await.unwrap_err();
    assert!(matches!(odd, MintError::Lifetime(_)), "{odd}");

    let lifetimes = LifetimePolicy::default().allow_no_expiry(true);
    let world = World::with(config().lifetimes(lifetimes)).await;
    let request = MintRequest::new(TokenType::Personal, user("alice"), Lifetime::Never);
    let minted = world.tokens.mint(request).await.unwrap();
    assert_eq!(minted.record.expires_at, None);
    world.clock.advance(Duration::from_hours(24 * 365 * 50));
    assert!(world.tokens.verify(minted.token.expose()).await.is_ok());
}

#[tokio::test]
async fn a_revoked_token_is_gone_but_for_the_one_who_presents_it() {
    let world = World::new().await;
    let (one, other) = (world.mint().await, world.mint().await);
    assert!(world.tokens.revoke(&one.record.id, &user("alice")).await.unwrap());
    assert!(!world.tokens.revoke(&one.record.id, &user("alice")).await.unwrap());
    assert_eq!(world.tokens.metadata(&one.record.id).await.unwrap(), None);
    let listed = world.tokens.list(&TokenQuery::default()).await.unwrap();
    assert_eq!(listed.tokens, std::slice::from_ref(&other.record));
    let error = world.tokens.verify(one.token.expose()).await.unwrap_err();
    let since = Some(Timestamp::from_seconds(1_750_000_000));
    assert!(matches!(error, VerifyError::Revoked { since: at } if at == since), "{error:?}");

    world.tokens.revoke_all(RuleScope::Actor(user("alice")), &user("bob")).await.unwrap();
    assert_eq!(world.tokens.metadata(&other.record.id).await.unwrap(), None);
    assert_eq!(world.tokens.list(&TokenQuery::default()).await.unwrap().total, 0);
    assert!(world.tokens.verify(other.token.expose()).await.is_err());
}

#[tokio::test]
async fn the_record_can_end_a_token_before_its_text_does() {
    let world = World::new().await;
    let minted = world.mint().await;
    let mut record = minted.record.clone();
    record.valid_until = Some(record.created_at.saturating_add(Duration::from_secs(60)));
    let other = World::new().await;
    other.store.inner.insert(&record).await.unwrap();
    assert_eq!(other.answer(minted.token.expose()).await.status, 200);
    other.clock.advance(Duration::from_secs(60));
    assert_eq!(other.answer(minted.token.expose()).await.code(), "token_expired");
    let error = other.tokens.verify(minted.token.expose()).await.unwrap_err();
    assert!(matches!(error, VerifyError::Token(TokenError::Expired(_))));
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    for name in ["c", "a", "b"] {
        world.tokens.mint(personal("alice").name(name)).await.unwrap();
    }
    world.tokens.mint(personal("bob").name("d")).await.unwrap();
    let query = TokenQuery::default()
        .filter(TokenFilter::Owner(vec![user("alice")]))
        .ascending(TokenSort::Name)
        .page(1, 1);
    let page = world.tokens.list(&query).await.unwrap();
    assert_eq!((page.tokens[0].name.as_str(), page.tokens.len(), page.total), ("b", 1, 3));
}

#[tokio::test]
async fn a_key_that_verifies_need_not_sign() {
    let old = World::new().await;
    let minted = old.mint().await;
    let new_key = KEY.replace('q', "p");
    let rotated = || Config::builder(&new_key, crate::support::SALT);
    let world = World::with(rotated().verification_key(KEY)).await;
    world.store.inner.insert(&minted.record).await.unwrap();
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    let fresh = world.mint().await;
    assert_ne!(fresh.record.key_id, minted.record.key_id);
    let without = World::with(rotated()).await;
    without.store.inner.insert(&minted.record).await.unwrap();
    assert_eq!(without.answer(minted.token.expose()).await.code(), "token_not_accepted");
}

#[tokio::test]
async fn a_rule_is_not_about_a_time_to_come_and_never_reaches_less_far() {
    let world = World::new().await;
    let minted = world.mint().await;
    let now = world.clock.now();
    let later = |millis| now.saturating_add(Duration::from_millis(millis));
    for scope in [RuleScope::All, RuleScope::Actor(user("bob")), RuleScope::Owner(user("bob"))] {
        let rule = |issued_before, by| RevocationRule {
            scope: scope.clone(),
            issued_before,
            by: user(by),
        };
        let refused = world.tokens.add_rule(&rule(later(2), "max")).await;
        assert!(matches!(refused, Err(StoreError::Invalid(_))), "{refused:?}");
        assert!(world.tokens.verify(minted.token.expose()).await.is_ok());
        let first = rule(now, "max");
        assert_eq!(world.tokens.add_rule(&first).await.unwrap(), first);
        let earlier = rule(Timestamp::from_seconds(0), "zoe");
        assert_eq!(world.tokens.add_rule(&earlier).await.unwrap(), first);
        // Made at `now`, and so not before it.
        assert!(world.tokens.verify(minted.token.expose()).await.is_ok());
    }
}
