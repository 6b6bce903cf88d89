//! What each kind of patch does, case by case, and merge patches by property.

use super::{PatchError, Schema, Value, strategic_merge};
use crate::builtin;
use proptest::prelude::*;
use serde_json::json;

fn json_patch(target: &Value, patch: &Value) -> Result<Value, PatchError> {
    super::json_patch(target, patch, &Schema::anything())
}

fn merge_patch(target: &Value, patch: &Value) -> Result<Value, PatchError> {
    super::merge_patch(target, patch, &Schema::anything())
}

fn pod_merge(target: Value, patch: Value) -> Value {
    let schema = builtin::find("", "v1", "pods").unwrap().schema();
    strategic_merge(&target, &patch, &schema).unwrap()
}

/// Merges into an object of a kind that is not a Pod.
fn merge_of(group: &str, version: &str, plural: &str, target: Value, patch: Value) -> Value {
    let schema = builtin::find(group, version, plural).unwrap().schema();
    strategic_merge(&target, &patch, &schema).unwrap()
}

#[test]
fn webhooks_and_their_conditions_are_merged_by_name() {
    for plural in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let webhooks = json!({"webhooks": [
            {"name": "a", "timeoutSeconds": 1, "clientConfig": {"url": "u"}, "matchConditions": [{"name": "x", "expression": "1"}]},
            {"name": "b"},
        ]});
        let patch = json!({"webhooks": [
            {"name": "a", "timeoutSeconds": 2, "matchConditions": [{"name": "y", "expression": "2"}]},
        ]});
        let merged = merge_of("admissionregistration.k8s.io", "v1", plural, webhooks, patch);
        let conditions = json!([{"name": "y", "expression": "2"}, {"name": "x", "expression": "1"}]);
        let expected = json!({"webhooks": [
            {"name": "a", "timeoutSeconds": 2, "clientConfig": {"url": "u"}, "matchConditions": conditions},
            {"name": "b"},
        ]});
        assert_eq!(merged, expected, "{plural}");
    }
}

#[test]
fn a_selector_of_a_budget_is_replaced_as_a_whole() {
    let spec = |labels: Value| json!({"spec": {"minAvailable": 1, "selector": {"matchLabels": labels}}});
    let budget = spec(json!({"a": "1"}));
    let patch = json!({"spec": {"selector": {"matchLabels": {"b": "2"}}}});
    let merged = merge_of("policy", "v1", "poddisruptionbudgets", budget, patch);
    assert_eq!(merged, spec(json!({"b": "2"})));
}

#[test]
fn conditions_of_an_autoscaler_are_merged_by_type() {
    let status = |conditions: Value| json!({"status": {"conditions": conditions}});
    let live = status(json!([{"type": "A", "status": "True"}]));
    let patch = status(json!([{"type": "B", "status": "False"}]));
    let merged = merge_of("autoscaling", "v2", "horizontalpodautoscalers", live, patch);
    let types: Vec<&Value> =
        merged["status"]["conditions"].as_array().unwrap().iter().map(|c| &c["type"]).collect();
    assert_eq!((types.len(), types.contains(&&json!("A"))), (2, true), "{merged}");
}

fn containers(list: Value) -> Value {
    json!({"spec": {"containers": list}})
}

#[test]
fn json_patch_operations_do_what_rfc_6902_and_the_real_server_say() {
    let cases = [
        (json!({}), json!([{"op": "add", "path": "/a", "value": 1}]), json!({"a": 1})),
        (json!({"a": 1}), json!([{"op": "remove", "path": "/a"}]), json!({})),
        (json!({}), json!([{"op": "replace", "path": "/a", "value": 1}]), json!({"a": 1})),
        (json!({"l": [1]}), json!([{"op": "add", "path": "/l/-", "value": 2}]), json!({"l": [1, 2]})),
        (json!({"a": 1}), json!([{"op": "test", "path": "/b", "value": null}]), json!({"a": 1})),
        (json!({"a": 1}), json!([{"op": "move", "from": "/a", "path": "/b"}]), json!({"b": 1})),
        (json!({"a/b": 1}), json!([{"op": "remove", "path": "/a~1b"}]), json!({})),
    ];
    for (target, patch, expected) in cases {
        assert_eq!(json_patch(&target, &patch), Ok(expected), "{patch}");
    }
}

#[test]
fn a_json_patch_that_does_not_fit_is_unprocessable() {
    let cases = [
        json!([{"op": "test", "path": "/a", "value": 2}]),
        json!([{"op": "remove", "path": "/missing"}]),
        json!([{"op": "paint", "path": "/a"}]),
        json!([{"op": "add", "path": "/missing/x", "value": 1}]),
        json!([{"op": "replace", "path": "/missing/x", "value": 1}]),
    ];
    for patch in cases {
        let result = json_patch(&json!({"a": 1}), &patch);
        assert!(matches!(result, Err(PatchError::Inapplicable(_))), "{patch}");
    }
}

#[test]
fn something_that_is_no_list_of_operations_is_malformed() {
    let result = json_patch(&json!({}), &json!({"a": 1}));
    assert!(matches!(result, Err(PatchError::Malformed(_))), "{result:?}");
}

