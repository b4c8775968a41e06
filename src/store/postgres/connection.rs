//! Connections of the pool, and what becomes of those that were given up halfway.

use std::{
    future::Future,
    ops::{Deref, DerefMut},
    time::Duration,
};

use sqlx::{PgConnection, Postgres, pool::PoolConnection};
use tokio::time::{sleep, timeout};

use super::{
    PostgresStore,
    error::{is_conflict, unavailable},
};
use crate::backend::{BoxFuture, StoreError};

/// A connection of the pool. It goes back there by [`release`](Self::release) alone: where a future
/// was dropped or something failed, it is closed instead. Then the server rolls back what was begun,
/// and nobody waits for an answer that may never come.
pub(super) struct Lease(Option<PoolConnection<Postgres>>);

impl Lease {
    /// Puts it back, with nothing open on it.
    pub(super) fn release(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Lease {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "it is there until it is released or dropped")]
    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect("a lease has its connection")
    }
}

impl DerefMut for Lease {
    #[expect(clippy::expect_used, reason = "it is there until it is released or dropped")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("a lease has its connection")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(mut connection) = self.0.take() {
            connection.close_on_drop();
        }
    }
}

impl PostgresStore {
    /// A connection on which every statement is a transaction of its own.
    pub(super) async fn connection(&self) -> Result<Lease, StoreError> {
        let connection = self.shared.pool.acquire().await.map_err(unavailable)?;
        Ok(Lease(Some(connection)))
    }

    /// A call that ends in time also where the server is frozen or cut off, whose own limits end
    /// nothing then. What it began is rolled back, unless it was just being committed.
    pub(super) fn limited<'a, T: Send + 'a>(
        &'a self,
        call: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        self.limited_to(self.shared.call_timeout, call)
    }

    /// The same with a limit for what is done afterwards, or at leisure.
    pub(super) fn limited_to<'a, T: Send + 'a>(
        &'a self,
        limit: Duration,
        call: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, StoreError>> {
        Box::pin(async move {
            timeout(limit, call).await.unwrap_or_else(|_| {
                Err(StoreError::unavailable("the database has not answered in time"))
            })
        })
    }

    /// A transaction that reads from one point in time. It ends with [`Lease::release`] after
    /// [`end_read`], or with the connection.
    pub(super) async fn read(&self) -> Result<Lease, StoreError> {
        self.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// The same for what nobody waits for, which may take as long as it needs.
    pub(super) async fn read_at_leisure(&self) -> Result<Lease, StoreError> {
        self.begin_with(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0",
        )
        .await
    }

    /// A connection with the transaction that these statements begin.
    pub(super) async fn begin_with(&self, sql: &'static str) -> Result<Lease, StoreError> {
        let mut lease = self.connection().await?;
        sqlx::raw_sql(sql).execute(&mut *lease).await.map_err(unavailable)?;
        Ok(lease)
    }
}

/// Ends a transaction that only read, and puts its connection back.
pub(super) async fn end_read(mut lease: Lease) -> Result<(), StoreError> {
    sqlx::raw_sql("COMMIT").execute(&mut *lease).await.map_err(unavailable)?;
    lease.release();
    Ok(())
}

/// Does it again if another transaction was in its way, a few times.
pub(super) async fn retrying<T, F>(mut attempt: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pause = Duration::from_millis(5);
    for _ in 1..ATTEMPTS {
        match attempt().await {
            Err(error) if is_conflict(&error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, "trying again");
                sleep(pause).await;
                pause *= 2;
            }
            done => return done,
        }
    }
    attempt().await
}

const ATTEMPTS: u32 = 6;

/// How long a caller waits for what is marked after its revocation was committed. A sweep does the
/// rest.
pub(super) const SETTLING: Duration = Duration::from_secs(30);

/// How long a statement of a sweep may take.
pub(super) const LEISURE: Duration = Duration::from_secs(600);
