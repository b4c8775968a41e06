//! What every store refuses, so that all refuse the same.

use crate::{
    actor::Urn,
    backend::StoreError,
    token::TokenRecord,
    token_service::{MAX_ANCESTORS, TokenFilter, TokenQuery},
};

/// Refuses a record that contradicts itself.
pub(super) fn record(record: &TokenRecord) -> Result<(), StoreError> {
    match (record.valid_until, record.expires_at) {
        (Some(valid_until), Some(expires_at)) if valid_until > expires_at => {
            Err(StoreError::Invalid("a token is valid until its expiry at most".into()))
        }
        _ => Ok(()),
    }
}

/// The refusal of a token that would have more ancestors than verifying looks at.
pub(super) fn too_deep() -> StoreError {
    StoreError::Invalid(format!(
        "tokens are made with tokens that were made with tokens {MAX_ANCESTORS} times at most"
    ))
}

/// Refuses a user that nobody can be: DataHub takes the id `anonymous` for nobody, and users are
/// `urn:li:corpuser:` and an id.
pub(super) fn user(urn: &Urn) -> Result<(), StoreError> {
    if Urn::corpuser(urn.key()).as_ref() != Ok(urn) || urn.key() == "anonymous" {
        return Err(StoreError::Invalid(format!("{urn} cannot be a user")));
    }
    Ok(())
}

/// The refusal of a password for what is not a person.
pub(super) fn no_password() -> StoreError {
    StoreError::Invalid("a service account has no password: only people log in".into())
}

/// Refuses a query that is too large to be answered by every store.
pub(super) fn query(query: &TokenQuery) -> Result<(), StoreError> {
    let mut size = 0;
    for filter in &query.filters {
        measure(filter, 1, &mut size)?;
    }
    Ok(())
}

fn measure(filter: &TokenFilter, depth: usize, size: &mut usize) -> Result<(), StoreError> {
    if depth > MAX_DEPTH {
        return Err(StoreError::Invalid(format!("filters are nested {MAX_DEPTH} deep at most")));
    }
    *size = size.saturating_add(match filter {
        TokenFilter::Id(ids) => ids.len().max(1),
        TokenFilter::Actor(urns) | TokenFilter::Owner(urns) => urns.len().max(1),
        _ => 1,
    });
    if *size > MAX_SIZE {
        return Err(StoreError::Invalid(format!(
            "a query has {MAX_SIZE} conditions and values at most"
        )));
    }
    match filter {
        TokenFilter::Not(inner) => measure(inner, depth + 1, size),
        TokenFilter::AnyOf(filters) | TokenFilter::AllOf(filters) => {
            filters.iter().try_for_each(|filter| measure(filter, depth + 1, size))
        }
        _ => Ok(()),
    }
}

const MAX_DEPTH: usize = 16;

// Far below what a database takes: SQLite an expression 1,000 deep, where a chain of `OR` is as
// deep as it is long.
const MAX_SIZE: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Timestamp, token::TokenId};

    fn is_taken(filter: TokenFilter) -> bool {
        query(&TokenQuery::default().filter(filter)).is_ok()
    }

    fn nested(depth: usize) -> TokenFilter {
        let innermost = TokenFilter::EndsBefore(Timestamp::from_millis(0));
        (1..depth).fold(innermost, |filter, _| TokenFilter::Not(Box::new(filter)))
    }

    #[test]
    fn depth_is_bounded() {
        assert!(is_taken(nested(MAX_DEPTH)));
        assert!(!is_taken(nested(MAX_DEPTH + 1)));
    }

    #[test]
    fn size_is_bounded() {
        let urns = |count| vec![Urn::corpuser("alice").unwrap(); count];
        assert!(is_taken(TokenFilter::Actor(urns(MAX_SIZE))));
        assert!(!is_taken(TokenFilter::Owner(urns(MAX_SIZE + 1))));
        assert!(!is_taken(TokenFilter::Id(vec![TokenId::from_bytes([0; 32]); MAX_SIZE + 1])));
        assert!(!is_taken(TokenFilter::AllOf(vec![nested(1); MAX_SIZE])));
        assert!(is_taken(TokenFilter::AnyOf(vec![nested(1); MAX_SIZE - 1])));
        assert!(!is_taken(TokenFilter::AnyOf(vec![nested(1); MAX_SIZE])));
    }
}
