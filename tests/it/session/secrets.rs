//! Nothing of a password or a session reaches a log, a `Debug`, an error or a body.

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::header;
use tower_pat::{
    actor::PasswordStore,
    session::{LogInService, LogOutService},
    store::MemoryStore,
    token::TokenText,
};
use tracing_subscriber::fmt::MakeWriter;

use super::{GOOD, HERE, Site, WRONG, credentials, password, post};
use crate::support::user;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn passwords_and_sessions_stay_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

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

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
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
