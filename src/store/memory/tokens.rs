use std::cmp::Ordering;

use super::{MemoryStore, State};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    store::check,
    token::{LastUse, Revocation, RevocationRule, RuleScope, TokenId, TokenRecord},
    token_service::{
        Retention, RuleSubject, TokenLookup, TokenPage, TokenQuery, TokenSort, TokenStore,
    },
};

impl State {
    /// Adds those whose ids are not taken, and returns how many.
    fn add_tokens(&mut self, records: &[TokenRecord]) -> u64 {
        let mut added = 0;
        for record in records {
            self.tokens.entry(record.id).or_insert_with(|| {
                added += 1;
                record.clone()
            });
        }
        added
    }

    fn revoke(&mut self, id: &TokenId, by: &Urn, at: Timestamp) -> bool {
        let Some(record) = self.tokens.get_mut(id).filter(|record| record.revoked.is_none()) else {
            return false;
        };
        record.revoked = Some(Revocation { at, by: by.clone() });
        self.announce(Change::Token(*id));
        true
    }

    fn add_rule(&mut self, rule: &RevocationRule) {
        let known = self.rules.get(&rule.scope);
        if known.is_none_or(|known| known.issued_before < rule.issued_before) {
            self.rules.insert(rule.scope.clone(), rule.clone());
            self.announce(Change::Rule(rule.scope.clone()));
        }
    }

    fn list(&self, query: &TokenQuery) -> TokenPage {
        let is_wanted = |record: &&TokenRecord| {
            record.revoked.is_none()
                && !self.rules.values().any(|rule| rule.covers(record))
                && query.filters.iter().all(|filter| filter.matches(record))
        };
        let mut found: Vec<&TokenRecord> = self.tokens.values().filter(is_wanted).collect();
        // Stable, and the map is in the order of the ids.
        found.sort_by(|a, b| {
            let order = compare(a, b, query.sort);
            if query.descending { order.reverse() } else { order }
        });
        let start = usize::try_from(query.start).unwrap_or(usize::MAX);
        let count = usize::try_from(query.count).unwrap_or(usize::MAX);
        TokenPage {
            total: found.len().try_into().unwrap_or(u64::MAX),
            tokens: found.into_iter().skip(start).take(count).cloned().collect(),
        }
    }

    fn record_uses(&mut self, uses: &[(TokenId, LastUse)]) {
        for (id, last_use) in uses {
            let Some(record) = self.tokens.get_mut(id) else { continue };
            if record.last_used.as_ref().is_none_or(|known| known.at <= last_use.at) {
                record.first_used.get_or_insert(last_use.at);
                record.last_used = Some(last_use.clone());
            }
        }
    }

    fn sweep(&mut self, now: Timestamp, retention: &Retention) -> u64 {
        let before = self.tokens.len();
        self.tokens.retain(|_, record| !is_over(record, now, retention));
        self.changes.sweep(now, retention.changes);
        before.saturating_sub(self.tokens.len()).try_into().unwrap_or(u64::MAX)
    }
}

impl TokenLookup for MemoryStore {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move { Ok(self.state().tokens.get(id).cloned()) })
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(async move {
            let scopes = [
                Some(RuleScope::All),
                subject.key.map(RuleScope::Key),
                Some(RuleScope::Actor(subject.actor.clone())),
                subject.owner.cloned().map(RuleScope::Owner),
            ];
            let state = self.state();
            Ok(scopes
                .iter()
                .flatten()
                .filter_map(|scope| state.rules.get(scope))
                .cloned()
                .collect())
        })
    }
}

impl TokenStore for MemoryStore {
    fn insert<'a>(&'a self, record: &'a TokenRecord) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            check::record(record)?;
            match self.write(|state| state.add_tokens(std::slice::from_ref(record))) {
                0 => Err(StoreError::AlreadyExists),
                _ => Ok(()),
            }
        })
    }

    fn import<'a>(&'a self, records: &'a [TokenRecord]) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            records.iter().try_for_each(check::record)?;
            Ok(self.write(|state| state.add_tokens(records)))
        })
    }

    fn revoke<'a>(
        &'a self,
        id: &'a TokenId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.revoke(id, by, at))) })
    }

    fn add_rule<'a>(&'a self, rule: &'a RevocationRule) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.write(|state| state.add_rule(rule));
            Ok(())
        })
    }

    fn list<'a>(&'a self, query: &'a TokenQuery) -> BoxFuture<'a, Result<TokenPage, StoreError>> {
        Box::pin(async move {
            check::query(query)?;
            Ok(self.state().list(query))
        })
    }

    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.write(|state| state.record_uses(uses));
            Ok(())
        })
    }

    fn sweep<'a>(
        &'a self,
        now: Timestamp,
        retention: &'a Retention,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.sweep(now, retention))) })
    }
}

fn compare(a: &TokenRecord, b: &TokenRecord, sort: TokenSort) -> Ordering {
    match sort {
        TokenSort::ExpiresAt => {
            (a.expires_at.is_none(), a.expires_at).cmp(&(b.expires_at.is_none(), b.expires_at))
        }
        TokenSort::CreatedAt => a.created_at.cmp(&b.created_at),
        TokenSort::Name => a.name.cmp(&b.name),
    }
}

/// Whether the record need not be kept at the time `now`.
fn is_over(record: &TokenRecord, now: Timestamp, retention: &Retention) -> bool {
    match &record.revoked {
        // Not the earlier `valid_until`: an import of an older record must not bring it back.
        Some(revocation) => {
            record.expires_at.is_some_and(|end| end <= now)
                || revocation.at <= now.saturating_sub(retention.revoked)
        }
        None => record.ends_at().is_some_and(|end| end <= now.saturating_sub(retention.expired)),
    }
}
