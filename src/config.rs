//! What a deployment chooses: keys, salt, issuer, lifetimes and bounds. What is unsafe is refused
//! here, when the configuration is built, with an error that says what to do.

use std::{env, error::Error, str::FromStr, sync::Arc, time::Duration};

use zeroize::Zeroizing;

use crate::{
    actor::Urn,
    token::{
        KeyError, KeyMaterial, KeyRing, LifetimeError, LifetimePolicy, Salt, TokenKey,
        TokenVerifier,
    },
};

/// The configuration of a deployment, known to be safe to use. Clones have their keys in common: see
/// [`reload_keys`](Self::reload_keys).
///
/// ```
/// use tower_pat::config::Config;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (signing_key, salt) = ("bI0yqV8mJ2xQ7nR4tW1zK6cF9hL3pD5s", "X2dN8vB5jM1kS7wQ");
/// let config = Config::builder(signing_key, salt)
///     .issuer("my-metadata-service")
///     .build()?;
///
/// let weak = Config::builder("too short", salt).build();
/// assert!(weak.unwrap_err().to_string().contains("openssl rand"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    keys: KeyMaterial,
    pub(crate) salt: Salt,
    pub(crate) settings: Settings,
}

/// What is no secret. Each is described by the setter of its name.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    issuer: Option<String>,
    check_issuer: bool,
    check_subject: bool,
    pub(crate) accept_stateless: bool,
    pub(crate) accept_sessions: bool,
    pub(crate) enforce_existence: bool,
    pub(crate) lifetimes: LifetimePolicy,
    pub(crate) token_minting: TokenMinting,
    pub(crate) revocation_bound: Duration,
    pub(crate) serve_stale_for: Duration,
    pub(crate) store_timeout: Duration,
    pub(crate) cache_capacity: usize,
    pub(crate) system_actor: Option<Urn>,
}

/// What a request that was authenticated by a token may mint, beside what its actor may do.
///
/// Requests of a session, that is by a SESSION token or by an authenticator of the service's own,
/// are not concerned: the session is noted as the parent of the token, and nothing more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenMinting {
    /// `bounded`: a token that is minted with a PERSONAL or SERVICE_ACCOUNT token ends with it at the
    /// latest, inherits its restrictions, and is revoked with it. So who finds a token cannot make
    /// one of it that outlives it. A token of version 1, which is not stored, mints nothing: what it
    /// minted could not be revoked with it.
    #[default]
    Bounded,
    /// `unbounded`, as in DataHub: it lives as long as was asked for, whatever becomes of the token
    /// that it was minted with. Restrictions are inherited nevertheless. A token of version 1 mints as
    /// any other.
    Unbounded,
    /// `sessions_only`: tokens mint nothing.
    SessionsOnly,
}

impl TokenMinting {
    /// The word for it in the environment.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bounded => "bounded",
            Self::Unbounded => "unbounded",
            Self::SessionsOnly => "sessions_only",
        }
    }
}

impl FromStr for TokenMinting {
    type Err = TokenMintingError;

    fn from_str(text: &str) -> Result<Self, TokenMintingError> {
        [Self::Bounded, Self::Unbounded, Self::SessionsOnly]
            .into_iter()
            .find(|minting| minting.as_str() == text)
            .ok_or(TokenMintingError)
    }
}

/// The text is no [`TokenMinting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not one of bounded, unbounded, sessions_only")]
pub struct TokenMintingError;

impl Config {
    /// A configuration with this signing key and salt, as texts (their bytes are used in UTF-8,
    /// nothing is decoded), and defaults for the rest.
    pub fn builder(signing_key: impl Into<String>, salt: impl Into<String>) -> ConfigBuilder {
        ConfigBuilder::new(signing_key.into(), salt.into())
    }

