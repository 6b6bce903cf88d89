//! `polyreme run` as a child process, watched from outside.
//!
//! Its log goes to a file and is printed when the host is dropped: the test runner shows it
//! for tests that failed and swallows it for those that did not.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::environment::polyreme_binary;
use crate::eventually::eventually;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::port::Port;
use crate::server::{Kind, Server};

/// First compilation of every module included.
const READY_LIMIT: Duration = Duration::from_secs(90);
/// More than the default `shutdownGracePeriod`.
const EXIT_LIMIT: Duration = Duration::from_secs(40);
/// Of an admin endpoint on a busy machine.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const TAIL_LINES: usize = 60;

/// A child with its output in a file; dropping it kills it (tokio's `kill_on_drop`).
#[derive(Debug)]
pub(crate) struct ChildProcess {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl ChildProcess {
    pub(crate) fn start(name: &'static str, mut command: Command, log: PathBuf) -> Result<Self> {
        let output = File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
        let errors = output.try_clone().context("failed to share the log file")?;
        command.stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("failed to start {name}"))?;
        Ok(Self { name, child, log })
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    pub(crate) fn expect_running(&mut self) -> Result<()> {
        match self.child.try_wait().context("failed to look at a process")? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}\n{}", self.name, self.tail()),
        }
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(TAIL_LINES))
            .map(|line| format!("    {line}\n"))
            .collect()
    }

    async fn exit(&mut self) -> Result<ExitStatus> {
        let ended = timeout(EXIT_LIMIT, self.child.wait()).await;
        ended
            .with_context(|| format!("{} did not end within {EXIT_LIMIT:?}", self.name))?
            .context("failed to wait")
    }

    /// A process that has ended is not signalled: its id may be somebody else's by now.
    fn signal(&mut self, name: &str) -> Result<()> {
        self.expect_running()?;
        signal(name, self.child.id().context("it has no process id")?)
    }
}

/// Sends a signal by the shell's own `kill`: the call itself is `unsafe`, and the crates
/// that wrap it switch on features with which every dependency would be built twice.
pub(crate) fn signal(name: &str, process: u32) -> Result<()> {
    let script = format!("kill -s {name} {process}");
    let status =
        std::process::Command::new("sh").args(["-c", &script]).status().context("failed to start sh")?;
    ensure!(status.success(), "failed to send SIG{name} to process {process}");
    Ok(())
}

/// A running host.
#[derive(Debug)]
pub struct Host {
    process: ChildProcess,
    admin: Option<Port>,
    shows_log: bool,
    // Goes after the process that uses it.
    dir: TempDir,
}

impl Host {
    /// Starts a host with this configuration (its admin address is replaced by a free port)
    /// and waits until it is ready.
    ///
    /// On a real server it acts as the user `host-0`, so that its requests can be told from
    /// the test's in the audit log.
    ///
    /// # Errors
    /// With the end of its log when it does not become ready.
    pub async fn start(server: &Server, configuration: &Value) -> Result<Self> {
        Self::start_with(server, configuration, &[]).await
    }

    /// The same with more arguments of `polyreme run`.
    ///
    /// # Errors
    /// With the end of its log when it does not become ready.
    pub async fn start_with(server: &Server, configuration: &Value, arguments: &[&str]) -> Result<Self> {
        let mut host = Self::launch_with(server, configuration, arguments)?;
        host.wait_until_ready().await?;
        Ok(host)
    }

