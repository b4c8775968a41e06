//! Nothing of a password or a session reaches a log, a `Debug`, an error or a body.

use std::time::Duration;

use futures_util::future::join_all;
use http::header;
use tower_pat::{
    actor::PasswordStore,
    session::{LogInService, LogOutService},
    store::MemoryStore,
    token::TokenText,
};

use super::{GOOD, HERE, Site, WRONG, credentials, password, post};
use crate::support::{Log, user};

#[tokio::test]
async fn what_costs_nothing_fills_no_log() {
    let log = Log::default();
    let _guard = log.capture(tracing::Level::INFO);
    let site = Site::new(MemoryStore::default()).await;
    // The first only so that each line is known; see below.
    for (round, warnings) in [(0, None), (1, Some(1)), (2, Some(0))] {
        let address = format!("192.0.2.{round}");
        log.take();
        let tried = (0..30).map(|_| site.try_log_in("alice", WRONG, &address));
        let busy = join_all(tried).await.iter().filter(|answer| answer.status == 503).count();
        assert!(busy > 1, "{busy}");
        while site.try_log_in("alice", WRONG, &address).await.status == 400 {}
        for _ in 0..30 {
            assert_eq!(site.try_log_in("alice", WRONG, &address).await.status, 429);
        }
        let logged = log.take();
        if let Some(warnings) = warnings {
            assert_eq!(logged.matches("log-ins are not judged").count(), warnings, "{logged}");
            assert_eq!(logged.matches("a log-in was refused").count(), 10, "{logged}");
        } else {
            tracing::callsite::rebuild_interest_cache();
            site.clock.advance(Duration::from_secs(61));
        }
    }
}

#[tokio::test]
async fn passwords_and_sessions_stay_secret() {
    let log = Log::default();
    let _guard = log.capture(tracing::Level::TRACE);

    let site = Site::new(MemoryStore::default()).await;
    let cookie = site.log_in().await;
    site.try_log_in("alice", WRONG, HERE).await;
    // Whether a line is logged is remembered from whoever came to it first, such as a test beside
    // this one, which logs nothing.
    tracing::callsite::rebuild_interest_cache();
    let text = cookie.split_once('=').unwrap().1.to_owned();
    let hash = site.store.password_hash(&user("alice")).await.unwrap().unwrap();
    let address = HERE.parse().unwrap();
    let session = site.sessions.log_in("alice", &password(GOOD), address).await.unwrap();

    let mut shown = vec![
        format!("{:?}", site.sessions),
        format!("{:?}", site.sessions.authenticator()),
        format!("{:?}", LogInService::new(site.sessions.clone())),
        format!("{:?}", LogOutService::new(site.sessions.clone())),
        format!("{session:?}"),
        format!("{:?}", site.sessions.cookie(&session)),
        format!("{:?} {:?}", password(GOOD), hash),
        format!("{:?}", site.sessions.log_in("alice", &password(WRONG), address).await),
        // Somebody types the password into the wrong field.
        format!("{:?}", site.try_log_in(GOOD, "alice", HERE).await),
        format!("{:?}", site.try_log_in("alice", WRONG, HERE).await),
        format!("{:?}", site.send_log_in(post(&format!("{{\"password\":\"{GOOD}"), HERE)).await),
    ];
    let mut again = credentials("alice", GOOD, HERE);
    again.headers_mut().insert(header::COOKIE, cookie.parse().unwrap());
    shown.push(site.send_log_in(again).await.body);
    for cookie in [&cookie, &format!("{cookie}A"), &format!("{cookie}; {cookie}")] {
        shown.push(format!("{:?}", site.get(&[("cookie", cookie)]).await));
        shown.push(format!("{:?}", site.ask("POST", &[("cookie", cookie)]).await));
        shown.push(format!("{:?}", site.log_out(cookie).await));
    }

    let logged = log.take();
    for expected in ["logged in", "a log-in was refused", HERE] {
        assert!(logged.contains(expected), "the log was captured: {logged}");
    }
    shown.push(logged);
    let mut secrets = vec![GOOD, WRONG];
    secrets.extend(hash.expose().rsplit('$').take(2));
    let texts = [text, session.token.expose().to_owned()];
    secrets.extend(texts.iter().flat_map(|text| text.split('.').skip(1)));
    assert_eq!(secrets.len(), 8);
    for text in &shown {
        for secret in &secrets {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    // It is where somebody asks for it.
    assert_eq!(TokenText::from(texts[0].clone()).expose(), texts[0]);
}
