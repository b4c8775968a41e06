//! What a token takes over from what it is minted with.

use std::time::Duration;

use tower_pat::{
    access::{AccessErrorKind, Caller, TokensOf},
    actor::{User, UserKind},
    clock::Timestamp,
    config::TokenMinting,
    store::Store,
    token::{
        ActorType, KeyRing, Lifetime, LifetimePolicy, TokenClaims, TokenKey, TokenType,
        TokenVerifier, TokenVersion,
    },
};

use super::{HOUR, MONTH, Place, cases, max, personal, seen};
use crate::support::{KEY, config, user};

cases! {
    a_token_mints_what_ends_with_it
    what_a_token_minted_is_revoked_with_it
    a_session_is_noted_and_nothing_more
    what_is_revoked_or_over_mints_nothing
    what_a_retired_key_signed_mints_nothing
    a_manager_is_bound_by_their_token_too
    a_token_of_version_1_mints_only_without_bounds
    unbounded_is_as_in_datahub
    sessions_only_lets_tokens_mint_nothing
    the_earlier_end_of_a_record_bounds
}

fn never_allowed() -> LifetimePolicy {
    LifetimePolicy::default().allow_no_expiry(true)
}

async fn a_token_mints_what_ends_with_it<S: Store + Clone>(store: S) {
    let place = Place::with(store, config().lifetimes(never_allowed())).await;
    let parent = place.mint(TokenType::Personal, "alice", HOUR).await;
    place.clock.advance(Duration::from_secs(600));
    let caller = place.by(&parent).await;
    for lifetime in [MONTH, Lifetime::Never] {
        let mut request = personal("alice");
        request.lifetime = lifetime;
        let child = place.access.create_token(&caller, request).await.unwrap();
        assert_eq!(child.record.expires_at, parent.record.expires_at, "{lifetime:?}");
        assert_eq!(child.record.parent, Some(parent.record.id));
        assert_eq!(child.record.restrictions, None);
        let active = place.tokens.verify(child.token.expose()).await.unwrap();
        assert_eq!(active.claims.expires_at, parent.record.expires_at);
        assert_eq!(active.record, Some(child.record));
    }
    let quick = place.access.quick_token(&caller, &user("alice"), MONTH).await.unwrap();
    assert_eq!(quick.record.expires_at, parent.record.expires_at);
    assert_eq!(quick.record.parent, Some(parent.record.id));

    let of_account = place.mint(TokenType::ServiceAccount, "alice", HOUR).await;
    let by_account = place.by(&of_account).await;
    let quick = place.access.quick_token(&by_account, &user("alice"), MONTH).await.unwrap();
    assert_eq!(quick.record.expires_at, of_account.record.expires_at);
    assert_eq!(quick.record.parent, Some(of_account.record.id));

    // What ends earlier anyway ends then.
    let long = place.mint(TokenType::Personal, "alice", MONTH).await;
    let short = place.access.create_token(&place.by(&long).await, personal("alice")).await.unwrap();
    let in_an_hour = short.record.created_at.saturating_add(Duration::from_hours(1));
    assert_eq!(short.record.expires_at, Some(in_an_hour));
    assert_eq!(short.record.parent, Some(long.record.id));

    // One without end bounds nothing, and is noted.
    let endless = place.mint(TokenType::Personal, "alice", Lifetime::Never).await;
    let mut request = personal("alice");
    request.lifetime = Lifetime::Never;
    let child = place.access.create_token(&place.by(&endless).await, request).await.unwrap();
    assert_eq!(child.record.expires_at, None);
    assert_eq!(child.record.parent, Some(endless.record.id));
}

async fn what_a_token_minted_is_revoked_with_it<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let parent = place.mint(TokenType::Personal, "alice", HOUR).await;
    let other = place.mint(TokenType::Personal, "alice", HOUR).await;
    let by_parent = place.by(&parent).await;
    let child = place.access.create_token(&by_parent, personal("alice")).await.unwrap();
    let by_child = place.by(&child).await;
    let grandchild = place.access.create_token(&by_child, personal("alice")).await.unwrap();
    assert!(place.is_good(&grandchild).await);
    place.access.revoke_token(&by_child, &parent.record.id).await.unwrap();
    for (token, good) in [(&parent, false), (&child, false), (&grandchild, false), (&other, true)] {
        assert_eq!(place.is_good(token).await, good);
    }
}

