//! Moving what writers noted of their tokens to where it is found quicker.

use super::super::{PostgresStore, connection::retrying, error::unavailable};
use crate::backend::StoreError;

impl PostgresStore {
    /// Moves the rows of `token_deltas` to the tables of counts. If somebody else is doing that,
    /// nothing is left to do.
    pub(in super::super) async fn fold(&self) -> Result<(), StoreError> {
        retrying(|| async {
            let mut write = self.write_at_leisure().await?;
            let is_alone: bool = sqlx::query_scalar(TRY_LOCK)
                .fetch_one(write.connection())
                .await
                .map_err(unavailable)?;
            if !is_alone {
                return write.roll_back().await;
            }
            for sql in [FOLD, FORGET_COUNTS, FORGET_ENDS] {
                sqlx::query(sql).execute(write.connection()).await.map_err(unavailable)?;
            }
            write.commit().await
        })
        .await
    }
}

const TRY_LOCK: &str = "SELECT pg_try_advisory_xact_lock(8391168452057816)";

// The empty text stands for any.
const FOLD: &str = "WITH moved AS (
        DELETE FROM token_deltas RETURNING owner, actor, span, tokens
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
    )
    INSERT INTO token_counts (owner, actor, tokens)
        SELECT owner, actor, sum(tokens) FROM each GROUP BY owner, actor HAVING sum(tokens) <> 0
        ON CONFLICT (owner, actor) DO UPDATE SET tokens = token_counts.tokens + excluded.tokens";

const FORGET_COUNTS: &str = "DELETE FROM token_counts WHERE tokens = 0";
const FORGET_ENDS: &str = "DELETE FROM token_ends WHERE tokens = 0";
