//! Who gets through the first layer, and what those hear who do not.

use std::{convert::Infallible, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::ConcurrencyLimitLayer, service_fn};
use tower_pat::{
    AuthenticateLayer, Authentication, Authenticator, RequirePrivilegeLayer,
    actor::{Actor, DirectoryStore},
    authenticate::{
        Attempt, AuthenticateError, BuildError, Credential, CredentialAuthenticator, Freshness,
        Identity, RequestHead, Verdict,
    },
    clock::Timestamp,
    policy::Privilege,
    rejection::Rejection,
    token::{
        AccessTokenDuration, ActorType, KeyRing, RuleScope, TokenClaims, TokenKey, TokenRecord,
        TokenType, TokenVerifier, TokenVersion,
    },
    token_service::{MintRequest, TokenStore},
};

use crate::support::{
    IntoAnswer, KEY, World, answer, config, request, user, who_am_i, with_header, with_token,
};

const PLAIN: &str = r#"Bearer realm="datahub""#;
const INVALID_TOKEN: &str = r#"Bearer realm="datahub", error="invalid_token""#;

#[tokio::test]
async fn a_good_token_makes_its_actor_known() {
    let world = World::new().await;
    let minted = world.mint().await;
    let (parts, _) = with_token(minted.token.expose()).into_parts();
    let authentication = world.authenticator.authenticate(&parts).await.unwrap();
    assert_eq!(*authentication.actor().urn(), user("alice"));
    let Credential::AccessToken(token) = authentication.credential() else { panic!() };
    assert_eq!(token.id, minted.record.id);
    assert_eq!(token.name.as_deref(), Some("laptop"));
    assert_eq!(token.token_type, TokenType::Personal);
    assert_eq!(token.expires_at.map(Timestamp::as_seconds), Some(1_750_003_600));

    let answer = world.answer(minted.token.expose()).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "urn:li:corpuser:alice"));
}

#[tokio::test]
async fn without_credentials_the_answer_is_401_with_a_plain_challenge() {
    let world = World::new().await;
    for request in [request(), with_header("Basic YTpi"), with_header("Negotiate x")] {
        let answer = answer(&world.layer(), request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.challenge(), Some(PLAIN));
        assert_eq!(answer.code(), "missing_token");
    }
}

#[tokio::test]
async fn a_refusal_is_a_problem_document_that_datahubs_client_can_show() {
    let world = World::new().await;
    let answer = answer(&world.layer(), request()).await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    assert_eq!(
        answer.json(),
        serde_json::json!({
            "type": "https://docs.rs/tower-pat/latest/tower_pat/rejection/enum.RejectionCode.html#variant.MissingToken",
            "title": "Unauthorized",
            "status": 401,
            "detail": "no bearer token in the request",
            "code": "missing_token",
            "message": "Unauthorized to perform this action: no bearer token in the request",
            "exceptionClass": "com.linkedin.restli.server.RestLiServiceException",
        })
    );
}

