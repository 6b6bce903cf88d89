//! `random`: bytes from the host, so that a reconcile can be recorded and replayed.

use crate::call::{Call, PayloadTooLarge};
use crate::wit::bindings::polyreme::controller::random::Host;

/// Randomness as a guest sees it.
pub trait Random: Send + Sync {
    /// `len` bytes; `len` is at most the module's payload limit.
    fn bytes(&self, len: u32) -> Vec<u8>;
    /// 64 bits.
    fn number(&self) -> u64;
}

impl Host for Call {
    /// Traps when more bytes are asked for than one call may carry: there is no error to
    /// return, and a buffer of that length would be the host's memory.
    fn bytes(&mut self, len: u32) -> wasmtime::Result<Vec<u8>> {
        if len > self.limits.payload_bytes {
            return Err(PayloadTooLarge.into());
        }
        Ok(self.session.random.bytes(len))
    }

    fn number(&mut self) -> u64 {
        self.session.random.number()
    }
}
