//! Whether the host is ready, controller by controller, with the reason why not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use serde::Serialize;

/// The state of every controller; a handle that can be cloned.
///
/// # Example
///
/// ```
/// use polyreme::admin::Readiness;
/// let readiness = Readiness::default();
/// readiness.set("website", Err("waiting for the list of Website".to_owned()));
/// assert!(!readiness.is_ready());
/// readiness.set("website", Ok(()));
/// assert!(readiness.is_ready());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    state: Arc<RwLock<State>>,
}

#[derive(Debug, Default)]
struct State {
    controllers: BTreeMap<String, Result<(), String>>,
    shutting_down: bool,
}

impl Readiness {
    /// Sets the state of one controller.
    pub fn set(&self, controller: &str, state: Result<(), String>) {
        self.state.write().controllers.insert(controller.to_owned(), state);
    }

    /// There is nothing more to say of this.
    pub fn remove(&self, controller: &str) {
        self.state.write().controllers.remove(controller);
    }

    /// From now on the host is not ready, whatever its controllers say.
    pub fn shutting_down(&self) {
        self.state.write().shutting_down = true;
    }

    /// Whether every check of a controller is well; one that was never heard of is not.
    #[must_use]
    pub fn is_well(&self, controller: &str) -> bool {
        let state = self.state.read();
        let of_it = state.controllers.iter().filter(|(name, _)| {
            name.strip_prefix(controller).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let mut verdicts = of_it.map(|(_, state)| state.is_ok()).peekable();
        verdicts.peek().is_some() && verdicts.all(|is_ok| is_ok)
    }

    /// True when there are controllers, all are ready, and the host is not shutting down.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.report().is_ready()
    }

    pub(super) fn report(&self) -> Report {
        let state = self.state.read();
        let mut checks: Vec<_> = state.controllers.iter().map(|(n, s)| Check::new(n, s)).collect();
        if state.shutting_down {
            checks.push(Check::new("host", &Err("shutting down".to_owned())));
        } else if checks.is_empty() {
            checks.push(Check::new("host", &Err("starting".to_owned())));
        }
        Report { ready: checks.iter().all(|check| check.ready), checks }
    }
}

/// What `/readyz` answers.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    ready: bool,
    checks: Vec<Check>,
}

#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Check {
    fn new(name: &str, state: &Result<(), String>) -> Self {
        Self { name: name.to_owned(), ready: state.is_ok(), reason: state.clone().err() }
    }
}

impl Report {
    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }
}

/// The format of the API server's own `/readyz?verbose`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { name, reason, .. } in &self.checks {
            match reason {
                None => writeln!(f, "[+]{name} ok")?,
                Some(reason) => writeln!(f, "[-]{name} failed: {reason}")?,
            }
        }
        writeln!(f, "readyz check {}", if self.ready { "passed" } else { "failed" })
    }
}
