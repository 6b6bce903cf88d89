//! Requests that the state machine asks for, and the inputs that answer them.

use std::sync::Arc;
use std::time::Duration;

use polyreme_ownership::member::Refusal;
use polyreme_ownership::{Input, Lock, MemberId, MemberRecord, Table};
use tracing::debug;

use crate::ownership::leases::{Known, Leases, WriteError};

/// A request that was not answered is not asked for again before this: the state machine repeats at once
/// what it still finds necessary.
const PAUSE: Duration = Duration::from_millis(250);

/// What came of a task.
#[derive(Default)]
pub(super) struct Answer {
    /// For the state machine, in this order.
    pub(super) inputs: Vec<Input>,
    /// After a renewal: why it failed, if it did.
    pub(super) trouble: Option<Option<String>>,
    /// After a write of the table: why it failed, if it did.
    pub(super) table_trouble: Option<Option<String>>,
}

impl From<Vec<Input>> for Answer {
    fn from(inputs: Vec<Input>) -> Self {
        Self { inputs, ..Self::default() }
    }
}

pub(super) async fn renew(
    leases: &Leases,
    me: &MemberId,
    record: &MemberRecord,
    lock: Option<Lock>,
) -> Answer {
    let is_new = lock.is_none();
    let (input, trouble) = match leases.write_member(me, record, lock).await {
        Ok(lock) => (Input::Renewed { lock }, None),
        Err(WriteError::Unavailable(why)) => (Input::RenewFailed(Refusal::Unavailable), Some(why)),
        Err(WriteError::Gone) if is_new => {
            let why = format!(
                "there is no namespace {}; create it, or set ownership.namespace",
                leases.namespace()
            );
            (Input::RenewFailed(Refusal::Unavailable), Some(why))
        }
        Err(WriteError::Gone | WriteError::Conflict) => {
            let refusal = match leases.read_member(me).await {
                Ok(Some(Known::Member(_, record, lock))) => Refusal::Conflict { record, lock },
                Ok(_) => Refusal::Gone,
                Err(_) => Refusal::Unavailable,
            };
            (Input::RenewFailed(refusal), None)
        }
    };
    Answer { inputs: vec![input], trouble: Some(trouble), ..Answer::default() }
}

pub(super) async fn write_table(leases: &Leases, table: Arc<Table>, lock: Option<Lock>) -> Answer {
    let mut trouble = None;
    let inputs = match leases.write_table(&table, lock).await {
        Ok(lock) => vec![Input::TableSeen { table, lock }, Input::TableAnswered { conflict: false }],
        Err(WriteError::Unavailable(why)) => {
            trouble = Some(why);
            vec![Input::TableAnswered { conflict: true }]
        }
        Err(WriteError::Gone | WriteError::Conflict) => {
            let seen = match leases.read_table().await {
                Ok(Some(Known::Table(table, lock))) => Some(Input::TableSeen { table, lock }),
                Ok(Some(Known::Unreadable(lock))) => Some(Input::TableUnreadable { lock }),
                Ok(None) => Some(Input::TableGone),
                _ => None,
            };
            seen.into_iter().chain([Input::TableAnswered { conflict: true }]).collect()
        }
    };
    Answer { inputs, table_trouble: Some(trouble), ..Answer::default() }
}

/// Replaces the Lease of another member, or creates it.
pub(super) async fn fence(
    leases: &Leases,
    id: MemberId,
    record: Arc<MemberRecord>,
    lock: Option<Lock>,
) -> Vec<Input> {
    match leases.write_member(&id, &record, lock).await {
        Ok(lock) => {
            let seen = Input::MemberSeen { id: id.clone(), record, lock };
            vec![seen, Input::MemberAnswered { id, conflict: false }]
        }
        Err(WriteError::Unavailable(why)) => {
            debug!(why, %id, "failed to fence");
            tokio::time::sleep(PAUSE).await;
            vec![Input::MemberAnswered { id, conflict: false }]
        }
        Err(WriteError::Gone) => {
            vec![Input::MemberGone { id: id.clone() }, Input::MemberAnswered { id, conflict: false }]
        }
        Err(WriteError::Conflict) => {
            let seen = match leases.read_member(&id).await {
                Ok(Some(Known::Member(id, record, lock))) => Some(Input::MemberSeen { id, record, lock }),
                Ok(None) => Some(Input::MemberGone { id: id.clone() }),
                _ => None,
            };
            seen.into_iter().chain([Input::MemberAnswered { id, conflict: true }]).collect()
        }
    }
}

pub(super) async fn delete(leases: &Leases, id: MemberId, lock: Lock) -> Vec<Input> {
    let deleted = leases.delete_member(&id, lock).await;
    if let Err(WriteError::Unavailable(why)) = &deleted {
        debug!(why, %id, "failed to delete the Lease of a dead member");
        tokio::time::sleep(PAUSE).await;
    }
    let gone =
        matches!(deleted, Ok(()) | Err(WriteError::Gone)).then(|| Input::MemberGone { id: id.clone() });
    gone.into_iter().chain([Input::MemberAnswered { id, conflict: false }]).collect()
}