    /// The configuration that the environment describes, in DataHub's names:
    ///
    /// | variable | default |
    /// | --- | --- |
    /// | `DATAHUB_TOKEN_SERVICE_SIGNING_KEY` | none: must be set |
    /// | `DATAHUB_TOKEN_SERVICE_SALT` | none: must be set |
    /// | `DATAHUB_TOKEN_SERVICE_ISSUER` | `datahub-metadata-service` |
    /// | `DATAHUB_TOKEN_SERVICE_SIGNING_ALGORITHM` | `HS256`, the only one |
    /// | `METADATA_SERVICE_AUTH_ENFORCE_EXISTENCE_ENABLED` | `true` |
    /// | `ACCESS_TOKEN_ALLOWED_DURATIONS` | [`LifetimePolicy::DEFAULT_ALLOWED`] |
    /// | `ACCESS_TOKEN_ALLOW_NO_EXPIRY` | `false` |
    ///
    /// And in names that DataHub does not have:
    ///
    /// | variable | default |
    /// | --- | --- |
    /// | `TOWER_PAT_VERIFICATION_KEYS` | none; keys that verify and do not sign, between white space |
    /// | `TOWER_PAT_TOKEN_MINTING` | `bounded`; see [`TokenMinting`] |
    /// | `TOWER_PAT_REVOCATION_BOUND` | `1s`; see [`revocation_bound`](ConfigBuilder::revocation_bound) |
    /// | `TOWER_PAT_SERVE_STALE_FOR` | `0s`; see [`serve_stale_for`](ConfigBuilder::serve_stale_for) |
    /// | `TOWER_PAT_STORE_TIMEOUT` | `5s`; see [`store_timeout`](ConfigBuilder::store_timeout) |
    /// | `TOWER_PAT_CACHE_CAPACITY` | `10000`; see [`cache_capacity`](ConfigBuilder::cache_capacity) |
    ///
    /// A time is a number with its unit, such as `500ms`, `2s` or `1m 30s`, or ISO 8601, such as
    /// `PT2S`.
    ///
    /// Other variables of DataHub's are not looked at: an environment with
    /// `METADATA_SERVICE_AUTH_ENABLED=false` or a `DATAHUB_SYSTEM_CLIENT_ID` neither switches
    /// authentication off nor makes anybody a system actor. An empty variable counts as not set,
    /// but for the issuer, which may be empty, as in DataHub.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| env::var(name).ok())
    }

    /// As [`from_env`](Self::from_env), with the variables taken from elsewhere.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the variable.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        ConfigBuilder::from_vars(var)?.build()
    }

    /// The keys, as they are now.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.ring()
    }

    /// Replaces the keys, in this configuration, in its clones and in all that was built of them, at
    /// once and without refusing a request: adding a key, and leaving one out. What the old ones were
    /// made of is wiped; what a thread keeps of one to verify by, when the thread verifies the next
    /// token or ends, and by the backend: AWS-LC wipes it, RustCrypto's frees it as it is.
    ///
    /// Which of the keys signs is said by `signing_key` only as long as no key was promoted: see
    /// [`KeyStates`](crate::token::KeyStates).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] as in [`ConfigBuilder::build`]; then the keys are those that they were.
    pub fn reload_keys<K: Into<String>>(
        &self,
        signing_key: impl Into<String>,
        verification_keys: impl IntoIterator<Item = K>,
    ) -> Result<(), ConfigError> {
        let signing_key = signing_key.into().into();
        let verification_keys = verification_keys.into_iter().map(|key| key.into().into());
        self.keys.replace(safe_ring(&signing_key, &verification_keys.collect::<Vec<_>>())?);
        Ok(())
    }

    /// As [`reload_keys`](Self::reload_keys), with the keys of the variables that
    /// [`from_env`](Self::from_env) reads, and no others.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]; then the keys are those that they were.
    pub fn reload_keys_from_vars(
        &self,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<(), ConfigError> {
        let var = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        let signing_key = var(SIGNING_KEY).ok_or(ConfigError::Missing { name: SIGNING_KEY })?;
        let verification_keys = Zeroizing::new(var(VERIFICATION_KEYS).unwrap_or_default());
        self.reload_keys(signing_key, verification_keys.split_whitespace())
    }

    /// Which lifetimes may be asked for.
    #[must_use]
    pub fn lifetimes(&self) -> &LifetimePolicy {
        &self.settings.lifetimes
    }

    /// What tokens may mint.
    #[must_use]
    pub fn token_minting(&self) -> TokenMinting {
        self.settings.token_minting
    }

    /// Whether somebody set the actor that may do everything, and who it is.
    #[must_use]
    pub fn system_actor(&self) -> Option<&Urn> {
        self.settings.system_actor.as_ref()
    }

    /// The verifier and signer with these keys, issuer and checks.
    #[must_use]
    pub fn verifier(&self) -> TokenVerifier {
        TokenVerifier::new(self.keys.clone())
            .issuer(self.settings.issuer.clone())
            .check_issuer(self.settings.check_issuer)
            .check_subject(self.settings.check_subject)
    }
}

