//! Tokens and revocation rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::{PgConnection, Postgres, QueryBuilder, Row};

use super::{
    PostgresStore,
    connection::{SETTLING, end_read, retrying},
    error::unavailable,
    revoke::{self, Parent, all_bytes},
    row::{self, bytes},
    text::stored,
    write::Locks,
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

/// The columns of a token, by name: with `*`, a statement that was prepared before a column was added
/// would fail.
macro_rules! columns {
    () => {
        "id, name, description, actor, owner, created_at, expires_at, valid_until, token_type, \
         key_id, parent, family, replaces, replaced_at, first_used, created_via, restrictions, \
         last_used_at, last_used_address, last_used_agent, revoked_at, revoked_by"
    };
}

pub(super) use columns;

impl TokenLookup for PostgresStore {
    fn find<'a>(
        &'a self,
        id: &'a TokenId,
    ) -> BoxFuture<'a, Result<Option<TokenRecord>, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let found = sqlx::query(FIND)
                .bind(bytes(id))
                .fetch_optional(&mut *connection)
                .await
                .map_err(unavailable)?;
            connection.release();
            found.as_ref().map(row::token).transpose()
        })
    }

    fn rules<'a>(
        &'a self,
        subject: RuleSubject<'a>,
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let found = sqlx::query(RULES)
                // Nothing is equal to NULL.
                .bind(subject.key.map(|key| key.to_string()))
                .bind(stored(subject.actor.as_str()))
                .bind(subject.owner.map(|owner| stored(owner.as_str())))
                .fetch_all(&mut *connection)
                .await
                .map_err(unavailable)?;
            connection.release();
            found.iter().map(row::rule).collect()
        })
    }

    fn find_all<'a>(
        &'a self,
        ids: &'a [TokenId],
    ) -> BoxFuture<'a, Result<Vec<Option<TokenRecord>>, StoreError>> {
        self.limited(async move {
            let mut connection = self.connection().await?;
            let found = sqlx::query(FIND_ALL)
                .bind(all_bytes(ids))
                .fetch_all(&mut *connection)
                .await
                .map_err(unavailable)?;
            connection.release();
            let found: Vec<_> = found.iter().map(row::token).collect::<Result<_, _>>()?;
            let found: HashMap<_, _> =
                found.into_iter().map(|record| (record.id, record)).collect();
            Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
        })
    }

    fn rules_for_any<'a>(
        &'a self,
        subjects: &'a [RuleSubject<'a>],
    ) -> BoxFuture<'a, Result<Vec<RevocationRule>, StoreError>> {
        self.limited(async move {
            let urns = |urns: &mut dyn Iterator<Item = &'a Urn>| -> Vec<_> {
                let each: BTreeSet<_> = urns.collect();
                each.into_iter().map(|urn| stored(urn.as_str()).into_owned()).collect()
            };
            let keys: BTreeSet<_> = subjects
                .iter()
                .filter_map(|subject| subject.key)
                .map(|key| key.to_string())
                .collect();
            let mut connection = self.connection().await?;
            let found = sqlx::query(RULES_FOR_ANY)
                .bind(keys.into_iter().collect::<Vec<_>>())
                .bind(urns(&mut subjects.iter().map(|subject| subject.actor)))
                .bind(urns(&mut subjects.iter().filter_map(|subject| subject.owner)))
                .fetch_all(&mut *connection)
                .await
                .map_err(unavailable)?;
            connection.release();
            found.iter().map(row::rule).collect()
        })
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRecord>, StoreError>> {
        self.limited(self.key_records())
    }
}

impl TokenUses for PostgresStore {
    fn record_uses<'a>(
        &'a self,
        uses: &'a [(TokenId, LastUse)],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.limited(async move {
            let mut of_each: BTreeMap<&TokenId, Vec<&LastUse>> = BTreeMap::new();
            for (id, last_use) in uses {
                of_each.entry(id).or_default().push(last_use);
            }
            // One statement notes one use of each token.
            let mut rounds: Vec<Vec<(&TokenId, &LastUse)>> = Vec::new();
            for (id, uses) in of_each {
                for (round, last_use) in uses.into_iter().enumerate() {
                    match rounds.get_mut(round) {
                        Some(noted) => noted.push((id, last_use)),
                        None => rounds.push(vec![(id, last_use)]),
                    }
                }
            }
            if rounds.is_empty() {
                return Ok(());
            }
            retrying(|| self.record_rounds(&rounds)).await
        })
    }
}

