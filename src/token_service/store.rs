use std::{fmt, sync::Arc, time::Duration};

use super::{KeyStore, TokenPage, TokenQuery};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    token::{KeyId, KeyRecord, LastUse, RevocationRule, RuleScope, TokenId, TokenRecord},
};

/// Where verifying looks a token up. Read only, so that a remote DataHub can be one.
///
/// A token ends with the token it was made with ([`parent`](TokenRecord::parent)), and verifying
/// decides that: it asks for the parent too, for its parent and so on, each by [`find`](Self::find)
/// and [`rules`](Self::rules), and accepts the token only if none of them is revoked. It stops at a
/// parent that has no record, and at a SESSION, which is only noted.
pub trait TokenLookup: fmt::Debug + Send + Sync + 'static {
    /// The record with this id, read from the primary. Also one that was revoked or has expired, as
    /// long as it is kept, so that its bearer can be told since when. `None` means that the token
    /// was never there or is long gone: it does not verify.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer: an outage is never "no such token".
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>>;

    /// The revocation rules whose scope has `subject`, in no particular order.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>>;

    /// What is known of the keys that sign tokens, in the order of their ids. None if nothing is,
    /// as in a DataHub: then the configuration alone says which keys there are.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>>;

    /// The records with these ids, each as [`find`](Self::find) gives it, in the order of `ids`. An
    /// id may be there twice.
    ///
    /// What is remembered is judged anew by this and the next method, a few hundred tokens at a
    /// time, after changes may have been missed. Unless a store does better, each is looked up by
    /// itself.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer for one of them.
    fn find_all<'a>(
        &'a self,
        ids: &'a [TokenId],
    ) -> BoxFuture<'a, Result<Vec<Option<TokenRecord>>, StoreError>> {
        Box::pin(async move {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.push(self.find(id).await?);
            }
            Ok(found)
        })
    }

    /// The revocation rules whose scope has any of `subjects`, in no particular order; one may be
    /// there twice. See [`RuleSubject::is_in`] for telling whose they are.
    ///
    /// Unless a store does better, the rules for each are looked up by themselves.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer for one of them.
    fn rules_for_any<'a>(
        &'a self,
        subjects: &'a [RuleSubject<'a>],
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(async move {
            let mut rules = Vec::new();
            for subject in subjects {
                rules.extend(self.rules(*subject).await?);
            }
            Ok(rules)
        })
    }
}

/// So that a part chosen at run time, `Arc<dyn TokenLookup>`, is one.
impl<T: TokenLookup + ?Sized> TokenLookup for Arc<T> {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        (**self).find(id)
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        (**self).rules(subject)
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        (**self).keys()
    }

    fn find_all<'a>(
        &'a self,
        ids: &'a [TokenId],
    ) -> BoxFuture<'a, Result<Vec<Option<TokenRecord>>, StoreError>> {
        (**self).find_all(ids)
    }

    fn rules_for_any<'a>(
        &'a self,
        subjects: &'a [RuleSubject<'a>],
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        (**self).rules_for_any(subjects)
    }
}

/// What of a token the scope of a rule can be about.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RuleSubject<'a> {
    /// Who it acts as.
    pub actor: &'a Urn,
    /// Who made it; `None` for a token that has no record.
    pub owner: Option<&'a Urn>,
    /// The key that signed it; `None` for a record that does not say.
    pub key: Option<KeyId>,
}

impl<'a> RuleSubject<'a> {
    /// The subject of these three.
    #[must_use]
    pub fn new(actor: &'a Urn, owner: Option<&'a Urn>, key: Option<KeyId>) -> Self {
        Self { actor, owner, key }
    }

    /// Whether it is in this scope.
    #[must_use]
    pub fn is_in(&self, scope: &RuleScope) -> bool {
        match scope {
            RuleScope::Actor(urn) => urn == self.actor,
            RuleScope::Owner(urn) => Some(urn) == self.owner,
            RuleScope::Key(id) => Some(*id) == self.key,
            RuleScope::All => true,
        }
    }
}

/// Where it is noted when tokens were used.
///
/// Apart from [`TokenStore`], since what notes uses need not be able to make tokens.
pub trait TokenUses: fmt::Debug + Send + Sync + 'static {
    /// Notes when tokens were used, in one batch. The first use that is noted of a token is its
    /// first use too. An older use than the one noted, or of an unknown token, is ignored.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; then nothing was noted.
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>>;
}

/// So that a part chosen at run time, `Arc<dyn TokenUses>`, is one.
impl<T: TokenUses + ?Sized> TokenUses for Arc<T> {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        (**self).record_uses(uses)
    }
}

