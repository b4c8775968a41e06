use std::time::Duration;

use tower_pat::{
    TokenService,
    actor::PasswordStore,
    rejection::RejectionCode,
    store::{MemoryStore, Store},
    token::{AccessTokenDuration, TokenType},
    token_service::{MintRequest, TokenLookup, TokenStore},
};

use super::{Site, URL};
use crate::support::{config, user};

pub(super) async fn a_session_is_good_for_its_time_and_its_user<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let cookie = site.log_in().await;
    let among_others = format!("theme=dark; {cookie}; actor=urn%3Ali%3Acorpuser%3Abob");
    for cookies in [&cookie, &among_others] {
        let answer = site.get(&[("cookie", cookies)]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "urn:li:corpuser:alice"));
    }
    site.store.set_suspended(&user("alice"), true).await.unwrap();
    let refused = site.becomes(&cookie, 401).await;
    assert_eq!(refused.code(), RejectionCode::ActorInactive.as_str());
    site.store.set_suspended(&user("alice"), false).await.unwrap();
    site.becomes(&cookie, 200).await;
    site.clock.advance(Duration::from_hours(24));
    let refused = site.becomes(&cookie, 401).await;
    assert_eq!(refused.code(), RejectionCode::TokenExpired.as_str());
    for damaged in ["tower_pat_session=", "tower_pat_session=x", &cookie[..cookie.len() - 1]] {
        assert_eq!(site.get(&[("cookie", damaged)]).await.status, 401, "{damaged}");
    }
}

pub(super) async fn a_session_is_no_bearer_token_and_a_token_no_session<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let cookie = site.log_in().await;
    let session = cookie.split_once('=').unwrap().1;
    let config = config().build().unwrap();
    let tokens = TokenService::new(&config, std::sync::Arc::new(site.store.clone()));
    let lifetime = AccessTokenDuration::OneHour.lifetime();
    let tokens = tokens.clock(site.clock.clone());
    let personal = MintRequest::new(TokenType::Personal, user("alice"), lifetime);
    let personal = tokens.mint(personal).await.unwrap();
    let personal = personal.token.expose();
    // Each in its place first and then in the other's, and the other way round.
    for _ in 0..2 {
        for (headers, status) in [
            (("cookie", cookie.clone()), 200),
            (("authorization", format!("Bearer {session}")), 401),
            (("authorization", format!("Bearer {personal}")), 200),
            (("cookie", format!("tower_pat_session={personal}")), 401),
        ] {
            let answer = site.get(&[(headers.0, &headers.1)]).await;
            assert_eq!(answer.status, status, "{}", headers.0);
        }
    }
}

pub(super) async fn two_kinds_of_credentials_are_refused<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let (cookie, other) = (site.log_in().await, site.log_in().await);
    let token = cookie.split_once('=').unwrap().1;
    let bearer = format!("Bearer {token}");
    let twice = format!("{cookie}; {other}");
    for headers in [
        &[("cookie", cookie.as_str()), ("authorization", bearer.as_str())][..],
        &[("cookie", &cookie), ("authorization", "Basic YTpi")],
        &[("cookie", &cookie), ("authorization", "")],
        &[("cookie", &twice)],
        &[("cookie", &cookie), ("cookie", &other)],
        &[("cookie", &cookie), ("cookie", &cookie)],
    ] {
        let refused = site.get(headers).await;
        assert_eq!(refused.status, 400, "{headers:?}");
        assert_eq!(refused.code(), RejectionCode::InvalidRequest.as_str());
        assert_eq!(refused.challenge(), Some(r#"Bearer realm="datahub", error="invalid_request""#));
        // Whoever sees it in a browser is told the way out.
        let has_two = headers.iter().all(|(name, _)| *name == "cookie");
        assert_eq!(refused.body.contains("delete the cookies of this site"), has_two);
    }
}

pub(super) async fn what_another_origin_sends_changes_nothing<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let cookie = site.log_in().await;
    let cookie = ("cookie", cookie.as_str());
    for bad in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", ""),
        ("origin", "http://localhost:8080"),
        ("origin", "null"),
        ("origin", "https://localhost:9002"),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "TRACE", "X"] {
            // Whatever it says of its host.
            for headers in [&[cookie, bad][..], &[cookie, bad, ("host", "localhost:8080")]] {
                let refused = site.ask(method, headers).await;
                assert_eq!(refused.status, 403, "{method} {bad:?}");
                assert_eq!(refused.code(), RejectionCode::CrossOrigin.as_str());
                assert_eq!(refused.challenge(), None);
            }
        }
        for method in ["GET", "HEAD", "OPTIONS"] {
            assert_eq!(site.ask(method, &[cookie, bad]).await.status, 200, "{method} {bad:?}");
        }
        let upgrade = ("upgrade", "websocket");
        assert_eq!(site.get(&[cookie, bad, upgrade]).await.status, 403, "{bad:?}");
    }
    for good in [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", URL)] {
        assert_eq!(site.ask("POST", &[cookie, good]).await.status, 200, "{good:?}");
    }
    // What is no browser.
    assert_eq!(site.ask("POST", &[cookie]).await.status, 200);
    // A Bearer token is sent by nobody's page, so it is not asked where it comes from.
    let refused = site.ask("POST", &[("authorization", "Bearer x"), ("origin", "null")]).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn what_is_not_stored_as_a_session_is_none() {
    let (site, other) = (MemoryStore::default(), MemoryStore::default());
    let (site, other) = (Site::new(site).await, Site::new(other).await);
    let store = std::sync::Arc::new(other.store.clone());
    let tokens = TokenService::new(&config().build().unwrap(), store);
    for (token_type, status) in
        [(None, 401), (Some(TokenType::Personal), 401), (Some(TokenType::Session), 200)]
    {
        let cookie = other.log_in().await;
        let id = tokens.id_of(cookie.split_once('=').unwrap().1);
        let mut record = other.store.find(&id).await.unwrap().unwrap();
        record.token_type = token_type;
        site.store.insert(&record).await.unwrap();
        for _ in 0..2 {
            let answer = site.get(&[("cookie", &cookie)]).await;
            assert_eq!(answer.status, status, "{token_type:?}");
        }
    }
}

#[tokio::test]
async fn a_session_is_a_bearer_token_where_that_is_switched_on() {
    let config = config().accept_sessions(true);
    let site = Site::with(MemoryStore::default(), config, URL).await;
    let cookie = site.log_in().await;
    let bearer = format!("Bearer {}", cookie.split_once('=').unwrap().1);
    assert_eq!(site.get(&[("authorization", &bearer)]).await.status, 200);
    assert_eq!(site.get(&[("cookie", &cookie)]).await.status, 200);
}
