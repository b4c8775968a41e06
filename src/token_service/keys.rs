use std::fmt;

use super::TokenService;
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    token::{KeyId, KeyRecord, KeyRing, KeyState, KeyStates, TokenKey},
};

/// Where the states of keys are kept, beside the tokens that they signed. What the keys are made of
/// is never there. They are read by [`TokenLookup::keys`](super::TokenLookup::keys).
///
/// Each change is one transaction, announced as [`Change::Keys`](crate::feed::Change::Keys) if it
/// made a difference. Under many writers, one key at most is [`Signing`](KeyState::Signing).
pub trait KeyStore: fmt::Debug + Send + Sync + 'static {
    /// Makes a key verify that the store does not know, or that is retired.
    /// [`Unchanged`](KeyChange::Unchanged) if it verifies or signs already.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn add_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>>;

    /// Makes this the key that signs; the one that did verifies from then on. Those of `known` that
    /// the store does not know are added as verifying.
    ///
    /// [`IsRetired`](KeyChange::IsRetired), and nothing is changed, for a key that is retired: it has
    /// to be added first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn promote_key<'a>(
        &'a self,
        id: KeyId,
        known: &'a [KeyId],
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>>;

    /// Retires a key: what it signed is refused from then on, also if the store did not know it.
    ///
    /// [`IsSigning`](KeyChange::IsSigning), and nothing is changed, for the key that signs.
    /// [`NoneSigns`](KeyChange::NoneSigns) as long as the store knows of no key that does: it could
    /// be this one, by the configuration of some node.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    fn retire_key<'a>(
        &'a self,
        id: KeyId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<KeyChange, StoreError>>;

    /// How many tokens and sessions that end after `now` and are not marked as revoked were signed
    /// with this key; with `None`, how many whose record does not say. What a rule covers is counted
    /// until a sweep has marked it.
    ///
    /// It counts to [`MAX_COUNTED_TOKENS`], so that it takes no longer than that, however many there
    /// are.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    fn count_tokens_of_key<'a>(
        &'a self,
        id: Option<KeyId>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;
}

/// Up to how many tokens of a key are counted.
pub const MAX_COUNTED_TOKENS: u64 = 10_000;

/// What came of changing the state of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyChange {
    /// It was changed.
    Changed,
    /// It was so before.
    Unchanged,
    /// Not done: the key is retired.
    IsRetired,
    /// Not done: the key signs.
    IsSigning,
    /// Not done: no key signs, as far as the store knows.
    NoneSigns,
}

/// A key, as one process sees it: what it has itself, and what the store says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// Which key.
    pub id: KeyId,
    /// What it is for, as things are.
    pub state: KeyState,
    /// What the store knows; `None` for a key that is only configured here.
    pub record: Option<KeyRecord>,
    /// Whether this process has the key itself. Without it, it cannot tell the key's tokens from
    /// forged ones.
    pub has_material: bool,
    /// How many tokens and sessions need it, up to [`MAX_COUNTED_TOKENS`].
    pub tokens: u64,
}

/// All keys, as one process sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyOverview {
    /// First the one that signs, then in the order of their ids.
    pub keys: Vec<KeyStatus>,
    /// How many tokens are good whose record does not say the key, such as those taken over from a
    /// DataHub. Up to [`MAX_COUNTED_TOKENS`].
    pub tokens_of_unknown_key: u64,
}

/// Why the state of a key was not changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyChangeError {
    /// This process does not have the key, and so could not do with it what it is to do.
    #[error("this node does not have the key {0}: configure it on every node first")]
    NoMaterial(KeyId),
    /// The key is retired.
    #[error("the key {0} is retired: add it first, and what it signed is good again")]
    Retired(KeyId),
    /// The key signs.
    #[error("the key {0} signs: promote another one first")]
    Signing(KeyId),
    /// No key was ever promoted.
    #[error("no key was promoted yet: promote the one that signs first, so that every node knows")]
    NoneSigns,
    /// There is no such key, neither here nor in the store.
    #[error("there is no key {0}")]
    Unknown(KeyId),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// A key whose tokens are good is not among those that this process has, so that it cannot tell a
/// token of it from a forged one.
#[derive(Debug, thiserror::Error)]
#[error("this node does not have the key {0}, which is not retired")]
pub(crate) struct KeyMissing(pub(crate) KeyId);