/// Builds a [`Config`].
#[derive(Debug)]
#[must_use]
pub struct ConfigBuilder {
    secrets: Secrets,
    settings: Settings,
}

/// Apart from the rest, so that they have a `Debug` of their own.
struct Secrets {
    signing_key: Zeroizing<String>,
    salt: Zeroizing<String>,
    verification_keys: Vec<Zeroizing<String>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(..)")
    }
}

impl ConfigBuilder {
    fn new(signing_key: String, salt: String) -> Self {
        Self {
            secrets: Secrets {
                signing_key: signing_key.into(),
                salt: salt.into(),
                verification_keys: Vec::new(),
            },
            settings: Settings {
                issuer: Some(TokenVerifier::DEFAULT_ISSUER.to_owned()),
                check_issuer: true,
                check_subject: true,
                accept_stateless: false,
                accept_sessions: false,
                enforce_existence: true,
                lifetimes: LifetimePolicy::default(),
                token_minting: TokenMinting::default(),
                revocation_bound: Duration::from_secs(1),
                serve_stale_for: Duration::ZERO,
                store_timeout: Duration::from_secs(5),
                cache_capacity: 10_000,
                system_actor: None,
            },
        }
    }

    /// A builder with what the environment says, to add to: see [`Config::from_env`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`], which names the variable.
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        // DataHub's deployment files set variables to the empty text to say "not set".
        let issuer = var(ISSUER);
        let var = |name: &str| var(name).filter(|value| !value.trim().is_empty());
        let required = |name: &'static str| var(name).ok_or(ConfigError::Missing { name });
        let mut builder = Self::new(required(SIGNING_KEY)?, required(SALT)?);
        let verification_keys = Zeroizing::new(var(VERIFICATION_KEYS).unwrap_or_default());
        for key in verification_keys.split_whitespace() {
            builder = builder.verification_key(key);
        }
        if let Some(issuer) = issuer {
            builder = builder.issuer(issuer);
        }
        if let Some(algorithm) = var(ALGORITHM).filter(|algorithm| algorithm != "HS256") {
            return Err(ConfigError::Algorithm(algorithm));
        }
        builder = builder.enforce_existence(parse_var(&var, EXISTENCE)?.unwrap_or(true));
        let mut lifetimes = match var(DURATIONS) {
            None => LifetimePolicy::default(),
            Some(text) => LifetimePolicy::new(&text).map_err(ConfigError::Lifetimes)?,
        };
        if let Some(allow) = parse_var(&var, NO_EXPIRY)? {
            lifetimes = lifetimes.allow_no_expiry(allow);
        }
        let minting = parse_var(&var, MINTING)?.unwrap_or_default();
        builder = builder.lifetimes(lifetimes).token_minting(minting);
        if let Some(Span(bound)) = parse_var(&var, REVOCATION_BOUND)? {
            builder = builder.revocation_bound(bound);
        }
        if let Some(Span(time)) = parse_var(&var, SERVE_STALE_FOR)? {
            builder = builder.serve_stale_for(time);
        }
        if let Some(Span(time)) = parse_var(&var, STORE_TIMEOUT)? {
            builder = builder.store_timeout(time);
        }
        if let Some(tokens) = parse_var(&var, CACHE_CAPACITY)? {
            builder = builder.cache_capacity(tokens);
        }
        Ok(builder)
    }

    /// The issuer that is written into tokens, and compared with. Default
    /// `datahub-metadata-service`.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.settings.issuer = Some(issuer.into());
        self
    }

    /// Writes no issuer into tokens, and refuses tokens that have one.
    pub fn no_issuer(mut self) -> Self {
        self.settings.issuer = None;
        self
    }

    /// Whether a token with another issuer is refused. Default true; DataHub never looks. Turn it
    /// off while tokens from before a change of the issuer are out.
    pub fn check_issuer(mut self, check: bool) -> Self {
        self.settings.check_issuer = check;
        self
    }

    /// Whether a token whose `sub` is not its actor is refused. Default true; DataHub never looks.
    pub fn check_subject(mut self, check: bool) -> Self {
        self.settings.check_subject = check;
        self
    }

    /// Adds a key that verifies but does not sign, such as the one before a rotation, or the next one
    /// (`TOWER_PAT_VERIFICATION_KEYS`, where several are between white space). Default none.
    pub fn verification_key(mut self, key: impl Into<String>) -> Self {
        self.secrets.verification_keys.push(key.into().into());
        self
    }

    /// Whether tokens of version 1 are accepted, which are stored nowhere and cannot be revoked one
    /// by one. Default false.
    pub fn accept_stateless(mut self, accept: bool) -> Self {
        self.settings.accept_stateless = accept;
        self
    }

    /// Whether SESSION tokens are accepted in the `Authorization` header. Default false: they
    /// belong into cookies.
    pub fn accept_sessions(mut self, accept: bool) -> Self {
        self.settings.accept_sessions = accept;
        self
    }

    /// Whether the actor of a token must be in the directory
    /// (`METADATA_SERVICE_AUTH_ENFORCE_EXISTENCE_ENABLED`). Default true. Without it, tokens of
    /// deleted users work.
    pub fn enforce_existence(mut self, enforce: bool) -> Self {
        self.settings.enforce_existence = enforce;
        self
    }

    /// Which lifetimes may be asked for. Default DataHub's list, without "never".
    pub fn lifetimes(mut self, lifetimes: LifetimePolicy) -> Self {
        self.settings.lifetimes = lifetimes;
        self
    }

    /// What tokens may mint. Default [`TokenMinting::Bounded`]; DataHub:
    /// [`TokenMinting::Unbounded`].
    pub fn token_minting(mut self, minting: TokenMinting) -> Self {
        self.settings.token_minting = minting;
        self
    }

    /// How long after a change on another node, such as a revocation, this one may still decide by
    /// what was before. Default 1 second, from 20 milliseconds to 1 hour. DataHub: up to 5 minutes
    /// for revoked tokens, 2 minutes for policies.
    ///
    /// A request that begins later than this after the change was committed is decided by what is so
    /// since, or refused with a 503: also on a node that is cut off from the store, since what was
    /// remembered is only an answer while the last successful read of the changes was sent no
    /// longer ago. This is about policies, users and groups as much as about tokens.
    ///
    /// What it costs: each node reads the changes four times within the bound, whether there are
    /// requests or not, which is four small reads per second at the default and forty at 100
    /// milliseconds; and once more when a change is announced, though never more than fifty times as
    /// often. A read may take a quarter of the bound: with a bound below four times what the store
    /// takes at its slowest, requests go to the store again and again.
    pub fn revocation_bound(mut self, bound: Duration) -> Self {
        self.settings.revocation_bound = bound;
        self
    }

    /// For how long beyond the revocation bound a node that cannot reach its store goes on to accept
    /// the tokens that it knows. Default zero: it answers 503. At most 1 day.
    ///
    /// **With this, a token that was revoked, an actor who was suspended and a privilege that was
    /// withdrawn still count on a node that is cut off, for `revocation_bound` and `serve_stale_for`
    /// together.** What is longer than zero chooses that over an outage.
    ///
    /// It is about a token that this node had verified before and still remembers, and about nothing
    /// else: not about one whose end has come, that the node knows to have been revoked, that comes
    /// from a part with a time to live of its own which is over, or that has not been judged anew
    /// after a gap in the changes, or a change of groups or keys, or a jump of the clock; nor after a
    /// change of policies that the node knows of and could not read.
    /// And it is about an outage: while the store answers, it is asked, and its answer counts. The
    /// first requests of an outage wait until the store has failed them, for
    /// [`store_timeout`](Self::store_timeout) at most. From then on it is asked by one request now and
    /// then, and the others do not wait for it.
    ///
    /// That it begins and that it ends is logged as a warning, and
    /// [`Authenticator::served_stale`](crate::Authenticator::served_stale) counts the requests.
    pub fn serve_stale_for(mut self, time: Duration) -> Self {
        self.settings.serve_stale_for = time;
        self
    }

    /// How long a request waits for the store until it is answered with a 503. Default 5 seconds,
    /// from 1 millisecond to 1 hour.
    ///
    /// It is about finding out who a request comes from, all questions to the store together, and
    /// about building an authenticator. A store may have shorter limits of its own. Whoever waits while
    /// many policies are compiled waits no longer either, and compiling goes on for the next.
    pub fn store_timeout(mut self, time: Duration) -> Self {
        self.settings.store_timeout = time;
        self
    }

    /// How many verified tokens are remembered at most, and as many sessions
    /// ([`Attempt::SessionToken`](crate::authenticate::Attempt::SessionToken)) beside them. Default
    /// 10,000; 0 remembers none. One takes about 1 KiB. Of the few that are used all the time there
    /// are copies, up to 16 for each thread, so that threads do not wait for each other. At most
    /// 16,777,216: some memory is taken for each at the start, and there is no number for "without a
    /// limit".
    pub fn cache_capacity(mut self, tokens: usize) -> Self {
        self.settings.cache_capacity = tokens;
        self
    }

    /// An actor that may do everything, as DataHub's `urn:li:corpuser:__datahub_system`. Default
    /// none. No token is ever made for it.
    pub fn dangerous_system_actor(mut self, actor: Urn) -> Self {
        self.settings.system_actor = Some(actor);
        self
    }

    /// The configuration, if it is safe.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for keys that are short, publicly known or of low variety, a salt that is
    /// empty or publicly known, and a bound, a time or a capacity out of range.
    pub fn build(self) -> Result<Config, ConfigError> {
        let Self { secrets, settings } = self;
        let keys = safe_ring(&secrets.signing_key, &secrets.verification_keys)?;
        if secrets.salt.trim().is_empty() {
            return Err(ConfigError::EmptySalt);
        }
        if secrets.salt.trim() == DATAHUB_FORMER_SALT {
            return Err(ConfigError::PublicSalt);
        }
        if !BOUNDS.contains(&settings.revocation_bound) {
            return Err(ConfigError::RevocationBound(settings.revocation_bound));
        }
        if settings.serve_stale_for > LONGEST_STALE {
            return Err(ConfigError::ServeStaleFor(settings.serve_stale_for));
        }
        if !STORE_TIMEOUTS.contains(&settings.store_timeout) {
            return Err(ConfigError::StoreTimeout(settings.store_timeout));
        }
        if settings.cache_capacity > LARGEST_CACHE {
            return Err(ConfigError::CacheCapacity(settings.cache_capacity));
        }
        Ok(Config { keys: keys.into(), salt: Salt::new(secrets.salt.as_str()), settings })
    }
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A variable that must be set is not.
    #[error("{name} must be set; make a value with `openssl rand -base64 32`")]
    Missing {
        /// Which.
        name: &'static str,
    },
    /// A variable's value cannot be read.
    #[error("{name} cannot be read")]
    Invalid {
        /// Which.
        name: &'static str,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Another algorithm than HS256 was asked for.
    #[error(
        "the signing algorithm {0} is not supported; DATAHUB_TOKEN_SERVICE_SIGNING_ALGORITHM must be HS256 or unset"
    )]
    Algorithm(String),
    /// A key cannot be used at all.
    #[error("the {what} cannot be used; make one with `openssl rand -base64 32`")]
    Key {
        /// Which key.
        what: &'static str,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A key that anybody can look up.
    #[error(
        "the {what} is DataHub's former default, which is publicly known; make one with `openssl rand -base64 32`"
    )]
    PublicKey {
        /// Which key.
        what: &'static str,
    },
    /// A key that can be guessed.
    #[error(
        "the {what} has too few different characters to be random, or repeats itself; make one with `openssl rand -base64 32`"
    )]
    LowVariety {
        /// Which key.
        what: &'static str,
    },
    /// No salt.
    #[error("the salt must not be empty; make one with `openssl rand -base64 32`")]
    EmptySalt,
    /// A salt that anybody can look up.
    #[error(
        "the salt is DataHub's former default, which is publicly known; make one with `openssl rand -base64 32`"
    )]
    PublicSalt,
    /// The list of allowed lifetimes cannot be read.
    #[error("ACCESS_TOKEN_ALLOWED_DURATIONS cannot be read")]
    Lifetimes(#[source] LifetimeError),
    /// The bound is out of range.
    #[error("a revocation bound of {0:?} is not from 20 milliseconds to 1 hour")]
    RevocationBound(Duration),
    /// What is known would be served stale for too long.
    #[error("serving what is stale for {0:?} is longer than 1 day")]
    ServeStaleFor(Duration),
    /// The time limit for the store is out of range.
    #[error("a store timeout of {0:?} is not from 1 millisecond to 1 hour")]
    StoreTimeout(Duration),
    /// More tokens would be remembered than there is memory for.
    #[error("a cache capacity of {0} is more than 16777216 tokens")]
    CacheCapacity(usize),
}

