//! How a change arrives: reading what other writers changed, and how fresh that knowledge is.
//!
//! A decision that was remembered may be used while no change has arrived that it depends on, and
//! while the feed is *fresh*: while the last successful read was sent no longer ago than the bound.
//! A feed that cannot be read is stale after the bound, and then nothing that is remembered is an
//! answer. Being woken says nothing about freshness, and a read counts from when it was sent.
//!
//! A feed that may have lost changes says so ([`ChangeBatch::gap`]). Then nothing that is remembered
//! is an answer until it was judged anew.

mod change;
mod follower;
mod latest;

pub use self::change::{Change, ChangeBatch, ChangeFeed, FeedCursor};
pub(crate) use self::{
    follower::{ChangeSink, Follower, Freshness},
    latest::{LatestChanges, Subject, Subjects},
};
