//! A writing transaction, with the announcements that belong to it.

use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::{SqliteStore, error::unavailable};
use crate::{backend::StoreError, feed::Change};

/// A transaction that has the write lock. Dropped without [`commit`](Self::commit), it has never
/// been.
pub(super) struct Write<'a> {
    store: &'a SqliteStore,
    transaction: Transaction<'static, Sqlite>,
    announced: bool,
}

impl SqliteStore {
    pub(super) async fn write(&self) -> Result<Write<'_>, StoreError> {
        // Not the default, which takes the lock at the first write: what was read until then could
        // be outdated, and SQLite would refuse to go on.
        let transaction =
            self.shared.writer.begin_with("BEGIN IMMEDIATE").await.map_err(unavailable)?;
        Ok(Write { store: self, transaction, announced: false })
    }
}

impl Write<'_> {
    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// Adds `change` to the feed.
    pub(super) async fn announce(&mut self, change: &Change) -> Result<(), StoreError> {
        let (kind, subject) = change.to_parts();
        sqlx::query("INSERT INTO changes (kind, subject) VALUES (?, ?)")
            .bind(kind)
            .bind(subject)
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        self.announced = true;
        Ok(())
    }

    /// If it `changed` something, announces `change` and commits. Returns `changed`.
    pub(super) async fn end_with(
        mut self,
        changed: bool,
        change: &Change,
    ) -> Result<bool, StoreError> {
        if changed {
            self.announce(change).await?;
            self.commit().await?;
        }
        Ok(changed)
    }

    /// Makes it last, and then wakes who waits for a change.
    pub(super) async fn commit(self) -> Result<(), StoreError> {
        self.transaction.commit().await.map_err(unavailable)?;
        if self.announced {
            self.store.shared.changed.notify_waiters();
        }
        Ok(())
    }
}