impl TokenStore for PostgresStore {
    fn insert<'a>(&'a self, record: &'a TokenRecord) -> BoxFuture<'a, Result<(), StoreError>> {
        self.limited(async move {
            check_record(record)?;
            let added = match &record.parent {
                None => retrying(|| self.try_insert(record, Locks::Insert)).await?,
                Some(_) => match retrying(|| self.try_insert(record, Locks::InsertChild)).await? {
                    None => retrying(|| self.try_insert(record, Locks::InsertOrphan)).await?,
                    added => added,
                },
            };
            if added == Some(Added::ParentOfSome) {
                self.settle_committed([record.id].into()).await;
            }
            Ok(())
        })
    }

    fn import<'a>(&'a self, records: &'a [TokenRecord]) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(async move {
            records.iter().try_for_each(check_record)?;
            if records.is_empty() {
                return Ok(0);
            }
            let (added, unsettled) = retrying(|| self.try_import(records)).await?;
            self.settle_committed(unsettled).await;
            if records.len() > revoke::BATCH {
                // As in `list`.
                let _ = self.fold_all().await;
            }
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
            let revocation = Revocation { at, by: by.clone() };
            let revoking = retrying(|| async {
                let mut write = self.write().await?;
                let revoked = revoke::revoke(&mut write, id, &revocation).await?;
                write.commit().await?;
                Ok(revoked)
            });
            let revoked = self.limited(revoking).await?;
            // Also if it was revoked before: whoever did that may have given up.
            self.settle_committed([*id].into()).await;
            Ok(revoked)
        })
    }

    fn add_rule<'a>(&'a self, rule: &'a RevocationRule) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if self.limited(retrying(|| self.try_add_rule(rule))).await? {
                // As in `settle_committed`.
                let _ = self.limited_to(SETTLING, self.settle_rule(rule)).await;
            }
            Ok(())
        })
    }

    fn list_rules(&self, start: u32, count: u32) -> BoxFuture<'_, Result<RulePage, StoreError>> {
        self.limited(async move {
            let mut read = self.read().await?;
            let rows = sqlx::query(LIST_RULES)
                .bind(i64::from(count))
                .bind(i64::from(start))
                .fetch_all(&mut *read)
                .await
                .map_err(unavailable)?;
            let total: i64 = sqlx::query_scalar("SELECT count(*) FROM revocation_rules")
                .fetch_one(&mut *read)
                .await
                .map_err(unavailable)?;
            end_read(read).await?;
            Ok(RulePage {
                rules: rows.iter().map(row::rule).collect::<Result<_, _>>()?,
                total: total.try_into().unwrap_or_default(),
            })
        })
    }

    fn list<'a>(&'a self, query: &'a TokenQuery) -> BoxFuture<'a, Result<TokenPage, StoreError>> {
        Box::pin(async move {
            check::query(query)?;
            let (page, is_worth_folding) = self.limited(self.list_page(query)).await?;
            if is_worth_folding {
                // The page is right without it. The next one is found quicker with it.
                let _ = self.limited(self.fold()).await;
            }
            Ok(page)
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
            for (sql, time) in [
                (DELETE_EXPIRED, expired),
                (DELETE_EXPIRED_SESSIONS, expired),
                (DELETE_REVOKED_AND_EXPIRED, now),
                (DELETE_REVOKED, revoked),
            ] {
                deleted += self.delete(sql, time).await?;
            }
            self.trim_changes(now, retention.changes).await?;
            self.fold_all().await?;
            Ok(deleted)
        })
    }
}

