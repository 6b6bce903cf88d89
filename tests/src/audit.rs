//! The real server's audit log: every request with its user, as the server saw it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::eventually::eventually;

/// The log is written in batches.
const FLUSH_LIMIT: Duration = Duration::from_secs(30);
const STAGE_COMPLETE: &str = "ResponseComplete";

/// A log that is being written.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
}

/// One finished request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, …
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    stage: String,
    user: User,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    username: String,
}

impl Request {
    /// Whether it asks for a change.
    #[must_use]
    pub fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
    }

    /// The user that sent it.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user.username
    }
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// How much has been written: the start for [`AuditLog::since`].
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn mark(&self) -> Result<usize> {
        Ok(self.text()?.len())
    }

    /// What `user` asked for since a mark, watches apart (they end whenever).
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn since(&self, mark: usize, user: &str) -> Result<Vec<Request>> {
        let text = self.text()?;
        let new = text.get(mark..).unwrap_or_default();
        // The last line may be half written.
        let requests = new.lines().filter_map(|line| serde_json::from_str::<Request>(line).ok());
        let finished = requests.filter(|request| request.stage == STAGE_COMPLETE && request.verb != "watch");
        Ok(finished.filter(|request| request.user() == user).collect())
    }

    /// Waits until a request that contains `uri` is in the log: everything before it is too.
    ///
    /// # Errors
    /// When it does not get there in time.
    pub async fn wait_for(&self, mark: usize, uri: &str) -> Result<()> {
        eventually("the audit log being written", FLUSH_LIMIT, async || {
            let text = self.text()?;
            ensure!(text.get(mark..).unwrap_or_default().contains(uri), "no {uri} in it");
            Ok(())
        })
        .await
    }

    fn text(&self) -> Result<String> {
        fs::read_to_string(&self.path).with_context(|| format!("failed to read {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finished_requests_of_the_user_count() {
        let dir = tempfile::tempdir().unwrap();
        let line = |stage: &str, verb: &str, user: &str| {
            format!(
                r#"{{"stage":"{stage}","verb":"{verb}","requestURI":"/x","user":{{"username":"{user}"}}}}"#
            )
        };
        let lines = [
            line("ResponseComplete", "patch", "host-0"),
            line("RequestReceived", "patch", "host-0"),
            line("ResponseComplete", "watch", "host-0"),
            line("ResponseComplete", "get", "admin"),
            "{\"stage\":\"Respon".to_owned(),
        ];
        let path = dir.path().join("audit.log");
        fs::write(&path, lines.join("\n")).unwrap();
        let found = AuditLog::new(path).since(0, "host-0").unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].is_write());
    }
}
