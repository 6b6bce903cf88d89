//! What a schema accepts, refuses, prunes and fills in, case by case.

use super::*;
use serde_json::json;

fn validate(schema: &Schema, value: &Value, old: Option<&Value>) -> Vec<Cause> {
    super::validate(schema, value, old).causes
}

fn schema(spec: Value) -> Schema {
    let source = json!({"type": "object", "properties": {"spec": spec}});
    Schema::from_crd(&source).unwrap()
}

fn found(spec: Value, value: Value) -> Vec<String> {
    let causes = validate(&schema(spec), &json!({"spec": value}), None);
    causes.iter().map(ToString::to_string).collect()
}

/// A schema, a value and the first thing said of it.
fn tells(cases: &[(Value, Value, &str)]) {
    for (spec, value, expected) in cases {
        let found = found(spec.clone(), value.clone());
        assert_eq!(found.first().map(String::as_str), Some(*expected), "{found:?}");
    }
}

#[test]
fn each_wrong_scalar_is_told_in_the_real_servers_words() {
    tells(&[
        (
            json!({"type": "object", "properties": {"n": {"type": "integer"}}}),
            json!({"n": "x"}),
            r#"spec.n: Invalid value: "string": spec.n in body must be of type integer: "string""#,
        ),
        (
            json!({"type": "object", "properties": {"n": {"type": "string"}}}),
            json!({"n": 1}),
            r#"spec.n: Invalid value: "integer": spec.n in body must be of type string: "integer""#,
        ),
        (
            json!({"type": "string", "enum": ["a", "b"]}),
            json!("c"),
            r#"spec: Unsupported value: "c": supported values: "a", "b""#,
        ),
        (
            json!({"type": "string", "pattern": "^a+$"}),
            json!("b"),
            r#"spec: Invalid value: "b": spec in body should match '^a+$'"#,
        ),
        (
            json!({"type": "string", "minLength": 1}),
            json!(""),
            r#"spec: Invalid value: "": spec in body should be at least 1 chars long"#,
        ),
        (
            json!({"type": "string", "maxLength": 2}),
            json!("abc"),
            "spec: Too long: may not be more than 2 bytes",
        ),
        (
            json!({"type": "integer", "maximum": 5}),
            json!(6),
            "spec: Invalid value: 6: spec in body should be less than or equal to 5",
        ),
        (
            json!({"type": "string", "format": "date-time"}),
            json!("yesterday"),
            r#"spec: Invalid value: "yesterday": spec in body must be of type date-time: "yesterday""#,
        ),
        (
            json!({"x-kubernetes-int-or-string": true}),
            json!(true),
            r#"spec: Invalid value: "boolean": spec in body must be of type integer,string: "boolean""#,
        ),
    ]);
}

#[test]
fn each_wrong_container_is_told_in_the_real_servers_words() {
    tells(&[
        (json!({"type": "object", "required": ["theme"]}), json!({}), "spec.theme: Required value"),
        (
            json!({"type": "array", "items": {"type": "string"}, "maxItems": 1}),
            json!(["a", "b"]),
            "spec: Too many: 2: must have at most 1 item",
        ),
        (
            json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            json!([]),
            "spec: Invalid value: 0: spec in body should have at least 1 items",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}),
            json!(["a", "a"]),
            r#"spec[1]: Duplicate value: "a""#,
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"a": 1}),
            r#"spec.a: Invalid value: "integer": spec.a in body must be of type string: "integer""#,
        ),
        (
            json!({"type": "object", "minProperties": 1}),
            json!({}),
            "spec: Invalid value: 0: spec in body should have at least 1 properties",
        ),
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-embedded-resource": true}),
            json!({"kind": "Pod"}),
            "spec.apiVersion: Required value",
        ),
    ]);
}

#[test]
fn values_within_their_limits_are_accepted() {
    let cases = [
        (json!({"type": "integer"}), json!(1.0)),
        (json!({"type": "number"}), json!(1)),
        (json!({"x-kubernetes-int-or-string": true}), json!("50%")),
        (json!({"x-kubernetes-int-or-string": true}), json!(3)),
        (json!({"type": "string", "nullable": true}), json!(null)),
        (json!({"type": "string", "format": "postcode"}), json!("anything")),
        (json!({"type": "integer", "enum": [1, 2]}), json!(2)),
        (json!({"x-kubernetes-preserve-unknown-fields": true}), json!([1, {"a": null}])),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({"a": "x"}),
        ),
    ];
    for (spec, value) in cases {
        let found = found(spec.clone(), value.clone());
        assert!(found.is_empty(), "{spec} {value} {found:?}");
    }
}