#[tokio::test]
async fn several_headers_are_a_bad_request() {
    let world = World::new().await;
    let token = world.mint().await.token;
    let mut request = with_token(token.expose());
    let value = request.headers()[header::AUTHORIZATION].clone();
    request.headers_mut().append(header::AUTHORIZATION, value);
    let answer = answer(&world.layer(), request).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.challenge(), Some(r#"Bearer realm="datahub", error="invalid_request""#));
}

#[tokio::test]
async fn without_a_good_signature_nothing_is_said_but_not_accepted() {
    let world = World::new().await;
    let good = world.mint().await.token;
    let good = good.expose();
    // The last character has spare bits; the one before it does not.
    let at = good.len() - 2;
    let swapped = if good[at..].starts_with('A') { "B" } else { "A" };
    let forged = format!("{}{swapped}{}", &good[..at], &good[at + 1..]);
    for token in [forged.as_str(), "a.b.c", "abc", "..", &good[..good.len() - 1]] {
        let answer = world.answer(token).await;
        assert_eq!(answer.status, 401, "{token}");
        assert_eq!(answer.challenge(), Some(INVALID_TOKEN));
        assert_eq!(answer.code(), "token_not_accepted");
        assert_eq!(answer.json()["detail"], "token not accepted");
    }
}

#[tokio::test]
async fn an_expired_token_is_told_since_when() {
    let world = World::new().await;
    let token = world.mint().await.token;
    // Remembered or not: a token is over at its `exp`.
    assert_eq!(world.answer(token.expose()).await.status, 200);
    world.clock.advance(Duration::from_secs(3_599));
    assert_eq!(world.answer(token.expose()).await.status, 200);
    world.clock.advance(Duration::from_secs(1));
    let answer = world.answer(token.expose()).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_expired"));
    assert_eq!(answer.json()["detail"], "the token expired at 2025-06-15T16:06:40Z");
    assert_eq!(answer.challenge(), Some(INVALID_TOKEN));
}

#[tokio::test]
async fn a_revoked_token_is_told_since_when() {
    let world = World::new().await;
    let minted = world.mint().await;
    let bystander = world.mint().await;
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
    assert!(world.tokens.revoke(&minted.record.id, &user("alice")).await.unwrap());
    let answer = world.becomes(minted.token.expose(), 401).await;
    assert_eq!(answer.code(), "token_revoked");
    assert_eq!(answer.json()["detail"], "the token has been revoked since 2025-06-15T15:06:40Z");
    assert_eq!(world.answer(bystander.token.expose()).await.status, 200);
}

#[tokio::test]
async fn a_token_that_the_store_does_not_know_counts_as_revoked() {
    let (world, other) = (World::new().await, World::new().await);
    let answer = world.answer(other.mint().await.token.expose()).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_revoked"));
}

#[tokio::test]
async fn an_imported_record_makes_a_datahubs_token_verify() {
    let world = World::new().await;
    // As written by a DataHub with the same key and salt; the record has DataHub's fields only.
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJhY3RvclR5cGUiOiJVU0VSIiwiYWN0b3JJZCI6ImRhdGFodWIiLCJ0eXBlIjoiUEVSU09OQUwiLCJ2ZXJzaW9uIjoiMiIsImp0aSI6IjNmMGMyYTUxLTZkMWUtNGI3YS05YzU1LTBkOGE0ZTJiN2YxMCIsInN1YiI6ImRhdGFodWIiLCJleHAiOjE3NTI1OTIwMDAsImlzcyI6ImRhdGFodWItbWV0YWRhdGEtc2VydmljZSJ9.cGj6D__ND4_OMGzt_tADk92qLAZlkNZ_HCIUCw1VVXg";
    world.store.inner.create_user(&user("datahub")).await.unwrap();
    assert_eq!(world.answer(token).await.status, 401);
    let id = "zZSw+UtbXZ/fXWbycoePvljOPoe8fUXSeJxg4Oz3HxQ=".parse().unwrap();
    let info = r#"{"name":"from datahub","actorUrn":"urn:li:corpuser:datahub",
        "ownerUrn":"urn:li:corpuser:datahub","createdAt":1749999000000,"expiresAt":1752592000000}"#;
    let record = TokenRecord::from_datahub(id, info).unwrap();
    assert_eq!(world.tokens.import(&[record]).await.unwrap(), 1);
    assert_eq!(world.answer(token).await.body, "urn:li:corpuser:datahub");
}

