//! Making, seeing and revoking tokens.

use std::time::Duration;

use tower_pat::{
    access::{AccessError, AccessErrorKind, Caller, CreateToken, TokensOf},
    actor::{DirectoryStore, Urn, User, UserKind},
    config::TokenMinting,
    policy::{PolicyRecord, PolicyStore},
    store::Store,
    token::{Lifetime, TokenId, TokenType},
    token_service::{MintedToken, TokenFilter, TokenQuery},
};

use super::{
    ACCOUNTS, GENERATE, HOUR, Place, TOKENS, UNAUTHORIZED, caller, cases, granting, max, personal,
    seen,
};
use crate::support::{config, urn, user};

cases! {
    a_token_is_kept_as_it_was_asked_for
    texts_are_kept_as_they_are_given
    names_and_descriptions_are_bounded
    nobody_mints_for_whom_nobody_may_act
    only_what_is_asked_for_on_request_is_minted
    only_service_accounts_get_their_tokens
    foreign_tokens_answer_as_those_that_do_not_exist
    owner_and_actor_see_and_revoke
    managers_are_told_what_is_not_there
    lists_are_of_ones_own_unless_one_manages
    pages_are_bounded
    the_older_call_makes_a_token_like_others
    a_request_knows_its_token
    a_text_is_looked_up_by_managers_alone
    introspection_says_nothing_to_strangers
    what_a_suspended_owner_left_behind_can_be_found_and_ended
    everything_of_oneself_is_revoked_at_once
}

/// A token that alice made and that acts as bob.
async fn alices_for_bob<S: Store + Clone>(place: &Place<S>) -> MintedToken {
    place.access.create_token(&caller("alice", &[TOKENS]), personal("bob")).await.unwrap()
}

async fn a_token_is_kept_as_it_was_asked_for<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let alice = caller("alice", &[GENERATE]);
    let request = personal("alice").description("nightly").created_via("graphql");
    let minted = place.access.create_token(&alice, request).await.unwrap();
    let record = &minted.record;
    assert_eq!((&record.actor, &record.owner), (&user("alice"), &user("alice")));
    assert_eq!((record.name.as_str(), record.description.as_deref()), ("laptop", Some("nightly")));
    assert_eq!(record.created_via.as_deref(), Some("graphql"));
    assert_eq!(record.token_type, Some(TokenType::Personal));
    assert_eq!((record.parent, &record.restrictions), (None, &None));
    assert_eq!(place.access.token(&alice, &record.id).await.unwrap(), *record);
    assert!(place.is_good(&minted).await);
    // Names are not keys.
    place.access.create_token(&alice, personal("alice")).await.unwrap();
    // The one who makes it owns it.
    let for_bob = alices_for_bob(&place).await.record;
    assert_eq!((&for_bob.actor, &for_bob.owner), (&user("bob"), &user("alice")));
}

async fn texts_are_kept_as_they_are_given<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let alice = caller("alice", &[GENERATE]);
    for text in [
        "<script>alert(1)</script>",
        "\u{202e}gnihsihp",
        "bell\u{7} null\u{0} escape\u{1b}[31m",
        "'; DROP TABLE tokens; --",
        " % _ \\ \" ",
        "e\u{301}😀\u{200d}\u{feff}",
        "line\nbreak\r\n",
    ] {
        let request = CreateToken::new(TokenType::Personal, user("alice"), HOUR, text);
        let id = place.access.create_token(&alice, request.description(text)).await.unwrap();
        let stored = place.access.token(&alice, &id.record.id).await.unwrap();
        assert_eq!((stored.name.as_str(), stored.description.as_deref()), (text, Some(text)));
        let mine = TokenQuery::default()
            .filter(TokenFilter::Owner(vec![user("alice")]))
            .filter(TokenFilter::Id(vec![id.record.id]));
        assert_eq!(place.access.list_tokens(&alice, &mine).await.unwrap().tokens, [stored]);
    }
}

