//! Reading the feed.

use sqlx::{
    Connection, Row, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use tokio::sync::Mutex;

use super::{SqliteStore, error::unavailable};
use crate::{
    backend::{BoxFuture, StoreError},
    feed::{Change, ChangeBatch, ChangeFeed, FeedCursor},
};

/// The connection that watches for commits and reads the feed.
///
/// `PRAGMA data_version` changes whenever *another* connection has committed, of this process or
/// another, so this one must never write, and its value means nothing on another connection. It is
/// asked before the feed is read: a commit between the two is read now and makes the next poll
/// read once in vain. The other way round it would be missed.
pub(super) struct Poller {
    options: SqliteConnectOptions,
    // Asynchronous, since it is the queue for the connection.
    state: Mutex<State>,
}

enum State {
    Disconnected,
    Connected { connection: SqliteConnection, read: Option<Read> },
    Closed,
}

/// What was there when the feed was read last.
struct Read {
    data_version: i64,
    head: FeedCursor,
}

impl Poller {
    pub(super) fn new(options: SqliteConnectOptions) -> Self {
        Self { options, state: Mutex::new(State::Disconnected) }
    }

    pub(super) async fn close(&self) {
        let state = std::mem::replace(&mut *self.state.lock().await, State::Closed);
        if let State::Connected { connection, .. } = state {
            // It has nothing to flush.
            let _ = connection.close().await;
        }
    }

    async fn since(&self, cursor: &FeedCursor) -> Result<ChangeBatch, StoreError> {
        let mut state = self.state.lock().await;
        // Taken out, so that a connection that failed, or was abandoned halfway, is not used again.
        let (mut connection, read) = match std::mem::replace(&mut *state, State::Disconnected) {
            State::Connected { connection, read } => (connection, read),
            State::Disconnected => {
                let connection = SqliteConnection::connect_with(&self.options).await;
                (connection.map_err(unavailable)?, None)
            }
            State::Closed => {
                *state = State::Closed;
                return Err(unavailable(sqlx::Error::PoolClosed));
            }
        };
        let data_version = sqlx::query_scalar("PRAGMA data_version")
            .fetch_one(&mut connection)
            .await
            .map_err(unavailable)?;
        let batch = match &read {
            Some(read) if read.data_version == data_version && read.head == *cursor => {
                ChangeBatch { changes: Vec::new(), next: cursor.clone(), gap: false }
            }
            _ => read_since(&mut connection, cursor).await?,
        };
        let read = Some(Read { data_version, head: batch.next.clone() });
        *state = State::Connected { connection, read };
        Ok(batch)
    }
}

impl ChangeFeed for SqliteStore {
    fn head(&self) -> BoxFuture<'_, Result<FeedCursor, StoreError>> {
        Box::pin(async move {
            let mut transaction = self.read().await?;
            head(&mut transaction).await
        })
    }

    fn since<'a>(
        &'a self,
        cursor: &'a FeedCursor,
    ) -> BoxFuture<'a, Result<ChangeBatch, StoreError>> {
        Box::pin(self.shared.poller.since(cursor))
    }

    fn woken(&self) -> BoxFuture<'_, ()> {
        // Made now and not when it is first polled: it notices what is announced from here on.
        Box::pin(self.shared.changed.notified())
    }
}

/// The cursor behind the newest change: its id, and its mark in `seen`.
async fn head(connection: &mut SqliteConnection) -> Result<FeedCursor, StoreError> {
    let newest = sqlx::query("SELECT id, mark FROM changes ORDER BY id DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    newest.as_ref().map_or_else(|| Ok(cursor(0, 0)), at)
}

async fn read_since(
    connection: &mut SqliteConnection,
    cursor: &FeedCursor,
) -> Result<ChangeBatch, StoreError> {
    let mut transaction = connection.begin().await.map_err(unavailable)?;
    let unread = match position(cursor) {
        Some((id, mark)) if is_kept(&mut transaction, id, mark).await? => {
            unread(&mut transaction, id, cursor).await?
        }
        _ => None,
    };
    let batch = match unread {
        Some(batch) => batch,
        None => {
            let next = head(&mut transaction).await?;
            ChangeBatch { changes: Vec::new(), next, gap: true }
        }
    };
    // Seen to its end: a transaction that lived on would show the past for ever.
    transaction.rollback().await.map_err(unavailable)?;
    Ok(batch)
}

/// What came after `cursor`; `None` if that is so much that starting anew is quicker, also for a
/// reader whose patience would end before all of it is read.
async fn unread(
    connection: &mut SqliteConnection,
    position: i64,
    cursor: &FeedCursor,
) -> Result<Option<ChangeBatch>, StoreError> {
    let sql = "SELECT id, mark, kind, subject FROM changes WHERE id > ? ORDER BY id LIMIT ?";
    let rows = sqlx::query(sql)
        .bind(position)
        .bind(MAX_UNREAD + 1)
        .fetch_all(connection)
        .await
        .map_err(unavailable)?;
    if i64::try_from(rows.len()).is_ok_and(|unread| unread > MAX_UNREAD) {
        return Ok(None);
    }
    let next = rows.last().map_or_else(|| Ok(cursor.clone()), at)?;
    let changes = rows.iter().map(change).collect::<Result<_, _>>()?;
    Ok(Some(ChangeBatch { changes, next, gap: false }))
}

/// Changes that are read at once at most.
const MAX_UNREAD: i64 = 1_000;

/// Whether everything that came after a cursor is still there: then the row it stands at is, too,
/// and is the same. A sweep deletes the oldest rows; in a database that was restored from a backup,
/// the row is missing or another.
async fn is_kept(
    connection: &mut SqliteConnection,
    position: i64,
    mark: i64,
) -> Result<bool, StoreError> {
    if position == 0 {
        let oldest: Option<i64> = sqlx::query_scalar("SELECT min(id) FROM changes")
            .fetch_one(connection)
            .await
            .map_err(unavailable)?;
        return Ok(oldest.is_none_or(|oldest| oldest == 1));
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT mark FROM changes WHERE id = ?")
        .bind(position)
        .fetch_optional(connection)
        .await
        .map_err(unavailable)?;
    Ok(found == Some(mark))
}

fn at(row: &SqliteRow) -> Result<FeedCursor, StoreError> {
    let id = row.try_get("id").map_err(|error| StoreError::corrupt("changes.id", error))?;
    let mark = row.try_get("mark").map_err(|error| StoreError::corrupt("changes.mark", error))?;
    Ok(cursor(id, mark))
}

/// The cursor at the row with this id and this mark; before the first row it has neither.
fn cursor(id: i64, mark: i64) -> FeedCursor {
    FeedCursor::new(format!("{id}/{mark}"))
}

fn position(cursor: &FeedCursor) -> Option<(i64, i64)> {
    let (id, mark) = cursor.as_str().split_once('/')?;
    Some((id.parse().ok()?, mark.parse().ok()?))
}

fn change(row: &SqliteRow) -> Result<Change, StoreError> {
    let kind = row.try_get("kind").map_err(|error| StoreError::corrupt("changes.kind", error))?;
    let subject =
        row.try_get("subject").map_err(|error| StoreError::corrupt("changes.subject", error))?;
    Ok(Change::from_parts(kind, subject))
}