#[test]
fn strategic_merge_merges_lists_by_their_key() {
    let merged = pod_merge(
        containers(
            json!([{"name": "a", "image": "x:1", "env": [{"name": "E", "value": "1"}]}, {"name": "b"}]),
        ),
        containers(json!([{"name": "a", "env": [{"name": "F", "value": "2"}]}, {"name": "c"}])),
    );
    let expected = json!([
        {"name": "a", "image": "x:1", "env": [{"name": "F", "value": "2"}, {"name": "E", "value": "1"}]},
        {"name": "c"},
        {"name": "b"},
    ]);
    let names = |list: &Value| list.as_array().unwrap().iter().map(|c| c["name"].clone()).collect::<Vec<_>>();
    let mut found = names(&merged["spec"]["containers"]);
    found.sort_by_key(ToString::to_string);
    assert_eq!(found, [json!("a"), json!("b"), json!("c")]);
    assert_eq!(merged["spec"]["containers"][0]["image"], expected[0]["image"]);
    assert_eq!(merged["spec"]["containers"][0]["env"].as_array().unwrap().len(), 2);
}

#[test]
fn patch_directives_delete_and_replace_entries() {
    let target = containers(json!([{"name": "a"}, {"name": "b"}]));
    let deleted = pod_merge(target.clone(), containers(json!([{"name": "a", "$patch": "delete"}])));
    assert_eq!(deleted, containers(json!([{"name": "b"}])));
    let replaced = pod_merge(target, containers(json!([{"name": "z"}, {"$patch": "replace"}])));
    assert_eq!(replaced, containers(json!([{"name": "z"}])));
}

#[test]
fn patch_directives_delete_and_replace_objects() {
    let target = json!({"metadata": {"labels": {"a": "1", "b": "2"}}});
    let replaced =
        pod_merge(target.clone(), json!({"metadata": {"labels": {"$patch": "replace", "c": "3"}}}));
    assert_eq!(replaced, json!({"metadata": {"labels": {"c": "3"}}}));
    let emptied = pod_merge(target, json!({"metadata": {"labels": {"$patch": "delete"}}}));
    assert_eq!(emptied, json!({"metadata": {"labels": {}}}));
}

#[test]
fn set_element_order_decides_the_order() {
    let merged = pod_merge(
        containers(json!([{"name": "a"}, {"name": "b"}, {"name": "server"}])),
        json!({"spec": {
            "$setElementOrder/containers": [{"name": "b"}, {"name": "new"}, {"name": "a"}],
            "containers": [{"name": "new"}],
        }}),
    );
    let names: Vec<_> = merged["spec"]["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["b", "new", "a", "server"]);
}

#[test]
fn primitive_lists_lose_named_entries() {
    let target = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    let patch = json!({"metadata": {
        "$deleteFromPrimitiveList/finalizers": ["b"],
        "$setElementOrder/finalizers": ["c", "a"],
    }});
    assert_eq!(pod_merge(target, patch), json!({"metadata": {"finalizers": ["c", "a"]}}));
}

#[test]
fn retain_keys_drops_the_other_union_members() {
    let target = json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}});
    let patch = json!({"spec": {"volumes": [{
        "name": "v", "$retainKeys": ["name", "configMap"], "configMap": {"name": "c"},
    }]}});
    assert_eq!(
        pod_merge(target, patch),
        json!({"spec": {"volumes": [{"name": "v", "configMap": {"name": "c"}}]}})
    );
}

#[test]
fn a_list_without_merge_key_is_replaced() {
    let target = json!({"spec": {"tolerations": [{"key": "a"}]}});
    let patch = json!({"spec": {"tolerations": [{"key": "b"}]}});
    assert_eq!(pod_merge(target, patch.clone()), patch);
}

#[test]
fn null_removes_and_unmatched_null_is_forgotten() {
    let target = json!({"metadata": {"labels": {"a": "1"}}});
    let patch = json!({"metadata": {"labels": {"a": null}, "annotations": {"x": null, "y": "1"}}});
    assert_eq!(pod_merge(target, patch), json!({"metadata": {"labels": {}, "annotations": {"y": "1"}}}));
}

#[test]
fn an_entry_without_its_merge_key_is_malformed() {
    let schema = builtin::find("", "v1", "pods").unwrap().schema();
    let result =
        strategic_merge(&containers(json!([{"name": "a"}])), &containers(json!([{"image": "x"}])), &schema);
    assert!(matches!(result, Err(PatchError::Malformed(_))));
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from)
    ];
    let tree = leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::btree_map("[a-d]", inner, 0..4)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    prop::collection::btree_map("[a-d]", tree, 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// The smallest merge patch from one document to another.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let removed = from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = to
        .iter()
        .filter(|(key, value)| from.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), difference(from.get(key).unwrap_or(&Value::Null), value)));
    Value::Object(removed.chain(changed).collect())
}

proptest! {
    #[test]
    fn a_merge_patch_leads_from_one_document_to_the_other(from in document(), to in document()) {
        prop_assert_eq!(merge_patch(&from, &difference(&from, &to)).unwrap(), to);
    }

    #[test]
    fn a_merge_patch_applied_twice_changes_nothing_more(from in document(), patch in document()) {
        let once = merge_patch(&from, &patch).unwrap();
        prop_assert_eq!(merge_patch(&once, &patch).unwrap(), once);
    }

    #[test]
    fn an_empty_strategic_merge_changes_nothing(from in document()) {
        prop_assert_eq!(pod_merge(from.clone(), json!({})), from);
    }
}
