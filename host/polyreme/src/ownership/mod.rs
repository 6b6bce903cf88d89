//! Which objects this host may reconcile and write, and until when.
//!
//! The reconcile loop asks for a [`Permit`] before it calls a guest, and every write of that guest asks
//! the permit again right before it is sent. What stands behind it is the protocol of the crate
//! `polyreme-ownership`: [`ring`] drives its state machine with Leases of the API server, [`lane`] holds
//! what one controller's reconcile loop and caches see of it.
//!
//! Order that safety depends on: a slot's state changes first, then what runs on it is looked at, so a
//! reconcile either sees the change or is seen.

pub mod clock;
pub mod label;
pub mod lane;
mod leases;
pub mod names;
pub mod ring;
mod safeguards;

pub use clock::RingClock;
pub use label::{Shard, ShardLabels, ShardSettings};
pub use lane::{LaneSlots, Permit, Refused};
pub use ring::{Ring, RingSettings};
pub use safeguards::{Safeguard, Safeguards};