#[tokio::test]
async fn tokens_of_inactive_actors_do_not_verify() {
    let world = World::new().await;
    let store = &world.store.inner;
    let alice = user("alice");
    let token = world.mint().await.token;
    assert_eq!(world.answer(token.expose()).await.status, 200);

    store.set_suspended(&alice, true).await.unwrap();
    let answer = world.becomes(token.expose(), 401).await;
    assert_eq!(answer.json()["detail"], "Actor is not active: suspended");
    assert!(world.tokens.verify(token.expose()).await.is_err());
    store.set_suspended(&alice, false).await.unwrap();
    assert_eq!(world.becomes(token.expose(), 200).await.status, 200);

    store.set_removed(&alice, true).await.unwrap();
    let answer = world.becomes(token.expose(), 401).await;
    assert_eq!(answer.json()["detail"], "Actor is not active: removed");
    store.set_removed(&alice, false).await.unwrap();
    world.becomes(token.expose(), 200).await;

    store.delete_user(&alice).await.unwrap();
    let answer = world.becomes(token.expose(), 401).await;
    assert_eq!(answer.code(), "actor_inactive");
    assert_eq!(answer.json()["detail"], "Actor is not active: not found");
    assert_eq!(answer.challenge(), Some(INVALID_TOKEN));
}

#[tokio::test]
async fn a_token_whose_owner_is_suspended_still_acts_as_somebody_else() {
    let world = World::new().await;
    world.store.inner.create_user(&user("bob")).await.unwrap();
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime).owner(user("bob"));
    let minted = world.tokens.mint(request).await.unwrap();
    world.store.inner.set_suspended(&user("bob"), true).await.unwrap();
    assert_eq!(world.answer(minted.token.expose()).await.status, 200);
}

#[tokio::test]
async fn without_enforced_existence_an_unknown_actor_may_act() {
    let world = World::with(config().enforce_existence(false)).await;
    let token = world.mint_for("nobody-knows-me").await.token;
    assert_eq!(world.answer(token.expose()).await.status, 200);
    let strict = World::new().await;
    let token = strict.mint_for("nobody-knows-me").await.token;
    assert_eq!(strict.answer(token.expose()).await.code(), "actor_inactive");
}

pub fn stateless(token_type: TokenType) -> String {
    stateless_for("alice", token_type)
}

fn stateless_for(actor_id: &str, token_type: TokenType) -> String {
    let claims = TokenClaims {
        actor_type: ActorType::User,
        actor_id: actor_id.to_owned(),
        token_type,
        version: TokenVersion::Stateless,
        jti: None,
        expires_at: None,
    };
    let signer = TokenVerifier::new(KeyRing::new(TokenKey::new(KEY).unwrap()));
    signer.sign(&claims).unwrap().expose().to_owned()
}

#[tokio::test]
async fn stateless_tokens_and_sessions_are_refused_unless_accepted() {
    let (stateless, session) = (stateless(TokenType::Personal), stateless(TokenType::Session));
    let world = World::new().await;
    assert_eq!(world.answer(&stateless).await.status, 401);
    assert_eq!(world.answer(&session).await.status, 401);
    let world = World::with(config().accept_stateless(true)).await;
    assert_eq!(world.answer(&stateless).await.status, 200);
    assert_eq!(world.answer(&session).await.code(), "token_not_accepted");
    let world = World::with(config().accept_stateless(true).accept_sessions(true)).await;
    assert_eq!(world.answer(&session).await.status, 200);
}

#[tokio::test]
async fn nobody_gets_in_as_anonymous() {
    let world = World::with(config().accept_stateless(true).enforce_existence(false)).await;
    let token = stateless_for("anonymous", TokenType::Personal);
    assert_eq!(world.answer(&token).await.code(), "actor_inactive");
    let token = stateless_for("anonymous2", TokenType::Personal);
    assert_eq!(world.answer(&token).await.status, 200);
}

#[tokio::test]
async fn nobody_gets_in_as_the_system_actor_by_a_token() {
    let system = user("root");
    let stateless = config().accept_stateless(true);
    let world = World::with(stateless.dangerous_system_actor(system.clone())).await;
    world.store.inner.create_user(&system).await.unwrap();
    let token = stateless_for("root", TokenType::Personal);
    assert_eq!(world.answer(&token).await.code(), "actor_inactive");
    let world = World::with(config().accept_stateless(true)).await;
    world.store.inner.create_user(&system).await.unwrap();
    assert_eq!(world.answer(&token).await.status, 200);
}

