//! What is granted: privileges, requirements, policies and the decisions they lead to, as DataHub
//! decides them.
//!
//! # How a decision is made
//!
//! 1. A caller asks for a [`Requirement`]: any of several sets of [`Privilege`]s, about a
//!    [`Resource`] or about none.
//! 2. Everything is denied that no [`Policy`] grants. Policies are alternatives: none denies, none
//!    outranks another, and their order does not matter.
//! 3. A policy grants a privilege if it lists it, is in force, is for the actor (by any one of its
//!    predicates: users, groups, roles, ownership), is about the resource (by all of its criteria)
//!    and takes all sub-resources. One of type `PLATFORM` does not look at the resource.
//! 4. Every actor also has View Self: it may look at, edit and delete its own entity.
//! 5. What is not known of the resource is not taken for missing. A [`Decision`] that hangs on it
//!    is [indeterminate](Decision::Indeterminate) and no grant; it names what has to be found
//!    first, by [`ResourceFacts`] for instance.
//!
//! [`PolicyEngine`] does this policy by policy and is the reference. [`PolicyIndex`] gives the same
//! answers at a cost that does not grow with the number of policies; it is what requests are judged
//! by. Nothing here looks anybody up, waits or does I/O: actors and facts are handed in.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use tower_pat::{
//!     actor::{Actor, Urn},
//!     policy::{Decision, Field, PolicyIndex, Privilege, Resource, parse_policies},
//! };
//!
//! let policies = parse_policies(r#"{
//!     "urn": "urn:li:dataHubPolicy:sales",
//!     "info": {
//!         "displayName": "Sales reads what is gold",
//!         "type": "METADATA",
//!         "state": "ACTIVE",
//!         "privileges": ["VIEW_ENTITY_PAGE"],
//!         "actors": { "groups": ["urn:li:corpGroup:sales"] },
//!         "resources": { "filter": { "criteria": [
//!             { "field": "TAG", "values": ["urn:li:tag:gold"] }
//!         ] } }
//!     }
//! }"#)?;
//! let alice = Actor::new(Urn::corpuser("alice")?).with_group("urn:li:corpGroup:sales".parse()?);
//! let privileges = PolicyIndex::new(&policies).privileges(Arc::new(alice));
//!
//! let orders = Resource::new(&"urn:li:dataset:orders".parse()?);
//! let view = Privilege::VIEW_ENTITY_PAGE;
//! let Decision::Indeterminate(missing) = privileges.decide_privilege(&view, Some(&orders)) else {
//!     panic!("the tags are not known yet");
//! };
//! assert_eq!(missing.to_string(), "TAG");
//!
//! let orders = orders.with_field(Field::Tag, ["urn:li:tag:gold"]);
//! assert!(privileges.decide_privilege(&view, Some(&orders)).is_granted());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where this is stricter than DataHub
//!
//! * A fact that cannot be found is an error or stays unknown. DataHub takes it for no values, by
//!   which `NOT_EQUALS` would grant.
//! * Loading refuses names that a policy does not have, names that occur twice, and conditions that
//!   no decision knows ([`parse_policies`]).
//! * There is no system actor unless [`PolicyOptions::system_actor`] names one.
//!
//! # In deployment
//!
//! `EDIT_ENTITY` without a resource filter, together with `DELETE_ENTITY`, manages everything,
//! access tokens included ([`requirement`]); a `METADATA` policy without `resources` also grants
//! where no resource is asked about. Both are as in DataHub.

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

pub(crate) use self::engine::{names_actor, why_not};
pub use self::{
    decision::Decision,
    engine::{AuthorizedActors, PolicyEngine, evaluate},
    field::{FactSet, Field},
    graph::{EntityGraph, GraphFacts, References},
    index::{PolicyIndex, Privileges},
    load::{
        InvalidPolicyError, PolicyLoadError, PolicyPlace, default_policies, default_roles,
        load_policies, parse_policies,
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
