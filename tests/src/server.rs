//! The API server under test, shared by all tests of the process.
//!
//! Most tests share it, each in a namespace of its own. One that restarts it, or runs a
//! host (which by its nature acts on every namespace), takes it alone: [`exclusive_server`]
//! waits until the others are done and holds them back meanwhile.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use std::{env, fs, process};

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Namespace as NamespaceObject;
use kube::api::{DeleteParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::audit::AuditLog;
use crate::environment::path_in;
use crate::eventually::eventually;
use crate::host::signal;
use crate::in_process::InProcess;

/// Starting a debug build on a busy machine.
const READY_LIMIT: Duration = Duration::from_secs(60);

static GATE: LazyLock<Arc<RwLock<()>>> = LazyLock::new(Arc::default);

/// Which of the two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `host/apiserver`.
    Local,
    /// etcd, kube-apiserver and kube-controller-manager.
    Real,
}

/// The server under test and the right to use it; dropping it gives the right back.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    kubeconfig: PathBuf,
    backing: Backing,
    ring: String,
    _turn: Turn,
}

/// Held, never read.
#[derive(Debug)]
enum Turn {
    Shared { _guard: OwnedRwLockReadGuard<()> },
    Alone { _guard: OwnedRwLockWriteGuard<()> },
}

#[derive(Debug)]
enum Backing {
    /// A process that its supervisor starts again when it dies.
    Supervised {
        pid_file: PathBuf,
    },
    InProcess(&'static InProcess),
}

/// The server, shared with other tests.
///
/// # Errors
/// When the environment is incomplete or the server cannot be started.
pub async fn server() -> Result<Server> {
    let guard = Arc::clone(&GATE).read_owned().await;
    Server::find(Turn::Shared { _guard: guard })
}

/// The server alone: waits for the tests that use it and keeps new ones waiting.
///
/// # Errors
/// When the environment is incomplete or the server cannot be started.
pub async fn exclusive_server() -> Result<Server> {
    let guard = Arc::clone(&GATE).write_owned().await;
    Server::find(Turn::Alone { _guard: guard })
}

impl Server {
    fn find(turn: Turn) -> Result<Self> {
        let (kind, kubeconfig, backing) = match env::var("POLYREME_TEST_SERVER").as_deref() {
            Ok("local") => supervised(Kind::Local)?,
            Ok("real") => supervised(Kind::Real)?,
            Ok(other) => bail!("POLYREME_TEST_SERVER is {other:?}: it must be local or real"),
            Err(_) => in_process()?,
        };
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let ring = format!("turn-{:x}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Ok(Self { kind, kubeconfig, backing, ring, _turn: turn })
    }

    /// A ring that no host of another test is in: what those left would have to be waited for.
    #[must_use]
    pub fn ring(&self) -> &str {
        &self.ring
    }

    /// Which server it is, for the few facts that differ (no RBAC, no audit log locally).
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// A kubeconfig whose current context may do everything.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client that may do everything. It belongs to the runtime of the calling test.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> Result<Client> {
        client_of(&self.kubeconfig, None).await
    }

    /// A client of another user of a real server: `host-0` … `host-8` or `restricted`.
    ///
    /// # Errors
    /// When there is no such user, as on the local server.
    pub async fn client_as(&self, user: &str) -> Result<Client> {
        client_of(&self.kubeconfig, Some(user)).await
    }

    /// What the server recorded; nothing for the local one.
    #[must_use]
    pub fn audit_log(&self) -> Option<AuditLog> {
        path_in("POLYREME_TEST_AUDIT_LOG").map(AuditLog::new)
    }

    /// A new namespace whose name starts with `hint`.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn namespace(&self, hint: &str) -> Result<Namespace> {
        Namespace::create(self.client().await?, hint).await
    }

    /// Ends the server without warning and waits until it is back with its data.
    ///
    /// # Errors
    /// When it does not come back in time.
    pub async fn restart(&self) -> Result<()> {
        self.take_down()?.end().await
    }

