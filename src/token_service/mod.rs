//! Tokens as they are kept: making, verifying, revoking and listing them.
//!
//! Mechanism only: who may do what is decided elsewhere. A token is good if
//!
//! 1. its text is ([`TokenVerifier`](crate::token::TokenVerifier)),
//! 2. its kind is accepted: version 1 and SESSION tokens are not, unless the configuration says so,
//! 3. the key that signed it is not retired ([`KeyStates`](crate::token::KeyStates)),
//! 4. the store has its record (version 2), and that has neither been revoked nor is it over,
//! 5. no revocation rule covers it,
//! 6. its restrictions are understood (none are yet, so a record must have none),
//! 7. its actor is in the directory, neither removed nor suspended.
//!
//! ```
//! # tokio_test_block_on(async {
//! use std::sync::Arc;
//! use tower_pat::{
//!     actor::{DirectoryStore, Urn},
//!     config::Config,
//!     store::MemoryStore,
//!     token::{AccessTokenDuration, TokenType},
//!     token_service::{MintRequest, TokenService},
//! };
//!
//! # let (signing_key, salt) = ("bI0yqV8mJ2xQ7nR4tW1zK6cF9hL3pD5s", "X2dN8vB5jM1kS7wQ");
//! let store = Arc::new(MemoryStore::default());
//! let service = TokenService::new(&Config::builder(signing_key, salt).build()?, store.clone());
//!
//! let alice = Urn::corpuser("alice")?;
//! store.create_user(&alice).await?;
//! let lifetime = AccessTokenDuration::OneMonth.lifetime();
//! let minted = service
//!     .mint(MintRequest::new(TokenType::Personal, alice.clone(), lifetime).name("laptop"))
//!     .await?;
//!
//! assert_eq!(*service.verify(minted.token.expose()).await?.actor.urn(), alice);
//! assert!(service.revoke(&minted.record.id, &alice).await?);
//! assert!(service.verify(minted.token.expose()).await.is_err());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # });
//! # fn tokio_test_block_on<T>(f: impl Future<Output = Result<T, Box<dyn std::error::Error>>>) {
//! #     tokio::runtime::Runtime::new().unwrap().block_on(f).unwrap();
//! # }
//! ```

mod filter;
mod keys;
mod lineage;
mod mint;
mod query;
mod service;
mod store;
mod verify;

pub use self::{
    filter::{TextTest, TimeTest, TokenFilter, TokenOptional, TokenTextField, TokenTimeField},
    keys::{KeyChange, KeyChangeError, KeyOverview, KeyStatus, KeyStore, MAX_COUNTED_TOKENS},
    lineage::MAX_ANCESTORS,
    mint::{MintError, MintRequest, MintedToken},
    query::{TokenPage, TokenQuery, TokenSort},
    service::{ActiveToken, TokenService},
    store::{Retention, RulePage, RuleSubject, TokenLookup, TokenStore, TokenUses},
    verify::VerifyError,
};
pub(crate) use self::{
    keys::KeyMissing,
    lineage::{Ancestor, Lineage},
    verify::{SignedToken, Stored, TokenPlace, Verification},
};
