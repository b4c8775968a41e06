//! Everything in one PostgreSQL database, for many nodes.

mod changes;
mod connection;
mod covered;
mod directory;
mod error;
mod filter;
mod groups;
mod keys;
mod list;
mod listen;
mod open;
mod passwords;
mod policies;
mod revoke;
mod row;
mod snapshot;
mod text;
mod tokens;
mod write;

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgConnectOptions};

use self::changes::Feed;
pub use self::open::PostgresStoreBuilder;

/// A store in one PostgreSQL database (version 13 or newer), which many nodes can share.
///
/// A clone is the same store. See the [module docs](super) for what it guarantees.
///
/// # How it works
///
/// 1. [`connect`](Self::connect) brings the schema up to date, under a lock, so that many nodes may
///    start at once. The tables are in the first schema of the search path.
/// 2. Reads and writes share a pool of connections. A write is one transaction together with its
///    announcement in the change feed; it is durable when it is answered, as far as the server's
///    `synchronous_commit` goes, which only the noting of uses turns off for itself.
/// 3. What must hold under two writers is a constraint or a lock. A transaction that was in the way
///    of another is tried again.
/// 4. A connection whose query failed, or was given up halfway, is closed and not used again.
/// 5. One more connection reads the change feed, and one listens for notifications, which only save
///    time. A cursor of the feed is what a snapshot of the server has seen: a change arrives when its
///    transaction is committed, and one that stays open, in whichever database of the server, holds
///    nothing up. Each new connection is a gap, since there may be another server behind it.
///
/// # In deployment
///
/// * Only a primary is connected to: a server in recovery is refused, also by every later connection.
/// * A standby that follows asynchronously lacks what was answered last when it takes over, also
///   revocations. Nodes notice that as a gap and judge anew what they remember, by what the new
///   primary has. With `synchronous_standby_names` nothing that was answered is lost.
/// * Restoring a backup brings back what was valid then, also tokens revoked since. Nodes that go on
///   meanwhile notice a gap where the server was started anew, or where tables were emptied by
///   `TRUNCATE` or made anew; so they do after `VACUUM FULL`. Where rows were put back by hand, start
///   the nodes again.
/// * Statements of requests end after 5 seconds, and so do transactions that do nothing; a free
///   connection is waited for 3 seconds. Each is [`StoreError::Unavailable`]. All can be
///   [chosen](PostgresStoreBuilder).
/// * Behind a pooler that gives connections by transaction, that must know prepared statements
///   (PgBouncer 1.21), or the URL must say `statement-cache-capacity=0`. The time limits are settings
///   of the session, which such a pooler may pass on to others; it may also drop notifications, which
///   costs nothing but the time to the next look at the feed. A connection that it opens anew for the
///   feed is a gap, by which a crash of the server is noticed.
/// * A pooler must lead to the primary alone. Whether a server is in recovery is asked once for a
///   connection of this side, and each time only for the feed: behind one that also leads to
///   standbys, a token may be judged by a standby that lacks its revocation.
/// * A call that got no answer in a second more than both limits together is given up on this side,
///   which ends it also where the server is frozen or cut off, or waits for a standby that is gone. A
///   write whose commit was given up may still have happened.
/// * The tables have plain names (`tokens`, `users`, ...), so a database that has others is better
///   shared by a schema of its own: `CREATE SCHEMA tower_pat`, and
///   `ALTER ROLE tower_pat SET search_path = tower_pat`, which also a pooler lets through. Which
///   migrations were applied is noted in `_tower_pat_migrations`.
/// * The urns of owner and actor of a token have 1,000 bytes each at most: what is longer is
///   [`StoreError::Invalid`].
/// * While many tokens are imported, others are made; only when all are in, and until that is
///   committed, making tokens waits.
///
/// [`StoreError::Unavailable`]: crate::backend::StoreError::Unavailable
/// [`StoreError::Invalid`]: crate::backend::StoreError::Invalid
///
/// # Example
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_pat::store::PostgresStore;
///
/// let store = PostgresStore::builder("postgres://tower_pat@db.example/tower_pat?sslmode=verify-full")
///     .max_connections(20)
///     .connect()
///     .await?;
/// // ...
/// store.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct PostgresStore {
    shared: Arc<Shared>,
}

struct Shared {
    pool: PgPool,
    options: PgConnectOptions,
    // How long a call may take, by this side's clock.
    call_timeout: Duration,
    feed: Feed,
}

impl PostgresStore {
    /// Closes the store and all its clones, when what they are doing is done. Whatever is asked of
    /// them afterwards is [`StoreError::Unavailable`](crate::backend::StoreError::Unavailable).
    pub async fn close(&self) {
        self.shared.feed.close().await;
        self.shared.pool.close().await;
    }

    /// Wakes who waits for a change, after it was committed here.
    fn wake(&self) {
        self.shared.feed.wake();
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.shared.options;
        f.debug_struct("PostgresStore")
            .field("host", &options.get_host())
            .field("port", &options.get_port())
            .field("database", &options.get_database())
            .finish_non_exhaustive()
    }
}