impl PostgresStore {
    /// Adds a token in one transaction; `None`, and nothing done, if it needs the locks of an orphan.
    async fn try_insert(
        &self,
        record: &TokenRecord,
        locks: Locks,
    ) -> Result<Option<Added>, StoreError> {
        let mut write = self.write_under(locks).await?;
        let checked = match &record.parent {
            Some(parent) => revoke::check_ancestors(write.connection(), parent).await?,
            None => Ok(Parent::Known),
        };
        if let (Ok(Parent::Unknown), Locks::InsertChild) = (&checked, locks) {
            write.roll_back().await?;
            return Ok(None);
        }
        let added = insert(write.connection(), std::slice::from_ref(record)).await?;
        let Some((_, added)) = added.into_iter().next() else {
            write.roll_back().await?;
            return Err(StoreError::AlreadyExists);
        };
        if let Err(error) = checked {
            write.roll_back().await?;
            return Err(error);
        }
        if added == Added::ParentOfSome {
            // Whoever has verified one of those has seen no parent.
            write.announce(&Change::Token(record.id)).await?;
        }
        write.commit().await?;
        Ok(Some(added))
    }

    /// Adds what is missing of many, and returns how many those are, and which tokens are to be
    /// settled.
    async fn try_import(
        &self,
        records: &[TokenRecord],
    ) -> Result<(u64, BTreeSet<TokenId>), StoreError> {
        let mut write = self.write_at_leisure().await?;
        let (mut imported, mut announced) = (BTreeSet::new(), BTreeSet::new());
        let (mut count, mut unsettled) = (0, BTreeSet::new());
        for batch in records.chunks(revoke::BATCH) {
            let added = insert(write.connection(), batch).await?;
            count += added.len() as u64;
            // Those of one statement do not see each other.
            let mut parents = BTreeSet::new();
            for record in batch {
                let Some(added) = added.get(&record.id) else { continue };
                if *added == Added::ParentOfSome || parents.contains(&record.id) {
                    write.announce(&Change::Token(record.id)).await?;
                    announced.insert(record.id);
                }
                imported.insert(record.id);
                parents.extend(record.parent);
                // Settling looks for itself.
                unsettled.insert(record.id);
                unsettled.extend(record.parent);
            }
        }
        // Only now, as nobody makes tokens meanwhile: what was made with these since they were added,
        // by somebody who did not see them.
        write.lock_lineage().await?;
        for (child, parent) in children(write.connection(), &imported).await? {
            if !imported.contains(&child) && announced.insert(parent) {
                write.announce(&Change::Token(parent)).await?;
                unsettled.insert(parent);
            }
        }
        let revoked = revoked_parents(write.connection(), &unsettled).await?;
        write.commit().await?;
        Ok((count, revoked))
    }

    async fn try_add_rule(&self, rule: &RevocationRule) -> Result<bool, StoreError> {
        let (scope, subject) = row::scope_parts(&rule.scope);
        let mut write = self.write_under(Locks::Rule).await?;
        let written = sqlx::query(ADD_RULE)
            .bind(scope)
            .bind(stored(&subject))
            .bind(rule.issued_before.as_millis())
            .bind(stored(rule.by.as_str()))
            .execute(write.connection())
            .await
            .map_err(unavailable)?;
        write.end_with(written.rows_affected() > 0, &Change::Rule(rule.scope.clone())).await
    }

    async fn record_rounds(&self, rounds: &[Vec<(&TokenId, &LastUse)>]) -> Result<(), StoreError> {
        let mut write = self.write_loosely().await?;
        for round in rounds {
            let text =
                |text: &Option<String>| text.as_deref().map(|text| stored(text).into_owned());
            sqlx::query(RECORD_USES)
                .bind(all_bytes(round.iter().map(|(id, _)| *id)))
                .bind(round.iter().map(|(_, used)| used.at.as_millis()).collect::<Vec<_>>())
                .bind(round.iter().map(|(_, used)| text(&used.address)).collect::<Vec<_>>())
                .bind(round.iter().map(|(_, used)| text(&used.agent)).collect::<Vec<_>>())
                .execute(write.connection())
                .await
                .map_err(unavailable)?;
        }
        write.commit().await
    }

    /// Marks what was made with the tokens, after what was asked for has been committed. That this
    /// fails makes it no failure: only lists need it, and a sweep does it then.
    async fn settle_committed(&self, ids: BTreeSet<TokenId>) {
        let _ = self.limited_to(SETTLING, self.settle(&ids)).await;
    }

