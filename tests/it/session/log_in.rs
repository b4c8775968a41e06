use std::time::{Duration, Instant};

use futures_util::future::join_all;
use http::{Request, header};
use proptest::prelude::*;
use serde_json::json;
use tower_pat::{
    actor::PasswordStore,
    rejection::RejectionCode,
    session::{LogInError, LogInService},
    store::{MemoryStore, Store},
};

use super::{
    GOOD, HERE, Site, WRONG, client, cookie_of, credentials, password, post, send, set_cookie,
};
use crate::support::{config, user};

pub(super) async fn a_good_password_gives_a_session_in_a_cookie<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let answer = site.try_log_in("alice", GOOD, HERE).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(
        answer.json(),
        json!({
            "username": "alice",
            "urn": "urn:li:corpuser:alice",
            "expiresAt": 1_750_086_400_000_i64,
        })
    );
    let (name_and_value, attributes) = set_cookie(&answer).split_once("; ").unwrap();
    assert_eq!(attributes, "HttpOnly; SameSite=Strict; Path=/; Max-Age=86400");
    assert!(name_and_value.starts_with("tower_pat_session=eyJ"), "{name_and_value}");
    assert_eq!(site.get(&[("cookie", name_and_value)]).await.body, "urn:li:corpuser:alice");
    assert_eq!(site.get(&[]).await.status, 401);
}

pub(super) async fn whatever_is_wrong_is_answered_alike<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    for (name, is_suspended) in [("carol", true), ("dave", false)] {
        site.store.create_user(&user(name)).await.unwrap();
        site.sessions.set_password(&user(name), &password(GOOD), &user("x")).await.unwrap();
        if is_suspended {
            site.store.set_suspended(&user(name), true).await.unwrap();
        } else {
            site.store.set_removed(&user(name), true).await.unwrap();
        }
    }
    let long = GOOD.repeat(60);
    let mut answers = Vec::new();
    for (name, password) in [
        ("alice", WRONG),
        ("alice", ""),
        ("alice", &long),
        ("Alice", GOOD),
        ("alice ", GOOD),
        ("urn:li:corpuser:alice", GOOD),
        ("nobody", GOOD),
        ("bob", GOOD),
        ("bob", ""),
        ("robot", GOOD),
        ("carol", GOOD),
        ("dave", GOOD),
        ("anonymous", GOOD),
        ("__datahub_system", GOOD),
        ("", GOOD),
        ("((", GOOD),
        ("\0\u{202e}", GOOD),
    ] {
        let answer = site.try_log_in(name, password, HERE).await;
        assert_eq!(answer.status, 400, "{name}");
        answers.push((answer.headers, answer.body));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let (headers, body) = &answers[0];
    assert!(!headers.contains_key(header::SET_COOKIE) && !headers.contains_key("www-authenticate"));
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["code"], "invalid_credentials");
    assert_eq!(body["message"], "Invalid Credentials");
    // Once they may act again, they may log in again.
    site.store.set_suspended(&user("carol"), false).await.unwrap();
    assert_eq!(site.try_log_in("carol", GOOD, HERE).await.status, 200);
}

pub(super) async fn who_fails_too_often_waits_and_nobody_else<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    for _ in 0..9 {
        assert_eq!(site.try_log_in("alice", WRONG, HERE).await.status, 400);
    }
    // A success, and all ten are there again.
    site.log_in().await;
    for _ in 0..10 {
        assert_eq!(site.try_log_in("alice", WRONG, HERE).await.status, 400);
    }
    for tried in [WRONG, GOOD] {
        let refused = site.try_log_in("alice", tried, HERE).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.code(), RejectionCode::TooManyRequests.as_str());
        assert_eq!(refused.headers[header::RETRY_AFTER], "60");
        assert_eq!(refused.headers[header::CACHE_CONTROL], "no-store");
        assert!(!refused.headers.contains_key(header::SET_COOKIE));
    }
    assert_eq!(site.try_log_in("alice", GOOD, "192.0.2.2").await.status, 200);
    assert_eq!(site.try_log_in("bob", GOOD, HERE).await.status, 400);
    site.clock.advance(Duration::from_millis(59_001));
    let refused = site.try_log_in("alice", GOOD, HERE).await;
    assert_eq!(
        (refused.status, &refused.headers[header::RETRY_AFTER]),
        (429, &"1".parse().unwrap())
    );
    site.clock.advance(Duration::from_millis(999));
    assert_eq!(site.try_log_in("alice", GOOD, HERE).await.status, 200);
}

