//! A service with fields of its own.

use async_graphql::{Context, MergedObject, Object, Result};
use serde_json::json;
use tower_pat::{
    Authentication, Privilege,
    access::{Access, Caller},
    graphql::{
        Entity, EntityReference, EntityType, FacetFilterInput, GraphqlService, Mutation, Query,
    },
    store::MemoryStore,
};

use super::Api;
use crate::support::config;

#[derive(Default)]
struct Own;

#[Object]
impl Own {
    /// Whoever asks.
    async fn whoami(&self, ctx: &Context<'_>) -> Result<String> {
        let urn = ctx.data::<Caller>()?.urn().map(ToString::to_string);
        Ok(urn.unwrap_or_default())
    }

    async fn guarded(&self, ctx: &Context<'_>) -> Result<Option<i32>> {
        ctx.data::<Authentication>()?.require(Privilege::MANAGE_POLICIES)?;
        Ok(Some(7))
    }

    async fn broken(&self) -> Result<Option<i32>> {
        Err(std::io::Error::other("something fell over").into())
    }

    async fn told(&self) -> Result<Option<i32>> {
        Err(async_graphql::Error::new("the index is away"))
    }

    async fn panics(&self) -> i32 {
        [].iter().copied().max().expect("on purpose")
    }

    async fn surely(&self) -> Result<i32> {
        Err(std::io::Error::other("something fell over").into())
    }

    async fn failures(&self, count: i32) -> Vec<Failing> {
        (0..count).map(|_| Failing).collect()
    }

    async fn search(&self, filters: Vec<FacetFilterInput>, count: i32) -> Vec<Entity> {
        let urn = |n: i32| format!("urn:li:dataset:{}{n}", filters[0].field).parse().unwrap();
        (0..count).map(|n| Entity::EntityReference(EntityReference::new(urn(n)))).collect()
    }
}

struct Failing;

#[Object]
impl Failing {
    async fn fails(&self) -> Result<Option<i32>> {
        Err(async_graphql::Error::new("it fails"))
    }
}

#[derive(Default, MergedObject)]
#[graphql(name = "Query")]
struct AllQueries(Query, Own);

#[derive(Default)]
struct OwnMutations;

#[Object]
impl OwnMutations {
    async fn touch(&self) -> bool {
        true
    }
}

#[derive(Default, MergedObject)]
#[graphql(name = "Mutation")]
struct AllMutations(Mutation, OwnMutations);

async fn api() -> Api {
    let roots =
        |access| GraphqlService::with_roots(access, AllQueries::default(), AllMutations::default());
    Api::with_service(config(), roots).await
}

