//! Managing tokens, service accounts, policies and users: who may, and what comes of it.

mod accounts;
mod minting;
mod policies;
mod refusals;
mod tokens;
mod users;
mod watched;

use std::sync::Arc;

use tower_pat::{
    Access, Authentication, Authenticator, TokenService,
    access::{AccessError, AccessErrorKind, Caller, CreateToken},
    actor::Actor,
    authenticate::AuthenticateError,
    clock::{ManualClock, Timestamp},
    config::ConfigBuilder,
    policy::{Policy, PolicyRecord},
    store::Store,
    token::{AccessTokenDuration, Lifetime, TokenType},
    token_service::{MintRequest, MintedToken, VerifyError},
};

use crate::support::{config, urn, user, with_token};

/// Runs each case over every store.
macro_rules! cases {
    ($($case:ident)*) => {
        mod memory {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case(tower_pat::store::MemoryStore::default()).await;
                }
            )*
        }

        #[cfg(feature = "sqlite")]
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let folder = tempfile::tempdir().unwrap();
                    let path = folder.path().join("store.db");
                    super::$case(tower_pat::store::SqliteStore::open(path).await.unwrap()).await;
                }
            )*
        }
    };
}
use cases;

const GENERATE: &str = "GENERATE_PERSONAL_ACCESS_TOKENS";
const TOKENS: &str = "MANAGE_ACCESS_TOKENS";
const ACCOUNTS: &str = "MANAGE_SERVICE_ACCOUNTS";
const POLICIES: &str = "MANAGE_POLICIES";
const USERS: &str = "MANAGE_USERS_AND_GROUPS";

/// alice and bob may make tokens for themselves, and max manages everything.
const PEOPLE: &[(&str, &[&str])] =
    &[("alice", &[GENERATE]), ("bob", &[GENERATE]), ("max", &[TOKENS, ACCOUNTS, POLICIES, USERS])];

/// A deployment over one store: real tokens, a real authenticator, and what is managed.
struct Place<S> {
    store: S,
    clock: Arc<ManualClock>,
    tokens: TokenService,
    authenticator: Authenticator,
    access: Access,
}

impl<S: Store + Clone> Place<S> {
    async fn new(store: S) -> Self {
        Self::with(store, config()).await
    }

    async fn with(store: S, config: ConfigBuilder) -> Self {
        let config = config.build().unwrap();
        for (id, privileges) in PEOPLE {
            store.create_user(&user(id)).await.unwrap();
            let urn = urn(&format!("urn:li:dataHubPolicy:of-{id}"));
            let info = granting(id, privileges);
            store.put_policies(&[PolicyRecord { urn, info }]).await.unwrap();
        }
        let clock = Arc::new(ManualClock::new(Timestamp::from_seconds(1_750_000_000)));
        let shared = Arc::new(store.clone());
        let tokens = TokenService::new(&config, shared.clone()).clock(clock.clone());
        let access = Access::new(&config, shared).clock(clock.clone());
        let authenticator = Authenticator::builder(config, store.clone())
            .clock(clock.clone())
            .build()
            .await
            .unwrap();
        Self { store, clock, tokens, authenticator, access }
    }

    /// Makes a token without asking who may.
    async fn mint(&self, token_type: TokenType, id: &str, lifetime: Lifetime) -> MintedToken {
        let request = MintRequest::new(token_type, user(id), lifetime).name("laptop");
        self.tokens.mint(request).await.unwrap()
    }

    /// Who presents this token.
    async fn by(&self, token: &MintedToken) -> Caller {
        self.by_text(token.token.expose()).await.unwrap()
    }

    async fn by_text(&self, token: &str) -> Result<Caller, AuthenticateError> {
        let (parts, _) = with_token(token).into_parts();
        self.authenticator.authenticate(&parts).await.map(Caller::from)
    }

    async fn is_good(&self, token: &MintedToken) -> bool {
        match self.tokens.verify(token.token.expose()).await {
            Ok(_) => true,
            Err(VerifyError::Store(error)) => panic!("{error}"),
            Err(_) => false,
        }
    }
}

/// A platform policy that grants `privileges` to this user.
fn granting(id: &str, privileges: &[&str]) -> Policy {
    serde_json::from_value(serde_json::json!({
        "displayName": format!("of {id}"), "type": "PLATFORM", "state": "ACTIVE",
        "privileges": privileges, "actors": { "users": [user(id)] },
    }))
    .unwrap()
}

/// Somebody who was authenticated by something else than a token, with these privileges.
fn caller(id: &str, privileges: &[&str]) -> Caller {
    Authentication::for_tests(Actor::new(user(id)), [granting(id, privileges)]).into()
}

fn max() -> Caller {
    caller("max", &[TOKENS, ACCOUNTS, POLICIES, USERS])
}

fn personal(id: &str) -> CreateToken {
    CreateToken::new(TokenType::Personal, user(id), HOUR, "laptop")
}

/// What is seen of a refusal from outside.
fn seen<T: std::fmt::Debug>(result: Result<T, AccessError>) -> (AccessErrorKind, String, String) {
    let error = result.unwrap_err();
    (error.kind(), error.to_string(), format!("{error:?}"))
}

const HOUR: Lifetime = AccessTokenDuration::OneHour.lifetime();
const MONTH: Lifetime = AccessTokenDuration::OneMonth.lifetime();
const UNAUTHORIZED: &str =
    "Unauthorized to perform this action. Please contact your DataHub administrator.";
