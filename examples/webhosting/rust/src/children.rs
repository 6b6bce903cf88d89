//! The four objects a Website becomes. Pure: from the site, its theme and the settings.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use polyreme_sdk::k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use polyreme_sdk::k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, KeyToPath, PodSpec, PodTemplateSpec, Service,
    ServicePort, ServiceSpec, Volume, VolumeMount,
};
use polyreme_sdk::k8s_openapi::api::networking::v1::{
    HTTPIngressPath, HTTPIngressRuleValue, Ingress, IngressBackend, IngressRule, IngressServiceBackend,
    IngressSpec, ServiceBackendPort,
};
use polyreme_sdk::k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use polyreme_sdk::k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use polyreme_sdk::{Object, ObjectMeta};
use sha2::{Digest, Sha256};

use crate::api::{SKIP_WORKLOAD, ThemeSpec, Website};
use crate::page;
use crate::settings::{IngressSettings, Settings};

/// Value of the label `managed-by`.
pub const MANAGER: &str = "webhosting-operator";

/// Changes with the ConfigMap's data, so that new content rolls the Deployment.
pub const CHECKSUM: &str = "checksum/configmap";

/// Ingress class of sites without workload: no Ingress controller has it.
const FAKE_INGRESS_CLASS: &str = "fake";

/// Port of the Service; the container listens on 80.
const SERVICE_PORT: i32 = 8080;
const CONTAINER_PORT: i32 = 80;
const PORT_NAME: &str = "http";

/// The name of the one volume: the ConfigMap.
const VOLUME: &str = "website";

/// Old ReplicaSets that a Deployment keeps.
const REVISION_HISTORY: i32 = 2;

/// What a Website becomes.
#[derive(Debug, Clone)]
pub struct Children {
    /// Content and configuration.
    pub config_map: ConfigMap,
    /// In front of the Pods.
    pub service: Service,
    /// In front of the Service.
    pub ingress: Ingress,
    /// The web server.
    pub deployment: Deployment,
}

impl Children {
    /// All four, for a site with an owner reference's worth of metadata (name, uid).
    pub fn of(website: &Website, theme: &ThemeSpec, settings: &Settings) -> Self {
        let data = data(website, theme);
        Self {
            service: service(website),
            ingress: ingress(website, &settings.ingress),
            deployment: deployment(website, settings, checksum(&data)),
            config_map: ConfigMap { metadata: metadata(website), data: Some(data), ..Default::default() },
        }
    }
}

