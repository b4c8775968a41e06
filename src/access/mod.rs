//! Who may manage what: tokens, keys, service accounts, policies and users, as operations with the caller
//! as an argument.
//!
//! Here is what DataHub's GraphQL API offers, and more, for services that offer it in their own way. Nothing
//! here knows HTTP. How an operation goes:
//!
//! 1. Who is not authenticated is refused.
//! 2. Whether the caller may do it is decided by what their policies grant, in one place, before
//!    anything is looked up; where it depends on a token's owner and actor, its record is read for
//!    that alone. What hangs on a fact that is not known is no grant, and an outage is an error of its
//!    own and never a refusal.
//! 3. What was asked for is judged: names, lifetimes, urns, pages.
//! 4. It is done, by the stores.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//!
//! use tower_pat::{
//!     Authentication, Config,
//!     access::{Access, Caller, CreateToken},
//!     actor::{Actor, DirectoryStore, Urn},
//!     policy::default_policies,
//!     store::MemoryStore,
//!     token::{AccessTokenDuration, TokenType},
//!     token_service::{TokenFilter, TokenQuery},
//! };
//!
//! # let (signing_key, salt) = ("bI0yqV8mJ2xQ7nR4tW1zK6cF9hL3pD5s", "X2dN8vB5jM1kS7wQ");
//! let store = Arc::new(MemoryStore::default());
//! let alice = Urn::corpuser("alice")?;
//! store.create_user(&alice).await?;
//! let access = Access::new(&Config::builder(signing_key, salt).build()?, store);
//!
//! // In a handler, this is the `Authentication` in the request's extensions.
//! let policies = default_policies().into_iter().map(|record| record.info);
//! let caller = Caller::from(Authentication::for_tests(Actor::new(alice.clone()), policies));
//!
//! let lifetime = AccessTokenDuration::OneMonth.lifetime();
//! let request = CreateToken::new(TokenType::Personal, alice.clone(), lifetime, "laptop");
//! let minted = access.create_token(&caller, request).await?;
//!
//! let mine = TokenQuery::default().filter(TokenFilter::Owner(vec![alice]));
//! assert_eq!(access.list_tokens(&caller, &mine).await?.tokens, [minted.record.clone()]);
//! access.revoke_token(&caller, &minted.record.id).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What these privileges amount to
//!
//! As in DataHub, some of them are as good as all of them. Grant them as you would grant root.
//!
//! | privilege | what its holder can become |
//! | --- | --- |
//! | `MANAGE_POLICIES` | everything: they can write a policy that grants it to them, and assign roles |
//! | `MANAGE_ACCESS_TOKENS`, or `EDIT_ENTITY` and `DELETE_ENTITY` on everything | everybody: they can make a token that acts as anybody but the system actor, service accounts and who manages policies included |
//! | `MANAGE_SERVICE_ACCOUNTS` | every service account, and so whatever these may do |
//! | `MANAGE_USERS_AND_GROUPS` | nobody else by what is here; they can suspend everybody, and see who may do what |
//! | `MANAGE_SYSTEM_OPERATIONS` | nobody by what is here; they can retire keys, and so end all tokens that a key signed |
//! | `GENERATE_PERSONAL_ACCESS_TOKENS` | only themselves |
//!
//! What a request was authenticated by makes no difference to what it may do, but to what it may mint:
//! see [`TokenMinting`](crate::config::TokenMinting). A token of version 1 is not stored, so that it
//! cannot be revoked by itself, and nothing be revoked with it; unless tokens mint as they like
//! (`unbounded`), it mints nothing.
//!
//! # Where this is stricter than DataHub, or does more
//!
//! * Owner **and** actor of a token see and revoke it; in DataHub only the owner does.
//! * For who may not manage tokens, the ids of other people's answer as those that do not exist.
//! * A list of one's own tokens has to be asked for plainly: no filter that is negated, or names
//!   somebody else, counts.
//! * Nobody makes tokens for the system actor, for `anonymous`, for a group, or for no id at all.
//! * Permission comes before existence, also for service accounts, whose tokens are revoked when they
//!   are deleted.
//! * Names of tokens have 1 to 50 characters and are not blank, descriptions have up to 500; characters
//!   are Unicode scalar values, and texts are kept as they are given. DataHub's server has no bounds.
//! * Pages have up to 1,000 entries.
//! * Updates of policies keep their roles, and may set them.

mod accounts;
mod caller;
mod error;
mod facts;
mod grants;
mod input;
mod keys;
mod minting;
mod permission;
mod platform;
mod policies;
mod roles;
mod rules;
mod service;
mod tokens;
mod users;

pub use self::{
    accounts::NewServiceAccount,
    caller::Caller,
    error::{AccessError, AccessErrorKind},
    grants::{DebugAccess, GrantedPrivileges, Grants},
    platform::PlatformPrivileges,
    policies::{PolicyPage, PolicyQuery, Roles},
    roles::{Role, RolePage, RoleQuery},
    service::Access,
    tokens::{CreateToken, RevokedByText, TokensOf},
};
