//! Who asks: urns, actors, the directory that knows them, and the store of their passwords.

mod directory;
mod model;
mod password;
mod query;
mod urn;
mod user;

pub use self::{
    directory::{Directory, DirectoryStore},
    model::{Actor, ActorProfile, GroupKind, Inactive},
    password::{PasswordHash, PasswordStore},
    query::{GroupPage, GroupQuery, UserPage, UserQuery},
    urn::{Urn, UrnError},
    user::{Group, User, UserInfo, UserKind},
};
