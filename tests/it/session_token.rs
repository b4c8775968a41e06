//! SESSION tokens that an authenticator of the chain found: judged as tokens are, and apart from them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{HeaderValue, Request};
use tower_pat::{
    AuthenticateLayer, Authenticator,
    actor::DirectoryStore,
    authenticate::{
        Attempt, AuthenticateError, Credential, CredentialAuthenticator, RequestHead, Verdict,
    },
    config::ConfigBuilder,
    token::{
        ActorType, KeyRing, RuleScope, TokenClaims, TokenKey, TokenText, TokenType, TokenVerifier,
        TokenVersion,
    },
    token_service::{MintRequest, MintedToken, VerifyError},
};

use crate::support::{Answer, KEY, World, answer, config, request, user, with_token};

/// Takes the text in `x-session`, as a cookie would have it, and refuses two words.
#[derive(Debug)]
struct Found;

impl CredentialAuthenticator for Found {
    fn attempt(&self, head: RequestHead<'_>) -> Attempt {
        let Some(text) = head.headers.get("x-session") else { return Attempt::NotMine };
        match text.to_str().unwrap() {
            "both" => Attempt::Refused(AuthenticateError::SeveralCredentials),
            "elsewhere" => Attempt::Refused(AuthenticateError::CrossOrigin),
            text => Attempt::SessionToken(text.to_owned().into()),
        }
    }
}

/// A world whose authenticator takes sessions, and nothing else that it does not take by default.
async fn world() -> World {
    with(config()).await
}

async fn with(config: ConfigBuilder) -> World {
    let mut world = World::with(config).await;
    world.authenticator = Authenticator::builder(world.config.clone(), world.store.clone())
        .clock(world.clock.clone())
        .chain_before(Arc::new(Found))
        .build()
        .await
        .unwrap();
    world
}

fn with_session(text: &str) -> Request<String> {
    let mut request = request();
    request.headers_mut().insert("x-session", HeaderValue::from_str(text).unwrap());
    request
}

impl World {
    async fn begin_session(&self) -> MintedToken {
        let lifetime = tower_pat::token::AccessTokenDuration::OneHour.lifetime();
        let request = MintRequest::new(TokenType::Session, user("alice"), lifetime).name("session");
        self.tokens.mint(request).await.unwrap()
    }

    async fn answer_session(&self, text: &str) -> Answer {
        answer(&self.layer(), with_session(text)).await
    }

    /// Waits until a session is answered so; at most the bound.
    async fn session_becomes(&self, text: &str, status: u16) -> Answer {
        let poll = async {
            loop {
                let answer = self.answer_session(text).await;
                if answer.status == status {
                    return answer;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(1), poll).await.expect("within the bound")
    }
}

fn signed(token_type: TokenType, version: TokenVersion) -> TokenText {
    let claims = TokenClaims {
        version,
        token_type,
        actor_type: ActorType::User,
        actor_id: "alice".to_owned(),
        jti: Some("b2f1c0de".to_owned()),
        expires_at: None,
    };
    TokenVerifier::new(KeyRing::new(TokenKey::new(KEY).unwrap())).sign(&claims).unwrap()
}

#[tokio::test]
async fn a_session_makes_its_actor_known_and_says_that_it_is_one() {
    let world = world().await;
    let session = world.begin_session().await;
    let (parts, _) = with_session(session.token.expose()).into_parts();
    // Looked up, and then remembered.
    for _ in 0..2 {
        let authentication = world.authenticator.authenticate(&parts).await.unwrap();
        assert_eq!(*authentication.actor().urn(), user("alice"));
        let Credential::AccessToken(token) = authentication.credential() else { panic!() };
        assert_eq!((token.id, token.token_type), (session.record.id, TokenType::Session));
        assert_eq!(token.expires_at, session.record.expires_at);
    }
    assert!(matches!(world.authenticator.verdict((&parts).into()), Verdict::Ready(Ok(_))));
    assert_eq!(world.store.finds(), 1);
}

#[tokio::test]
async fn nothing_but_a_stored_session_is_one() {
    // Whatever the header may have.
    let world = with(config().accept_stateless(true).accept_sessions(true)).await;
    let personal = world.mint().await.token;
    let stateless = signed(TokenType::Session, TokenVersion::Stateless);
    let unknown = signed(TokenType::Session, TokenVersion::Stateful);
    for (text, code) in [
        (personal.expose(), "token_not_accepted"),
        (signed(TokenType::Personal, TokenVersion::Stateless).expose(), "token_not_accepted"),
        (stateless.expose(), "token_not_accepted"),
        (unknown.expose(), "token_revoked"),
        ("a.b.c", "token_not_accepted"),
        ("not a token", "token_not_accepted"),
        ("", "token_not_accepted"),
        (&"a".repeat(20_000), "token_not_accepted"),
    ] {
        let answer = world.answer_session(text).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, code));
        let challenge = r#"Bearer realm="datahub", error="invalid_token""#;
        assert_eq!(answer.challenge(), Some(challenge));
    }
    // The header takes all that the session does not.
    assert_eq!(world.answer(personal.expose()).await.status, 200);
    assert_eq!(world.answer(stateless.expose()).await.status, 200);

