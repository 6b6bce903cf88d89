//! Requests as a client sends them, through the whole server.

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{Embedded, User};

const TOKEN: &str = "token";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const THINGS: &str = "/apis/rest.polyreme.dev/v1/namespaces/default/things";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

struct Bench(Router);

/// Code and body of an answer; text that is no JSON is a string.
type Answer = (StatusCode, Value);

impl Bench {
    fn new() -> Self {
        let user = User { name: "me".into(), token: TOKEN.into(), groups: vec![] };
        Bench(Embedded::new(&[user]).unwrap().router())
    }

    /// With the kind `Thing`.
    async fn with_things() -> Self {
        let bench = Self::new();
        assert_eq!(bench.send("POST", DEFINITIONS, definition()).await.0, 201);
        bench
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send_as(method, path, "application/json", body).await
    }

    async fn send_as(&self, method: &str, path: &str, media_type: &str, body: Value) -> Answer {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.header(header::CONTENT_TYPE, media_type).body(body).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let code = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let text = || Value::from(String::from_utf8_lossy(&bytes).into_owned());
        (code, serde_json::from_slice(&bytes).unwrap_or_else(|_| text()))
    }
}

fn definition() -> Value {
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version = |name: &str, storage: bool| {
        json!({
            "name": name, "served": true, "storage": storage, "schema": {"openAPIV3Schema": any},
        })
    };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.rest.polyreme.dev"},
        "spec": {
            "group": "rest.polyreme.dev", "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [version("v1", true), version("v2", false)],
        },
    })
}

fn deployment() -> Value {
    let template =
        json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"selector": {"matchLabels": {"app": "a"}}, "template": template});
    json!({"metadata": {"name": "a"}, "spec": spec})
}

fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn thing(name: &str) -> Value {
    json!({"apiVersion": "rest.polyreme.dev/v1", "kind": "Thing", "metadata": {"name": name}})
}

#[tokio::test]
async fn all_namespaces_of_a_built_in_kind_can_only_be_read() {
    let bench = Bench::new();
    assert_eq!(bench.send("POST", CONFIG_MAPS, config_map("a")).await.0, 201);
    for method in ["DELETE", "POST", "PUT", "PATCH"] {
        let (code, answer) = bench.send(method, "/api/v1/configmaps", config_map("b")).await;
        assert_eq!((code.as_u16(), &answer["reason"]), (405, &json!("MethodNotAllowed")), "{method}");
    }
    let (_, listed) = bench.send("GET", "/api/v1/configmaps", Value::Null).await;
    assert_eq!(listed["items"][0]["metadata"]["name"], "a");
    assert_eq!(bench.send("DELETE", CONFIG_MAPS, Value::Null).await.0, 200);
    let (_, listed) = bench.send("GET", "/api/v1/configmaps", Value::Null).await;
    assert_eq!(listed["items"], json!([]));
}

#[tokio::test]
async fn all_namespaces_of_a_custom_kind_can_only_be_read() {
    let bench = Bench::with_things().await;
    assert_eq!(bench.send("POST", THINGS, thing("a")).await.0, 201);
    let everywhere = "/apis/rest.polyreme.dev/v1/things";
    for method in ["DELETE", "POST", "PUT", "PATCH"] {
        let (code, answer) = bench.send(method, everywhere, thing("b")).await;
        assert_eq!((code.as_u16(), answer), (404, json!("404 page not found\n")), "{method}");
    }
    let (_, listed) = bench.send("GET", everywhere, Value::Null).await;
    assert_eq!(listed["items"][0]["metadata"]["name"], "a");
}

#[tokio::test]
async fn a_collection_without_namespaces_can_be_written() {
    let bench = Bench::with_things().await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(bench.send("POST", roles, json!({"metadata": {"name": "a"}})).await.0, 201);
    assert_eq!(bench.send("DELETE", roles, Value::Null).await.0, 200);
}

/// The message for a body that does not name `a`.
fn unnamed(answer: &Answer) -> bool {
    let why = "the name of the object (a based on URL) was undeterminable: name must be provided";
    answer.0 == 400 && answer.1["reason"] == "BadRequest" && answer.1["message"] == why
}

fn nameless(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "data": data})
}

#[tokio::test]
async fn a_put_names_its_object() {
    let bench = Bench::new();
    let path = format!("{CONFIG_MAPS}/a");
    let refused = bench.send("PUT", &path, nameless(json!({}))).await;
    assert!(unnamed(&refused), "before looking whether it is there: {refused:?}");
    assert_eq!(bench.send("POST", CONFIG_MAPS, config_map("a")).await.0, 201);
    let refused = bench.send("PUT", &path, nameless(json!({}))).await;
    assert!(unnamed(&refused), "{refused:?}");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/a";
    let refused = bench.send("PUT", lease, json!({"spec": {}})).await;
    assert!(unnamed(&refused), "{refused:?}");
    assert_eq!(bench.send("PUT", &path, config_map("a")).await.0, 200);
    assert_eq!(bench.send("PUT", &path, config_map("b")).await.0, 400);
}

