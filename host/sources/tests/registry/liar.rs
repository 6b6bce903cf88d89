//! A web server that a test makes up, on loopback, for what no honest registry does.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use polyreme_sources::Reference;
use tokio::task::JoinSet;

/// Stopped when dropped.
pub(crate) struct Liar {
    address: SocketAddr,
    _task: JoinSet<()>,
}

impl Liar {
    pub(crate) async fn start(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, _task: task }
    }

    /// With TLS.
    pub(crate) async fn start_encrypted(router: Router, tls: RustlsConfig) -> Self {
        let handle = Handle::new();
        let server =
            axum_server::bind_rustls(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), tls).handle(handle.clone());
        let mut task = JoinSet::new();
        task.spawn(async move { server.serve(router.into_make_service()).await.unwrap() });
        Self { address: handle.listening().await.unwrap(), _task: task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn reference(&self, name: &str) -> Reference {
        format!("{}/{name}", self.address).parse().unwrap()
    }
}
