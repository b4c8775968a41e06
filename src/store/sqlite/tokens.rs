//! Tokens and revocation rules.

use std::{
    collections::{BTreeSet, HashMap},
    time::Instant,
};

use sqlx::SqliteConnection;
use tokio::time::sleep;

use super::{
    SqliteStore,
    error::{not_added, unavailable},
    list::list,
    revoke,
    row::{self, bytes},
};
use crate::{
    actor::Urn,
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::Change,
    store::check,
    token::{KeyRecord, LastUse, Revocation, RevocationRule, TokenId, TokenRecord, TokenType},
    token_service::{
        Retention, RulePage, RuleSubject, TokenLookup, TokenPage, TokenQuery, TokenStore, TokenUses,
    },
};

impl TokenLookup for SqliteStore {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        Box::pin(async move {
            let found = sqlx::query("SELECT * FROM tokens WHERE id = ?")
                .bind(bytes(id))
                .fetch_optional(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            found.as_ref().map(row::token).transpose()
        })
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(async move {
            let rows = sqlx::query(RULES)
                // Nothing is equal to NULL.
                .bind(subject.key.map(|key| key.to_string()))
                .bind(subject.actor.as_str())
                .bind(subject.owner.map(Urn::as_str))
                .fetch_all(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            rows.iter().map(row::rule).collect()
        })
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        Box::pin(self.key_records())
    }

    fn find_all<'a>(
        &'a self,
        ids: &'a [TokenId],
    ) -> BoxFuture<'a, Result<Vec<Option<TokenRecord>>, StoreError>> {
        Box::pin(async move {
            // As texts, since JSON has no bytes.
            let hex = |id: &TokenId| bytes(id).iter().map(|byte| format!("{byte:02x}")).collect();
            let wanted: Vec<String> = ids.iter().map(hex).collect();
            let rows = sqlx::query(FIND_ALL)
                .bind(serde_json::json!(wanted).to_string())
                .fetch_all(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            let found: HashMap<TokenId, TokenRecord> = rows
                .iter()
                .map(|row| row::token(row).map(|record| (record.id, record)))
                .collect::<Result<_, _>>()?;
            Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
        })
    }

    fn rules_for_any<'a>(
        &'a self,
        subjects: &'a [RuleSubject<'a>],
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        Box::pin(async move {
            let keys: BTreeSet<String> = subjects
                .iter()
                .filter_map(|subject| subject.key)
                .map(|key| key.to_string())
                .collect();
            let actors: BTreeSet<&str> =
                subjects.iter().map(|subject| subject.actor.as_str()).collect();
            let owners: BTreeSet<&str> =
                subjects.iter().filter_map(|subject| subject.owner).map(Urn::as_str).collect();
            let rows = sqlx::query(RULES_FOR_ANY)
                .bind(serde_json::json!(keys).to_string())
                .bind(serde_json::json!(actors).to_string())
                .bind(serde_json::json!(owners).to_string())
                .fetch_all(&self.shared.readers)
                .await
                .map_err(unavailable)?;
            rows.iter().map(row::rule).collect()
        })
    }
}

impl TokenUses for SqliteStore {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if uses.is_empty() {
                return Ok(());
            }
            let mut write = self.write().await?;
            for (id, last_use) in uses {
                sqlx::query(
                    "UPDATE tokens SET
                         first_used = ifnull(first_used, ?1), last_used_at = ?1,
                         last_used_address = ?2, last_used_agent = ?3
                     WHERE id = ?4 AND ifnull(last_used_at <= ?1, 1)",
                )
                .bind(last_use.at.as_millis())
                .bind(last_use.address.as_deref())
                .bind(last_use.agent.as_deref())
                .bind(bytes(id))
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            }
            write.commit().await
        })
    }
}

