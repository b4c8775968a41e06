//! Nothing of a token, key or salt reaches a log, a `Debug`, an error or a body.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tower_pat::{actor::DirectoryStore, authenticate::RequestHead, token::TokenText};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{KEY, SALT, World, config, user, with_token};

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

fn check(place: &str, text: &str, tokens: &[&TokenText]) {
    for token in tokens {
        let segments = token.expose().split('.').skip(1);
        for secret in segments.chain([KEY, SALT]) {
            assert!(!text.contains(secret), "{place} has a secret: {text}");
        }
    }
}

#[tokio::test]
async fn secrets_stay_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let world = World::new().await;
    let good = world.mint().await;
    let revoked = world.mint().await;
    let ghost = world.mint_for("ghost").await;
    world.tokens.revoke(&revoked.record.id, &user("alice")).await.unwrap();
    let tokens = [&good.token, &revoked.token, &ghost.token];

    let mut shown = vec![
        format!("{good:?}"),
        format!("{:?}", world.tokens),
        format!("{:?}", world.authenticator),
        format!("{:?}", world.layer()),
        format!("{:?}", config()),
        format!("{:?}", config().build()),
    ];
    for token in tokens {
        let answer = world.answer(token.expose()).await;
        shown.push(format!("{answer:?}"));
        // A good token with a letter too many is wrong, and still nearly a good one.
        let answer = world.answer(&format!("{}A", token.expose())).await;
        shown.push(format!("{answer:?}"));
        let (parts, _) = with_token(token.expose()).into_parts();
        shown.push(format!("{:?}", RequestHead::from(&parts)));
        let result = world.authenticator.authenticate(&parts).await;
        shown.push(format!("{result:?}"));
        shown.push(format!("{:?}", world.tokens.verify(token.expose()).await));
    }
    world.store.set_down(true);
    world.store.inner.set_suspended(&user("alice"), true).await.unwrap();
    let fresh = World::new().await;
    fresh.store.set_down(true);
    shown.push(format!("{:?}", fresh.answer(good.token.expose()).await));

    for text in &shown {
        check("a Debug or an answer", text, &tokens);
    }
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("a request was refused"), "the log was captured: {logged}");
    check("the log", &logged, &tokens);
}
