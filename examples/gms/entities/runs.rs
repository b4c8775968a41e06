//! Runs of ingestions: what each wrote, and taking it back.

use serde_json::Value;
use sqlx::{Sqlite, Transaction};
use tower_pat::{actor::Urn, backend::StoreError};

use super::{EntityStore, read};

/// A run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) run_id: String,
    pub(crate) rows: i64,
    /// When it last wrote, in milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// An aspect as a run wrote it, unless another has written it since; or one event of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RunRow {
    pub(crate) urn: Urn,
    pub(crate) aspect: String,
    pub(crate) written_at: i64,
    /// Null, if values are not asked for and it is not about tags.
    pub(crate) value: Value,
    /// What the aspect was before the run, if it was; null as above.
    pub(crate) before: Option<Value>,
    row: Row,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Row {
    Aspect { version: i64 },
    Event { at: i64, event: String },
}

/// How much was taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reverted {
    pub(crate) aspects: u64,
    pub(crate) entities: u64,
}

impl RunRow {
    pub(crate) fn is_series(&self) -> bool {
        matches!(self.row, Row::Event { .. })
    }
}

impl EntityStore {
    /// The runs, the latest first.
    pub(crate) async fn runs(&self, start: u32, count: u32) -> Result<Vec<Run>, StoreError> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT run_id, COUNT(*), MAX(written_at) FROM (
                 SELECT run_id, written_at FROM aspect
                 UNION ALL SELECT run_id, written_at FROM series)
             GROUP BY run_id ORDER BY 3 DESC, 1 LIMIT ? OFFSET ?",
        )
        .bind(count)
        .bind(start)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::unavailable)?;
        let run = |(run_id, rows, timestamp)| Run { run_id, rows, timestamp };
        Ok(rows.into_iter().map(run).collect())
    }

    /// What a run wrote, in the order of urns. Unless it is asked `with_values`, only what is about
    /// tags has its value.
    pub(crate) async fn run_rows(
        &self,
        run_id: &str,
        start: u32,
        count: u32,
        with_values: bool,
    ) -> Result<Vec<RunRow>, StoreError> {
        type Found = (String, String, i64, String, Option<String>, i64, Option<String>);
        let rows: Vec<Found> = sqlx::query_as(
            "SELECT urn, name, written_at,
                 CASE WHEN ?4 OR name = 'globalTags' THEN value ELSE 'null' END,
                 (SELECT CASE WHEN ?4 OR name = 'globalTags' THEN earlier.value ELSE 'null' END
                  FROM earlier WHERE earlier.urn = aspect.urn
                  AND earlier.name = aspect.name AND earlier.run_id <> ?1
                  ORDER BY earlier.version DESC LIMIT 1),
                 version, NULL FROM aspect WHERE run_id = ?1
             UNION ALL
             SELECT urn, name, written_at, CASE WHEN ?4 THEN value ELSE 'null' END, NULL, at, event
             FROM series WHERE run_id = ?1
             ORDER BY 1, 2, 6 LIMIT ?2 OFFSET ?3",
        )
        .bind(run_id)
        .bind(count)
        .bind(start)
        .bind(with_values)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::unavailable)?;
        let parse = |(urn, aspect, written_at, value, before, number, event): Found| {
            let row = match event {
                None => Row::Aspect { version: number },
                Some(event) => Row::Event { at: number, event },
            };
            let (urn, value) = (read::urn(&urn)?, read::parse(&value)?);
            let before = before.as_deref().map(read::parse).transpose()?;
            Ok(RunRow { urn, aspect, written_at, value, before, row })
        };
        rows.into_iter().map(parse).collect()
    }

    /// Takes back `rows`, all or none: each aspect becomes what it was before the run, or goes.
    /// What was written since is left alone. An entity of which only the key would be left, whose
    /// key aspect is among the rows, goes with it. Unless it is `really` meant, this only counts.
    pub(crate) async fn revert(
        &self,
        run_id: &str,
        rows: &[RunRow],
        really: bool,
    ) -> Result<Reverted, StoreError> {
        let mut transaction = self.begin().await?;
        let mut reverted = Reverted::default();
        let (keys, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| is_key(row));
        for row in others {
            reverted.aspects += u64::from(revert_row(&mut transaction, run_id, row).await?);
        }
        for row in keys {
            let others: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM aspect WHERE urn = ?1 AND name <> ?2)
                 OR EXISTS (SELECT 1 FROM series WHERE urn = ?1)",
            )
            .bind(row.urn.as_str())
            .bind(&row.aspect)
            .fetch_one(&mut *transaction)
            .await
            .map_err(StoreError::unavailable)?;
            if !others && revert_row(&mut transaction, run_id, row).await? {
                reverted.aspects += 1;
                reverted.entities += 1;
            }
        }
        if really {
            transaction.commit().await.map_err(StoreError::unavailable)?;
        }
        Ok(reverted)
    }
}

fn is_key(row: &RunRow) -> bool {
    let entity_type = crate::registry::EntityType::find(row.urn.entity_type());
    entity_type.is_some_and(|entity_type| entity_type.key_aspect == row.aspect)
}

async fn revert_row(
    transaction: &mut Transaction<'static, Sqlite>,
    run_id: &str,
    row: &RunRow,
) -> Result<bool, StoreError> {
    let (urn, name) = (row.urn.as_str(), row.aspect.as_str());
    let done = match &row.row {
        Row::Event { at, event } => sqlx::query(
            "DELETE FROM series WHERE urn = ? AND name = ? AND at = ? AND event = ? AND run_id = ?",
        )
        .bind(urn)
        .bind(name)
        .bind(at)
        .bind(event)
        .bind(run_id),
        Row::Aspect { version } => {
            let statement = match row.before {
                None => {
                    "DELETE FROM aspect WHERE urn = ?1 AND name = ?2 AND version = ?3 \
                         AND run_id = ?4"
                }
                Some(_) => RESTORE,
            };
            sqlx::query(statement).bind(urn).bind(name).bind(version).bind(run_id)
        }
    };
    let done = done.execute(&mut **transaction).await.map_err(StoreError::unavailable)?;
    let done = done.rows_affected() > 0;
    if done && !row.is_series() {
        // Of what the run wrote several times, nothing is left to go back to.
        sqlx::query("DELETE FROM earlier WHERE urn = ? AND name = ? AND run_id = ?")
            .bind(urn)
            .bind(name)
            .bind(run_id)
            .execute(&mut **transaction)
            .await
            .map_err(StoreError::unavailable)?;
    }
    Ok(done)
}

// A version of its own, so that nobody takes it for the one that it was.
const RESTORE: &str = "UPDATE aspect SET version = aspect.version + 1, value = before.value,
    written_at = before.written_at, written_by = before.written_by,
    system_metadata = before.system_metadata, run_id = before.run_id
    FROM (SELECT * FROM earlier WHERE urn = ?1 AND name = ?2 AND run_id <> ?4
          ORDER BY version DESC LIMIT 1) AS before
    WHERE aspect.urn = ?1 AND aspect.name = ?2 AND aspect.version = ?3 AND aspect.run_id = ?4";