#[tokio::test]
async fn a_services_own_fields_stand_beside_ours() {
    let api = api().await;
    let query = "{ whoami me { corpUser { username } } guarded __typename
        search(filters: [{field: \"x\"}], count: 1) { urn type __typename } }";
    let expected = json!({
        "whoami": "urn:li:corpuser:datahub", "me": { "corpUser": { "username": "datahub" } },
        "guarded": 7, "__typename": "Query",
        "search": [{ "urn": "urn:li:dataset:x0", "type": "DATASET", "__typename": "EntityReference" }]
    });
    assert_eq!(api.data(&api.admin, query, json!({})).await, expected);
    let touched = api.data(&api.alice, "mutation { touch }", json!({})).await;
    assert_eq!(touched, json!({ "touch": true }));
    api.create(&api.alice, super::personal("alice", "x")).await;
    // Texts for numbers are taken there, too, and limits hold.
    let query = "query ($n: Int!) { search(filters: [{field: \"x\"}], count: $n) { urn } }";
    let found = api.data(&api.alice, query, json!({ "n": "2" })).await;
    assert_eq!(found["search"].as_array().unwrap().len(), 2);
    let many: String = (0..100).map(|n| format!("a{n}: touch ")).collect();
    let json = api.ask(&api.alice, &format!("mutation {{ {many} }}"), json!({})).await;
    assert_eq!(json["errors"][0]["extensions"]["classification"], "ExecutionAborted");
}

#[tokio::test]
async fn errors_of_a_services_own_fields_have_datahubs_form() {
    let api = api().await;
    assert_eq!(api.error(&api.alice, "{ guarded }", json!({})).await.0, 403);
    let told = (500, "something fell over".to_owned());
    assert_eq!(api.error(&api.alice, "{ broken }", json!({})).await, told);
    let told = (500, "the index is away".to_owned());
    assert_eq!(api.error(&api.alice, "{ told }", json!({})).await, told);
}

#[tokio::test]
async fn a_panic_ends_one_answer_and_says_nothing() {
    let api = api().await;
    let json = api.ask(&api.alice, "{ whoami panics }", json!({})).await;
    let expected = json!({ "data": null, "extensions": {}, "errors": [{
        "message": "An unknown error occurred.",
        "extensions":
            { "code": 500, "type": "SERVER_ERROR", "classification": "DataFetchingException" }
    }] });
    assert_eq!(json, expected);
    api.data(&api.alice, "{ whoami }", json!({})).await;
}

#[tokio::test]
async fn an_answer_has_a_hundred_errors_at_most() {
    let api = api().await;
    let json = api.ask(&api.alice, "{ failures(count: 150) { fails } }", json!({})).await;
    assert_eq!(json["errors"].as_array().unwrap().len(), 100);
    assert_eq!(json["data"]["failures"], json!(vec![json!({ "fails": null }); 150]));
}

#[derive(Default, MergedObject)]
struct Elsewhere(Query, Own);

#[derive(Default, MergedObject)]
struct ElsewhereMutations(Mutation, OwnMutations);

#[tokio::test]
async fn what_fails_is_null_whatever_the_roots_are_called() {
    let roots = |access| {
        let (query, mutation) = (Elsewhere::default(), ElsewhereMutations::default());
        GraphqlService::with_roots(access, query, mutation)
    };
    let api = Api::with_service(config(), roots).await;
    let json = api.ask(&api.admin, "{ whoami guarded broken }", json!({})).await;
    let expected = json!({ "whoami": "urn:li:corpuser:datahub", "guarded": 7, "broken": null });
    assert_eq!(json["data"], expected);
    let json = api.ask(&api.admin, "{ whoami surely }", json!({})).await;
    assert_eq!(json["data"], json!(null));
    let mutation = "mutation { touch updatePolicy(urn: \"x\", input: {type: PLATFORM, name: \"x\",
        state: DRAFT, privileges: [], actors: {resourceOwners: false, allUsers: false,
        allGroups: false}}) }";
    let json = api.ask(&api.admin, mutation, json!({})).await;
    assert_eq!(json["data"], json!({ "touch": true, "updatePolicy": null }));
}

/// Its description ends where it should not.
struct Quoting;

#[Object]
impl Quoting {
    /// Says `"""` in its description.
    async fn quoted(&self) -> i32 {
        1
    }
}

#[derive(MergedObject)]
#[graphql(name = "Query")]
struct QuotingQueries(Query, Quoting);

#[test]
#[should_panic(expected = "the schema does not print itself as one")]
fn a_schema_that_cannot_be_read_is_refused_when_the_service_is_built() {
    let access =
        Access::new(&config().build().unwrap(), std::sync::Arc::new(MemoryStore::default()));
    let queries = QuotingQueries(Query::default(), Quoting);
    let _ = GraphqlService::with_roots(access, queries, AllMutations::default());
}

#[test]
fn entity_types_have_their_names_in_urns() {
    assert_eq!(EntityType::of("mlPrimaryKey"), EntityType::MlprimaryKey);
    assert_eq!(EntityType::of("something"), EntityType::Other);
    assert_eq!(EntityType::AccessToken.as_str(), "dataHubAccessToken");
    let group = Entity::of("urn:li:corpGroup:a".parse().unwrap());
    assert!(matches!(group, Entity::CorpGroup(_)));
}
