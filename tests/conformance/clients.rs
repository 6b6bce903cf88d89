//! Programs in Go, whose clients speak protobuf: `tests/go-client` is built and run.

use std::io::ErrorKind;

use anyhow::{Context, Result, ensure};
use polyreme_tests::{not_run, repository, server};
use tokio::process::Command;

#[tokio::test]
async fn a_program_in_go_has_the_same_objects_by_protobuf_and_by_json() -> Result<()> {
    let folder = tempfile::tempdir().context("failed to make a temporary folder")?;
    let program = folder.path().join("go-client");
    let mut build = Command::new("go");
    // The flag of the real server's own build, which then finds most of it in Go's cache.
    build.args(["build", "-trimpath", "-o"]).arg(&program).arg(".");
    let built = match build.current_dir(repository().join("tests/go-client")).output().await {
        Err(failure) if failure.kind() == ErrorKind::NotFound => {
            return not_run("a program in Go on the API server", "install Go, https://go.dev/dl");
        }
        built => built.context("failed to start go")?,
    };
    ensure!(built.status.success(), "go build failed:\n{}", String::from_utf8_lossy(&built.stderr));

    let server = server().await?;
    let namespace = server.namespace("go-client").await?;
    let ran = Command::new(&program).arg(server.kubeconfig()).arg(namespace.name()).output().await;
    let ran = ran.context("failed to start the program")?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
    namespace.delete().await
}
