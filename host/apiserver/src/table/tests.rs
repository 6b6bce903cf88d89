//! What `kubectl get` shows of objects, and how paths and ages read.

use super::*;
use chrono::{TimeDelta, TimeZone};

fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 5, 1, 12, 0, 0).unwrap()
}

fn cells(columns: &[Column], object: Value) -> Value {
    table(columns, &[object], now())["rows"][0]["cells"].clone()
}

fn named(mut object: Value) -> Value {
    object["metadata"]["name"] = json!("x");
    object["metadata"]["creationTimestamp"] = json!("2024-05-01T11:55:00Z");
    object
}

/// Cells without the wide ones.
fn narrow(group: &str, kind: &str, object: Value) -> Value {
    let columns: Vec<Column> = builtin_columns(group, kind).into_iter().filter(|c| c.priority == 0).collect();
    cells(&columns, named(object))
}

#[test]
fn built_in_kinds_show_their_usual_cells() {
    let cases = [
        ("", "ConfigMap", json!({"data": {"a": "1"}, "binaryData": {"b": ""}}), json!(["x", 2, "5m"])),
        ("", "Secret", json!({"type": "Opaque", "data": {"a": ""}}), json!(["x", "Opaque", 1, "5m"])),
        ("", "Namespace", json!({"status": {"phase": "Active"}}), json!(["x", "Active", "5m"])),
        (
            "apps",
            "Deployment",
            json!({"spec": {"replicas": 2}, "status": {"readyReplicas": 1, "updatedReplicas": 2, "availableReplicas": 1}}),
            json!(["x", "1/2", 2, 1, "5m"]),
        ),
        (
            "",
            "Service",
            json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "protocol": "TCP"}, {"port": 81, "nodePort": 30000, "protocol": "TCP"}]}}),
            json!(["x", "ClusterIP", "10.0.0.1", "<none>", "80/TCP,81:30000/TCP", "5m"]),
        ),
        (
            "networking.k8s.io",
            "Ingress",
            json!({"spec": {"ingressClassName": "nginx", "rules": [{"host": "a"}, {"host": "b"}]}}),
            json!(["x", "nginx", "a,b", "", "80", "5m"]),
        ),
        ("coordination.k8s.io", "Lease", json!({"spec": {"holderIdentity": "me"}}), json!(["x", "me", "5m"])),
        (
            "batch",
            "Job",
            json!({"spec": {"completions": 3}, "status": {"succeeded": 1}}),
            json!(["x", "Running", "1/3", "", "5m"]),
        ),
        ("rbac.authorization.k8s.io", "Role", json!({}), json!(["x", "2024-05-01T11:55:00Z"])),
        (
            "",
            "Event",
            json!({"lastTimestamp": "2024-05-01T11:59:00Z", "type": "Normal", "reason": "Made", "involvedObject": {"kind": "Pod", "name": "p"}, "message": "made it "}),
            json!(["60s", "Normal", "Made", "pod/p", "made it"]),
        ),
    ];
    for (group, kind, object, expected) in cases {
        assert_eq!(narrow(group, kind, object), expected, "{kind}");
    }
}