#[tokio::test]
async fn a_rule_revokes_what_was_made_before_it_and_nothing_else() {
    let scopes = |world: &World| {
        [
            RuleScope::Actor(user("alice")),
            RuleScope::Owner(user("alice")),
            RuleScope::Key(TokenKey::new(KEY).unwrap().id()),
            RuleScope::All,
        ]
        .map(|scope| (scope, world.tokens.clone()))
    };
    for place in 0..4 {
        let world = World::new().await;
        world.store.inner.create_user(&user("bob")).await.unwrap();
        let (scope, tokens) = scopes(&world)[place].clone();
        let (alice, bob) = (world.mint().await.token, world.mint_for("bob").await.token);
        assert_eq!(world.answer(alice.expose()).await.status, 200);
        assert_eq!(world.answer(bob.expose()).await.status, 200);
        tokens.revoke_all(scope.clone(), &user("bob")).await.unwrap();
        assert_eq!(world.becomes(alice.expose(), 401).await.code(), "token_revoked");
        let concerns_bob = matches!(scope, RuleScope::Key(_) | RuleScope::All);
        world.becomes(bob.expose(), if concerns_bob { 401 } else { 200 }).await;
        world.clock.advance(Duration::from_secs(1));
        let later = world.mint().await.token;
        assert_eq!(world.answer(later.expose()).await.status, 200, "{scope:?}");
    }
}

#[tokio::test]
async fn restrictions_that_are_not_understood_refuse() {
    let world = World::new().await;
    let minted = world.mint().await;
    let mut record = minted.record.clone();
    record.restrictions = Some(r#"{"version":99}"#.to_owned());
    let other = World::new().await;
    other.store.inner.insert(&record).await.unwrap();
    let answer = other.answer(minted.token.expose()).await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "token_not_accepted"));
}

#[tokio::test]
async fn a_record_of_another_actor_refuses() {
    let world = World::new().await;
    let minted = world.mint().await;
    let mut record = minted.record.clone();
    record.actor = user("bob");
    let other = World::new().await;
    other.store.inner.insert(&record).await.unwrap();
    assert_eq!(other.answer(minted.token.expose()).await.status, 401);
}

#[tokio::test]
async fn an_outage_is_503_and_says_nothing_of_the_token() {
    let world = World::new().await;
    let token = world.mint().await.token;
    world.store.set_down(true);
    let answer = world.answer(token.expose()).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.challenge(), None);
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    assert!(!answer.body.contains("fire"), "the cause is for the log: {}", answer.body);
    // What can be judged without the store still is.
    assert_eq!(world.answer("a.b.c").await.status, 401);
    world.store.set_down(false);
    assert_eq!(world.answer(token.expose()).await.status, 200);
}

#[tokio::test]
async fn optional_mode_lets_nobody_pass_but_no_bad_token() {
    let world = World::new().await;
    let token = world.mint().await.token;
    let layer = world.layer().optional();
    for nothing in [request(), with_header("Basic YTpi")] {
        assert_eq!(answer(&layer, nothing).await.body, "nobody");
    }
    assert_eq!(answer(&layer, with_token(token.expose())).await.body, "urn:li:corpuser:alice");
    for bad in ["Bearer a.b.c", "Bearer", "Bearer ", "bearerabc", "BEARER a b"] {
        assert_eq!(answer(&layer, with_header(bad)).await.status, 401, "{bad}");
    }
}

#[tokio::test]
async fn switched_off_every_request_is_the_named_actors() {
    let world = World::new().await;
    let layer = world.layer().dangerous_disabled(user("alice"));
    for request in [request(), with_header("Bearer a.b.c")] {
        let mut request = request;
        request
            .headers_mut()
            .insert("x-datahub-actor", HeaderValue::from_static("urn:li:corpuser:root"));
        assert_eq!(answer(&layer, request).await.body, "urn:li:corpuser:alice");
    }
    let layer = world.layer().dangerous_disabled(user("ghost"));
    assert_eq!(answer(&layer, request()).await.code(), "actor_inactive");
}

