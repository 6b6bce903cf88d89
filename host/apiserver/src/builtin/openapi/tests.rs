//! What kubectl reads of a document.

use super::*;
use crate::builtin;

fn document(group: &str, version: &str) -> Value {
    let known = builtin::resources().iter().filter(|r| r.group == group && r.version == version);
    let owned: Vec<_> = known
        .map(|r| {
            let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            (r, strings(r.verbs), strings(r.subresources), r.schema())
        })
        .collect();
    let resources: Vec<OpenApiResource<'_>> = owned
        .iter()
        .map(|(r, verbs, subresources, schema)| OpenApiResource {
            kind: r.kind,
            plural: r.plural,
            namespaced: r.namespaced,
            verbs,
            subresources,
            schema,
        })
        .collect();
    openapi_v3(group, version, &resources)
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn a_patch_names_its_kind_and_takes_field_validation() {
    let document = document("apps", "v1");
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(
        patch["x-kubernetes-group-version-kind"],
        json!({"group": "apps", "version": "v1", "kind": "Deployment"})
    );
    let names: Vec<_> =
        patch["parameters"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"fieldValidation"), "{names:?}");
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
}

#[test]
fn every_reference_of_every_document_leads_somewhere() {
    for resource in builtin::resources() {
        let document = document(resource.group, resource.version);
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(!found.is_empty());
        for reference in found {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "{reference}");
        }
    }
}

#[test]
fn lists_carry_their_merge_keys() {
    let document = document("apps", "v1");
    let containers =
        &document["components"]["schemas"]["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"];
    assert_eq!(containers["x-kubernetes-patch-merge-key"], "name");
    assert_eq!(containers["x-kubernetes-patch-strategy"], "merge");
    assert_eq!(containers["x-kubernetes-list-map-keys"], json!(["name"]));
    assert_eq!(containers["items"]["allOf"][0]["$ref"], "#/components/schemas/io.k8s.api.core.v1.Container");
}

#[test]
fn a_custom_kind_is_described_by_its_own_schema() {
    let schema = Schema::from_crd(&json!({"type": "object", "description": "A site.", "properties": {
        "spec": {"type": "object", "required": ["theme"], "properties": {"theme": {"type": "string", "minLength": 1, "description": "Its theme."}}},
    }}))
    .unwrap();
    let verbs = ["get", "list", "create", "patch"].map(str::to_owned);
    let resource = OpenApiResource {
        kind: "Website",
        plural: "websites",
        namespaced: true,
        verbs: &verbs,
        subresources: &["status".to_owned()],
        schema: &schema,
    };
    let document = openapi_v3("webhosting.polyreme.dev", "v1alpha1", &[resource]);
    let component = &document["components"]["schemas"]["dev.polyreme.webhosting.v1alpha1.Website"];
    assert_eq!(component["description"], "A site.");
    assert_eq!(
        component["properties"]["spec"],
        json!({
            "type": "object", "required": ["theme"],
            "properties": {"theme": {"type": "string", "minLength": 1, "description": "Its theme."}},
        })
    );
    assert_eq!(
        component["x-kubernetes-group-version-kind"],
        json!([{"group": "webhosting.polyreme.dev", "version": "v1alpha1", "kind": "Website"}])
    );
    let status = "/apis/webhosting.polyreme.dev/v1alpha1/namespaces/{namespace}/websites/{name}/status";
    assert!(document["paths"][status]["patch"].is_object());
}
