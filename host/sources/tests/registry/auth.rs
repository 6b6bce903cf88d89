//! Registries that want credentials.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::extract::RawQuery;
use axum::http::HeaderMap;
use axum::routing::get;
use polyreme_sources::{Fetcher, Settings, SourceError};

use crate::fixture::{Auth, Home, chain, component, fetch, registry};
use crate::liar::Liar;

#[tokio::test]
async fn dockers_credentials_open_a_registry() {
    let (server, home) = (registry!(Auth::Basic), Home::new());
    home.log_in(server.address(), "user", "secret");
    let module = component("site");
    let pinned = home.fetcher().push(&module, &server.reference("site:1"), BTreeMap::new()).await.unwrap();
    assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);
}

#[tokio::test]
async fn without_credentials_the_error_names_docker_login() {
    let (server, home) = (registry!(Auth::Basic), Home::new());
    let error = home.fetcher().resolve(&server.reference("site:1")).await.unwrap_err();
    assert!(matches!(error, SourceError::Unauthorized { had_credentials: false, .. }), "{error}");
    assert!(error.to_string().contains(&format!("docker login {}", server.address())), "{error}");
    assert!(error.to_string().contains("config.json"), "{error}");
}

#[tokio::test]
async fn wrong_credentials_are_told_from_none() {
    let (server, home) = (registry!(Auth::Basic), Home::new());
    home.log_in(server.address(), "user", "wrong");
    let error = home.fetcher().resolve(&server.reference("site:1")).await.unwrap_err();
    assert!(matches!(error, SourceError::Unauthorized { had_credentials: true, .. }), "{error}");
    assert!(!chain(&error).contains("wrong"), "a secret in a message: {error}");
}

#[tokio::test]
async fn credentials_that_a_named_file_should_have_are_missed() {
    let home = Home::new();
    let settings = Settings { docker_config: Some(home.path().join("none.json")), ..home.settings() };
    let server = registry!(Auth::Basic);
    let error = Fetcher::new(settings).resolve(&server.reference("site:1")).await.unwrap_err();
    assert!(
        matches!(&error, SourceError::Credentials { path, .. } if path.ends_with("none.json")),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_is_fetched_for_the_repository_alone() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let tokens = Liar::start(axum::Router::new().route(
        "/token",
        get(|RawQuery(query): RawQuery, headers: HeaderMap| async move {
            let user = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
            seen.lock().unwrap().push(format!("{} {}", query.unwrap(), user.unwrap_or_default()));
            r#"{ "token": "a-token" }"#
        }),
    ))
    .await;
    let realm = format!("http://{}/token", tokens.address());
    let (server, home) = (registry!(Auth::Token { realm }), Home::new());
    home.log_in(server.address(), "user", "secret");
    let module = component("site");
    let pinned =
        home.fetcher().push(&module, &server.reference("team/site:1"), BTreeMap::new()).await.unwrap();
    assert_eq!(*fetch(&home.fetcher(), &pinned).await.unwrap(), module[..]);
    let basic = "Basic dXNlcjpzZWNyZXQ=";
    let scope =
        |actions: &str| format!("service=test-service&scope=repository%3Ateam%2Fsite%3A{actions} {basic}");
    assert_eq!(*asked.lock().unwrap(), [scope("pull%2Cpush"), scope("pull")]);
}

#[tokio::test]
async fn credentials_never_go_to_a_token_service_in_plain_text() {
    let realm = "http://tokens.example/token".to_owned();
    let (server, home) = (registry!(Auth::Token { realm }), Home::new());
    home.log_in(server.address(), "user", "secret");
    let error = home.fetcher().resolve(&server.reference("site:1")).await.unwrap_err();
    assert!(matches!(&error, SourceError::Insecure { url, .. } if url == "http://tokens.example"), "{error}");
}
