//! Modules out of a registry, from `polyreme push` to a site that is Ready.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use oci_client::client::{Client, ClientConfig, ClientProtocol};
use oci_client::secrets::RegistryAuth;
use oci_wasm::{WasmClient, WasmConfig};
use polyreme_tests::{Host, Registry, Webhosting, exclusive_server, guests_dir, polyreme_binary};
use serde_json::{Value, json};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(60);
/// Exit code of `polyreme` for what has to be changed first.
const CONFIGURATION_ERROR: i32 = 2;

/// A key that signed nothing.
const KEY: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY5m4YeQkJG26rcJ2Z1NQ88pvnH5z
1nQOi3lFU+86YSi9m0y0bJ36+nJrTPskEqeqDBYURrRqVPwlULuqjbaPQQ==
-----END PUBLIC KEY-----
";

/// Runs the binary without credentials of this machine's.
async fn polyreme(folder: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(polyreme_binary()?);
    command.args(arguments).current_dir(folder).env("HOME", folder).env_remove("DOCKER_CONFIG");
    command.env_remove("XDG_CACHE_HOME").kill_on_drop(true);
    command.output().await.context("failed to start polyreme")
}

fn stdout(output: &Output) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    ensure!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

/// A registry with a guest in it, under the tag `1`.
struct Pushed {
    registry: Registry,
    folder: tempfile::TempDir,
    /// What `polyreme push` printed.
    reference: String,
}

impl Pushed {
    async fn new(guest: &str) -> Result<Option<Self>> {
        let Some(registry) = Registry::start("a scenario of modules out of a registry").await? else {
            return Ok(None);
        };
        let folder = tempfile::tempdir()?;
        let module = guests_dir().join(format!("{guest}.wasm")).display().to_string();
        let to = format!("{}/team/{guest}:1", registry.address());
        let reference = stdout(&polyreme(folder.path(), &["push", &module, &to]).await?)?;
        Ok(Some(Self { registry, folder, reference }))
    }

    async fn validate(&self, controllers: &Value) -> Result<Output> {
        let kind = "HostConfiguration";
        let api_version = "polyreme.dev/v1alpha1";
        let text = json!({ "apiVersion": api_version, "kind": kind, "controllers": controllers });
        std::fs::write(self.folder.path().join("polyreme.yaml"), text.to_string())?;
        std::fs::write(self.folder.path().join("cosign.pub"), KEY)?;
        polyreme(self.folder.path(), &["validate", "--config", "polyreme.yaml"]).await
    }
}

#[tokio::test]
async fn what_was_pushed_is_validated_and_pulled_again() -> Result<()> {
    let Some(pushed) = Pushed::new("hello").await? else { return Ok(()) };
    let said = pushed.validate(&json!([{ "name": "hello", "module": pushed.reference }])).await?;
    ensure!(stdout(&said)?.starts_with("hello: ok"), "{said:?}");

    let tag = format!("oci://{}/team/hello:1", pushed.registry.address());
    let pulled = stdout(&polyreme(pushed.folder.path(), &["pull", &tag, "-o", "json"]).await?)?;
    let pulled: Value = serde_json::from_str(&pulled)?;
    ensure!(pulled["reference"] == pushed.reference.as_str(), "{pulled}");
    let file = std::fs::read(pushed.folder.path().join("hello.wasm"))?;
    ensure!(file == std::fs::read(guests_dir().join("hello.wasm"))?, "another module was pulled");
    Ok(())
}

/// The client of `wkg` and others, for plain HTTP.
fn their_client() -> Result<WasmClient> {
    // It takes the process's; that there is one already is fine.
    _ = rustls::crypto::ring::default_provider().install_default();
    let config = ClientConfig { protocol: ClientProtocol::Http, ..ClientConfig::default() };
    Ok(WasmClient::new(Client::try_from(config)?))
}

