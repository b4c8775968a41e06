use std::sync::Arc;

use super::{
    KeyMissing, Lineage, MintError, MintRequest, MintedToken, RulePage, RuleSubject, TokenPage,
    TokenQuery, TokenStore, Verification, VerifyError,
    verify::{ANONYMOUS, DATAHUB_SYSTEM},
};
use crate::{
    actor::{Actor, Directory, Urn},
    backend::StoreError,
    clock::{Clock, SystemClock, Timestamp},
    config::Config,
    random::{OsRandom, RandomError, RandomSource},
    token::{
        ActorType, KeyId, KeyStates, Lifetime, LifetimePolicy, RevocationRule, RuleScope,
        TokenClaims, TokenId, TokenRecord, TokenType, TokenVersion,
    },
};

/// Makes, verifies, revokes and lists tokens. Cheap to clone. See the [module docs](super).
#[derive(Debug, Clone)]
pub struct TokenService {
    pub(super) verification: Arc<Verification>,
    lifetimes: LifetimePolicy,
    system_actor: Option<Urn>,
    pub(super) tokens: Arc<dyn TokenStore>,
    directory: Arc<dyn Directory>,
    pub(super) clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
}

/// A token that is good, of an actor who may act.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ActiveToken {
    /// Who it acts as.
    pub actor: Actor,
    /// What it says.
    pub claims: TokenClaims,
    /// What is stored of it; `None` for a token of version 1.
    pub record: Option<TokenRecord>,
}

impl TokenService {
    /// A service over one store for tokens and users.
    #[must_use]
    pub fn new<S: TokenStore + Directory>(config: &Config, store: Arc<S>) -> Self {
        Self::from_parts(config, store.clone(), store)
    }

    /// A service over a store for tokens and another directory.
    #[must_use]
    pub fn from_parts(
        config: &Config,
        tokens: Arc<dyn TokenStore>,
        directory: Arc<dyn Directory>,
    ) -> Self {
        Self {
            verification: Arc::new(Verification::new(config)),
            lifetimes: config.settings.lifetimes.clone(),
            system_actor: config.settings.system_actor.clone(),
            tokens,
            directory,
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(OsRandom),
        }
    }