async fn names_and_descriptions_are_bounded<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let alice = caller("alice", &[GENERATE]);
    let named = |name: &str| CreateToken::new(TokenType::Personal, user("alice"), HOUR, name);
    for name in ["", " ", "\t \u{a0}", &"é".repeat(51)] {
        let (kind, told, _) = seen(place.access.create_token(&alice, named(name)).await);
        assert_eq!(kind, AccessErrorKind::BadRequest, "{name:?}");
        assert!(told.contains("1 to 50 characters"), "{told}");
    }
    place.access.create_token(&alice, named(&"é".repeat(50))).await.unwrap();
    let described = |length| named("a").description("é".repeat(length));
    place.access.create_token(&alice, described(500)).await.unwrap();
    let (kind, told, _) = seen(place.access.create_token(&alice, described(501)).await);
    assert_eq!(kind, AccessErrorKind::BadRequest);
    assert!(told.contains("0 to 500 characters"), "{told}");
    assert_eq!(place.tokens.list(&TokenQuery::default()).await.unwrap().total, 2);
}

async fn nobody_mints_for_whom_nobody_may_act<S: Store + Clone>(store: S) {
    let place = Place::with(store, config().dangerous_system_actor(user("system"))).await;
    for actor in [
        "urn:li:corpuser:system",
        "urn:li:corpuser:__datahub_system",
        "urn:li:corpuser:anonymous",
        "urn:li:corpuser",
        "urn:li:corpGroup:admins",
        "urn:li:dataHubRole:Admin",
        "urn:other:corpuser:alice",
    ] {
        let mut request = personal("alice");
        request.actor = urn(actor);
        let (kind, told, _) = seen(place.access.create_token(&max(), request.clone()).await);
        assert_eq!(kind, AccessErrorKind::BadRequest, "{actor}");
        assert!(told.contains(actor), "{told}");
        // Who may not is not even told that.
        let refused = place.access.create_token(&caller("zoe", &[GENERATE]), request).await;
        assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::Forbidden, "{actor}");
    }
    for text in ["", "alice", "urn:li:corpuser:", "urn:li:corpuser:a)"] {
        let error = AccessError::from(text.parse::<Urn>().unwrap_err());
        assert_eq!(error.kind(), AccessErrorKind::BadRequest, "{text}");
    }
    // Not even for itself.
    for id in ["system", "anonymous"] {
        let refused = place.access.quick_token(&caller(id, &[GENERATE]), &user(id), HOUR).await;
        assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest, "{id}");
    }
    assert_eq!(place.tokens.list(&TokenQuery::default()).await.unwrap().total, 0);
}

async fn only_what_is_asked_for_on_request_is_minted<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let mut session = personal("max");
    session.token_type = TokenType::Session;
    let (kind, told, _) = seen(place.access.create_token(&max(), session).await);
    assert_eq!(kind, AccessErrorKind::BadRequest);
    assert_eq!(told, "Unsupported AccessTokenType SESSION provided");
    for lifetime in [Lifetime::Never, "PT2H".parse().unwrap()] {
        let mut request = personal("max");
        request.lifetime = lifetime;
        let (kind, told, _) = seen(place.access.create_token(&max(), request).await);
        assert_eq!(kind, AccessErrorKind::BadRequest);
        assert_eq!(told, place.access.lifetimes().check(lifetime).unwrap_err().to_string());
    }
}

