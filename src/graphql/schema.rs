use std::fmt;

use async_graphql::MergedObject;

use super::{
    config::ConfigQueries,
    group::GroupQueries,
    me::MeQueries,
    policy::{PolicyMutations, PolicyQueries},
    privileges::PrivilegeQueries,
    role::{RoleMutations, RoleQueries},
    service_account::{ServiceAccountMutations, ServiceAccountQueries},
    token::{TokenMutations, TokenQueries},
    user::{UserMutations, UserQueries},
};

/// The queries of this module. Merge it with fields of one's own; see the
/// [module docs](super#fields-of-your-own).
#[derive(Clone, Default, MergedObject)]
// Another name than that of the root that it is merged into.
#[graphql(name = "ManagementQuery")]
pub struct Query(
    MeQueries,
    ConfigQueries,
    TokenQueries,
    ServiceAccountQueries,
    UserQueries,
    GroupQueries,
    RoleQueries,
    PolicyQueries,
    PrivilegeQueries,
);

/// The mutations of this module. Merge it with fields of one's own; see the
/// [module docs](super#fields-of-your-own).
#[derive(Clone, Default, MergedObject)]
#[graphql(name = "ManagementMutation")]
pub struct Mutation(
    TokenMutations,
    ServiceAccountMutations,
    UserMutations,
    RoleMutations,
    PolicyMutations,
);

/// The queries, where nothing is merged with them.
#[derive(Default, MergedObject)]
#[graphql(name = "Query")]
pub(super) struct QueryRoot(Query);

/// The mutations, where nothing is merged with them.
#[derive(Default, MergedObject)]
#[graphql(name = "Mutation")]
pub(super) struct MutationRoot(Mutation);

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Query")
    }
}

impl fmt::Debug for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutation")
    }
}
