//! A store in memory whose calls are counted, that can be down, and that others change in between.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tower_pat::{
    actor::{
        ActorProfile, Directory, DirectoryStore, GroupKind, GroupPage, GroupQuery, Urn, User,
        UserInfo, UserPage, UserQuery,
    },
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::{ChangeBatch, ChangeFeed, FeedCursor},
    policy::{Policy, PolicyRecord, PolicySource, PolicyStore},
    store::MemoryStore,
    token::{KeyId, KeyRecord, LastUse, RevocationRule, TokenId, TokenRecord},
    token_service::{
        KeyChange, KeyStore, Retention, RulePage, RuleSubject, TokenLookup, TokenPage, TokenQuery,
        TokenStore, TokenUses,
    },
};

#[derive(Debug, Clone, Default)]
pub struct Watched {
    pub inner: MemoryStore,
    calls: Arc<AtomicU64>,
    is_down: Arc<AtomicBool>,
    others: Arc<Mutex<Option<Others>>>,
}

/// What others do right before a call of this name.
#[derive(Clone)]
struct Others {
    before: &'static str,
    act: Arc<dyn Fn(MemoryStore) -> BoxFuture<'static, ()> + Send + Sync>,
}

impl fmt::Debug for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Others").field("before", &self.before).finish_non_exhaustive()
    }
}

impl Watched {
    /// How often it was called since the last time that this was asked.
    pub fn calls(&self) -> u64 {
        self.calls.swap(0, Ordering::SeqCst)
    }

    pub fn set_down(&self, down: bool) {
        self.is_down.store(down, Ordering::SeqCst);
    }

    /// Lets others do this right before each call of this name.
    pub fn before<F>(&self, name: &'static str, act: F)
    where
        F: Fn(MemoryStore) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    {
        *self.others.lock().unwrap() = Some(Others { before: name, act: Arc::new(act) });
    }

    async fn call(&self, name: &str) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let others = self.others.lock().unwrap().clone();
        if let Some(others) = others.filter(|others| others.before == name) {
            (others.act)(self.inner.clone()).await;
        }
        if self.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable(io::Error::other("the disk is on fire")));
        }
        Ok(())
    }
}

macro_rules! delegate {
    ($trait:ident { $(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty;)* }) => {
        impl $trait for Watched {
            $(
                fn $name<'a>(
                    &'a self,
                    $($arg: $type),*
                ) -> BoxFuture<'a, Result<$out, StoreError>> {
                    Box::pin(async move {
                        self.call(stringify!($name)).await?;
                        self.inner.$name($($arg),*).await
                    })
                }
            )*
        }
    };
}

delegate!(TokenLookup {
    fn find(id: &'a TokenId) -> Option<TokenRecord>;
    fn rules(subject: RuleSubject<'a>) -> Vec<RevocationRule>;
    fn keys() -> Vec<KeyRecord>;
});

delegate!(TokenUses {
    fn record_uses(uses: &'a [(TokenId, LastUse)]) -> ();
});

delegate!(KeyStore {
    fn add_key(id: KeyId, by: &'a Urn, at: Timestamp) -> KeyChange;
    fn promote_key(id: KeyId, known: &'a [KeyId], by: &'a Urn, at: Timestamp) -> KeyChange;
    fn retire_key(id: KeyId, by: &'a Urn, at: Timestamp) -> KeyChange;
    fn count_tokens_of_key(id: Option<KeyId>, now: Timestamp) -> u64;
});

delegate!(TokenStore {
    fn insert(record: &'a TokenRecord) -> ();
    fn import(records: &'a [TokenRecord]) -> u64;
    fn revoke(id: &'a TokenId, by: &'a Urn, at: Timestamp) -> bool;
    fn add_rule(rule: &'a RevocationRule) -> ();
    fn list_rules(start: u32, count: u32) -> RulePage;
    fn list(query: &'a TokenQuery) -> TokenPage;
    fn sweep(now: Timestamp, retention: &'a Retention) -> u64;
});

delegate!(Directory {
    fn profile(urn: &'a Urn) -> Option<ActorProfile>;
});

delegate!(DirectoryStore {
    fn create_user(urn: &'a Urn) -> bool;
    fn add_user(user: &'a User) -> bool;
    fn user(urn: &'a Urn) -> Option<User>;
    fn set_user_info(urn: &'a Urn, info: &'a UserInfo, at: Timestamp) -> bool;
    fn list_users(query: &'a UserQuery) -> UserPage;
    fn delete_user(urn: &'a Urn) -> bool;
    fn set_removed(urn: &'a Urn, removed: bool) -> bool;
    fn set_suspended(urn: &'a Urn, suspended: bool) -> bool;
    fn set_groups(user: &'a Urn, kind: GroupKind, groups: &'a [Urn]) -> bool;
    fn set_roles(holder: &'a Urn, roles: &'a [Urn]) -> bool;
    fn assign_role(role: Option<&'a Urn>, holders: &'a [Urn]) -> u64;
    fn list_groups(query: &'a GroupQuery) -> GroupPage;
    fn delete_group(group: &'a Urn) -> bool;
    fn roles_of(holder: &'a Urn) -> Vec<Urn>;
});

impl PolicySource for Watched {
    fn policies(&self) -> BoxFuture<'_, Result<Vec<PolicyRecord>, StoreError>> {
        Box::pin(async move {
            self.call("policies").await?;
            self.inner.policies().await
        })
    }
}

delegate!(PolicyStore {
    fn policy(urn: &'a Urn) -> Option<PolicyRecord>;
    fn put_policies(records: &'a [PolicyRecord]) -> ();
    fn replace_policy(urn: &'a Urn, expected: &'a Policy, new: &'a Policy) -> bool;
    fn delete_policy_if(urn: &'a Urn, expected: &'a Policy) -> bool;
    fn delete_policy(urn: &'a Urn) -> bool;
    fn seed_policies(records: &'a [PolicyRecord]) -> usize;
});

impl ChangeFeed for Watched {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        self.inner.head()
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        self.inner.since(cursor)
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        self.inner.woken()
    }
}