pub(super) async fn many_at_once_are_no_more_than_many_in_a_row<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let answers = join_all((0..30).map(|_| site.try_log_in("alice", WRONG, HERE))).await;
    let (judged, others): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|answer| answer.status == 400);
    assert!((8..=10).contains(&judged.len()), "{}", judged.len());
    for busy in others.iter().filter(|answer| answer.status != 429) {
        assert_eq!((busy.status, busy.code().as_str()), (503, "unavailable"));
        assert_eq!(busy.headers[header::RETRY_AFTER], "1");
        assert_eq!(busy.headers[header::CACHE_CONTROL], "no-store");
    }
    // What found no room is no failed attempt at alice's password.
    let mut failed = judged.len();
    while site.try_log_in("alice", WRONG, HERE).await.status == 400 {
        failed += 1;
    }
    assert_eq!(failed, 10);
    assert_eq!(site.try_log_in("bob", WRONG, HERE).await.status, 400);
}

pub(super) async fn an_earlier_session_ends_with_a_new_one<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let (first, elsewhere) = (site.log_in().await, site.log_in().await);
    let mut again = credentials("alice", GOOD, HERE);
    again.headers_mut().insert(header::COOKIE, first.parse().unwrap());
    let answer = site.send_log_in(again).await;
    assert_eq!(answer.status, 200);
    assert_ne!(cookie_of(&answer), first);
    site.becomes(&first, 401).await;
    assert_eq!(site.get(&[("cookie", &cookie_of(&answer))]).await.status, 200);
    assert_eq!(site.get(&[("cookie", &elsewhere)]).await.status, 200);

    // Who does not know the password ends nothing.
    let mut wrong = credentials("alice", WRONG, HERE);
    wrong.headers_mut().insert(header::COOKIE, elsewhere.parse().unwrap());
    assert_eq!(site.send_log_in(wrong).await.status, 400);
    assert_eq!(site.get(&[("cookie", &elsewhere)]).await.status, 200);
}

