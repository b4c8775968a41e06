//! Aspects that are series over time: events, told apart by when they were and what they are about.

use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::{Sqlite, Transaction};
use tower_pat::{actor::Urn, backend::StoreError, clock::Timestamp};

use super::{AspectWrite, EntityStore, read};
use crate::refused::Refused;

/// One event of a series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) value: Value,
    pub(crate) system_metadata: Option<Value>,
}

/// From when to when, in milliseconds since 1970, both included.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Span {
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
}

impl EntityStore {
    /// Up to `count` events of a series within a span that are `wanted`, the latest first. Only so
    /// many are looked at.
    pub(crate) async fn events(
        &self,
        urn: &Urn,
        aspect: &str,
        span: Span,
        count: usize,
        wanted: impl Fn(&Value) -> bool + Send,
    ) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        if count == 0 {
            return Ok(events);
        }
        let mut rows = sqlx::query_as::<_, (String, Option<String>)>(
            "SELECT value, system_metadata FROM series
             WHERE urn = ? AND name = ? AND at BETWEEN ? AND ? ORDER BY at DESC, event LIMIT ?",
        )
        .bind(urn.as_str())
        .bind(aspect)
        .bind(span.from.unwrap_or(i64::MIN))
        .bind(span.to.unwrap_or(i64::MAX))
        .bind(MAX_LOOKED_AT)
        .fetch(&self.pool);
        // One row after another, and none behind the last that is wanted.
        while let Some((value, metadata)) =
            rows.try_next().await.map_err(StoreError::unavailable)?
        {
            let value = read::parse(&value)?;
            if !wanted(&value) {
                continue;
            }
            let system_metadata = metadata.as_deref().map(read::parse).transpose()?;
            events.push(Event { value, system_metadata });
            if events.len() == count {
                break;
            }
        }
        Ok(events)
    }

    /// Deletes the events of a series within a span; how many there were.
    pub(crate) async fn delete_events(
        &self,
        urn: &Urn,
        aspect: &str,
        span: Span,
    ) -> Result<u64, StoreError> {
        let deleted =
            sqlx::query("DELETE FROM series WHERE urn = ? AND name = ? AND at BETWEEN ? AND ?")
                .bind(urn.as_str())
                .bind(aspect)
                .bind(span.from.unwrap_or(i64::MIN))
                .bind(span.to.unwrap_or(i64::MAX))
                .execute(&self.pool)
                .await
                .map_err(StoreError::unavailable)?;
        Ok(deleted.rows_affected())
    }
}

/// Events that are looked at for one request.
const MAX_LOOKED_AT: i64 = 100_000;

/// Refuses what cannot be an event.
pub(crate) fn check(aspect: &str, value: &Value) -> Result<(), Refused> {
    match at(value) {
        Some(_) => Ok(()),
        None => Err(Refused::bad(format!("{aspect}: its timestampMillis is a number"))),
    }
}

/// The same event once more is the same row.
pub(super) async fn insert(
    transaction: &mut Transaction<'static, Sqlite>,
    write: &AspectWrite,
    by: &Urn,
    written_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT OR REPLACE INTO series
         (urn, type, name, at, event, value, written_at, written_by, system_metadata, run_id)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(write.urn.as_str())
    .bind(&write.entity_type.name)
    .bind(write.aspect)
    .bind(at(&write.value))
    .bind(event(&write.value))
    .bind(write.value.to_string())
    .bind(written_at.as_millis())
    .bind(by.as_str())
    .bind(&write.metadata.json)
    .bind(&write.metadata.run_id)
    .execute(&mut **transaction)
    .await
    .map_err(StoreError::unavailable)?;
    Ok(())
}

fn at(value: &Value) -> Option<i64> {
    value.get("timestampMillis")?.as_i64()
}

/// What tells events of the same moment apart (DataHub: `TimeseriesAspectTransformer`).
fn event(value: &Value) -> String {
    json!(["messageId", "eventGranularity", "partitionSpec"].map(|name| value.get(name)))
        .to_string()
}
