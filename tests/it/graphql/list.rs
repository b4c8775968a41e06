//! Lists of tokens.

use serde_json::{Value, json};
use tower_pat::{
    policy::PolicyStore,
    token::{AccessTokenDuration, TokenType},
    token_service::MintRequest,
};

use super::{Api, LIST};
use crate::support::{urn, user};

/// Seven tokens of several people, a minute apart, beside those by which is asked.
async fn several() -> Api {
    let api = Api::new().await;
    let day = AccessTokenDuration::OneDay;
    for (name, actor, owner, duration) in [
        ("a1", "alice", "alice", AccessTokenDuration::OneHour),
        ("a2", "alice", "alice", day),
        ("b1", "bob", "bob", AccessTokenDuration::OneMonth),
        ("B2", "bob", "bob", day),
        ("ab", "alice", "bob", day),
        ("ba", "bob", "alice", AccessTokenDuration::OneWeek),
        ("100%_x'; --", "bob", "datahub", day),
    ] {
        api.world.clock.advance(std::time::Duration::from_secs(60));
        let mut request = MintRequest::new(TokenType::Personal, user(actor), duration.lifetime())
            .name(name)
            .owner(user(owner));
        request.description = name.starts_with('a').then(|| format!("about {name}"));
        api.world.tokens.mint(request).await.unwrap();
    }
    api
}

async fn names(api: &Api, token: &str, input: Value) -> Vec<String> {
    let data = api.data(token, LIST, json!({ "input": input })).await;
    let tokens = data["listAccessTokens"]["tokens"].as_array().unwrap().clone();
    let name = |token: &Value| token["name"].as_str().unwrap().to_owned();
    let mut names: Vec<_> = tokens.iter().map(name).collect();
    names.retain(|name| name != "admin" && name != "alice");
    names
}

/// The names of the tokens for which a filter holds, in their order by name.
async fn filtered(api: &Api, filter: Value) -> String {
    let sort = json!({ "field": "name", "sortOrder": "ASCENDING" });
    let input = json!({ "filters": [filter], "sort": sort });
    names(api, &api.admin, input).await.join(" ")
}

