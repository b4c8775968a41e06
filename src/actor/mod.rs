//! Who asks: urns, actors, and the directory that knows them.

mod directory;
mod model;
mod query;
mod urn;
mod user;

pub use self::{
    directory::{Directory, DirectoryStore},
    model::{Actor, ActorProfile, GroupKind, Inactive},
    query::{GroupPage, GroupQuery, UserPage, UserQuery},
    urn::{Urn, UrnError},
    user::{Group, User, UserInfo, UserKind},
};
