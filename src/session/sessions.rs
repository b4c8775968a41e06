use std::{
    collections::BTreeSet,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderValue};

use super::{
    LogInError, Password, PublicUrl, SessionAuthenticator, SetPasswordError,
    attempts::{Attempts, Place},
    cookie::SessionCookie,
    hasher::Hasher,
};
use crate::{
    actor::{Directory, PasswordStore, Urn},
    authenticate::AuthenticateError,
    backend::StoreError,
    clock::{Clock, Monotonic, SystemClock, Timestamp},
    config::Config,
    random::{OsRandom, RandomSource},
    token::{KeyId, Lifetime, TokenId, TokenText, TokenType},
    token_service::{KeyMissing, MintRequest, TokenService, TokenStore},
};

/// Logs people in and out, and sets their passwords. Cheap to clone; clones have the limits on
/// attempts in common. See the [module docs](super).
#[derive(Clone)]
pub struct Sessions {
    tokens: TokenService,
    directory: Arc<dyn Directory>,
    passwords: Arc<dyn PasswordStore>,
    public_url: PublicUrl,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    hasher: Hasher,
    attempts: Arc<Attempts>,
    /// When it was last said that there are too many, in nanoseconds; 0 if never.
    said_busy: Arc<AtomicU64>,
    /// A key that is missing here, if any is, and when that was found out.
    missing_key: Arc<Mutex<Option<MissingKey>>>,
}

/// When it was found out, and a key that is missing, if any is.
type MissingKey = (Monotonic, Option<KeyId>);

/// Somebody's session: the only place where its text is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Session {
    /// Its token, of type SESSION, for the cookie.
    pub token: TokenText,
    /// Who is logged in.
    pub user: Urn,
    /// When it ends, unless it is ended before.
    pub expires_at: Timestamp,
}

impl Sessions {
    /// Sessions over one store of tokens, users and passwords, for people who find the service at
    /// `public_url`.
    #[must_use]
    pub fn new<S>(config: &Config, store: Arc<S>, public_url: PublicUrl) -> Self
    where
        S: TokenStore + Directory + PasswordStore,
    {
        Self::from_parts(config, store.clone(), store.clone(), store, public_url)
    }

    /// Sessions over parts from different places. Tokens and passwords must be from one store, or
    /// setting a password does not end the user's sessions.
    #[must_use]
    pub fn from_parts(
        config: &Config,
        tokens: Arc<dyn TokenStore>,
        directory: Arc<dyn Directory>,
        passwords: Arc<dyn PasswordStore>,
        public_url: PublicUrl,
    ) -> Self {
        Self {
            tokens: TokenService::from_parts(config, tokens, directory.clone()),
            directory,
            passwords,
            public_url,
            lifetime: Self::LIFETIME,
            clock: Arc::new(SystemClock::default()),
            random: Arc::new(OsRandom),
            hasher: Hasher::default(),
            attempts: Arc::default(),
            said_busy: Arc::default(),
            missing_key: Arc::default(),
        }
    }

    /// How long a session lasts unless another time is chosen: 24 hours.
    pub const LIFETIME: Duration = Duration::from_hours(24);

    /// How long a session lasts at most: 400 days, for which browsers keep a cookie (RFC 6265bis
    /// section 5.5).
    pub const MAX_LIFETIME: Duration = Duration::from_hours(400 * 24);

