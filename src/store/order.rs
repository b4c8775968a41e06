//! The order of a list, which is the same in every store.

use std::cmp::Ordering;

use crate::{
    token::TokenRecord,
    token_service::{TokenQuery, TokenSort},
};

/// How two tokens stand in the list of `query`. Equal ones are in the order of their ids, also if
/// the order is turned round.
pub(super) fn compare(query: &TokenQuery, a: &TokenRecord, b: &TokenRecord) -> Ordering {
    let order = match query.sort {
        TokenSort::ExpiresAt => {
            (a.expires_at.is_none(), a.expires_at).cmp(&(b.expires_at.is_none(), b.expires_at))
        }
        TokenSort::CreatedAt => a.created_at.cmp(&b.created_at),
        TokenSort::Name => a.name.cmp(&b.name),
    };
    let order = if query.descending { order.reverse() } else { order };
    order.then(a.id.cmp(&b.id))
}