#[tokio::test]
async fn on_an_excluded_path_nothing_is_judged() {
    let world = World::new().await;
    let layer = world.layer().exclude(["/health", "/entities/*"]);
    let body = answer(&layer, with_header("Bearer a.b.c")).await.body;
    assert_eq!(body, "nobody");
    let mut elsewhere = request();
    *elsewhere.uri_mut() = "/healthy".parse().unwrap();
    assert_eq!(answer(&layer, elsewhere).await.status, 401);
}

#[tokio::test]
async fn an_authentication_that_came_with_the_request_does_not_count() {
    let world = World::new().await;
    let forged = Authentication::for_tests(Actor::new(user("root")), []);
    for layer in [world.layer().optional(), world.layer().exclude(["/entities/*"])] {
        let mut request = request();
        request.extensions_mut().insert(forged.clone());
        assert_eq!(answer(&layer, request).await.body, "nobody");
    }
    let mut request = request();
    request.extensions_mut().insert(forged);
    assert_eq!(answer(&world.layer(), request).await.status, 401);
}

/// `ConcurrencyLimit` panics if `call` comes without `poll_ready` on the same service.
#[tokio::test]
async fn the_service_that_was_polled_ready_is_the_one_that_is_called() {
    let world = World::new().await;
    let token = world.mint().await.token;
    let mut service = ServiceBuilder::new()
        .layer(world.layer())
        .layer(
            RequirePrivilegeLayer::new(Privilege::VIEW_ENTITY_PAGE)
                .on(|_| Ok(tower_pat::policy::Resource::from(user("alice")))),
        )
        .layer(ConcurrencyLimitLayer::new(1))
        .service(who_am_i());
    // The first has to wait for the store, the others need not.
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(with_token(token.expose())).await;
        assert_eq!(response.unwrap().into_answer().await.status, 200);
    }
    // Refused while it waits: the permit is given back.
    let other = World::new().await.mint().await.token;
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(with_token(other.expose())).await;
        assert_eq!(response.unwrap().into_answer().await.status, 401);
    }
}

#[tokio::test]
async fn services_and_bodies_need_be_neither_send_nor_static() {
    let world = World::new().await;
    let token = world.mint().await.token;
    let text = String::from("borrowed");
    let borrowed = text.as_str();
    let not_send = Rc::new(());
    let service = world.layer().layer(service_fn(move |request: Request<Rc<()>>| {
        let shared = (not_send.clone(), request.into_body());
        async move {
            let _ = shared;
            Ok::<_, Infallible>(Response::new(borrowed.to_owned()))
        }
    }));
    let request = with_token(token.expose()).map(|_| Rc::new(()));
    let answer = service.oneshot(request).await.unwrap().into_answer().await;
    assert_eq!(answer.body, "borrowed");
}

#[tokio::test]
async fn grpc_is_answered_as_grpc() {
    let world = World::new().await;
    let other = World::new().await.mint().await.token;
    let grpc = |mut request: Request<String>| {
        *request.method_mut() = http::Method::POST;
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc+proto"));
        request
    };
    for (request, status) in
        [(request(), "16"), (with_token("a.b.c"), "16"), (with_token(other.expose()), "16")]
    {
        let answer = answer(&world.layer(), grpc(request)).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["grpc-status"], status);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/grpc");
        assert!(answer.body.is_empty());
    }
    // Only a POST is gRPC: else a forward-authentication request would take the 200 for a yes.
    let mut by_get = grpc(request());
    *by_get.method_mut() = http::Method::GET;
    assert_eq!(answer(&world.layer(), by_get).await.status, 401);
    let token = world.mint().await.token;
    world.store.set_down(true);
    let answer = answer(&world.layer(), grpc(with_token(token.expose()))).await;
    assert_eq!(answer.headers["grpc-status"], "14");
}