    /// Ends the server without warning; nobody can reach it until the outage ends.
    ///
    /// # Errors
    /// When the caller does not have the server alone, or it cannot be ended.
    pub fn take_down(&self) -> Result<Outage<'_>> {
        ensure!(
            matches!(self._turn, Turn::Alone { .. }),
            "only a test that has the server alone may take it down"
        );
        let old_process = match &self.backing {
            Backing::Supervised { pid_file } => kill_and_hold(pid_file)?,
            Backing::InProcess(server) => server.end().map(|()| String::new())?,
        };
        Ok(Outage { server: self, old_process })
    }

    async fn wait_until_ready(&self) -> Result<()> {
        eventually("the API server being ready", READY_LIMIT, async || {
            let request = http::Request::get("/readyz").body(Vec::new())?;
            let answer = self.client().await?.request_text(request).await?;
            ensure!(answer.contains("ok"), "it answers {answer:?}");
            Ok(())
        })
        .await
    }
}

fn supervised(kind: Kind) -> Result<(Kind, PathBuf, Backing)> {
    let required =
        |name: &str| path_in(name).with_context(|| format!("{name} must be set with POLYREME_TEST_SERVER"));
    let pid_file = required("POLYREME_TEST_APISERVER_PIDFILE")?;
    Ok((kind, required("POLYREME_TEST_KUBECONFIG")?, Backing::Supervised { pid_file }))
}

fn in_process() -> Result<(Kind, PathBuf, Backing)> {
    let server = InProcess::shared()?;
    Ok((Kind::Local, server.kubeconfig().to_owned(), Backing::InProcess(server)))
}

async fn client_of(kubeconfig: &Path, context: Option<&str>) -> Result<Client> {
    let file = Kubeconfig::read_from(kubeconfig).context("failed to read the kubeconfig")?;
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
    let config =
        Config::from_custom_kubeconfig(file, &options).await.context("failed to use the kubeconfig")?;
    Client::try_from(config).context("failed to make a client")
}

/// A time without an API server; dropping it ends it as well, without waiting.
#[derive(Debug)]
#[must_use = "the server comes back when this is dropped"]
pub struct Outage<'a> {
    server: &'a Server,
    old_process: String,
}

impl Outage<'_> {
    /// Starts the server and waits until it is ready, with its data.
    ///
    /// # Errors
    /// When it does not come back in time.
    pub async fn end(self) -> Result<()> {
        self.release()?;
        if let Backing::Supervised { pid_file } = &self.server.backing {
            eventually("a new process of the API server", READY_LIMIT, async || {
                let new = fs::read_to_string(pid_file)?;
                ensure!(new != self.old_process, "still {new}");
                Ok(())
            })
            .await?;
        }
        self.server.wait_until_ready().await
    }

    fn release(&self) -> Result<()> {
        match &self.server.backing {
            Backing::Supervised { pid_file } => {
                fs::remove_file(hold_of(pid_file)).context("failed to release the API server")
            }
            Backing::InProcess(server) => server.begin(),
        }
    }
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        // After `end` there is nothing left to release.
        let _ = self.release();
    }
}

/// Kills the process whose supervisor lets it be while there is a hold; returns its id.
fn kill_and_hold(pid_file: &Path) -> Result<String> {
    fs::write(hold_of(pid_file), "").context("failed to hold the API server")?;
    let process = fs::read_to_string(pid_file).context("failed to read the server's pid")?;
    signal("KILL", process.trim().parse().context("failed to parse the server's pid")?)?;
    Ok(process)
}

/// As `xtask/src/supervise.rs` looks for it.
fn hold_of(pid_file: &Path) -> PathBuf {
    pid_file.with_extension("hold")
}

/// A namespace of one test.
#[derive(Clone)]
pub struct Namespace {
    name: String,
    client: Client,
}

impl Namespace {
    async fn create(client: Client, hint: &str) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{hint}-{:x}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let object = json!({ "metadata": { "name": name } });
        let object: NamespaceObject =
            serde_json::from_value(object).context("failed to describe a namespace")?;
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await
            .context("failed to create a namespace")?;
        Ok(Self { name, client })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes it with everything in it; does not wait.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn delete(&self) -> Result<()> {
        let all: Api<NamespaceObject> = Api::all(self.client.clone());
        all.delete(&self.name, &DeleteParams::default()).await.context("failed to delete a namespace")?;
        Ok(())
    }
}
