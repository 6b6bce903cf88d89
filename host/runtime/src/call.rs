//! The state of one instance: its session, its quotas and its account.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wasmtime::{Store, UpdateDeadline};

use crate::capabilities::log::LogQuota;
use crate::limits::Limits;
use crate::memory::MemoryLimiter;
use crate::session::Session;
use crate::turns::{AT_ONCE, Line};
use crate::usage::Usage;
use crate::wit::types::{Error, Reason};

/// Room for what is not text in one host call: records and the headers of lists.
const PAYLOAD_OVERHEAD_BYTES: usize = 64 << 10;

/// The guest passed more than the payload limit in a place that cannot return an error.
#[derive(Debug, thiserror::Error)]
#[error("too much data passed in one call")]
pub(crate) struct PayloadTooLarge;

/// The guest used up its CPU time.
#[derive(Debug, thiserror::Error)]
#[error("CPU time used up")]
pub(crate) struct CpuTimeUsedUp;

/// What wasmtime keeps beside an instance.
pub(crate) struct Call {
    pub(crate) module: Arc<str>,
    pub(crate) session: Session,
    pub(crate) limits: Arc<Limits>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) memory: MemoryLimiter,
    pub(crate) log_quota: LogQuota,
    pub(crate) line: Line,
    pub(crate) last_error: Option<String>,
}

impl Call {
    pub(crate) fn new(module: Arc<str>, session: Session, limits: Arc<Limits>, line: Line) -> Self {
        let usage = Arc::new(Usage::default());
        Self {
            memory: MemoryLimiter::new(limits.memory_bytes, Arc::clone(&usage)),
            log_quota: LogQuota::new(limits.log_lines, limits.log_bytes),
            last_error: None,
            line,
            module,
            session,
            limits,
            usage,
        }
    }

    /// Begins another call in the same instance: what was counted and quoted for the one
    /// before does not count for it. Memory stays, and counts.
    pub(crate) fn begin(&mut self, session: Session) {
        self.usage = Arc::new(Usage::default());
        self.memory.account_to(Arc::clone(&self.usage));
        self.log_quota = LogQuota::new(self.limits.log_lines, self.limits.log_bytes);
        self.last_error = None;
        self.session = session;
    }

    /// A store with all limits armed.
    pub(crate) fn into_store(self, engine: &wasmtime::Engine) -> Store<Self> {
        let payload = self.limits.payload_bytes as usize;
        let mut store = Store::new(engine, self);
        store.limiter(|call| &mut call.memory);
        // Twice the limit: the refusals in `admit` are kinder than a trap and come first.
        store.set_hostcall_fuel(payload.saturating_mul(2) + PAYLOAD_OVERHEAD_BYTES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|store| store.data().on_tick());
        store
    }

    /// Runs in the middle of the guest when the epoch has moved: lets other tasks run, and a guest
    /// that computes for long wait for its turn, or ends the guest when its CPU time is used up.
    fn on_tick(&self) -> wasmtime::Result<UpdateDeadline> {
        self.usage.leave_at_tick();
        if self.usage.cpu_time() >= self.limits.cpu_time {
            return Err(CpuTimeUsedUp.into());
        }
        let usage = Arc::clone(&self.usage);
        let line = (usage.cpu_time() >= AT_ONCE).then(|| self.line.clone());
        let give_way = async move {
            tokio::task::yield_now().await;
            if let Some(line) = line {
                usage.wait_for_turn(&line).await;
            }
            usage.enter();
        };
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way)))
    }

    /// Counts a host call and refuses it when it is one too many or carries too much.
    pub(crate) fn admit(&self, function: &str, payload: usize) -> Result<(), Error> {
        let made = self.usage.host_calls.fetch_add(1, Ordering::Relaxed);
        if made >= self.limits.host_calls {
            return Err(self.refuse(format!(
                "more than {} host calls in one reconcile (last: {function}); look for a loop, \
                 or raise `limits.hostCalls` of module {}",
                self.limits.host_calls, self.module
            )));
        }
        if payload > self.limits.payload_bytes as usize {
            return Err(self.refuse(format!(
                "{function} was passed {payload} bytes, the limit is {}; write less at once, \
                 or raise `limits.payload` of module {}",
                self.limits.payload_bytes, self.module
            )));
        }
        Ok(())
    }

    fn refuse(&self, message: String) -> Error {
        tracing::debug!(module = %self.module, %message, "refused a host call");
        Error::new(Reason::LimitExceeded, message)
    }
}

/// Bytes of a text with fields.
pub(crate) fn text_bytes(text: &str, fields: &[(String, String)]) -> usize {
    let fields: usize = fields.iter().map(|(key, value)| key.len() + value.len()).sum();
    text.len() + fields
}