async fn a_session_is_noted_and_nothing_more<S: Store + Clone>(store: S) {
    let place = Place::with(store, config().accept_sessions(true)).await;
    let session = place.mint(TokenType::Session, "alice", HOUR).await;
    let caller = place.by(&session).await;
    let mut request = personal("alice");
    request.lifetime = MONTH;
    let child = place.access.create_token(&caller, request).await.unwrap();
    let in_a_month = child.record.created_at.saturating_add(Duration::from_hours(24 * 30));
    assert_eq!(child.record.expires_at, Some(in_a_month));
    assert_eq!(child.record.parent, Some(session.record.id));
    // Logging out ends the session alone. And who was logged out mints nothing.
    place.access.revoke_token(&caller, &session.record.id).await.unwrap();
    assert!(place.is_good(&child).await);
    let refused = place.access.create_token(&caller, personal("alice")).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::Unauthenticated);
}

async fn what_is_revoked_or_over_mints_nothing<S: Store + Clone>(store: S) {
    for (id, minting) in [("alice", TokenMinting::Bounded), ("bob", TokenMinting::Unbounded)] {
        let place = Place::with(store.clone(), config().token_minting(minting)).await;
        let [revoked, over, covered] =
            [HOUR, HOUR, MONTH].map(|lifetime| place.mint(TokenType::Personal, id, lifetime));
        let (revoked, over, covered) = (revoked.await, over.await, covered.await);
        let by_revoked = place.by(&revoked).await;
        let (by_over, by_covered) = (place.by(&over).await, place.by(&covered).await);
        let refused = async |caller: &Caller| {
            let refused = place.access.create_token(caller, personal(id)).await;
            let (kind, _, error) = seen(refused);
            assert_eq!(kind, AccessErrorKind::Unauthenticated, "{minting:?}");
            error
        };
        // The requests have come in, and then it happens.
        assert!(place.tokens.revoke(&revoked.record.id, &user("max")).await.unwrap());
        assert_eq!(refused(&by_revoked).await, "CredentialRevoked", "{minting:?}");
        place.clock.advance(Duration::from_hours(1));
        assert_eq!(refused(&by_over).await, "CredentialExpired", "{minting:?}");
        // By a rule, which is not in the record.
        let everything = TokensOf::Actor(user(id));
        place.access.revoke_tokens(&by_covered, everything).await.unwrap();
        assert_eq!(refused(&by_covered).await, "CredentialRevoked", "{minting:?}");
    }
}

async fn what_a_retired_key_signed_mints_nothing<S: Store + Clone>(store: S) {
    let new = "Zk3vB9xWq1LmT6yNcR8pD2sHfJ4gUaE7oK5iXtVbC0w=";
    let place = Place::with(store, config().verification_key(new)).await;
    let parent = place.mint(TokenType::Personal, "alice", HOUR).await;
    let by_parent = place.by(&parent).await;
    let [old, new] = [KEY, new].map(|text| TokenKey::new(text).unwrap().id());
    place.tokens.promote_key(new, &user("max")).await.unwrap();
    place.access.create_token(&by_parent, personal("alice")).await.unwrap();
    // The request has come in, and then it happens.
    place.tokens.retire_key(old, &user("max")).await.unwrap();
    let (.., error) = seen(place.access.create_token(&by_parent, personal("alice")).await);
    assert_eq!(error, "CredentialRevoked");
    let (.., error) = seen(place.access.current_token(&by_parent).await);
    assert_eq!(error, "CredentialRevoked");
}

async fn a_manager_is_bound_by_their_token_too<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let account = User::new(user("robot")).kind(UserKind::ServiceAccount);
    place.store.add_user(&account).await.unwrap();
    let parent = place.mint(TokenType::Personal, "max", HOUR).await;
    let caller = place.by(&parent).await;
    for (token_type, actor) in
        [(TokenType::Personal, "alice"), (TokenType::ServiceAccount, "robot")]
    {
        let mut request = personal(actor);
        request.token_type = token_type;
        request.lifetime = MONTH;
        let child = place.access.create_token(&caller, request).await.unwrap();
        assert_eq!((&child.record.actor, &child.record.owner), (&user(actor), &user("max")));
        assert_eq!(child.record.token_type, Some(token_type));
        assert_eq!(child.record.expires_at, parent.record.expires_at);
        assert_eq!(child.record.parent, Some(parent.record.id));
    }
}

/// A token of version 1, good for an hour.
fn stateless() -> String {
    let claims = TokenClaims {
        actor_type: ActorType::User,
        actor_id: "alice".to_owned(),
        token_type: TokenType::Personal,
        version: TokenVersion::Stateless,
        jti: None,
        expires_at: Some(Timestamp::from_seconds(1_750_003_600)),
    };
    let signer = TokenVerifier::new(KeyRing::new(TokenKey::new(KEY).unwrap()));
    signer.sign(&claims).unwrap().expose().to_owned()
}

