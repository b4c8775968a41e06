use std::{error::Error, fs};

use proptest::prelude::*;
use serde_json::{Value, json};
use tower_pat::policy::{Policy, PolicyLoadError, load_policies, parse_policies};

fn info() -> Value {
    json!({
        "displayName": "Readers", "type": "METADATA", "state": "ACTIVE",
        "privileges": ["VIEW_ENTITY_PAGE"], "actors": { "allUsers": true }
    })
}

fn record(id: &str, info: &Value) -> Value {
    json!({ "urn": format!("urn:li:dataHubPolicy:{id}"), "info": info })
}

/// The error and all its causes, as people read them.
fn refusal(value: &Value) -> String {
    text(&parse_policies(&value.to_string()).unwrap_err())
}

fn text(error: &PolicyLoadError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[test]
fn one_record_a_list_and_an_object_with_a_list_are_read() {
    let (a, b) = (record("a", &info()), record("b", &info()));
    let read = |value: &Value| parse_policies(&value.to_string()).unwrap();
    assert_eq!(read(&a).len(), 1);
    assert_eq!(read(&json!([a, b])).len(), 2);
    assert_eq!(read(&json!({ "note": "n", "policies": [a, b] })), read(&json!([a, b])));
    assert_eq!(read(&json!([])), []);
}

#[test]
fn a_policy_may_stand_beside_its_urn() {
    let mut beside = info();
    beside["urn"] = json!("urn:li:dataHubPolicy:a");
    let read = |value: &Value| parse_policies(&value.to_string()).unwrap();
    assert_eq!(read(&beside), read(&record("a", &info())));
}

#[test]
fn a_policy_without_a_urn_is_refused() {
    assert_eq!(refusal(&info()), "policy `Readers` is not a policy with its urn");
    assert_eq!(refusal(&json!([7])), "policy number 1 is not a policy with its urn");
    assert_eq!(
        refusal(&json!({ "urn": "nobody", "info": info() })),
        "policy `nobody` has no valid urn: a urn starts with `urn:`"
    );
}

#[test]
fn a_refusal_names_the_policy_and_the_field() {
    let refused = |field: &str, value: Value| {
        let mut info = info();
        info[field] = value;
        refusal(&json!([record("ok", &self::info()), record("bad", &info)]))
    };
    let name = "policy `urn:li:dataHubPolicy:bad` is not valid";
    for (field, value, expected) in [
        ("state", json!(1), "not a text, at state"),
        ("state", json!(null), "a required field is missing, at state"),
        ("privileges", json!(["A", 1]), "not a text, at privileges[1]"),
        ("privileges", json!("A"), "not a list, at privileges"),
        ("actors", json!([]), "not an object, at actors"),
        ("actors", json!({ "allUsers": "yes" }), "not true or false, at actors.allUsers"),
        ("actors", json!({ "everybody": true }), "a policy has no such field, at actors.everybody"),
        ("editable", json!(0), "not true or false, at editable"),
        (
            "lastUpdatedTimestamp",
            json!(1.5),
            "not a whole number of 64 bits, at lastUpdatedTimestamp",
        ),
        ("resuorces", json!({}), "a policy has no such field, at resuorces"),
        (
            "resources",
            json!({ "filter": {} }),
            "a required field is missing, at resources.filter.criteria",
        ),
    ] {
        assert_eq!(refused(field, value), format!("{name}: {expected}"));
    }
}

#[test]
fn every_required_field_is_required() {
    for field in ["displayName", "type", "state", "privileges", "actors"] {
        let mut info = info();
        info.as_object_mut().unwrap().remove(field);
        let refusal = refusal(&record("a", &info));
        assert!(refusal.ends_with(&format!("missing, at {field}")), "{refusal}");
    }
}

#[test]
fn only_known_fields_and_conditions_are_written() {
    let read = |filter: &str, criterion: Value| {
        let mut info = info();
        info["resources"] = json!({ filter: { "criteria": [criterion] } });
        let lenient: Policy = serde_json::from_value(info.clone()).unwrap();
        let strict = Policy::from_json(&info.to_string());
        assert_eq!(strict.is_ok(), lenient.validate().is_ok());
        strict.map_err(|error| text(&error))
    };
    for filter in ["filter", "privilegeConstraints"] {
        assert!(read(filter, json!({ "field": "RESOURCE_URN", "values": [] })).is_ok());
        let error = read(filter, json!({ "field": "urn", "values": [] })).unwrap_err();
        assert!(error.contains("`urn` is none of") && error.contains(filter), "{error}");
        let like = json!({ "field": "URN", "values": [], "condition": "LIKE" });
        let error = read(filter, like).unwrap_err();
        assert!(error.contains("`LIKE` is none of"), "{error}");
    }
}

#[test]
fn odd_types_states_privileges_and_actors_are_nobodys_business() {
    let mut info = info();
    info["type"] = json!("platform");
    info["state"] = json!("DRAFT");
    info["privileges"] = json!(["no such thing", ""]);
    info["actors"] = json!({ "users": ["alice"], "groups": null });
    assert!(parse_policies(&record("a", &info).to_string()).is_ok());
}

#[test]
fn one_urn_twice_is_refused() {
    let twice = json!([record("a", &info()), record("a", &info())]);
    assert_eq!(
        refusal(&twice),
        "policy `urn:li:dataHubPolicy:a` has a urn that an earlier policy has"
    );
}

#[test]
fn one_name_twice_is_refused() {
    let text = record("a", &info()).to_string().replacen(
        "{\"info\":{",
        "{\"info\":{\"state\":\"INACTIVE\",",
        1,
    );
    assert!(text.matches("\"state\"").count() == 2, "{text}");
    assert!(matches!(parse_policies(&text), Err(PolicyLoadError::Json { .. })));
}

#[test]
fn a_folder_is_read_in_the_order_of_names_and_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("b.json", &record("2", &info()).to_string());
    write("a.json", &json!([record("1", &info())]).to_string());
    write("notes.txt", "not JSON");
    fs::create_dir(folder.path().join("more.json")).unwrap();
    let records = load_policies(folder.path()).unwrap();
    let keys: Vec<&str> = records.iter().map(|record| record.urn.key()).collect();
    assert_eq!(keys, ["1", "2"]);
    assert_eq!(load_policies(folder.path().join("b.json")).unwrap().len(), 1);

    write("c.json", &record("1", &info()).to_string());
    let error = text(&load_policies(folder.path()).unwrap_err());
    assert!(error.contains("c.json") && error.contains("dataHubPolicy:1"), "{error}");
    assert!(matches!(
        load_policies(folder.path().join("none.json")),
        Err(PolicyLoadError::Io { .. })
    ));
}

fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("urn"),
        Just("info"),
        Just("policies"),
        Just("displayName"),
        Just("type"),
        Just("state"),
        Just("privileges"),
        Just("actors"),
        Just("resources"),
        Just("filter"),
        Just("criteria"),
        Just("field"),
        Just("values"),
        Just("condition"),
        Just("users"),
    ];
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,6}|urn:li:dataHubPolicy:[ab]|URN|EQUALS".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|object| Value::Object(object.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,80}|[\\[\\]{}:,\"a-z0-9]{0,80}") {
        let _ = parse_policies(&text);
        let _ = Policy::from_json(&text);
    }

    #[test]
    fn any_json_is_read_or_refused(value in any_json()) {
        let _ = Policy::from_json(&value.to_string());
        if let Ok(records) = parse_policies(&value.to_string()) {
            for record in records {
                prop_assert!(record.info.validate().is_ok());
            }
        }
    }

    /// One field of a good policy is replaced by anything.
    #[test]
    fn a_damaged_policy_is_read_or_refused(index in 0_usize..5, damage in any_json()) {
        let mut info = info();
        let name = ["displayName", "type", "privileges", "actors", "resources"][index];
        info[name] = damage;
        if let Ok(policy) = Policy::from_json(&info.to_string()) {
            let again = serde_json::to_string(&policy).unwrap();
            prop_assert_eq!(Policy::from_json(&again).unwrap(), policy);
        }
    }
}