impl TokenStore for SqliteStore {
    fn insert<'a>(&'a self, record: &'a TokenRecord) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            check::record(record)?;
            let mut write = self.write().await?;
            // Nobody else writes until this is committed, so it is as true then.
            let checked = match &record.parent {
                Some(parent) => revoke::check_ancestors(write.connection(), parent).await,
                None => Ok(()),
            };
            let added = insert(write.connection(), INSERT, record).await.map_err(not_added)?;
            checked?;
            let is_parent = added == Some(Added::ParentOfSome);
            if is_parent {
                // Whoever has verified one of those has seen no parent.
                write.announce(&Change::Token(record.id)).await?;
            }
            write.commit().await?;
            if is_parent {
                self.settle_committed([record.id].into()).await;
            }
            Ok(())
        })
    }

    fn import<'a>(&'a self, records: &'a [TokenRecord]) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            records.iter().try_for_each(check::record)?;
            let mut write = self.write().await?;
            let (mut added, mut unsettled) = (0, BTreeSet::new());
            for record in records {
                let done = insert(write.connection(), IMPORT, record).await.map_err(unavailable)?;
                let Some(done) = done else { continue };
                added += 1;
                unsettled.extend(record.parent);
                if done == Added::ParentOfSome {
                    write.announce(&Change::Token(record.id)).await?;
                    unsettled.insert(record.id);
                }
            }
            write.commit().await?;
            self.settle_committed(unsettled).await;
            Ok(added)
        })
    }

    fn revoke<'a>(
        &'a self,
        id: &'a TokenId,
        by: &'a Urn,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let mut write = self.write().await?;
            let revocation = Revocation { at, by: by.clone() };
            let revoked = revoke::revoke(&mut write, id, &revocation).await?;
            write.commit().await?;
            // Also if it was revoked before: whoever did that may have given up.
            self.settle_committed([*id].into()).await;
            Ok(revoked)
        })
    }

    fn add_rule<'a>(&'a self, rule: &'a RevocationRule) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let (scope, subject) = row::scope_parts(&rule.scope);
            let mut write = self.write().await?;
            let written = sqlx::query(
                "INSERT INTO revocation_rules (scope, subject, issued_before, made_by)
                 VALUES (?, ?, ?, ?)
                 ON CONFLICT (scope, subject) DO UPDATE
                 SET issued_before = excluded.issued_before, made_by = excluded.made_by
                 WHERE issued_before < excluded.issued_before",
            )
            .bind(scope)
            .bind(subject)
            .bind(rule.issued_before.as_millis())
            .bind(rule.by.as_str())
            .execute(write.connection())
            .await
            .map_err(unavailable)?;
            if written.rows_affected() == 0 {
                return write.commit().await;
            }
            write.announce(&Change::Rule(rule.scope.clone())).await?;
            write.commit().await?;
            // As in `settle_committed`.
            let _ = self.settle_rule(rule).await;
            Ok(())
        })
    }

    fn list_rules(&self, start: u32, count: u32) -> BoxFuture<'_, Result<RulePage, StoreError>> {
        Box::pin(async move {
            let mut read = self.read().await?;
            let rows = sqlx::query(LIST_RULES)
                .bind(count)
                .bind(start)
                .fetch_all(&mut *read)
                .await
                .map_err(unavailable)?;
            let total: i64 = sqlx::query_scalar("SELECT count(*) FROM revocation_rules")
                .fetch_one(&mut *read)
                .await
                .map_err(unavailable)?;
            Ok(RulePage {
                rules: rows.iter().map(row::rule).collect::<Result<_, _>>()?,
                total: total.try_into().unwrap_or_default(),
            })
        })
    }

    fn list<'a>(&'a self, query: &'a TokenQuery) -> BoxFuture<'a, Result<TokenPage, StoreError>> {
        Box::pin(async move {
            check::query(query)?;
            let mut transaction = self.read().await?;
            list(&mut transaction, query).await
        })
    }

    fn sweep<'a>(
        &'a self,
        now: Timestamp,
        retention: &'a Retention,
    ) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            // First: what was made with a token must not come back when that is forgotten.
            self.settle_all().await?;
            self.mark_covered().await?;
            let expired = now.saturating_sub(retention.expired);
            let revoked = now.saturating_sub(retention.revoked);
            let mut deleted = 0;
            for (over, times) in [
                (&EXPIRED, [expired, expired]),
                (&EXPIRED_SESSIONS, [expired, expired]),
                (&REVOKED, [now, revoked]),
            ] {
                // What was made with one goes before it.
                loop {
                    let done = self.delete(over, times).await?;
                    if done == 0 {
                        break;
                    }
                    deleted += done;
                }
            }
            let mut write = self.write().await?;
            sweep_changes(write.connection(), now, retention).await.map_err(unavailable)?;
            write.commit().await?;
            Ok(deleted)
        })
    }
}

impl SqliteStore {
    /// Marks what was made with the tokens, after what was asked for has been committed. That this
    /// fails makes it no failure: only lists need it, and a sweep does it then.
    async fn settle_committed(&self, ids: BTreeSet<TokenId>) {
        let _ = self.settle(&ids).await;
    }

