//! The kubeconfig that leads to this server.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// YAML for kubectl, kube and Go clients; every value is quoted, so none needs escaping
/// beyond what its alphabet allows.
pub(super) fn kubeconfig(url: &str, ca_pem: &str, token: &str) -> String {
    let ca = BASE64_STANDARD.encode(ca_pem);
    format!(
        r#"apiVersion: v1
kind: Config
current-context: polyreme
clusters:
- name: polyreme
  cluster:
    server: "{url}"
    certificate-authority-data: "{ca}"
contexts:
- name: polyreme
  context:
    cluster: polyreme
    user: polyreme
    namespace: default
users:
- name: polyreme
  user:
    token: "{token}"
"#
    )
}
