//! From nothing to an object that is Ready, in every language, as a newcomer goes: `polyreme new`, the
//! project's own tests, `polyreme dev`.
//!
//! The local API server is `dev`'s own, so a run against a real one does not repeat this.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use polyreme_tests::{Kind, Stopwatch, not_run, polyreme_binary, repository, server};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// A compiler with all that it has to compile, on a busy machine.
const LIMIT: Duration = Duration::from_secs(600);
/// What `polyreme` ends with when the language's tools have to be installed first.
const NO_TOOLS: i32 = 3;

async fn run(command: &mut Command) -> Result<Output> {
    command.kill_on_drop(true).stdin(Stdio::null());
    let output = timeout(LIMIT, command.output()).await;
    output.with_context(|| format!("{command:?} did not end in time"))?.context("failed to start it")
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr))
}

/// `polyreme` in a folder. What cargo compiles for Rust is kept between runs of the suite.
fn polyreme(folder: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(polyreme_binary()?);
    command
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", repository().join("target/scaffolds"));
    Ok(command)
}

async fn becomes_ready(language: &str) -> Result<()> {
    if server().await?.kind() == Kind::Real {
        return Ok(());
    }
    let clock = Stopwatch::start();
    let parent = tempfile::tempdir()?;
    let made = run(&mut polyreme(parent.path(), &["new", "my-pages", "--lang", language])?).await?;
    ensure!(made.status.success(), "{}", said(&made));
    let folder = parent.path().join("my-pages");
    let ready = run(&mut polyreme(&folder, &["dev", "--until-ready"])?).await?;
    if ready.status.code() == Some(NO_TOOLS) {
        return not_run(&format!("the {language} scaffold"), &said(&ready));
    }
    ensure!(ready.status.success(), "{}", said(&ready));
    let lines = String::from_utf8_lossy(&ready.stdout).into_owned();
    ensure!(lines.contains("Page default/welcome: Ready (Rendered)"), "{lines}");
    println!("{language}: from an empty folder to Ready in {:.1} s", clock.elapsed().as_secs_f64());
    its_tests_pass(&folder, &made).await
}

/// By the command that `new` printed.
async fn its_tests_pass(folder: &Path, made: &Output) -> Result<()> {
    let lines = String::from_utf8_lossy(&made.stdout).into_owned();
    let test = lines.lines().find_map(|line| line.strip_prefix("its tests: "));
    let mut command = Command::new("sh");
    command.arg("-c").arg(test.context("no command for its tests")?).current_dir(folder);
    command.env("CARGO_TARGET_DIR", repository().join("target/scaffolds"));
    let tested = run(&mut command).await?;
    ensure!(tested.status.success(), "{}", said(&tested));
    Ok(())
}

#[tokio::test]
async fn a_new_rust_project_becomes_ready_and_passes_its_tests() -> Result<()> {
    becomes_ready("rust").await
}

#[tokio::test]
async fn a_new_go_project_becomes_ready_and_passes_its_tests() -> Result<()> {
    becomes_ready("go").await
}

#[tokio::test]
async fn a_new_python_project_becomes_ready_and_passes_its_tests() -> Result<()> {
    becomes_ready("python").await
}

#[tokio::test]
async fn a_new_js_project_becomes_ready_and_passes_its_tests() -> Result<()> {
    becomes_ready("js").await
}

/// A project in the fastest language to build whose controller is changed while it runs.
#[tokio::test]
async fn dev_builds_and_reloads_after_a_change_and_survives_one_that_does_not_compile() -> Result<()> {
    if server().await?.kind() == Kind::Real {
        return Ok(());
    }
    let parent = tempfile::tempdir()?;
    let made = run(&mut polyreme(parent.path(), &["new", "my-pages", "--lang", "go"])?).await?;
    ensure!(made.status.success(), "{}", said(&made));
    let folder = parent.path().join("my-pages");
    let mut command = polyreme(&folder, &["dev"])?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut dev = Dev::start(&mut command)?;
    if dev.wait_for("Ready (Rendered)").await.is_err() && dev.ended_for_want_of_tools().await {
        return not_run("the reload of dev", "Go is missing");
    }

    let source = folder.join("main.go");
    let text = std::fs::read_to_string(&source)?;
    std::fs::write(&source, text.replace("func render(", "func render(("))?;
    dev.wait_for("changed: building").await?;
    std::fs::write(&source, text.replace("\"Rendered\"", "\"RenderedAnew\""))?;
    dev.wait_for("built my-pages").await?;
    dev.wait_for("Ready (RenderedAnew)").await
}

/// A running `polyreme dev` and the lines it prints.
struct Dev {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
}

impl Dev {
    fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.spawn().context("failed to start polyreme dev")?;
        let output = child.stdout.take().context("it has no stdout")?;
        Ok(Self { child, lines: BufReader::new(output).lines() })
    }

    /// Reads until a line has these words.
    async fn wait_for(&mut self, words: &str) -> Result<()> {
        let mut seen = Vec::new();
        let read = async {
            while let Some(line) = self.lines.next_line().await? {
                if line.contains(words) {
                    return Ok(());
                }
                seen.push(line);
            }
            anyhow::bail!("it ended")
        };
        let outcome = timeout(LIMIT, read).await.context("it did not in time").flatten();
        outcome.with_context(|| format!("waiting for {words:?} after:\n{}", seen.join("\n")))
    }

    async fn ended_for_want_of_tools(&mut self) -> bool {
        self.child.wait().await.is_ok_and(|status| status.code() == Some(NO_TOOLS))
    }
}