async fn a_token_of_version_1_mints_only_without_bounds<S: Store + Clone>(store: S) {
    let place = Place::with(store.clone(), config().accept_stateless(true)).await;
    let by_stateless = place.by_text(&stateless()).await.unwrap();
    let text = "Unauthorized to create access tokens with an access token that is not stored \
                (version 1), which cannot be revoked.";
    let (kind, told, _) = seen(place.access.create_token(&by_stateless, personal("alice")).await);
    assert_eq!((kind, told.as_str()), (AccessErrorKind::Forbidden, text));
    let (kind, told, _) = seen(place.access.quick_token(&by_stateless, &user("alice"), HOUR).await);
    assert_eq!((kind, told.as_str()), (AccessErrorKind::Forbidden, text));

    let unbounded = || config().accept_stateless(true).token_minting(TokenMinting::Unbounded);
    let place = Place::with(store.clone(), unbounded()).await;
    let by_stateless = place.by_text(&stateless()).await.unwrap();
    let child = place.access.create_token(&by_stateless, personal("alice")).await.unwrap();
    assert_eq!(child.record.parent, None);
    // Over, or revoked by a rule, since the request was authenticated.
    place.clock.advance(Duration::from_hours(1));
    let (kind, _, error) = seen(place.access.create_token(&by_stateless, personal("alice")).await);
    assert_eq!((kind, error.as_str()), (AccessErrorKind::Unauthenticated, "CredentialExpired"));
    let place = Place::with(store, unbounded()).await;
    place.access.revoke_tokens(&by_stateless, TokensOf::Actor(user("alice"))).await.unwrap();
    let (kind, _, error) = seen(place.access.create_token(&by_stateless, personal("alice")).await);
    assert_eq!((kind, error.as_str()), (AccessErrorKind::Unauthenticated, "CredentialRevoked"));
}

async fn unbounded_is_as_in_datahub<S: Store + Clone>(store: S) {
    let place = Place::with(store, config().token_minting(TokenMinting::Unbounded)).await;
    let parent = place.mint(TokenType::Personal, "alice", HOUR).await;
    let caller = place.by(&parent).await;
    let mut request = personal("alice");
    request.lifetime = MONTH;
    let child = place.access.create_token(&caller, request).await.unwrap();
    let in_a_month = child.record.created_at.saturating_add(Duration::from_hours(24 * 30));
    assert_eq!(child.record.expires_at, Some(in_a_month));
    place.access.revoke_token(&caller, &parent.record.id).await.unwrap();
    assert!(place.is_good(&child).await);
}

async fn sessions_only_lets_tokens_mint_nothing<S: Store + Clone>(store: S) {
    let sessions_only = config().token_minting(TokenMinting::SessionsOnly);
    let place = Place::with(store, sessions_only.accept_sessions(true)).await;
    let of_account = place.mint(TokenType::ServiceAccount, "alice", HOUR).await;
    let by_account = place.by(&of_account).await;
    let (kind, ..) = seen(place.access.create_token(&by_account, personal("alice")).await);
    assert_eq!(kind, AccessErrorKind::Forbidden);
    let token = place.mint(TokenType::Personal, "alice", HOUR).await;
    let by_token = place.by(&token).await;
    let text = "Unauthorized to create access tokens with an access token. Please log in to create \
                one.";
    let (kind, told, _) = seen(place.access.create_token(&by_token, personal("alice")).await);
    assert_eq!((kind, told.as_str()), (AccessErrorKind::Forbidden, text));
    let (kind, told, _) = seen(place.access.quick_token(&by_token, &user("alice"), HOUR).await);
    assert_eq!((kind, told.as_str()), (AccessErrorKind::Forbidden, text));
    // What is there can still be looked at and revoked.
    place.access.current_token(&by_token).await.unwrap();
    place.access.revoke_token(&by_token, &token.record.id).await.unwrap();

    let session = place.mint(TokenType::Session, "alice", HOUR).await;
    place.access.create_token(&place.by(&session).await, personal("alice")).await.unwrap();
    // An authenticator of the service's own.
    let minted = place.access.create_token(&max(), personal("alice")).await.unwrap();
    assert_eq!(minted.record.parent, None);
}

async fn the_earlier_end_of_a_record_bounds<S: Store + Clone>(store: S) {
    // Made elsewhere, and ended before its time there.
    let elsewhere = Place::new(tower_pat::store::MemoryStore::default()).await;
    let parent = elsewhere.mint(TokenType::Personal, "alice", HOUR).await;
    let place = Place::new(store).await;
    let mut record = parent.record.clone();
    let soon = record.created_at.saturating_add(Duration::from_secs(60));
    record.valid_until = Some(soon);
    place.store.insert(&record).await.unwrap();
    let caller = place.by(&parent).await;
    let child = place.access.create_token(&caller, personal("alice")).await.unwrap();
    assert_eq!(child.record.expires_at, Some(soon));
}