async fn only_service_accounts_get_their_tokens<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let robot = User::new(user("robot")).kind(UserKind::ServiceAccount);
    place.store.add_user(&robot).await.unwrap();
    place.store.create_user(&user("service_person")).await.unwrap();
    let request = |id| CreateToken::new(TokenType::ServiceAccount, user(id), HOUR, "ci");
    let manager = caller("zoe", &[ACCOUNTS]);
    let minted = place.access.create_token(&manager, request("robot")).await.unwrap();
    assert_eq!(minted.record.token_type, Some(TokenType::ServiceAccount));
    assert_eq!((&minted.record.actor, &minted.record.owner), (&user("robot"), &user("zoe")));
    assert!(place.is_good(&minted).await);
    // By their kind, and not by their names.
    for id in ["service_person", "alice", "nobody-there"] {
        let (kind, told, _) = seen(place.access.create_token(&manager, request(id)).await);
        assert_eq!(kind, AccessErrorKind::BadRequest);
        let cause = format!("The specified URN is not a service account: {}", user(id));
        assert_eq!(told, format!("Failed to validate service account. Root cause: {cause}"));
    }
    // Who may not learns nothing of who is one.
    let manages_tokens = caller("zoe", &[TOKENS]);
    let of_robot = seen(place.access.create_token(&manages_tokens, request("robot")).await);
    assert_eq!(of_robot, seen(place.access.create_token(&manages_tokens, request("alice")).await));
    assert_eq!((of_robot.0, of_robot.1.as_str()), (AccessErrorKind::Forbidden, UNAUTHORIZED));
    // Who can act as anybody can act as a service account, as in DataHub.
    place.access.create_token(&manages_tokens, personal("robot")).await.unwrap();
}

async fn foreign_tokens_answer_as_those_that_do_not_exist<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let good = alices_for_bob(&place).await.record.id;
    let (revoked, over) = (alices_for_bob(&place).await, alices_for_bob(&place).await);
    assert!(place.tokens.revoke(&revoked.record.id, &user("max")).await.unwrap());
    place.clock.advance(Duration::from_hours(2));
    for zoe in [caller("zoe", &[]), caller("zoe", &[GENERATE]), caller("zoe", &[ACCOUNTS])] {
        let unknown = TokenId::from_bytes([9; 32]);
        let read = seen(place.access.token(&zoe, &unknown).await);
        let revoke = seen(place.access.revoke_token(&zoe, &unknown).await);
        assert_eq!((read.0, read.1.as_str()), (AccessErrorKind::Forbidden, UNAUTHORIZED));
        assert_eq!(read, revoke);
        for id in [good, revoked.record.id, over.record.id] {
            assert_eq!(seen(place.access.token(&zoe, &id).await), read);
            assert_eq!(seen(place.access.revoke_token(&zoe, &id).await), revoke);
        }
    }
    assert!(place.access.token(&max(), &good).await.is_ok());
}

async fn owner_and_actor_see_and_revoke<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    for who in ["alice", "bob"] {
        let token = alices_for_bob(&place).await;
        let (caller, id) = (caller(who, &[]), token.record.id);
        assert_eq!(place.access.token(&caller, &id).await.unwrap(), token.record, "{who}");
        place.access.revoke_token(&caller, &id).await.unwrap();
        assert!(!place.is_good(&token).await);
        let stored = place.tokens.verify(token.token.expose()).await;
        assert!(stored.is_err());
        // It was theirs, so they are told what became of it.
        let (kind, told, _) = seen(place.access.token(&caller, &id).await);
        assert_eq!((kind, told.as_str()), (AccessErrorKind::NotFound, GONE));
        let (kind, told, _) = seen(place.access.revoke_token(&caller, &id).await);
        assert_eq!((kind, told.as_str()), (AccessErrorKind::Internal, NOTHING));
    }
    // By a rule, too.
    let token = alices_for_bob(&place).await.record.id;
    let alice = caller("alice", &[]);
    place.access.revoke_tokens(&alice, TokensOf::Owner(user("alice"))).await.unwrap();
    assert_eq!(seen(place.access.token(&alice, &token).await).0, AccessErrorKind::NotFound);
    for caller in [alice, max()] {
        assert_eq!(seen(place.access.revoke_token(&caller, &token).await).1, NOTHING);
    }
    assert_eq!(place.store.find(&token).await.unwrap().unwrap().revoked, None);
}

