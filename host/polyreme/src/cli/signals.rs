//! SIGINT and SIGTERM: the first asks for an orderly end, the second ends the process.

use std::future::Future;
use std::io;
use std::pin::pin;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Shells report a process that a signal ended as 128 and the signal's number.
const SIGNALLED: i32 = 128;

/// Runs `work` to its end; the first signal cancels `shutdown`, which `work` has to watch.
pub(super) async fn with_signals<T>(
    shutdown: CancellationToken,
    work: impl Future<Output = T>,
) -> io::Result<T> {
    let mut signals = Signals::new()?;
    let mut work = pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return Ok(result),
            signal = signals.next() => act(signal, &shutdown),
        }
    }
}

fn act(signal: SignalKind, shutdown: &CancellationToken) {
    if shutdown.is_cancelled() {
        tracing::warn!("second signal: ending at once");
        std::process::exit(SIGNALLED + signal.as_raw_value());
    }
    tracing::info!("shutting down; a second signal ends the process at once");
    shutdown.cancel();
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        }
    }
}
