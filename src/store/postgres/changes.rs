//! Reading the feed.
//!
//! The number of a row says nothing of when it was committed: one with a lower number may come later.
//! So a cursor is not a number but a snapshot, and what is new since then are the rows of those
//! transactions that the snapshot did not see, however long they took. There is nothing to wait for,
//! and nothing to remember but the snapshot.

use std::time::Duration;

use sqlx::{
    AssertSqlSafe, Connection, PgConnection, Row, postgres::PgConnectOptions, postgres::PgRow,
};
use tokio::{sync::Mutex, task::JoinSet, time::timeout};

use super::{
    PostgresStore,
    error::unavailable,
    listen::Listener,
    snapshot::{Position, Snapshot, Source},
    text,
};
use crate::{
    backend::{BoxFuture, StoreError},
    clock::Timestamp,
    feed::{Change, ChangeBatch, ChangeFeed, FeedCursor},
    random::{OsRandom, RandomSource},
};

/// The feed: a connection that reads it, and one that listens. Neither is one of the pool, so that a
/// pool that is in use does not make the feed late.
pub(super) struct Feed {
    options: PgConnectOptions,
    // Asynchronous, since it is the queue for the connection.
    state: Mutex<State>,
    listener: Listener,
}

enum State {
    Disconnected,
    /// In a task of its own, since whoever reads may have less patience than connecting takes.
    Connecting(JoinSet<Result<Reader, StoreError>>),
    Connected(Reader),
    Closed,
}

/// A connection that reads the feed.
struct Reader {
    connection: PgConnection,
    number: u64,
}

impl Feed {
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let listener = Listener::new(options.clone());
        Self { options, state: Mutex::new(State::Disconnected), listener }
    }

    /// Wakes who waits for a change, after it was committed here.
    pub(super) fn wake(&self) {
        self.listener.wake();
    }

    pub(super) async fn close(&self) {
        self.listener.close();
        let state = std::mem::replace(&mut *self.state.lock().await, State::Closed);
        if let State::Connected(reader) = state {
            // It has nothing to lose.
            let _ = reader.connection.close().await;
        }
    }

    /// Reads what came after `cursor`, or nothing but where the end is.
    async fn read(&self, cursor: Option<&FeedCursor>) -> Result<ChangeBatch, StoreError> {
        let mut state = self.state.lock().await;
        // Taken out, so that a connection that failed, or was abandoned halfway, is not used again.
        let mut reader = self.reader(&mut state).await?;
        let batch = reader.read(cursor).await?;
        *state = State::Connected(reader);
        Ok(batch)
    }

    async fn reader(&self, state: &mut State) -> Result<Reader, StoreError> {
        loop {
            match std::mem::replace(state, State::Disconnected) {
                State::Connected(reader) => return Ok(reader),
                State::Closed => {
                    *state = State::Closed;
                    return Err(unavailable(sqlx::Error::PoolClosed));
                }
                State::Disconnected => {
                    let mut task = JoinSet::new();
                    task.spawn(Reader::connect(self.options.clone()));
                    *state = State::Connecting(task);
                }
                State::Connecting(task) => {
                    // Put back, so that it goes on if this is abandoned.
                    *state = State::Connecting(task);
                    let State::Connecting(task) = &mut *state else { continue };
                    let connected = task.join_next().await;
                    *state = State::Disconnected;
                    match connected {
                        Some(Ok(connected)) => return connected,
                        Some(Err(error)) => return Err(StoreError::unavailable(error)),
                        None => {}
                    }
                }
            }
        }
    }
}

impl Reader {
    async fn connect(options: PgConnectOptions) -> Result<Self, StoreError> {
        let mut number = [0; 8];
        OsRandom.fill(&mut number).map_err(StoreError::unavailable)?;
        let connection = timeout(CONNECT_TIMEOUT, PgConnection::connect_with(&options))
            .await
            .map_err(StoreError::unavailable)?
            .map_err(unavailable)?;
        Ok(Self { connection, number: u64::from_ne_bytes(number) })
    }

