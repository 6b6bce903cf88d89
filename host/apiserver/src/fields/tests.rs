//! Who owns what after which write: the cases of `structured-merge-diff` that clients meet,
//! and the set algebra by property.

use std::collections::BTreeSet;

use chrono::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::builtin;

fn at(minute: u32) -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 5, 1, 10, minute, 0).unwrap()
}

fn by(manager: &str, api_version: &str, minute: u32) -> UpdateOptions {
    let (manager, api_version) = (manager.to_owned(), api_version.to_owned());
    UpdateOptions { manager, api_version, subresource: String::new(), now: at(minute) }
}

fn applier(manager: &str, api_version: &str, minute: u32) -> ApplyOptions {
    let UpdateOptions { manager, api_version, subresource, now } = by(manager, api_version, minute);
    ApplyOptions { manager, force: false, api_version, subresource, now }
}

fn deployments() -> std::sync::Arc<Schema> {
    builtin::find("apps", "v1", "deployments").unwrap().schema()
}

fn deployment(spec: Value) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "n"}, "spec": spec})
}

fn applied(live: Option<&Value>, manager: &str, spec: Value, minute: u32) -> Result<Value, ApplyError> {
    apply(&deployments(), live, &deployment(spec), &applier(manager, "apps/v1", minute))
}

/// `manager operation: paths`, one line for each entry.
fn owners(object: &Value) -> Vec<String> {
    let entries =
        object.pointer("/metadata/managedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let line = |e: &Value| {
        let paths = decode(&e["fieldsV1"]).paths().join(" ");
        format!("{} {}: {paths}", e["manager"].as_str().unwrap(), e["operation"].as_str().unwrap())
    };
    entries.iter().map(line).collect()
}

fn custom() -> Schema {
    Schema::from_crd(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "theme": {"type": "string"},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "args": {"type": "array", "items": {"type": "string"}},
            "ports": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "port": {"type": "integer"}}}},
            "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        }},
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    }}))
    .unwrap()
}

fn site(spec: Value) -> Value {
    json!({"apiVersion": "x/v1", "kind": "Site", "metadata": {"name": "s"}, "spec": spec})
}

fn apply_site(live: Option<&Value>, manager: &str, spec: Value) -> Result<Value, ApplyError> {
    apply(&custom(), live, &site(spec), &applier(manager, "x/v1", 1))
}

#[test]
fn webhooks_and_their_conditions_are_applied_by_name() {
    let group = "admissionregistration.k8s.io";
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let schema = builtin::find_kind(group, "v1", kind).unwrap().schema();
        let apply = |live: Option<&Value>, manager: &str, webhook: Value| {
            let api_version = format!("{group}/v1");
            let object = json!({"apiVersion": api_version, "kind": kind, "webhooks": [webhook]});
            apply(&schema, live, &object, &applier(manager, &api_version, 1)).unwrap()
        };
        let condition = |name: &str| json!([{"name": name, "expression": "true"}]);
        let first = apply(None, "one", json!({"name": "a", "matchConditions": condition("x")}));
        let second = apply(Some(&first), "two", json!({"name": "b"}));
        let third = apply(Some(&second), "two", json!({"name": "a", "matchConditions": condition("y")}));
        assert_eq!(third["webhooks"].as_array().map(Vec::len), Some(1), "{third}");
        let webhook = &third["webhooks"][0];
        assert_eq!(webhook["matchConditions"], json!([condition("x")[0], condition("y")[0]]), "{third}");
        assert_eq!(webhook["clientConfig"], json!({}), "a Go struct by value");
        let both = &second["webhooks"];
        assert_eq!((&both[0]["name"], &both[1]["name"]), (&json!("a"), &json!("b")));
    }
}

#[test]
fn the_first_apply_owns_what_it_names_and_no_more() {
    let stored = applied(None, "me", json!({"replicas": 1}), 0).unwrap();
    assert_eq!(owners(&stored), ["me Apply: .spec.replicas"]);
    let entry = &stored["metadata"]["managedFields"][0];
    assert_eq!(entry["time"], "2024-05-01T10:00:00Z");
    assert_eq!(entry["apiVersion"], "apps/v1");
    assert_eq!(entry["fieldsType"], "FieldsV1");
}