/// A time in the environment.
struct Span(Duration);

impl FromStr for Span {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        Duration::try_from(text.parse::<jiff::SignedDuration>()?).map(Self)
    }
}

fn parse_var<T: FromStr<Err: Error + Send + Sync + 'static>>(
    var: &impl Fn(&str) -> Option<String>,
    name: &'static str,
) -> Result<Option<T>, ConfigError> {
    var(name)
        .map(|text| text.trim().to_ascii_lowercase().parse())
        .transpose()
        .map_err(|source: T::Err| ConfigError::Invalid { name, source: source.into() })
}

fn safe_ring(
    signing_key: &Zeroizing<String>,
    verification_keys: &[Zeroizing<String>],
) -> Result<KeyRing, ConfigError> {
    let mut ring = KeyRing::new(safe_key("signing key", signing_key)?);
    for key in verification_keys {
        ring = ring.with_verifying(safe_key("verification key", key)?);
    }
    Ok(ring)
}

fn safe_key(what: &'static str, text: &str) -> Result<TokenKey, ConfigError> {
    // With or without the newline of the file that it was read from.
    if text.trim() == DATAHUB_FORMER_KEY {
        return Err(ConfigError::PublicKey { what });
    }
    let key = TokenKey::new(text).map_err(|source| ConfigError::Key { what, source })?;
    if has_low_variety(text.as_bytes()) {
        return Err(ConfigError::LowVariety { what });
    }
    Ok(key)
}

