use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tower_pat::{
    TokenService,
    actor::{DirectoryStore, PasswordHash, PasswordStore, Urn},
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::ChangeFeed,
    random::OsRandom,
    session::{LogInError, Password, PasswordError, Sessions, SetPasswordError},
    store::{MemoryStore, Store},
    token::{AccessTokenDuration, Lifetime, TokenType},
    token_service::{MintError, MintRequest, TokenLookup},
};

use super::{GOOD, HERE, Site, URL, password};
use crate::support::{config, user};

pub(super) async fn a_new_password_ends_what_the_old_one_began<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let (alice, root) = (user("alice"), user("datahub"));
    let new = Password::random(&OsRandom).unwrap();
    let cookie = site.log_in().await;
    assert_eq!(site.get(&[("cookie", &cookie)]).await.status, 200);
    site.sessions.set_password(&alice, &new, &root).await.unwrap();
    site.becomes(&cookie, 401).await;
    assert_eq!(site.try_log_in("alice", GOOD, HERE).await.status, 400);
    assert_eq!(site.try_log_in("alice", new.expose(), HERE).await.status, 200);

    assert!(site.sessions.remove_password(&alice, &root).await.unwrap());
    assert_eq!(site.try_log_in("alice", new.expose(), HERE).await.status, 400);
    assert!(!site.sessions.remove_password(&user("ghost"), &root).await.unwrap());
}

pub(super) async fn what_may_not_be_a_password_is_refused<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let cookie = site.log_in().await;
    for (text, expected) in [
        (String::new(), PasswordError::Blank),
        (" ".repeat(20), PasswordError::Blank),
        ("a".repeat(11), PasswordError::TooShort),
        ("a".repeat(1025), PasswordError::TooLong),
    ] {
        let refused = site.sessions.set_password(&user("alice"), &text.into(), &user("x")).await;
        assert!(matches!(refused, Err(SetPasswordError::Password(error)) if error == expected));
    }
    assert_eq!(site.get(&[("cookie", &cookie)]).await.status, 200);
    assert_eq!(site.try_log_in("alice", GOOD, HERE).await.status, 200);
    // As long as they may be, and byte for byte.
    for text in ["a".repeat(1024), format!(" {GOOD}\n"), "пароль-пароль\0".to_owned()] {
        site.sessions.set_password(&user("alice"), &password(&text), &user("x")).await.unwrap();
        assert_eq!(site.try_log_in("alice", &text, HERE).await.status, 200, "{text}");
        assert_eq!(
            site.try_log_in("alice", text.trim_end(), "192.0.2.9").await.status == 200,
            text.trim_end() == text
        );
    }
}

pub(super) async fn nobody_but_people_gets_a_password<S>(site: &Site<S>)
where
    S: Store + PasswordStore + Clone,
{
    let set = async |urn: &str| {
        let urn: Urn = urn.parse().unwrap();
        site.sessions.set_password(&urn, &password(GOOD), &user("x")).await.unwrap_err()
    };
    let robot = set("urn:li:corpuser:robot").await;
    assert!(matches!(robot, SetPasswordError::Store(StoreError::Invalid(_))), "{robot:?}");
    assert!(matches!(set("urn:li:corpuser:ghost").await, SetPasswordError::NoSuchUser(_)));
    for reserved in [
        "urn:li:corpuser:anonymous",
        "urn:li:corpuser:__datahub_system",
        "urn:li:corpGroup:admins",
        "urn:li:corpuser",
    ] {
        assert!(matches!(set(reserved).await, SetPasswordError::Reserved(_)), "{reserved}");
    }
}