#[test]
fn combinators_say_what_none_of_their_branches_allowed() {
    let shape = |extra: Value| {
        let mut spec =
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}});
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        spec
    };
    let cases = [
        (
            shape(json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]})),
            json!({}),
            r#"<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found none valid"#,
        ),
        (
            shape(json!({"oneOf": [{"required": ["a"]}, {"required": ["b"]}]})),
            json!({"a": "", "b": ""}),
            r#"<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
        ),
        (
            shape(json!({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]})),
            json!({}),
            r#"<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)"#,
        ),
        (
            shape(json!({"not": {"required": ["a"]}})),
            json!({"a": ""}),
            r#"<nil>: Invalid value: "": "spec" must not validate the schema (not)"#,
        ),
    ];
    for (spec, value, expected) in cases {
        let found = found(spec, value);
        assert_eq!(found.first().map(String::as_str), Some(expected), "{found:?}");
    }
}

#[test]
fn duplicate_map_entries_are_named_by_their_keys() {
    let spec = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    });
    let found = found(spec, json!([{"name": "a"}, {"name": "a"}]));
    assert_eq!(found, [r#"spec[1]: Duplicate value: {"name":"a"}"#]);
}

fn ruled(rule: Value) -> Schema {
    schema(json!({
        "type": "object",
        "properties": {"min": {"type": "integer"}, "max": {"type": "integer"}},
        "x-kubernetes-validations": [rule],
    }))
}

#[test]
fn a_broken_rule_is_reported_with_its_message() {
    let cases = [
        (json!({"rule": "self.min <= self.max"}), "spec: Invalid value: failed rule: self.min <= self.max"),
        (
            json!({"rule": "self.min <= self.max", "message": "min above max"}),
            "spec: Invalid value: min above max",
        ),
        (
            json!({"rule": "self.min <= self.max", "messageExpression": "'min is ' + string(self.min)"}),
            "spec: Invalid value: min is 5",
        ),
        (
            json!({"rule": "self.min <= self.max", "message": "no", "reason": "FieldValueForbidden", "fieldPath": ".min"}),
            "spec.min: Forbidden: no",
        ),
    ];
    for (rule, expected) in cases {
        let causes = validate(&ruled(rule), &json!({"spec": {"min": 5, "max": 1}}), None);
        assert_eq!(causes.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }
}

#[test]
fn a_transition_rule_runs_only_against_an_old_object() {
    let schema = ruled(json!({"rule": "self.min >= oldSelf.min", "message": "never down"}));
    let object = |min: i64| json!({"spec": {"min": min}});
    assert!(validate(&schema, &object(1), None).is_empty());
    assert!(validate(&schema, &object(2), Some(&object(1))).is_empty());
    assert_eq!(validate(&schema, &object(1), Some(&object(2))).len(), 1);
}

#[test]
fn a_rule_may_ask_whether_there_was_an_old_object() {
    let rule = "oldSelf.hasValue() ? self.min >= oldSelf.value().min : self.min == 1";
    let schema = ruled(json!({"rule": rule, "optionalOldSelf": true}));
    let object = |min: i64| json!({"spec": {"min": min}});
    assert!(validate(&schema, &object(1), None).is_empty());
    assert!(validate(&schema, &object(3), Some(&object(2))).is_empty());
    let refused = |min, old: Option<&Value>| validate(&schema, &object(min), old)[0].to_string();
    assert_eq!(refused(2, None), format!("spec: Invalid value: failed rule: {rule}"));
    assert_eq!(refused(2, Some(&object(3))), format!("spec: Invalid value: failed rule: {rule}"));
}

#[test]
fn a_type_error_keeps_rules_from_running_and_says_so() {
    let schema = ruled(json!({"rule": "self.min <= self.max"}));
    let causes = validate(&schema, &json!({"spec": {"min": "x", "max": 1}}), None);
    let last = causes.last().unwrap().to_string();
    assert!(last.starts_with("<nil>: Invalid value: null: some validation rules were not checked"), "{last}");
}

#[test]
fn what_did_not_change_is_not_reported_again() {
    let schema = schema(json!({"type": "object", "properties": {
        "a": {"type": "string", "minLength": 5}, "b": {"type": "string"},
    }}));
    let old = json!({"spec": {"a": "x", "b": "1"}});
    assert!(validate(&schema, &json!({"spec": {"a": "x", "b": "2"}}), Some(&old)).is_empty());
    assert_eq!(validate(&schema, &json!({"spec": {"a": "y", "b": "2"}}), Some(&old)).len(), 1);
}

#[test]
fn a_rule_that_what_did_not_change_breaks_is_a_warning() {
    let schema = ruled(json!({"rule": "self.min <= self.max", "message": "no"}));
    let object = |min: i64| json!({"spec": {"min": min, "max": 1}, "metadata": {"generation": min}});
    let found = super::validate(&schema, &object(5), Some(&json!({"spec": {"min": 5, "max": 1}})));
    assert!(found.causes.is_empty(), "{:?}", found.causes);
    assert_eq!(found.warnings, ["spec: Invalid value: no"]);
    assert_eq!(validate(&schema, &object(6), Some(&object(5))).len(), 1);
}

#[test]
fn unknown_fields_are_pruned_and_named() {
    let schema = schema(json!({"type": "object", "properties": {
        "known": {"type": "string"},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "list": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
    }}));
    let mut object = json!({
        "apiVersion": "v1", "kind": "X", "metadata": {"name": "n", "bogus": 1}, "extra": 1,
        "spec": {"known": "x", "unknown": 1, "open": {"any": {"thing": 1}}, "list": [{"a": "", "b": 1}], "map": {"k": "v"}},
    });
    assert_eq!(prune(&schema, &mut object), ["extra", "metadata.bogus", "spec.list[0].b", "spec.unknown"]);
    assert_eq!(object["spec"]["open"], json!({"any": {"thing": 1}}));
    assert_eq!(object["spec"]["map"], json!({"k": "v"}));
}

#[test]
fn defaults_fill_what_is_absent_and_nothing_else() {
    let schema = schema(json!({"type": "object", "default": {}, "properties": {
        "replicas": {"type": "integer", "default": 1},
        "gone": {"type": "string"},
        "kept": {"type": "string", "nullable": true},
        "list": {"type": "array", "items": {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}}},
    }}));
    let mut absent = json!({});
    default(&schema, &mut absent);
    assert_eq!(absent, json!({"spec": {"replicas": 1}}));
    let mut given = json!({"spec": {"replicas": null, "gone": null, "kept": null, "list": [{}]}});
    default(&schema, &mut given);
    assert_eq!(given, json!({"spec": {"replicas": 1, "kept": null, "list": [{"protocol": "TCP"}]}}));
}

#[test]
fn a_schema_that_is_not_structural_is_refused() {
    let cases = [
        (json!({"type": "array"}), "openAPIV3Schema.type: Invalid value"),
        (json!({"properties": {}}), "openAPIV3Schema.type: Required value: must not be empty at the root"),
        (
            json!({"type": "object", "properties": {"a": {}}}),
            "openAPIV3Schema.properties[a].type: Required value: must not be empty for specified object fields",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            "openAPIV3Schema.properties[a].items: Required value: must be specified",
        ),
        (
            json!({"type": "object", "additionalProperties": true}),
            "openAPIV3Schema.additionalProperties: Forbidden: must not be used at the root",
        ),
        (
            json!({"type": "object", "anyOf": [{"properties": {"a": {"minLength": 1}}}]}),
            "openAPIV3Schema.properties[a]: Required value: because it is defined in openAPIV3Schema.anyOf[0].properties[a]",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "allOf": [{"type": "string"}]}}}),
            "openAPIV3Schema.properties[a].allOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}),
            "openAPIV3Schema.properties[a].pattern: Invalid value",
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            "openAPIV3Schema.properties[metadata]: Forbidden",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object"}}}}),
            "openAPIV3Schema.properties[a].x-kubernetes-list-map-keys: Required value",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object", "x-kubernetes-validations": [{"rule": "self.x >"}]}}}),
            "openAPIV3Schema.properties[a].x-kubernetes-validations[0].rule: Invalid value: \"self.x >\": compilation failed",
        ),
        (
            json!({"type": "object", "properties": {"a": {"$ref": "#/x"}}}),
            "openAPIV3Schema.properties[a].$ref: Forbidden",
        ),
    ];
    for (source, expected) in cases {
        let causes = Schema::from_crd(&source).unwrap_err();
        let found: Vec<_> = causes.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|f| f.starts_with(expected)), "{source}: {found:#?}");
    }
}

