use std::{sync::Arc, time::Duration};

use http::{Request, header};
use tower_pat::{
    Authenticator, TokenService,
    actor::PasswordStore,
    rejection::RejectionCode,
    session::Sessions,
    store::{MemoryStore, Store},
    token::{AccessTokenDuration, TokenKey, TokenType},
    token_service::MintRequest,
};

use super::{GOOD, Site, URL, WRONG, password, set_cookie};
use crate::support::{Answer, Log, config, user};

fn is_removed(answer: &Answer) -> bool {
    set_cookie(answer) == "tower_pat_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0"
}

pub(super) async fn logging_out_ends_the_session<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let (cookie, other) = (site.log_in().await, site.log_in().await);
    assert_eq!(site.get(&[("cookie", &cookie)]).await.status, 200);
    let answer = site.log_out(&cookie).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert!(is_removed(&answer), "{answer:?}");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let refused = site.becomes(&cookie, 401).await;
    assert_eq!(refused.code(), RejectionCode::TokenRevoked.as_str());
    assert_eq!(site.get(&[("cookie", &other)]).await.status, 200);
}

pub(super) async fn logging_out_twice_or_without_session_is_no_error<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let cookie = site.log_in().await;
    for cookie in [&cookie, &cookie, "a=b", "tower_pat_session=", "tower_pat_session=x"] {
        let answer = site.log_out(cookie).await;
        assert_eq!(answer.status, 204, "{cookie}");
        assert!(is_removed(&answer), "{cookie}");
    }
    assert_eq!(site.send_log_out(Request::post("/logOut")).await.status, 204);
    // A Bearer token is not what this is about.
    let with_bearer = Request::post("/logOut").header("authorization", "Bearer x");
    assert_eq!(site.send_log_out(with_bearer).await.status, 204);
}

pub(super) async fn only_a_session_is_ended<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let tokens = TokenService::new(&config().build().unwrap(), Arc::new(site.store.clone()));
    let tokens = tokens.clock(site.clock.clone());
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let request = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
    let minted = tokens.mint(request).await.unwrap();
    let cookie = format!("tower_pat_session={}", minted.token.expose());
    assert_eq!(site.log_out(&cookie).await.status, 204);
    let found = site.store.find(&minted.record.id).await.unwrap().unwrap();
    assert_eq!(found.revoked, None);
}

pub(super) async fn all_sessions_in_a_request_are_ended<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let (cookie, other) = (site.log_in().await, site.log_in().await);
    assert_eq!(site.log_out(&format!("{cookie}; {other}")).await.status, 204);
    site.becomes(&cookie, 401).await;
    site.becomes(&other, 401).await;
}

pub(super) async fn a_session_of_a_key_that_is_not_here_is_not_said_to_be_ended<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    const NEW: &str = "Zk3vB9xWq1LmT6yNcR8pD2sHfJ4gUaE7oK5iXtVbC0w=";
    let ours = site.log_in().await;
    // No key is missing yet, so what fits none is no session.
    assert_eq!(site.log_out(&forged(&ours)).await.status, 204);
    let there = config().verification_key(NEW).build().unwrap();
    let store = Arc::new(site.store.clone());
    let tokens = TokenService::new(&there, store.clone()).clock(site.clock.clone());
    let there = Sessions::new(&there, store, URL.parse().unwrap()).clock(site.clock.clone());
    tokens.promote_key(TokenKey::new(NEW).unwrap().id(), &user("datahub")).await.unwrap();
    let (name, good) = ("alice", password(GOOD));
    let session = there.log_in(name, &good, "192.0.2.7".parse().unwrap()).await.unwrap();
    site.clock.advance(Duration::from_secs(1));

    let log = Log::default();
    let guard = log.capture(tracing::Level::INFO);
    // Together with one of ours, which is ended.
    let cookie = format!("tower_pat_session={}", session.token.expose());
    let answer = site.log_out(&format!("{ours}; {cookie}")).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
    assert!(site.sessions.log_out(&session.token).await.is_err());
    assert_eq!(log.take(), "");
    drop(guard);
    site.becomes(&ours, 401).await;
    // Where the key is, it is ended.
    there.log_out(&session.token).await.unwrap();
    assert!(tokens.verify(session.token.expose()).await.is_err());
}

fn forged(cookie: &str) -> String {
    let (text, last) = cookie.split_at(cookie.len() - 1);
    format!("{text}{}", if last == "A" { "E" } else { "A" })
}

pub(super) async fn another_origin_logs_nobody_out<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let cookie = site.log_in().await;
    let request = |method: &str| Request::builder().method(method).uri("/logOut");
    let with_cookie = || request("POST").header("cookie", &cookie);
    for (request, status, code) in [
        (with_cookie().header("sec-fetch-site", "cross-site"), 403, "cross_origin"),
        (with_cookie().header("sec-fetch-site", "same-site"), 403, "cross_origin"),
        (with_cookie().header("origin", "http://localhost:8080"), 403, "cross_origin"),
        (with_cookie().header("authorization", "Bearer x"), 400, "invalid_request"),
        (request("GET").header("cookie", &cookie), 405, "method_not_allowed"),
        (request("DELETE").header("cookie", &cookie), 405, "method_not_allowed"),
    ] {
        let answer = site.send_log_out(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code));
        assert!(answer.json()["message"].is_string());
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
        assert_eq!(answer.headers.contains_key(header::ALLOW), status == 405);
    }
    assert_eq!(site.get(&[("cookie", &cookie)]).await.status, 200);
    assert_eq!(site.send_log_out(with_cookie().header("origin", URL)).await.status, 204);
    site.becomes(&cookie, 401).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_in_every_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let open = async || tower_pat::store::SqliteStore::open(&path).await.unwrap();
    let site = Site::new(open().await).await;
    // Another handle on the file, with an authenticator and a memory of its own.
    let store = open().await;
    let authenticator = Authenticator::builder(config().build().unwrap(), store.clone())
        .clock(site.clock.clone())
        .chain_before(Arc::new(site.sessions.authenticator()))
        .build()
        .await
        .unwrap();
    let (clock, sessions) = (site.clock.clone(), site.sessions.clone());
    let elsewhere = Site { store, clock, sessions, authenticator };
    for by_password in [false, true] {
        let cookie = site.log_in().await;
        for _ in 0..2 {
            assert_eq!(elsewhere.get(&[("cookie", &cookie)]).await.status, 200);
        }
        if by_password {
            let alice = user("alice");
            site.sessions.set_password(&alice, &password(WRONG), &alice).await.unwrap();
        } else {
            assert_eq!(site.log_out(&cookie).await.status, 204);
        }
        elsewhere.becomes(&cookie, 401).await;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn while_the_store_is_down_the_cookie_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = tower_pat::store::SqliteStore::open(&path).await.unwrap();
    let site = Site::new(store.clone()).await;
    let cookie = site.log_in().await;
    store.close().await;
    let answer = site.log_out(&cookie).await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn a_session_of_another_service_on_this_host_is_left_alone() {
    let (site, other) = (MemoryStore::default(), MemoryStore::default());
    let (site, other) = (Site::new(site).await, Site::new(other).await);
    let cookie = other.log_in().await;
    assert_eq!(site.log_out(&cookie).await.status, 204);
    assert_eq!(other.get(&[("cookie", &cookie)]).await.status, 200);
}
