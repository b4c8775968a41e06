//! The warm cache: tokens that were verified, until something changes.
//!
//! An entry is an answer as long as
//!
//! 1. the whole text is the same, and not only the hash of its end,
//! 2. its deadline has not come: the token's end, or that of what was read with a time to live,
//! 3. no change of what it depends on has arrived since its look-up began: of its token, its actor, its
//!    owner, and those of what it was made with ([`LatestChanges`](crate::feed::LatestChanges)),
//! 4. the epoch is still the one of then: nothing has changed that may concern every token,
//! 5. its privileges are by the policies in force,
//! 6. the feed is fresh, which the caller looks at, and before everything else.
//!
//! What fails 2 or 3 is over: it is the first to make room, and is wiped within a minute also if nobody
//! asks for it. What fails 4 is suspect: no answer, and kept to be judged anew. What fails 5 alone is
//! outdated: the actor's privileges are taken from the policies in force, when the token is used the
//! next time or before, and no store is asked about the token.
//!
//! # Without a race
//!
//! All of it is in the entry, and none in its being in the cache: what ends an entry is a number that
//! moves, and no entry has to be found. The numbers of 3 and 4 are noted before any store is asked, and
//! that of 5 is the one of the policies that the privileges were taken from, noted before those were
//! read. So a change that the answers may not have leaves the entry behind, whenever that is put in.
//! A lock covers no more than the memory of one shard. And there can be copies: what is used all the
//! time has one for each thread ([`near`]), so that threads do not wait for each other's memory.
//!
//! A look-up in this cache reads freshness first (acquire). The feed notes it last (release), when all
//! that arrived has moved its numbers. So whoever relies on a reading of the feed sees what that brought.

mod cache;
mod entry;
mod near;
mod shard;

pub(super) use self::{
    cache::{Found, Hand, Renewal, Verified},
    entry::{Basis, Current, Entry},
};
