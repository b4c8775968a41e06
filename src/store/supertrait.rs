use crate::{
    actor::DirectoryStore, feed::ChangeFeed, policy::PolicyStore, token_service::TokenStore,
};

/// Everything from one store: tokens, users, policies, and what changed of them.
///
/// Implemented by whatever implements its parts. A `dyn Store` is also each of its parts:
///
/// ```
/// use std::sync::Arc;
/// use tower_pat::{actor::Directory, store::{MemoryStore, Store}, token_service::TokenLookup};
///
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
/// let tokens: Arc<dyn TokenLookup> = store.clone();
/// let directory: Arc<dyn Directory> = store;
/// ```
pub trait Store: TokenStore + DirectoryStore + PolicyStore + ChangeFeed {}

impl<S> Store for S where S: TokenStore + DirectoryStore + PolicyStore + ChangeFeed + ?Sized {}
