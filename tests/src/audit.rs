//! The real server's audit log: every request with its user, as the server saw it.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde::Deserialize;
use serde_json::Value;

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
    /// What it is about; absent for paths that are no resource.
    #[serde(default)]
    pub object_ref: ObjectRef,
    /// The body, where the audit policy keeps it (writes of probes).
    #[serde(default)]
    pub request_object: Value,
    /// What is read of the answer's body, where the audit policy keeps it.
    #[serde(default)]
    response_object: Answer,
    /// When the server received it.
    #[serde(rename = "requestReceivedTimestamp")]
    pub received: Timestamp,
    /// When it was answered.
    #[serde(rename = "stageTimestamp")]
    pub answered: Timestamp,
    #[serde(default)]
    response_status: Status,
    stage: String,
    user: User,
}

/// What a request is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectRef {
    /// `probes`, `leases`, …
    pub resource: String,
    /// Empty for cluster-scoped objects.
    pub namespace: String,
    /// Empty for lists.
    pub name: String,
    /// Empty for the core group.
    pub api_group: String,
    /// `status`, or empty.
    pub subresource: String,
}

/// A long log has many answers: only this is kept of each.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    metadata: AnswerMetadata,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AnswerMetadata {
    resource_version: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
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

    /// Whether the server did what was asked.
    #[must_use]
    pub fn was_accepted(&self) -> bool {
        (200..300).contains(&self.response_status.code)
    }

    /// The version of the object that came of a write, where the audit policy keeps it.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.response_object.metadata.resource_version.as_deref()?.parse().ok()
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
    pub fn mark(&self) -> Result<u64> {
        let metadata = std::fs::metadata(&self.path);
        Ok(metadata.with_context(|| format!("failed to find {}", self.path.display()))?.len())
    }

    /// What everybody asked for since a mark, watches apart (they end whenever).
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn all_since(&self, mark: u64) -> Result<Vec<Request>> {
        // The last line may be half written.
        let text = self.text_since(mark)?;
        let requests = text.lines().filter_map(|line| serde_json::from_str::<Request>(line).ok());
        Ok(requests.filter(|request| request.stage == STAGE_COMPLETE && request.verb != "watch").collect())
    }

    /// What `user` asked for since a mark, watches apart.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn since(&self, mark: u64, user: &str) -> Result<Vec<Request>> {
        let all = self.all_since(mark)?;
        Ok(all.into_iter().filter(|request| request.user() == user).collect())
    }

    /// Waits until everything that was answered up to now is in the log, by a request of its own.
    ///
    /// # Errors
    /// When it does not get there in time.
    pub async fn flushed(&self, client: &Client) -> Result<()> {
        let mark = self.mark()?;
        let marker = format!("/version?mark={mark}");
        let request = http::Request::get(&marker).body(Vec::new()).context("failed to make a request")?;
        client.request_text(request).await.context("failed to mark the audit log")?;
        eventually("the audit log being written", FLUSH_LIMIT, async || {
            ensure!(self.text_since(mark)?.contains(&marker), "no {marker} in it");
            Ok(())
        })
        .await
    }

    fn text_since(&self, mark: u64) -> Result<String> {
        let read = || {
            let mut file = File::open(&self.path)?;
            file.seek(SeekFrom::Start(mark))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok::<_, std::io::Error>(bytes)
        };
        let bytes = read().with_context(|| format!("failed to read {}", self.path.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(stage: &str, verb: &str, user: &str) -> String {
        let time = "2026-01-01T00:00:00.000001Z";
        format!(
            r#"{{"stage":"{stage}","verb":"{verb}","requestURI":"/x","user":{{"username":"{user}"}},
            "responseStatus":{{"code":200}},
            "requestReceivedTimestamp":"{time}","stageTimestamp":"{time}"}}"#
        )
        .replace('\n', "")
    }

    fn log(lines: &[String]) -> (tempfile::TempDir, AuditLog) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        std::fs::write(&path, lines.join("\n")).unwrap();
        (dir, AuditLog::new(path))
    }

    #[test]
    fn only_finished_requests_of_the_user_count() {
        let (_dir, log) = log(&[
            line("ResponseComplete", "patch", "host-0"),
            line("RequestReceived", "patch", "host-0"),
            line("ResponseComplete", "watch", "host-0"),
            line("ResponseComplete", "get", "admin"),
            "{\"stage\":\"Respon".to_owned(),
        ]);
        let found = log.since(0, "host-0").unwrap();
        assert_eq!(found.len(), 1);
        assert!(found[0].is_write() && found[0].was_accepted());
    }

    #[test]
    fn what_was_before_the_mark_does_not_count() {
        let (dir, log) = log(&[line("ResponseComplete", "get", "admin"), String::new()]);
        let mark = log.mark().unwrap();
        let more = format!("{}\n", line("ResponseComplete", "list", "admin"));
        let mut file = File::options().append(true).open(dir.path().join("audit.log")).unwrap();
        std::io::Write::write_all(&mut file, more.as_bytes()).unwrap();
        let found = log.all_since(mark).unwrap();
        assert_eq!(found.iter().map(|request| request.verb.as_str()).collect::<Vec<_>>(), ["list"]);
    }
}
