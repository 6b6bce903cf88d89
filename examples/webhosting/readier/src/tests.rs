//! Both ways of marking, on a cluster in memory.

use std::time::Duration;

use polyreme_sdk::ObjectMeta;
use polyreme_sdk::testing::Fake;
use serde_json::json;

use super::*;
use crate::kinds::{Container, DeploymentSpec, PodSpec};

const WEB: &str = "project-foo/web";

fn metadata(name: &str, server: &str) -> ObjectMeta {
    let labels = [("managed-by", "webhosting-operator"), ("server", server)];
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some("project-foo".into()),
        labels: Some(labels.map(|(key, value)| (key.into(), value.into())).into()),
        ..Default::default()
    }
}

fn deployment(replicas: Option<i32>) -> Deployment {
    Deployment { metadata: metadata("web", "web"), ..Deployment::new("", DeploymentSpec { replicas }) }
}

fn pod(name: &str, server: &str) -> Pod {
    let containers = vec![Container { name: "nginx".into(), image: "nginx:alpine".into() }];
    Pod { metadata: metadata(name, server), ..Pod::new("", PodSpec { containers }) }
}

fn marks_pods() -> Fake {
    let cluster = Fake::new().with_settings(json!({ "mark": "pods" }));
    cluster.with(&deployment(Some(1))).with(&pod("web-1", "web")).with(&pod("other-1", "other"))
}

#[test]
fn a_deployment_is_marked_as_rolled_out() {
    let cluster = Fake::new().with(&deployment(None));
    cluster.reconcile::<Readier>(WEB).unwrap();
    let status = cluster.get::<Deployment>(WEB).status.unwrap();
    assert_eq!((status.observed_generation, status.available_replicas), (Some(1), Some(1)));
    assert_eq!(
        (status.replicas, status.updated_replicas, status.ready_replicas),
        (Some(1), Some(1), Some(1))
    );
    let said: Vec<_> = status.conditions.iter().map(|c| (c.kind.as_str(), c.status.as_str())).collect();
    assert_eq!(said, [("Available", "True"), ("Progressing", "True")]);
    assert_eq!(status.conditions[1].reason.as_deref(), Some("NewReplicaSetAvailable"));
}

#[test]
fn a_reconcile_that_changes_nothing_writes_nothing() {
    for cluster in [Fake::new().with(&deployment(Some(1))), marks_pods()] {
        cluster.settle::<Readier>(WEB).unwrap();
        cluster.take_writes();
        cluster.advance(Duration::from_secs(60));
        cluster.reconcile::<Readier>(WEB).unwrap();
        assert_eq!(cluster.take_writes(), [""; 0]);
    }
}

#[test]
fn a_new_generation_is_observed_and_the_times_stay() {
    let cluster = Fake::new().with(&deployment(Some(1)));
    cluster.settle::<Readier>(WEB).unwrap();
    let before = cluster.get::<Deployment>(WEB).status.unwrap();
    cluster.advance(Duration::from_secs(60));
    cluster.edit(WEB, |deployment: &mut Deployment| deployment.spec.replicas = Some(2));
    cluster.settle::<Readier>(WEB).unwrap();
    let after = cluster.get::<Deployment>(WEB).status.unwrap();
    assert_eq!((after.observed_generation, after.ready_replicas), (Some(2), Some(2)));
    assert_eq!(after.conditions, before.conditions);
}

#[test]
fn a_deployment_of_nothing_is_available_with_no_replicas() {
    let cluster = Fake::new().with(&deployment(Some(0)));
    cluster.settle::<Readier>(WEB).unwrap();
    let status = cluster.get::<Deployment>(WEB).status.unwrap();
    assert_eq!((status.replicas, status.conditions.len()), (None, 2));
}

#[test]
fn where_a_controller_manager_counts_only_pods_are_marked() {
    let cluster = marks_pods();
    cluster.settle::<Readier>(WEB).unwrap();
    assert_eq!(cluster.take_writes(), ["patch Pod/status project-foo/web-1"]);
    let status = cluster.get::<Pod>("project-foo/web-1").status.unwrap();
    assert_eq!(status.phase, "Running");
    assert!(status.container_statuses.iter().all(|container| container.ready));
    assert!(ready::is_ready(&cluster.get("project-foo/web-1")));
    assert!(!ready::is_ready(&cluster.get("project-foo/other-1")));
}

#[test]
fn a_setting_that_is_not_known_is_named() {
    let cluster = Fake::new().with(&deployment(None)).with_settings(json!({ "mark": "nodes" }));
    let error = cluster.reconcile::<Readier>(WEB).unwrap_err();
    assert!(error.chain().contains("`mark`") && error.chain().contains("`nodes`"), "{}", error.chain());
}
