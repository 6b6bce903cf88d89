//! Which host owns which objects: the whole protocol, without I/O, clock or randomness.
//!
//! Every object belongs to one of a fixed number of slots ([`slots`]). A table ([`table`]), kept in one
//! Lease and changed only by compare-and-swap, names an owner for each slot and the previous owners that
//! are not yet proven gone. Each host process is a member with a Lease of its own ([`record`]), which is
//! its heartbeat, its acknowledgement and its published status. [`member::Member::step`] takes what a
//! host learned and the time on its own clock, and says what to do. [`plan`] decides when the table
//! should change and how ([`placement`]), moving as few slots as possible.
//!
//! `docs/handover.md` explains the rules and why they are safe. [`invariants`] states them as functions,
//! which the model checker, the property tests and debug builds of the host all call.
//!
//! Bounds: at most 16384 slots, 1024 members in a plan; one step is linear in both. What this crate
//! never does: compare the clocks of two hosts.

mod bucket;
pub mod ids;
pub mod invariants;
pub mod member;
pub mod placement;
pub mod plan;
pub mod record;
pub mod rules;
pub mod slots;
pub mod table;
pub mod timing;

pub use ids::{Lane, Lock, MemberId};
pub use member::{Effect, Input, Member, MemberConfig, SlotState};
pub use record::{MemberInfo, MemberRecord, ModuleInfo};
pub use rules::{Rule, Rules};
pub use slots::{KeyBy, SlotCount, SlotId, SlotSet};
pub use table::{Entry, Table};
pub use timing::Timing;
