//! node itself, and componentize-qjs in a folder of its own in the user's cache.

use std::env::consts;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::JsError;
use crate::languages::provision::{ProvisionError, Tool};
use crate::process;

/// Of npm; brings QuickJS for the component with it.
pub(super) const COMPONENTIZE: &str = "0.4.5";

/// What componentize-qjs asks for.
pub(super) const OLDEST: u32 = 18;

/// Where componentize-qjs is; it is installed if need be.
pub(super) async fn ensure() -> Result<PathBuf, JsError> {
    let found = version("node").await?;
    // A version that cannot be read is newer than this code: let node speak for itself.
    if major(&found).is_some_and(|major| major < OLDEST) {
        return Err(JsError::TooOld { found });
    }
    let tool = Tool::new("componentize-qjs", COMPONENTIZE, "")?;
    let entry = Path::new("node_modules/componentize-qjs/cli.mjs");
    if !tool.folder.join(entry).exists() {
        version("npm").await?;
    }
    let installed = tool.ensure(entry, "npm", "NPM_CONFIG_REGISTRY", |folder| {
        let mut install = Command::new(npm());
        // No script of a package runs: the compiler is prebuilt.
        install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]);
        install.arg("--prefix").arg(folder).arg(format!("componentize-qjs@{COMPONENTIZE}"));
        vec![install]
    });
    Ok(installed.await?)
}

async fn version(program: &'static str) -> Result<String, JsError> {
    let mut command = Command::new(if program == "npm" { npm() } else { program });
    command.arg("--version");
    let output = process::quiet(command).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => JsError::Missing { program },
        _ => ProvisionError::Run { program: program.to_owned(), source }.into(),
    })?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn major(version: &str) -> Option<u32> {
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

/// A script that only a shell finds under its plain name on Windows.
fn npm() -> &'static str {
    if consts::OS == "windows" { "npm.cmd" } else { "npm" }
}

/// The command that installs node, and npm with it, on this kind of machine.
pub(super) fn install_command() -> &'static str {
    match consts::OS {
        "macos" => "brew install node",
        "windows" => "winget install OpenJS.NodeJS.LTS",
        _ => "apt-get install nodejs npm",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_node_writes_them() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert!(major("v16.0.0").is_some_and(|major| major < OLDEST));
        assert_eq!(major("nightly"), None);
    }
}