async fn managers_are_told_what_is_not_there<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let unknown = TokenId::from_bytes([9; 32]);
    let (kind, told, _) = seen(place.access.token(&max(), &unknown).await);
    assert_eq!((kind, told.as_str()), (AccessErrorKind::NotFound, GONE));
    let (kind, told, _) = seen(place.access.revoke_token(&max(), &unknown).await);
    assert_eq!((kind, told.as_str()), (AccessErrorKind::Internal, NOTHING));
    let token = alices_for_bob(&place).await;
    place.access.revoke_token(&max(), &token.record.id).await.unwrap();
    assert!(!place.is_good(&token).await);
    assert_eq!(seen(place.access.token(&max(), &token.record.id).await).1, GONE);
    assert_eq!(seen(place.access.revoke_token(&max(), &token.record.id).await).1, NOTHING);
    let error = AccessError::from("no id".parse::<TokenId>().unwrap_err());
    assert_eq!(error.kind(), AccessErrorKind::BadRequest);
}

async fn lists_are_of_ones_own_unless_one_manages<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let alice = caller("alice", &[GENERATE]);
    let own = place.access.create_token(&alice, personal("alice")).await.unwrap().record.id;
    let for_bob = alices_for_bob(&place).await.record.id;
    let bobs = caller("bob", &[GENERATE]);
    let bobs = place.access.create_token(&bobs, personal("bob")).await.unwrap().record.id;
    let list = async |caller: &Caller, filters: &[TokenFilter]| {
        let mut query = TokenQuery::default();
        query.filters = filters.to_vec();
        let page = place.access.list_tokens(caller, &query).await?;
        assert_eq!(page.total, page.tokens.len() as u64);
        let mut ids: Vec<_> = page.tokens.into_iter().map(|record| record.id).collect();
        ids.sort_unstable();
        Ok::<_, AccessError>(ids)
    };
    let sorted = |mut ids: Vec<TokenId>| {
        ids.sort_unstable();
        ids
    };
    let owner = |id| TokenFilter::Owner(vec![user(id)]);
    let actor = |id| TokenFilter::Actor(vec![user(id)]);
    let either = |id| TokenFilter::AnyOf(vec![owner(id), actor(id)]);
    assert_eq!(list(&alice, &[owner("alice")]).await.unwrap(), sorted(vec![own, for_bob]));
    assert_eq!(list(&alice, &[actor("alice")]).await.unwrap(), [own]);
    let bob = caller("bob", &[GENERATE]);
    assert_eq!(list(&bob, &[either("bob")]).await.unwrap(), sorted(vec![for_bob, bobs]));
    assert_eq!(list(&bob, &[owner("alice"), actor("bob")]).await.unwrap(), [for_bob]);
    let all = sorted(vec![own, for_bob, bobs]);
    assert_eq!(list(&max(), &[]).await.unwrap(), all);
    assert_eq!(list(&max(), &[TokenFilter::Not(Box::new(owner("zoe")))]).await.unwrap(), all);
    for filters in [vec![], vec![owner("bob")], vec![TokenFilter::Not(Box::new(owner("alice")))]] {
        let (kind, told, _) = seen(list(&alice, &filters).await);
        assert_eq!((kind, told.as_str()), (AccessErrorKind::Forbidden, UNAUTHORIZED));
    }
    let cannot_generate = caller("alice", &[]);
    let (kind, ..) = seen(list(&cannot_generate, &[owner("alice")]).await);
    assert_eq!(kind, AccessErrorKind::Forbidden);
    // More than a store takes is the caller's fault, and nobody else's.
    let many = TokenFilter::Id(vec![own; 10_000]);
    assert_eq!(seen(list(&max(), &[many]).await).0, AccessErrorKind::BadRequest);
}

async fn pages_are_bounded<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    for _ in 0..3 {
        alices_for_bob(&place).await;
    }
    let list = async |start, count| {
        let query = TokenQuery::default().page(start, count);
        place.access.list_tokens(&max(), &query).await
    };
    assert_eq!(list(2, 1_000).await.unwrap().tokens.len(), 1);
    let nothing = list(10_000_000, 0).await.unwrap();
    assert_eq!((nothing.tokens.len(), nothing.total), (0, 3));
    for (start, count) in [(0, 1_001), (0, u32::MAX), (10_000_001, 1), (u32::MAX, 1)] {
        assert_eq!(seen(list(start, count).await).0, AccessErrorKind::BadRequest);
    }
}

