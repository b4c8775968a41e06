//! Tokens as they are kept: making, verifying, revoking and listing them.
//!
//! Mechanism only: who may do what is decided elsewhere.

mod query;
mod store;

pub use self::{
    query::{TokenFilter, TokenPage, TokenQuery, TokenSort},
    store::{Retention, RuleSubject, TokenLookup, TokenStore},
};