    /// The clock that dates are taken from. Default the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where token ids (`jti`) come from. Default the system's source.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.random = random;
        self
    }

    /// Which lifetimes may be asked for.
    #[must_use]
    pub fn lifetimes(&self) -> &LifetimePolicy {
        &self.lifetimes
    }

    /// Makes a token. Its record is committed before its text is returned.
    ///
    /// Whether the actor exists is not looked at, as in DataHub; without the actor the token does
    /// not verify. The lifetime must be one of those allowed, but for a SESSION, which may have any
    /// that ends.
    ///
    /// # Errors
    ///
    /// [`MintError`]; then there is no token.
    pub async fn mint(&self, request: MintRequest) -> Result<MintedToken, MintError> {
        match request.lifetime {
            // Nobody asks for the lifetime of a session: it is the service's own.
            Lifetime::For(_) if request.token_type == TokenType::Session => {}
            lifetime => self.lifetimes.check(lifetime)?,
        }
        // A token carries the key alone, so every other urn with this key would be somebody else.
        if !is_user(&request.actor) {
            return Err(MintError::NotAUser(request.actor));
        }
        if is_reserved(&request.actor, self.system_actor.as_ref()) {
            return Err(MintError::ReservedActor(request.actor));
        }
        let created_at = self.clock.now();
        let wanted = match request.lifetime {
            Lifetime::For(duration) => Some(created_at.saturating_add(duration)),
            Lifetime::Never => None,
        };
        let expires_at = match (wanted, request.not_after) {
            (_, Some(end)) if end <= created_at => return Err(MintError::Over(end)),
            (Some(wanted), Some(end)) => Some(wanted.min(end)),
            (wanted, end) => wanted.or(end),
        };
        let claims = TokenClaims {
            actor_type: ActorType::User,
            actor_id: request.actor.key().to_owned(),
            token_type: request.token_type,
            version: TokenVersion::Stateful,
            jti: Some(self.random_uuid()?),
            expires_at,
        };
        for _ in 0..MOST_SIGNED {
            let (minted, key) = self.sign_and_store(&request, &claims, created_at).await?;
            // Storing may take its time. Whether the key was retired meanwhile is worth a question,
            // but its answer is not needed: what is found out later is found out by whoever verifies.
            if !self.is_retired(key).await.unwrap_or(false) {
                return Ok(minted);
            }
            // Nobody has seen its text, and it shall be in no list.
            self.tokens.revoke(&minted.record.id, &minted.record.owner, self.clock.now()).await?;
        }
        Err(StoreError::unavailable("keys are retired as soon as they sign").into())
    }

    /// A token, signed with the key that signs now.
    async fn sign_and_store(
        &self,
        request: &MintRequest,
        claims: &TokenClaims,
        created_at: Timestamp,
    ) -> Result<(MintedToken, KeyId), MintError> {
        // Asked each time: whoever was told that a key signs finds no other one at work.
        let states = KeyStates::new(self.tokens.keys().await?);
        let ring = self.verification.verifier.keys();
        let key = states.signing_key(&ring).map_err(MintError::SigningKeyMissing)?;
        let token = self.verification.verifier.sign_with(key, claims)?;
        let key = key.id();
        let id = token.id(&self.verification.salt);
        let (name, actor, owner) =
            (request.name.clone(), request.actor.clone(), request.owner.clone());
        let mut record = TokenRecord::new(id, name, actor, owner, created_at);
        record.description = request.description.clone();
        record.expires_at = claims.expires_at;
        record.token_type = Some(request.token_type);
        record.key_id = Some(key);
        record.parent = request.parent;
        record.created_via = request.created_via.clone();
        record.restrictions = request.restrictions.clone();
        self.tokens.insert(&record).await?;
        Ok((MintedToken { token, record }, key))
    }

    /// Judges a token's text, with store and directory.
    ///
    /// # Errors
    ///
    /// [`VerifyError`]; an outage is [`VerifyError::Store`] and says nothing of the token. It is that
    /// also if the signature fits no key of this process, and it lacks one that is not retired.
    pub async fn verify(&self, text: &str) -> Result<ActiveToken, VerifyError> {
        let now = self.clock.now();
        let (token, claims) = match self.verification.check(text, now) {
            Err(error) if error.is_bad_signature() => {
                return Err(match self.missing_key().await? {
                    Some(id) => StoreError::unavailable(KeyMissing(id)).into(),
                    None => error,
                });
            }
            checked => checked?,
        };
        Verification::check_key(&KeyStates::new(self.tokens.keys().await?), token.key_id)?;
        let stored = self.verification.look_up(&*self.tokens, &token, now, |record| record).await?;
        let actor = self.verification.actor(&*self.directory, &token.actor).await?;
        Ok(ActiveToken { actor, claims, record: stored.map(|stored| stored.record) })
    }

    /// The id of a token's text in this deployment, whether or not there is such a token.
    #[must_use]
    pub fn id_of(&self, text: &str) -> TokenId {
        TokenId::of(text, &self.verification.salt)
    }

    /// The id of a session, if the text is one that was signed here and is not over.
    #[cfg(feature = "session")]
    pub(crate) fn session_id(&self, text: &str) -> Result<TokenId, VerifyError> {
        let now = self.clock.now();
        Ok(self.verification.check_as(text.as_bytes(), super::TokenPlace::Session, now)?.id)
    }

    /// A key whose tokens are good, and which this process does not have: then it cannot tell them
    /// from forged ones.
    pub(crate) async fn missing_key(&self) -> Result<Option<KeyId>, StoreError> {
        let states = KeyStates::new(self.tokens.keys().await?);
        Ok(states.missing_in(&self.verification.verifier.keys()).next())
    }

    /// Revokes a token; `false` if there is none that is not revoked already.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn revoke(&self, id: &TokenId, by: &Urn) -> Result<bool, StoreError> {
        self.tokens.revoke(id, by, self.clock.now()).await
    }

    /// Revokes every token in `scope` that was made until now, by one rule.
    ///
    /// "Until now" is by this machine's clock: a token that a machine with a fast clock made just
    /// before is not covered, so clocks had better agree.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn revoke_all(&self, scope: RuleScope, by: &Urn) -> Result<(), StoreError> {
        let rule = RevocationRule { scope, issued_before: self.until_now(), by: by.clone() };
        self.tokens.add_rule(&rule).await
    }

    /// Before when everything was made that has been made until now. A rule covers what was made
    /// *before* its time; a token of this millisecond is meant too.
    pub(crate) fn until_now(&self) -> Timestamp {
        self.clock.now().saturating_add(std::time::Duration::from_millis(1))
    }

    /// Revokes what `rule` covers, and returns the rule that is in force for that scope: this one, or
    /// one that was there before and reaches further. There is no way back.
    ///
    /// Tokens of version 1 do not say when they were made: any rule for their actor, their key or all
    /// revokes them, however early its date.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`], and nothing is revoked, for a time to come: what is made until then
    /// would never be good. Any other [`StoreError`] if the store fails; the rule may be in force.
    pub async fn add_rule(&self, rule: &RevocationRule) -> Result<RevocationRule, StoreError> {
        if rule.issued_before > self.until_now() {
            return Err(StoreError::Invalid("a rule cannot be about a time to come".to_owned()));
        }
        self.tokens.add_rule(rule).await?;
        let subject = match &rule.scope {
            RuleScope::Actor(urn) => RuleSubject::new(urn, None, None),
            RuleScope::Owner(urn) => RuleSubject::new(urn, Some(urn), None),
            RuleScope::Key(id) => RuleSubject::new(&rule.by, None, Some(*id)),
            RuleScope::All => RuleSubject::new(&rule.by, None, None),
        };
        let rules = self.tokens.rules(subject).await?;
        // Rules are never taken away, so it is there.
        let in_force = rules.into_iter().find(|found| found.scope == rule.scope);
        Ok(in_force.unwrap_or_else(|| rule.clone()))
    }

    /// One page of the revocation rules.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn list_rules(&self, start: u32, count: u32) -> Result<RulePage, StoreError> {
        self.tokens.list_rules(start, count).await
    }

    /// What is stored of a token, also of one that was revoked.
    pub(crate) async fn find(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError> {
        self.tokens.find(id).await
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What is stored of a token that was not revoked; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn metadata(&self, id: &TokenId) -> Result<Option<TokenRecord>, StoreError> {
        match self.tokens.find(id).await? {
            Some(record) => self.unless_revoked(record).await,
            None => Ok(None),
        }
    }

    /// The record, unless its token was revoked, by itself, by a rule, or with what it was made with.
    pub(crate) async fn unless_revoked(
        &self,
        record: TokenRecord,
    ) -> Result<Option<TokenRecord>, StoreError> {
        if record.revoked.is_some() {
            return Ok(None);
        }
        let subject = RuleSubject::new(&record.actor, Some(&record.owner), record.key_id);
        let rules = self.tokens.rules(subject).await?;
        if rules.iter().any(|rule| rule.covers(&record)) {
            return Ok(None);
        }
        Ok(match Lineage::of(&*self.tokens, &record).await? {
            Lineage::Good(_) => Some(record),
            Lineage::Revoked(_) => None,
        })
    }

    /// Whether what this key signed is refused.
    pub(crate) async fn is_retired(&self, key: KeyId) -> Result<bool, StoreError> {
        Ok(KeyStates::new(self.tokens.keys().await?).retired_at(key).is_some())
    }

    /// Whether a rule revokes the tokens of version 1 of this actor, which have no record, and do not
    /// say when they were made.
    pub(crate) async fn is_stateless_revoked(&self, actor: &Urn) -> Result<bool, StoreError> {
        let rules = self.tokens.rules(RuleSubject::new(actor, None, None)).await?;
        Ok(rules.iter().any(|rule| rule.is_before(None)))
    }

    /// One page of the tokens that were not revoked.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails.
    pub async fn list(&self, query: &TokenQuery) -> Result<TokenPage, StoreError> {
        self.tokens.list(query).await
    }

    /// Takes over records of a DataHub with the same key and salt, all or nothing, and returns how
    /// many were new. Their tokens verify from then on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; then nothing was taken over.
    pub async fn import(&self, records: &[TokenRecord]) -> Result<u64, StoreError> {
        self.tokens.import(records).await
    }

    /// Whether there can be tokens by which somebody acts as `actor`.
    #[cfg(feature = "session")]
    pub(crate) fn is_possible_actor(&self, actor: &Urn) -> bool {
        is_user(actor) && !is_reserved(actor, self.system_actor.as_ref())
    }

    /// A new UUID of version 4.
    pub(crate) fn random_uuid(&self) -> Result<String, RandomError> {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes)?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }
}

/// How often a token is signed at most, if the keys are retired meanwhile.
const MOST_SIGNED: usize = 3;

fn is_user(urn: &Urn) -> bool {
    Urn::corpuser(urn.key()).as_ref() == Ok(urn)
}

/// Whether nobody may act as this. DataHub's system actor neither: with the same key, its token would
/// be good for everything there.
fn is_reserved(actor: &Urn, system_actor: Option<&Urn>) -> bool {
    [ANONYMOUS, DATAHUB_SYSTEM].contains(&actor.key()) || system_actor == Some(actor)
}