#[test]
fn a_pods_status_is_its_most_telling_reason() {
    let cases = [
        (json!({"status": {"phase": "Pending"}}), "Pending"),
        (
            json!({"status": {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}}),
            "ImagePullBackOff",
        ),
        (
            json!({"status": {"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}}),
            "ExitCode:3",
        ),
        (
            json!({"spec": {"initContainers": [{}, {}]}, "status": {"phase": "Pending", "initContainerStatuses": [{"state": {"running": {}}}]}}),
            "Init:0/2",
        ),
        (
            json!({"metadata": {"deletionTimestamp": "2024-05-01T11:59:00Z"}, "status": {"phase": "Running"}}),
            "Terminating",
        ),
    ];
    for (pod, expected) in cases {
        assert_eq!(narrow("", "Pod", pod)[2], expected);
    }
}

#[test]
fn a_pods_restarts_say_when() {
    let pod = json!({"spec": {"containers": [{}]}, "status": {"phase": "Running", "containerStatuses": [
        {"ready": true, "state": {"running": {}}, "restartCount": 2, "lastState": {"terminated": {"finishedAt": "2024-05-01T11:58:30Z"}}},
    ]}});
    assert_eq!(narrow("", "Pod", pod), json!(["x", "1/1", "Running", "2 (90s ago)", "5m"]));
}

#[test]
fn custom_columns_follow_their_types() {
    let columns = custom_columns(&[
        json!({"name": "Theme", "type": "string", "jsonPath": ".spec.theme"}),
        json!({"name": "N", "type": "integer", "jsonPath": ".spec.n", "priority": 1}),
        json!({"name": "On", "type": "boolean", "jsonPath": ".spec.on"}),
        json!({"name": "Since", "type": "date", "jsonPath": ".status.lastTransitionTime"}),
        json!({"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}),
        json!({"name": "Missing", "type": "string", "jsonPath": ".spec.missing"}),
    ]);
    let object = named(json!({
        "spec": {"theme": "dark", "n": 3, "on": true},
        "status": {"lastTransitionTime": "2024-05-01T11:59:30.000000Z", "conditions": [{"type": "Ready", "status": "True"}]},
    }));
    assert_eq!(cells(&columns, object), json!(["x", "dark", 3, true, "30s", "True", null]));
    let definitions = table(&columns, &[], now())["columnDefinitions"].clone();
    assert_eq!(definitions[0]["format"], "name");
    assert_eq!(definitions[2]["priority"], 1);
    assert_eq!(
        definitions[1]["description"],
        "Custom resource definition column (in JSONPath format): .spec.theme"
    );
}

#[test]
fn a_custom_resource_without_columns_shows_its_age() {
    assert_eq!(cells(&custom_columns(&[]), named(json!({}))), json!(["x", "5m"]));
}

#[test]
fn selectors_read_as_kubectl_prints_them() {
    let cases = [
        (json!({"app": "web"}), "app=web"),
        (json!({"matchLabels": {"b": "2", "a": "1"}}), "a=1,b=2"),
        (json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}]}), "a in (x,y)"),
        (json!({}), "<none>"),
    ];
    for (given, expected) in cases {
        assert_eq!(workloads::selector(Some(&given)), expected);
    }
}

#[test]
fn ages_get_coarser_with_time() {
    let cases = [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (330, "5m30s"),
        (601, "10m"),
        (10_800, "3h"),
        (11_700, "3h15m"),
        (90_000, "25h"),
        (180_000, "2d2h"),
        (1_000_000, "11d"),
        (70_000_000, "2y80d"),
        (300_000_000, "9y"),
    ];
    for (seconds, expected) in cases {
        assert_eq!(human_duration(TimeDelta::seconds(seconds)), expected, "{seconds}");
    }
}

#[test]
fn paths_find_what_they_name() {
    let value = json!({
        "a": {"b.c": 1, "d": [10, 20, 30]},
        "list": [{"k": "x", "v": 1}, {"k": "y", "v": 2}],
    });
    let cases = [
        (".a['b.c']", json!([1])),
        (r".a.b\.c", json!([1])),
        (".a.d[0]", json!([10])),
        (".a.d[-1]", json!([30])),
        (".a.d[*]", json!([10, 20, 30])),
        ("{.list[*].v}", json!([1, 2])),
        (".list[?(@.k=='y')].v", json!([2])),
        (".list[?(@.v>1)].k", json!(["y"])),
        (".list[?(@.missing)].k", json!([])),
        ("$..v", json!([1, 2])),
        (".nothing.here", json!([])),
    ];
    for (path, expected) in cases {
        let found = JsonPath::parse(path).unwrap();
        assert_eq!(json!(found.all(&value)), expected, "{path}");
    }
}

#[test]
fn a_path_that_does_not_close_is_an_error() {
    for path in [".a[", ".a['b", ".a[x]", ".a[?(b==1)]"] {
        assert!(JsonPath::parse(path).is_err(), "{path}");
    }
}
