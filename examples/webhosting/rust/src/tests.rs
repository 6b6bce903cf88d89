//! The whole controller on a cluster in memory.

use std::time::Duration;

use polyreme_sdk::k8s_openapi::api::core::v1::ServicePort;
use polyreme_sdk::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use polyreme_sdk::testing::Fake;
use polyreme_sdk::{ObjectMeta, Reason};
use serde_json::json;

use super::*;
use crate::api::{RolloutCondition, RolloutStatus, ThemeSpec, WebsiteSpec};
use crate::children::CHECKSUM;

const SITE: &str = "project-foo/kubecon";

fn theme(name: &str, color: &str) -> Theme {
    Theme::new(name, ThemeSpec { color: color.into(), font_family: "Futura".into() })
}

fn website(theme: &str) -> Website {
    let mut website = Website::new("kubecon", WebsiteSpec { theme: theme.into() });
    website.metadata.namespace = Some("project-foo".into());
    website
}

fn cluster() -> Fake {
    Fake::new().with(&theme("exciting", "darkcyan")).with(&website("exciting"))
}

fn settled() -> Fake {
    let cluster = cluster();
    cluster.settle::<Webhosting>(SITE).unwrap();
    cluster.take_writes();
    cluster
}

/// The key of the site's children.
fn child(cluster: &Fake) -> String {
    format!("project-foo/{}", child_name(&cluster.get(SITE)))
}

fn status(cluster: &Fake) -> api::WebsiteStatus {
    cluster.get::<Website>(SITE).status.unwrap()
}

fn checksum(cluster: &Fake) -> String {
    let deployment: Deployment = cluster.get(&child(cluster));
    let template = deployment.spec.unwrap().template.metadata.unwrap();
    template.annotations.unwrap()[CHECKSUM].clone()
}

/// What a Deployment controller and a kubelet do.
fn roll_out(cluster: &Fake) {
    cluster.edit(&child(cluster), |rollout: &mut Rollout| {
        let condition = |kind: &str, reason: &str| RolloutCondition {
            kind: kind.into(),
            status: "True".into(),
            reason: reason.into(),
        };
        rollout.status = Some(RolloutStatus {
            observed_generation: rollout.generation(),
            conditions: vec![
                condition("Available", "MinimumReplicasAvailable"),
                condition("Progressing", "NewReplicaSetAvailable"),
            ],
        });
    });
}

#[test]
fn a_website_becomes_four_children_of_its_own() {
    let cluster = settled();
    let (site, key): (Website, _) = (cluster.get(SITE), child(&cluster));
    let config_map: ConfigMap = cluster.get(&key);
    let service: Service = cluster.get(&key);
    let ingress: Ingress = cluster.get(&key);
    let deployment: Deployment = cluster.get(&key);

    assert!(config_map.is_controlled_by(&site) && service.is_controlled_by(&site));
    assert!(ingress.is_controlled_by(&site) && deployment.is_controlled_by(&site));
    for labels in [&config_map.metadata, &service.metadata, &ingress.metadata, &deployment.metadata] {
        let labels = labels.labels.as_ref().unwrap();
        assert_eq!(labels["app"], "website");
        assert_eq!(labels["website"], "kubecon");
        assert_eq!(labels["server"], child_name(&site));
        assert_eq!(labels["managed-by"], "webhosting-operator");
    }
}

#[test]
fn children_are_named_after_the_site_and_its_uid() {
    let mut site = website("exciting");
    site.metadata.uid = Some("abc".into());
    // printf abc | sha256sum: ba7816bf…
    assert_eq!(child_name(&site), "kubecon-ba7816");
}

#[test]
fn the_service_and_the_ingress_lead_to_the_pods() {
    let cluster = settled();
    let service: Service = cluster.get(&child(&cluster));
    let port = service.spec.unwrap().ports.unwrap().remove(0);
    assert_eq!((port.port, port.target_port), (8080, Some(IntOrString::String("http".into()))));

    let ingress: Ingress = cluster.get(&child(&cluster));
    let rule = ingress.spec.unwrap().rules.unwrap().remove(0);
    let path = rule.http.unwrap().paths.remove(0);
    assert_eq!((path.path.as_deref(), path.path_type.as_str()), (Some("/project-foo/kubecon"), "Prefix"));
    assert_eq!(rule.host, None);
}

#[test]
fn the_deployment_serves_the_config_map_read_only() {
    let cluster = settled();
    let deployment: Deployment = cluster.get(&child(&cluster));
    let spec = deployment.spec.unwrap();
    assert_eq!((spec.replicas, spec.revision_history_limit), (Some(1), Some(2)));
    let mut pod = spec.template.spec.unwrap();
    let nginx = pod.containers.remove(0);
    assert!(nginx.volume_mounts.unwrap().iter().all(|mount| mount.read_only == Some(true)));
    let volume = pod.volumes.unwrap().remove(0);
    assert_eq!(volume.config_map.unwrap().name, child_name(&cluster.get(SITE)));
}

