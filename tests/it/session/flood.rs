//! What somebody who asks a great deal costs the service.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use http::header;
use tower_pat::{
    actor::{ActorProfile, Directory, PasswordHash, PasswordStore, Urn},
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    session::Sessions,
    store::MemoryStore,
    token::{KeyId, KeyRecord, LastUse, RevocationRule, TokenId, TokenRecord},
    token_service::{
        KeyChange, KeyStore, Retention, RulePage, RuleSubject, TokenLookup, TokenPage, TokenQuery,
        TokenStore, TokenUses,
    },
};

use super::{GOOD, HERE, Site, URL, WRONG, credentials};
use crate::support::config;

/// A store that counts what it is asked.
#[derive(Debug, Default)]
struct Counting {
    inner: MemoryStore,
    finds: AtomicUsize,
    hashes: AtomicUsize,
    profiles: AtomicUsize,
}

impl Counting {
    /// Look-ups of tokens, hashes and actors, since the last time.
    fn asked(&self) -> [usize; 3] {
        [&self.finds, &self.hashes, &self.profiles].map(|count| count.swap(0, Ordering::SeqCst))
    }
}

impl TokenLookup for Counting {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        self.finds.fetch_add(1, Ordering::SeqCst);
        self.inner.find(id)
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        self.inner.rules(subject)
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        self.inner.keys()
    }
}

impl TokenUses for Counting {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.record_uses(uses)
    }
}

impl KeyStore for Counting {
    fn add_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        self.inner.add_key(id, by, at)
    }

    fn promote_key<'a>(
        &'a self,
        id: KeyId,
        known: &'a [KeyId],
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        self.inner.promote_key(id, known, by, at)
    }

    fn retire_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        self.inner.retire_key(id, by, at)
    }

    fn count_tokens_of_key<'a>(
        &'a self,
        id: Option<KeyId>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.count_tokens_of_key(id, now)
    }
}

impl TokenStore for Counting {
    fn insert<'a>(&'a self, record: &'a TokenRecord) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.insert(record)
    }

    fn import<'a>(&'a self, records: &'a [TokenRecord]) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.import(records)
    }

    fn revoke<'a>(
        &'a self,
        id: &'a TokenId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.inner.revoke(id, by, at)
    }

    fn add_rule<'a>(&'a self, rule: &'a RevocationRule) -> BoxFuture<'a, Result<(), StoreError>> {
        self.inner.add_rule(rule)
    }

    fn list_rules(&self, start: u32, count: u32) -> BoxFuture<'_, Result<RulePage, StoreError>> {
        self.inner.list_rules(start, count)
    }

    fn list<'a>(&'a self, query: &'a TokenQuery) -> BoxFuture<'a, Result<TokenPage, StoreError>> {
        self.inner.list(query)
    }

    fn sweep<'a>(
        &'a self,
        now: Timestamp,
        retention: &'a Retention,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        self.inner.sweep(now, retention)
    }
}

impl Directory for Counting {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        self.profiles.fetch_add(1, Ordering::SeqCst);
        self.inner.profile(urn)
    }
}

impl PasswordStore for Counting {
    fn password_hash<'a>(
        &'a self,
        user: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<PasswordHash>, StoreError>> {
        self.hashes.fetch_add(1, Ordering::SeqCst);
        self.inner.password_hash(user)
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

/// Alice's site, with sessions whose store counts.
async fn counted() -> (Site<MemoryStore>, Arc<Counting>) {
    let mut site = Site::new(MemoryStore::default()).await;
    let store = Arc::new(Counting { inner: site.store.clone(), ..Counting::default() });
    let config = config().build().unwrap();
    let sessions = Sessions::new(&config, store.clone(), URL.parse().unwrap());
    site.sessions = sessions.clock(site.clock.clone());
    (site, store)
}

#[tokio::test]
async fn cookies_that_hold_no_session_of_ours_are_not_looked_up() {
    let (site, store) = counted().await;
    let ours = site.log_in().await;
    store.asked();
    let junk = ["tower_pat_session=", "tower_pat_session=a.b.c", &ours[..ours.len() - 1]];
    let junk = std::iter::repeat_n(junk, 300).flatten().collect::<Vec<_>>().join("; ");
    let log_out = async |cookies: &str| {
        let answer = site.log_out(cookies).await;
        assert_eq!(answer.status, 204);
        store.asked()[0]
    };
    assert_eq!(log_out(&junk).await, 0);
    // And the one among them is found, once.
    assert_eq!(log_out(&format!("{junk}; {ours}; {ours}; {junk}")).await, 1);
    site.becomes(&ours, 401).await;

    let mut request = credentials("alice", GOOD, HERE);
    request.headers_mut().insert(header::COOKIE, junk.parse().unwrap());
    assert_eq!(site.send_log_in(request).await.status, 200);
    assert_eq!(store.asked()[0], 0);
}

#[tokio::test]
async fn of_very_many_sessions_in_a_request_a_few_are_ended() {
    let (site, store) = counted().await;
    let mut cookies = Vec::new();
    for _ in 0..12 {
        cookies.push(site.log_in().await);
    }
    store.asked();
    assert_eq!(site.log_out(&cookies.join("; ")).await.status, 204);
    assert_eq!(store.asked()[0], 8);
    // What is over needs no end.
    site.clock.advance(Sessions::LIFETIME);
    assert_eq!(site.log_out(&cookies.join("; ")).await.status, 204);
    assert_eq!(store.asked()[0], 0);
}

#[tokio::test]
async fn the_directory_is_asked_only_for_who_knows_the_password() {
    let (site, store) = counted().await;
    for name in ["alice", "bob", "nobody"] {
        assert_eq!(site.try_log_in(name, WRONG, HERE).await.status, 400);
        assert_eq!(store.asked(), [0, 1, 0], "{name}");
    }
    site.log_in().await;
    assert_eq!(store.asked(), [0, 2, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_no_room_asks_the_store_nothing() {
    let (site, store) = counted().await;
    let answers = join_all((0..30).map(|_| site.try_log_in("alice", WRONG, HERE))).await;
    let judged = answers.iter().filter(|answer| answer.status == 400).count();
    assert_eq!(store.asked(), [0, judged, 0]);
    assert!(answers.iter().any(|answer| answer.status == 503));
}
