//! What went wrong in a call, told apart by who can fix it.
//!
//! A [`GuestFault`] is the module's: it trapped, or used more than it may. A
//! [`HostFault`] is the host's: it ran out of something. Both name the module, because a
//! host runs many. Neither ends anything but its own call: the next one starts afresh.

use std::fmt;
use std::time::Duration;

use wasmtime::{Trap, WasmBacktrace};

use crate::call::{Call, CpuTimeUsedUp, PayloadTooLarge};
use crate::usage::CallStats;

/// Frames of a backtrace that are kept: enough for the way from the export to a panic.
const MAX_FRAMES: usize = 32;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The module's fault.
    #[error(transparent)]
    Guest(Box<GuestFault>),
    /// The host's fault.
    #[error(transparent)]
    Host(Box<HostFault>),
}

impl CallError {
    /// What the call had used when it ended.
    pub fn stats(&self) -> &CallStats {
        match self {
            Self::Guest(fault) => &fault.stats,
            Self::Host(fault) => &fault.stats,
        }
    }
}

/// A call that failed through the module's own doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestFault {
    /// The module's name in the configuration.
    pub module: String,
    /// `describe` or `reconcile`.
    pub export: &'static str,
    /// What happened.
    pub kind: FaultKind,
    /// What the call had used.
    pub stats: CallStats,
}

/// What a guest did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// It trapped: a panic, an abort, an access out of bounds.
    Trap {
        /// The trap as WebAssembly names it.
        message: String,
        /// The last error that the guest logged; a panic hook logs the panic there.
        last_error: Option<String>,
        /// Innermost frame first.
        backtrace: Vec<String>,
    },
    /// It called too deeply.
    StackOverflow {
        /// Innermost frame first.
        backtrace: Vec<String>,
    },
    /// It computed for longer than `limits.cpuTime`.
    CpuTime {
        /// The limit.
        limit: Duration,
    },
    /// It took longer than `limits.wallTime`, host calls included.
    WallTime {
        /// The limit.
        limit: Duration,
        /// The host call that had not answered.
        pending: Option<&'static str>,
    },
    /// It needed more than `limits.memory`.
    Memory {
        /// The limit.
        limit_bytes: u64,
    },
    /// It passed or returned more than `limits.payload` where no error can be returned.
    Payload {
        /// The limit.
        limit_bytes: u32,
    },
    /// It passed or returned something that the contract's types do not allow.
    InvalidResult {
        /// What is wrong with it.
        message: String,
    },
}

impl fmt::Display for GuestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to run `{}` of module {}: {}", self.export, self.module, self.kind)
    }
}

impl std::error::Error for GuestFault {}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap { message, last_error, backtrace } => {
                write_trap(f, message, last_error.as_deref(), backtrace)
            }
            Self::StackOverflow { backtrace } => {
                write!(f, "it called too deeply{}; look for a recursion that does not end", Frames(backtrace))
            }
            Self::CpuTime { limit } => write!(
                f,
                "it used its {limit:?} of CPU time; look for a loop that does not end, or raise \
                 `limits.cpuTime`"
            ),
            Self::WallTime { limit, pending } => write!(
                f,
                "it took longer than {limit:?}{}; do less in one reconcile, or raise \
                 `limits.wallTime`",
                Pending(*pending)
            ),
            Self::Memory { limit_bytes } => write!(
                f,
                "it needed more than its {} of memory; keep less at once, or raise \
                 `limits.memory`",
                Size(*limit_bytes)
            ),
            Self::Payload { limit_bytes } => write!(
                f,
                "it passed more than {} in one call; pass less, or raise `limits.payload`",
                Size(u64::from(*limit_bytes))
            ),
            Self::InvalidResult { message } => write!(
                f,
                "it broke the calling convention: {message}; build it with bindings for the \
                 host's wit/controller.wit"
            ),
        }
    }
}

