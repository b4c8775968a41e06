use std::{fmt, sync::Arc};

use super::Subject;
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    token::{RuleScope, TokenId},
};

/// Something that can alter a decision. Making a token is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// A token was revoked, and what was made with it ends too; or its record changed, or came after
    /// those of tokens that were made with it.
    Token(TokenId),
    /// A rule now revokes what is in its scope.
    Rule(RuleScope),
    /// A user was created, deleted, removed or suspended, or is in other groups or roles.
    Actor(Urn),
    /// A group has other roles, or was deleted.
    Group(Urn),
    /// Policies were added, changed or deleted.
    Policies,
    /// Keys were added, promoted or retired.
    Keys,
    /// A kind that this version does not know: whatever is cached may be wrong.
    Unknown,
}

impl Change {
    /// How the change is stored: its kind, and what it is about.
    #[must_use]
    pub fn to_parts(&self) -> (&'static str, String) {
        match self {
            Self::Token(id) => ("token", id.to_string()),
            Self::Rule(RuleScope::Actor(urn)) => ("rule-actor", urn.to_string()),
            Self::Rule(RuleScope::Owner(urn)) => ("rule-owner", urn.to_string()),
            Self::Rule(RuleScope::Key(id)) => ("rule-key", id.to_string()),
            Self::Rule(RuleScope::All) => ("rule-all", String::new()),
            Self::Actor(urn) => ("actor", urn.to_string()),
            Self::Group(urn) => ("group", urn.to_string()),
            Self::Policies => ("policies", String::new()),
            Self::Keys => ("keys", String::new()),
            Self::Unknown => ("unknown", String::new()),
        }
    }

    /// What it is about, if that is one token, actor or owner, and not everything, or nobody can tell
    /// what. A key is no subject, though few rules are about one: everything depends on some key.
    pub(crate) fn subject(&self) -> Option<Subject<'_>> {
        match self {
            Self::Token(id) => Some(Subject::Token(id)),
            Self::Actor(urn) | Self::Rule(RuleScope::Actor(urn) | RuleScope::Owner(urn)) => {
                Some(Subject::Urn(urn))
            }
            Self::Rule(RuleScope::Key(_) | RuleScope::All)
            | Self::Group(_)
            | Self::Policies
            | Self::Keys
            | Self::Unknown => None,
        }
    }

    /// The change that was stored so. What is not understood, in kind or in subject, is
    /// [`Unknown`](Self::Unknown).
    #[must_use]
    pub fn from_parts(kind: &str, subject: &str) -> Self {
        let urn = |change: fn(Urn) -> Self| subject.parse().map_or(Self::Unknown, change);
        match kind {
            "token" => subject.parse().map_or(Self::Unknown, Self::Token),
            "rule-actor" => urn(|urn| Self::Rule(RuleScope::Actor(urn))),
            "rule-owner" => urn(|urn| Self::Rule(RuleScope::Owner(urn))),
            "rule-key" => {
                subject.parse().map_or(Self::Unknown, |id| Self::Rule(RuleScope::Key(id)))
            }
            "rule-all" => Self::Rule(RuleScope::All),
            "actor" => urn(Self::Actor),
            "group" => urn(Self::Group),
            "policies" => Self::Policies,
            "keys" => Self::Keys,
            _ => Self::Unknown,
        }
    }
}

/// Up to where a feed was read. Only the feed that made it knows what it means, and one that does not
/// understand it answers with a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedCursor(String);

impl FeedCursor {
    /// The cursor that the feed writes so.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As the feed wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a feed had since a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeBatch {
    /// The changes, in the order in which they were made.
    pub changes: Vec<Change>,
    /// Where to read on.
    pub next: FeedCursor,
    /// Whether changes may be missing, since the feed no longer has them or cannot tell: whatever
    /// is cached may be wrong, and is judged anew. `changes` are what there is nevertheless.
    pub gap: bool,
}

/// Where a store tells what changed, whoever changed it.
pub trait ChangeFeed: fmt::Debug + Send + Sync + 'static {
    /// The end of the feed: reading from here gives every change committed from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer.
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>>;

    /// The changes committed since `cursor`, without gaps, read from the primary. When this
    /// returns, every change that was committed before it was called is in this batch or an
    /// earlier one, or the batch says that there is a gap.
    ///
    /// A cursor is good for the feed that gave it, and its clones. For another one of the same store
    /// it may be a gap.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store cannot answer; the cursor stays good.
    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>>;

    /// Completes when there may be something to read, or never. Only saves time: the feed is read
    /// at short intervals in any case, and waking says nothing about freshness.
    fn woken(&self) -> BoxFuture<'_, ()>;
}

/// So that a part chosen at run time, `Arc<dyn ChangeFeed>`, is one.
impl<T: ChangeFeed + ?Sized> ChangeFeed for Arc<T> {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        (**self).head()
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        (**self).since(cursor)
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        (**self).woken()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::{KeyId, TokenId};

    #[test]
    fn a_change_is_read_as_it_is_written() {
        let urn = Urn::corpuser("alice").unwrap();
        let key: KeyId = "0123456789abcdef".parse().unwrap();
        for change in [
            Change::Token(TokenId::from_bytes([7; 32])),
            Change::Rule(RuleScope::Actor(urn.clone())),
            Change::Rule(RuleScope::Owner(urn.clone())),
            Change::Rule(RuleScope::Key(key)),
            Change::Rule(RuleScope::All),
            Change::Actor(urn.clone()),
            Change::Group(urn),
            Change::Policies,
            Change::Keys,
            Change::Unknown,
        ] {
            let (kind, subject) = change.to_parts();
            assert_eq!(Change::from_parts(kind, &subject), change);
        }
    }

    #[test]
    fn what_is_not_understood_is_unknown() {
        for (kind, subject) in [("token", "?"), ("actor", "alice"), ("lunar-phase", "")] {
            assert_eq!(Change::from_parts(kind, subject), Change::Unknown);
        }
    }
}