    async fn read(&mut self, cursor: Option<&FeedCursor>) -> Result<ChangeBatch, StoreError> {
        let since = cursor.and_then(Position::of);
        let sql = statements(since.as_ref().map(|since| &since.snapshot));
        let rows = sqlx::raw_sql(AssertSqlSafe(sql))
            .fetch_all(&mut self.connection)
            .await
            .map_err(unavailable)?;
        let [session, rows @ ..] = &*rows else { return Err(NO_STATE) };
        let Some(first) = rows.first() else { return Err(NO_STATE) };
        if column(first, "in_recovery", "feed_state")? {
            return Err(StoreError::unavailable(
                "the server is in recovery: a standby, and not the primary",
            ));
        }
        let Some(session_start) = column(session, "session_start", "pg_stat_get_activity()")?
        else {
            return Err(StoreError::unavailable(
                "the session has another authorization than its login, and may not see when it began",
            ));
        };
        let source = Source {
            connection: self.number,
            started: column(first, "started", "feed_state")?,
            files: column(first, "files", "feed_state")?,
        };
        let read_at = column(first, "read_at", "feed_state")?;
        let text: &str = column(first, "snapshot", "feed_state")?;
        let snapshot: Snapshot =
            text.parse().map_err(|error| StoreError::corrupt("pg_current_snapshot()", error))?;
        let next = Position::cursor(&source, read_at, text);
        let now = Position { source, read_at, snapshot };
        let Some(cursor) = cursor else {
            return Ok(ChangeBatch { changes: Vec::new(), next, gap: false });
        };
        let trimmed: &str = column(first, "trimmed_through", "feed_state.trimmed_through")?;
        let trimmed = trimmed
            .parse()
            .map_err(|error| StoreError::corrupt("feed_state.trimmed_through", error))?;
        let mut changes = Vec::new();
        for row in rows {
            changes.extend(change(row)?);
        }
        let is_too_much = changes.len() > MAX_UNREAD;
        if is_too_much {
            changes.clear();
        }
        let is_whole = since.is_some_and(|since| {
            now.continues(&since, session_start)
                // One from behind the end is from another history, of which a copy was restored here.
                && (trimmed >= now.snapshot.end || since.snapshot.saw(trimmed))
        });
        tracing::trace!(cursor = cursor.as_str(), changes = changes.len(), "read the feed");
        Ok(ChangeBatch { changes, next, gap: is_too_much || !is_whole })
    }
}

impl ChangeFeed for PostgresStore {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        self.limited(async move {
            // By the connection that will read on from there.
            let batch = timeout(HEAD_TIMEOUT, self.shared.feed.read(None)).await;
            Ok(batch.map_err(StoreError::unavailable)??.next)
        })
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        Box::pin(self.shared.feed.read(Some(cursor)))
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        // Made now and not when it is first polled: it notices what is announced from here on.
        Box::pin(self.shared.feed.listener.woken())
    }
}

impl PostgresStore {
    /// Deletes changes that a sweep saw long enough ago. What readers have read of it is of no
    /// concern: each notices for itself that something is gone which it has not seen.
    pub(super) async fn trim_changes(
        &self,
        now: Timestamp,
        retention: Duration,
    ) -> Result<(), StoreError> {
        let mut write = self.write_at_leisure().await?;
        // One sweep after the other: two could wait for rows of each other for ever, and whoever sees
        // one has seen all before it, since its number is given at the next statement.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(TRIMMING)
            .execute(write.connection())
            .await
            .map_err(unavailable)?;
        // All changes of a transaction by one statement each, so that they stay together.
        sqlx::query(
            "UPDATE changes SET swept_at = $1, swept_by = pg_current_xact_id()
             WHERE swept_at IS NULL",
        )
        .bind(now.as_millis())
        .execute(write.connection())
        .await
        .map_err(unavailable)?;
        // One from behind the end is from another history: then this is what nobody has seen.
        sqlx::query(
            "WITH trimmed AS (DELETE FROM changes WHERE swept_at <= $1 RETURNING swept_by),
                 newest AS (SELECT swept_by FROM trimmed ORDER BY swept_by DESC LIMIT 1)
             UPDATE feed_state SET trimmed_through =
                 LEAST(GREATEST(trimmed_through, newest.swept_by), pg_current_xact_id())
             FROM newest",
        )
        .bind(now.saturating_sub(retention).as_millis())
        .execute(write.connection())
        .await
        .map_err(unavailable)?;
        write.commit().await
    }
}