    /// Deletes what is over by these times, in transactions so small that other writers get their
    /// turn: after a long time it can be very much.
    async fn delete(&self, over: &Over, times: [Timestamp; 2]) -> Result<u64, StoreError> {
        let [first, second] = times.map(Timestamp::as_millis);
        let found: Vec<i64> = sqlx::query_scalar(over.find)
            .bind(first)
            .bind(second)
            .fetch_all(&self.shared.readers)
            .await
            .map_err(unavailable)?;
        let mut deleted = 0;
        for batch in found.chunks(revoke::BATCH) {
            let begun = Instant::now();
            let mut write = self.write().await?;
            let done = sqlx::query(over.delete)
                .bind(first)
                .bind(second)
                .bind(serde_json::json!(batch).to_string())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
            write.commit().await?;
            deleted += done.rows_affected();
            // As in `mark`.
            sleep(begun.elapsed()).await;
        }
        Ok(deleted)
    }
}

/// How to find what is over, and how to delete those of it that are in a list of row numbers. What
/// was changed in between, such as revoked, is not deleted.
struct Over {
    find: &'static str,
    delete: &'static str,
}

/// That nothing is left that was made with it and is not revoked: that ends with it, or with what it
/// was made with in turn, which is found by it.
macro_rules! is_childless {
    () => {
        " AND (token_type IS 'SESSION' OR NOT EXISTS (SELECT 1 FROM tokens AS child
              WHERE child.parent = tokens.id AND child.revoked_at IS NULL))"
    };
}

macro_rules! over {
    ($condition:literal) => {
        Over {
            find: concat!("SELECT rowid FROM tokens WHERE ", $condition, is_childless!()),
            delete: concat!(
                "DELETE FROM tokens WHERE rowid IN (SELECT value FROM json_each(?3)) AND ",
                $condition,
                is_childless!()
            ),
        }
    };
}

// As the indexes say it, which are one for sessions and another for all else.
const EXPIRED: Over = over!("revoked_at IS NULL AND token_type IS NOT 'SESSION' AND ends_at <= ?1");
const EXPIRED_SESSIONS: Over =
    over!("revoked_at IS NULL AND token_type = 'SESSION' AND ends_at <= ?1");

// By `expires_at` and not the earlier `valid_until`: an import of an older record must not bring it
// back.
const REVOKED: Over = over!("revoked_at IS NOT NULL AND (expires_at <= ?1 OR revoked_at <= ?2)");

/// A token that was added.
#[derive(Debug, PartialEq, Eq)]
enum Added {
    /// Nothing says that it was made with it.
    Childless,
    /// There are tokens already that say so.
    ParentOfSome,
}

/// Adds a record by one of the two statements below; `None` if that added none.
async fn insert(
    connection: &mut SqliteConnection,
    sql: &'static str,
    record: &TokenRecord,
) -> Result<Option<Added>, sqlx::Error> {
    let last_used = record.last_used.as_ref();
    let revoked = record.revoked.as_ref();
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    let added = sqlx::query_scalar(sql)
        .bind(bytes(&record.id))
        .bind(record.name.as_str())
        .bind(record.description.as_deref())
        .bind(record.actor.as_str())
        .bind(record.owner.as_str())
        .bind(record.created_at.as_millis())
        .bind(millis(record.expires_at))
        .bind(millis(record.valid_until))
        .bind(record.token_type.map(TokenType::as_str))
        .bind(record.key_id.map(|id| id.to_string()))
        .bind(record.parent.as_ref().map(bytes))
        .bind(record.family.as_ref().map(bytes))
        .bind(record.replaces.as_ref().map(bytes))
        .bind(millis(record.replaced_at))
        .bind(millis(record.first_used))
        .bind(record.created_via.as_deref())
        .bind(record.restrictions.as_deref())
        .bind(last_used.map(|last_use| last_use.at.as_millis()))
        .bind(last_used.and_then(|last_use| last_use.address.as_deref()))
        .bind(last_used.and_then(|last_use| last_use.agent.as_deref()))
        .bind(revoked.map(|revocation| revocation.at.as_millis()))
        .bind(revoked.map(|revocation| revocation.by.as_str()))
        .fetch_optional(connection)
        .await?;
    Ok(added.map(|is_parent| if is_parent { Added::ParentOfSome } else { Added::Childless }))
}