/// `<website>-<first 6 hex digits of sha256(uid)>`: a site that is deleted and made again
/// under the same name does not meet the remains of the first.
pub fn child_name(website: &Website) -> String {
    let mut name = format!("{}-", website.name());
    for byte in Sha256::digest(website.uid()).iter().take(3) {
        // Writing to a String cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn data(website: &Website, theme: &ThemeSpec) -> BTreeMap<String, String> {
    let namespace = website.namespace().unwrap_or_default();
    BTreeMap::from([
        ("index.html".to_owned(), page::index_html(website.name(), theme)),
        ("nginx.conf".to_owned(), page::nginx_conf(namespace, website.name())),
    ])
}

/// sha256 over names and contents; lengths keep one from running into the next.
fn checksum(data: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for text in data.iter().flat_map(|(name, content)| [name, content]) {
        // As wide here as in WebAssembly, whose own lengths have 32 bits.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    format!("{:x}", hash.finalize())
}

fn service(website: &Website) -> Service {
    let port = ServicePort {
        name: Some(PORT_NAME.into()),
        port: SERVICE_PORT,
        protocol: Some("TCP".into()),
        target_port: Some(IntOrString::String(PORT_NAME.into())),
        ..Default::default()
    };
    let spec = ServiceSpec {
        type_: Some("ClusterIP".into()),
        selector: Some(selector(website)),
        ports: Some(vec![port]),
        ..Default::default()
    };
    Service { metadata: metadata(website), spec: Some(spec), ..Default::default() }
}

fn ingress(website: &Website, settings: &IngressSettings) -> Ingress {
    let every_host = [None];
    let hosts: Vec<Option<&String>> = settings.hosts.iter().map(Some).collect();
    let hosts = if hosts.is_empty() { &every_host[..] } else { &hosts[..] };
    let class = Some(FAKE_INGRESS_CLASS.to_owned()).filter(|_| skips_workload(website));
    let spec = IngressSpec {
        ingress_class_name: class.or_else(|| settings.class_name.clone()),
        rules: Some(hosts.iter().map(|host| ingress_rule(website, *host)).collect()),
        tls: Some(settings.tls.clone()).filter(|tls| !tls.is_empty()),
        ..Default::default()
    };
    let mut metadata = metadata(website);
    metadata.annotations = Some(settings.annotations.clone()).filter(|all| !all.is_empty());
    Ingress { metadata, spec: Some(spec), ..Default::default() }
}

fn ingress_rule(website: &Website, host: Option<&String>) -> IngressRule {
    let port = ServiceBackendPort { name: Some(PORT_NAME.into()), ..Default::default() };
    let service = IngressServiceBackend { name: child_name(website), port: Some(port) };
    let path = HTTPIngressPath {
        path: Some(format!("/{}/{}", website.namespace().unwrap_or_default(), website.name())),
        path_type: "Prefix".into(),
        backend: IngressBackend { service: Some(service), ..Default::default() },
    };
    IngressRule { host: host.cloned(), http: Some(HTTPIngressRuleValue { paths: vec![path] }) }
}

fn deployment(website: &Website, settings: &Settings, checksum: String) -> Deployment {
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels(website)),
            annotations: Some([(CHECKSUM.to_owned(), checksum)].into()),
            ..Default::default()
        }),
        spec: Some(pod(website, settings)),
    };
    let spec = DeploymentSpec {
        replicas: Some(if skips_workload(website) { 0 } else { 1 }),
        revision_history_limit: Some(REVISION_HISTORY),
        selector: LabelSelector { match_labels: Some(selector(website)), ..Default::default() },
        template,
        ..Default::default()
    };
    Deployment { metadata: metadata(website), spec: Some(spec), ..Default::default() }
}

fn pod(website: &Website, settings: &Settings) -> PodSpec {
    let nginx = Container {
        name: "nginx".into(),
        image: Some(settings.image.clone()),
        ports: Some(vec![ContainerPort {
            name: Some(PORT_NAME.into()),
            container_port: CONTAINER_PORT,
            protocol: Some("TCP".into()),
            ..Default::default()
        }]),
        volume_mounts: Some(vec![
            mount("/usr/share/nginx/html/index.html", "index.html"),
            mount("/etc/nginx/nginx.conf", "nginx.conf"),
        ]),
        ..Default::default()
    };
    PodSpec { containers: vec![nginx], volumes: Some(vec![volume(website)]), ..Default::default() }
}

fn volume(website: &Website) -> Volume {
    let item = |key: &str| KeyToPath { key: key.into(), path: key.into(), ..Default::default() };
    let config_map = ConfigMapVolumeSource {
        name: child_name(website),
        items: Some(vec![item("index.html"), item("nginx.conf")]),
        ..Default::default()
    };
    Volume { name: VOLUME.into(), config_map: Some(config_map), ..Default::default() }
}

fn mount(path: &str, key: &str) -> VolumeMount {
    VolumeMount {
        name: VOLUME.into(),
        mount_path: path.into(),
        sub_path: Some(key.into()),
        read_only: Some(true),
        ..Default::default()
    }
}

fn metadata(website: &Website) -> ObjectMeta {
    ObjectMeta { labels: Some(labels(website)), ..website.child(child_name(website)) }
}

fn labels(website: &Website) -> BTreeMap<String, String> {
    let mut labels = selector(website);
    labels.insert("managed-by".into(), MANAGER.into());
    labels
}

/// The labels that tell one site's Pods from another's.
fn selector(website: &Website) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("app".to_owned(), "website".to_owned()),
        ("website".to_owned(), website.name().to_owned()),
        ("server".to_owned(), child_name(website)),
    ])
}

fn skips_workload(website: &Website) -> bool {
    website.label(SKIP_WORKLOAD).is_some()
}