fn write_trap(
    f: &mut fmt::Formatter<'_>,
    message: &str,
    last_error: Option<&str>,
    backtrace: &[String],
) -> fmt::Result {
    write!(f, "it trapped: {message}{}", Frames(backtrace))?;
    match last_error {
        Some(error) => write!(f, "; the last error it logged: {error}"),
        None => write!(f, "; fix the module, its log may say more"),
    }
}

/// The innermost frame, which is enough for one line.
struct Frames<'a>(&'a [String]);

impl fmt::Display for Frames<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.first() {
            Some(frame) => write!(f, " (in {frame})"),
            None => Ok(()),
        }
    }
}

struct Pending(Option<&'static str>);

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(call) => write!(f, " and was waiting for {call}"),
            None => Ok(()),
        }
    }
}

/// Bytes as a configuration writes them.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => write!(f, "{}Mi", bytes >> 20),
            bytes if bytes >= 1 << 10 && bytes % (1 << 10) == 0 => write!(f, "{}Ki", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

/// A call that failed although the module did nothing wrong.
#[derive(Debug, thiserror::Error)]
#[error("failed to run `{export}` of module {module}: the host is out of resources")]
pub struct HostFault {
    /// The module's name in the configuration.
    pub module: String,
    /// `describe` or `reconcile`.
    pub export: &'static str,
    /// What the call had used.
    pub stats: CallStats,
    /// What the host lacked.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Sorts what wasmtime reports. `call` is the instance's state after it ended.
pub(crate) fn classify(export: &'static str, call: &Call, error: wasmtime::Error) -> CallError {
    if is_host_fault(&error) {
        return CallError::Host(Box::new(HostFault {
            module: call.module.to_string(),
            export,
            stats: call.usage.stats(),
            source: error.into(),
        }));
    }
    guest_fault(export, call, kind_of(call, &error))
}

/// A fault of the guest with what it had used.
pub(crate) fn guest_fault(export: &'static str, call: &Call, kind: FaultKind) -> CallError {
    CallError::Guest(Box::new(GuestFault {
        module: call.module.to_string(),
        export,
        kind,
        stats: call.usage.stats(),
    }))
}

fn is_host_fault(error: &wasmtime::Error) -> bool {
    error.is::<wasmtime::PoolConcurrencyLimitError>()
        || error.is::<wasmtime::error::OutOfMemory>()
        || error.is::<std::io::Error>()
}

fn kind_of(call: &Call, error: &wasmtime::Error) -> FaultKind {
    let limits = &call.limits;
    if error.is::<CpuTimeUsedUp>() {
        return FaultKind::CpuTime { limit: limits.cpu_time };
    }
    if error.is::<PayloadTooLarge>() || is_hostcall_fuel(error) {
        return FaultKind::Payload { limit_bytes: limits.payload_bytes };
    }
    if call.memory.refused() {
        return FaultKind::Memory { limit_bytes: limits.memory_bytes };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => FaultKind::StackOverflow { backtrace: backtrace(error) },
        Some(trap) => FaultKind::Trap {
            message: trap.to_string(),
            last_error: call.last_error.clone(),
            backtrace: backtrace(error),
        },
        None => FaultKind::InvalidResult { message: error.root_cause().to_string() },
    }
}

/// wasmtime keeps the type of this error to itself; its text is pinned by a test.
fn is_hostcall_fuel(error: &wasmtime::Error) -> bool {
    error.root_cause().to_string().contains("fuel allocated for hostcalls")
}

fn backtrace(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return Vec::new();
    };
    let frames = backtrace.frames().iter().take(MAX_FRAMES);
    frames.map(frame_name).collect()
}

fn frame_name(frame: &wasmtime::FrameInfo) -> String {
    let symbol = frame.symbols().first().and_then(|symbol| symbol.name());
    match symbol.or(frame.func_name()) {
        Some(name) => name.to_owned(),
        None => format!("function {}", frame.func_index()),
    }
}
