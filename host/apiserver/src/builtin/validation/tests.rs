//! What each kind refuses, and that ordinary objects pass.

use super::*;
use serde_json::json;

fn found(group: &str, kind: &str, object: Value, old: Option<Value>) -> Vec<String> {
    let complete = |mut object: Value| {
        super::super::default_object(group, kind, &mut object);
        object
    };
    let (object, old) = (complete(object), old.map(complete));
    let causes = validate(group, kind, &object, old.as_ref());
    causes.iter().map(ToString::to_string).collect()
}

fn deployment(labels: Value) -> Value {
    json!({"spec": {
        "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    }})
}

fn ingress(path: Value) -> Value {
    json!({"spec": {"rules": [{"host": "h.example", "http": {"paths": [path]}}]}})
}

#[test]
fn ordinary_objects_pass() {
    let cases = [
        ("", "ConfigMap", json!({"data": {"nginx.conf": "x"}})),
        ("", "Secret", json!({"stringData": {"a": "b"}})),
        (
            "",
            "Service",
            json!({"spec": {"ports": [{"port": 80, "targetPort": "http"}], "selector": {"a": "b"}}}),
        ),
        ("", "Service", json!({"spec": {"clusterIP": "None"}})),
        ("apps", "Deployment", deployment(json!({"app": "a", "more": "x"}))),
        ("coordination.k8s.io", "Lease", json!({"spec": {"leaseDurationSeconds": 15}})),
        (
            "batch",
            "Job",
            json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}}}),
        ),
        (
            "networking.k8s.io",
            "Ingress",
            ingress(
                json!({"path": "/a", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"number": 80}}}}),
            ),
        ),
        ("", "Event", json!({"metadata": {"namespace": "n"}, "involvedObject": {"namespace": "n"}})),
    ];
    for (group, kind, object) in cases {
        assert_eq!(found(group, kind, object, None), Vec::<String>::new(), "{kind}");
    }
}

/// A group, a kind, an object and what is said of it.
type Refusal = (&'static str, &'static str, Value, &'static str);

fn refuses(cases: &[Refusal]) {
    for (group, kind, object, expected) in cases {
        let found = found(group, kind, object.clone(), None);
        assert!(found.iter().any(|f| f.starts_with(expected)), "{kind}: {expected}\n{found:#?}");
    }
}

#[test]
fn data_without_sense_is_refused() {
    refuses(&[
        (
            "",
            "ConfigMap",
            json!({"data": {"a b": "x"}}),
            "data[a b]: Invalid value: \"a b\": a valid config key",
        ),
        (
            "",
            "ConfigMap",
            json!({"data": {"a": ""}, "binaryData": {"a": ""}}),
            "data[a]: Invalid value: \"a\": duplicate of key present in binaryData",
        ),
        (
            "",
            "Secret",
            json!({"type": "kubernetes.io/tls", "data": {"tls.crt": ""}}),
            "data[tls.key]: Required value",
        ),
        (
            "coordination.k8s.io",
            "Lease",
            json!({"spec": {"leaseTransitions": -1}}),
            "spec.leaseTransitions: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "",
            "Event",
            json!({"metadata": {"namespace": "n"}, "involvedObject": {"namespace": "m"}}),
            "involvedObject.namespace: Invalid value: \"m\": does not match event.namespace",
        ),
        (
            "rbac.authorization.k8s.io",
            "RoleBinding",
            json!({"roleRef": {"kind": "Role", "name": ""}}),
            "roleRef.name: Required value",
        ),
    ]);
}

#[test]
fn services_and_ingresses_without_sense_are_refused() {
    refuses(&[
        ("", "Service", json!({"spec": {}}), "spec.ports: Required value"),
        (
            "",
            "Service",
            json!({"spec": {"ports": [{"port": 0}]}}),
            "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            "",
            "Service",
            json!({"spec": {"ports": [{"port": 1}, {"port": 2}]}}),
            "spec.ports[0].name: Required value",
        ),
        (
            "",
            "Service",
            json!({"spec": {"type": "Weird", "ports": [{"port": 1}]}}),
            "spec.type: Unsupported value: \"Weird\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"",
        ),
        (
            "networking.k8s.io",
            "Ingress",
            json!({"spec": {}}),
            "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified",
        ),
        (
            "networking.k8s.io",
            "Ingress",
            ingress(json!({"path": "/"})),
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
        ),
        (
            "networking.k8s.io",
            "Ingress",
            ingress(
                json!({"path": "a", "pathType": "Prefix", "backend": {"service": {"name": "s", "port": {"name": "p"}}}}),
            ),
            "spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path",
        ),
    ]);
}

#[test]
fn workloads_without_sense_are_refused() {
    refuses(&[
        (
            "apps",
            "Deployment",
            deployment(json!({"app": "b"})),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`",
        ),
        (
            "apps",
            "Deployment",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
            "spec.selector: Required value",
        ),
        (
            "apps",
            "Deployment",
            json!({"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {}}}}),
            "spec.template.spec.containers: Required value",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"containers": [{"name": "c"}]}}),
            "spec.containers[0].image: Required value",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]}}),
            "spec.containers[1].name: Duplicate value: \"c\"",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/x"}]}]}}),
            "spec.containers[0].volumeMounts[0].name: Not found: \"v\"",
        ),
        (
            "batch",
            "Job",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}}}),
            "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\"",
        ),
    ]);
}

#[test]
fn what_may_not_change_is_refused() {
    let selected = |app: &str| {
        json!({"spec": {
            "selector": {"matchLabels": {"app": app}},
            "template": {"metadata": {"labels": {"app": app}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        }})
    };
    let service = |ip: &str| json!({"spec": {"clusterIP": ip, "ports": [{"port": 80}]}});
    let pod = |node: &str| json!({"spec": {"hostname": node, "containers": [{"name": "c", "image": node}]}});
    let cases = [
        (
            "apps",
            "Deployment",
            selected("a"),
            selected("b"),
            "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"b\"}}: field is immutable",
        ),
        (
            "",
            "Service",
            service("10.0.0.1"),
            service("10.0.0.2"),
            "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set",
        ),
        (
            "",
            "ConfigMap",
            json!({"immutable": true, "data": {"a": "1"}}),
            json!({"immutable": true, "data": {"a": "2"}}),
            "data: Forbidden: field is immutable when `immutable` is set",
        ),
        (
            "",
            "Secret",
            json!({"type": "Opaque"}),
            json!({"type": "other"}),
            "type: Invalid value: \"other\": field is immutable",
        ),
        ("", "Pod", pod("x"), pod("y"), "spec: Forbidden: pod updates may not change fields other than"),
    ];
    for (group, kind, old, new, expected) in cases {
        let found = found(group, kind, new, Some(old));
        assert!(found.iter().any(|f| f.starts_with(expected)), "{kind}: {found:#?}");
    }
}
