//! Moving what writers noted of their tokens to where it is found quicker.

use super::super::{PostgresStore, connection::retrying, error::unavailable};
use crate::backend::StoreError;

impl PostgresStore {
    /// Moves some rows of `token_deltas` to the tables of counts, and says whether there may be more.
    /// If somebody else is doing that, nothing is left to do.
    pub(in super::super) async fn fold(&self) -> Result<bool, StoreError> {
        retrying(|| async {
            let mut write = self.write().await?;
            let is_alone: bool = sqlx::query_scalar(TRY_LOCK)
                .fetch_one(write.connection())
                .await
                .map_err(unavailable)?;
            if !is_alone {
                write.roll_back().await?;
                return Ok(false);
            }
            let moved: i64 = sqlx::query_scalar(FOLD)
                .bind(BATCH)
                .fetch_one(write.connection())
                .await
                .map_err(unavailable)?;
            for sql in [FORGET_COUNTS, FORGET_ENDS] {
                sqlx::query(sql).execute(write.connection()).await.map_err(unavailable)?;
            }
            write.commit().await?;
            Ok(moved == BATCH)
        })
        .await
    }

    /// Moves all of them.
    pub(in super::super) async fn fold_all(&self) -> Result<(), StoreError> {
        while self.limited(self.fold()).await? {}
        Ok(())
    }
}

/// How many rows are moved in one transaction.
const BATCH: i64 = 5_000;

const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock(8391168452057816)";

// The empty text stands for any.
const FOLD: &str = "WITH moved AS (
        DELETE FROM token_deltas
            WHERE ctid = ANY(ARRAY(SELECT ctid FROM token_deltas LIMIT $1))
            RETURNING owner, actor, span, tokens
    ), each AS (
        SELECT whose.owner, whose.actor, moved.span, moved.tokens
            FROM moved CROSS JOIN LATERAL (VALUES
                (moved.owner, moved.actor), (moved.owner, ''), ('', moved.actor), ('', '')
            ) AS whose (owner, actor)
    ), ends AS (
        INSERT INTO token_ends (owner, actor, span, tokens)
            SELECT owner, actor, span, sum(tokens) FROM each
                WHERE span IS NOT NULL GROUP BY owner, actor, span HAVING sum(tokens) <> 0
            ON CONFLICT (owner, actor, span)
                DO UPDATE SET tokens = token_ends.tokens + excluded.tokens
    ), counts AS (
        INSERT INTO token_counts (owner, actor, tokens)
            SELECT owner, actor, sum(tokens) FROM each GROUP BY owner, actor HAVING sum(tokens) <> 0
            ON CONFLICT (owner, actor)
                DO UPDATE SET tokens = token_counts.tokens + excluded.tokens
    )
    SELECT count(*) FROM moved";

const FORGET_COUNTS: &str = "DELETE FROM token_counts WHERE tokens = 0";
const FORGET_ENDS: &str = "DELETE FROM token_ends WHERE tokens = 0";
