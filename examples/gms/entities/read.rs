//! Reading aspects.

use std::collections::BTreeMap;

use serde_json::Value;
use tower_pat::{actor::Urn, backend::StoreError};

use super::EntityStore;
use crate::registry::EntityType;

/// When an aspect was written, by whom, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// In milliseconds since 1970.
    pub(crate) written_at: i64,
    pub(crate) written_by: String,
    pub(crate) system_metadata: Option<Value>,
}

impl EntityStore {
    /// The aspects of an entity by name; `None` if there is no such entity.
    pub(crate) async fn aspects(
        &self,
        urn: &Urn,
    ) -> Result<Option<BTreeMap<String, Value>>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT name, value FROM aspect WHERE urn = ?")
                .bind(urn.as_str())
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::unavailable)?;
        let read = |(name, value): (String, String)| Ok((name, parse(&value)?));
        let aspects: BTreeMap<_, _> =
            rows.into_iter().map(read).collect::<Result<_, StoreError>>()?;
        Ok((!aspects.is_empty()).then_some(aspects))
    }

    /// The values of an entity's aspects by name, as they are stored: what is read from one and
    /// written again need not be the same text.
    pub(crate) async fn texts(&self, urn: &Urn) -> Result<BTreeMap<String, String>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT name, value FROM aspect WHERE urn = ?")
                .bind(urn.as_str())
                .fetch_all(&self.pool)
                .await
                .map_err(StoreError::unavailable)?;
        Ok(rows.into_iter().collect())
    }

    /// The stamps of an entity's aspects by name.
    pub(crate) async fn stamps(&self, urn: &Urn) -> Result<BTreeMap<String, Stamp>, StoreError> {
        let rows: Vec<(String, i64, String, Option<String>)> = sqlx::query_as(
            "SELECT name, written_at, written_by, system_metadata FROM aspect WHERE urn = ?",
        )
        .bind(urn.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::unavailable)?;
        let read = |(name, written_at, written_by, metadata): (_, _, _, Option<String>)| {
            let system_metadata = metadata.as_deref().map(parse).transpose()?;
            Ok((name, Stamp { written_at, written_by, system_metadata }))
        };
        rows.into_iter().map(read).collect()
    }

    /// Up to `count` entities of a type, behind the urn `after`.
    pub(crate) async fn list(
        &self,
        entity_type: &EntityType,
        after: &str,
        count: u32,
    ) -> Result<Vec<String>, StoreError> {
        sqlx::query_scalar(
            "SELECT DISTINCT urn FROM aspect WHERE type = ? AND urn > ? ORDER BY urn LIMIT ?",
        )
        .bind(&entity_type.name)
        .bind(after)
        .bind(count)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::unavailable)
    }

    /// Up to `count` entities of some types with their aspects, behind the urn `after`, in the order
    /// of urns, and where the next ones begin, unless there are none. An entity that cannot be read
    /// is left out.
    pub(crate) async fn candidates(
        &self,
        types: &[&str],
        after: &str,
        count: u32,
    ) -> Result<(Vec<(Urn, BTreeMap<String, Value>)>, Option<String>), StoreError> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT urn, name, value FROM aspect WHERE urn IN (
                 SELECT DISTINCT urn FROM aspect
                 WHERE type IN (SELECT value FROM json_each(?)) AND urn > ?
                 ORDER BY urn LIMIT ?)
             ORDER BY urn",
        )
        .bind(Value::from(types).to_string())
        .bind(after)
        .bind(count)
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::unavailable)?;
        let last = rows.last().map(|(urn, _, _)| urn.clone());
        let mut found: Vec<(Urn, BTreeMap<String, Value>)> = Vec::new();
        let mut unreadable: Option<String> = None;
        for (text, name, value) in rows {
            if unreadable.as_ref() == Some(&text) {
                continue;
            }
            let (Ok(urn), Ok(value)) = (urn(&text), parse(&value)) else {
                tracing::error!(urn = text, aspect = name, "a stored aspect cannot be read");
                // Without one of its aspects, it could be taken for what it is not.
                found.pop_if(|(last, _)| last.as_str() == text);
                unreadable = Some(text);
                continue;
            };
            match found.last_mut() {
                Some((last, aspects)) if *last == urn => {
                    aspects.insert(name, value);
                }
                _ => found.push((urn, BTreeMap::from([(name, value)]))),
            }
        }
        Ok((found, last))
    }

    /// The aspects whose value has this text as a whole JSON text somewhere, whatever it means
    /// there: urn, aspect name and value. What cannot be read is left out.
    pub(crate) async fn mentions(
        &self,
        text: &str,
    ) -> Result<Vec<(Urn, String, Value)>, StoreError> {
        let rows: Vec<(String, String, String)> = sqlx::query_as(
            "SELECT urn, name, value FROM aspect WHERE instr(value, ?) > 0 ORDER BY urn, name",
        )
        .bind(Value::from(text).to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(StoreError::unavailable)?;
        let read = |(text, name, value): (String, String, String)| {
            let (Ok(urn), Ok(value)) = (urn(&text), parse(&value)) else {
                tracing::error!(urn = text, aspect = name, "a stored aspect cannot be read");
                return None;
            };
            Some((urn, name, value))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

pub(super) fn urn(text: &str) -> Result<Urn, StoreError> {
    text.parse().map_err(|error| StoreError::corrupt("aspect.urn", error))
}

pub(crate) fn parse(value: &str) -> Result<Value, StoreError> {
    serde_json::from_str(value)
        .map_err(|_| StoreError::Corrupt { what: "aspect.value", source: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_cannot_be_read_is_in_nobodys_way() {
        let folder = tempfile::TempDir::new().unwrap();
        let store = EntityStore::open(&folder.path().join("entities.db")).await.unwrap();
        for (urn, name, value) in [
            ("urn:li:tag:a", "status", "{\"of\":\"x\"}"),
            ("urn:li:tag:b", "status", "{\"of\":\"x\"}"),
            ("urn:li:tag:b", "tagKey", "{\"of\":\"x\""),
            ("urn:li:tag:c", "status", "{\"of\":\"x\"}"),
            ("urn:li:tag:d", "status", "["),
        ] {
            sqlx::query(
                "INSERT INTO aspect (urn, type, name, value, written_at, written_by)
                 VALUES (?, 'tag', ?, ?, 0, 'urn:li:corpuser:x')",
            )
            .bind(urn)
            .bind(name)
            .bind(value)
            .execute(&store.pool)
            .await
            .unwrap();
        }
        let (found, last) = store.candidates(&["tag"], "", 10).await.unwrap();
        let found: Vec<&str> = found.iter().map(|(urn, _)| urn.as_str()).collect();
        assert_eq!(found, ["urn:li:tag:a", "urn:li:tag:c"]);
        assert_eq!(last.as_deref(), Some("urn:li:tag:d"));
        assert_eq!(store.mentions("x").await.unwrap().len(), 3);
    }
}
