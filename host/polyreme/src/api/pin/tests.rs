//! What guests write, and what becomes of its bytes.

use serde_json::{Value, json};

use super::*;
use crate::object::Kind;

fn known(uid: &str, version: &str) -> Object {
    let text = json!({"metadata": {"name": "a", "uid": uid, "resourceVersion": version}}).to_string();
    Object::parse(&text, &Kind::new("v1", "X")).unwrap()
}

fn pin(uid: &str, version: &str) -> Pin {
    Pin { uid: Some(uid.to_owned()), version: Some(version.to_owned()) }
}

fn object(text: &str) -> Payload {
    Payload::Object(text.to_owned())
}

fn operations(value: &Value) -> Payload {
    Payload::Operations(value.to_string())
}

fn deletion(uid: Option<&str>, version: Option<&str>) -> Payload {
    Payload::Delete(DeleteOptions {
        propagation: Propagation::Foreground,
        uid: uid.map(Into::into),
        resource_version: version.map(Into::into),
    })
}

#[test]
fn everything_but_the_pin_keeps_its_bytes() {
    let text = r#"{"spec":{"z":9007199254740993,"a":1.10e+2,"s":"\u00e4"},"metadata":{"name":"a","labels":{"b":"1", "a":"2"}},"kind":"X"}"#;
    let pinned = object(text).body(&pin("u", "7")).unwrap();
    assert_eq!(
        pinned,
        r#"{"spec":{"z":9007199254740993,"a":1.10e+2,"s":"\u00e4"},"metadata":{"name":"a","labels":{"b":"1", "a":"2"},"uid":"u","resourceVersion":"7"},"kind":"X"}"#
    );
    assert_eq!(object(text).body(&Pin::default()).unwrap(), text, "nothing to add");
}

#[test]
fn a_merge_patch_without_metadata_gets_some() {
    let pinned = object(r#"{"status":{"n":9007199254740993}}"#).body(&pin("u", "7")).unwrap();
    assert_eq!(pinned, r#"{"status":{"n":9007199254740993},"metadata":{"uid":"u","resourceVersion":"7"}}"#);
    let pinned = object(" {} ").body(&Pin { uid: None, version: Some("7".into()) }).unwrap();
    assert_eq!(pinned, r#"{"metadata":{"resourceVersion":"7"}}"#);
}

#[test]
fn what_the_guest_pins_stays_and_the_rest_is_added() {
    let known = known("u", "7");
    let add = |payload: &Payload| payload.said().unwrap().missing(Some(&known));
    assert_eq!(add(&object(r#"{"metadata":{}}"#)), pin("u", "7"));
    let versioned = object(r#"{"metadata":{"resourceVersion":"3"}}"#);
    assert_eq!(add(&versioned), Pin { uid: Some("u".into()), version: None });
    assert_eq!(
        versioned.body(&add(&versioned)).unwrap(),
        r#"{"metadata":{"resourceVersion":"3","uid":"u"}}"#
    );
    let named = object(r#"{"metadata":{"uid":"u"}}"#);
    assert_eq!(add(&named), Pin { uid: None, version: Some("7".into()) });
    assert_eq!(Pin::default().missing(None), Pin::default(), "an object that nobody knows");
}

#[test]
fn a_guest_that_names_another_incarnation_is_judged_by_the_server() {
    let said = object(r#"{"metadata":{"uid":"other"}}"#).said().unwrap();
    assert_eq!(said.missing(Some(&known("u", "7"))), Pin::default());
}

#[test]
fn what_pins_nothing_is_replaced() {
    for nothing in ["null", r#""""#, r#""0""#, r#""00""#] {
        let payload =
            object(&format!(r#"{{"metadata":{{"resourceVersion":{nothing},"uid":null,"name":"a"}}}}"#));
        assert_eq!(payload.said().unwrap(), Pin::default(), "{nothing}");
        assert_eq!(
            payload.body(&pin("u", "7")).unwrap(),
            r#"{"metadata":{"name":"a","uid":"u","resourceVersion":"7"}}"#
        );
    }
}

#[test]
fn a_name_with_escapes_is_the_same_name() {
    let payload = object(r#"{"meta\u0064ata":{"\u0075id":"u","resourceVersion":"3"}}"#);
    assert_eq!(payload.said().unwrap(), pin("u", "3"));
}

#[test]
fn what_can_be_read_in_two_ways_is_a_bad_request() {
    let texts = [
        "[]",
        r#"{"metadata":null}"#,
        r#"{"metadata":[]}"#,
        r#"{"metadata":{},"metadata":{}}"#,
        r#"{"metadata":{"uid":"a","uid":"b"}}"#,
        r#"{"metadata":{"resourceVersion":7}}"#,
    ];
    for text in texts {
        assert!(object(text).said().is_err(), "{text}");
    }
    assert!(Payload::Operations("{}".into()).said().is_err());
}

#[test]
fn operations_are_pinned_at_their_end() {
    let text = r#"[{"op":"add","path":"/data/n","value":9007199254740993}]"#;
    let pinned = Payload::Operations(text.into()).body(&pin("u", "7")).unwrap();
    assert!(pinned.starts_with(r#"[{"op":"add","path":"/data/n","value":9007199254740993},"#), "{pinned}");
    let all: Value = serde_json::from_str(&pinned).unwrap();
    assert_eq!(all[1], json!({"op": "add", "path": "/metadata/uid", "value": "u"}));
    assert_eq!(all[2], json!({"op": "add", "path": "/metadata/resourceVersion", "value": "7"}));
    let none = Payload::Operations("[]".into()).body(&Pin { uid: None, version: Some("7".into()) }).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&none).unwrap().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_last_operation_on_a_pin_counts() {
    let version = "/metadata/resourceVersion";
    let said = |value: Value| operations(&value).said().unwrap();
    let add = json!({"op": "add", "path": version, "value": "3"});
    assert_eq!(said(json!([add])).version.as_deref(), Some("3"));
    assert_eq!(
        said(json!([{"op": "test", "path": "/metadata/uid", "value": "u"}])).uid.as_deref(),
        Some("u")
    );
    assert_eq!(
        said(json!([{"op": "replace", "path": "/metadata", "value": {"uid": "u", "resourceVersion": "3"}}])),
        pin("u", "3")
    );
    for undone in [
        json!({"op": "remove", "path": version}),
        json!({"op": "replace", "path": version, "value": "0"}),
        json!({"op": "copy", "path": version, "from": "/metadata/name"}),
        json!({"op": "move", "path": "/metadata/name", "from": version}),
        json!({"op": "replace", "path": "", "value": {"metadata": {}}}),
    ] {
        assert_eq!(said(json!([add, undone])).version, None, "{undone}");
    }
    let beside = json!({"op": "remove", "path": "/metadata/resource"});
    assert_eq!(said(json!([add, beside])).version.as_deref(), Some("3"));
}

#[test]
fn a_deletion_is_pinned_by_its_preconditions() {
    let known = known("u", "7");
    let sent = |payload: Payload| -> Value {
        let add = payload.said().unwrap().missing(Some(&known));
        serde_json::from_str(&payload.body(&add).unwrap()).unwrap()
    };
    let body = sent(deletion(None, None));
    assert_eq!(body["preconditions"], json!({"uid": "u", "resourceVersion": "7"}));
    assert_eq!(body["propagationPolicy"], "Foreground");
    let body = sent(deletion(None, Some("3")));
    assert_eq!(body["preconditions"], json!({"uid": "u", "resourceVersion": "3"}));
    let body = sent(deletion(Some("other"), None));
    assert_eq!(body["preconditions"], json!({"uid": "other"}));
}
