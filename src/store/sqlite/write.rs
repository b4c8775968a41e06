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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{Directory, DirectoryStore, Urn};

    async fn pragma(connection: &mut SqliteConnection, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
    }

    #[tokio::test]
    async fn a_write_is_flushed_before_it_is_answered() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("store.db")).await.unwrap();
        let mut write = store.write().await.unwrap();
        assert_eq!(pragma(write.connection(), "PRAGMA synchronous").await, 2);
        assert_eq!(pragma(write.connection(), "PRAGMA foreign_keys").await, 1);
        assert_eq!(pragma(write.connection(), "PRAGMA busy_timeout").await, 5_000);
    }

    #[tokio::test]
    async fn who_reads_cannot_write() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("store.db")).await.unwrap();
        let mut read = store.read().await.unwrap();
        assert!(sqlx::query("DELETE FROM users").execute(&mut *read).await.is_err());
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_itself_ended_harms_no_later_one() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(directory.path().join("store.db")).await.unwrap();
        let alice = Urn::corpuser("alice").unwrap();
        let mut write = store.write().await.unwrap();
        // As on a full disk. Nobody told the pool, which thinks that it goes on.
        sqlx::query("ROLLBACK").execute(write.connection()).await.unwrap();
        drop(write);
        assert!(store.create_user(&alice).await.unwrap());
        assert!(store.profile(&alice).await.unwrap().is_some());
    }
}