#[tokio::test]
async fn an_apply_names_what_it_creates() {
    let bench = Bench::new();
    let path = format!("{CONFIG_MAPS}/a?fieldManager=me");
    let refused = bench.send_as("PATCH", &path, APPLY, nameless(json!({"k": "v"}))).await;
    assert!(unnamed(&refused), "{refused:?}");
    assert_eq!(bench.send_as("PATCH", &path, APPLY, config_map("a")).await.0, 201);
    let (code, applied) = bench.send_as("PATCH", &path, APPLY, nameless(json!({"k": "v"}))).await;
    assert_eq!((code.as_u16(), &applied["data"]["k"]), (200, &json!("v")));
    assert_eq!(applied["metadata"]["name"], "a");
    assert_eq!(bench.send_as("PATCH", &path, APPLY, config_map("b")).await.0, 400);
}

#[tokio::test]
async fn a_patch_does_not_take_the_name_away() {
    let bench = Bench::new();
    assert_eq!(bench.send("POST", CONFIG_MAPS, config_map("a")).await.0, 201);
    let (path, patch) = (format!("{CONFIG_MAPS}/a"), json!({"metadata": {"name": null}}));
    let refused = bench.send_as("PATCH", &path, MERGE, patch).await;
    assert!(unnamed(&refused), "{refused:?}");
}

#[tokio::test]
async fn a_scale_names_its_object() {
    let bench = Bench::new();
    let template =
        json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let spec = json!({"selector": {"matchLabels": {"app": "a"}}, "template": template});
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = json!({"metadata": {"name": "a"}, "spec": spec});
    assert_eq!(bench.send("POST", deployments, deployment).await.0, 201);
    let path = format!("{deployments}/a/scale");
    let refused = bench.send("PUT", &path, json!({"spec": {"replicas": 2}})).await;
    assert!(unnamed(&refused), "{refused:?}");
    let scale = json!({"metadata": {"name": "a", "namespace": "default"}, "spec": {"replicas": 2}});
    let (code, scaled) = bench.send("PUT", &path, scale).await;
    assert_eq!((code.as_u16(), &scaled["spec"]["replicas"]), (200, &json!(2)));
}

fn causes(answer: &Answer) -> Vec<&str> {
    let causes = answer.1["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    causes.iter().filter_map(|cause| cause["field"].as_str()).collect()
}

#[tokio::test]
async fn a_definition_is_compared_with_the_one_before() {
    let bench = Bench::with_things().await;
    let path = format!("{DEFINITIONS}/things.rest.polyreme.dev");
    let patch = async |path: &str, spec: Value| bench.send_as("PATCH", path, MERGE, spec).await;
    let wrong = [
        (json!({"scope": "Cluster"}), "spec.scope"),
        (json!({"names": {"kind": "Other"}}), "spec.names.kind"),
        (json!({"group": "other.polyreme.dev"}), "spec.group"),
        (json!({"names": {"plural": "others"}}), "spec.names.plural"),
    ];
    for (spec, field) in wrong {
        let refused = patch(&path, json!({"spec": spec})).await;
        assert_eq!((refused.0.as_u16(), causes(&refused)), (422, vec![field]), "{refused:?}");
    }
    let mut other = definition()["spec"]["versions"][1].clone();
    other["storage"] = json!(true);
    let only_other = json!({"spec": {"versions": [other]}});
    let refused = patch(&path, only_other.clone()).await;
    assert_eq!(
        (refused.0.as_u16(), causes(&refused)),
        (422, vec!["status.storedVersions[0]"]),
        "{refused:?}"
    );
    // As after a migration: the other version is stored, and the status forgets the first.
    let mut both = definition()["spec"]["versions"].clone();
    (both[0]["storage"], both[1]["storage"]) = (json!(false), json!(true));
    let (code, moved) = patch(&path, json!({"spec": {"versions": both}})).await;
    assert_eq!((code.as_u16(), &moved["status"]["storedVersions"]), (200, &json!(["v1", "v2"])));
    assert!(!moved["metadata"]["managedFields"].to_string().contains("f:status"), "{moved}");
    let forget = json!({"status": {"storedVersions": ["v2"]}});
    assert_eq!(patch(&format!("{path}/status"), forget).await.0, 200);
    assert_eq!(patch(&path, only_other).await.0, 200);
}

#[tokio::test]
async fn an_autoscalers_conditions_are_merged_in_its_status() {
    let bench = Bench::new();
    let autoscalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "nothing"});
    let body = json!({"metadata": {"name": "a"}, "spec": {"maxReplicas": 2, "scaleTargetRef": target}});
    assert_eq!(bench.send("POST", autoscalers, body).await.0, 201);
    let path = format!("{autoscalers}/a/status");
    for (kind, count) in [("One", 1), ("Two", 2)] {
        let status = json!({"status": {"conditions": [{"type": kind, "status": "True"}]}});
        let answer = bench.send_as("PATCH", &path, "application/strategic-merge-patch+json", status).await;
        let conditions = answer.1["status"]["conditions"].as_array();
        assert_eq!(conditions.map(Vec::len), Some(count), "{answer:?}");
    }
}

