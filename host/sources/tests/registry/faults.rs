//! What damaged, overloaded and hostile servers cannot do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect};
use polyreme_sources::{Digest, Fetcher, Reference, Settings, SourceError};
use proptest::prelude::*;
use serde_json::json;

use crate::fixture::{Home, MANIFEST_TYPE, chain, component, fetch, registry};
use crate::liar::Liar;

#[tokio::test]
async fn a_tampered_module_is_refused() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let pinned = home.fetcher().push(&module, &server.reference("site:1"), BTreeMap::new()).await.unwrap();
    server.tamper(Digest::of(&module));
    let error = fetch(&home.fetcher(), &pinned).await.unwrap_err();
    assert!(matches!(error, SourceError::Digest { .. }), "{error}");
    assert!(error.to_string().contains(&Digest::of(&module).to_string()), "{error}");
}

#[tokio::test]
async fn a_tampered_manifest_is_refused() {
    let manifest = json!({ "schemaVersion": 2, "config": {}, "layers": [] }).to_string();
    let server = Liar::start(Router::new().fallback(|| async { manifest })).await;
    let home = Home::new();
    let error =
        fetch(&home.fetcher(), &server.reference("site").pinned(Digest::of(b"pinned"))).await.unwrap_err();
    assert!(matches!(error, SourceError::Digest { .. }), "{error}");
    assert_eq!(home.files(), ["config.json"], "nothing of it is kept");
}

#[tokio::test]
async fn a_missing_artifact_is_not_found() {
    let (server, home) = (registry!(), Home::new());
    let error = fetch(&home.fetcher(), &server.reference("site").pinned(Digest::of(b""))).await.unwrap_err();
    assert!(matches!(error, SourceError::NotFound { .. }), "{error}");
    assert!(error.to_string().contains("check the name"), "{error}");
}

#[tokio::test]
async fn plain_http_stays_on_this_machine() {
    let home = Home::new();
    // A loopback registry that redirects to another machine, as plain as itself.
    let away =
        Liar::start(Router::new().fallback(|| async { Redirect::temporary("http://192.0.2.1/x") })).await;
    let error = fetch(&home.fetcher(), &away.reference("site").pinned(Digest::of(b""))).await.unwrap_err();
    assert!(matches!(&error, SourceError::Insecure { url, .. } if url == "http://192.0.2.1"), "{error}");
    // An address of this machine's that is none of loopback is spoken to with TLS only: port 1 is closed.
    let other: Reference = "0.0.0.0:1/site".parse().unwrap();
    let error = fetch(&home.fetcher(), &other.pinned(Digest::of(b""))).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_speaks_plain_http_at_another_address_is_not_spoken_to() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = Liar::start(Router::new().fallback(move || async move {
        counter.fetch_add(1, Ordering::SeqCst);
        ""
    }))
    .await;
    // Linux sends what goes to 0.0.0.0 to this machine.
    let reference: Reference = format!("0.0.0.0:{}/site:1", server.address().port()).parse().unwrap();
    let error = Home::new().fetcher().resolve(&reference).await.unwrap_err();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "it was sent a request in plain text");
}

#[tokio::test]
async fn a_module_beyond_the_limit_is_not_downloaded() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let pinned = home.fetcher().push(&module, &server.reference("site:1"), BTreeMap::new()).await.unwrap();
    let limit = module.len() as u64 - 1;
    let small = Fetcher::new(Settings { max_bytes: limit, ..home.settings() });
    let error = fetch(&small, &pinned).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { limit: found, .. } if found == limit), "{error}");
}