    let (parts, _) = with_session(personal.expose()).into_parts();
    let error = world.authenticator.authenticate(&parts).await.unwrap_err();
    assert!(matches!(error, AuthenticateError::InvalidToken(VerifyError::NotASession)));
}

#[tokio::test]
async fn what_is_remembered_as_a_session_is_no_token_of_the_header() {
    let world = world().await;
    let session = world.begin_session().await.token;
    for _ in 0..2 {
        assert_eq!(world.answer_session(session.expose()).await.status, 200);
        let answer = world.answer(session.expose()).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_not_accepted"));
    }
}

#[tokio::test]
async fn what_is_remembered_of_the_header_is_no_session() {
    let world = world().await;
    let token = world.mint().await.token;
    for _ in 0..2 {
        assert_eq!(world.answer(token.expose()).await.status, 200);
        let answer = world.answer_session(token.expose()).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "token_not_accepted"));
    }
}

#[tokio::test]
async fn a_remembered_session_ends_with_its_revocation() {
    for by_rule in [false, true] {
        let world = world().await;
        let session = world.begin_session().await;
        assert_eq!(world.answer_session(session.token.expose()).await.status, 200);
        let alice = user("alice");
        if by_rule {
            world.tokens.revoke_all(RuleScope::Actor(alice.clone()), &alice).await.unwrap();
        } else {
            assert!(world.tokens.revoke(&session.record.id, &alice).await.unwrap());
        }
        let answer = world.session_becomes(session.token.expose(), 401).await;
        assert_eq!(answer.code(), "token_revoked");
    }
}

#[tokio::test]
async fn a_remembered_session_ends_with_its_actor() {
    let world = world().await;
    let session = world.begin_session().await.token;
    assert_eq!(world.answer_session(session.expose()).await.status, 200);
    world.store.inner.set_suspended(&user("alice"), true).await.unwrap();
    assert_eq!(world.session_becomes(session.expose(), 401).await.code(), "actor_inactive");
}

#[tokio::test]
async fn a_remembered_session_ends_at_its_end() {
    let world = world().await;
    let session = world.begin_session().await.token;
    world.clock.advance(Duration::from_millis(3_599_500));
    world.session_becomes(session.expose(), 200).await;
    world.clock.advance(Duration::from_millis(500));
    assert_eq!(world.answer_session(session.expose()).await.code(), "token_expired");
}

