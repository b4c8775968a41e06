//! What a reader of the feed has seen: not a number of rows, but which transactions had ended.

use std::str::FromStr;

use crate::feed::FeedCursor;

/// A snapshot of the server, as `pg_current_snapshot()` has it: a transaction was seen if its number is
/// below `end` and it was not one of those that were `running`, in whichever database of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// Behind the newest transaction that had ended.
    pub(super) end: u64,
    /// Those before that which had not, in order.
    pub(super) running: Vec<u64>,
}

impl Snapshot {
    /// Whether it shows what this transaction did, if that was committed.
    pub(super) fn saw(&self, transaction: u64) -> bool {
        transaction < self.end && self.running.binary_search(&transaction).is_err()
    }
}

/// `xmin:xmax:xip,xip`, where the first is the oldest that was running, and says nothing more.
impl FromStr for Snapshot {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (_, text) = text.split_once(':').unwrap_or_default();
        let (end, running) = text.split_once(':').unwrap_or_default();
        let running = running.split(',').filter(|number| !number.is_empty());
        let mut running: Vec<u64> = running.map(str::parse).collect::<Result<_, _>>()?;
        running.sort_unstable();
        Ok(Self { end: end.parse()?, running })
    }
}

/// Where a reader stands: what it has seen, and by which connection to which server. By another one it
/// may be another server, which the first did not get everything to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) source: Source,
    pub(super) snapshot: Snapshot,
}

/// Where a snapshot is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Source {
    /// The number of our connection, which it has by chance.
    pub(super) connection: u64,
    /// When the server was started, in microseconds. Behind a pooler, it can be another server though
    /// the connection is the same.
    pub(super) started: i64,
}

impl Position {
    /// The cursor with the snapshot as the server wrote it.
    pub(super) fn cursor(source: Source, snapshot: &str) -> FeedCursor {
        FeedCursor::new(format!("{}/{}/{snapshot}", source.connection, source.started))
    }

    /// Where the cursor stands; `None` if it is none of ours.
    pub(super) fn of(cursor: &FeedCursor) -> Option<Self> {
        let (connection, rest) = cursor.as_str().split_once('/')?;
        let (started, snapshot) = rest.split_once('/')?;
        let source =
            Source { connection: connection.parse().ok()?, started: started.parse().ok()? };
        Some(Self { source, snapshot: snapshot.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_running_was_not_seen() {
        let snapshot: Snapshot = "100:105:100,103".parse().unwrap();
        let seen: Vec<_> = (98..108).filter(|number| snapshot.saw(*number)).collect();
        assert_eq!(seen, [98, 99, 101, 102, 104]);
        let quiet: Snapshot = "100:100:".parse().unwrap();
        assert!(quiet.saw(99) && !quiet.saw(100));
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let source = Source { connection: u64::MAX, started: -1 };
        let snapshot = "18446744073709551614:18446744073709551615:18446744073709551614";
        let position = Position::of(&Position::cursor(source, snapshot)).unwrap();
        assert_eq!(position, Position { source, snapshot: snapshot.parse().unwrap() });
    }

    #[test]
    fn what_nobody_has_written_is_no_position() {
        for text in ["", "1", "1/2", "1/2/", "1/2/3", "1/2/3:4", "1/2/3:x:", "1/2/3:4:x", "/2/3:4:"]
        {
            assert_eq!(Position::of(&FeedCursor::new(text)), None, "{text}");
        }
    }
}