#[test]
fn a_site_is_pending_until_its_deployment_is_rolled_out() {
    let cluster = settled();
    assert_eq!(status(&cluster).phase, Phase::Pending);

    roll_out(&cluster);
    cluster.settle::<Webhosting>(SITE).unwrap();
    assert_eq!(status(&cluster).phase, Phase::Ready);
    assert_eq!(status(&cluster).observed_generation, Some(1));
    assert_eq!(status(&cluster).conditions[0].status, "True");
}

#[test]
fn a_reconcile_that_changes_nothing_writes_nothing() {
    let cluster = settled();
    cluster.advance(Duration::from_secs(3600));
    cluster.reconcile::<Webhosting>(SITE).unwrap();
    assert_eq!(cluster.take_writes(), [""; 0]);
    assert_eq!(cluster.take_events(), [""; 0]);
}

#[test]
fn a_changed_theme_changes_the_page_and_rolls_the_deployment() {
    let cluster = settled();
    roll_out(&cluster);
    cluster.settle::<Webhosting>(SITE).unwrap();
    let before = checksum(&cluster);

    cluster.edit("exciting", |theme: &mut Theme| theme.spec.color = "teal".into());
    cluster.settle::<Webhosting>(SITE).unwrap();
    let config_map: ConfigMap = cluster.get(&child(&cluster));
    assert!(config_map.data.unwrap()["index.html"].contains("teal"));
    assert_ne!(checksum(&cluster), before);
    assert_eq!(status(&cluster).phase, Phase::Pending);

    roll_out(&cluster);
    cluster.settle::<Webhosting>(SITE).unwrap();
    assert_eq!(status(&cluster).phase, Phase::Ready);
}

#[test]
fn a_child_that_is_edited_or_deleted_by_hand_is_put_back() {
    let cluster = settled();
    let key = child(&cluster);
    let made: ConfigMap = cluster.get(&key);
    cluster.edit(&key, |config_map: &mut ConfigMap| {
        config_map.data = Some([("index.html".into(), "hacked".into())].into());
    });
    cluster.remove::<Service>(&key);

    cluster.settle::<Webhosting>(SITE).unwrap();
    assert_eq!(cluster.get::<ConfigMap>(&key).data, made.data);
    assert!(cluster.find::<Service>(&key).is_some());
}

#[test]
fn an_entry_added_by_hand_that_makes_a_child_invalid_is_removed() {
    let cluster = settled();
    let key = child(&cluster);
    let ports =
        |service: &Service| service.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default();
    let made = ports(&cluster.get::<Service>(&key));
    cluster.edit(&key, |service: &mut Service| {
        let spec = service.spec.get_or_insert_default();
        spec.ports.get_or_insert_default().push(ServicePort { port: 9999, ..made[0].clone() });
    });
    cluster.fail_next("apply", "Service", Reason::Invalid);

    cluster.settle::<Webhosting>(SITE).unwrap();
    assert_eq!(ports(&cluster.get::<Service>(&key)), made);
}

#[test]
fn a_site_without_a_theme_is_not_tried_again() {
    let cluster = Fake::new().with(&website(""));
    let error = cluster.reconcile::<Webhosting>(SITE).unwrap_err();
    assert!(error.is_terminal());
    assert_eq!(cluster.take_events()[0].reason, "ThemeUnspecified");
    assert_eq!(status(&cluster).phase, Phase::Error);
}

#[test]
fn a_missing_theme_is_tried_again_and_found_when_it_appears() {
    let cluster = Fake::new().with(&website("exciting"));
    let error = cluster.reconcile::<Webhosting>(SITE).unwrap_err();
    assert!(error.is_not_found() && !error.is_terminal());
    assert_eq!(
        cluster.take_events(),
        ["Warning ThemeNotFound: failed to get Theme exciting: Theme exciting not found"]
    );
    assert_eq!(status(&cluster).phase, Phase::Error);

    cluster.add(&theme("exciting", "darkcyan"));
    cluster.settle::<Webhosting>(SITE).unwrap();
    assert_eq!(status(&cluster).phase, Phase::Pending);
}

#[test]
fn a_failed_apply_shows_in_event_and_status_and_a_conflict_in_neither() {
    let cluster = cluster();
    cluster.fail_next("apply", "Deployment", Reason::Invalid);
    assert!(cluster.reconcile::<Webhosting>(SITE).unwrap_err().is_invalid());
    assert_eq!(cluster.take_events()[0].reason, "ReconcilerError");
    assert_eq!(status(&cluster).phase, Phase::Error);

    let cluster = settled();
    cluster.fail_next("apply", "Deployment", Reason::Conflict);
    assert!(cluster.reconcile::<Webhosting>(SITE).unwrap_err().is_conflict());
    assert_eq!(cluster.take_events(), [""; 0]);
    assert_eq!(status(&cluster).phase, Phase::Pending);
}

