//! What a minimal object of each kind becomes.

use super::*;

fn defaulted(group: &str, kind: &str, mut object: Value) -> Value {
    set_defaults(group, kind, &mut object);
    object
}

#[test]
fn a_minimal_deployment_becomes_what_a_real_server_shows() {
    let minimal = json!({"spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [
            {"name": "c", "image": "nginx:1.27-alpine", "ports": [{"containerPort": 80}]},
        ], "volumes": [{"name": "v", "configMap": {"name": "m"}}]}},
    }});
    let expected = json!({"spec": {
        "progressDeadlineSeconds": 600, "replicas": 1, "revisionHistoryLimit": 10,
        "selector": {"matchLabels": {"a": "b"}},
        "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}, "type": "RollingUpdate"},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
            "containers": [{
                "image": "nginx:1.27-alpine", "imagePullPolicy": "IfNotPresent", "name": "c",
                "ports": [{"containerPort": 80, "protocol": "TCP"}], "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30,
            "volumes": [{"configMap": {"defaultMode": 420, "name": "m"}, "name": "v"}],
        }},
    }});
    assert_eq!(defaulted("apps", "Deployment", minimal), expected);
}

#[test]
fn defaults_applied_twice_change_nothing_more() {
    let once = defaulted(
        "apps",
        "Deployment",
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}}),
    );
    assert_eq!(defaulted("apps", "Deployment", once.clone()), once);
}

#[test]
fn a_service_gets_its_type_and_target_ports() {
    let service = defaulted(
        "",
        "Service",
        json!({"spec": {"ports": [{"port": 80}, {"port": 81, "targetPort": "http"}]}}),
    );
    assert_eq!(
        service,
        json!({
            "spec": {
                "internalTrafficPolicy": "Cluster",
                "ports": [
                    {"port": 80, "protocol": "TCP", "targetPort": 80},
                    {"port": 81, "protocol": "TCP", "targetPort": "http"},
                ],
                "sessionAffinity": "None", "type": "ClusterIP",
            },
            "status": {"loadBalancer": {}},
        })
    );
}

#[test]
fn image_tags_decide_the_pull_policy() {
    let cases = [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("registry:5000/nginx", "Always"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ];
    for (image, expected) in cases {
        let pod = defaulted("", "Pod", json!({"spec": {"containers": [{"image": image}]}}));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], expected, "{image}");
    }
}

#[test]
fn a_new_namespace_is_active_and_named_by_a_label() {
    let mut namespace = defaulted("", "Namespace", json!({"metadata": {"name": "n"}}));
    prepare_create("", "Namespace", &mut namespace);
    assert_eq!(
        namespace,
        json!({
            "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}},
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        })
    );
}

#[test]
fn a_job_selects_its_own_pods() {
    let mut job = defaulted("batch", "Job", json!({"metadata": {"name": "j", "uid": "u"}, "spec": {}}));
    prepare_create("batch", "Job", &mut job);
    assert_eq!(job["spec"]["selector"]["matchLabels"], json!({"batch.kubernetes.io/controller-uid": "u"}));
    assert_eq!(job["spec"]["template"]["metadata"]["labels"]["job-name"], "j");
}

#[test]
fn requests_default_to_limits_in_pods_and_decide_the_class() {
    let limits = json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]}});
    let mut pod = defaulted("", "Pod", limits);
    prepare_create("", "Pod", &mut pod);
    assert_eq!(pod["spec"]["containers"][0]["resources"]["requests"], json!({"cpu": "1", "memory": "1Gi"}));
    assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "Guaranteed"}));
}

#[test]
fn structs_that_are_always_there_are_there() {
    let mut deployment = json!({"spec": {"template": {"spec": {"containers": [{"name": "c"}]}}}});
    default_object("apps", "Deployment", &mut deployment);
    assert_eq!(deployment["status"], json!({}));
    assert_eq!(deployment["metadata"], json!({}));
    assert_eq!(deployment["spec"]["template"]["metadata"], json!({}));
}
