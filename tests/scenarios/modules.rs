//! Modules that cannot be loaded: the error names the module and what to do, and the other
//! modules of the configuration go on.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use polyreme_tests::{
    Guest, Host, Kind, Server, Webhosting, exclusive_server, guests_dir, polyreme_binary, server,
};
use serde_json::json;
use tokio::process::Command;

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

/// What a module is, told also where nothing compiled can be kept, and what is wrong with one that no host runs.
#[tokio::test]
async fn a_module_is_inspected_with_and_without_a_place_for_compiled_code() -> Result<()> {
    if server().await?.kind() == Kind::Real {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let (hello, core) = (guests_dir().join("hello.wasm"), dir.path().join("core.wasm"));
    std::fs::write(&core, Guest::trapping().core_module()?)?;
    // A file, so that no folder can be made there.
    let nowhere = core.clone();
    for cache in [dir.path(), &nowhere] {
        let output = inspect(&hello, cache).await?;
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        ensure!(output.status.success(), "{stderr}");
        for line in
            ["reconciles   example.polyreme.dev/v1 Hello", "language     Rust", "contract     polyreme:"]
        {
            ensure!(stdout.contains(line), "{stdout}");
        }
    }
    let output = inspect(&core, dir.path()).await?;
    ensure!(output.status.code() == Some(2), "{}", output.status);
    ensure!(text(&output.stderr).contains("polyreme build"), "{}", text(&output.stderr));
    Ok(())
}

async fn inspect(module: &Path, cache: &Path) -> Result<Output> {
    let mut command = Command::new(polyreme_binary()?);
    command.arg("inspect").arg(module).env("XDG_CACHE_HOME", cache);
    command.output().await.context("failed to run polyreme inspect")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