async fn the_older_call_makes_a_token_like_others<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let alice = caller("alice", &[GENERATE]);
    let minted = place.access.quick_token(&alice, &user("alice"), HOUR).await.unwrap();
    assert!(place.is_good(&minted).await);
    assert_eq!(minted.record.token_type, Some(TokenType::Personal));
    assert_eq!(minted.record.owner, user("alice"));
    let record = place.access.token(&alice, &minted.record.id).await.unwrap();
    assert!(!record.name.is_empty());
    place.access.revoke_token(&alice, &minted.record.id).await.unwrap();
    assert!(!place.is_good(&minted).await);
    // Not even managers for others.
    let refused = place.access.quick_token(&max(), &user("alice"), HOUR).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::Forbidden);
}

async fn a_request_knows_its_token<S: Store + Clone>(store: S) {
    let place = Place::with(store, config().token_minting(TokenMinting::SessionsOnly)).await;
    let token = place.mint(TokenType::Personal, "bob", HOUR).await;
    let by_token = place.by(&token).await;
    assert_eq!(place.access.current_token(&by_token).await.unwrap(), token.record);
    let (kind, ..) = seen(place.access.current_token(&caller("bob", &[])).await);
    assert_eq!(kind, AccessErrorKind::NotFound);
    place.access.revoke_token(&by_token, &token.record.id).await.unwrap();
    let gone = |result| {
        let (kind, _, error) = seen(result);
        assert_eq!(kind, AccessErrorKind::Unauthenticated);
        error
    };
    assert_eq!(gone(place.access.current_token(&by_token).await), "CredentialRevoked");
    let token = place.mint(TokenType::Personal, "bob", HOUR).await;
    let by_token = place.by(&token).await;
    place.clock.advance(Duration::from_hours(1));
    assert_eq!(gone(place.access.current_token(&by_token).await), "CredentialExpired");
}

async fn a_text_is_looked_up_by_managers_alone<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let token = alices_for_bob(&place).await;
    let text = token.token.expose();
    let found = place.access.token_metadata(&max(), text).await.unwrap();
    assert_eq!(found.as_ref(), Some(&token.record));
    assert_eq!(place.access.token_metadata(&max(), "nonsense").await.unwrap(), None);
    for id in ["alice", "bob", "zoe"] {
        let refused = place.access.token_metadata(&caller(id, &[GENERATE]), text).await;
        assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::Forbidden, "{id}");
    }
    place.access.revoke_token(&max(), &token.record.id).await.unwrap();
    assert_eq!(place.access.token_metadata(&max(), text).await.unwrap(), None);
}

async fn introspection_says_nothing_to_strangers<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let token = alices_for_bob(&place).await;
    let introspect = async |caller: &Caller| {
        let found = place.access.introspect(caller, token.token.expose()).await.unwrap();
        found.map(|active| active.record)
    };
    for who in [caller("alice", &[]), caller("bob", &[]), max()] {
        assert_eq!(introspect(&who).await, Some(Some(token.record.clone())), "{who:?}");
    }
    assert_eq!(introspect(&caller("zoe", &[GENERATE, ACCOUNTS])).await, None);
    assert!(place.access.introspect(&max(), "nonsense").await.unwrap().is_none());
    let (kind, ..) = seen(place.access.introspect(&Caller::anonymous(), "nonsense").await);
    assert_eq!(kind, AccessErrorKind::Unauthenticated);
    place.clock.advance(Duration::from_hours(1));
    assert_eq!(introspect(&max()).await, None);
}

