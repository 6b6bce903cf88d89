//! Which objects this host may reconcile and write, and until when.
//!
//! The reconcile loop asks for a [`Permit`] before it calls a guest, and every write of that guest asks
//! the permit again right before it is sent. Today one host owns everything: every permit is granted,
//! has epoch 1 and never lapses. Running two hosts for the same controllers is therefore not safe yet;
//! sharding fills this interface (slots, epochs, validity) without another line of the loop changing.

use std::time::Duration;

use crate::object::ObjectKey;

/// Longest that one write may take: the API server itself gives up after a minute, and a response
/// after half of that is of no use to a reconcile.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// What this host owns.
#[derive(Clone, Debug, Default)]
pub struct Ownership(());

impl Ownership {
    /// The right to reconcile an object, if this host owns it now.
    pub fn permit(&self, _key: &ObjectKey) -> Option<Permit> {
        Some(Permit { epoch: 1 })
    }
}

/// The right to reconcile one object, as it was when the reconcile began.
#[derive(Clone, Debug)]
pub struct Permit {
    /// Grows whenever the object changes hands: the fencing token that guests receive.
    pub epoch: u64,
}

impl Permit {
    /// How long a write sent now may take; `None` once the object is no longer owned.
    pub fn write_window(&self) -> Option<Duration> {
        Some(WRITE_TIMEOUT)
    }
}