    /// The same without waiting, for configurations that are not expected to become ready.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn launch(server: &Server, configuration: &Value) -> Result<Self> {
        Self::launch_with(server, configuration, &[])
    }

    fn launch_with(server: &Server, configuration: &Value, arguments: &[&str]) -> Result<Self> {
        let context = (server.kind() == Kind::Real).then_some(Self::USER);
        let mut configuration = configuration.clone();
        if configuration["ownership"].is_null() {
            configuration["ownership"] =
                json!({ "ring": server.ring(), "namespace": "default", "timing": "fast" });
        }
        Self::launch_at_free_port(server.kubeconfig(), context, &configuration, arguments)
    }

    /// The user that a host is on a real server.
    pub const USER: &str = "host-0";

    /// The same as another user of a kubeconfig.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn launch_as(kubeconfig: &Path, context: Option<&str>, configuration: &Value) -> Result<Self> {
        Self::launch_at_free_port(kubeconfig, context, configuration, &[])
    }

    fn launch_at_free_port(
        kubeconfig: &Path,
        context: Option<&str>,
        configuration: &Value,
        arguments: &[&str],
    ) -> Result<Self> {
        let admin = Port::reserve()?;
        let mut configuration = configuration.clone();
        configuration["admin"] = json!({ "address": format!("127.0.0.1:{}", admin.number()) });
        let context = context.map(|context| ["--context", context]).into_iter().flatten();
        let arguments: Vec<&str> = context.chain(arguments.iter().copied()).collect();
        Self::launch_file(kubeconfig, &arguments, &configuration.to_string(), Some(admin))
    }

    /// The same as one of several hosts, under a name of its own.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn launch_member(
        kubeconfig: &Path,
        context: Option<&str>,
        identity: &str,
        configuration: &Value,
    ) -> Result<Self> {
        Self::launch_at_free_port(kubeconfig, context, configuration, &["--identity", identity])
    }

    /// A host with this very text as its configuration, for texts that are wrong.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub fn launch_text(kubeconfig: &Path, text: &str) -> Result<Self> {
        Self::launch_file(kubeconfig, &[], text, None)
    }

    fn launch_file(kubeconfig: &Path, arguments: &[&str], text: &str, admin: Option<Port>) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("polyreme-")
            .tempdir()
            .context("failed to make a temporary folder")?;
        let config = dir.path().join("polyreme.yaml");
        fs::write(&config, text).context("failed to write the configuration")?;
        let mut command = Command::new(polyreme_binary()?);
        command.arg("run").arg("--config").arg(&config).arg("--kubeconfig").arg(kubeconfig);
        command.args(arguments);
        let process = ChildProcess::start("polyreme run", command, dir.path().join("host.log"))?;
        Ok(Self { process, admin, shows_log: true, dir })
    }

    /// Replaces the configuration file as a mounted ConfigMap is: at once. Its admin address and its
    /// `ownership` stay as they were.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn reconfigure(&self, configuration: &Value) -> Result<()> {
        let path = self.dir.path().join("polyreme.yaml");
        let before = fs::read_to_string(&path).context("failed to read the configuration")?;
        let before: Value = serde_json::from_str(&before).context("failed to parse the configuration")?;
        let mut configuration = configuration.clone();
        for field in ["admin", "ownership"] {
            configuration[field] = before[field].clone();
        }
        let next = self.dir.path().join("next.yaml");
        fs::write(&next, configuration.to_string()).context("failed to write the configuration")?;
        fs::rename(&next, &path).context("failed to put it in place")
    }

    /// Keeps its log to itself when it ends: for a program that people watch.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.shows_log = false;
        self
    }

    /// Waits until `/readyz` says so.
    ///
    /// # Errors
    /// With its answer and the end of the log when it does not, or the host ends.
    pub async fn wait_until_ready(&mut self) -> Result<()> {
        let (process, admin) = (&mut self.process, self.admin.as_ref());
        let ready = eventually("the host being ready", READY_LIMIT, async || {
            if process.has_ended() {
                return Ok(());
            }
            get(admin, "/readyz").await.map(drop)
        });
        let outcome = ready.await;
        self.process.expect_running()?;
        outcome.with_context(|| format!("the host is not ready\n{}", self.process.tail()))
    }

    /// Everything it wrote so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Waits until the log contains a text.
    ///
    /// # Errors
    /// When it does not get there in time.
    pub async fn wait_for_log(&self, text: &str, limit: Duration) -> Result<()> {
        eventually(&format!("{text:?} in the host's log"), limit, async || {
            ensure!(self.log().contains(text), "it is not there");
            Ok(())
        })
        .await
    }

    /// Its metrics now.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Result<Metrics> {
        Ok(Metrics::parse(&get(self.admin.as_ref(), "/metrics").await?))
    }

    /// Its memory now, as Linux counts it, in bytes.
    ///
    /// # Errors
    /// When it has ended, or this is not Linux.
    pub fn memory(&mut self) -> Result<Memory> {
        Memory::of(self.process_id()?)
    }

    /// Its process.
    ///
    /// # Errors
    /// With the end of its log when it has ended.
    pub fn process_id(&mut self) -> Result<u32> {
        self.process.expect_running()?;
        self.process.child.id().context("it has no process id")
    }

    /// What its readiness probe answers now.
    ///
    /// # Errors
    /// When it does not answer, or answers that it is not ready (the error has its reasons).
    pub async fn readiness(&self) -> Result<String> {
        get(self.admin.as_ref(), "/readyz").await
    }

    /// SIGKILL: no goodbye.
    ///
    /// # Errors
    /// When it had ended before.
    pub async fn kill(mut self) -> Result<()> {
        self.process.expect_running()?;
        self.process.child.kill().await.context("failed to kill the host")
    }

    /// SIGSTOP: it does nothing, without knowing, until [`Host::resume`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&mut self) -> Result<()> {
        self.process.signal("STOP")
    }

    /// SIGCONT: goes on as if nothing had been.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal("CONT")
    }

    /// An error with the end of its log when it has ended.
    ///
    /// # Errors
    /// As said.
    pub fn expect_running(&mut self) -> Result<()> {
        self.process.expect_running()
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Errors
    /// When it had ended before or does not end.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.signal("TERM")?;
        self.process.exit().await
    }

    /// Waits, however long, until it ends.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub async fn exit_whenever(&mut self) -> Result<ExitStatus> {
        self.process.child.wait().await.context("failed to wait for the host")
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// When it does not.
    pub async fn exit(&mut self) -> Result<ExitStatus> {
        self.process.exit().await
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.shows_log {
            println!("log of the host:\n{}", self.process.tail());
        }
    }
}

/// One request by hand: kube's client would try again for as long as the answer is 503,
/// which is what a host that is not ready says.
async fn get(port: Option<&Port>, path: &str) -> Result<String> {
    let port = port.context("this host has no admin address")?.number();
    let answer = timeout(ANSWER_LIMIT, exchange(port, path)).await;
    let answer =
        answer.context("no answer in time").flatten().with_context(|| format!("failed to get {path}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("failed to read the host's answer")?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.contains(" 200 "), "{path} answers {status}: {body}");
    Ok(body.to_owned())
}

/// HTTP/1.0 ends the answer with the connection.
async fn exchange(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("failed to connect")?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n");
    stream.write_all(request.as_bytes()).await.context("failed to ask")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.context("failed to read the answer")?;
    Ok(answer)
}

/// A client with everything the kubeconfig gives.
pub(crate) async fn client_for(kubeconfig: &Path) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).context("failed to read the kubeconfig")?;
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.context("failed to use the kubeconfig")?).context("failed to make a client")
}