/// The write side, and what managing tokens reads.
///
/// A change that can end a token is announced in the change feed, in the same transaction. Making
/// one is not announced, unless others were made with it already.
pub trait TokenStore: TokenLookup + TokenUses + KeyStore {
    /// Adds `record`, never replacing one. When this returns, the record outlives a crash.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyExists`] if the id is taken, also by a revoked token;
    /// [`StoreError::ParentRevoked`] if its `parent` was revoked, by itself or by a rule that
    /// [covers](RevocationRule::covers) it, or what that was made with was, also by another writer
    /// in the meantime. A parent that has no record cannot be revoked; one that is a SESSION can,
    /// but no further up. [`StoreError::Invalid`] if there are more than
    /// [`MAX_ANCESTORS`](super::MAX_ANCESTORS).
    ///
    /// Adding a token that others name as their `parent` already is announced as
    /// [`Change::Token`](crate::feed::Change::Token), since from then on it can end them.
    fn insert<'a>(&'a self, record: &'a TokenRecord) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Adds those of `records` whose ids are not taken, all or nothing, and returns how many. What
    /// is there stays as it is, so a token that was revoked here does not come back.
    ///
    /// A token whose `parent` was revoked is not refused here, since one odd record must not hold up
    /// all others. It does not verify, and is marked as with [`revoke`](Self::revoke). One that
    /// others name as their `parent` already is announced as with [`insert`](Self::insert).
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; then nothing was added.
    fn import<'a>(&'a self, records: &'a [TokenRecord]) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Marks the token revoked; `false` if there is none that is not revoked already. The first
    /// revocation stays.
    ///
    /// This is one small transaction with one announcement, whatever was made with the token, and
    /// it lasts also if the future is dropped after it. No store needs to do more: what was made
    /// with the token does not verify any more, which is decided by looking
    /// ([`TokenLookup`]).
    ///
    /// Those tokens should not be listed for long, though. So the stores of this crate mark them
    /// afterwards as revoked by the same `by` and `at`, and what was made with them, in small
    /// transactions and without announcing them; what is left of it is done by
    /// [`sweep`](Self::sweep). Not so what a rule covers anyway, or was made with a SESSION.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn revoke<'a>(
        &'a self,
        id: &'a TokenId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Revokes everything in the scope of `rule`. A rule for the same scope that reaches further
    /// stays as it is.
    ///
    /// The rule and its one announcement are all that is needed. What was made with the tokens that
    /// it covers does not verify any more either, and is marked afterwards as with
    /// [`revoke`](Self::revoke): by `rule.by`, as of `rule.issued_before`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn add_rule<'a>(&'a self, rule: &'a RevocationRule) -> BoxFuture<'a, Result<(), StoreError>>;

    /// One page of the revocation rules: the actors', then those of all, keys and owners, each by
    /// what they are about, in the order of their texts.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    fn list_rules(&self, start: u32, count: u32) -> BoxFuture<'_, Result<RulePage, StoreError>>;

    /// One page of the tokens that were not revoked, neither by themselves nor by a rule that
    /// [covers](RevocationRule::covers) them, filtered and sorted by the store. Equal tokens
    /// are in the order of their ids, which is turned round with the list, so that pages do not
    /// overlap and the one order is the other read from its end.
    ///
    /// Tokens of type SESSION are in no list and no total, whatever is asked for. They are found by
    /// their id.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn list<'a>(&'a self, query: &'a TokenQuery) -> BoxFuture<'a, Result<TokenPage, StoreError>>;

    /// Deletes what need not be kept at the time `now`, and returns how many tokens that were.
    ///
    /// Before it deletes a revoked token, what was made with that is marked as revoked, or it would
    /// be good again. What a rule [covers](RevocationRule::covers) becomes a tombstone: it is marked
    /// as revoked by `rule.by`, as of `rule.issued_before`, by the rule that reaches furthest, in
    /// small transactions and without announcing it, since nothing that counts changes. Then lists
    /// need not look for it any more, and it is kept as long as what was revoked by itself.
    ///
    /// A token is kept while something is there that was made with it and is not revoked, since that
    /// ends with what the token was made with, too, which is found by the token's record.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn sweep<'a>(
        &'a self,
        now: Timestamp,
        retention: &'a Retention,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
}

/// One page of the revocation rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePage {
    /// Those of the page.
    pub rules: Vec<RevocationRule>,
    /// How many there are in all.
    pub total: u64,
}

/// How long a store keeps what is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// A token that expired, from then on. Default 30 days.
    pub expired: Duration,
    /// A token that was revoked, from then on, though no longer than until it would have expired.
    /// Default 400 days.
    pub revoked: Duration,
    /// A change in the feed. A node that was away for longer notices the gap. Default 1 day.
    pub changes: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_hours(24);
        Self { expired: DAY * 30, revoked: DAY * 400, changes: DAY }
    }
}