#[tokio::test]
async fn a_bad_request_is_told_what_is_wrong_with_it() {
    let site = Site::new(MemoryStore::default()).await;
    let good = json!({ "username": "alice", "password": GOOD }).to_string();
    let with = |name: &'static str, value: &'static str| {
        let mut request = post(&good, HERE);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let of = |method: &str| {
        let mut request = post(&good, HERE);
        *request.method_mut() = method.parse().unwrap();
        request
    };
    let long = json!({ "username": "alice", "password": "a".repeat(8 * 1024) }).to_string();
    let mut cases = vec![
        (of("GET"), 405, "method_not_allowed"),
        (of("PUT"), 405, "method_not_allowed"),
        (with("content-type", "text/plain"), 415, "unsupported_media_type"),
        (with("content-type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type"),
        (with("content-encoding", "gzip"), 415, "unsupported_media_type"),
        (post(&long, HERE), 413, "payload_too_large"),
        (with("sec-fetch-site", "cross-site"), 403, "cross_origin"),
        (with("sec-fetch-site", "same-site"), 403, "cross_origin"),
        (with("origin", "http://localhost:3000"), 403, "cross_origin"),
        (with("origin", "null"), 403, "cross_origin"),
    ];
    for body in [
        "",
        "{",
        "null",
        "[]",
        r#"{"username":"alice"}"#,
        r#"{"password":"correct horse battery"}"#,
        r#"{"username":"alice","password":null}"#,
        r#"{"username":"alice","password":["correct horse battery"]}"#,
        r#"{"username":"alice","password":"correct horse battery","password":"x"}"#,
        r#"{"username":"alice","password":"correct horse battery"}}"#,
        // What the client sends for a password with a quote in it.
        r#"{"username":"alice", "password":"correct "horse" battery"}"#,
    ] {
        cases.push((post(body, HERE), 400, "bad_request"));
    }
    for (request, status, code) in cases {
        let shown = format!("{request:?}");
        let answer = site.send_log_in(request).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{shown}");
        assert!(answer.json()["message"].is_string(), "{shown}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{shown}");
        assert!(!answer.body.contains("horse"), "{shown}");
        assert!(!answer.headers.contains_key(header::SET_COOKIE), "{shown}");
        let allow = answer.headers.get(header::ALLOW).map(|allow| allow.to_str().unwrap());
        assert_eq!(allow, (status == 405).then_some("POST"), "{shown}");
    }
    // None of these was an attempt.
    for _ in 0..10 {
        assert_eq!(site.try_log_in("alice", WRONG, HERE).await.status, 400);
    }
}

#[tokio::test]
async fn a_page_of_ones_own_and_datahubs_client_log_in() {
    let site = Site::new(MemoryStore::default()).await;
    for (name, value) in [
        ("sec-fetch-site", "same-origin"),
        ("origin", "http://localhost:9002"),
        ("user-agent", "python-requests/2.34.2"),
        ("host", "evil.example"),
    ] {
        let mut request = post(r#"{"username":"alice", "password":"correct horse battery"}"#, HERE);
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(site.send_log_in(request).await.status, 200, "{name}");
    }
}

#[tokio::test]
async fn without_the_clients_address_the_service_says_what_it_lacks() {
    let site = Site::new(MemoryStore::default()).await;
    let mut request = credentials("alice", GOOD, HERE);
    request.extensions_mut().clear();
    let answer = site.send_log_in(request).await;
    assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    assert!(answer.body.contains("ClientAddress"), "{}", answer.body);
}

#[tokio::test]
async fn the_public_url_decides_the_cookie_and_no_header() {
    let store = MemoryStore::default();
    let site = Site::with(store, config(), "https://tokens.example.com").await;
    for host in ["tokens.example.com", "localhost", "evil.example"] {
        let mut request = credentials("alice", GOOD, HERE);
        request.headers_mut().insert(header::HOST, host.parse().unwrap());
        request.headers_mut().insert("x-forwarded-proto", "http".parse().unwrap());
        let answer = site.send_log_in(request).await;
        let (cookie, attributes) = set_cookie(&answer).split_once("; ").unwrap();
        assert!(cookie.starts_with("__Host-tower_pat_session=eyJ"), "{cookie}");
        assert_eq!(attributes, "HttpOnly; SameSite=Strict; Secure; Path=/; Max-Age=86400");
        assert_eq!(site.get(&[("cookie", cookie)]).await.status, 200);
        let value = cookie.strip_prefix(site.sessions.cookie_name()).unwrap();
        assert!(value.starts_with("=eyJ"), "{value}");
        let renamed = cookie.strip_prefix("__Host-").unwrap();
        assert_eq!(site.get(&[("cookie", renamed)]).await.status, 401);
    }
}

#[tokio::test]
async fn a_session_lasts_as_long_as_the_service_says_whatever_tokens_may() {
    let site = Site::new(MemoryStore::default()).await;
    let sessions = site.sessions.clone().lifetime(Duration::from_secs(7 * 60));
    let answer = send(LogInService::new(sessions), credentials("alice", GOOD, HERE)).await;
    assert_eq!(answer.json()["expiresAt"], 1_750_000_420_000_i64);
    assert!(set_cookie(&answer).ends_with("; Max-Age=420"), "{}", set_cookie(&answer));
    let cookie = cookie_of(&answer);
    site.clock.advance(Duration::from_secs(7 * 60 - 1));
    site.becomes(&cookie, 200).await;
    site.clock.advance(Duration::from_secs(1));
    let over = site.becomes(&cookie, 401).await;
    assert_eq!(over.code(), RejectionCode::TokenExpired.as_str());
}

#[tokio::test]
async fn every_session_lasts_a_while_and_ends() {
    let site = Site::new(MemoryStore::default()).await;
    for (asked, seconds) in [(Duration::ZERO, 1), (Duration::MAX, 400 * 24 * 60 * 60)] {
        let sessions = site.sessions.clone().lifetime(asked);
        let answer = send(LogInService::new(sessions), credentials("alice", GOOD, HERE)).await;
        let age = format!("; Max-Age={seconds}");
        assert!(set_cookie(&answer).ends_with(&age), "{}", set_cookie(&answer));
        assert_eq!(answer.json()["expiresAt"], (1_750_000_000_i64 + seconds) * 1_000);
    }
}

/// Times that nobody can tell apart. Of those that are, the quickest of each are not alike, however
/// often it is tried; whatever else the machine does is not among the quickest in the end.
fn are_alike(took: &[(Duration, &str)]) -> bool {
    let (quickest, slowest) = (took.iter().min().unwrap(), took.iter().max().unwrap());
    quickest.0 * 2 > slowest.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_as_long_for_nobody_as_for_a_wrong_password() {
    let site = Site::new(MemoryStore::default()).await;
    let mut took = ["alice", "nobody", "bob", "(("].map(|name| (Duration::MAX, name));
    for number in 0..100 {
        let address = format!("192.0.2.{number}");
        for (best, name) in &mut took {
            let began = Instant::now();
            assert_eq!(site.try_log_in(name, WRONG, &address).await.status, 400);
            *best = began.elapsed().min(*best);
        }
        if number >= 3 && are_alike(&took) {
            break;
        }
    }
    assert!(are_alike(&took), "{took:?}");
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_as_long_for_whoever_may_not_log_in() {
    use tower_pat::actor::DirectoryStore;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let site = Site::new(tower_pat::store::SqliteStore::open(&path).await.unwrap()).await;
    for name in ["carol", "dave"] {
        site.store.create_user(&user(name)).await.unwrap();
        site.sessions.set_password(&user(name), &password(GOOD), &user("x")).await.unwrap();
    }
    site.store.set_suspended(&user("carol"), true).await.unwrap();
    site.store.set_removed(&user("dave"), true).await.unwrap();
    let long = "a".repeat(2_000);
    let cases = [
        ("alice", WRONG),
        ("alice", &long),
        ("nobody", GOOD),
        ("bob", GOOD),
        ("carol", GOOD),
        ("dave", GOOD),
        ("robot", GOOD),
        ("anonymous", GOOD),
        ("__datahub_system", GOOD),
        ("((", GOOD),
    ];
    let mut took = cases.map(|(name, _)| (Duration::MAX, name));
    for number in 0..100 {
        let address = format!("192.0.2.{number}");
        for ((name, password), (best, _)) in cases.iter().zip(&mut took) {
            let began = Instant::now();
            assert_eq!(site.try_log_in(name, password, &address).await.status, 400, "{name}");
            *best = began.elapsed().min(*best);
        }
        if number >= 3 && are_alike(&took) {
            break;
        }
    }
    assert!(are_alike(&took), "{took:?}");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn an_outage_is_no_refusal_and_no_failed_attempt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = tower_pat::store::SqliteStore::open(&path).await.unwrap();
    let site = Site::new(store.clone()).await;
    store.close().await;
    for _ in 0..30 {
        let answer = site.try_log_in("alice", GOOD, HERE).await;
        assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
        assert_eq!(answer.headers[header::RETRY_AFTER], "1");
    }
    let address = HERE.parse().unwrap();
    let error = site.sessions.log_in("alice", &password(GOOD), address).await.unwrap_err();
    assert!(matches!(error, LogInError::Store(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_are_a_clear_answer(
        body in "\\PC{0,60}|\\{\"username\":\"\\PC{0,9}\",\"password\":\"\\PC{0,9}\"\\}",
        cookie in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        thread_local!(static SITE: (tokio::runtime::Runtime, Site<MemoryStore>) = {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let site = runtime.block_on(Site::new(MemoryStore::default()));
            (runtime, site)
        });
        let mut request = Request::post("/logIn").body(body).unwrap();
        request.extensions_mut().insert(client(HERE));
        let headers = request.headers_mut();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        if let Ok(cookie) = http::HeaderValue::from_bytes(&cookie) {
            headers.insert(header::COOKIE, cookie);
        }
        let status = SITE.with(|(runtime, site)| {
            site.clock.advance(Duration::from_secs(60));
            runtime.block_on(site.send_log_in(request)).status
        });
        prop_assert_eq!(status, 400);
    }
}
