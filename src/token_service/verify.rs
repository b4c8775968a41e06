use crate::{
    actor::{Actor, ActorProfile, Directory, Inactive, Urn},
    backend::StoreError,
    clock::Timestamp,
    config::Config,
    token::{
        Buffer, Claims, KeyId, KeyStates, RevocationRule, Salt, TokenClaims, TokenError, TokenId,
        TokenRecord, TokenStatus, TokenType, TokenVerifier, TokenVersion,
    },
    token_service::{Ancestor, Lineage, RuleSubject, TokenLookup},
};

/// The id by which DataHub means nobody.
pub(crate) const ANONYMOUS: &str = "anonymous";

/// The id that may do everything in a DataHub, unless it was configured otherwise there.
pub(crate) const DATAHUB_SYSTEM: &str = "__datahub_system";

/// The rules by which a token text becomes an actor, without the stores that are asked.
#[derive(Debug, Clone)]
pub(crate) struct Verification {
    pub(crate) verifier: TokenVerifier,
    pub(crate) salt: Salt,
    accept_stateless: bool,
    accept_sessions: bool,
    enforce_existence: bool,
    system_actor: Option<Urn>,
}

/// Where the text of a token was found, which decides what kinds of tokens are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TokenPlace {
    /// Where tokens are shown: what the configuration accepts.
    Header,
    /// Where sessions are kept, such as a cookie: SESSION tokens that are stored, and no others.
    Session,
}

/// A token that is good as far as can be told without a store.
#[derive(Debug, Clone)]
pub(crate) struct SignedToken {
    pub(crate) id: TokenId,
    pub(crate) actor: Urn,
    pub(crate) key_id: KeyId,
    pub(crate) token_type: TokenType,
    pub(crate) version: TokenVersion,
    pub(crate) expires_at: Option<Timestamp>,
}

/// What the store has of a token, as far as it matters for who asks.
#[derive(Debug)]
pub(crate) struct Stored<T> {
    pub(crate) record: T,
    /// What it was made with; each can end it.
    pub(crate) ancestors: Box<[Ancestor]>,
}

impl Verification {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            verifier: config.verifier(),
            salt: config.salt.clone(),
            accept_stateless: config.settings.accept_stateless,
            accept_sessions: config.settings.accept_sessions,
            enforce_existence: config.settings.enforce_existence,
            system_actor: config.settings.system_actor.clone(),
        }
    }

    /// What can be judged without asking anybody, and what the token says.
    pub(crate) fn check(
        &self,
        text: &str,
        now: Timestamp,
    ) -> Result<(SignedToken, TokenClaims), VerifyError> {
        let owned = |claims: Claims<'_>| claims.into_owned();
        self.check_with(text.as_bytes(), TokenPlace::Header, now, owned)
    }

    /// What can be judged without asking anybody, of a text that was found there.
    pub(crate) fn check_as(
        &self,
        text: &[u8],
        place: TokenPlace,
        now: Timestamp,
    ) -> Result<SignedToken, VerifyError> {
        self.check_with(text, place, now, |_| ()).map(|(token, ())| token)
    }

    fn check_with<T>(
        &self,
        text: &[u8],
        place: TokenPlace,
        now: Timestamp,
        also: impl FnOnce(Claims<'_>) -> T,
    ) -> Result<(SignedToken, T), VerifyError> {
        let signed = self.verifier.signed(text)?;
        let mut buffer = Buffer::new();
        let payload = signed.payload(&mut buffer)?;
        let claims = self.verifier.claims(&payload, now)?;
        let token = self.token(text, signed.key_id, place, &claims)?;
        Ok((token, also(claims)))
    }

    fn token(
        &self,
        text: &[u8],
        key_id: KeyId,
        place: TokenPlace,
        claims: &Claims<'_>,
    ) -> Result<SignedToken, VerifyError> {
        let Claims { token_type, version, expires_at, .. } = *claims;
        let is_stateless = version == TokenVersion::Stateless;
        let is_session = token_type == TokenType::Session;
        match place {
            TokenPlace::Header if is_stateless && !self.accept_stateless => {
                return Err(VerifyError::StatelessNotAccepted);
            }
            TokenPlace::Header if is_session && !self.accept_sessions => {
                return Err(VerifyError::SessionNotAccepted);
            }
            TokenPlace::Session if !is_session => return Err(VerifyError::NotASession),
            // Log-out could not revoke it.
            TokenPlace::Session if is_stateless => return Err(VerifyError::StatelessNotAccepted),
            TokenPlace::Header | TokenPlace::Session => {}
        }
        // An id that makes no urn cannot be in any directory.
        let actor = Urn::corpuser(&claims.actor_id)
            .map_err(|_| VerifyError::Inactive(Inactive::NotFound))?;
        // DataHub takes this actor for nobody (`AuthenticationEnforcementFilter`), whoever exists.
        // And nobody has a token of the system actor, for which none is ever made.
        if claims.actor_id == ANONYMOUS || self.system_actor.as_ref() == Some(&actor) {
            return Err(VerifyError::Inactive(Inactive::NotFound));
        }
        let id = TokenId::of_bytes(text, &self.salt);
        Ok(SignedToken { id, actor, key_id, token_type, version, expires_at })
    }

    /// What the store says of the key that signed a token.
    pub(crate) fn check_key(states: &KeyStates, id: KeyId) -> Result<(), VerifyError> {
        match states.retired_at(id) {
            Some(since) => Err(VerifyError::KeyRetired { since }),
            None => Ok(()),
        }
    }

    /// What the store says: of a token that has a record, what `keep` makes of that.
    pub(crate) async fn look_up<T>(
        &self,
        tokens: &dyn TokenLookup,
        token: &SignedToken,
        now: Timestamp,
        keep: impl FnOnce(TokenRecord) -> T,
    ) -> Result<Option<Stored<T>>, VerifyError> {
        let SignedToken { id, actor, key_id, .. } = token;
        if token.version == TokenVersion::Stateless {
            let subject = RuleSubject::new(actor, None, Some(*key_id));
            check_rules(&tokens.rules(subject).await?, None)?;
            return Ok(None);
        }
        let Some(record) = tokens.find(id).await? else {
            // DataHub's rule too: what is not in the store was revoked.
            return Err(VerifyError::Revoked { since: None });
        };
        check_record(&record, token, now)?;
        let subject = RuleSubject::new(actor, Some(&record.owner), Some(*key_id));
        check_rules(&tokens.rules(subject).await?, Some(record.created_at))?;
        let ancestors = match record.parent {
            // In a box of its own: most tokens have none, and need no room for it.
            Some(_) => match Box::pin(Lineage::of(tokens, &record)).await? {
                Lineage::Good(ancestors) => ancestors,
                Lineage::Revoked(since) => return Err(VerifyError::Revoked { since }),
            },
            None => Box::default(),
        };
        Ok(Some(Stored { record: keep(record), ancestors }))
    }

    /// What the directory says.
    pub(crate) async fn actor(
        &self,
        directory: &dyn Directory,
        urn: &Urn,
    ) -> Result<Actor, VerifyError> {
        let profile = match directory.profile(urn).await? {
            Some(profile) => profile,
            None if self.enforce_existence => {
                return Err(VerifyError::Inactive(Inactive::NotFound));
            }
            None => ActorProfile::default(),
        };
        match profile.inactive() {
            Some(inactive) => Err(VerifyError::Inactive(inactive)),
            None => Ok(Actor::from_profile(urn.clone(), profile)),
        }
    }
}

