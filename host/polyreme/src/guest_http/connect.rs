//! Connections for guests: resolve, check every address, connect to what was checked and to nothing else.
//!
//! A name is resolved once for each connection, and the socket is opened to the very address that passed the
//! check: a name that answers differently the second time gains nothing. Proxies of the environment are not used;
//! one would be asked to connect where the check cannot see.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Uri;
use http_body_util::Full;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tower::Service;
use tracing::warn;

use super::policy::{HttpPolicy, Target};
use super::request::target_of;
use crate::config::ServerName;

/// Addresses of one name that are tried: the first one or two answer, and more would take longer than a request
/// has.
const MAX_ADDRESSES: usize = 4;

/// How long one address is tried: twice a slow handshake around the world, and short enough that a second one
/// can be tried within the shortest window of ownership.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection that nobody uses stays open: shorter than servers usually wait, so that a request
/// seldom meets one that is being closed.
const IDLE: Duration = Duration::from_secs(20);

/// Status line and headers of a response together; the body has a limit of its own.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Sends requests of one controller.
pub(super) type Client = legacy::Client<HttpsConnector<Connector>, Full<Bytes>>;

/// A client that connects where `policy` allows, with at most `connections` idle ones for each server.
pub(super) fn client(policy: Arc<HttpPolicy>, connections: usize, tls: ClientConfig) -> Client {
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1();
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(connections)
        .http1_max_buf_size(MAX_HEAD_BYTES)
        .build(https.wrap_connector(Connector { policy }))
}

/// With the certificates that this machine trusts; to read them takes some milliseconds.
pub(super) fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has the suites of the default versions");
    match builder.clone().with_native_roots() {
        Ok(builder) => builder.with_no_client_auth(),
        Err(failure) => {
            warn!(
                "failed to read the certificates that this machine trusts: {failure}; install ca-certificates, \
                 or set SSL_CERT_FILE: until then https requests of modules fail"
            );
            builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    }
}

/// Why there is no connection. What is not here went wrong in TLS.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    /// Every address is one that is not granted; the text is for the guest.
    #[error("{0}")]
    NotGranted(String),
    #[error("failed to resolve {0}: it has no address")]
    Nowhere(Target),
    #[error("failed to resolve {target}")]
    Resolve { target: Target, source: io::Error },
    #[error("failed to connect to {target} at {at}")]
    Connect { target: Target, at: SocketAddr, source: io::Error },
}

/// Opens TCP connections for hyper's client.
#[derive(Clone)]
pub(super) struct Connector {
    policy: Arc<HttpPolicy>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = ConnectError;
    type Future = BoxFuture<'static, Result<Self::Response, ConnectError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let policy = Arc::clone(&self.policy);
        async move {
            let target = target_of(&uri).map_err(|why| ConnectError::NotGranted(format!("the URL {why}")))?;
            let addresses = checked(&policy, &target, resolve(&target).await?)?;
            connect(&target, addresses).await.map(TokioIo::new)
        }
        .boxed()
    }
}

async fn resolve(target: &Target) -> Result<Vec<SocketAddr>, ConnectError> {
    match &target.server {
        ServerName::Address(address) => Ok(vec![SocketAddr::new(*address, target.port)]),
        ServerName::Name(name) => match lookup_host((name.as_str(), target.port)).await {
            Ok(addresses) => Ok(addresses.collect()),
            Err(source) => Err(ConnectError::Resolve { target: target.clone(), source }),
        },
    }
}

/// The addresses that a connection may be made to.
fn checked(
    policy: &HttpPolicy,
    target: &Target,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, ConnectError> {
    let mut refusal = None;
    let mut may = |at: &SocketAddr| policy.check(target, at.ip()).map_err(|why| refusal = Some(why)).is_ok();
    let allowed: Vec<_> = addresses.into_iter().filter(|at| may(at)).take(MAX_ADDRESSES).collect();
    match refusal {
        _ if !allowed.is_empty() => Ok(allowed),
        Some(why) => Err(ConnectError::NotGranted(why)),
        None => Err(ConnectError::Nowhere(target.clone())),
    }
}

async fn connect(target: &Target, addresses: Vec<SocketAddr>) -> Result<TcpStream, ConnectError> {
    let mut failure = ConnectError::Nowhere(target.clone());
    for at in addresses {
        let attempt = timeout(CONNECT_TIMEOUT, TcpStream::connect(at)).await;
        match attempt.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => {
                // Requests are small and waited for; that it could not be set costs 40 ms at worst.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(source) => failure = ConnectError::Connect { target: target.clone(), at, source },
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostPattern, HttpGrant, Scheme};

    fn policy(networks: &[&str]) -> HttpPolicy {
        let grant = HttpGrant {
            hosts: vec![HostPattern::parse("a.test").unwrap()],
            methods: vec![],
            scheme: Scheme::Http,
            ports: vec![80],
            networks: networks.iter().map(|network| network.parse().unwrap()).collect(),
            line: None,
        };
        HttpPolicy::new("vm", std::path::Path::new("p.yaml").into(), vec![grant], vec![])
    }

    fn target() -> Target {
        Target { scheme: Scheme::Http, server: ServerName::parse("a.test").unwrap(), port: 80 }
    }

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|at| SocketAddr::new(at.parse().unwrap(), 80)).collect()
    }

    #[test]
    fn addresses_that_are_not_granted_are_dropped() {
        let resolved = addresses(&["127.0.0.1", "1.1.1.1", "::1"]);
        let left = checked(&policy(&[]), &target(), resolved).unwrap();
        assert_eq!(left, addresses(&["1.1.1.1"]));
    }

    #[test]
    fn a_name_that_leads_inside_only_is_refused_with_the_network_to_grant() {
        let refused = checked(&policy(&[]), &target(), addresses(&["10.0.0.1"])).unwrap_err();
        assert!(
            matches!(&refused, ConnectError::NotGranted(why) if why.contains("10.0.0.1/32")),
            "{refused}"
        );
        let granted = policy(&["10.0.0.0/8"]);
        assert!(checked(&granted, &target(), addresses(&["10.0.0.1"])).is_ok());
    }

    #[test]
    fn a_name_without_addresses_leads_nowhere() {
        let refused = checked(&policy(&[]), &target(), vec![]).unwrap_err();
        assert!(matches!(refused, ConnectError::Nowhere(_)), "{refused}");
    }
}
