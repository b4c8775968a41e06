//! What is granted: privileges, requirements, policies and the decisions they lead to.

mod decision;
mod engine;
mod field;
mod filter;
mod graph;
mod index;
mod load;
mod model;
mod operation;
mod options;
mod privilege;
mod requirement;
mod resource;
mod source;
mod truth;

pub use self::{
    decision::Decision,
    engine::{AuthorizedActors, PolicyEngine, evaluate},
    field::{FactSet, Field},
    graph::{EntityGraph, GraphFacts, References},
    index::{PolicyIndex, Privileges},
    load::{
        InvalidPolicyError, Place, PolicyLoadError, default_policies, default_roles, load_policies,
        parse_policies,
    },
    model::{ActorFilter, Condition, Criterion, MatchFilter, Policy, PolicyRecord, ResourceFilter},
    operation::{
        ChangeType, Existence, Operation, OperationGroup, UnknownChangeTypeError, requirement,
    },
    options::{AuthorizationMode, Candidates, PolicyOptions, ViewSelf},
    privilege::Privilege,
    requirement::Requirement,
    resource::{Fact, Owner, Resource, ResourceFacts, Values},
    source::{PolicySource, PolicyStore},
};