/// Sends merge patches one after the other and answers the generation after each.
async fn generations(bench: &Bench, path: &str, patches: &[(&str, Value)]) -> Vec<Option<i64>> {
    let mut generations = Vec::new();
    for (part, patch) in patches {
        let (code, object) = bench.send_as("PATCH", &format!("{path}{part}"), MERGE, patch.clone()).await;
        assert_eq!(code, 200, "{object}");
        generations.push(object["metadata"]["generation"].as_i64());
    }
    generations
}

#[tokio::test]
async fn the_generation_follows_what_counts_for_its_kind() {
    let bench = Bench::new();
    let annotated = |value: &str| json!({"metadata": {"annotations": {"a": value}}});
    let labelled = json!({"metadata": {"labels": {"a": "b"}}});
    assert_eq!(bench.send("POST", DEPLOYMENTS, deployment()).await.0, 201);
    let patches = [("", labelled.clone()), ("", annotated("1")), ("/status", annotated("2"))];
    let counted = generations(&bench, &format!("{DEPLOYMENTS}/a"), &patches).await;
    assert_eq!(counted, [Some(1), Some(2), Some(2)]);

    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    let slice = json!({"metadata": {"name": "a"}, "addressType": "IPv4", "endpoints": []});
    assert_eq!(bench.send("POST", slices, slice).await.0, 201);
    let patches = [("", annotated("1")), ("", labelled.clone())];
    assert_eq!(generations(&bench, &format!("{slices}/a"), &patches).await, [Some(1), Some(2)]);

    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    assert_eq!(bench.send("POST", classes, json!({"metadata": {"name": "a"}, "value": 1})).await.0, 201);
    let patches = [("", json!({"description": "other"}))];
    assert_eq!(generations(&bench, &format!("{classes}/a"), &patches).await, [Some(1)]);

    assert_eq!(bench.send("POST", CONFIG_MAPS, config_map("a")).await.0, 201);
    let patches = [("", json!({"metadata": {"generation": 7}, "data": {"k": "v"}}))];
    assert_eq!(generations(&bench, &format!("{CONFIG_MAPS}/a"), &patches).await, [None]);
}

#[tokio::test]
async fn a_put_needs_a_version_and_creates_as_its_kind_says() {
    let bench = Bench::new();
    let named = || json!({"metadata": {"name": "a"}});
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    assert_eq!(bench.send("POST", accounts, named()).await.0, 201);
    assert_eq!(bench.send("PUT", &format!("{accounts}/a"), named()).await.0, 200);

    let webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let (code, created) = bench.send("POST", webhooks, named()).await;
    assert_eq!((code.as_u16(), &created["metadata"]["generation"]), (201, &json!(1)));
    let refused = bench.send("PUT", &format!("{webhooks}/a"), named()).await;
    assert_eq!((refused.0.as_u16(), causes(&refused)), (422, vec!["metadata.resourceVersion"]));

    let quota = "/api/v1/namespaces/default/resourcequotas/a";
    assert_eq!(bench.send("PUT", quota, named()).await.0, 404);
}

#[tokio::test]
async fn webhooks_of_two_managers_stand_side_by_side() {
    let bench = Bench::new();
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/a";
    let body = |name: &str| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "a"},
            "webhooks": [{
                "name": name, "clientConfig": {"url": "https://127.0.0.1:1/"}, "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "matchConditions": [{"name": "x", "expression": "true"}],
            }],
        })
    };
    for (manager, count) in [("one", 1), ("two", 2)] {
        let path = format!("{path}?fieldManager={manager}");
        let answer = bench.send_as("PATCH", &path, APPLY, body(&format!("{manager}.a.example"))).await;
        assert_eq!(answer.1["webhooks"].as_array().map(Vec::len), Some(count), "{answer:?}");
    }
}
