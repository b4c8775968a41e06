//! The order of a list, which is the same in every store.

use std::cmp::Ordering;

use crate::{
    clock::Timestamp,
    token::TokenRecord,
    token_service::{TokenQuery, TokenSort},
};

/// How two tokens stand in the list of `query`. Equal ones are in the order of their ids. If the order
/// is turned round, so is that.
pub(super) fn compare(query: &TokenQuery, a: &TokenRecord, b: &TokenRecord) -> Ordering {
    let order = match query.sort {
        TokenSort::ExpiresAt => {
            let (a, b) = (a.ends_at(), b.ends_at());
            (a.is_none(), a).cmp(&(b.is_none(), b))
        }
        TokenSort::CreatedAt => a.created_at.cmp(&b.created_at),
        TokenSort::Name => a.name.cmp(&b.name),
        TokenSort::LastUsedAt => last_use(a).cmp(&last_use(b)),
    };
    let order = order.then(a.id.cmp(&b.id));
    if query.descending { order.reverse() } else { order }
}

/// Nothing is less than everything else.
fn last_use(record: &TokenRecord) -> Option<Timestamp> {
    record.last_used.as_ref().map(|last_use| last_use.at)
}