/// Keys. Nothing here is remembered: what is done on one node is so on every other one when it makes
/// its next token, and within the revocation bound for those it verifies.
impl TokenService {
    /// All keys: those that are configured here, and those that the store knows.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    pub async fn keys(&self) -> Result<KeyOverview, StoreError> {
        let ring = self.verification.verifier.keys();
        let states = KeyStates::new(self.tokens.keys().await?);
        let mut ids: Vec<KeyId> = ring.candidates().map(TokenKey::id).collect();
        ids.extend(states.records().iter().map(|record| record.id));
        ids.sort_unstable();
        ids.dedup();
        let now = self.clock.now();
        let mut keys = Vec::with_capacity(ids.len());
        for id in ids {
            keys.push(KeyStatus {
                id,
                state: state(&ring, &states, id),
                record: states.record(id).cloned(),
                has_material: ring.key(id).is_some(),
                tokens: self.tokens.count_tokens_of_key(Some(id), now).await?,
            });
        }
        // A stable sort: the others stay in the order of their ids.
        keys.sort_by_key(|key| key.state != KeyState::Signing);
        let tokens_of_unknown_key = self.tokens.count_tokens_of_key(None, now).await?;
        Ok(KeyOverview { keys, tokens_of_unknown_key })
    }

    /// Makes a key known to the store as one that verifies, or takes back that it is retired.
    /// Returns whether that made a difference.
    ///
    /// A key that is configured verifies without this; so it is only for taking something back, or
    /// for the record.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError::NoMaterial`] for a key that this process does not have;
    /// [`KeyChangeError::Store`].
    pub async fn add_key(&self, id: KeyId, by: &Urn) -> Result<bool, KeyChangeError> {
        if self.verification.verifier.keys().key(id).is_none() {
            return Err(KeyChangeError::NoMaterial(id));
        }
        outcome(id, self.tokens.add_key(id, by, self.clock.now()).await?)
    }

    /// Makes a key sign, on every node, from the next token on. The one that did verifies from then
    /// on, and so do the others that are configured here. Returns whether that made a difference.
    ///
    /// Every node must have the key before: one that does not cannot make tokens any more, nor tell
    /// those that others make from forged ones, and answers 503 to both. Until it knows of the
    /// promotion, within the revocation bound, it takes them for forged ones: 401.
    ///
    /// The same goes for every key that the store knows and that is not retired: retire it before it
    /// is taken out of the configuration.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError::NoMaterial`] for a key that this process does not have;
    /// [`KeyChangeError::Retired`]; [`KeyChangeError::Store`].
    pub async fn promote_key(&self, id: KeyId, by: &Urn) -> Result<bool, KeyChangeError> {
        let ring = self.verification.verifier.keys();
        if ring.key(id).is_none() {
            return Err(KeyChangeError::NoMaterial(id));
        }
        let known: Vec<KeyId> = ring.candidates().map(TokenKey::id).collect();
        outcome(id, self.tokens.promote_key(id, &known, by, self.clock.now()).await?)
    }

    /// Retires a key: what it signed is refused, on every node within the revocation bound. Returns
    /// whether that made a difference.
    ///
    /// Tokens that were made with those tokens, and signed with another key, stay good; a rule of
    /// scope [`Key`](crate::token::RuleScope::Key) ends both.
    ///
    /// # Errors
    ///
    /// [`KeyChangeError::Signing`] for the key that signs, and
    /// [`NoneSigns`](KeyChangeError::NoneSigns) before the first promotion;
    /// [`KeyChangeError::Unknown`] for a key that neither this process nor the store has;
    /// [`KeyChangeError::Store`].
    pub async fn retire_key(&self, id: KeyId, by: &Urn) -> Result<bool, KeyChangeError> {
        let ring = self.verification.verifier.keys();
        let states = KeyStates::new(self.tokens.keys().await?);
        if ring.key(id).is_none() && states.record(id).is_none() {
            return Err(KeyChangeError::Unknown(id));
        }
        outcome(id, self.tokens.retire_key(id, by, self.clock.now()).await?)
    }
}

fn state(ring: &KeyRing, states: &KeyStates, id: KeyId) -> KeyState {
    match (states.record(id), states.signing()) {
        (Some(KeyRecord { state: state @ (KeyState::Signing | KeyState::Retired), .. }), _) => {
            *state
        }
        (_, None) if ring.signing().id() == id => KeyState::Signing,
        _ => KeyState::Verifying,
    }
}

fn outcome(id: KeyId, change: KeyChange) -> Result<bool, KeyChangeError> {
    match change {
        KeyChange::Changed => Ok(true),
        KeyChange::Unchanged => Ok(false),
        KeyChange::IsRetired => Err(KeyChangeError::Retired(id)),
        KeyChange::IsSigning => Err(KeyChangeError::Signing(id)),
        KeyChange::NoneSigns => Err(KeyChangeError::NoneSigns),
    }
}
