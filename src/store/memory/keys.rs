use super::{MemoryStore, State};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    token::{KeyId, KeyRecord, KeyState},
    token_service::{KeyChange, KeyStore, MAX_COUNTED_TOKENS},
};

impl State {
    fn add_key(&mut self, id: KeyId, by: &Urn, at: Timestamp) -> KeyChange {
        if self.keys.get(&id).is_some_and(|key| key.state != KeyState::Retired) {
            return KeyChange::Unchanged;
        }
        let key = self.keys.entry(id).or_insert_with(|| verifying(id, by, at));
        key.state = KeyState::Verifying;
        key.retired_at = None;
        key.by = by.clone();
        self.announce(Change::Keys);
        KeyChange::Changed
    }

    fn promote_key(&mut self, id: KeyId, known: &[KeyId], by: &Urn, at: Timestamp) -> KeyChange {
        match self.keys.get(&id).map(|key| key.state) {
            Some(KeyState::Signing) => return KeyChange::Unchanged,
            Some(KeyState::Retired) => return KeyChange::IsRetired,
            Some(KeyState::Verifying) | None => {}
        }
        for known in known.iter().chain([&id]) {
            self.keys.entry(*known).or_insert_with(|| verifying(*known, by, at));
        }
        for key in self.keys.values_mut() {
            if key.id == id {
                key.state = KeyState::Signing;
                key.signing_since = Some(at);
                key.by = by.clone();
            } else if key.state == KeyState::Signing {
                key.state = KeyState::Verifying;
                key.by = by.clone();
            }
        }
        self.announce(Change::Keys);
        KeyChange::Changed
    }

    fn retire_key(&mut self, id: KeyId, by: &Urn, at: Timestamp) -> KeyChange {
        match self.keys.get(&id).map(|key| key.state) {
            Some(KeyState::Signing) => return KeyChange::IsSigning,
            Some(KeyState::Retired) => return KeyChange::Unchanged,
            Some(KeyState::Verifying) | None => {}
        }
        if !self.keys.values().any(|key| key.state == KeyState::Signing) {
            return KeyChange::NoneSigns;
        }
        let key = self.keys.entry(id).or_insert_with(|| verifying(id, by, at));
        key.state = KeyState::Retired;
        key.retired_at = Some(at);
        key.by = by.clone();
        self.announce(Change::Keys);
        KeyChange::Changed
    }

    fn count_tokens_of_key(&self, id: Option<KeyId>, now: Timestamp) -> u64 {
        let most = usize::try_from(MAX_COUNTED_TOKENS).unwrap_or(usize::MAX);
        let of_key = self.tokens.values().filter(|record| {
            record.key_id == id
                && record.revoked.is_none()
                && record.ends_at().is_none_or(|end| end > now)
        });
        of_key.take(most).count().try_into().unwrap_or(MAX_COUNTED_TOKENS)
    }

    pub(super) fn key_records(&self) -> Vec<KeyRecord> {
        self.keys.values().cloned().collect()
    }
}

impl KeyStore for MemoryStore {
    fn add_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.add_key(id, by, at))) })
    }

    fn promote_key<'a>(
        &'a self,
        id: KeyId,
        known: &'a [KeyId],
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.promote_key(id, known, by, at))) })
    }

    fn retire_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>> {
        Box::pin(async move { Ok(self.write(|state| state.retire_key(id, by, at))) })
    }

    fn count_tokens_of_key<'a>(
        &'a self,
        id: Option<KeyId>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move { Ok(self.state().count_tokens_of_key(id, now)) })
    }
}

fn verifying(id: KeyId, by: &Urn, at: Timestamp) -> KeyRecord {
    KeyRecord {
        id,
        state: KeyState::Verifying,
        added_at: at,
        signing_since: None,
        retired_at: None,
        by: by.clone(),
    }
}
