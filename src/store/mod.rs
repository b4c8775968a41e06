//! Where it all lives: tokens, revocation rules, users, policies, and the feed of what changed.
//!
//! A store implements the traits of [`token_service`](crate::token_service),
//! [`actor`](crate::actor), [`policy`](crate::policy) and [`feed`](crate::feed); one that
//! implements all of them is a [`Store`]. There are three here, and one suite of tests that all pass:
//!
//! * [`MemoryStore`] loses everything with the process;
//! * `SqliteStore` (feature `sqlite`) keeps everything in one file, which several processes of one
//!   machine can share;
//! * `PostgresStore` (feature `postgres`) keeps everything in a PostgreSQL database, which many nodes
//!   can share.
//!
//! # What holds for all
//!
//! 1. What was answered has happened: when a write returns, it is there for every later read, and in
//!    a database it outlives a crash.
//! 2. A change that can alter a decision is written together with its announcement in the feed, or
//!    not at all. What makes no difference is not announced, and neither is the making of a token,
//!    unless something that was made with it is there already.
//! 3. Rules hold also under two writers at once: an id is taken by one of them, a token is revoked
//!    by one of them, and nothing is made with a token that was revoked.
//! 4. What is read by one call is from one point in time.
//! 5. The text of a token is nowhere, only the hash that is its id.
//!
//! Two bounds go beyond the traits, and what exceeds them is
//! [`StoreError::Invalid`](crate::backend::StoreError::Invalid): a record is valid until its expiry
//! at most, and a list query has at most 500 conditions and values, nested at most 16 deep.
//!
//! The change feed needs no clock: a change is kept for
//! [`Retention::changes`](crate::token_service::Retention::changes) from the first sweep that finds
//! it. A reader that has not read for so long may find a gap. Where nothing sweeps, the feed and all
//! tombstones are kept.
//!
//! # Example
//!
//! ```
//! use tower_pat::{
//!     actor::{Directory, DirectoryStore, Urn},
//!     clock::Timestamp,
//!     feed::{Change, ChangeFeed},
//!     store::MemoryStore,
//!     token::{TokenId, TokenRecord},
//!     token_service::{TokenLookup, TokenStore},
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::default();
//! let alice = Urn::corpuser("alice")?;
//! store.create_user(&alice).await?;
//! assert!(store.profile(&alice).await?.is_some());
//!
//! let id = TokenId::from_bytes([7; 32]);
//! let made = Timestamp::from_seconds(1_750_000_000);
//! store.insert(&TokenRecord::new(id, "laptop", alice.clone(), alice.clone(), made)).await?;
//!
//! let cursor = store.head().await?;
//! assert!(store.revoke(&id, &alice, Timestamp::from_seconds(1_750_000_060)).await?);
//! assert_eq!(store.since(&cursor).await?.changes, [Change::Token(id)]);
//!
//! // A revoked token stays, so that its bearer can be told since when.
//! assert!(store.find(&id).await?.is_some_and(|record| record.revoked.is_some()));
//! # Ok(())
//! # }
//! ```

mod check;
mod holder;
mod memory;
mod order;
#[cfg(feature = "postgres")]
mod postgres;
mod seed;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod selection;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod span;
#[cfg(feature = "sqlite")]
mod sqlite;
mod supertrait;

#[cfg(feature = "postgres")]
pub use self::postgres::{PostgresStore, PostgresStoreBuilder};
#[cfg(feature = "sqlite")]
pub use self::sqlite::SqliteStore;
pub use self::{memory::MemoryStore, supertrait::Store};
