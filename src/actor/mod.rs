//! Who asks: urns, actors, and the directory that knows them.

mod directory;
mod model;
mod urn;

pub use self::{
    directory::{Directory, DirectoryStore},
    model::{Actor, ActorProfile, GroupKind, Inactive},
    urn::{Urn, UrnError},
};
