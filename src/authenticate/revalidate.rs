//! Judging anew what is remembered, after changes may have been missed.

use std::collections::{HashMap, HashSet};

use zeroize::Zeroizing;

use crate::{
    actor::{ActorProfile, Directory, Urn},
    backend::{BoxFuture, StoreError},
    clock::Monotonic,
    token::{KeyRecord, RevocationRule, TokenId, TokenRecord},
    token_service::{MAX_ANCESTORS, RuleSubject, SignedToken, TokenLookup},
};

/// How many tokens are judged anew at once.
pub(super) const BATCH: usize = 200;

/// A token that is remembered and is no answer until it was judged anew.
pub(super) struct Suspect {
    pub(super) text: Zeroizing<Box<[u8]>>,
    /// To be judged anew is no use of it.
    pub(super) use_is_due: Monotonic,
}

/// What stores say of a batch of tokens, read in a few statements. Whoever looks one of these tokens
/// up in it, by the same rules as in the stores, gets the same answers.
#[derive(Debug)]
pub(super) struct Known {
    records: HashMap<TokenId, Option<TokenRecord>>,
    rules: Vec<RevocationRule>,
    profiles: HashMap<Urn, Option<ActorProfile>>,
}

impl Known {
    /// Reads what is needed to judge these tokens.
    pub(super) async fn read(
        tokens: &dyn TokenLookup,
        directory: &dyn Directory,
        signed: &[SignedToken],
    ) -> Result<Self, StoreError> {
        let mut records = HashMap::new();
        let mut wanted: Vec<TokenId> = signed.iter().map(|token| token.id).collect();
        // Of one that has more ancestors than it may have, one more than that is looked at.
        for _ in 0..=MAX_ANCESTORS + 1 {
            if wanted.is_empty() {
                break;
            }
            let found = tokens.find_all(&wanted).await?;
            records.extend(wanted.into_iter().zip(found.iter().cloned()));
            let parents: HashSet<TokenId> =
                found.into_iter().flatten().filter_map(|record| record.parent).collect();
            wanted = parents.into_iter().filter(|id| !records.contains_key(id)).collect();
        }

        let of_tokens = signed.iter().map(|token| {
            let record: Option<&TokenRecord> = records.get(&token.id).and_then(Option::as_ref);
            let owner = record.map(|record| &record.owner);
            RuleSubject::new(&token.actor, owner, Some(token.key_id))
        });
        let of_records = records
            .values()
            .flatten()
            .map(|record| RuleSubject::new(&record.actor, Some(&record.owner), record.key_id));
        let subjects: Vec<RuleSubject<'_>> = of_tokens.chain(of_records).collect();
        let rules = tokens.rules_for_any(&subjects).await?;

        let actors: HashSet<&Urn> = signed.iter().map(|token| &token.actor).collect();
        let actors: Vec<Urn> = actors.into_iter().cloned().collect();
        let found = directory.profiles(&actors).await?;
        let profiles = actors.into_iter().zip(found).collect();
        Ok(Self { records, rules, profiles })
    }
}

impl TokenLookup for Known {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move { self.records.get(id).cloned().ok_or_else(not_read) })
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        let rules = self.rules.iter().filter(move |rule| subject.is_in(&rule.scope));
        Box::pin(async move { Ok(rules.cloned().collect()) })
    }

    /// They are not in here: the authenticator knows them.
    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        Box::pin(async { Err(not_read()) })
    }
}

impl Directory for Known {
    fn profile<'a>(
        &'a self,
        urn: &'a Urn,
    ) -> BoxFuture<'a, Result<Option<ActorProfile>, StoreError>> {
        Box::pin(async move { self.profiles.get(urn).cloned().ok_or_else(not_read) })
    }
}

/// A store gave fewer answers than it was asked for.
fn not_read() -> StoreError {
    StoreError::Corrupt { what: "batch", source: None }
}