    /// Deletes what is over by this time, in transactions so small that other writers get their turn:
    /// after a long time it can be very much.
    async fn delete(&self, sql: &'static str, time: Timestamp) -> Result<u64, StoreError> {
        let batch = i64::try_from(revoke::BATCH).unwrap_or(i64::MAX);
        let mut deleted = 0;
        loop {
            let deleting = retrying(|| async {
                let mut write = self.write_under(Locks::Forget).await?;
                let done = sqlx::query(sql)
                    .bind(time.as_millis())
                    .bind(batch)
                    .persistent(false)
                    .execute(write.connection())
                    .await
                    .map_err(unavailable)?;
                write.commit().await?;
                Ok(done.rows_affected())
            });
            let done = self.limited(deleting).await?;
            if done == 0 {
                return Ok(deleted);
            }
            deleted += done;
        }
    }
}

/// A token that was added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Added {
    /// Nothing says that it was made with it.
    Childless,
    /// There are tokens already that say so.
    ParentOfSome,
}

/// Adds the records whose ids are not taken, and says which.
async fn insert(
    connection: &mut PgConnection,
    records: &[TokenRecord],
) -> Result<BTreeMap<TokenId, Added>, StoreError> {
    let text = |text: &str| stored(text).into_owned();
    let optional = |text: &Option<String>| text.as_deref().map(|text| stored(text).into_owned());
    let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
    let id = |id: Option<TokenId>| id.map(|id| bytes(&id).to_vec());
    let mut sql: QueryBuilder<Postgres> =
        QueryBuilder::new(concat!("INSERT INTO tokens (", columns!(), ") "));
    sql.push_values(records, |mut row, record| {
        let last_used = record.last_used.as_ref();
        let revoked = record.revoked.as_ref();
        row.push_bind(bytes(&record.id).to_vec())
            .push_bind(text(&record.name))
            .push_bind(optional(&record.description))
            .push_bind(text(record.actor.as_str()))
            .push_bind(text(record.owner.as_str()))
            .push_bind(record.created_at.as_millis())
            .push_bind(millis(record.expires_at))
            .push_bind(millis(record.valid_until))
            .push_bind(record.token_type.map(TokenType::as_str))
            .push_bind(record.key_id.map(|id| id.to_string()))
            .push_bind(id(record.parent))
            .push_bind(id(record.family))
            .push_bind(id(record.replaces))
            .push_bind(millis(record.replaced_at))
            .push_bind(millis(record.first_used))
            .push_bind(optional(&record.created_via))
            .push_bind(optional(&record.restrictions))
            .push_bind(last_used.map(|last_use| last_use.at.as_millis()))
            .push_bind(last_used.and_then(|last_use| optional(&last_use.address)))
            .push_bind(last_used.and_then(|last_use| optional(&last_use.agent)))
            .push_bind(revoked.map(|revocation| revocation.at.as_millis()))
            .push_bind(revoked.map(|revocation| text(revocation.by.as_str())));
    });
    sql.push(
        " ON CONFLICT (id) DO NOTHING
          RETURNING id, EXISTS (SELECT 1 FROM tokens AS child WHERE child.parent = tokens.id)
              AS is_parent",
    );
    // Of one record it is always the same statement.
    let added = sql
        .build()
        .persistent(records.len() == 1)
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    added
        .iter()
        .map(|row| {
            let is_parent = row.try_get("is_parent").map_err(unavailable)?;
            let added = if is_parent { Added::ParentOfSome } else { Added::Childless };
            Ok((row::token_id(row)?, added))
        })
        .collect()
}

/// What was made with the tokens, each with what it was made with.
async fn children(
    connection: &mut PgConnection,
    parents: &BTreeSet<TokenId>,
) -> Result<Vec<(TokenId, TokenId)>, StoreError> {
    let found = sqlx::query(CHILDREN)
        .bind(all_bytes(parents))
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    found.iter().map(|row| Ok((row::token_id(row)?, row::parent_id(row)?))).collect()
}

/// Refuses a record that no store takes, or not this one.
fn check_record(record: &TokenRecord) -> Result<(), StoreError> {
    check::record(record)?;
    if [&record.owner, &record.actor].iter().any(|urn| stored(urn.as_str()).len() > MAX_URN) {
        return Err(StoreError::Invalid(format!(
            "the urns of owner and actor of a token have {MAX_URN} bytes at most"
        )));
    }
    Ok(())
}

/// As long as two of them can be in one key of an index.
const MAX_URN: usize = 1_000;

