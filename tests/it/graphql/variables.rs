//! Texts for numbers, as DataHub's own users write them.

use serde_json::json;

use super::{Api, CREATE, LIST, personal};

#[tokio::test]
async fn start_and_count_may_be_texts() {
    let api = Api::new().await;
    let texts = json!({ "input": { "start": "0", "count": "20" } });
    let found = api.data(&api.admin, LIST, texts).await;
    let list = &found["listAccessTokens"];
    assert_eq!((&list["start"], &list["count"]), (&json!(0), &json!(20)));
    let query = "query ($start: Int, $count: Int!) {
        listUsers(input: {start: $start, count: $count}) { start count }
    }";
    let found = api.data(&api.admin, query, json!({ "start": "1", "count": "2" })).await;
    assert_eq!(found["listUsers"], json!({ "start": 1, "count": 2 }));
    let negative = json!({ "input": { "start": "-1" } });
    let told = (400, "start must not be negative".to_owned());
    assert_eq!(api.error(&api.admin, LIST, negative).await, told);
}

#[tokio::test]
async fn other_texts_for_numbers_are_refused_and_not_repeated() {
    let api = Api::new().await;
    for bad in ["1e99", " 7", "0x10", "99999999999", "7.0", "", "twenty", "--1", "1_000"] {
        let json = api.ask(&api.admin, LIST, json!({ "input": { "count": bad } })).await;
        assert_eq!(json["data"], json!(null));
        let expected = json!([{
            "message": "Variable $input.count has an invalid value: it is not an Int of 32 bits",
            "locations": [{ "line": 1, "column": 24 }],
            "extensions": { "classification": "ValidationError" }
        }]);
        assert_eq!(json["errors"], expected, "{bad}");
    }
    for bad in [json!(99_999_999_999_i64), json!(1.5), json!(true), json!([1]), json!({})] {
        let json = api.ask(&api.admin, LIST, json!({ "input": { "count": bad } })).await;
        let extensions = &json["errors"][0]["extensions"];
        assert_eq!(*extensions, json!({ "classification": "ValidationError" }), "{bad}");
    }
    // As it is where the value stands in the document.
    for bad in ["\"20\"", "1.5", "99999999999", "true"] {
        let query = format!("{{ listUsers(input: {{start: {bad}}}) {{ total }} }}");
        let json = api.ask(&api.admin, &query, json!({})).await;
        let extensions = &json["errors"][0]["extensions"];
        assert_eq!(*extensions, json!({ "classification": "ValidationError" }), "{bad}");
    }
}

#[tokio::test]
async fn a_text_with_digits_stays_a_text() {
    let api = Api::new().await;
    let (_, metadata) = api.create(&api.alice, personal("alice", "007")).await;
    assert_eq!(metadata["name"], "007");
    let mut number = personal("alice", "x");
    number["name"] = json!(7);
    let json = api.ask(&api.alice, CREATE, json!({ "input": number })).await;
    assert_eq!(json["errors"][0]["extensions"], json!({ "classification": "ValidationError" }));
}