fn check_rules(rules: &[RevocationRule], created_at: Option<Timestamp>) -> Result<(), VerifyError> {
    match rules.iter().find(|rule| rule.is_before(created_at)) {
        Some(rule) => Err(VerifyError::Revoked { since: Some(rule.issued_before) }),
        None => Ok(()),
    }
}

fn check_record(
    record: &TokenRecord,
    token: &SignedToken,
    now: Timestamp,
) -> Result<(), VerifyError> {
    match record.status(now) {
        TokenStatus::Revoked(at) => return Err(VerifyError::Revoked { since: Some(at) }),
        TokenStatus::Expired(at) => return Err(VerifyError::Token(TokenError::Expired(at))),
        TokenStatus::Active => {}
    }
    // The id is a hash of the text, so no token that was minted here or by a DataHub differs from
    // its record. One that does would be listed and revoked as somebody else's.
    if record.actor != token.actor {
        return Err(VerifyError::RecordMismatch);
    }
    if record.restrictions.is_some() {
        return Err(VerifyError::RestrictionsNotUnderstood);
    }
    Ok(())
}

impl VerifyError {
    /// Whether the signature fits no key that is here.
    pub(crate) fn is_bad_signature(&self) -> bool {
        matches!(self, Self::Token(TokenError::BadSignature))
    }

    /// The same error once more, or the store's.
    pub(crate) fn copied(&self) -> Result<Self, &StoreError> {
        Ok(match self {
            Self::Token(error) => Self::Token(*error),
            Self::StatelessNotAccepted => Self::StatelessNotAccepted,
            Self::SessionNotAccepted => Self::SessionNotAccepted,
            Self::NotASession => Self::NotASession,
            Self::Revoked { since } => Self::Revoked { since: *since },
            Self::KeyRetired { since } => Self::KeyRetired { since: *since },
            Self::RecordMismatch => Self::RecordMismatch,
            Self::RestrictionsNotUnderstood => Self::RestrictionsNotUnderstood,
            Self::Inactive(inactive) => Self::Inactive(*inactive),
            Self::Store(error) => return Err(error),
        })
    }
}

/// Why a token is not good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Its text does not verify, or it is over.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It is of version 1, and those are not accepted.
    #[error("tokens that are not stored (version 1) are not accepted")]
    StatelessNotAccepted,
    /// It is a SESSION token, and those are not accepted.
    #[error("session tokens are not accepted here")]
    SessionNotAccepted,
    /// It was found where sessions are kept, and is a token of another type.
    #[error("this token is no session token")]
    NotASession,
    /// It was revoked, or a token that it was made with was, or it was never in the store.
    #[error("the token has been revoked")]
    Revoked {
        /// Since when, if that is known.
        since: Option<Timestamp>,
    },
    /// The key that signed it is retired.
    #[error("the key that signed the token was retired at {since}, so a new token is needed")]
    KeyRetired {
        /// Since when.
        since: Timestamp,
    },
    /// Its record says that it acts as somebody else than it says itself.
    #[error("the token and its record do not agree")]
    RecordMismatch,
    /// Its record has restrictions of a version that is not known.
    #[error("the token's restrictions are not understood")]
    RestrictionsNotUnderstood,
    /// Its actor may not act.
    #[error("actor is not active: {0}")]
    Inactive(Inactive),
    /// A store could not answer, so nothing is known. Also where the signature fits no key of this
    /// process, and it lacks a key that is not retired.
    #[error("the store could not answer")]
    Store(#[from] StoreError),
}
