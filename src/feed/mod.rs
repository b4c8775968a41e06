//! How a change arrives: reading what other writers changed, and how fresh that knowledge is.

mod change;

pub use self::change::{Change, ChangeBatch, ChangeFeed, FeedCursor};
