//! What both layers share: an answer that is either the inner service's or a refusal, and a future
//! that waits for a verdict before it calls the inner service.

mod body;
mod future;
mod refusal;

pub use self::body::{ResponseBody, ResponseBodyError};
pub(crate) use self::{
    future::{Admit, GateFuture, Pending},
    refusal::Refusals,
};
