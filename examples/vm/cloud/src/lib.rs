//! A private cloud in one process: machines behind an HTTP API, made once for each idempotency key.
//!
//! It is the outside world of `examples/vm`, and its judge. It fails as it is told ([`Faults`]): answers come late,
//! requests are refused, answers are lost after the request was carried out. What it was asked and did is in its
//! own log ([`log`]), so whether a controller ever made a machine twice is not a matter of the controller's word.
//!
//! | request | |
//! |---|---|
//! | `POST /v1/machines` | `{"name", "size", "image"}` with `Idempotency-Key`: 201, or 200 with the machine that the key has already, deleted or not |
//! | `GET /v1/machines` | those that exist |
//! | `GET /v1/machines/ID` | 404 when it does not exist |
//! | `PUT /v1/machines/ID` | `{"size"}` |
//! | `DELETE /v1/machines/ID` | 204; 404 when it does not exist |
//! | `GET /v1/log` | everything that was done, and the verdict |

mod api;
mod chance;
pub mod log;
mod machines;

use std::time::Duration;

pub use api::{Cloud, router};
pub use chance::Chance;
pub use machines::{Machine, State};

/// How long a machine takes to run.
pub const BOOT: Duration = Duration::from_millis(300);

/// What goes wrong, and how often.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// The longest that an answer is held back; each is by some time up to it.
    pub latency: Duration,
    /// The part of requests that are answered with 500 and not carried out: 0 to 1.
    pub errors: f64,
    /// The part of requests that are carried out and not answered: 0 to 1.
    pub drops: f64,
    /// Makes a machine for every creation, whatever its key: to show that the keys are what helps.
    pub forgets_keys: bool,
}