#[tokio::test]
async fn every_field_is_filtered_by_what_it_can_be() {
    let api = several().await;
    let alice = "urn:li:corpuser:alice";
    let bob = "urn:li:corpuser:bob";
    let made = 1_750_000_000_000_i64;
    let b2 = (made + 4 * 60_000).to_string();
    for (filter, expected) in [
        (json!({ "field": "ownerUrn", "values": [alice] }), "a1 a2 ba"),
        (json!({ "field": "ownerUrn.keyword", "values": [alice] }), "a1 a2 ba"),
        (json!({ "field": "ownerUrn", "value": alice }), "a1 a2 ba"),
        (json!({ "field": "ownerUrn", "values": [bob], "value": alice }), "B2 ab b1"),
        (
            json!({ "field": "ownerUrn", "values": [alice], "negated": true }),
            "100%_x'; -- B2 ab b1",
        ),
        (json!({ "field": "actorUrn", "values": [alice], "condition": "EQUAL" }), "a1 a2 ab"),
        (
            json!({ "field": "actorUrn", "values": [alice, bob], "condition": "IN" }),
            "100%_x'; -- B2 a1 a2 ab b1 ba",
        ),
        (json!({ "field": "actorUrn", "values": ["urn:li:corpuser:nobody"] }), ""),
        (json!({ "field": "actorUrn", "values": [] }), ""),
        (
            json!({ "field": "actorUrn", "values": [":BO"], "condition": "CONTAIN" }),
            "100%_x'; -- B2 b1 ba",
        ),
        (
            json!({ "field": "ownerUrn", "values": ["URN:LI:CORPUSER:BOB"], "condition": "IEQUAL" }),
            "B2 ab b1",
        ),
        (json!({ "field": "ownerUrn", "values": ["bob"], "condition": "END_WITH" }), "B2 ab b1"),
        (json!({ "field": "name", "values": ["b2"] }), ""),
        (json!({ "field": "name", "values": ["b2"], "condition": "IEQUAL" }), "B2"),
        (json!({ "field": "name", "values": ["b"], "condition": "CONTAIN" }), "B2 ab b1 ba"),
        (json!({ "field": "name", "values": ["b"], "condition": "START_WITH" }), "B2 b1 ba"),
        (json!({ "field": "name", "values": ["1", "2"], "condition": "END_WITH" }), "B2 a1 a2 b1"),
        // Nothing in a text is a wildcard, or an end of it.
        (json!({ "field": "name", "values": ["%"], "condition": "CONTAIN" }), "100%_x'; --"),
        (json!({ "field": "name", "values": ["_"], "condition": "CONTAIN" }), "100%_x'; --"),
        (json!({ "field": "name", "values": ["' OR '1'='1"] }), ""),
        (json!({ "field": "description", "values": ["about ab"] }), "ab"),
        (json!({ "field": "description", "condition": "EXISTS" }), "a1 a2 ab"),
        (
            json!({ "field": "description", "condition": "EXISTS", "negated": true }),
            "100%_x'; -- B2 b1 ba",
        ),
        (json!({ "field": "name", "condition": "EXISTS", "negated": true }), ""),
        (json!({ "field": "createdAt", "values": [b2], "condition": "LESS_THAN" }), "a1 a2 b1"),
        (
            json!({ "field": "createdAt", "values": [b2], "condition": "LESS_THAN_OR_EQUAL_TO" }),
            "B2 a1 a2 b1",
        ),
        (json!({ "field": "createdAt", "values": [b2] }), "B2"),
        (
            json!({ "field": "createdAt", "values": [b2], "condition": "GREATER_THAN_OR_EQUAL_TO" }),
            "100%_x'; -- B2 ab ba",
        ),
        (
            json!({ "field": "createdAt", "values": [b2], "condition": "GREATER_THAN" }),
            "100%_x'; -- ab ba",
        ),
        (
            json!({ "field": "expiresAt", "values": [(made + 7_200_000).to_string()], "condition": "LESS_THAN" }),
            "a1",
        ),
        (
            json!({ "field": "expiresAt", "values": [i64::MAX.to_string()], "condition": "GREATER_THAN" }),
            "",
        ),
    ] {
        assert_eq!(filtered(&api, filter.clone()).await, expected, "{filter}");
    }
    let all = api.data(&api.admin, LIST, json!({ "input": {} })).await;
    for token in all["listAccessTokens"]["tokens"].as_array().unwrap() {
        let input = json!({ "filters": [{ "field": "id", "values": [token["id"]] }] });
        let found = api.data(&api.admin, LIST, json!({ "input": input })).await;
        assert_eq!(found["listAccessTokens"]["tokens"], json!([token]));
    }
}

#[tokio::test]
async fn all_filters_must_hold() {
    let api = several().await;
    let filters = json!([
        { "field": "ownerUrn", "values": ["urn:li:corpuser:bob"] },
        { "field": "actorUrn", "values": ["urn:li:corpuser:bob"] },
        { "field": "name", "values": ["b1"], "negated": true }
    ]);
    assert_eq!(names(&api, &api.admin, json!({ "filters": filters })).await, ["B2"]);
}