/// What reads the feed since a snapshot, in one message, so that it takes one turn and leaves nothing
/// with a session that a pooler gives to others afterwards. All of it is from one snapshot.
///
/// It is sorted here and limited there, each part by the index: the rows of those that came after the
/// snapshot, and of those that were running.
///
/// When the session began only its login sees, which may have taken another role that the tables are
/// for.
fn statements(since: Option<&Snapshot>) -> String {
    let unread = since.map_or_else(
        || "SELECT id, kind, subject FROM changes WHERE false".to_owned(),
        |Snapshot { end, running }| {
            let running: Vec<_> = running.iter().map(u64::to_string).collect();
            let (running, limit) = (running.join(","), MAX_UNREAD + 1);
            format!(
                "(SELECT id, kind, subject FROM changes
                  WHERE xid >= '{end}' AND xid < pg_snapshot_xmax(pg_current_snapshot())
                  ORDER BY xid LIMIT {limit})
                 UNION ALL
                 (SELECT id, kind, subject FROM changes
                  WHERE xid = ANY ('{{{running}}}'::xid8[]) ORDER BY xid LIMIT {limit})"
            )
        },
    );
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY;
         SET LOCAL statement_timeout = {limit};
         SAVEPOINT role; SET LOCAL ROLE NONE;
         SELECT (extract(epoch FROM backend_start) * 1000000)::bigint AS session_start
         FROM pg_stat_get_activity(pg_backend_pid());
         ROLLBACK TO role;
         WITH unread AS ({unread})
         SELECT pg_current_snapshot()::text AS snapshot, pg_is_in_recovery() AS in_recovery,
             (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started,
             (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint AS read_at,
             concat_ws(',', {files}) AS files,
             (SELECT trimmed_through::text FROM feed_state) AS trimmed_through, id, kind, subject
         FROM (SELECT) AS state LEFT JOIN unread ON true ORDER BY id;
         COMMIT",
        limit = READ_TIMEOUT.as_millis(),
        files = TABLES.map(|table| format!("pg_relation_filenode('{table}')")).join(", "),
    )
}

/// The change in a row; `None` if there is nothing but the state of the feed in it.
fn change(row: &PgRow) -> Result<Option<Change>, StoreError> {
    let Some(kind) = column(row, "kind", "changes.kind")? else { return Ok(None) };
    // A text that nobody has written is that of a newer version.
    let subject = text::read(column(row, "subject", "changes.subject")?, "changes.subject");
    Ok(Some(subject.map_or(Change::Unknown, |subject| Change::from_parts(kind, &subject))))
}

fn column<'r, T>(row: &'r PgRow, name: &str, what: &'static str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    row.try_get(name).map_err(|error| StoreError::corrupt(what, error))
}

/// An answer without what is in every one.
const NO_STATE: StoreError =
    StoreError::Corrupt { what: "feed_state.trimmed_through", source: None };

/// The tables of what readers of the feed remember, and of the feed.
const TABLES: [&str; 8] = [
    "tokens",
    "revocation_rules",
    "users",
    "memberships",
    "roles",
    "policies",
    "changes",
    "feed_state",
];

/// Changes that are read at once at most. Where there are more, starting anew is quicker, also for a
/// reader whose patience would end before all of it is read.
const MAX_UNREAD: usize = 1_000;

/// How long to wait for a connection before another one is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long the server goes on with a read: who gave it up does not tell it, and would have more and
/// more of them.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// How long finding the end of the feed may take, which nobody else limits.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// Any number that nobody else locks.
const TRIMMING: i64 = 7_264_155_930_018;
