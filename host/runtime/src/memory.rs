//! Caps what an instance may allocate: linear memory and tables.
//!
//! A refused `memory.grow` answers −1, as the WebAssembly specification has it, so that
//! an allocator that can do with less gets the chance. Most cannot and trap; the refusal
//! is remembered so that the fault can say "memory" instead of "unreachable".

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wasmtime::ResourceLimiter;

use crate::usage::Usage;

/// Elements of one table: above what CPython, the largest guest tried, needs (about
/// 20 000), and half a megabyte of host memory at most.
pub(crate) const TABLE_ELEMENTS: usize = 65_536;

/// The memory account of one instance.
pub(crate) struct MemoryLimiter {
    limit_bytes: u64,
    in_use_bytes: u64,
    refused: bool,
    usage: Arc<Usage>,
}

impl MemoryLimiter {
    pub(crate) fn new(limit_bytes: u64, usage: Arc<Usage>) -> Self {
        Self { limit_bytes, in_use_bytes: 0, refused: false, usage }
    }

    /// Another call begins in the same instance.
    pub(crate) fn account_to(&mut self, usage: Arc<Usage>) {
        usage.memory_bytes.store(self.in_use_bytes, Ordering::Relaxed);
        self.refused = false;
        self.usage = usage;
    }

    /// Whether the guest was refused memory in this call.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current) as u64;
        let total = self.in_use_bytes.saturating_add(growth);
        if total > self.limit_bytes {
            self.refused = true;
            return Ok(false);
        }
        self.in_use_bytes = total;
        self.usage.memory_bytes.store(total, Ordering::Relaxed);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }
}