#[tokio::test]
async fn filters_that_make_no_sense_are_bad_requests() {
    let api = Api::new().await;
    for (filter, told) in [
        (json!({ "field": "nothing", "values": ["x"] }), "access tokens are not filtered by"),
        (json!({ "field": "name' --", "values": ["x"] }), "access tokens are not filtered by"),
        (json!({ "field": "ownerUrn", "values": ["alice"] }), "ownerUrn is not a urn"),
        (json!({ "field": "createdAt", "values": ["now"] }), "createdAt is compared with"),
        (json!({ "field": "id", "values": ["x"] }), "a token id is 44 characters"),
        (json!({ "field": "name" }), "the filter by name has no values"),
        (
            json!({ "field": "name", "values": ["x"], "condition": "GREATER_THAN" }),
            "name is not compared by GREATER_THAN",
        ),
        (
            json!({ "field": "ownerUrn", "values": ["x"], "condition": "DESCENDANTS_INCL" }),
            "ownerUrn is not compared by DESCENDANTS_INCL",
        ),
    ] {
        let input = json!({ "input": { "filters": [filter.clone()] } });
        let (code, message) = api.error(&api.admin, LIST, input).await;
        assert_eq!(code, 400, "{filter}");
        assert!(message.starts_with(told), "{filter}: {message}");
    }
    let sort = json!({ "input": { "sort": { "field": "id", "sortOrder": "ASCENDING" } } });
    assert_eq!(api.error(&api.admin, LIST, sort).await.0, 400);
}

#[tokio::test]
async fn lists_are_sorted_and_paged_without_gaps() {
    let api = several().await;
    let by = |field: &str, order: &str| json!({ "sort": { "field": field, "sortOrder": order } });
    let latest = names(&api, &api.admin, json!({})).await;
    assert_eq!(latest, ["b1", "ba", "100%_x'; --", "ab", "B2", "a2", "a1"]);
    let mut earliest = names(&api, &api.admin, by("expiresAt", "ASCENDING")).await;
    earliest.reverse();
    assert_eq!(earliest, latest);
    let made = names(&api, &api.admin, by("createdAt", "ASCENDING")).await;
    assert_eq!(made, ["a1", "a2", "b1", "B2", "ab", "ba", "100%_x'; --"]);

    let mut paged = Vec::new();
    for start in 0..9 {
        let input = json!({ "input": { "start": start, "count": 1 } });
        let data = api.data(&api.admin, LIST, input).await;
        let list = &data["listAccessTokens"];
        assert_eq!((&list["start"], &list["count"]), (&json!(start), &json!(1)));
        assert_eq!(list["total"], 9);
        paged.push(list["tokens"][0]["name"].as_str().unwrap().to_owned());
    }
    paged.retain(|name| name != "admin" && name != "alice");
    assert_eq!(paged, latest);
    let behind = json!({ "input": { "start": 9, "count": 20 } });
    let data = api.data(&api.admin, LIST, behind).await;
    assert_eq!(data["listAccessTokens"]["tokens"], json!([]));
    let none = api.data(&api.admin, LIST, json!({ "input": { "count": 0 } })).await;
    assert_eq!(
        none["listAccessTokens"],
        json!({ "start": 0, "count": 0, "total": 9, "tokens": [] })
    );
    let first = api.data(&api.admin, LIST, json!({ "input": {} })).await;
    assert_eq!(first["listAccessTokens"]["count"], 20);
}

#[tokio::test]
async fn pages_that_are_none_are_bad_requests() {
    let api = Api::new().await;
    for (input, told) in [
        (json!({ "start": -1 }), "start must not be negative"),
        (json!({ "count": -1 }), "count must not be negative"),
        (json!({ "count": i32::MIN }), "count must not be negative"),
        (json!({ "count": 1_001 }), "count must be at most 1000"),
        (json!({ "count": i32::MAX }), "count must be at most 1000"),
        (json!({ "start": i32::MAX }), "start must be at most 10000000"),
    ] {
        let told = (400, told.to_owned());
        assert_eq!(api.error(&api.admin, LIST, json!({ "input": input })).await, told);
    }
    for lists in [
        "query ($input: ListUsersInput!) { listUsers(input: $input) { total } }",
        "query ($input: ListGroupsInput!) { listGroups(input: $input) { total } }",
        "query ($input: ListRolesInput!) { listRoles(input: $input) { total } }",
        "query ($input: ListPoliciesInput!) { listPolicies(input: $input) { total } }",
        "query ($input: ListServiceAccountsInput!) { listServiceAccounts(input: $input) { total } }",
    ] {
        for input in [json!({ "start": -1 }), json!({ "count": 1_001 })] {
            assert_eq!(api.error(&api.admin, lists, json!({ "input": input })).await.0, 400);
        }
        let input = json!({ "input": { "start": 0, "count": 1_000 } });
        api.data(&api.admin, lists, input).await;
    }
}

