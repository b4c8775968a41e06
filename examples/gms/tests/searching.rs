//! Searching: what is found, and by whom.

use super::*;

const SCROLL: &str = "/openapi/v3/entity/scroll";

fn dataset(platform: &str, name: &str) -> String {
    format!("urn:li:dataset:(urn:li:dataPlatform:{platform},{name},PROD)")
}

async fn filled() -> Result<Gms, Box<dyn Error>> {
    let gms = Gms::new().await?;
    let property = |urn: &str, properties: Value| {
        proposal(urn, "datasetProperties", json!({ "customProperties": properties }))
    };
    let proposals = json!([
        property(&dataset("hive", "a"), json!({ "team": "sales" })),
        property(&dataset("s3", "b"), json!({})),
        proposal(&dataset("s3", "b"), "status", json!({ "removed": true })),
        proposal("urn:li:tag:a", "tagProperties", json!({ "name": "Gold" })),
        proposal("urn:li:chart:(looker,1)", "chartInfo", json!({ "title": "Sales per day" })),
    ]);
    gms.propose_all("datahub", proposals).await?.is(200)?;
    Ok(gms)
}

async fn found(gms: &Gms, who: &str, query: &str, body: Value) -> Result<Value, Box<dyn Error>> {
    let path = format!("{SCROLL}?count=100&{query}");
    gms.send(who, Method::POST, &path, &body).await?.is(200)
}

