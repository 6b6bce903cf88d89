//! Modules that cannot be loaded: the error names the module and what to do, and the other
//! modules of the configuration go on.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use polyreme_tests::{Guest, Host, Server, Webhosting, exclusive_server};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);

/// Adds this module to webhosting's configuration, waits for the words in the host's log,
/// and sees a site become Ready all the same.
async fn ensure_only_this_is_refused(module: &Path, words: &[&str]) -> Result<()> {
    let server: Server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let mut configuration = sites.host_configuration()?;
    let bad = json!({ "name": "faulty", "module": format!("file:{}", module.display()) });
    configuration["controllers"].as_array_mut().context("no controllers")?.push(bad);

    let host = Host::launch(&server, &configuration)?;
    for word in words.iter().chain(&["faulty"]) {
        host.wait_for_log(word, LIMIT).await?;
    }
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await?;
    ensure_unready_because_of(&host, "faulty").await
}

/// A host that lacks a module is not ready, and says which one.
async fn ensure_unready_because_of(host: &Host, name: &str) -> Result<()> {
    let answer = host.readiness().await.map_err(|error| format!("{error:#}"));
    ensure!(answer.is_err(), "the host says it is ready without {name}");
    Ok(())
}

/// The same for a module made on the spot.
async fn ensure_refused(bytes: &[u8], words: &[&str]) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let module = dir.path().join("faulty.wasm");
    std::fs::write(&module, bytes)?;
    ensure_only_this_is_refused(&module, words).await
}

#[tokio::test]
async fn a_missing_module_is_named_with_its_path() -> Result<()> {
    ensure_only_this_is_refused(Path::new("nowhere/missing.wasm"), &["missing.wasm"]).await
}

#[tokio::test]
async fn a_file_that_is_not_wasm_is_refused() -> Result<()> {
    ensure_refused(b"#!/bin/sh\necho hello\n", &["WebAssembly"]).await
}

#[tokio::test]
async fn a_core_module_is_refused_with_the_command_that_makes_a_component() -> Result<()> {
    ensure_refused(&Guest::trapping().core_module()?, &["polyreme build"]).await
}

#[tokio::test]
async fn a_module_for_another_version_of_the_contract_is_refused_with_both_versions() -> Result<()> {
    ensure_refused(&Guest::for_version("0.9.0").component()?, &["0.9.0", "0.1.0"]).await
}

#[tokio::test]
async fn an_import_that_no_host_offers_is_named() -> Result<()> {
    ensure_refused(&Guest::importing("weather").component()?, &["polyreme:test/weather"]).await
}

#[tokio::test]
async fn a_module_that_traps_when_asked_what_it_is_is_refused() -> Result<()> {
    ensure_refused(&Guest::trapping().component()?, &["describe", "unreachable"]).await
}
