//! `cargo xtask test` and `cargo xtask e2e`: the same tests, two API servers.
//!
//! Both build everything, start a supervised server and tell the tests crate about it
//! through the environment; its harness documents each variable. `test` runs every test of
//! the workspace and the native tests of the SDKs that are not in Rust, `e2e` only the suite
//! that has something to say about a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tempfile::TempDir;

use crate::guests::{self, cargo};
use crate::kube::{self, Cluster};
use crate::supervise::{Server, Supervised};
use crate::{go, paths, process, sdks, wait};

/// A debug build on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(30);

#[derive(Args)]
pub(crate) struct Options {
    /// Run only the tests whose name contains this.
    filter: Option<String>,
    /// Passed on to the test binaries, for example `-- --nocapture`.
    #[arg(last = true)]
    arguments: Vec<String>,
}

/// What the tests are told about the server.
struct Environment<'a> {
    server: &'static str,
    kubeconfig: &'a Path,
    pid_file: &'a Path,
    audit_log: Option<&'a Path>,
}

pub(crate) fn test(options: &Options) -> Result<()> {
    // What a filter names is for cargo's tests.
    if options.filter.is_none() {
        sdks::test()?;
        go::test()?;
    }
    guests::build_everything()?;
    let server = LocalServer::start()?;
    let environment = Environment {
        server: "local",
        kubeconfig: &server.kubeconfig,
        pid_file: &server.pid_file,
        audit_log: None,
    };
    let mut command = cargo();
    command.args(["test", "--workspace"]);
    run(&mut command, options, &environment)
}

pub(crate) fn e2e(options: &Options) -> Result<()> {
    let binaries = kube::ensure_binaries()?;
    guests::build_everything()?;
    let cluster = Cluster::start(&binaries)?;
    let environment = Environment {
        server: "real",
        kubeconfig: cluster.kubeconfig(),
        pid_file: cluster.pid_file(),
        audit_log: Some(cluster.audit_log()),
    };
    let mut command = cargo();
    // The whole workspace is named so that its features, and artefacts, are those of `test`.
    command.args(["test", "--workspace", "--test", "suite"]);
    let outcome = run(&mut command, options, &environment);
    if outcome.is_err() {
        cluster.keep_logs()?;
    }
    outcome
}

fn run(command: &mut Command, options: &Options, environment: &Environment<'_>) -> Result<()> {
    command
        .args(&options.filter)
        .arg("--")
        .args(&options.arguments)
        .env("POLYREME_BIN", paths::polyreme())
        .env("POLYREME_GUESTS", paths::guests())
        // A failed assertion names its place; the backtrace of every error hides it.
        .env("RUST_LIB_BACKTRACE", "0")
        .env("POLYREME_TEST_SERVER", environment.server)
        .env("POLYREME_TEST_KUBECONFIG", environment.kubeconfig)
        .env("POLYREME_TEST_APISERVER_PIDFILE", environment.pid_file);
    if let Some(log) = environment.audit_log {
        command.env("POLYREME_TEST_AUDIT_LOG", log);
    }
    process::run("cargo test", command)
}

/// `polyreme apiserver` with its data in a file, so that a restart keeps the objects.
struct LocalServer {
    // Ended before its folder goes.
    _server: Supervised,
    _dir: TempDir,
    kubeconfig: PathBuf,
    pid_file: PathBuf,
}

impl LocalServer {
    fn start() -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("polyreme-")
            .tempdir()
            .context("failed to make a temporary folder")?;
        let kubeconfig = dir.path().join("kubeconfig");
        let pid_file = dir.path().join("apiserver.pid");
        let server = Supervised::start(Server {
            name: "polyreme apiserver".into(),
            command: Box::new(command(dir.path(), &kubeconfig, kube::free_port()?)),
            log: dir.path().join("apiserver.log"),
            pid_file: pid_file.clone(),
        })?;
        wait::until("start of the local API server", READY_LIMIT, || {
            server.expect_running()?;
            Ok(kubeconfig.exists().then_some(()))
        })?;
        Ok(Self { _server: server, _dir: dir, kubeconfig, pid_file })
    }
}

/// The same command line for every restart.
fn command(dir: &Path, kubeconfig: &Path, port: u16) -> impl Fn() -> Command + Send + 'static {
    let (kubeconfig, data) = (kubeconfig.to_owned(), dir.join("data"));
    move || {
        let mut command = Command::new(paths::polyreme());
        command.arg("apiserver").arg("--kubeconfig-out").arg(&kubeconfig);
        command.arg("--port").arg(port.to_string()).arg("--data").arg(&data);
        command
    }
}