    /// How long a session lasts, whether or not it is used. Default [`LIFETIME`](Self::LIFETIME), as
    /// in DataHub (`sessionTokenDurationMs`). The lifetimes that tokens may have do not matter here.
    ///
    /// A time below a second counts as a second, and one above [`MAX_LIFETIME`](Self::MAX_LIFETIME)
    /// as that: every session ends.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.clamp(Duration::from_secs(1), Self::MAX_LIFETIME);
        self
    }

    /// The clock, for dates and for the limits on attempts. Default the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.tokens = self.tokens.clock(clock.clone());
        self.clock = clock;
        self
    }

    /// Where salts and token ids come from. Default the system's source.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn RandomSource>) -> Self {
        self.tokens = self.tokens.random(random.clone());
        self.random = random;
        self
    }

    /// Where people find the service.
    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// What takes sessions from cookies: for
    /// [`chain_before`](crate::authenticate::AuthenticatorBuilder::chain_before).
    #[must_use]
    pub fn authenticator(&self) -> SessionAuthenticator {
        SessionAuthenticator::new(self.public_url.clone())
    }

    /// What the cookie is called: `__Host-tower_pat_session` with an `https` public URL,
    /// `tower_pat_session` without. For whoever passes requests on, such as the `FrontDoor` of the
    /// feature `front-door`.
    #[must_use]
    pub fn cookie_name(&self) -> &'static str {
        self.session_cookie().name()
    }

    /// The header `Set-Cookie` that gives a browser the session.
    #[must_use]
    pub fn cookie(&self, session: &Session) -> HeaderValue {
        self.session_cookie().set(&session.token, session.expires_at.since(self.clock.now()))
    }

    /// The header `Set-Cookie` that takes a session out of a browser.
    #[must_use]
    pub fn removal_cookie(&self) -> HeaderValue {
        self.session_cookie().remove()
    }

    /// Makes a session for who knows the password. `user` is what somebody typed, such as `alice`,
    /// and `address` is where from.
    ///
    /// After ten failures for a user from an address there is one attempt a minute, and after a
    /// hundred from an address, whatever users they were for, one every six seconds. Eight from an
    /// address are judged or wait at once. After two hundred good ones for a user from an address
    /// there is one every ten seconds. All addresses of an IPv6 /64 are one. What fails elsewhere
    /// does not count, so that nobody can lock a user out.
    ///
    /// # Errors
    ///
    /// [`LogInError`]; [`InvalidCredentials`](LogInError::InvalidCredentials) is all that is said,
    /// and after the same time, whatever it is that is wrong.
    pub async fn log_in(
        &self,
        user: &str,
        password: &Password,
        address: IpAddr,
    ) -> Result<Session, LogInError> {
        let attempt = self
            .attempts
            .begin(user, address, self.clock.monotonic())
            .map_err(|retry_after| LogInError::TooManyAttempts { retry_after })?;
        let result = self.try_log_in(user, password, Place::of(address)).await;
        match &result {
            Ok(_) => self.attempts.succeeded(&attempt, self.clock.monotonic()),
            Err(LogInError::Busy) => self.attempts.not_begun(&attempt),
            Err(error) if error.is_undecided() => self.attempts.undecided(&attempt),
            Err(_) => {}
        }
        result
    }

    async fn try_log_in(
        &self,
        user: &str,
        password: &Password,
        place: Place,
    ) -> Result<Session, LogInError> {
        let turn = self.hasher.turn(Some(place))?;
        let user = Urn::corpuser(user).ok();
        let hash = match &user {
            Some(urn) => self.passwords.password_hash(urn).await?,
            None => None,
        };
        let is_good = turn.verify(password, hash.as_ref()).await?;
        let Some(user) = user.filter(|_| is_good) else {
            return Err(LogInError::InvalidCredentials);
        };
        // Only who knows the password may see how long this takes: the longer, the more groups and
        // roles there are.
        let profile = self.directory.profile(&user).await?;
        if profile.is_none_or(|profile| profile.inactive().is_some()) {
            return Err(LogInError::InvalidCredentials);
        }
        let request =
            MintRequest::new(TokenType::Session, user.clone(), Lifetime::For(self.lifetime))
                .name("session")
                .created_via("logIn");
        let minted = self.tokens.mint(request).await?;
        // Who changes a password ends the sessions that are there. If that happened since the hash
        // was read, this one may have come too late for it.
        if self.passwords.password_hash(&user).await? != hash {
            self.tokens.revoke(&minted.record.id, &user).await?;
            return Err(LogInError::InvalidCredentials);
        }
        let expires_at = minted.record.expires_at.unwrap_or(minted.record.created_at);
        Ok(Session { token: minted.token, user, expires_at })
    }

    /// Ends the session with this token. What is no session, or was ended before, is left as it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; then the session goes on. Also if the token's signature fits
    /// no key of this process, and it lacks one that is not retired: then it may be a session.
    pub async fn log_out(&self, token: &TokenText) -> Result<(), StoreError> {
        match self.tokens.session_id(token.expose()) {
            Ok(id) => self.end(&id).await,
            Err(error) if error.is_bad_signature() => self.no_key_is_missing().await,
            Err(_) => Ok(()),
        }
    }

    /// Ends the sessions in the cookies of a request; of very many, only a few. What was not signed
    /// here is not looked up: everybody may ask for this, with as many cookies as fit into a request.
    ///
    /// [`AuthenticateError::UnknownSignature`] for what may have been signed with a key that is not
    /// here; what is known to be a session is ended nevertheless.
    pub(super) async fn log_out_of(&self, headers: &HeaderMap) -> Result<(), AuthenticateError> {
        let mut ending = BTreeSet::new();
        let mut fits_no_key = false;
        for token in self.session_cookie().tokens(headers) {
            match self.tokens.session_id(token.expose()) {
                Ok(id) => {
                    ending.insert(id);
                }
                Err(error) => fits_no_key |= error.is_bad_signature(),
            }
            if ending.len() >= MOST_ENDED {
                break;
            }
        }
        for id in ending {
            self.end(&id).await?;
        }
        if fits_no_key {
            self.no_key_is_missing().await.map_err(AuthenticateError::UnknownSignature)?;
        }
        Ok(())
    }

    /// An error if this process lacks a key that is not retired. The store is asked at most about once
    /// a second, since everybody can bring what fits no key.
    async fn no_key_is_missing(&self) -> Result<(), StoreError> {
        let now = self.clock.monotonic();
        let known = *self.missing_key.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = match known {
            Some((read_at, missing)) if now < read_at.saturating_add(KEYS_KNOWN_FOR) => missing,
            _ => {
                let missing = self.tokens.missing_key().await?;
                *self.missing_key.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((now, missing));
                missing
            }
        };
        match missing {
            Some(id) => Err(StoreError::unavailable(KeyMissing(id))),
            None => Ok(()),
        }
    }

    /// Whether it is time to say once more that there are too many: at most once a minute.
    pub(super) fn may_say_busy(&self) -> bool {
        let now = self.clock.monotonic().as_nanos().max(1);
        let is_due = |said: u64| {
            let since = Duration::from_nanos(now.saturating_sub(said));
            (said == 0 || since >= Duration::from_mins(1)).then_some(now)
        };
        self.said_busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, is_due).is_ok()
    }

    async fn end(&self, id: &TokenId) -> Result<(), StoreError> {
        match self.tokens.find(id).await? {
            Some(record) if record.token_type == Some(TokenType::Session) => {
                self.tokens.revoke(id, &record.actor).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Sets a user's password, by the word of `by`, and ends all of the user's sessions. Whether `by`
    /// may do so is not asked here.
    ///
    /// # Errors
    ///
    /// [`SetPasswordError`]; then nothing has changed.
    pub async fn set_password(
        &self,
        user: &Urn,
        password: &Password,
        by: &Urn,
    ) -> Result<(), SetPasswordError> {
        password.check()?;
        if !self.tokens.is_possible_actor(user) {
            return Err(SetPasswordError::Reserved(user.clone()));
        }
        let hash = self.hasher.hash(password, &*self.random).await?;
        let now = self.clock.now();
        if self.passwords.set_password_hash(user, Some(&hash), by, now).await? {
            Ok(())
        } else {
            Err(SetPasswordError::NoSuchUser(user.clone()))
        }
    }

    /// Takes a user's password away, so that nobody can log in as this user, and ends all of the
    /// user's sessions. `false` if there is no such user.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails; then nothing has changed.
    pub async fn remove_password(&self, user: &Urn, by: &Urn) -> Result<bool, StoreError> {
        self.passwords.set_password_hash(user, None, by, self.clock.now()).await
    }

    pub(super) fn session_cookie(&self) -> SessionCookie {
        SessionCookie::new(&self.public_url)
    }
}

/// How many sessions one request ends at most. A browser has one, or a few that were set for
/// different paths.
const MOST_ENDED: usize = 8;

/// How long it counts that a key is missing, or that none is.
const KEYS_KNOWN_FOR: Duration = Duration::from_secs(1);

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("public_url", &self.public_url)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