#[test]
fn list_entries_are_owned_by_key_with_their_fields() {
    let spec = json!({"template": {"spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}]}]}}});
    let stored = applied(None, "me", spec, 0).unwrap();
    let fields = &stored["metadata"]["managedFields"][0]["fieldsV1"];
    assert_eq!(
        fields["f:spec"]["f:template"]["f:spec"]["f:containers"],
        json!({
            "k:{\"name\":\"c\"}": {
                ".": {}, "f:name": {}, "f:image": {},
                "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
            },
        })
    );
}

#[test]
fn applying_the_same_again_changes_nothing_not_even_a_time() {
    let stored = applied(None, "me", json!({"replicas": 1}), 0).unwrap();
    assert_eq!(applied(Some(&stored), "me", json!({"replicas": 1}), 5).unwrap(), stored);
}

#[test]
fn a_field_no_longer_applied_goes_unless_somebody_else_owns_it() {
    let stored = applied(None, "me", json!({"replicas": 1, "paused": true}), 0).unwrap();
    let stored = applied(Some(&stored), "you", json!({"paused": true}), 1).unwrap();
    let stored = applied(Some(&stored), "me", json!({}), 2).unwrap();
    assert_eq!(stored["spec"].get("replicas"), None);
    assert_eq!(stored["spec"]["paused"], true);
    assert_eq!(owners(&stored), ["you Apply: .spec.paused", "me Apply: .spec"]);
}

#[test]
fn changing_what_another_owns_is_a_conflict_that_names_owner_and_field() {
    let created = update(
        &deployments(),
        None,
        deployment(json!({"replicas": 3})),
        &by("kubectl-client-side-apply", "apps/v1", 0),
    );
    let error = applied(Some(&created), "me", json!({"replicas": 1}), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas"#
    );
}

#[test]
fn several_conflicts_are_listed_by_owner() {
    let stored = applied(None, "a", json!({"replicas": 3, "paused": true}), 0).unwrap();
    let error = applied(Some(&stored), "me", json!({"replicas": 1, "paused": false}), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Apply failed with 2 conflicts: conflicts with \"a\":\n- .spec.paused\n- .spec.replicas"
    );
}

#[test]
fn the_same_value_is_shared_and_force_takes_over() {
    let stored = applied(None, "a", json!({"replicas": 3}), 0).unwrap();
    let shared = applied(Some(&stored), "b", json!({"replicas": 3}), 1).unwrap();
    assert_eq!(owners(&shared).len(), 2);
    let forced = apply(
        &deployments(),
        Some(&stored),
        &deployment(json!({"replicas": 1})),
        &ApplyOptions { force: true, ..applier("b", "apps/v1", 1) },
    )
    .unwrap();
    assert_eq!(owners(&forced), ["b Apply: .spec.replicas"]);
    assert_eq!(forced["spec"]["replicas"], 1);
}

#[test]
fn an_update_takes_ownership_of_what_it_changed() {
    let stored = applied(None, "me", json!({"replicas": 1, "paused": false}), 0).unwrap();
    let mut edited = stored.clone();
    edited["spec"]["replicas"] = json!(5);
    let edited = update(&deployments(), Some(&stored), edited, &by("editor", "apps/v1", 3));
    assert_eq!(owners(&edited), ["me Apply: .spec.paused", "editor Update: .spec.replicas"]);
    assert_eq!(edited["metadata"]["managedFields"][0]["time"], "2024-05-01T10:00:00Z");
    assert_eq!(edited["metadata"]["managedFields"][1]["time"], "2024-05-01T10:03:00Z");
}

#[test]
fn an_update_that_removes_a_field_removes_its_owners() {
    let stored = apply_site(None, "me", json!({"theme": "x", "labels": {"a": "1"}})).unwrap();
    let mut edited = stored.clone();
    edited["spec"].as_object_mut().unwrap().remove("labels");
    let edited = update(&custom(), Some(&stored), edited, &by("editor", "x/v1", 3));
    assert_eq!(owners(&edited), ["me Apply: .spec.theme"]);
}

#[test]
fn a_custom_resources_spec_belongs_to_its_creator() {
    let created = update(&custom(), None, site(json!({"theme": "x"})), &by("me", "x/v1", 0));
    assert_eq!(
        created["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {".": {}, "f:theme": {}}})
    );
}

#[test]
fn a_built_in_spec_belongs_to_nobody() {
    let created = update(
        &deployments(),
        None,
        deployment(json!({"replicas": 1, "strategy": {"type": "Recreate"}})),
        &by("me", "apps/v1", 0),
    );
    assert_eq!(
        created["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:spec": {"f:replicas": {}, "f:strategy": {"f:type": {}}}})
    );
}

#[test]
fn entries_of_sets_are_owned_one_by_one() {
    let stored = apply_site(None, "a", json!({"tags": ["x", "y"]})).unwrap();
    let stored = apply_site(Some(&stored), "b", json!({"tags": ["y", "z"]})).unwrap();
    assert_eq!(stored["spec"]["tags"], json!(["x", "y", "z"]));
    let stored = apply_site(Some(&stored), "a", json!({"theme": "t"})).unwrap();
    assert_eq!(stored["spec"]["tags"], json!(["y", "z"]));
}

#[test]
fn map_lists_merge_by_key_and_lose_dropped_entries() {
    let ports =
        |names: &[&str]| json!({"ports": names.iter().map(|n| json!({"name": n})).collect::<Vec<_>>()});
    let stored = apply_site(None, "a", ports(&["one", "two"])).unwrap();
    let stored = apply_site(Some(&stored), "b", ports(&["three"])).unwrap();
    assert_eq!(stored["spec"]["ports"], json!([{"name": "one"}, {"name": "two"}, {"name": "three"}]));
    let stored = apply_site(Some(&stored), "a", ports(&["two"])).unwrap();
    assert_eq!(stored["spec"]["ports"], json!([{"name": "two"}, {"name": "three"}]));
}

#[test]
fn atomic_lists_and_maps_are_owned_and_replaced_whole() {
    let stored = apply_site(None, "a", json!({"args": ["1"], "whole": {"k": "1"}})).unwrap();
    assert_eq!(owners(&stored), ["a Apply: .spec.args .spec.whole"]);
    let error = apply_site(Some(&stored), "b", json!({"whole": {"l": "2"}})).unwrap_err();
    assert!(error.to_string().ends_with(": .spec.whole"), "{error}");
    let stored = apply_site(Some(&stored), "a", json!({"args": ["2"], "whole": {"l": "2"}})).unwrap();
    assert_eq!(stored["spec"], json!({"args": ["2"], "whole": {"l": "2"}}));
}

#[test]
fn map_entries_are_owned_one_by_one() {
    let stored = apply_site(None, "a", json!({"labels": {"x": "1"}})).unwrap();
    let stored = apply_site(Some(&stored), "b", json!({"labels": {"y": "2"}})).unwrap();
    let stored = apply_site(Some(&stored), "a", json!({})).unwrap();
    assert_eq!(stored["spec"]["labels"], json!({"y": "2"}));
}

#[test]
fn a_merged_list_keeps_the_applied_order_around_live_entries() {
    let schema = custom();
    let tags = |list: &[&str]| json!({"spec": {"tags": list}});
    let cases: [(&[&str], &[&str], &[&str]); 5] = [
        (&["a", "b", "c"], &["c", "a"], &["b", "c", "a"]),
        (&["a", "b"], &["c"], &["a", "b", "c"]),
        (&["a"], &["b", "a"], &["b", "a"]),
        (&["a", "x", "b"], &["a", "b"], &["a", "x", "b"]),
        (&[], &["a"], &["a"]),
    ];
    for (live, wanted, expected) in cases {
        assert_eq!(typed::merge(&schema, &tags(live), &tags(wanted)), tags(expected), "{live:?} {wanted:?}");
    }
}

#[test]
fn an_object_without_record_belongs_to_before_first_apply() {
    let live = deployment(json!({"replicas": 3}));
    let stored = applied(Some(&live), "me", json!({"paused": true}), 1).unwrap();
    assert_eq!(owners(&stored), ["me Apply: .spec.paused", "before-first-apply Update: .spec.replicas"]);
}

#[test]
fn an_unknown_field_a_wrong_type_and_a_duplicate_are_typed_errors() {
    let cases = [
        (json!({"bogus": 1}), ".spec.bogus: field not declared in schema"),
        (json!({"theme": 1}), ".spec.theme: expected string, got &value.valueUnstructured{Value:1}"),
        (json!({"tags": ["a", "a"]}), ".spec.tags: duplicate entries for key [=\"a\"]"),
        (
            json!({"ports": [{"port": 1}]}),
            ".spec.ports: element 0: associative list with keys has an element that omits all key fields",
        ),
    ];
    for (spec, expected) in cases {
        let error = apply_site(None, "me", spec).unwrap_err().to_string();
        let head = "failed to create typed patch object (/s; x/v1, Kind=Site): ";
        assert!(error.starts_with(&format!("{head}{expected}")), "{error}");
    }
}

#[test]
fn a_patch_of_another_version_or_with_managers_is_a_bad_request() {
    let mut other = site(json!({}));
    other["apiVersion"] = json!("x/v2");
    let mut managed = site(json!({}));
    managed["metadata"]["managedFields"] = json!([{}]);
    for config in [other, managed] {
        let result = apply(&custom(), None, &config, &applier("me", "x/v1", 0));
        assert!(matches!(result, Err(ApplyError::BadRequest(_))), "{result:?}");
    }
}

#[test]
fn status_is_not_owned_through_the_main_resource_and_nothing_else_through_status() {
    let mut object = site(json!({"theme": "x"}));
    object["status"] = json!({"phase": "Ready"});
    let main = apply(&custom(), None, &object, &applier("me", "x/v1", 0)).unwrap();
    assert_eq!(owners(&main), ["me Apply: .spec.theme"]);
    let status = ApplyOptions { subresource: "status".to_owned(), ..applier("me", "x/v1", 1) };
    let both = apply(&custom(), Some(&main), &object, &status).unwrap();
    assert!(owners(&both).contains(&"me Apply: .status.phase".to_owned()), "{:?}", owners(&both));
    let entries = both["metadata"]["managedFields"].as_array().unwrap();
    assert!(entries.iter().any(|entry| entry["subresource"] == "status"), "{entries:?}");
}

#[test]
fn a_scale_is_recorded_only_when_somebody_owns_the_replicas() {
    let scaled = |spec: Value| {
        let stored = applied(None, "me", spec, 0).unwrap();
        let mut scaled = stored.clone();
        scaled["spec"]["replicas"] = json!(5);
        let scale = UpdateOptions { subresource: "scale".to_owned(), ..by("scaler", "apps/v1", 1) };
        owners(&update(&deployments(), Some(&stored), scaled, &scale))
    };
    assert_eq!(scaled(json!({"paused": true})), ["me Apply: .spec.paused"]);
    assert_eq!(scaled(json!({"replicas": 1})), ["scaler Update: .spec.replicas"]);
}

#[test]
fn a_client_can_clear_the_record() {
    let stored = applied(None, "me", json!({"replicas": 1}), 0).unwrap();
    let mut cleared = stored.clone();
    cleared["metadata"]["managedFields"] = json!([{}]);
    let cleared = update(&deployments(), Some(&stored), cleared, &by("x", "apps/v1", 1));
    assert_eq!(owners(&cleared), Vec::<String>::new());
}

#[test]
fn kubectl_takes_over_what_it_applied_on_the_client() {
    let mut client_side = deployment(json!({"replicas": 3}));
    let last = client_side.to_string();
    client_side["metadata"]["annotations"] =
        json!({"kubectl.kubernetes.io/last-applied-configuration": last});
    let created = update(&deployments(), None, client_side, &by("kubectl-client-side-apply", "apps/v1", 0));
    let stored = applied(Some(&created), "kubectl", json!({"replicas": 1}), 1).unwrap();
    assert_eq!(stored["spec"]["replicas"], 1);
    let annotation = stored["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
        .as_str()
        .unwrap();
    assert!(annotation.contains("\"replicas\":1"), "{annotation}");
}

#[test]
fn old_updaters_are_merged_when_there_are_too_many() {
    let mut object = update(&custom(), None, site(json!({"theme": "x"})), &by("creator", "x/v1", 0));
    for i in 1..15 {
        let mut edited = object.clone();
        edited["spec"]["labels"][format!("l{i}")] = json!("1");
        object = update(&custom(), Some(&object), edited, &by(&format!("m{i}"), "x/v1", i));
    }
    let owners = owners(&object);
    assert_eq!(owners.len(), MAX_UPDATERS);
    assert!(owners[0].starts_with("ancient-changes Update: "), "{owners:?}");
}

#[test]
fn fields_v1_has_the_documented_form() {
    let fields = json!({
        "f:metadata": {"f:labels": {".": {}, "f:app": {}}},
        "f:spec": {"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}, "f:finalizers": {"v:\"kubernetes\"": {}}},
    });
    let set = decode(&fields);
    assert_eq!(
        set.paths(),
        [
            ".metadata.labels",
            ".metadata.labels.app",
            ".spec.finalizers[=\"kubernetes\"]",
            ".spec.ports[port=80,protocol=\"TCP\"]",
            ".spec.ports[port=80,protocol=\"TCP\"].port",
        ]
    );
    assert_eq!(encode(&set), fields);
}

fn element() -> impl Strategy<Value = Element> {
    prop_oneof![
        "[a-c]".prop_map(Element::Field),
        "[a-b]".prop_map(|name| Element::key(json!({"name": name}).as_object().unwrap())),
        (0..3_u8).prop_map(|n| Element::Value(n.to_string())),
    ]
}

fn set() -> impl Strategy<Value = Set> {
    let leaf =
        prop::collection::btree_set(element(), 0..4).prop_map(|members| Set { members, ..Set::default() });
    leaf.prop_recursive(3, 20, 3, |inner| {
        (prop::collection::btree_set(element(), 0..3), prop::collection::btree_map(element(), inner, 0..3))
            .prop_map(|(members, children)| {
                let mut set = Set { members, ..Set::default() };
                children.into_iter().for_each(|(element, child)| set.add_child(element, child));
                set
            })
    })
}

fn paths(set: &Set) -> BTreeSet<String> {
    set.paths().into_iter().collect()
}

proptest! {
    #[test]
    fn union_difference_and_intersection_agree_with_sets_of_paths(a in set(), b in set()) {
        let (left, right) = (paths(&a), paths(&b));
        prop_assert_eq!(paths(&a.union(&b)), left.union(&right).cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(paths(&a.difference(&b)), left.difference(&right).cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(paths(&a.intersection(&b)), left.intersection(&right).cloned().collect::<BTreeSet<_>>());
    }

    #[test]
    fn a_set_is_the_union_of_its_difference_and_intersection(a in set(), b in set()) {
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a);
    }

    #[test]
    fn a_recursive_difference_leaves_nothing_at_or_below_a_removed_path(a in set(), b in set()) {
        let gone = paths(&b);
        for path in paths(&a.recursive_difference(&b)) {
            prop_assert!(!gone.contains(&path));
        }
        prop_assert!(a.recursive_difference(&a).is_empty());
    }

    #[test]
    fn an_encoded_set_decodes_to_itself(a in set()) {
        prop_assert_eq!(decode(&encode(&a)), a);
    }

    #[test]
    fn whatever_is_applied_twice_is_stored_once(theme in "[a-c]{0,2}", tags in prop::collection::btree_set("[a-c]", 0..3)) {
        let spec = json!({"theme": theme, "tags": tags.into_iter().collect::<Vec<_>>()});
        let once = apply_site(None, "me", spec.clone()).unwrap();
        prop_assert_eq!(apply_site(Some(&once), "me", spec).unwrap(), once);
    }
}
