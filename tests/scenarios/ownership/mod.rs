//! Several hosts share the objects of a controller: one owner per object, whatever happens.
//!
//! Judged from outside: probes (`tests/probe`) carry begin and end marks of their reconciles, a
//! watch and, on the real server, the audit log tell the history of these marks, and the
//! judge (`polyreme_tests::judge`) says what in it is forbidden. Figures of full size are in
//! `ownership_figures`.

mod control;
mod label;
pub(super) mod leases;
mod membership;
pub(super) mod mishaps;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use k8s_openapi::jiff::Timestamp;
use polyreme_tests::judge::figures::Tally;
use polyreme_tests::judge::rules::Faults;
use polyreme_tests::judge::{Deed, History, ObjectName};
use polyreme_tests::{AuditLog, Churn, Hosts, Probes, Recorder, Request, Scope, Server, exclusive_server};
use serde_json::Value;

/// Everything that was changed being reconciled, a takeover included.
pub(super) const DONE_LIMIT: Duration = Duration::from_secs(60);

/// Hosts, probes and everything that watches them.
pub(super) struct Stage {
    pub(super) hosts: Hosts,
    pub(super) recorder: Recorder,
    pub(super) probes: Probes,
    audit: Option<(AuditLog, u64)>,
    // Given back last.
    pub(super) server: Server,
}

/// What the judge is given.
pub(super) struct Evidence {
    /// From the watch; what a real server's watch could not show comes from the audit log.
    pub(super) watched: History,
    /// From the audit log: with users, reads and refusals.
    pub(super) audited: Option<History>,
    /// The audit log itself.
    pub(super) requests: Vec<Request>,
}

impl Stage {
    /// Probes that nobody reconciles yet.
    pub(super) async fn set(probes: usize, ownership: &Value) -> Result<Self> {
        Self::set_with(Scope::Namespaced, probes, ownership).await
    }

    /// The same with probes of either kind.
    pub(super) async fn set_with(scope: Scope, probes: usize, ownership: &Value) -> Result<Self> {
        let server = exclusive_server().await?;
        let audit = server.audit_log().map(|log| log.mark().map(|mark| (log, mark))).transpose()?;
        let all = Probes::prepare(&server, scope).await?;
        all.create(probes).await?;
        let recorder = Recorder::start(&all).await?;
        let hosts = Hosts::new(&server, &all, ownership);
        Ok(Self { hosts, recorder, probes: all, audit, server })
    }

    /// The same with this many hosts that share them, and everything done.
    pub(super) async fn with_hosts(hosts: usize, probes: usize, ownership: &Value) -> Result<Self> {
        let mut stage = Self::set(probes, ownership).await?;
        stage.hosts.start_all(0..hosts).await?;
        stage.probes.wait_until_done(DONE_LIMIT).await?;
        Ok(stage)
    }

    /// Ends the changes and waits until all of them are reconciled.
    pub(super) async fn settle(&self, churn: Churn) -> Result<u64> {
        let changes = churn.stop().await;
        self.probes.wait_until_done(DONE_LIMIT).await?;
        Ok(changes)
    }

    pub(super) async fn evidence(&self) -> Result<Evidence> {
        let requests = match &self.audit {
            Some((log, mark)) => {
                log.flushed(self.probes.client()).await?;
                log.all_since(*mark)?
            }
            None => Vec::new(),
        };
        let audited = self.audit.is_some().then(|| History::from_audit(&requests));
        let watched = match &audited {
            Some(audited) => self.recorder.history_as_far_as_seen().await?.completed_by(audited),
            None => self.recorder.history().await?,
        };
        Ok(Evidence { watched, audited, requests })
    }
}

impl Evidence {
    /// Breaks no rule, in any telling of the history.
    pub(super) fn ensure_clean(&self) -> Result<()> {
        self.faults().iter().try_for_each(Faults::ensure_none)
    }

    /// The same for a history in which a host was stopped and went on: what it asked for in vain
    /// is no fault.
    pub(super) fn ensure_clean_after_a_stop(&self) -> Result<()> {
        self.faults().into_iter().try_for_each(|faults| faults.with_effect().ensure_none())
    }

    fn faults(&self) -> Vec<Faults> {
        // A killed server's audit log lacks its last moments: only the watch shows what was lost.
        let audited = self.audited.as_ref().map(Faults::of);
        let audited = audited.map(|faults| Faults { lost: Vec::new(), needless: Vec::new(), ..faults });
        [Some(Faults::of(&self.watched)), audited].into_iter().flatten().collect()
    }

    /// The better one for times: the audit log knows when the server answered.
    pub(super) fn timed(&self) -> &History {
        self.audited.as_ref().unwrap_or(&self.watched)
    }

    /// What hosts asked of the real server in a span.
    pub(super) fn requests(&self, from: Timestamp, to: Timestamp) -> Tally {
        Tally::of_hosts(&self.requests, from, to)
    }

    /// Who reconciled each object last, up to a time.
    pub(super) fn owners(&self, until: Timestamp) -> BTreeMap<&ObjectName, &str> {
        let before = self.watched.writes.iter().filter(|write| write.at <= until);
        let marks = before.filter(|write| matches!(write.deed, Deed::Marked(_)));
        marks.map(|write| (&write.object, write.by.as_str())).collect()
    }
}