#[test]
fn the_time_of_the_last_transition_moves_only_with_the_status() {
    let cluster = settled();
    let first = status(&cluster).last_transition_time;
    cluster.advance(Duration::from_secs(60));
    cluster.settle::<Webhosting>(SITE).unwrap();
    assert_eq!(status(&cluster).last_transition_time, first);

    roll_out(&cluster);
    cluster.settle::<Webhosting>(SITE).unwrap();
    assert!(status(&cluster).last_transition_time > first);
}

#[test]
fn a_site_that_waits_to_be_deleted_says_so_and_keeps_its_children() {
    let cluster = settled();
    cluster.edit(SITE, |site: &mut Website| site.metadata.finalizers = Some(vec!["example.com/hold".into()]));
    cluster.remove::<Website>(SITE);
    cluster.settle::<Webhosting>(SITE).unwrap();
    assert_eq!(status(&cluster).phase, Phase::Terminating);
    assert_eq!(cluster.take_writes(), ["patch Website/status project-foo/kubecon"]);
}

#[test]
fn a_site_that_skips_its_workload_has_no_pods_and_nobodys_ingress() {
    let mut site = website("exciting");
    site.metadata.labels = Some([(api::SKIP_WORKLOAD.to_owned(), "true".to_owned())].into());
    let cluster = Fake::new().with(&theme("exciting", "darkcyan")).with(&site);
    cluster.settle::<Webhosting>(SITE).unwrap();
    let deployment: Deployment = cluster.get(&child(&cluster));
    assert_eq!(deployment.spec.unwrap().replicas, Some(0));
    let ingress: Ingress = cluster.get(&child(&cluster));
    assert_eq!(ingress.spec.unwrap().ingress_class_name.as_deref(), Some("fake"));
}

#[test]
fn settings_choose_image_hosts_annotations_and_tls() {
    let cluster = cluster().with_settings(json!({
        "image": "example.com/nginx:1",
        "ingress": {
            "className": "public",
            "hosts": ["a.example.com", "b.example.com"],
            "annotations": { "example.com/a": "b" },
            "tls": [{ "hosts": ["a.example.com"], "secretName": "cert" }],
        },
    }));
    cluster.settle::<Webhosting>(SITE).unwrap();
    let ingress: Ingress = cluster.get(&child(&cluster));
    assert_eq!(ingress.annotation("example.com/a"), Some("b"));
    let spec = ingress.spec.unwrap();
    let hosts: Vec<_> = spec.rules.unwrap().into_iter().map(|rule| rule.host.unwrap()).collect();
    assert_eq!(hosts, ["a.example.com", "b.example.com"]);
    assert_eq!(spec.tls.unwrap()[0].secret_name.as_deref(), Some("cert"));
    assert_eq!(spec.ingress_class_name.as_deref(), Some("public"));

    let deployment: Deployment = cluster.get(&child(&cluster));
    let pod = deployment.spec.unwrap().template.spec.unwrap();
    assert_eq!(pod.containers[0].image.as_deref(), Some("example.com/nginx:1"));
}

#[test]
fn a_setting_that_does_not_fit_is_named() {
    let cluster = cluster().with_settings(json!({ "ingress": { "hosts": "a.example.com" } }));
    let error = cluster.reconcile::<Webhosting>(SITE).unwrap_err();
    assert!(error.is_terminal());
    assert!(error.chain().contains("`ingress.hosts`"), "{}", error.chain());
}

#[test]
fn the_schema_of_the_settings_is_json() {
    let schema: serde_json::Value = serde_json::from_str(include_str!("settings.schema.json")).unwrap();
    assert_eq!(schema["type"], "object");
}

#[test]
fn a_child_of_another_owner_is_left_alone() {
    let cluster = cluster();
    let metadata = ObjectMeta {
        name: Some(child_name(&cluster.get(SITE))),
        namespace: Some("project-foo".into()),
        ..Default::default()
    };
    cluster.add(&Service { metadata, ..Default::default() });
    let error = cluster.reconcile::<Webhosting>(SITE).unwrap_err();
    assert!(error.is_refused(), "{}", error.chain());
}

#[test]
fn a_deleted_site_takes_its_children_with_it() {
    let cluster = settled();
    let key = child(&cluster);
    cluster.remove::<Website>(SITE);
    assert!(cluster.find::<Deployment>(&key).is_none() && cluster.find::<ConfigMap>(&key).is_none());
    assert_eq!(cluster.reconcile::<Webhosting>(SITE).unwrap(), Action::Done);
}
