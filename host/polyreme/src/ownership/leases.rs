//! The Leases of one ring in the API server: every write is a compare-and-swap.
//!
//! A write carries uid *and* resourceVersion: an update by resourceVersion alone re-creates a Lease that
//! was deleted, which would bring a fenced host back to life. Nothing here retries; the state machine
//! decides what an unanswered request means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams, Preconditions};
use kube::{Client, Error as KubeError};
use polyreme_ownership::{Lock, MemberId, MemberRecord, Table};

use super::names::{
    MEMBER_ANNOTATION, RING_LABEL, ROLE_LABEL, ROLE_MEMBER, ROLE_TABLE, TABLE_ANNOTATION, table_lease,
};
use crate::clock::unix_nanos;

/// The Leases of one ring.
#[derive(Clone)]
pub(super) struct Leases {
    api: Api<Lease>,
    namespace: Arc<str>,
    ring: Arc<str>,
    /// Written as holder of the table.
    identity: Arc<str>,
    /// `spec.leaseDurationSeconds`, for people and for tools that know Leases.
    duration: Duration,
    /// After this a request counts as unanswered.
    timeout: Duration,
}

/// Why a write did not succeed.
#[derive(Debug)]
pub(super) enum WriteError {
    /// The Lease is not as it was thought, or is there already.
    Conflict,
    /// There is no such Lease.
    Gone,
    /// No answer, or one that says nothing about the Lease.
    Unavailable(String),
}

/// A Lease of the ring as it was read.
#[derive(Debug)]
pub(super) enum Known {
    /// The table.
    Table(Arc<Table>, Lock),
    /// In the place of the table, what no host can read.
    Unreadable(Lock),
    /// A member.
    Member(MemberId, Arc<MemberRecord>, Lock),
}

impl Leases {
    pub(super) fn new(
        client: Client,
        namespace: &str,
        ring: &str,
        identity: &str,
        timing: &polyreme_ownership::Timing,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            namespace: namespace.into(),
            ring: ring.into(),
            identity: identity.into(),
            duration: timing.hold_for,
            timeout: timing.request_timeout(),
        }
    }

    pub(super) fn api(&self) -> Api<Lease> {
        self.api.clone()
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Selects the Leases of the ring.
    pub(super) fn selector(&self) -> String {
        format!("{RING_LABEL}={}", self.ring)
    }

    pub(super) async fn write_member(
        &self,
        id: &MemberId,
        record: &MemberRecord,
        lock: Option<Lock>,
    ) -> Result<Lock, WriteError> {
        let lease = self.lease(id.as_str(), ROLE_MEMBER, &record.info.identity, record.encode(), lock);
        self.write(lease).await
    }

    pub(super) async fn write_table(&self, table: &Table, lock: Option<Lock>) -> Result<Lock, WriteError> {
        let name = table_lease(&self.ring);
        self.write(self.lease(&name, ROLE_TABLE, &self.identity, table.encode(), lock)).await
    }

    pub(super) async fn delete_member(&self, id: &MemberId, lock: Lock) -> Result<(), WriteError> {
        let preconditions = Preconditions {
            uid: Some(lock.uid.to_string()),
            resource_version: Some(lock.version.to_string()),
        };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        self.answered(self.api.delete(id.as_str(), &params)).await.map(drop)
    }

    /// A member's Lease as a consistent read shows it; nothing when there is none.
    pub(super) async fn read_member(&self, id: &MemberId) -> Result<Option<Known>, WriteError> {
        let lease = self.answered(self.api.get_opt(id.as_str())).await?;
        Ok(lease.and_then(|lease| known(&lease)))
    }

    /// The table as a consistent read shows it; nothing when there is none.
    pub(super) async fn read_table(&self) -> Result<Option<Known>, WriteError> {
        let lease = self.answered(self.api.get_opt(&table_lease(&self.ring))).await?;
        Ok(lease.and_then(|lease| table_of(&lease, lock_of(&lease)?)))
    }

    async fn write(&self, lease: Lease) -> Result<Lock, WriteError> {
        let params = PostParams { field_manager: Some("polyreme".to_owned()), ..PostParams::default() };
        let name = lease.metadata.name.clone().unwrap_or_default();
        let written = if lease.metadata.uid.is_some() {
            self.answered(self.api.replace(&name, &params, &lease)).await?
        } else {
            self.answered(self.api.create(&params, &lease)).await?
        };
        lock_of(&written)
            .ok_or_else(|| WriteError::Unavailable("the answer has no resourceVersion".to_owned()))
    }

    async fn answered<T>(
        &self,
        request: impl Future<Output = Result<T, KubeError>>,
    ) -> Result<T, WriteError> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(KubeError::Api(status))) if status.code == 409 => Err(WriteError::Conflict),
            Ok(Err(KubeError::Api(status))) if status.code == 404 => Err(WriteError::Gone),
            Ok(Err(failure)) => Err(WriteError::Unavailable(crate::explain::request_error(&failure))),
            Err(_) => Err(WriteError::Unavailable(format!("no answer within {:?}", self.timeout))),
        }
    }

    fn lease(&self, name: &str, role: &str, holder: &str, text: String, lock: Option<Lock>) -> Lease {
        let annotation = if role == ROLE_TABLE { TABLE_ANNOTATION } else { MEMBER_ANNOTATION };
        let (uid, version) = lock.map(|lock| (lock.uid.to_string(), lock.version.to_string())).unzip();
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                uid,
                resource_version: version,
                labels: Some(BTreeMap::from([pair(RING_LABEL, &self.ring), pair(ROLE_LABEL, role)])),
                annotations: Some(BTreeMap::from([(annotation.to_owned(), text)])),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: Some(holder.to_owned()),
                lease_duration_seconds: i32::try_from(self.duration.as_secs().max(1)).ok(),
                renew_time: Some(micro_time()),
                ..LeaseSpec::default()
            }),
        }
    }
}

