//! The cases that every SDK must pass, run for one language (`tests/sdk-cases/README.md`).
//!
//! [`SdkCases::run`] starts a host of the language's guest, runs every case of the list in a
//! namespace of its own and reports all that fail, by name. What is expected is data
//! (`list`), how values are compared is pure (`matching`), where they are looked up is
//! outside of host and guest (`observe`).

mod list;
mod matching;
mod observe;
mod play;
mod server;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::stream::{self, StreamExt};
use kube::Client;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use crate::apply::{apply_files, apply_objects};
use crate::environment::{missing_tools, not_run, repository};
use crate::eventually::eventually;
use crate::host::Host;
use crate::server::{Kind, Namespace, Server};
use crate::webhosting::allow_hosts;
use list::{Case, List};
use observe::{Reference, api, view};
use server::OutsideServer;

/// Field manager, metric label and name in the host's configuration.
const CONTROLLER: &str = "sdk-cases";
const GROUP_VERSION: &str = "cases.polyreme.dev/v1alpha1";
/// The host's own part at info; of the guests all but the most talkative level.
const LOG_FILTER: &str = "warn,polyreme=info,polyreme::guest=debug";
/// A port that is granted and where nobody listens: only root could.
const NOBODY: u16 = 1;
/// Cases under way at a time.
const AT_ONCE: usize = 4;
const SERVED_LIMIT: Duration = Duration::from_secs(60);
/// Until wrong settings are refused: the first compilation of a large guest included.
const REFUSED_LIMIT: Duration = Duration::from_secs(90);
/// An object of the kind without the label that the manifest selects.
const UNSELECTED: &str = "unselected";

/// What one language's guest is run with.
pub struct SdkCases {
    language: String,
    list: List,
    /// `instances` of the controller's configuration.
    instances: Value,
    only: Option<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a language that was not run has passed nothing"]
pub enum Ran {
    /// Every case passed; how many.
    All(usize),
    /// Its toolchain is missing: the command that installs it.
    NotRun(String),
}

/// What cases of one run share.
struct Stage {
    host: Host,
    client: Client,
    namespace: Namespace,
    outside: OutsideServer,
}

impl SdkCases {
    /// The list for one language, with one instance policy (`"fresh"`, `{"warm": 2, …}`).
    ///
    /// # Errors
    /// When the list cannot be read.
    pub fn of(language: &str, instances: Value) -> Result<Self> {
        let only = std::env::var("POLYREME_SDK_CASE").ok().filter(|name| !name.is_empty());
        Ok(Self { language: language.to_owned(), list: List::read()?, instances, only })
    }

    /// The languages that have a folder in `tests/sdk-cases`.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn languages() -> Result<Vec<String>> {
        let entries = fs::read_dir(list::folder()).context("failed to list tests/sdk-cases")?;
        let folders = entries.flatten().filter(|entry| entry.path().is_dir());
        let mut names: Vec<_> =
            folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// Runs every case; a language without its toolchain is reported on the terminal, past
    /// the test runner's capture.
    ///
    /// # Errors
    /// Names every case that failed with the reason.
    pub async fn run(&self, server: &Server) -> Result<Ran> {
        if let Some(remedy) = missing_tools(&self.guest()) {
            not_run(&format!("the SDK cases in {}", self.language), &remedy)?;
            return Ok(Ran::NotRun(remedy));
        }
        let stage = self.set(server).await?;
        let cases: Vec<&Case> = self.chosen().collect();
        ensure!(!cases.is_empty(), "the list has no case {:?}", self.only);
        let failed: Vec<String> = stream::iter(&cases)
            .map(async |case| {
                let outcome = stage.play(case).await;
                outcome.err().map(|error| format!("{}: {error:#}", case.name))
            })
            .buffer_unordered(AT_ONCE)
            .filter_map(std::future::ready)
            .collect()
            .await;
        self.ensure_selected(&stage).await?;
        stage.clean_up(cases.iter().flat_map(|case| &case.given)).await?;
        if failed.is_empty() {
            return Ok(Ran::All(cases.len()));
        }
        let (count, all, language) = (failed.len(), cases.len(), &self.language);
        bail!("{count} of {all} cases failed in {language}:\n  {}\n", failed.join("\n  "))
    }

    /// Settings that break the schema of the manifest are refused, and the field is named.
    ///
    /// # Errors
    /// When they are not.
    pub async fn refuses_wrong_settings(&self, server: &Server) -> Result<()> {
        if missing_tools(&self.guest()).is_some() {
            return Ok(());
        }
        let host = Host::launch(server, &self.configuration(&json!({ "greeting": 7 }), NOBODY)?)?;
        host.wait_for_log("greeting", REFUSED_LIMIT).await
    }

