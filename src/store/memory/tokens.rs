use std::collections::{HashMap, HashSet};

use super::{MemoryStore, State};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    store::{check, order::compare},
    token::{
        KeyRecord, LastUse, Revocation, RevocationRule, RuleScope, TokenId, TokenRecord, TokenType,
    },
    token_service::{
        MAX_ANCESTORS, Retention, RulePage, RuleSubject, TokenLookup, TokenPage, TokenQuery,
        TokenStore, TokenUses,
    },
};

impl State {
    fn insert(&mut self, record: &TokenRecord) -> Result<(), StoreError> {
        if self.tokens.contains_key(&record.id) {
            return Err(StoreError::AlreadyExists);
        }
        self.check_ancestors(record)?;
        self.add(record);
        self.settle([record.id]);
        Ok(())
    }

    /// Refuses a record that was made with what is revoked, or has too many ancestors.
    fn check_ancestors(&self, record: &TokenRecord) -> Result<(), StoreError> {
        let is_session = |record: &TokenRecord| record.token_type == Some(TokenType::Session);
        let parent = |record: &TokenRecord| record.parent.and_then(|id| self.tokens.get(&id));
        let Some(mut ancestor) = parent(record) else { return Ok(()) };
        // A session as parent is looked at itself, since who was logged out makes nothing, and is
        // no ancestor.
        let mut depth = usize::from(!is_session(ancestor));
        loop {
            if self.revocation(ancestor).is_some() {
                return Err(StoreError::ParentRevoked);
            }
            match parent(ancestor).filter(|next| !is_session(next)) {
                Some(next) if depth <= MAX_ANCESTORS => ancestor = next,
                _ => break,
            }
            depth += 1;
        }
        if depth > MAX_ANCESTORS { Err(check::too_deep()) } else { Ok(()) }
    }

    /// Adds those whose ids are not taken, and returns how many.
    fn import(&mut self, records: &[TokenRecord]) -> u64 {
        let (mut added, mut unsettled) = (0, Vec::new());
        for record in records {
            if self.tokens.contains_key(&record.id) {
                continue;
            }
            self.add(record);
            added += 1;
            unsettled.push(record.id);
            unsettled.extend(record.parent);
        }
        self.settle(unsettled);
        added
    }

    fn add(&mut self, record: &TokenRecord) {
        self.tokens.insert(record.id, record.clone());
        self.parents.extend(record.parent);
        if self.parents.contains(&record.id) {
            // Whoever has verified what was made with it has seen no parent.
            self.announce(Change::Token(record.id));
        }
    }

    /// Marks what was made with those of the tokens that are revoked, and what was made with that.
    /// Nothing but lists needs it, so it is not announced.
    fn settle(&mut self, ids: impl IntoIterator<Item = TokenId>) {
        let mut parents: Vec<TokenId> =
            ids.into_iter().filter(|id| self.parents.contains(id)).collect();
        if parents.is_empty() {
            return;
        }
        let mut children: HashMap<TokenId, Vec<TokenId>> = HashMap::new();
        for record in self.tokens.values() {
            if let Some(parent) = record.parent {
                children.entry(parent).or_default().push(record.id);
            }
        }
        while let Some(parent) = parents.pop() {
            let is_session = |record: &&TokenRecord| record.token_type == Some(TokenType::Session);
            let found = self.tokens.get(&parent).filter(|record| !is_session(record));
            let revocation = found.and_then(|record| self.revocation(record));
            // Each is taken once, and so this ends, also in a circle.
            let Some(revocation) = revocation else { continue };
            for child in children.remove(&parent).unwrap_or_default() {
                let record = self.tokens.get(&child);
                // The rule is enough for what one covers.
                if record.is_none_or(|record| self.revocation(record).is_some()) {
                    continue;
                }
                if let Some(record) = self.tokens.get_mut(&child) {
                    record.revoked = Some(revocation.clone());
                    parents.push(child);
                }
            }
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

    pub(super) fn revoke(&mut self, id: &TokenId, by: &Urn, at: Timestamp) -> bool {
        let Some(record) = self.tokens.get_mut(id).filter(|record| record.revoked.is_none()) else {
            return false;
        };
        record.revoked = Some(Revocation { at, by: by.clone() });
        self.announce(Change::Token(*id));
        self.settle([*id]);
        true
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
        self.settle(covered);
    }

    fn list_rules(&self, start: u32, count: u32) -> RulePage {
        let mut rules: Vec<RevocationRule> = self.rules.values().cloned().collect();
        // A change has the kind of its scope and what that is about, each as text.
        rules.sort_by_cached_key(|rule| Change::Rule(rule.scope.clone()).to_parts());
        let total = rules.len().try_into().unwrap_or(u64::MAX);
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        RulePage { rules: rules.into_iter().skip(start).take(count).collect(), total }
    }

    fn list(&self, query: &TokenQuery) -> TokenPage {
        let is_wanted = |record: &&TokenRecord| {
            record.revoked.is_none()
                && record.token_type != Some(TokenType::Session)
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

    /// Marks what a rule covers as revoked by the rule that reaches furthest.
    fn mark_covered(&mut self) {
        let good = self.tokens.values().filter(|record| record.revoked.is_none());
        let covered: Vec<(TokenId, Revocation)> =
            good.filter_map(|record| Some((record.id, self.revocation(record)?))).collect();
        for (id, revocation) in covered {
            if let Some(record) = self.tokens.get_mut(&id) {
                record.revoked = Some(revocation);
            }
        }
    }

    fn sweep(&mut self, now: Timestamp, retention: &Retention) -> u64 {
        self.mark_covered();
        let before = self.tokens.len();
        loop {
            // What is left and was made with one, which ends with it, or with what it was made with.
            let alive = self.tokens.values().filter(|record| record.revoked.is_none());
            let needed: HashSet<_> = alive.filter_map(|record| record.parent).collect();
            let left = self.tokens.len();
            self.tokens.retain(|id, record| {
                let is_needed =
                    record.token_type != Some(TokenType::Session) && needed.contains(id);
                is_needed || !is_over(record, now, retention)
            });
            if self.tokens.len() == left {
                break;
            }
        }
        self.parents = self.tokens.values().filter_map(|record| record.parent).collect();
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

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        Box::pin(async move { Ok(self.state().key_records()) })
    }

    fn find_all<'a>(
        &'a self,
        ids: &'a [TokenId],
    ) -> BoxFuture<'a, Result<Vec<Option<TokenRecord>>, StoreError>> {
        Box::pin(async move {
            let state = self.state();
            Ok(ids.iter().map(|id| state.tokens.get(id).cloned()).collect())
        })
    }

    fn rules_for_any<'a>(
        &'a self,
        subjects: &'a [RuleSubject<'a>],
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(async move {
            let state = self.state();
            let is_wanted =
                |rule: &&RevocationRule| subjects.iter().any(|subject| subject.is_in(&rule.scope));
            Ok(state.rules.values().filter(is_wanted).cloned().collect())
        })
    }
}

impl TokenUses for MemoryStore {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.write(|state| state.record_uses(uses));
            Ok(())
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

    fn list_rules(&self, start: u32, count: u32) -> BoxFuture<'_, Result<RulePage, StoreError>> {
        Box::pin(async move { Ok(self.state().list_rules(start, count)) })
    }

    fn list<'a>(&'a self, query: &'a TokenQuery) -> BoxFuture<'a, Result<TokenPage, StoreError>> {
        Box::pin(async move {
            check::query(query)?;
            Ok(self.state().list(query))
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