/// The time of a renewal, for people: no rule of the protocol reads it.
pub(super) fn micro_time() -> MicroTime {
    let micros = i64::try_from(unix_nanos() / 1_000).unwrap_or(0);
    MicroTime(Timestamp::from_microsecond(micros).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn lock_of(lease: &Lease) -> Option<Lock> {
    let metadata = &lease.metadata;
    let (uid, version) = (metadata.uid.as_deref()?, metadata.resource_version.as_deref()?);
    Some(Lock { uid: uid.into(), version: version.into() })
}

/// Reads a Lease of the ring. A member whose annotation cannot be read is taken for one that takes part
/// in nothing, so that it can be fenced when it is silent.
pub(super) fn known(lease: &Lease) -> Option<Known> {
    let metadata = &lease.metadata;
    let name = metadata.name.as_deref()?;
    let lock = lock_of(lease)?;
    match label(lease, ROLE_LABEL) {
        Some(ROLE_TABLE) => table_of(lease, lock),
        Some(ROLE_MEMBER) => {
            let record = MemberRecord::decode(annotation(lease, MEMBER_ANNOTATION));
            let record = record.unwrap_or_else(|failure| {
                tracing::warn!(lease = name, "{}", crate::explain::chain(&failure));
                MemberRecord::placeholder(None)
            });
            Some(Known::Member(name.into(), Arc::new(record), lock))
        }
        _ => None,
    }
}

/// Reads the Lease of the table. A table of a newer version is not for this host, but for others; one that somebody
/// damaged, or took the labels off, by which hosts find it, is for nobody.
fn table_of(lease: &Lease, lock: Lock) -> Option<Known> {
    let name = lease.metadata.name.as_deref().unwrap_or_default();
    if label(lease, ROLE_LABEL) != Some(ROLE_TABLE) || label(lease, RING_LABEL).is_none() {
        tracing::error!(lease = name, "the table of the ring has lost its labels: it will be made anew");
        return Some(Known::Unreadable(lock));
    }
    match Table::decode(annotation(lease, TABLE_ANNOTATION)) {
        Ok(table) => Some(Known::Table(Arc::new(table), lock)),
        Err(failure) if failure.is_newer() => {
            tracing::error!(lease = name, "{}", crate::explain::chain(&failure));
            None
        }
        Err(failure) => {
            let why = crate::explain::chain(&failure);
            tracing::error!(lease = name, "{why}: the table of the ring will be made anew");
            Some(Known::Unreadable(lock))
        }
    }
}

fn annotation<'a>(lease: &'a Lease, key: &str) -> &'a str {
    lease.metadata.annotations.as_ref().and_then(|all| all.get(key)).map_or("", String::as_str)
}

fn label<'a>(lease: &'a Lease, key: &str) -> Option<&'a str> {
    lease.metadata.labels.as_ref().and_then(|all| all.get(key)).map(String::as_str)
}