#[tokio::test]
async fn oci_wasm_reads_what_polyreme_pushed_and_describes_it_alike() -> Result<()> {
    let Some(pushed) = Pushed::new("hello").await? else { return Ok(()) };
    let module = std::fs::read(guests_dir().join("hello.wasm"))?;
    let reference: oci_client::Reference = format!("{}/team/hello:1", pushed.registry.address()).parse()?;
    let (client, nobody) = (their_client()?, RegistryAuth::Anonymous);
    let image = client.pull(&reference, &nobody).await?;
    ensure!(image.layers.iter().map(|layer| &layer.data[..]).eq([&module[..]]), "another module was pulled");
    let (_, config, digest) = client.pull_manifest_and_config(&reference, &nobody).await?;
    ensure!(pushed.reference.ends_with(digest.as_str()), "{digest}");
    let (theirs, layer) = WasmConfig::from_raw_component(module, None)?;
    ensure!(config.layer_digests == [layer.sha256_digest()], "{:?}", config.layer_digests);
    let names = |config: WasmConfig| config.component.map(|world| (world.imports, world.exports));
    let (ours, theirs) = (names(config), names(theirs));
    ensure!(ours == theirs, "{ours:?} is not {theirs:?}");
    Ok(())
}

#[tokio::test]
async fn polyreme_pulls_what_oci_wasm_pushed() -> Result<()> {
    let Some(registry) = Registry::start("a scenario of another tool's module").await? else { return Ok(()) };
    let module = std::fs::read(guests_dir().join("hello.wasm"))?;
    let (config, layer) = WasmConfig::from_raw_component(module.clone(), None)?;
    let name = format!("{}/theirs:1", registry.address());
    their_client()?.push(&name.parse()?, &RegistryAuth::Anonymous, layer, config, None).await?;
    let folder = tempfile::tempdir()?;
    stdout(&polyreme(folder.path(), &["pull", &name, "pulled.wasm"]).await?)?;
    ensure!(std::fs::read(folder.path().join("pulled.wasm"))? == module, "another module was pulled");
    Ok(())
}

#[tokio::test]
async fn an_unpinned_module_is_refused_with_the_command_that_pins_it() -> Result<()> {
    let Some(pushed) = Pushed::new("hello").await? else { return Ok(()) };
    let tag = format!("oci://{}/team/hello:1", pushed.registry.address());
    let said = pushed.validate(&json!([{ "name": "hello", "module": tag }])).await?;
    let error = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(said.status.code() == Some(CONFIGURATION_ERROR), "{error}");
    ensure!(error.contains(&format!("polyreme pull --resolve {tag}")), "{error}");
    let resolved = stdout(&polyreme(pushed.folder.path(), &["pull", "--resolve", &tag]).await?)?;
    ensure!(resolved == pushed.reference, "{resolved}");
    Ok(())
}

#[tokio::test]
async fn an_unsigned_module_fails_alone() -> Result<()> {
    let Some(pushed) = Pushed::new("hello").await? else { return Ok(()) };
    let signed = json!({ "publicKey": "cosign.pub" });
    let controllers = json!([
        { "name": "unsigned", "module": pushed.reference, "signature": signed },
        { "name": "hello", "module": pushed.reference },
    ]);
    let said = pushed.validate(&controllers).await?;
    let (out, error) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    ensure!(said.status.code() == Some(CONFIGURATION_ERROR), "{error}");
    ensure!(error.contains("is not signed") && error.contains("1 of 2 controllers"), "{error}");
    ensure!(out.starts_with("hello: ok"), "{out}");
    Ok(())
}

#[tokio::test]
async fn a_site_becomes_ready_by_a_module_out_of_a_registry() -> Result<()> {
    let server = exclusive_server().await?;
    let sites = Webhosting::prepare(&server).await?;
    let mut configuration = sites.host_configuration()?;
    let Some(pushed) = Pushed::new("webhosting").await? else { return Ok(()) };
    let controllers = configuration["controllers"].as_array_mut().context("no controllers")?;
    let website = controllers.iter_mut().find(|entry| entry["name"] == "website");
    website.context("no controller website")?["module"] = json!(pushed.reference);
    let key = pushed.folder.path().join("cosign.pub");
    std::fs::write(&key, KEY)?;
    let unsigned =
        json!({ "name": "unsigned", "module": pushed.reference, "signature": { "publicKey": key } });
    controllers.push(unsigned);

    let host = Host::launch(&server, &configuration)?;
    host.wait_for_log("is not signed", LIMIT).await?;
    sites.create_theme("exciting", "darkcyan", "Futura").await?;
    sites.create_site("museum", "exciting").await?;
    sites.wait_until_ready("museum").await
}