#[test]
fn built_in_kinds_refuse_other_types_as_go_does() {
    let deployments = crate::builtin::find("apps", "v1", "deployments").unwrap().schema();
    let refused = |object: Value| check_types(&deployments, &object).unwrap_err().message;
    assert_eq!(
        refused(json!({"spec": {"replicas": "x"}})),
        "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
    );
    assert_eq!(
        refused(json!({"metadata": {"labels": {"a": 1}}})),
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"
    );
    assert!(check_types(&deployments, &json!({"spec": {"replicas": null}})).is_ok());
}

#[test]
fn a_micro_time_needs_six_decimals() {
    let leases = crate::builtin::find("coordination.k8s.io", "v1", "leases").unwrap().schema();
    let lease = |time: &str| json!({"spec": {"renewTime": time}});
    assert!(check_types(&leases, &lease("2024-05-01T10:00:00.123456Z")).is_ok());
    let error = check_types(&leases, &lease("2024-05-01T10:00:00Z")).unwrap_err();
    assert_eq!(
        error.message,
        r#"parsing time "2024-05-01T10:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000""#
    );
}

#[test]
fn empty_optional_fields_are_not_written() {
    let pods = crate::builtin::find("", "v1", "pods").unwrap().schema();
    let mut pod = json!({
        "metadata": {"creationTimestamp": null, "labels": {}, "name": "p"},
        "spec": {"containers": [{"name": "a", "resources": {}, "ports": []}], "volumes": [{"name": "v", "emptyDir": {}}]},
    });
    drop_empty(&pods, &mut pod);
    assert_eq!(
        pod,
        json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a", "resources": {}}], "volumes": [{"name": "v", "emptyDir": {}}]},
        })
    );
}