/// Whether a text cannot have come from a random source: fewer than 8 different bytes, one byte
/// that makes up half of it, or a unit of up to 16 bytes that it repeats. Random keys in decimal,
/// hexadecimal or base64 pass.
fn has_low_variety(bytes: &[u8]) -> bool {
    let mut counts = [0_usize; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let different = counts.iter().filter(|count| **count > 0).count();
    let most = counts.iter().max().copied().unwrap_or(0);
    let repeats =
        (1..=16).any(|unit| bytes.iter().zip(bytes.iter().skip(unit)).all(|(a, b)| a == b));
    different < 8 || most * 2 >= bytes.len() || repeats
}

const SIGNING_KEY: &str = "DATAHUB_TOKEN_SERVICE_SIGNING_KEY";
const VERIFICATION_KEYS: &str = "TOWER_PAT_VERIFICATION_KEYS";
const SALT: &str = "DATAHUB_TOKEN_SERVICE_SALT";
const ISSUER: &str = "DATAHUB_TOKEN_SERVICE_ISSUER";
const ALGORITHM: &str = "DATAHUB_TOKEN_SERVICE_SIGNING_ALGORITHM";
const EXISTENCE: &str = "METADATA_SERVICE_AUTH_ENFORCE_EXISTENCE_ENABLED";
const DURATIONS: &str = "ACCESS_TOKEN_ALLOWED_DURATIONS";
const NO_EXPIRY: &str = "ACCESS_TOKEN_ALLOW_NO_EXPIRY";
const MINTING: &str = "TOWER_PAT_TOKEN_MINTING";
const REVOCATION_BOUND: &str = "TOWER_PAT_REVOCATION_BOUND";
const SERVE_STALE_FOR: &str = "TOWER_PAT_SERVE_STALE_FOR";
const STORE_TIMEOUT: &str = "TOWER_PAT_STORE_TIMEOUT";
const CACHE_CAPACITY: &str = "TOWER_PAT_CACHE_CAPACITY";

/// Published as defaults in DataHub's configuration until 2026; here only to be refused.
const DATAHUB_FORMER_KEY: &str = "WnEdIeTG/VVCLQqGwC/BAkqyY0k+H8NEAtWGejrBI94=";
const DATAHUB_FORMER_SALT: &str = "ohDVbJBvHHVJh9S/UA4BYF9COuNnqqVhr9MLKEGXk1O=";

const BOUNDS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(20)..=Duration::from_hours(1);
const STORE_TIMEOUTS: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_hours(1);
const LONGEST_STALE: Duration = Duration::from_hours(24);
const LARGEST_CACHE: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "q7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=";
    const PEPPER: &str = "mR4vT8yB2nK6pX0cQ9wE3zL7sD1fG5hJ";

    fn refused(key: &str, salt: &str) -> String {
        Config::builder(key, salt).build().unwrap_err().to_string()
    }

    #[test]
    fn unsafe_keys_are_refused_with_a_way_out() {
        for key in [
            "",
            "short",
            DATAHUB_FORMER_KEY,
            &format!("{DATAHUB_FORMER_KEY}\n"),
            &"k".repeat(64),
            "L0ng-Key-kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
            &"abcdefgh".repeat(6),
            &"0123456789abcde".repeat(3),
            "121212121212121212121212121212121212",
        ] {
            let error = refused(key, PEPPER);
            assert!(error.contains("openssl rand"), "{error}");
            assert!(key.is_empty() || !error.contains(key), "{error}");
        }
        let error = Config::builder(KEY, PEPPER).verification_key(DATAHUB_FORMER_KEY).build();
        assert!(matches!(error, Err(ConfigError::PublicKey { what: "verification key" })));
    }

    #[test]
    fn random_keys_pass() {
        for key in [
            KEY,
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            "48205719364820571936820457193648205719364820",
            "schlüssel-ключ-鍵-0123456789abcdef",
        ] {
            assert!(Config::builder(key, PEPPER).build().is_ok(), "{key}");
        }
    }

    #[test]
    fn unsafe_salts_are_refused() {
        for salt in ["", "  ", DATAHUB_FORMER_SALT] {
            assert!(refused(KEY, salt).contains("salt"));
        }
    }

    #[test]
    fn a_bound_out_of_range_is_refused() {
        for bound in [Duration::ZERO, Duration::from_secs(3601)] {
            let config = Config::builder(KEY, PEPPER).revocation_bound(bound).build();
            assert!(matches!(config, Err(ConfigError::RevocationBound(_))));
        }
    }

    #[test]
    fn a_time_out_of_range_is_refused() {
        for time in [Duration::ZERO, Duration::from_secs(3601)] {
            let config = Config::builder(KEY, PEPPER).store_timeout(time).build();
            assert!(matches!(config, Err(ConfigError::StoreTimeout(_))));
        }
        let config = Config::builder(KEY, PEPPER).serve_stale_for(Duration::from_secs(86_401));
        assert!(matches!(config.build(), Err(ConfigError::ServeStaleFor(_))));
    }

    #[test]
    fn a_capacity_without_end_is_refused() {
        let build = |tokens| Config::builder(KEY, PEPPER).cache_capacity(tokens).build();
        for tokens in [LARGEST_CACHE + 1, usize::MAX] {
            let error = build(tokens).unwrap_err();
            assert!(matches!(error, ConfigError::CacheCapacity(it) if it == tokens));
            let limit = LARGEST_CACHE.to_string();
            assert!(error.to_string().contains(&limit), "{error}");
        }
        for tokens in [0, LARGEST_CACHE] {
            assert_eq!(build(tokens).unwrap().settings.cache_capacity, tokens);
        }
    }

    #[test]
    fn the_environment_is_read_in_datahubs_names() {
        let vars = |extra: &'static [(&str, &str)]| {
            move |name: &str| {
                [(SIGNING_KEY, KEY), (SALT, PEPPER)]
                    .iter()
                    .chain(extra)
                    .find(|(known, _)| *known == name)
                    .map(|(_, value)| (*value).to_owned())
            }
        };
        let config = Config::from_vars(vars(&[
            (ISSUER, "mine"),
            (ALGORITHM, "HS256"),
            (EXISTENCE, "False"),
            (DURATIONS, "PT2H"),
            (NO_EXPIRY, "true"),
            (MINTING, "Sessions_Only"),
            (VERIFICATION_KEYS, " p7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E=\n\tr7t1Yb0Jr3nF5m9hQeWcZ2uKxLdVgPiSaTfRjNoMw8E= "),
            (REVOCATION_BOUND, "500ms"),
            (SERVE_STALE_FOR, "1m 30s"),
            (STORE_TIMEOUT, "PT2S"),
            (CACHE_CAPACITY, "250000"),
        ]))
        .unwrap();
        let of = |letter: &str| TokenKey::new(&KEY.replace('q', letter)).unwrap().id();
        let ids: Vec<_> = config.keys().candidates().map(TokenKey::id).collect();
        assert_eq!(ids, ["q", "p", "r"].map(of));
        assert_eq!(config.token_minting(), TokenMinting::SessionsOnly);
        assert_eq!(Config::from_vars(vars(&[])).unwrap().token_minting(), TokenMinting::Bounded);
        assert_eq!(config.settings.revocation_bound, Duration::from_millis(500));
        assert_eq!(config.settings.serve_stale_for, Duration::from_secs(90));
        assert_eq!(config.settings.store_timeout, Duration::from_secs(2));
        assert_eq!(config.settings.cache_capacity, 250_000);
        let defaults = Config::from_vars(vars(&[])).unwrap().settings;
        assert_eq!(defaults.revocation_bound, Duration::from_secs(1));
        assert_eq!(defaults.serve_stale_for, Duration::ZERO);
        assert_eq!(defaults.store_timeout, Duration::from_secs(5));
        assert_eq!(defaults.cache_capacity, 10_000);
        assert_eq!(config.settings.issuer.as_deref(), Some("mine"));
        assert!(!config.settings.enforce_existence);
        assert!(config.lifetimes().allows_no_expiry());
        assert_eq!(config.lifetimes().allowed(), [Duration::from_hours(2)]);

        let error = |extra| Config::from_vars(vars(extra)).unwrap_err().to_string();
        assert!(error(&[(ALGORITHM, "RS256")]).contains("RS256"));
        assert!(error(&[(NO_EXPIRY, "maybe")]).contains(NO_EXPIRY));
        assert!(error(&[(DURATIONS, "soon")]).contains(DURATIONS));
        assert!(error(&[(MINTING, "sometimes")]).contains(MINTING));
        for time in ["soon", "5", "-1s"] {
            let vars = [(SIGNING_KEY, KEY), (SALT, PEPPER), (SERVE_STALE_FOR, time)];
            let var = |name: &str| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let error = Config::from_vars(var).unwrap_err().to_string();
            assert!(error.contains(SERVE_STALE_FOR), "{error}");
        }
        assert!(error(&[(REVOCATION_BOUND, "1ms")]).contains("revocation bound"));
        assert!(error(&[(CACHE_CAPACITY, "16777217")]).contains("cache capacity"));
        for capacity in ["-1", "many", "1e6"] {
            let vars = [(SIGNING_KEY, KEY), (SALT, PEPPER), (CACHE_CAPACITY, capacity)];
            let var = |name: &str| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let error = Config::from_vars(var).unwrap_err().to_string();
            assert!(error.contains(CACHE_CAPACITY), "{error}");
        }
        assert!(Config::from_vars(|_| None).unwrap_err().to_string().contains(SIGNING_KEY));
    }

    #[test]
    fn keys_are_replaced_all_or_none() {
        let (config, new) = (Config::builder(KEY, PEPPER).build().unwrap(), KEY.replace('q', "p"));
        let (clone, verifier) = (config.clone(), config.verifier());
        let ids = |ring: &KeyRing| ring.candidates().map(TokenKey::id).collect::<Vec<_>>();
        let before = ids(&config.keys());
        let error = config.reload_keys(&new, ["short"]).unwrap_err();
        assert!(matches!(error, ConfigError::Key { what: "verification key", .. }), "{error}");
        assert_eq!(ids(&clone.keys()), before);

        config.reload_keys(&new, [KEY]).unwrap();
        let after = ids(&config.keys());
        assert_eq!((after.len(), after[1]), (2, before[0]));
        assert_eq!(ids(&clone.keys()), after);
        assert_eq!(ids(&verifier.keys()), after);

        let vars = |name: &str| match name {
            SIGNING_KEY => Some(KEY.to_owned()),
            VERIFICATION_KEYS => Some(new.clone()),
            _ => None,
        };
        config.reload_keys_from_vars(vars).unwrap();
        assert_eq!(ids(&clone.keys()), [after[1], after[0]]);
        let missing = config.reload_keys_from_vars(|_| None).unwrap_err();
        assert!(missing.to_string().contains(SIGNING_KEY));
        assert_eq!(ids(&clone.keys()), [after[1], after[0]]);
    }

    #[test]
    fn debug_says_nothing_of_the_secrets() {
        let builder = Config::builder(KEY, PEPPER).verification_key(KEY.replace('q', "p"));
        for shown in [format!("{builder:?}"), format!("{:?}", builder.build().unwrap())] {
            assert!(!shown.contains("q7t1") && !shown.contains("mR4v") && !shown.contains("p7t1"));
        }
    }
}
