//! HTTP as this crate needs it: encrypted, bounded, and without surprises.
//!
//! Plain HTTP is for addresses of this machine only, redirects included, and those never go through a
//! proxy. A body is read up to a limit, whatever its header promised. TLS is rustls with ring, trusting the
//! system's certificates and those of one more file.

use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::SourceError;
use crate::settings::{CONNECT_TIMEOUT, READ_TIMEOUT, Settings};

/// Redirects that are followed: a registry redirects once, to its storage.
const MAX_REDIRECTS: usize = 5;

/// Bytes of an error's text that are shown.
const MAX_MESSAGE_BYTES: usize = 512;

/// Clients for this machine and for all others.
pub(crate) struct Http {
    local: Client,
    remote: Client,
}

/// What a request is for, to name it in errors.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) what: &'a str,
    pub(crate) host: &'a str,
}

impl Http {
    /// Reads certificates: blocking.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SourceError> {
        let tls = tls(settings.ca_file.as_deref())?;
        let client = |proxy: bool| {
            let builder = Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .connect_timeout(CONNECT_TIMEOUT)
                .read_timeout(READ_TIMEOUT)
                .referer(false)
                .user_agent(concat!("polyreme/", env!("CARGO_PKG_VERSION")))
                .redirect(Policy::custom(redirect));
            let builder = if proxy { builder } else { builder.no_proxy() };
            // Port 0 stands for the URL's own.
            let this_machine = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)]
                .map(|address| SocketAddr::new(address, 0));
            let builder = builder.resolve_to_addrs("localhost", &this_machine);
            builder.build().map_err(|error| SourceError::Client { source: error.into() })
        };
        Ok(Self { local: client(false)?, remote: client(true)? })
    }

    /// The client for a URL.
    pub(crate) fn client(&self, url: &Url, asked: Asked<'_>) -> Result<&Client, SourceError> {
        let local = url.host_str().is_some_and(is_loopback);
        if url.scheme() != "https" && !(local && url.scheme() == "http") {
            return Err(insecure(url, asked));
        }
        Ok(if local { &self.local } else { &self.remote })
    }
}

/// Whether a host, as URLs and references write it, is this machine, without asking a name server.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether one may be sent from one URL to another: to a plain one only within this machine.
pub(crate) fn may_follow(from: &Url, to: &Url) -> bool {
    let plain_here = |url: &Url| url.scheme() == "http" && url.host_str().is_some_and(is_loopback);
    to.scheme() == "https" || (plain_here(to) && plain_here(from))
}

pub(crate) fn insecure(url: &Url, asked: Asked<'_>) -> SourceError {
    // Without its query, which may hold a token.
    let url = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
    SourceError::Insecure { what: asked.what.to_owned(), url }
}

/// Stops a redirect, and is found again in the causes of reqwest's error.
#[derive(Debug, thiserror::Error)]
#[error("a redirect to plain HTTP")]
struct InsecureRedirect(Url);

fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("too many redirects");
    }
    let from = attempt.previous().last();
    if from.is_some_and(|from| may_follow(from, attempt.url())) {
        return attempt.follow();
    }
    let to = attempt.url().clone();
    attempt.error(InsecureRedirect(to))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, SourceError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SourceError::Client { source: error.into() })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), SourceError> {
    let purpose = "the certificates that registries.caFile names,";
    let failed = |source| SourceError::File { purpose, path: path.to_owned(), source };
    let certificates: Vec<CertificateDer<'_>> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| failed(error.into()))?;
    if certificates.is_empty() {
        return Err(failed("it has no -----BEGIN CERTIFICATE-----".into()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| failed(error.into()))?;
    }
    Ok(())
}

/// A request that got no answer.
pub(crate) fn unanswered(error: reqwest::Error, asked: Asked<'_>) -> SourceError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(current) = cause {
        if let Some(InsecureRedirect(url)) = current.downcast_ref() {
            return insecure(url, asked);
        }
        cause = current.source();
    }
    let Asked { what, host } = asked;
    // The URL may hold a token in its query; the host is in the message already.
    let source = error.without_url().into();
    SourceError::Unreachable { what: what.to_owned(), host: host.to_owned(), source }
}

/// An answer that is not what was hoped for. 401 and 403 are the caller's.
pub(crate) async fn refusal(response: Response, asked: Asked<'_>) -> SourceError {
    let (what, host) = (asked.what.to_owned(), asked.host.to_owned());
    let status = response.status();
    if status == StatusCode::NOT_FOUND {
        return SourceError::NotFound { what, host };
    }
    let text = body(response, MAX_MESSAGE_BYTES as u64, asked).await.unwrap_or_default();
    let message = String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ");
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        let source = format!("it answered {status} {message}").trim_end().to_owned().into();
        return SourceError::Unreachable { what, host, source };
    }
    SourceError::Refused { what, host, status: status.to_string(), message }
}

/// The body of an answer, if it has no more than `limit` bytes.
pub(crate) async fn body(
    mut response: Response,
    limit: u64,
    asked: Asked<'_>,
) -> Result<Vec<u8>, SourceError> {
    let too_large = || SourceError::TooLarge { what: asked.what.to_owned(), limit };
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unanswered(error, asked))? {
        if bytes.len() as u64 + chunk.len() as u64 > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_told_by_its_literal_addresses() {
        for host in ["localhost", "127.0.0.1", "127.3.2.1", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["localhost.example", "10.0.0.1", "[::2]", "0.0.0.0", "127.0.0.1.example", "128.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_redirect_never_loses_encryption() {
        let may = |from: &str, to: &str| may_follow(&from.parse().unwrap(), &to.parse().unwrap());
        assert!(may("https://a.example/x", "https://b.example/y"));
        assert!(may("http://127.0.0.1/x", "http://localhost/y"));
        assert!(!may("https://a.example/x", "http://a.example/x"));
        assert!(!may("https://a.example/x", "http://127.0.0.1/x"));
        assert!(!may("http://127.0.0.1/x", "http://a.example/x"));
        assert!(!may("https://a.example/x", "file:///etc/passwd"));
    }
}