fn urns(found: &Value) -> Vec<String> {
    let entities = found["entities"].as_array().into_iter().flatten();
    entities.filter_map(|entity| Some(entity["urn"].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn a_search_finds_what_matches_all_of_its_conditions() -> TestResult {
    let gms = filled().await?;
    let is = |field: &str, value: &str| json!({ "field": field, "values": [value] });
    let not = |mut criterion: Value| {
        criterion["negated"] = json!(true);
        criterion
    };
    let hive = "urn:li:dataPlatform:hive";
    let (a, b, orders) = (dataset("hive", "a"), dataset("s3", "b"), ORDERS.to_owned());
    let chart = "urn:li:chart:(looker,1)".to_owned();
    for (criteria, expected) in [
        (vec![is("platform.keyword", hive)], vec![&a, &orders]),
        (vec![is("platform", "urn:li:dataPlatform:looker")], vec![&chart]),
        (vec![is("_entityType", "DATASET")], vec![&a, &orders]),
        (vec![is("_entityType", "CHART")], vec![&chart]),
        (vec![is("removed", "true")], vec![&b]),
        (vec![not(is("removed", "true")), is("origin", "PROD")], vec![&a, &orders]),
        (vec![is("customProperties", "team=sales")], vec![&a]),
        (vec![is("urn", &a)], vec![&a]),
        (vec![is("owners", "urn:li:corpuser:owner")], vec![&orders]),
        (vec![is("platform", hive), not(is("urn", &a))], vec![&orders]),
        (vec![is("platform", hive), is("env", "PROD")], vec![]),
        (vec![json!({ "field": "owners", "condition": "EXISTS" })], vec![&orders]),
        (vec![json!({ "field": "urn", "values": ["hive,a"], "condition": "CONTAIN" })], vec![&a]),
        (
            vec![json!({ "field": "urn", "values": ["urn:li:ch"], "condition": "START_WITH" })],
            vec![&chart],
        ),
    ] {
        let filter = json!({ "and": [{ "criteria": criteria }] });
        let body = json!({ "entities": ["dataset", "chart"], "filter": filter });
        let answer = found(&gms, "plain", "", body).await?;
        let expected: Vec<String> = expected.into_iter().cloned().collect();
        assert_eq!(urns(&answer).len(), expected.len(), "{criteria:?} {answer}");
        assert!(expected.iter().all(|urn| urns(&answer).contains(urn)), "{criteria:?} {answer}");
        assert_eq!(answer["totalCount"], expected.len());
    }
    for (text, expected) in [("*", 4), ("", 4), ("SALES", 1), ("sales%20day", 1), ("sales%20x", 0)]
    {
        let body = json!({ "entities": ["dataset", "chart", "tag"] });
        let answer = found(&gms, "plain", &format!("query={text}"), body).await?;
        assert_eq!(urns(&answer).len(), expected, "{text}");
    }
    let all = found(&gms, "plain", "includeSoftDelete=true", json!({ "entities": ["dataset"] }));
    assert_eq!(urns(&all.await?).len(), 3);
    // With aspects, if they are asked for.
    let body = json!({ "entities": ["tag"], "aspects": ["tagProperties"] });
    let answer = found(&gms, "plain", "systemMetadata=true", body).await?;
    let aspect = &answer["entities"][0]["tagProperties"];
    assert_eq!(aspect["value"]["name"], "Gold");
    assert_eq!(aspect["systemMetadata"]["runId"], "run");
    assert_eq!(answer["entities"][0]["tagKey"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() -> TestResult {
    let gms = filled().await?;
    let mut seen = Vec::new();
    let mut from = String::new();
    for _ in 0..3 {
        let path = format!("{SCROLL}?count=2&scrollId={from}");
        let body = json!({ "entities": ["dataset", "chart", "tag"] });
        let page = gms.send("plain", Method::POST, &path, &body).await?.is(200)?;
        assert_eq!(page["totalCount"], 4);
        seen.extend(urns(&page));
        match page["scrollId"].as_str() {
            Some(next) => from = next.replace('(', "%28"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(sorted, seen);
    for (query, body) in [
        ("count=0", json!({})),
        ("count=-1", json!({})),
        ("count=5001", json!({})),
        ("", json!({ "entities": ["nonsense"] })),
        ("", json!({ "nonsense": 1 })),
        ("", json!({ "filter": { "and": [{ "criteria": [{ "field": "nonsense" }] }] } })),
        (
            "",
            json!({ "filter": { "and": [{ "criteria": [{ "field": "urn", "condition": "LIKE" }] }] } }),
        ),
        ("", json!({ "filter": { "and": [{ "criteria": [] }, { "criteria": [] }] } })),
    ] {
        gms.send("datahub", Method::POST, &format!("{SCROLL}?{query}"), &body).await?.is(400)?;
    }
    Ok(())
}

#[tokio::test]
async fn nobody_finds_or_counts_what_they_may_not_read() -> TestResult {
    let gms = filled().await?;
    let body = json!({ "entities": ["dataset"] });
    gms.send("nobody", Method::POST, SCROLL, &body).await?.is(401)?;
    gms.hide().await?;
    gms.send("plain", Method::POST, SCROLL, &body).await?.says(403, "on every dataset")?;
    // Of all types, they find what they may read: nothing but themselves.
    let answer = found(&gms, "plain", "", json!({})).await?;
    assert!(!urns(&answer).iter().any(|urn| !urn.contains("corpuser:plain")), "{answer}");
    assert_eq!(answer["totalCount"], urns(&answer).len());
    // All datasets but one.
    let but_orders = json!({ "filter": { "criteria": [
        { "field": "URN", "values": [ORDERS], "condition": "NOT_EQUALS" },
    ] } });
    gms.grant(&[may("plain", &["VIEW_ENTITY_PAGE"], but_orders)]).await?;
    let answer = found(&gms, "plain", "", body.clone()).await?;
    assert_eq!(urns(&answer), [dataset("hive", "a")]);
    assert_eq!(answer["totalCount"], 1);
    assert_eq!(answer["scrollId"], Value::Null);
    let answer = found(&gms, "datahub", "", body).await?;
    assert_eq!(answer["totalCount"], 2);
    Ok(())
}

/// As the client asks for the urns of what it finds.
async fn scrolled(gms: &Gms, who: &str, input: Value) -> Result<Value, Box<dyn Error>> {
    let query = "query scroll($input: ScrollAcrossEntitiesInput!) {
        scrollAcrossEntities(input: $input) { nextScrollId count total searchResults {
            entity { urn type } extraProperties { name value } } } }";
    let body = json!({ "query": query, "variables": { "input": input } });
    gms.act(who, "api/graphql", &body).await?.is(200)
}

fn hits(body: &Value, field: &str) -> Vec<String> {
    let results = body["data"][field]["searchResults"].as_array().into_iter().flatten();
    results.filter_map(|hit| Some(hit["entity"]["urn"].as_str()?.to_owned())).collect()
}

#[tokio::test]
async fn graphql_finds_the_same_and_no_more() -> TestResult {
    let gms = filled().await?;
    gms.act("nobody", "api/graphql", &json!({ "query": "{ __typename }" })).await?.is(401)?;
    let me = json!({ "query": "{ me { corpUser { urn } } }" });
    let me = gms.act("plain", "api/graphql", &me).await?.is(200)?;
    assert_eq!(me["data"]["me"]["corpUser"]["urn"], json!(user("plain")));
    let hive = json!({ "types": ["DATASET"], "query": "*", "count": 1, "orFilters": [{ "and": [
        { "field": "platform.keyword", "values": ["urn:li:dataPlatform:hive"], "condition": "EQUAL" },
        { "field": "removed", "values": ["true"], "condition": "EQUAL", "negated": true },
    ] }] });
    let first = scrolled(&gms, "plain", hive.clone()).await?;
    let found = &first["data"]["scrollAcrossEntities"];
    assert_eq!((&found["count"], &found["total"]), (&json!(1), &json!(2)), "{first}");
    assert_eq!(found["searchResults"][0]["entity"]["type"], "DATASET");
    let mut next = hive.clone();
    next["scrollId"] = found["nextScrollId"].clone();
    let second = scrolled(&gms, "plain", next).await?;
    assert_eq!(second["data"]["scrollAcrossEntities"]["nextScrollId"], Value::Null);
    let both = [hits(&first, "scrollAcrossEntities"), hits(&second, "scrollAcrossEntities")];
    assert_eq!(both.concat(), [dataset("hive", "a"), ORDERS.to_owned()]);

    let search = |start: i32| {
        let query = format!(
            "{{ searchAcrossEntities(input: {{ query: \"*\", types: [DATASET], start: {start}, \
             count: 1 }}) {{ start count total searchResults {{ entity {{ urn type }} }} }} }}"
        );
        json!({ "query": query })
    };
    let body = gms.act("plain", "api/graphql", &search(1)).await?.is(200)?;
    assert_eq!(hits(&body, "searchAcrossEntities"), [ORDERS]);
    assert_eq!(body["data"]["searchAcrossEntities"]["total"], 2);
    for (name, value) in [
        ("count", json!(-1)),
        ("count", json!(1_000_000)),
        ("orFilters", json!([{ "and": [{ "field": "nonsense", "values": ["x"] }] }])),
        ("orFilters", json!([{ "and": [{ "field": "urn", "condition": "GREATER_THAN" }] }])),
        ("types", json!(["OTHER"])),
        ("types", json!(["NONSENSE"])),
        ("sortInput", json!({ "sortCriterion": { "field": "name", "sortOrder": "ASCENDING" } })),
    ] {
        let mut input = hive.clone();
        input[name] = value;
        let refused = scrolled(&gms, "datahub", input).await?;
        assert!(refused["errors"][0]["message"].is_string(), "{name}: {refused}");
    }

    // Who may read nothing finds nothing, and no number tells of it.
    gms.hide().await?;
    let found = scrolled(&gms, "plain", hive.clone()).await?;
    let found = &found["data"]["scrollAcrossEntities"];
    assert_eq!((&found["total"], &found["nextScrollId"]), (&json!(0), &Value::Null));
    assert_eq!(found["searchResults"], json!([]));
    let body = gms.act("plain", "api/graphql", &search(0)).await?.is(200)?;
    assert_eq!(body["data"]["searchAcrossEntities"]["total"], 0, "{body}");
    gms.grant(&[may("plain", &["GET_ENTITY_PRIVILEGE"], only(&[ORDERS]))]).await?;
    let found = scrolled(&gms, "plain", hive).await?;
    assert_eq!(hits(&found, "scrollAcrossEntities"), [ORDERS]);
    assert_eq!(found["data"]["scrollAcrossEntities"]["total"], 1);
    Ok(())
}

/// Who finds little in much has to ask again.
#[tokio::test]
async fn a_search_looks_at_so_much_and_the_next_goes_on_there() -> TestResult {
    let gms = Gms::new().await?;
    for from in [0, 600] {
        let tags: Vec<Value> = (from..from + 600)
            .map(|number| {
                let urn = format!("urn:li:tag:t{number:04}");
                json!({ "urn": urn, "status": { "value": { "removed": number != 1_100 } } })
            })
            .collect();
        gms.post("datahub", "tag", &json!(tags)).await?.is(200)?;
    }
    let query = json!({ "types": ["TAG"], "query": "*", "count": 10 });
    let first = scrolled(&gms, "datahub", query.clone()).await?;
    assert_eq!(hits(&first, "scrollAcrossEntities"), [] as [&str; 0]);
    let next = &first["data"]["scrollAcrossEntities"]["nextScrollId"];
    assert!(next.is_string(), "{first}");
    let mut query = query;
    query["scrollId"] = next.clone();
    let second = scrolled(&gms, "datahub", query).await?;
    assert_eq!(hits(&second, "scrollAcrossEntities"), ["urn:li:tag:t1100"]);
    assert_eq!(second["data"]["scrollAcrossEntities"]["nextScrollId"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn graphql_says_what_its_queries_are_and_keeps_what_did_not_fail() -> TestResult {
    let gms = Gms::new().await?;
    let names = json!({ "query": "{ __type(name: \"Query\") { fields { name } } }" });
    let body = gms.act("plain", "api/graphql", &names).await?.is(200)?;
    let fields = body["data"]["__type"]["fields"].as_array().ok_or("no fields")?;
    for name in ["me", "scrollAcrossEntities"] {
        assert!(fields.contains(&json!({ "name": name })), "{name}");
    }
    // What fails is null, and not the whole.
    let query = "{ me { corpUser { username } } corpUser(urn: \"x\") { urn } }";
    let body = gms.act("plain", "api/graphql", &json!({ "query": query })).await?.is(200)?;
    let expected = json!({ "me": { "corpUser": { "username": "plain" } }, "corpUser": null });
    assert_eq!(body["data"], expected);
    Ok(())
}