#[tokio::test]
async fn who_does_not_manage_tokens_lists_their_own_and_asks_for_them_plainly() {
    let api = several().await;
    let alice = "urn:li:corpuser:alice";
    let own = |filter: Value| json!({ "filters": [filter] });
    for (filter, expected) in [
        (json!({ "field": "ownerUrn", "values": [alice] }), ["ba", "a2", "a1"]),
        (json!({ "field": "ownerUrn", "value": alice }), ["ba", "a2", "a1"]),
        (
            json!({ "field": "ownerUrn", "values": [alice], "condition": "EQUAL", "negated": false }),
            ["ba", "a2", "a1"],
        ),
        (json!({ "field": "actorUrn", "values": [alice] }), ["ab", "a2", "a1"]),
    ] {
        assert_eq!(names(&api, &api.alice, own(filter.clone())).await, expected, "{filter}");
    }
    for filter in [
        json!({ "field": "ownerUrn", "values": [alice], "negated": true }),
        json!({ "field": "ownerUrn", "values": [alice, "urn:li:corpuser:bob"] }),
        json!({ "field": "ownerUrn", "values": ["urn:li:corpuser:bob"] }),
        json!({ "field": "ownerUrn", "values": [alice], "condition": "CONTAIN" }),
        json!({ "field": "ownerUrn", "values": [alice], "condition": "IEQUAL" }),
        json!({ "field": "ownerUrn", "values": [alice], "condition": "EXISTS" }),
        json!({ "field": "name", "values": [alice] }),
    ] {
        let input = json!({ "input": own(filter.clone()) });
        assert_eq!(api.error(&api.alice, LIST, input).await.0, 403, "{filter}");
    }
    assert_eq!(api.error(&api.alice, LIST, json!({ "input": {} })).await.0, 403);
}

#[tokio::test]
async fn owner_and_actor_are_shown_as_far_as_the_caller_may_see_them() {
    let api = several().await;
    let query = "query ($input: ListAccessTokenInput!) { listAccessTokens(input: $input) { tokens {
        name owner { username status exists properties { active } } actor { username status }
    } } }";
    let filter = json!({ "field": "actorUrn", "values": ["urn:li:corpuser:alice"] });
    let input = json!({ "input": { "filters": [filter], "count": 2 } });
    let shown = |owner: Value| {
        json!({ "listAccessTokens": { "tokens": [
            { "name": "alice", "owner": { "username": "alice", "status": "ACTIVE",
                "exists": true, "properties": { "active": true } },
                "actor": { "username": "alice", "status": "ACTIVE" } },
            { "name": "ab", "owner": owner,
                "actor": { "username": "alice", "status": "ACTIVE" } }
        ] } })
    };
    let whole = json!({ "username": "bob", "status": "ACTIVE", "exists": true,
        "properties": { "active": true } });
    assert_eq!(api.data(&api.alice, query, input.clone()).await, shown(whole));

    // Without the policy that shows everybody everything.
    let policy = urn("urn:li:dataHubPolicy:view-entity-page-all");
    assert!(api.world.store.inner.delete_policy(&policy).await.unwrap());
    let seen = "{ corpUser(urn: \"urn:li:corpuser:bob\") { urn } }";
    let until = async {
        while api.ask(&api.alice, seen, json!({})).await.get("errors").is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(1), until).await.unwrap();
    let hidden = json!({ "username": "bob", "status": null, "exists": null, "properties": null });
    assert_eq!(api.data(&api.alice, query, input).await, shown(hidden));
    assert_eq!(api.error(&api.alice, seen, json!({})).await.0, 403);
}