async fn what_a_suspended_owner_left_behind_can_be_found_and_ended<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let by_alice = alices_for_bob(&place).await;
    let by_bob = place.access.create_token(&caller("bob", &[GENERATE]), personal("bob")).await;
    let by_bob = by_bob.unwrap();
    let own = place.access.create_token(&caller("alice", &[GENERATE]), personal("alice")).await;
    let own = own.unwrap();
    place.access.set_suspended(&max(), &user("alice"), true).await.unwrap();
    assert!(!place.is_good(&own).await);
    // It acts as bob, who is not suspended.
    assert!(place.is_good(&by_alice).await);
    assert_eq!(place.by(&by_alice).await.urn(), Some(&user("bob")));
    let of_alice = TokenQuery::default().filter(TokenFilter::Owner(vec![user("alice")]));
    assert_eq!(place.access.list_tokens(&max(), &of_alice).await.unwrap().total, 2);

    let bob = caller("bob", &[GENERATE]);
    let all_of_alice = || TokensOf::Owner(user("alice"));
    let refused = place.access.revoke_tokens(&bob, all_of_alice()).await;
    assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::Forbidden);
    place.access.revoke_tokens(&max(), all_of_alice()).await.unwrap();
    assert!(!place.is_good(&by_alice).await);
    assert!(place.is_good(&by_bob).await);
    assert_eq!(place.access.list_tokens(&max(), &of_alice).await.unwrap().total, 0);
    for nobody in ["urn:li:corpGroup:admins", "urn:other:corpuser:alice", "urn:li:corpuser"] {
        for whose in [TokensOf::Actor(urn(nobody)), TokensOf::Owner(urn(nobody))] {
            let refused = place.access.revoke_tokens(&max(), whose).await;
            assert_eq!(refused.unwrap_err().kind(), AccessErrorKind::BadRequest, "{nobody}");
        }
    }
}

async fn everything_of_oneself_is_revoked_at_once<S: Store + Clone>(store: S) {
    let place = Place::new(store).await;
    let (for_bob, bobs) =
        (alices_for_bob(&place).await, place.mint(TokenType::Personal, "bob", HOUR).await);
    let alices = place.mint(TokenType::Personal, "alice", HOUR).await;
    let bob = caller("bob", &[]);
    place.access.revoke_tokens(&bob, TokensOf::Owner(user("bob"))).await.unwrap();
    assert!(!place.is_good(&bobs).await && place.is_good(&for_bob).await);
    place.access.revoke_tokens(&bob, TokensOf::Actor(user("bob"))).await.unwrap();
    assert!(!place.is_good(&for_bob).await && place.is_good(&alices).await);
    // Again is no error, and what is made afterwards is good.
    place.access.revoke_tokens(&bob, TokensOf::Actor(user("bob"))).await.unwrap();
    place.clock.advance(Duration::from_millis(1));
    assert!(place.is_good(&alices_for_bob(&place).await).await);
}

/// Roles and groups count for managing as they do for everything.
#[tokio::test]
async fn whoever_edits_and_deletes_everything_manages_tokens() {
    let store = tower_pat::store::MemoryStore::default();
    let mut info = granting("eve", &["EDIT_ENTITY", "DELETE_ENTITY"]);
    info.policy_type = "METADATA".to_owned();
    let urn = urn("urn:li:dataHubPolicy:of-eve");
    store.put_policies(&[PolicyRecord { urn, info }]).await.unwrap();
    store.create_user(&user("eve")).await.unwrap();
    let place = Place::new(store).await;
    let token = alices_for_bob(&place).await;
    let eve = place.by(&place.mint(TokenType::Personal, "eve", HOUR).await).await;
    assert_eq!(place.access.list_tokens(&eve, &TokenQuery::default()).await.unwrap().total, 2);
    place.access.revoke_token(&eve, &token.record.id).await.unwrap();
    place.access.create_token(&eve, personal("alice")).await.unwrap();
}

const GONE: &str = "Access token no longer exists";
const NOTHING: &str = "Failed to revoke access token. Root cause: Access token no longer exists";