#[tokio::test]
async fn the_body_of_a_refusal_can_be_ones_own_and_its_status_cannot() {
    let world = World::new().await;
    let body = |rejection: &Rejection| {
        let text = format!("<p>{}</p>", rejection.code().as_str());
        (HeaderValue::from_static("text/html"), Bytes::from(text))
    };
    let layer = world.layer().realm("my \"house\"").rejection_body(body);
    let answer = answer(&layer, request()).await;
    assert_eq!(answer.body, "<p>missing_token</p>");
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/html");
    assert_eq!(answer.status, 401);
    assert_eq!(answer.challenge(), Some(r#"Bearer realm="my \"house\"""#));
}

/// Takes `x-internal: <id>`, at once or after a while, and refuses the id `mallory`.
#[derive(Debug)]
struct Internal {
    slow: bool,
}

impl CredentialAuthenticator for Internal {
    fn attempt(&self, head: RequestHead<'_>) -> Attempt {
        let Some(id) = head.headers.get("x-internal") else { return Attempt::NotMine };
        let id = id.to_str().unwrap();
        if id == "mallory" {
            return Attempt::Refused(AuthenticateError::MalformedHeader);
        }
        let identity = Identity::new(user(id), "internal");
        if self.slow {
            Attempt::Pending(Box::pin(async move { Ok(identity) }))
        } else {
            Attempt::Accepted(identity)
        }
    }
}

#[tokio::test]
async fn in_a_chain_not_mine_goes_on_and_refused_does_not() {
    let world = World::new().await;
    let token = world.mint().await.token;
    for slow in [false, true] {
        let authenticator = Authenticator::builder(config().build().unwrap(), world.store.clone())
            .clock(world.clock.clone())
            .chain_before(Arc::new(Internal { slow }))
            .build()
            .await
            .unwrap();
        let layer = AuthenticateLayer::new(authenticator);
        let internal = |mut request: Request<String>, id: &'static str| {
            request.headers_mut().insert("x-internal", HeaderValue::from_static(id));
            request
        };
        assert_eq!(answer(&layer, with_token(token.expose())).await.status, 200);
        assert_eq!(answer(&layer, request()).await.status, 401);
        assert_eq!(
            answer(&layer, internal(request(), "alice")).await.body,
            "urn:li:corpuser:alice"
        );
        // Who vouches for an actor does not vouch for its being active.
        assert_eq!(answer(&layer, internal(request(), "ghost")).await.code(), "actor_inactive");
        let both = internal(with_token(token.expose()), "mallory");
        assert_eq!(answer(&layer, both).await.status, 401);
    }
}

#[tokio::test]
async fn a_verdict_that_needs_no_store_is_ready() {
    let world = World::new().await;
    let (good, _) = with_token(world.mint().await.token.expose()).into_parts();
    let (bad, _) = with_token("a.b.c").into_parts();
    assert!(matches!(world.authenticator.verdict((&bad).into()), Verdict::Ready(Err(_))));
    assert!(matches!(world.authenticator.verdict((&good).into()), Verdict::Pending(_)));
    world.authenticator.authenticate(&good).await.unwrap();
    assert!(matches!(world.authenticator.verdict((&good).into()), Verdict::Ready(Ok(_))));
}

#[tokio::test]
async fn a_part_without_feed_may_not_be_used_beyond_the_bound() {
    let world = World::new().await;
    let builder = |time| {
        Authenticator::builder(config().build().unwrap(), world.store.clone())
            .directory(Arc::new(world.store.clone()), Freshness::TimeToLive(time))
            .build()
    };
    assert!(builder(Duration::from_secs(1)).await.is_ok());
    let error = builder(Duration::from_millis(1_001)).await.unwrap_err();
    assert!(matches!(error, BuildError::TimeToLive { part: "directory", .. }), "{error}");
}

#[test]
fn outside_of_a_runtime_nothing_is_built_and_nothing_panics() {
    let world = tokio::runtime::Runtime::new().unwrap().block_on(World::new());
    let build = Authenticator::builder(config().build().unwrap(), world.store.clone()).build();
    let error = futures_util::FutureExt::now_or_never(build).unwrap().unwrap_err();
    assert!(matches!(error, BuildError::NoRuntime));
}
