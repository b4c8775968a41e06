use std::collections::HashSet;

use super::{MemoryStore, State};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    store::{check, order::compare},
    token::{LastUse, Revocation, RevocationRule, RuleScope, TokenId, TokenRecord, TokenType},
    token_service::{Retention, RuleSubject, TokenLookup, TokenPage, TokenQuery, TokenStore},
};

impl State {
    fn insert(&mut self, record: &TokenRecord) -> Result<(), StoreError> {
        if self.tokens.contains_key(&record.id) {
            return Err(StoreError::AlreadyExists);
        }
        let parent = record.parent.and_then(|parent| self.tokens.get(&parent));
        if parent.is_some_and(|parent| self.revocation(parent).is_some()) {
            return Err(StoreError::ParentRevoked);
        }
        self.tokens.insert(record.id, record.clone());
        self.settle(&record.id);
        Ok(())
    }

    /// Adds those whose ids are not taken, and returns how many.
    fn import(&mut self, records: &[TokenRecord]) -> u64 {
        let (mut added, mut unsettled) = (0, Vec::new());
        let mut parents: HashSet<TokenId> =
            self.tokens.values().filter_map(|record| record.parent).collect();
        for record in records {
            if self.tokens.contains_key(&record.id) {
                continue;
            }
            self.tokens.insert(record.id, record.clone());
            added += 1;
            // What is revoked takes with it what was there before it, or came with it.
            unsettled.extend(record.parent);
            parents.extend(record.parent);
            if parents.contains(&record.id) {
                unsettled.push(record.id);
            }
        }
        unsettled.iter().for_each(|id| self.settle(id));
        added
    }

    /// If the token is revoked, revokes what was made with it.
    fn settle(&mut self, id: &TokenId) {
        let revocation = self.tokens.get(id).and_then(|record| self.revocation(record));
        if let Some(Revocation { at, by }) = revocation {
            self.revoke_children(*id, &by, at);
        }
    }

    /// Since when and by whom the token is revoked, by itself or by the rule that reaches furthest.
    fn revocation(&self, record: &TokenRecord) -> Option<Revocation> {
        let by_rule = || {
            let covering = self.rules.values().filter(|rule| rule.covers(record));
            let rule = covering.max_by_key(|rule| rule.issued_before)?;
            Some(Revocation { at: rule.issued_before, by: rule.by.clone() })
        };
        record.revoked.clone().or_else(by_rule)
    }

    fn revoke(&mut self, id: &TokenId, by: &Urn, at: Timestamp) -> bool {
        let revoked = self.revoke_one(id, by, at);
        if revoked {
            self.revoke_children(*id, by, at);
        }
        revoked
    }

    fn revoke_one(&mut self, id: &TokenId, by: &Urn, at: Timestamp) -> bool {
        let Some(record) = self.tokens.get_mut(id).filter(|record| record.revoked.is_none()) else {
            return false;
        };
        record.revoked = Some(Revocation { at, by: by.clone() });
        self.announce(Change::Token(*id));
        true
    }

    /// Revokes what was made with the token `parent`, and what was made with that.
    fn revoke_children(&mut self, parent: TokenId, by: &Urn, at: Timestamp) {
        let mut parents = vec![parent];
        while let Some(parent) = parents.pop() {
            let is_session = |record: &TokenRecord| record.token_type == Some(TokenType::Session);
            if self.tokens.get(&parent).is_none_or(is_session) {
                continue;
            }
            let children = self.tokens.values().filter(|record| record.parent == Some(parent));
            let children: Vec<TokenId> = children.map(|record| record.id).collect();
            // One that was revoked before has none left, and so this ends, also in a circle.
            parents.extend(children.into_iter().filter(|child| self.revoke_one(child, by, at)));
        }
    }

    fn add_rule(&mut self, rule: &RevocationRule) {
        let known = self.rules.get(&rule.scope);
        if known.is_some_and(|known| known.issued_before >= rule.issued_before) {
            return;
        }
        self.rules.insert(rule.scope.clone(), rule.clone());
        self.announce(Change::Rule(rule.scope.clone()));
        let covered = self.tokens.values().filter(|record| rule.covers(record));
        let covered: Vec<TokenId> = covered.map(|record| record.id).collect();
        for id in covered {
            self.revoke_children(id, &rule.by, rule.issued_before);
        }
    }

    fn list(&self, query: &TokenQuery) -> TokenPage {
        let is_wanted = |record: &&TokenRecord| {
            record.revoked.is_none()
                && !self.rules.values().any(|rule| rule.covers(record))
                && query.filters.iter().all(|filter| filter.matches(record))
        };
        let mut found: Vec<&TokenRecord> = self.tokens.values().filter(is_wanted).collect();
        found.sort_by(|a, b| compare(query, a, b));
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
            self.write(|state| state.insert(record))
        })
    }

    fn import<'a>(&'a self, records: &'a [TokenRecord]) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            records.iter().try_for_each(check::record)?;
            Ok(self.write(|state| state.import(records)))
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