/// Those of the tokens that are revoked, by themselves or by rules, and with which something was
/// made.
async fn revoked_parents(
    connection: &mut PgConnection,
    ids: &BTreeSet<TokenId>,
) -> Result<BTreeSet<TokenId>, StoreError> {
    let found = sqlx::query(REVOKED_PARENTS)
        .bind(all_bytes(ids))
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    Ok(revoke::ids(&found)?.into_iter().collect())
}

const FIND: &str = concat!("SELECT ", columns!(), " FROM tokens WHERE id = $1");

const FIND_ALL: &str = concat!("SELECT ", columns!(), " FROM tokens WHERE id = ANY($1)");

const RULES_FOR_ANY: &str = "SELECT scope, subject, issued_before, made_by FROM revocation_rules
    WHERE scope = 'all' AND subject = '' OR scope = 'key' AND subject = ANY($1)
        OR scope = 'actor' AND subject = ANY($2) OR scope = 'owner' AND subject = ANY($3)";

// Four look-ups by the primary key, which a list of pairs (`IN`) would not be.
const RULES: &str = "SELECT scope, subject, issued_before, made_by FROM revocation_rules
    WHERE scope = 'all' AND subject = '' OR scope = 'key' AND subject = $1
        OR scope = 'actor' AND subject = $2 OR scope = 'owner' AND subject = $3";

const LIST_RULES: &str = "SELECT scope, subject, issued_before, made_by FROM revocation_rules
    ORDER BY scope, subject LIMIT $1 OFFSET $2";

const ADD_RULE: &str = "INSERT INTO revocation_rules (scope, subject, issued_before, made_by)
    VALUES ($1, $2, $3, $4)
    ON CONFLICT (scope, subject) DO UPDATE
    SET issued_before = excluded.issued_before, made_by = excluded.made_by
    WHERE revocation_rules.issued_before < excluded.issued_before";

// Locked in the order of their ids, as by all who change several.
const RECORD_USES: &str = "WITH locked AS MATERIALIZED (
        SELECT id FROM tokens WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE
    )
    UPDATE tokens SET
        first_used = coalesce(first_used, used.at), last_used_at = used.at,
        last_used_address = used.address, last_used_agent = used.agent
    FROM locked JOIN unnest($1::bytea[], $2::bigint[], $3::text[], $4::text[])
        AS used (id, at, address, agent) ON used.id = locked.id
    WHERE tokens.id = locked.id AND coalesce(tokens.last_used_at <= used.at, true)";

const CHILDREN: &str = "SELECT id, parent FROM tokens WHERE parent = ANY($1)";

const REVOKED_PARENTS: &str = concat!(
    "SELECT id FROM tokens AS parent WHERE id = ANY($1)
         AND EXISTS (SELECT 1 FROM tokens AS child WHERE child.parent = parent.id)
         AND (revoked_at IS NOT NULL OR ",
    revoke::is_covered!("parent"),
    ")"
);

/// That nothing is left that was made with it and is not revoked: that ends with it, or with what it
/// was made with in turn, which is found by it.
macro_rules! is_childless {
    () => {
        " AND NOT EXISTS (SELECT 1 FROM tokens AS child WHERE child.parent = over.id
              AND child.revoked_at IS NULL AND over.token_type IS DISTINCT FROM 'SESSION')"
    };
}

macro_rules! delete {
    ($condition:literal) => {
        concat!(
            "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens AS over WHERE ",
            $condition,
            is_childless!(),
            " LIMIT $2 FOR UPDATE SKIP LOCKED)"
        )
    };
}

// As the indexes say it, which are one for sessions and another for all else.
const DELETE_EXPIRED: &str = delete!(
    "revoked_at IS NULL AND token_type IS DISTINCT FROM 'SESSION' AND ends_at <= $1::bigint"
);
const DELETE_EXPIRED_SESSIONS: &str =
    delete!("revoked_at IS NULL AND token_type = 'SESSION' AND ends_at <= $1::bigint");

// By `expires_at` and not the earlier `valid_until`: an import of an older record must not bring it
// back.
const DELETE_REVOKED_AND_EXPIRED: &str =
    delete!("revoked_at IS NOT NULL AND expires_at IS NOT NULL AND expires_at <= $1");
const DELETE_REVOKED: &str = delete!("revoked_at IS NOT NULL AND revoked_at <= $1");
