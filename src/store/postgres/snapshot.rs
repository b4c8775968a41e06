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
    /// When it was read, by the server's clock, in microseconds; not later than the snapshot.
    pub(super) read_at: i64,
    pub(super) snapshot: Snapshot,
}

/// Where a snapshot is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The number of our connection, which it has by chance.
    pub(super) connection: u64,
    /// When the server was started, in microseconds. Behind a pooler, it can be another server though
    /// the connection is the same.
    pub(super) started: i64,
    /// The numbers of the files that the tables are in. Whoever restores a backup into the database
    /// gets other ones; to empty a table by `DELETE`, or to vacuum it, leaves them.
    pub(super) files: String,
}

impl Position {
    /// The cursor for this position, with the snapshot as the server wrote it.
    pub(super) fn cursor(source: &Source, read_at: i64, snapshot: &str) -> FeedCursor {
        let Source { connection, started, files } = source;
        FeedCursor::new(format!("{connection}/{started}/{files}/{read_at}/{snapshot}"))
    }

    /// Where the cursor stands; `None` if it is none of ours.
    pub(super) fn of(cursor: &FeedCursor) -> Option<Self> {
        let (connection, rest) = cursor.as_str().split_once('/')?;
        let (started, rest) = rest.split_once('/')?;
        let (files, rest) = rest.split_once('/')?;
        let (read_at, snapshot) = rest.split_once('/')?;
        let source = Source {
            connection: connection.parse().ok()?,
            started: started.parse().ok()?,
            files: files.to_owned(),
        };
        Some(Self { source, read_at: read_at.parse().ok()?, snapshot: snapshot.parse().ok()? })
    }

    /// Whether the transactions of here are those of `before` and later ones, where `session_start` is
    /// when the session of the server began that reads here.
    ///
    /// When a process of the server crashes, the server ends all its sessions, recovers, and gives
    /// numbers again whose transactions had left nothing on the disk; behind a pooler that is the same
    /// connection, and the server was not started anew. A session that is older than the position
    /// before shows that there was no crash since. By a clock that went back, nothing is shown.
    pub(super) fn continues(&self, before: &Self, session_start: i64) -> bool {
        self.source == before.source
            && session_start < before.read_at
            && before.read_at <= self.read_at
            // One from behind the end is from another history, of which a copy was restored here.
            && before.snapshot.end <= self.snapshot.end
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

    fn source(connection: u64, started: i64, files: &str) -> Source {
        Source { connection, started, files: files.to_owned() }
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let snapshot = "18446744073709551614:18446744073709551615:18446744073709551614";
        for files in ["16384,16390", ""] {
            let source = source(u64::MAX, -1, files);
            let position = Position::of(&Position::cursor(&source, 7, snapshot)).unwrap();
            let snapshot = snapshot.parse().unwrap();
            assert_eq!(position, Position { source, read_at: 7, snapshot });
        }
    }

    #[test]
    fn what_nobody_has_written_is_no_position() {
        for text in [
            "",
            "1",
            "1/2",
            "1/2/",
            "1/2/3",
            "1/2/3/4",
            "1/2/3/4/5",
            "1/2/3/4/5:6",
            "1/2/3/4/5:x:",
            "1/2/3/4/5:6:x",
            "/2/3/4/5:6:",
            "1//3/4/5:6:",
            "1/2/3//5:6:",
            "1/2/5:6:",
            "1/2/3/5:6:",
        ] {
            assert_eq!(Position::of(&FeedCursor::new(text)), None, "{text}");
        }
    }

    #[test]
    fn only_an_older_session_of_the_same_source_continues() {
        let at = |source: Source, read_at, end| Position {
            source,
            read_at,
            snapshot: Snapshot { end, running: Vec::new() },
        };
        let before = at(source(1, 2, "3,4"), 100, 50);
        let now = at(source(1, 2, "3,4"), 200, 50);
        for (session_start, is_continued) in [(0, true), (99, true), (100, false), (150, false)] {
            assert_eq!(now.continues(&before, session_start), is_continued, "{session_start}");
        }
        assert!(before.continues(&before, 99));
        assert!(!before.continues(&now, 99), "the clock went back");
        for other in [
            at(source(9, 2, "3,4"), 200, 50),
            at(source(1, 9, "3,4"), 200, 50),
            at(source(1, 2, "3,9"), 200, 50),
            at(source(1, 2, "3,4"), 200, 49),
        ] {
            assert!(!other.continues(&before, 0), "{other:?}");
        }
    }
}
