//! The running server: listener, TLS, data file and background tasks.

mod embedded;
mod identity;
mod kubeconfig;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;
use tracing::warn;

pub use embedded::Embedded;
use identity::Identity;
pub use identity::IdentityError;
pub(crate) use identity::{Account, Tokens, random_token};

use crate::api::Api;
use crate::controllers;
use crate::rest;
use crate::store::{LogError, Store};

/// How long open connections may take to finish when the server stops.
const SHUTDOWN: Duration = Duration::from_secs(2);
/// How long a data file may stay locked before that is an error.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_RETRY: Duration = Duration::from_millis(20);
/// Streams of one HTTP/2 connection: a client with a watch per kind has many, and what one
/// stream costs is bounded.
const MAX_STREAMS: u32 = 1000;

/// How to start a server.
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// Port on 127.0.0.1; 0 takes the one in the data file if it is free, else any.
    pub port: u16,
    /// Where objects are kept across restarts; in memory only when absent.
    pub data: Option<PathBuf>,
    /// Users besides the administrator, each with a token of its own.
    pub users: Vec<User>,
}

/// Somebody who may use the server. Everybody may do everything; names are for reviews.
#[derive(Debug, Clone)]
pub struct User {
    /// What reviews call it.
    pub name: String,
    /// The bearer token.
    pub token: String,
    /// Groups besides `system:authenticated`.
    pub groups: Vec<String>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is not to be had.
    #[error("failed to listen on 127.0.0.1:{port}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why it was refused.
        source: std::io::Error,
    },
    /// The data file cannot be used.
    #[error(transparent)]
    Data(#[from] LogError),
    /// The certificate cannot be made or used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The namespaces that every cluster has could not be made.
    #[error("failed to create the first namespaces: {0}")]
    Bootstrap(String),
}

/// A local API server. It stops when it is shut down; dropping it stops it without waiting.
#[derive(Debug)]
pub struct Server {
    api: Arc<Api>,
    identity: Identity,
    url: String,
    handle: Handle<SocketAddr>,
    tasks: TaskTracker,
}

impl Server {
    /// Starts to serve on 127.0.0.1. When this returns, clients can connect.
    ///
    /// # Errors
    /// When the port is taken, or the data file is damaged, locked or not writable.
    ///
    /// # Example
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use polyreme_apiserver::{Server, ServerConfig};
    /// let server = Server::start(ServerConfig { port: 0, ..Default::default() }).await?;
    /// assert!(server.url().starts_with("https://127.0.0.1:"));
    /// # server.shutdown().await; Ok(()) }
    /// ```
    pub async fn start(config: ServerConfig) -> Result<Server, StartError> {
        let (store, saved) = open(&config).await?;
        let mut identity = match serde_json::from_value(saved) {
            Ok(identity) => identity,
            Err(_) => Identity::generate()?,
        };
        let listener = listen(&config, identity.port)?;
        let port = listener.local_addr().map_or(config.port, |a| a.port());
        identity.port = port;
        store.compact(serde_json::to_value(&identity).unwrap_or(Value::Null))?;
        let tokens = Tokens::new(&identity.admin_token, &config.users);
        let api = Arc::new(Api::new(store, tokens));
        controllers::bootstrap(&api).map_err(|e| StartError::Bootstrap(e.message))?;
        let server = Server {
            api,
            url: format!("https://127.0.0.1:{port}"),
            handle: Handle::new(),
            tasks: TaskTracker::new(),
            identity,
        };
        server.serve(listener)?;
        Ok(server)
    }

    fn serve(&self, listener: TcpListener) -> Result<(), StartError> {
        let tls = RustlsConfig::from_config(self.identity.tls()?);
        let refused = |source| StartError::Listen { port: self.identity.port, source };
        // Else an event of a watch waits until the client has acknowledged the one before: up to 40 ms.
        let at_once = |tls: RustlsAcceptor| tls.acceptor(NoDelayAcceptor);
        let mut server = axum_server::from_tcp_rustls(listener, tls).map_err(refused)?.map(at_once);
        server.http_builder().http2().max_concurrent_streams(MAX_STREAMS);
        let service = rest::router(self.api.clone()).into_make_service();
        let serving = server.handle(self.handle.clone()).serve(service);
        self.tasks.spawn(async move {
            if let Err(error) = serving.await {
                warn!(%error, "the API server's listener ended");
            }
        });
        self.tasks.spawn(controllers::run(self.api.clone()));
        self.tasks.close();
        Ok(())
    }

    /// A kubeconfig (YAML) with this server's address, certificate authority and the
    /// administrator's token. It is a secret: write it where only its user can read it.
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        kubeconfig::kubeconfig(&self.url, &self.identity.ca_pem, &self.identity.admin_token)
    }

    /// `https://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends watches, lets running requests finish for at most two seconds, and returns when
    /// nothing of the server is left.
    pub async fn shutdown(self) {
        self.api.stopping.cancel();
        self.handle.graceful_shutdown(Some(SHUTDOWN));
        self.tasks.wait().await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.api.stopping.cancel();
        self.handle.shutdown();
    }
}

/// Opens the data file. A predecessor that was just killed may hold its lock for a moment.
async fn open(config: &ServerConfig) -> Result<(Store, Value), LogError> {
    let Some(path) = &config.data else {
        return Ok((Store::in_memory(), Value::Null));
    };
    let deadline = Instant::now() + LOCK_WAIT;
    loop {
        match Store::open(path) {
            Err(LogError::Locked(_)) if Instant::now() < deadline => sleep(LOCK_RETRY).await,
            opened => return opened,
        }
    }
}

/// Binds the port asked for, or the one that an old kubeconfig names, or any.
fn listen(config: &ServerConfig, remembered: u16) -> Result<TcpListener, StartError> {
    let bind = |port: u16| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let refused = |source| StartError::Listen { port: config.port, source };
    match (config.port, remembered) {
        (0, 0) => bind(0).map_err(refused),
        (0, remembered) => bind(remembered).or_else(|_: std::io::Error| bind(0)).map_err(refused),
        (port, _) => bind(port).map_err(refused),
    }
}
