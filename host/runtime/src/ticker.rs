//! The thread that moves the engine's epoch.
//!
//! A guest that computes cannot be preempted by tokio: its code checks the epoch at loop
//! heads and function entries instead, and stops there when the epoch has moved. The
//! epoch is moved by an OS thread, because a tokio task would stand still exactly when
//! all workers are inside guests.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often a computing guest gives way to other tasks and its CPU budget is checked.
/// Five milliseconds keep the latency of a busy host low and cost 200 wake-ups a second.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Runs until it is dropped.
pub(crate) struct Ticker {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    pub(crate) fn start(engine: &wasmtime::Engine) -> std::io::Result<Self> {
        let (stop, stopped) = sync_channel::<()>(0);
        let engine = engine.weak();
        let thread = std::thread::Builder::new().name("wasm-epoch".to_owned()).spawn(move || {
            while stopped.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                let Some(engine) = engine.upgrade() else {
                    return;
                };
                engine.increment_epoch();
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It can only have ended by a panic, which its thread has reported already.
            let _ = thread.join();
        }
    }
}