#[tokio::test]
async fn an_endless_answer_ends_at_the_limit() {
    let endless = || async {
        let chunks = std::iter::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 1 << 16]));
        Body::from_stream(tokio_stream::iter(chunks))
    };
    let server = Liar::start(Router::new().fallback(endless)).await;
    let error = Home::new().fetcher().resolve(&server.reference("site:1")).await.unwrap_err();
    assert!(matches!(error, SourceError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_at_the_deadline() {
    let silent = || async { std::future::pending::<()>().await };
    let server = Liar::start(Router::new().fallback(silent)).await;
    let home = Home::new();
    let fetcher = Fetcher::new(Settings { deadline: Duration::from_millis(50), ..home.settings() });
    let error = fetcher.resolve(&server.reference("site:1")).await.unwrap_err();
    assert!(matches!(error, SourceError::TooSlow { .. }), "{error}");
}

/// Answers each request with the next status, the last one for ever.
async fn answering(statuses: &'static [StatusCode]) -> (Liar, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let answer = move |_: Uri| async move {
        let index = counter.fetch_add(1, Ordering::SeqCst).min(statuses.len() - 1);
        let layer =
            json!({ "mediaType": "application/wasm", "digest": Digest::of(b"").to_string(), "size": 0 });
        (statuses[index], json!({ "schemaVersion": 2, "config": layer, "layers": [layer] }).to_string())
            .into_response()
    };
    (Liar::start(Router::new().fallback(answer)).await, asked)
}

#[tokio::test]
async fn an_overloaded_registry_is_asked_again() {
    let (server, asked) =
        answering(&[StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS, StatusCode::OK]).await;
    let home = Home::new();
    let patient = Fetcher::new(Settings { retries: 2, ..home.settings() });
    patient.resolve(&server.reference("site:1")).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn tries_are_bounded_and_the_last_reason_is_told() {
    let (server, asked) = answering(&[StatusCode::BAD_GATEWAY]).await;
    let error = Home::new().fetcher().resolve(&server.reference("site:1")).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 2, "one try and one more");
    assert!(chain(&error).contains("502"), "{}", chain(&error));
}

#[tokio::test]
async fn a_refusal_is_final() {
    let (server, asked) = answering(&[StatusCode::BAD_REQUEST]).await;
    let error = Home::new().fetcher().resolve(&server.reference("site:1")).await.unwrap_err();
    assert!(matches!(error, SourceError::Refused { .. }), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_registry_that_restarts_is_waited_for() {
    let (server, home) = (registry!(), Home::new());
    let module = component("site");
    let pinned = home.fetcher().push(&module, &server.reference("site:1"), BTreeMap::new()).await.unwrap();
    server.stop();
    let refused = fetch(&home.fetcher(), &pinned).await.unwrap_err();
    assert!(matches!(refused, SourceError::Unreachable { .. }), "{refused}");
    let patient =
        Fetcher::new(Settings { retries: 100, first_delay: Duration::from_millis(5), ..home.settings() });
    let server = Arc::new(server);
    let restarting = Arc::clone(&server);
    // The fetch is polled first: its first try finds nobody.
    let (fetched, restarted) = tokio::join!(
        fetch(&patient, &pinned),
        tokio::task::spawn_blocking(move || restarting.start_again()),
    );
    restarted.unwrap();
    assert_eq!(*fetched.unwrap(), module[..]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_digest_in_a_manifest_leads_outside_the_cache(
        name in "(sha256:)?(\\.\\./){0,3}[a-f0-9/.%]{0,70}|\\PC{0,20}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let descriptor = json!({ "mediaType": "application/wasm", "digest": name, "size": 1 });
            let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": descriptor, "layers": [descriptor] });
            let bytes = manifest.to_string();
            let digest = Digest::of(bytes.as_bytes());
            let server = Liar::start(Router::new().fallback(move || async move { bytes })).await;
            let home = Home::new();
            let error = fetch(&home.fetcher(), &server.reference("site").pinned(digest)).await.unwrap_err();
            let expected = matches!(error, SourceError::Malformed { .. } | SourceError::Digest { .. });
            assert!(expected, "{error}");
            assert_eq!(home.files(), [format!("cache/modules/blobs/{}", digest.hex()), "config.json".to_owned()]);
        });
    }
}
