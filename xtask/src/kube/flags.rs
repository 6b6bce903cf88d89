//! How each program of the control plane is started.
//!
//! The flags are those that worked with Kubernetes 1.36; each that is not obvious says why
//! it is there.

use std::path::Path;
use std::process::Command;

use super::binaries::Binaries;
use super::credentials::Credentials;

/// Ports on loopback.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) etcd: u16,
    pub(crate) etcd_peer: u16,
    pub(crate) apiserver: u16,
}

/// Every request with its user and times: hosts are judged from here, not from their own
/// logs. One event per request, when the response is complete; watches when they start.
///
/// Writes of probes (`tests/probe`) are kept with what was asked and what came of it: the
/// marks in them say which reconcile wrote, the resourceVersion in which order.
pub(crate) const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  verbs: [create, update, patch, delete]
  resources:
  - group: probe.polyreme.dev
- level: Metadata
";

/// Far more than a suite writes: the default rotates at 100 MB, and a rotated log is half a log.
const AUDIT_LOG_MEGABYTES: u32 = 16 * 1024;

/// The oldest Kubernetes minor that knows the feature gate `ShardedListAndWatch`.
const SHARDED_WATCH_SINCE: u32 = 36;

pub(crate) fn etcd(binaries: &Binaries, dir: &Path, ports: Ports) -> Command {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = Command::new(&binaries.etcd);
    command.arg("--data-dir").arg(dir.join("etcd")).args([
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // The data lives as long as the tests do.
        "--unsafe-no-fsync=true".to_owned(),
        "--log-level=warn".to_owned(),
    ]);
    command
}

pub(crate) fn apiserver(binaries: &Binaries, dir: &Path, keys: &Credentials, ports: Ports) -> Command {
    let mut command = Command::new(&binaries.apiserver);
    command.args([
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        // Nobody routes to the `kubernetes` Service here.
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        // The suites send more at once than the defaults let pass.
        "--max-requests-inflight=800",
        "--max-mutating-requests-inflight=400",
    ]);
    command.arg(format!("--secure-port={}", ports.apiserver));
    command.arg(format!("--audit-log-maxsize={AUDIT_LOG_MEGABYTES}"));
    command.arg(format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd));
    for (flag, path) in apiserver_files(dir, keys) {
        command.arg(flag).arg(path);
    }
    if minor_version(&binaries.apiserver).is_some_and(|minor| minor >= SHARDED_WATCH_SINCE) {
        command.arg("--feature-gates=ShardedListAndWatch=true");
    }
    command
}

fn apiserver_files(dir: &Path, keys: &Credentials) -> [(&'static str, std::path::PathBuf); 9] {
    [
        ("--client-ca-file", keys.ca.clone()),
        ("--tls-cert-file", keys.server_certificate.clone()),
        ("--tls-private-key-file", keys.server_key.clone()),
        ("--token-auth-file", keys.tokens.clone()),
        ("--service-account-key-file", keys.service_account_public_key.clone()),
        ("--service-account-signing-key-file", keys.service_account_key.clone()),
        ("--audit-policy-file", dir.join("audit-policy.yaml")),
        ("--audit-log-path", dir.join("audit.log")),
        ("--cert-dir", dir.join("apiserver")),
    ]
}

pub(crate) fn controllers(binaries: &Binaries, keys: &Credentials) -> Command {
    let mut command = Command::new(&binaries.controllers);
    for flag in ["--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"] {
        command.arg(flag).arg(&keys.kubeconfig);
    }
    command.arg("--service-account-private-key-file").arg(&keys.service_account_key);
    command.arg("--root-ca-file").arg(&keys.ca);
    command.args([
        // Without it the controllers hang: the token of `admin` is not a service account's.
        "--use-service-account-credentials=true",
        "--authentication-skip-lookup=true",
        "--leader-elect=false",
        // Nobody asks it anything.
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]);
    command
}

/// The minor of `Kubernetes v1.36.3`. Unknown feature gates are fatal, so an older server
/// named by `KUBEBUILDER_ASSETS` must not be given ours.
fn minor_version(apiserver: &Path) -> Option<u32> {
    let output = Command::new(apiserver).arg("--version").output().ok()?;
    parse_minor(&String::from_utf8_lossy(&output.stdout))
}

fn parse_minor(version: &str) -> Option<u32> {
    version.trim().split('.').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_is_read_from_what_the_server_prints() {
        assert_eq!(parse_minor("Kubernetes v1.36.3\n"), Some(36));
        assert_eq!(parse_minor("nonsense"), None);
    }
}
