//! What is granted: privileges, requirements, policies and the decisions they lead to.

mod model;
mod privilege;
mod source;

pub use self::{
    model::{ActorFilter, Condition, Criterion, MatchFilter, Policy, PolicyRecord, ResourceFilter},
    privilege::Privilege,
    source::{PolicySource, PolicyStore},
};
