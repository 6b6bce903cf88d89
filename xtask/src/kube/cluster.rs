//! One cluster: started, ready and warm, and gone without a trace when dropped.
//!
//! Ready means more than `/readyz`: the default namespace and service account exist, and
//! garbage collection has been seen to work once, since its first run after a start takes
//! long enough to spoil a test's deadline. The API server is supervised, so that tests can
//! kill it; etcd keeps the data.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::binaries::Binaries;
use super::credentials::Credentials;
use super::flags::{self, AUDIT_POLICY, Ports};
use super::free_ports;
use crate::paths;
use crate::process::Process;
use crate::supervise::{Server, Supervised};
use crate::wait::{self, Stopwatch, human};

/// Ready in 4 s on an idle machine; a busy one gets time.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// A running control plane. Fields are dropped in this order: clients before servers,
/// the folder last.
pub(crate) struct Cluster {
    controllers: Process,
    apiserver: Supervised,
    etcd: Process,
    kubectl: Kubectl,
    pid_file: PathBuf,
    audit_log: PathBuf,
    dir: TempDir,
}

impl Cluster {
    /// Starts the programs and waits until they work together.
    ///
    /// # Errors
    /// With the end of the log of the program that did not.
    pub(crate) fn start(binaries: &Binaries) -> Result<Self> {
        let clock = Stopwatch::start();
        let dir = tempfile::Builder::new()
            .prefix("polyreme-")
            .tempdir()
            .context("failed to make a temporary folder")?;
        let [etcd, etcd_peer, apiserver] = free_ports()?;
        let ports = Ports { etcd, etcd_peer, apiserver };
        let keys = Credentials::create(dir.path(), apiserver)?;
        let mut cluster = Self::launch(binaries, dir, keys, ports)?;
        cluster.wait_until_warm()?;
        eprintln!("✔ start etcd, kube-apiserver and kube-controller-manager ({})", human(clock.elapsed()));
        Ok(cluster)
    }

    fn launch(binaries: &Binaries, dir: TempDir, keys: Credentials, ports: Ports) -> Result<Self> {
        let at = |name: &str| dir.path().join(name);
        fs::write(at("audit-policy.yaml"), AUDIT_POLICY).context("failed to write the audit policy")?;
        let kubectl = Kubectl { program: binaries.kubectl.clone(), kubeconfig: keys.kubeconfig.clone() };
        let mut etcd = Process::start("etcd", flags::etcd(binaries, dir.path(), ports), &at("etcd.log"))?;
        let controllers = flags::controllers(binaries, &keys);
        let apiserver = Supervised::start(apiserver(binaries, dir.path(), keys, ports))?;
        kubectl.wait_for_api(|| etcd.expect_running().and_then(|()| apiserver.expect_running()))?;
        Ok(Self {
            controllers: Process::start("kube-controller-manager", controllers, &at("controllers.log"))?,
            apiserver,
            etcd,
            kubectl,
            pid_file: at("apiserver.pid"),
            audit_log: at("audit.log"),
            dir,
        })
    }

    fn wait_until_warm(&mut self) -> Result<()> {
        self.wait_for(&["get", "serviceaccount", "default", "--namespace", "default"])?;
        self.see_garbage_collected()
    }

    fn wait_for(&mut self, query: &[&str]) -> Result<()> {
        wait::until(&format!("kubectl {}", query.join(" ")), READY_LIMIT, || {
            self.expect_running()?;
            Ok(self.kubectl.run(query).ok())
        })?;
        Ok(())
    }

    fn see_garbage_collected(&mut self) -> Result<()> {
        let owner: Value = serde_json::from_str(&self.kubectl.create(&config_map("warm-up-owner", None))?)
            .context("failed to read kubectl's answer")?;
        let uid = owner.pointer("/metadata/uid").and_then(Value::as_str);
        self.kubectl.create(&config_map("warm-up-child", uid))?;
        self.kubectl.run(&["delete", "configmap", "warm-up-owner"])?;
        wait::until("garbage collection", READY_LIMIT, || {
            self.expect_running()?;
            let found = self.kubectl.run(&[
                "get",
                "configmap",
                "warm-up-child",
                "--ignore-not-found",
                "-o",
                "name",
            ])?;
            Ok(found.trim().is_empty().then_some(()))
        })
    }

    /// An error with the end of the log of a program that ended.
    pub(crate) fn expect_running(&mut self) -> Result<()> {
        self.etcd.expect_running()?;
        self.apiserver.expect_running()?;
        self.controllers.expect_running()
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubectl.kubeconfig
    }

    /// Names the process of the API server that runs now.
    pub(crate) fn pid_file(&self) -> &Path {
        &self.pid_file
    }

    /// Copies the logs of the programs to a folder that stays, and says where.
    pub(crate) fn keep_logs(&self) -> Result<()> {
        let kept = paths::target().join("kube-logs");
        fs::create_dir_all(&kept).with_context(|| format!("failed to create {}", kept.display()))?;
        for name in ["etcd.log", "apiserver.log", "controllers.log", "audit.log"] {
            fs::copy(self.dir.path().join(name), kept.join(name))
                .with_context(|| format!("failed to keep {name}"))?;
        }
        eprintln!("logs of the cluster are in {}", kept.display());
        Ok(())
    }

    /// One JSON line per request.
    pub(crate) fn audit_log(&self) -> &Path {
        &self.audit_log
    }
}

fn apiserver(binaries: &Binaries, dir: &Path, keys: Credentials, ports: Ports) -> Server {
    let (binaries, folder) = (binaries.clone(), dir.to_owned());
    Server {
        name: "kube-apiserver".into(),
        command: Box::new(move || flags::apiserver(&binaries, &folder, &keys, ports)),
        log: dir.join("apiserver.log"),
        pid_file: dir.join("apiserver.pid"),
    }
}

fn config_map(name: &str, owner_uid: Option<&str>) -> Value {
    let owners: Vec<Value> = owner_uid
        .into_iter()
        .map(|uid| json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "warm-up-owner", "uid": uid }))
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default", "ownerReferences": owners },
    })
}

/// The cluster's own kubectl with its admin's kubeconfig: xtask needs no client of its own.
struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    fn wait_for_api(&self, mut servers_run: impl FnMut() -> Result<()>) -> Result<()> {
        wait::until("start of kube-apiserver", READY_LIMIT, || {
            servers_run()?;
            Ok(self.run(&["get", "--raw", "/readyz"]).ok())
        })?;
        Ok(())
    }

    fn create(&self, object: &Value) -> Result<String> {
        self.with_input(&["create", "-f", "-", "-o", "json"], &object.to_string())
    }

    fn run(&self, arguments: &[&str]) -> Result<String> {
        self.with_input(arguments, "")
    }

    fn with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .arg("--request-timeout=10s")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("failed to start kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).context("failed to write to kubectl")?;
        }
        let output = child.wait_with_output().context("failed to wait for kubectl")?;
        if !output.status.success() {
            bail!(
                "kubectl {} failed: {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
