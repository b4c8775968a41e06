use std::{collections::VecDeque, time::Duration};

use super::MemoryStore;
use crate::{
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::{Change, ChangeBatch, ChangeFeed, FeedCursor},
};

/// The changes that are kept, the oldest first, numbered without holes from 1.
#[derive(Debug, Default)]
pub(super) struct Changes {
    newest: i64,
    kept: VecDeque<Kept>,
}

#[derive(Debug)]
struct Kept {
    change: Change,
    swept_at: Option<Timestamp>,
}

impl Changes {
    /// The number of the newest change, or 0.
    pub(super) fn newest(&self) -> i64 {
        self.newest
    }

    pub(super) fn push(&mut self, change: Change) {
        self.newest += 1;
        self.kept.push_back(Kept { change, swept_at: None });
    }

    /// Forgets what a sweep saw `retention` ago, but for the newest of it, where readers may stand.
    pub(super) fn sweep(&mut self, now: Timestamp, retention: Duration) {
        for kept in &mut self.kept {
            kept.swept_at.get_or_insert(now);
        }
        let cutoff = now.saturating_sub(retention);
        while self.kept.get(1).and_then(|kept| kept.swept_at).is_some_and(|at| at <= cutoff) {
            self.kept.pop_front();
        }
    }

    fn since(&self, cursor: &FeedCursor) -> ChangeBatch {
        let position: Option<i64> = cursor.as_str().parse().ok();
        let unread = position.and_then(|position| self.newest.checked_sub(position));
        let unread = unread.and_then(|unread| usize::try_from(unread).ok());
        let skipped = unread.and_then(|unread| self.kept.len().checked_sub(unread));
        ChangeBatch {
            changes: skipped.map_or_else(Vec::new, |skipped| {
                self.kept.iter().skip(skipped).map(|kept| kept.change.clone()).collect()
            }),
            next: FeedCursor::new(self.newest.to_string()),
            gap: skipped.is_none(),
        }
    }
}

impl ChangeFeed for MemoryStore {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        Box::pin(async move { Ok(FeedCursor::new(self.state().changes.newest().to_string())) })
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        Box::pin(async move { Ok(self.state().changes.since(cursor)) })
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        // Made now and not when it is first polled: it notices what is announced from here on.
        Box::pin(self.shared.changed.notified())
    }
}