/// Deletes what a sweep saw long enough ago, but for the newest of it, where readers may stand.
async fn sweep_changes(
    connection: &mut SqliteConnection,
    now: Timestamp,
    retention: &Retention,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE changes SET swept_at = ? WHERE swept_at IS NULL")
        .bind(now.as_millis())
        .execute(&mut *connection)
        .await?;
    sqlx::query("DELETE FROM changes WHERE id < (SELECT max(id) FROM changes WHERE swept_at <= ?)")
        .bind(now.saturating_sub(retention.changes).as_millis())
        .execute(&mut *connection)
        .await?;
    Ok(())
}

// Four look-ups by the primary key, which a list of pairs (`IN`) would not be.
const LIST_RULES: &str = "SELECT * FROM revocation_rules ORDER BY scope, subject LIMIT ? OFFSET ?";

const RULES: &str = "SELECT * FROM revocation_rules
    WHERE scope = 'all' AND subject = '' OR scope = 'key' AND subject = ?
        OR scope = 'actor' AND subject = ? OR scope = 'owner' AND subject = ?";

// The order of the two is fixed, so that it is one look-up for each that is wanted.
const FIND_ALL: &str = "SELECT tokens.* FROM json_each(?) AS wanted
    CROSS JOIN tokens ON tokens.id = unhex(wanted.value)";

const RULES_FOR_ANY: &str = "SELECT * FROM revocation_rules WHERE scope = 'all' AND subject = ''
    UNION ALL SELECT rule.* FROM json_each(?) AS wanted
        CROSS JOIN revocation_rules AS rule ON rule.scope = 'key' AND rule.subject = wanted.value
    UNION ALL SELECT rule.* FROM json_each(?) AS wanted
        CROSS JOIN revocation_rules AS rule ON rule.scope = 'actor' AND rule.subject = wanted.value
    UNION ALL SELECT rule.* FROM json_each(?) AS wanted
        CROSS JOIN revocation_rules AS rule ON rule.scope = 'owner' AND rule.subject = wanted.value";

macro_rules! insert_into_tokens {
    ($on_conflict:literal) => {
        concat!(
            "INSERT INTO tokens (
                 id, name, description, actor, owner, created_at, expires_at, valid_until,
                 token_type, key_id, parent, family, replaces, replaced_at, first_used,
                 created_via, restrictions, last_used_at, last_used_address, last_used_agent,
                 revoked_at, revoked_by
             ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            $on_conflict,
            // Asked at once, since each statement takes its turn.
            " RETURNING EXISTS (SELECT 1 FROM tokens AS child WHERE child.parent = tokens.id)"
        )
    };
}

const INSERT: &str = insert_into_tokens!("");
// Not `OR IGNORE`, which would also leave out what breaks another rule.
const IMPORT: &str = insert_into_tokens!(" ON CONFLICT (id) DO NOTHING");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plan::plan;

    #[tokio::test]
    async fn rules_are_looked_up_and_not_searched_for() {
        let plan = plan(RULES).await;
        assert!(!plan.iter().any(|step| step.starts_with("SCAN")), "{plan:?}");
    }

    #[tokio::test]
    async fn what_is_wanted_at_once_is_looked_up_and_not_searched_for() {
        for sql in [FIND_ALL, RULES_FOR_ANY] {
            let plan = plan(sql).await;
            let is_scan = |step: &&String| {
                step.starts_with("SCAN") && !step.contains("wanted") && !step.contains("json_each")
            };
            assert!(!plan.iter().any(|step| is_scan(&step)), "{plan:?}");
            assert!(plan.iter().any(|step| step.contains("INDEX")), "{plan:?}");
        }
    }

    #[tokio::test]
    async fn a_sweep_looks_only_at_what_is_over() {
        for (over, index) in [
            (&EXPIRED, "tokens_by_end_of_all (ends_at<?)"),
            (&EXPIRED_SESSIONS, "sessions_by_end (ends_at<?)"),
            (&REVOKED, "tokens_by_revoked_at (revoked_at>?)"),
        ] {
            let found = plan(over.find).await;
            assert!(found[0].contains(" tokens USING ") && found[0].ends_with(index), "{found:?}");
            let deleted = plan(over.delete).await;
            assert_eq!(deleted[0], "SEARCH tokens USING INTEGER PRIMARY KEY (rowid=?)");
        }
    }
}
