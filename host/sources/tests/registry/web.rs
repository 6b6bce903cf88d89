//! `https:` sources, from a server whose certificate a private authority signed.

use std::sync::Arc;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use polyreme_sources::{Digest, Fetcher, Remote, Settings, Source, SourceError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::fixture::{Home, chain, component, with_ring};
use crate::liar::Liar;

/// A server for `localhost`, and the file with the authority's certificate.
async fn server(home: &Home, router: Router) -> Liar {
    with_ring();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    home.write("ca.pem", &params.self_signed(&authority_key).unwrap().pem());
    let authority = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let (certificate, key) = (certificate.pem().into_bytes(), key.serialize_pem().into_bytes());
    Liar::start_encrypted(router, RustlsConfig::from_pem(certificate, key).await.unwrap()).await
}

fn source(server: &Liar, path: &str, digest: Digest) -> Remote {
    let text = format!("https://localhost:{}/{path}@{digest}", server.address().port());
    match text.parse() {
        Ok(Source::Remote(remote)) => remote,
        other => panic!("{other:?}"),
    }
}

fn trusting(home: &Home) -> Fetcher {
    Fetcher::new(Settings { ca_file: Some(home.path().join("ca.pem")), ..home.settings() })
}

async fn get_from(fetcher: &Fetcher, remote: &Remote) -> Result<Arc<[u8]>, SourceError> {
    fetcher.fetch(remote, None).await
}

#[tokio::test]
async fn a_file_is_fetched_once() {
    let (home, module) = (Home::new(), component("site"));
    let served = module.clone();
    let server = server(&home, Router::new().route("/site.wasm", get(|| async { served }))).await;
    let remote = source(&server, "site.wasm", Digest::of(&module));
    assert_eq!(*get_from(&trusting(&home), &remote).await.unwrap(), module[..]);
    drop(server);
    assert_eq!(*get_from(&trusting(&home), &remote).await.unwrap(), module[..]);
}

#[tokio::test]
async fn another_file_than_the_pinned_one_is_refused() {
    let home = Home::new();
    let server = server(&home, Router::new().fallback(|| async { "another" })).await;
    let error = get_from(&trusting(&home), &source(&server, "a", Digest::of(b"pinned"))).await.unwrap_err();
    assert!(matches!(error, SourceError::Digest { found, .. } if found == Digest::of(b"another")), "{error}");
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_trusted() {
    let home = Home::new();
    let server = server(&home, Router::new().fallback(|| async { "x" })).await;
    let error = get_from(&home.fetcher(), &source(&server, "a", Digest::of(b"x"))).await.unwrap_err();
    assert!(chain(&error).contains("UnknownIssuer"), "{}", chain(&error));
}

#[tokio::test]
async fn a_redirect_stays_encrypted() {
    let home = Home::new();
    let router = Router::new()
        .route("/there", get(|| async { "x" }))
        .route("/here", get(|| async { Redirect::temporary("/there") }))
        .route("/plain", get(|| async { Redirect::temporary("http://127.0.0.1:1/") }));
    let server = server(&home, router).await;
    let x = Digest::of(b"x");
    get_from(&trusting(&home), &source(&server, "here", x)).await.unwrap();
    let fresh = Home::new();
    let settings = Settings { ca_file: Some(home.path().join("ca.pem")), ..fresh.settings() };
    let error = get_from(&Fetcher::new(settings), &source(&server, "plain", x)).await.unwrap_err();
    assert!(matches!(error, SourceError::Insecure { .. }), "{error}");
}

#[tokio::test]
async fn a_file_of_certificates_without_any_is_an_error() {
    let home = Home::new();
    home.write("ca.pem", "nothing");
    let server = server(&Home::new(), Router::new()).await;
    let error = get_from(&trusting(&home), &source(&server, "a", Digest::of(b"x"))).await.unwrap_err();
    assert!(chain(&error).contains("BEGIN CERTIFICATE"), "{}", chain(&error));
}
