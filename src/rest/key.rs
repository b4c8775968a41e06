//! Keys as JSON. The keys themselves are nowhere here.

use serde::Serialize;

use crate::{
    actor::Urn,
    authenticate::KeyUse,
    clock::Timestamp,
    token::{KeyId, KeyState},
    token_service::{KeyOverview, KeyStatus},
};

/// What `GET /keys` answers.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Keys<'a> {
    keys: Vec<Key<'a>>,
    tokens_of_unknown_key: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key<'a> {
    id: KeyId,
    state: &'static str,
    is_configured_here: bool,
    added_at: Option<i64>,
    signing_since: Option<i64>,
    retired_at: Option<i64>,
    changed_by_urn: Option<&'a Urn>,
    tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified_here: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_verified_here_at: Option<i64>,
}

impl<'a> Keys<'a> {
    /// With how often each was of use, if that is counted.
    pub(super) fn new(overview: &'a KeyOverview, uses: Option<&[KeyUse]>) -> Self {
        Self {
            keys: overview.keys.iter().map(|key| Key::new(key, uses)).collect(),
            tokens_of_unknown_key: overview.tokens_of_unknown_key,
        }
    }
}

impl<'a> Key<'a> {
    fn new(key: &'a KeyStatus, uses: Option<&[KeyUse]>) -> Self {
        let record = key.record.as_ref();
        let known = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
        let key_use = uses.and_then(|uses| uses.iter().find(|key_use| key_use.id == key.id));
        Self {
            id: key.id,
            state: match key.state {
                KeyState::Verifying => "VERIFYING",
                KeyState::Signing => "SIGNING",
                KeyState::Retired => "RETIRED",
            },
            is_configured_here: key.has_material,
            added_at: known(record.map(|record| record.added_at)),
            signing_since: known(record.and_then(|record| record.signing_since)),
            retired_at: known(record.and_then(|record| record.retired_at)),
            changed_by_urn: record.map(|record| &record.by),
            tokens: key.tokens,
            verified_here: uses.map(|_| key_use.map_or(0, |key_use| key_use.count)),
            last_verified_here_at: known(key_use.map(|key_use| key_use.last_at)),
        }
    }
}
