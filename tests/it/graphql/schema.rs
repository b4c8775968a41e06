//! The schema against the part of DataHub's that is claimed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_graphql::Positioned;
use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition},
};
use tower_pat::{access::Access, graphql::GraphqlService, store::MemoryStore};

use crate::support::config;

/// What ours has and DataHub's has not, or not that we know.
const MORE: &[&str] = &[
    // Revoking everything of somebody in one call.
    "Mutation.revokeAccessTokens: Boolean!",
    "Mutation.revokeAccessTokens(actorUrn): String",
    "Mutation.revokeAccessTokens(ownerUrn): String",
    // What the list of tokens is sorted by.
    "ListAccessTokenInput.sort: SortCriterion",
    // What has become of a token, who it acts as, where it comes from, and when it was used.
    "AccessTokenMetadata.actor: CorpUser",
    "AccessTokenMetadata.createdVia: String",
    "AccessTokenMetadata.lastUsedAddress: String",
    "AccessTokenMetadata.lastUsedAgent: String",
    "AccessTokenMetadata.lastUsedAt: Long",
    "AccessTokenMetadata.status: AccessTokenStatus!",
    "AccessTokenStatus = ACTIVE",
    "AccessTokenStatus = EXPIRED",
    "AccessTokenStatus = REVOKED",
    // Which tokens can be made. DataHub has that too, in a place that is not known here.
    "AuthConfig.accessTokens: AccessTokensConfig!",
    "AccessTokensConfig.allowNoExpiry: Boolean!",
    "AccessTokensConfig.allowedDurations: [String!]!",
    // Policies that are for roles.
    "ActorFilterInput.roles: [String!]",
    // A condition that is stored and not known.
    "PolicyMatchCondition = UNKNOWN",
    // Groups, in a list of them.
    "CorpGroup.memberCount: Int",
    "CorpGroup.roleUrns: [String!]",
    // Entities of which no more than the urn is known.
    "EntityReference implements Entity",
    "EntityReference.relationships(input): RelationshipsInput!",
    "EntityReference.relationships: EntityRelationshipsResult",
    "EntityReference.type: EntityType!",
    "EntityReference.urn: String!",
];

/// A schema as facts, one line each.
fn facts(sdl: &str) -> BTreeSet<String> {
    let mut facts = BTreeSet::new();
    for definition in parse_schema(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let name = definition.name.node.as_str();
        match definition.kind {
            TypeKind::Scalar => drop(facts.insert(format!("scalar {name}"))),
            TypeKind::Object(object) => {
                for interface in object.implements {
                    facts.insert(format!("{name} implements {}", interface.node));
                }
                fields(name, &object.fields, &mut facts);
            }
            TypeKind::Interface(interface) => {
                facts.insert(format!("interface {name}"));
                fields(name, &interface.fields, &mut facts);
            }
            TypeKind::Union(_) => panic!("{name}: there is none"),
            TypeKind::Enum(of) => {
                for value in of.values {
                    facts.insert(format!("{name} = {}", value.node.value.node));
                }
            }
            TypeKind::InputObject(input) => {
                for field in &input.fields {
                    facts.insert(format!("{name}.{}", value(field)));
                }
            }
        }
    }
    facts
}

fn fields(of: &str, fields: &[Positioned<FieldDefinition>], facts: &mut BTreeSet<String>) {
    for field in fields {
        let field = &field.node;
        let name = &field.name.node;
        facts.insert(format!("{of}.{name}: {}", field.ty.node));
        for argument in &field.arguments {
            let argument = value(argument);
            let (argument, rest) = argument.split_once(": ").unwrap();
            facts.insert(format!("{of}.{name}({argument}): {rest}"));
        }
    }
}

fn value(input: &Positioned<InputValueDefinition>) -> String {
    let input = &input.node;
    let default = input.default_value.as_ref();
    let default = default.map(|value| format!(" = {}", value.node)).unwrap_or_default();
    format!("{}: {}{default}", input.name.node, input.ty.node)
}

fn ours() -> String {
    let access = Access::new(&config().build().unwrap(), Arc::new(MemoryStore::default()));
    GraphqlService::new(access).sdl()
}

#[test]
fn what_is_claimed_of_datahubs_schema_is_there_and_the_same() {
    let datahub = std::fs::read_to_string("tests/data/graphql/datahub.graphql").unwrap();
    let (datahub, ours) = (facts(&datahub), facts(&ours()));
    assert!(datahub.len() > 350, "{}", datahub.len());
    let missing: Vec<_> = datahub.difference(&ours).collect();
    assert!(missing.is_empty(), "in DataHub's and not in ours: {missing:#?}");
    let more: BTreeSet<&str> = ours.difference(&datahub).map(String::as_str).collect();
    let allowed: BTreeSet<&str> = MORE.iter().copied().collect();
    let unknown: Vec<_> = more.difference(&allowed).collect();
    assert!(unknown.is_empty(), "in ours and not in DataHub's: {unknown:#?}");
    let gone: Vec<_> = allowed.difference(&more).collect();
    assert!(gone.is_empty(), "allowed and not in ours: {gone:#?}");
}

#[test]
fn everything_is_described() {
    let mut silent = BTreeMap::new();
    for definition in parse_schema(ours()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let name = definition.name.node.to_string();
        let mut places = Vec::new();
        let roots = ["Query", "Mutation"].contains(&name.as_str());
        if definition.description.is_none() && !roots {
            places.push("itself".to_owned());
        }
        match definition.kind {
            TypeKind::Object(object) => places.extend(
                object
                    .fields
                    .iter()
                    .filter(|f| f.node.description.is_none())
                    .map(|f| f.node.name.to_string()),
            ),
            TypeKind::InputObject(object) => places.extend(
                object
                    .fields
                    .iter()
                    .filter(|f| f.node.description.is_none())
                    .map(|f| f.node.name.to_string()),
            ),
            TypeKind::Enum(of) => places.extend(
                of.values
                    .iter()
                    .filter(|v| v.node.description.is_none())
                    .map(|v| v.node.value.to_string()),
            ),
            _ => {}
        }
        if !places.is_empty() {
            silent.insert(name, places);
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}
