//! A writing transaction, with the announcements that belong to it.

use sqlx::PgConnection;

use super::{PostgresStore, connection::Lease, error::unavailable};
use crate::{backend::StoreError, feed::Change};

macro_rules! begin {
    () => {
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
    };
}

macro_rules! lineage {
    () => {
        "8391168452057814"
    };
}

macro_rules! rules {
    () => {
        "8391168452057815"
    };
}

/// A transaction that writes. Each of its statements sees what was committed before that statement
/// began (`READ COMMITTED`). Dropped without [`commit`](Self::commit), it has never been.
pub(super) struct Write<'a> {
    store: &'a PostgresStore,
    lease: Lease,
    announced: bool,
}

impl PostgresStore {
    pub(super) async fn write(&self) -> Result<Write<'_>, StoreError> {
        self.write_with("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await
    }

    /// A transaction of what nobody waits for, whose statements may take as long as they need.
    pub(super) async fn write_at_leisure(&self) -> Result<Write<'_>, StoreError> {
        self.write_with(concat!(begin!(), "SET LOCAL statement_timeout = 0")).await
    }

    /// A transaction that may be lost, though whole, if the server crashes right after it.
    pub(super) async fn write_loosely(&self) -> Result<Write<'_>, StoreError> {
        self.write_with(concat!(begin!(), "SET LOCAL synchronous_commit = off")).await
    }

    /// A transaction that holds the locks it needs before any of its statements sees anything.
    pub(super) async fn write_under(&self, locks: Locks) -> Result<Write<'_>, StoreError> {
        self.write_with(match locks {
            Locks::Insert | Locks::Forget => {
                concat!(begin!(), "SELECT pg_advisory_xact_lock_shared(", lineage!(), ")")
            }
            Locks::InsertChild => concat!(
                begin!(),
                "SELECT pg_advisory_xact_lock_shared(",
                lineage!(),
                "), ",
                "pg_advisory_xact_lock_shared(",
                rules!(),
                ")"
            ),
            Locks::InsertOrphan => concat!(
                begin!(),
                "SELECT pg_advisory_xact_lock(",
                lineage!(),
                "), ",
                "pg_advisory_xact_lock_shared(",
                rules!(),
                ")"
            ),
            Locks::Rule => concat!(begin!(), "SELECT pg_advisory_xact_lock(", rules!(), ")"),
        })
        .await
    }

    async fn write_with(&self, sql: &'static str) -> Result<Write<'_>, StoreError> {
        let lease = self.begin_with(sql).await?;
        Ok(Write { store: self, lease, announced: false })
    }
}

/// What a transaction keeps others from until it ends. There are two locks, taken in this order: one
/// on which tokens were made with which, one on the rules. Each is shared by those who may go on at
/// the same time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Locks {
    /// Adding a token that was made with none.
    Insert,
    /// Adding a token that was made with another: nobody adds a rule meanwhile.
    InsertChild,
    /// Adding a token that was made with one that is not there: nobody adds that meanwhile.
    InsertOrphan,
    /// Deleting what was revoked: nothing comes meanwhile that was made with it.
    Forget,
    /// Adding a rule: nothing is made meanwhile with what it covers.
    Rule,
}

impl Write<'_> {
    /// Keeps all from adding tokens, until this transaction ends.
    pub(super) async fn lock_lineage(&mut self) -> Result<(), StoreError> {
        sqlx::raw_sql(concat!("SELECT pg_advisory_xact_lock(", lineage!(), ")"))
            .execute(self.connection())
            .await
            .map_err(unavailable)?;
        Ok(())
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.lease
    }

    /// Adds `change` to the feed, and wakes those who listen when it is committed.
    pub(super) async fn announce(&mut self, change: &Change) -> Result<(), StoreError> {
        let (kind, subject) = change.to_parts();
        sqlx::query(
            "WITH announced AS (INSERT INTO changes (kind, subject) VALUES ($1, $2))
             SELECT pg_notify('tower_pat_changes', '')",
        )
        .bind(kind)
        .bind(super::text::stored(&subject))
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
        } else {
            self.roll_back().await?;
        }
        Ok(changed)
    }

    /// Makes it last, and then wakes who waits for a change.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("COMMIT").execute(&mut *self.lease).await.map_err(unavailable)?;
        self.lease.release();
        if self.announced {
            self.store.wake();
        }
        Ok(())
    }

    /// Ends it as if it had never been, and keeps the connection, which being dropped would close.
    pub(super) async fn roll_back(mut self) -> Result<(), StoreError> {
        sqlx::raw_sql("ROLLBACK").execute(&mut *self.lease).await.map_err(unavailable)?;
        self.lease.release();
        Ok(())
    }
}