#[tokio::test]
async fn the_system_actor_of_a_deployment_has_no_password() {
    let config = config().dangerous_system_actor(user("root"));
    let site = Site::with(MemoryStore::default(), config, URL).await;
    site.store.create_user(&user("root")).await.unwrap();
    let refused = site.sessions.set_password(&user("root"), &password(GOOD), &user("x")).await;
    assert!(matches!(refused, Err(SetPasswordError::Reserved(_))));
    // Not even one that was put into the store by somebody else lets anybody in.
    let hash = site.store.password_hash(&user("alice")).await.unwrap();
    let at = Timestamp::from_seconds(1);
    site.store.set_password_hash(&user("root"), hash.as_ref(), &user("x"), at).await.unwrap();
    assert_eq!(site.try_log_in("root", GOOD, HERE).await.status, 400);
}

/// A store of passwords in which somebody changes the password as soon as it was read.
#[derive(Debug)]
struct Changing {
    inner: MemoryStore,
    reads: AtomicUsize,
}

impl PasswordStore for Changing {
    fn password_hash<'a>(
        &'a self,
        user: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PasswordHash>, StoreError>> {
        Box::pin(async move {
            let hash = self.inner.password_hash(user).await?;
            if self.reads.fetch_add(1, Ordering::SeqCst) == 0 {
                let new = PasswordHash::from("$another".to_owned());
                let at = Timestamp::from_seconds(1_750_000_000);
                self.inner.set_password_hash(user, Some(&new), user, at).await?;
            }
            Ok(hash)
        })
    }

    fn set_password_hash<'a>(
        &'a self,
        user: &'a Urn,
        hash: Option<&'a PasswordHash>,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.set_password_hash(user, hash, by, at)
    }
}

#[tokio::test]
async fn a_password_that_is_changed_meanwhile_lets_nobody_in() {
    let site = Site::new(MemoryStore::default()).await;
    let passwords = Arc::new(Changing { inner: site.store.clone(), reads: AtomicUsize::new(0) });
    let store = Arc::new(site.store.clone());
    let config = config().build().unwrap();
    let url = URL.parse().unwrap();
    let sessions = Sessions::from_parts(&config, store.clone(), store, passwords, url);
    let cursor = site.store.head().await.unwrap();
    let refused = sessions.log_in("alice", &password(GOOD), HERE.parse().unwrap()).await;
    assert!(matches!(refused, Err(LogInError::InvalidCredentials)), "{refused:?}");
    // The session that was made is dead.
    let changes = site.store.since(&cursor).await.unwrap().changes;
    let [tower_pat::feed::Change::Token(id)] = changes[..] else { panic!("{changes:?}") };
    assert!(site.store.find(&id).await.unwrap().unwrap().revoked.is_some());
}

#[tokio::test]
async fn a_hash_that_cannot_be_read_lets_nobody_try_for_ever() {
    let site = Site::new(MemoryStore::default()).await;
    let (alice, damaged) = (user("alice"), PasswordHash::from("$argon2id$".to_owned()));
    let at = Timestamp::from_seconds(1);
    site.store.set_password_hash(&alice, Some(&damaged), &alice, at).await.unwrap();
    for _ in 0..10 {
        assert_eq!(site.try_log_in("alice", GOOD, HERE).await.status, 500);
    }
    assert_eq!(site.try_log_in("alice", GOOD, HERE).await.status, 429);
}

#[tokio::test]
async fn only_a_session_may_have_a_lifetime_of_its_own() {
    let store = Arc::new(MemoryStore::default());
    let tokens = TokenService::new(&config().build().unwrap(), store);
    let odd = "PT7M".parse::<Lifetime>().unwrap();
    let mint = async |token_type, lifetime| {
        tokens.mint(MintRequest::new(token_type, user("alice"), lifetime)).await
    };
    assert!(mint(TokenType::Session, odd).await.is_ok());
    assert!(mint(TokenType::Session, AccessTokenDuration::OneHour.lifetime()).await.is_ok());
    for (token_type, lifetime) in [
        (TokenType::Personal, odd),
        (TokenType::ServiceAccount, odd),
        (TokenType::Session, Lifetime::Never),
    ] {
        let refused = mint(token_type, lifetime).await;
        assert!(matches!(refused, Err(MintError::Lifetime(_))), "{token_type:?}");
    }
}