#[tokio::test]
async fn a_revocation_during_the_look_up_keeps_the_session_from_being_remembered() {
    let world = world().await;
    let session = world.begin_session().await;
    let witness = world.mint().await;
    assert_eq!(world.answer(witness.token.expose()).await.status, 200);
    let faults = &world.store.faults;
    faults.hold_profiles.store(true, Ordering::SeqCst);
    let (parts, _) = with_session(session.token.expose()).into_parts();
    let authenticator = world.authenticator.clone();
    let pending = tokio::spawn(async move { authenticator.authenticate(&parts).await });
    while world.store.finds() < 2 {
        tokio::task::yield_now().await;
    }
    faults.hold_profiles.store(false, Ordering::SeqCst);
    world.tokens.revoke(&session.record.id, &user("alice")).await.unwrap();
    world.tokens.revoke(&witness.record.id, &user("alice")).await.unwrap();
    // The witness was remembered, so its end shows that the feed has been read.
    world.becomes(witness.token.expose(), 401).await;
    faults.profiles.add_permits(1);
    let _ = pending.await.unwrap();
    assert_eq!(world.answer_session(session.token.expose()).await.status, 401);
}

#[tokio::test]
async fn with_a_stale_feed_a_remembered_session_is_no_answer_and_an_outage_is_503() {
    let world = world().await;
    let session = world.begin_session().await.token;
    assert_eq!(world.answer_session(session.expose()).await.status, 200);
    world.store.set_down(true);
    assert_eq!(world.answer_session(session.expose()).await.status, 200);
    world.clock.advance(Duration::from_millis(1_001));
    let answer = world.answer_session(session.expose()).await;
    assert_eq!((answer.status, answer.challenge()), (503, None));
}

#[tokio::test]
async fn after_a_gap_in_the_feed_no_session_is_remembered() {
    let world = world().await;
    let session = world.begin_session().await;
    assert_eq!(world.answer_session(session.token.expose()).await.status, 200);
    world.store.faults.feed_has_gap.store(true, Ordering::SeqCst);
    world.tokens.revoke(&session.record.id, &user("alice")).await.unwrap();
    world.session_becomes(session.token.expose(), 401).await;
}

#[tokio::test]
async fn credentials_of_two_kinds_are_a_bad_request() {
    let world = world().await;
    let answer = world.answer_session("both").await;
    assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_request"));
    let challenge = r#"Bearer realm="datahub", error="invalid_request""#;
    assert_eq!(answer.challenge(), Some(challenge));
}

#[tokio::test]
async fn another_origin_is_refused_without_a_challenge() {
    let world = world().await;
    let answer = world.answer_session("elsewhere").await;
    assert_eq!((answer.status, answer.code().as_str()), (403, "cross_origin"));
    assert_eq!(answer.challenge(), None);

    let mut grpc = with_session("elsewhere");
    *grpc.method_mut() = http::Method::POST;
    grpc.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let answer = crate::support::answer(&world.layer(), grpc).await;
    assert_eq!((answer.status, &answer.headers["grpc-status"]), (200, &HeaderValue::from(7)));
}

#[tokio::test]
async fn the_text_of_a_session_is_never_shown() {
    let world = world().await;
    let session = world.begin_session().await.token;
    let attempt = Found.attempt((&with_session(session.expose())).into());
    assert_eq!(format!("{attempt:?}"), "SessionToken(TokenText(..))");
}

/// Behind the layer that lets nobodies pass, a bad session is still a bad one.
#[tokio::test]
async fn in_optional_mode_a_bad_session_is_refused() {
    let world = world().await;
    let layer = AuthenticateLayer::new(world.authenticator.clone()).optional();
    assert_eq!(answer(&layer, request()).await.body, "nobody");
    assert_eq!(answer(&layer, with_session("a.b.c")).await.status, 401);
    // One in the header beside it is not asked: the authenticator has taken the request.
    let mut both = with_token(world.mint().await.token.expose());
    both.headers_mut().insert("x-session", HeaderValue::from_static("a.b.c"));
    assert_eq!(answer(&layer, both).await.status, 401);
}