    fn chosen(&self) -> impl Iterator<Item = &Case> {
        let all = self.list.cases.iter();
        all.filter(|case| self.only.as_ref().is_none_or(|only| *only == case.name))
    }

    fn guest(&self) -> String {
        format!("sdk-cases-{}", self.language)
    }

    fn configuration(&self, settings: &Value, server: u16) -> Result<Value> {
        let module = crate::environment::built_guest(&self.guest())?;
        Ok(json!({
            "apiVersion": "polyreme.dev/v1alpha1",
            "kind": "HostConfiguration",
            "controllers": [{
                "name": CONTROLLER,
                "module": format!("file:{}", module.display()),
                "workers": 2 * AT_ONCE,
                "instances": self.instances,
                "settings": settings,
                "grants": self.list.grants,
                "http": [{
                    "hosts": ["127.0.0.1"],
                    "methods": ["GET", "POST"],
                    "scheme": "http",
                    "ports": [server, NOBODY],
                    "networks": ["127.0.0.0/8"],
                }],
                // A debug build of the host on a busy machine, not the guests, needs this.
                "limits": { "cpuTime": "10s" },
            }],
        }))
    }

    async fn set(&self, server: &Server) -> Result<Stage> {
        let client = server.client().await?;
        apply_files(&client, &list::folder().join("crd.yaml")).await?;
        let cases = Reference::case("any");
        eventually("Cases being served", SERVED_LIMIT, async || {
            api(&client, &cases, "default").list(&kube::api::ListParams::default().limit(1)).await?;
            Ok(())
        })
        .await?;
        if server.kind() == Kind::Real {
            allow_hosts(&client).await?;
        }
        let namespace = server.namespace(&format!("cases-{}", self.language)).await?;
        let outside = OutsideServer::start().await?;
        let configuration = self.configuration(&self.list.settings, outside.port())?;
        let arguments = ["--log-format", "json", "--log-level", LOG_FILTER];
        let host = Host::start_with(server, &configuration, &arguments).await?;
        // What is there when a host gets its slots is reconciled once more, and cases count reconciles.
        eventually("slots being owned", SERVED_LIMIT, async || {
            let owned = host.metrics().await?.sum("polyreme_slots_owned", &[]);
            ensure!(owned > 0.0, "it is ready and owns nothing yet");
            Ok(())
        })
        .await?;
        let stage = Stage { host: host.quiet(), client, namespace, outside };
        stage.make(&[unselected()]).await?;
        Ok(stage)
    }

    /// A Case without the label was there all the time, and nobody looked at it.
    async fn ensure_selected(&self, stage: &Stage) -> Result<()> {
        let seen = view(&stage.client, &Reference::case(UNSELECTED), stage.namespace.name()).await?;
        let status = seen.as_ref().and_then(|case| case.get("status"));
        ensure!(seen.is_some() && status.is_none(), "a Case without the label was reconciled: {status:?}");
        Ok(())
    }
}

impl Stage {
    /// Makes objects in the order given, in the namespace of the run unless they name one.
    async fn make(&self, objects: &[Value]) -> Result<Vec<DynamicObject>> {
        let placed: Vec<Value> =
            objects.iter().map(|object| list::placed(object, self.namespace.name())).collect();
        apply_objects(&self.client, &placed).await
    }

    /// Lets go what only finalizers of the list hold, and the namespace.
    async fn clean_up(&self, given: impl Iterator<Item = &Value>) -> Result<()> {
        for object in given.filter(|object| !object["metadata"]["finalizers"].is_null()) {
            let object = list::filled(object, self.namespace.name());
            let target = Reference::of(&object);
            let patch = kube::api::Patch::Merge(json!({ "metadata": { "finalizers": null } }));
            let there = api(&self.client, &target, self.namespace.name());
            // What is gone needs no letting go.
            let _ = there.patch(&target.name, &kube::api::PatchParams::default(), &patch).await;
        }
        self.namespace.delete().await
    }
}

fn unselected() -> Value {
    json!({
        "apiVersion": GROUP_VERSION, "kind": "Case",
        "metadata": { "name": UNSELECTED }, "spec": { "case": "idle" },
    })
}

/// The languages with a test of their own, for the check that no folder is left out.
///
/// # Errors
/// Names the folders that no test runs.
pub fn ensure_every_language_is_run(tested: &[&str]) -> Result<()> {
    let folders = SdkCases::languages()?;
    let forgotten: Vec<_> = folders.iter().filter(|one| !tested.contains(&one.as_str())).collect();
    let place = repository().join("tests/scenarios/sdk_cases.rs");
    ensure!(forgotten.is_empty(), "name {forgotten:?} in `languages!` of {}", place.display());
    Ok(())
}
