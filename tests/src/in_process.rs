//! A local API server inside the test process, for `cargo test` with nothing prepared.
//!
//! Every test has a runtime of its own that ends with the test, so the server gets a thread
//! and a runtime that live as long as the process. Its data is in a file, so that a restart
//! keeps objects.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock};
use std::{env, process, thread};

use anyhow::{Context, Result, anyhow};
use polyreme_apiserver::{Server, ServerConfig};

use crate::port::Port;

static SHARED: OnceLock<Result<InProcess, String>> = OnceLock::new();

/// The server's handle.
#[derive(Debug)]
pub(crate) struct InProcess {
    kubeconfig: PathBuf,
    orders: Mutex<Link>,
    // Nobody else gets it while the server is down.
    _port: Port,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    End,
    Start,
}

/// One order at a time, one answer each.
#[derive(Debug)]
struct Link {
    ask: SyncSender<Order>,
    done: Receiver<Result<(), String>>,
}

impl InProcess {
    /// The one server of this process, started by whoever asks first.
    pub(crate) fn shared() -> Result<&'static Self> {
        let started = SHARED.get_or_init(|| Self::start().map_err(|error| format!("{error:#}")));
        started.as_ref().map_err(|error| anyhow!("failed to start a local API server: {error}"))
    }

    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Ends the server, which keeps its data.
    pub(crate) fn end(&self) -> Result<()> {
        self.order(Order::End)
    }

    /// Starts the server on the same port with the same data, if it was ended.
    pub(crate) fn begin(&self) -> Result<()> {
        self.order(Order::Start)
    }

    fn order(&self, order: Order) -> Result<()> {
        let link = self.orders.lock().map_err(|_| anyhow!("another order panicked"))?;
        link.ask.send(order).context("failed to reach the local API server")?;
        link.answer()
    }

    fn start() -> Result<Self> {
        let dir = own_folder()?;
        let kubeconfig = dir.join("kubeconfig");
        let port = Port::reserve()?;
        let config = ServerConfig { port: port.number(), data: Some(dir.join("data")), ..Default::default() };
        let (ask, asked) = sync_channel(1);
        let (answer, done) = sync_channel(1);
        let file = kubeconfig.clone();
        thread::spawn(move || serve(&config, &file, &asked, &answer));
        let link = Link { ask, done };
        link.answer()?;
        Ok(Self { kubeconfig, orders: Mutex::new(link), _port: port })
    }
}

impl Link {
    fn answer(&self) -> Result<()> {
        let answer = self.done.recv().context("the local API server's thread ended")?;
        answer.map_err(|error| anyhow!(error))
    }
}

fn serve(
    config: &ServerConfig,
    kubeconfig: &Path,
    asked: &Receiver<Order>,
    answer: &SyncSender<Result<(), String>>,
) {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return drop(answer.send(Err(error.to_string()))),
    };
    let mut server = None;
    let mut order = Order::Start;
    loop {
        let outcome = runtime.block_on(obey(order, &mut server, config, kubeconfig));
        if answer.send(outcome.map_err(|error| format!("{error:#}"))).is_err() {
            return;
        }
        match asked.recv() {
            Ok(next) => order = next,
            Err(_) => return,
        }
    }
}

async fn obey(
    order: Order,
    server: &mut Option<Server>,
    config: &ServerConfig,
    kubeconfig: &Path,
) -> Result<()> {
    match (order, server.take()) {
        (Order::End, Some(running)) => running.shutdown().await,
        (Order::End, None) => (),
        (Order::Start, Some(running)) => *server = Some(running),
        (Order::Start, None) => *server = Some(begin(config, kubeconfig).await?),
    }
    Ok(())
}

async fn begin(config: &ServerConfig, kubeconfig: &Path) -> Result<Server> {
    let server = Server::start(config.clone()).await.context("failed to start the server")?;
    fs::write(kubeconfig, server.kubeconfig()).context("failed to write the kubeconfig")?;
    Ok(server)
}

/// A folder beside the test binary. A static is never dropped, so nothing could remove a
/// temporary folder at the end; the next run removes what ended processes left.
fn own_folder() -> Result<PathBuf> {
    let program = env::current_exe().context("failed to find this program's own path")?;
    let all = program.with_file_name("in-process-servers");
    for left in fs::read_dir(&all).into_iter().flatten().flatten() {
        if !Path::new("/proc").join(left.file_name()).exists() {
            // Another process may be removing it at the same time.
            let _ = fs::remove_dir_all(left.path());
        }
    }
    let own = all.join(process::id().to_string());
    fs::create_dir_all(&own).with_context(|| format!("failed to create {}", own.display()))?;
    Ok(own)
}
