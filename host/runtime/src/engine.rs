//! The engine: one per process, shared by all modules.
//!
//! Settings follow measurements: a pool of instances with copy-on-write images makes a
//! fresh instance cost microseconds, kept pages spare the page faults, and the full
//! 4 GiB reservation per memory spares bounds checks (growth is capped by the limits of
//! each call instead). Compiling is done one module at a time, because it already uses
//! all CPUs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Linker;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::cache::{CacheError, CodeCache};
use crate::call::Call;
use crate::contract;
use crate::memory::TABLE_ELEMENTS;
use crate::ticker::Ticker;
use crate::turns::{Line, Turns};

/// Native stack for guest code. Recursive JSON of a few thousand levels fits.
const WASM_STACK_BYTES: usize = 1 << 20;
/// The whole stack of a call: the guest's, and 2 MiB for host functions, which run on the
/// same stack and are used to a tokio worker's 2 MiB.
const CALL_STACK_BYTES: usize = WASM_STACK_BYTES + (2 << 20);
/// Memory of a used instance that stays mapped for the next one.
const KEEP_RESIDENT_BYTES: usize = 2 << 20;
/// The same where the kernel cannot tell touched pages (before Linux 6.7): all of it is
/// cleared after every call then, so it must be small.
const KEEP_RESIDENT_BYTES_WITHOUT_SCAN: usize = 128 << 10;
/// Memory of a used table that stays mapped: 8192 functions, more than most guests have.
/// Giving it back after each call and faulting it in again costs about 5 µs.
const KEEP_TABLE_RESIDENT_BYTES: usize = 64 << 10;
/// Places that are free and keep the module they had last. More are taken over
/// from other modules, which maps their image anew; with hundreds of modules each would keep some for good.
const KEPT_PLACES: u32 = 32;
/// Core modules of one component; CPython with its libraries has about 20.
const CORE_INSTANCES_PER_COMPONENT: u32 = 64;
/// Tables of one component: one per core module at most.
const TABLES_PER_COMPONENT: u32 = 32;
/// Memories of one component; more than one only when components were composed.
const MEMORIES_PER_COMPONENT: u32 = 4;

/// Settings of an [`Engine`].
///
/// # Example
/// ```
/// use polyreme_runtime::{Engine, EngineConfig};
/// let engine = Engine::new(EngineConfig { max_instances: 8, ..EngineConfig::default() })?;
/// # Ok::<(), polyreme_runtime::EngineError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Folder for compiled code, made when missing; absent for no cache. Machine code in
    /// it is trusted, so it must belong to this user alone.
    pub cache_dir: Option<PathBuf>,
    /// Instances that may live at once over all modules: calls under way, which wait beyond
    /// it, and instances kept for later ones. Each place that was used keeps up to 2 MiB.
    pub max_instances: u32,
    /// Whether guests that compute are interrupted, by a thread: to let others run, and when their CPU
    /// time is used up. Only a simulation does without, where nothing may depend on how fast the
    /// machine is and every guest is known to end.
    pub interrupts: bool,
}

impl EngineConfig {
    /// 128 calls at once: 32 controllers with four workers each, at most 256 MiB kept.
    pub const DEFAULT_MAX_INSTANCES: u32 = 128;
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { cache_dir: None, max_instances: Self::DEFAULT_MAX_INSTANCES, interrupts: true }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refuses this machine or these settings.
    #[error("failed to set up the WebAssembly engine for {max_instances} instances")]
    Setup {
        /// As configured.
        max_instances: u32,
        /// wasmtime's reason.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The epoch thread could not be started.
    #[error("failed to start the thread that interrupts guests")]
    Ticker(#[source] std::io::Error),
    /// The folder for compiled code cannot be used.
    #[error(
        "failed to use the folder for compiled code {}; name one of your own with `cacheDir`",
        path.display()
    )]
    Cache {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Compiles and runs modules. Cheap to clone; the last clone stops its thread.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) wasmtime: wasmtime::Engine,
    pub(crate) linker: Linker<Call>,
    pub(crate) cache: Option<CodeCache>,
    pub(crate) compiling: Arc<Semaphore>,
    places: Arc<Semaphore>,
    max_instances: u32,
    turns: Turns,
    /// Places set aside for idle instances.
    reserved: Mutex<u32>,
    _ticker: Option<Ticker>,
}

impl Engine {
    /// Sets up the pool, the linker, the cache and the thread that interrupts guests.
    pub fn new(config: EngineConfig) -> Result<Self, EngineError> {
        let setup = |error: wasmtime::Error| EngineError::Setup {
            max_instances: config.max_instances,
            source: error.into(),
        };
        let places = config.max_instances.max(1);
        let wasmtime = wasmtime::Engine::new(&settings(places)).map_err(setup)?;
        let linker = contract::linker(&wasmtime).map_err(setup)?;
        let cache = config.cache_dir.as_deref().map(open_cache).transpose()?;
        let ticker = config.interrupts.then(|| Ticker::start(&wasmtime));
        let ticker = ticker.transpose().map_err(EngineError::Ticker)?;
        Ok(Self {
            inner: Arc::new(Inner {
                wasmtime,
                linker,
                cache,
                compiling: Arc::new(Semaphore::new(1)),
                places: Arc::new(Semaphore::new(places as usize)),
                max_instances: places,
                turns: Turns::new(long_calls()),
                reserved: Mutex::new(0),
                _ticker: ticker,
            }),
        })
    }

    /// Sets places aside for instances that are kept, of all but one.
    ///
    /// # Errors
    /// How many could be, and how many places there are.
    pub(crate) fn reserve(&self, places: u32) -> Result<Reservation, (u32, u32)> {
        let mut reserved = self.inner.reserved.lock();
        let free = self.inner.max_instances.saturating_sub(1).saturating_sub(*reserved);
        if places > free {
            return Err((free, self.inner.max_instances));
        }
        *reserved += places;
        Ok(Reservation { engine: Arc::clone(&self.inner), places })
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }

    /// Where calls of another module wait for their turns.
    pub(crate) fn line(&self) -> Line {
        self.inner.turns.line()
    }

    /// Waits for a place among the live instances.
    pub(crate) async fn place(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.inner.places)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed: only its engine could, and does not")
    }
}

/// Places set aside; dropping it gives them back.
pub(crate) struct Reservation {
    engine: Arc<Inner>,
    places: u32,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        *self.engine.reserved.lock() -= self.places;
    }
}

/// Calls that compute for long at a time: one CPU is left for everything else. How many there are is told as
/// tokio is told it for its workers.
fn long_calls() -> usize {
    std::thread::available_parallelism().map_or(1, |cpus| cpus.get().saturating_sub(1))
}

fn open_cache(path: &Path) -> Result<CodeCache, EngineError> {
    CodeCache::open(path)
        .map_err(|error: CacheError| EngineError::Cache { path: path.to_owned(), source: error.into() })
}

fn settings(places: u32) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(places)))
        .memory_init_cow(true)
        .epoch_interruption(true)
        // Only native debuggers read it, and each module would have it in memory.
        .native_unwind_info(false)
        .max_wasm_stack(WASM_STACK_BYTES)
        .async_stack_size(CALL_STACK_BYTES);
    config
}

fn pool(places: u32) -> PoolingAllocationConfig {
    let keep_resident = if PoolingAllocationConfig::is_pagemap_scan_available() {
        KEEP_RESIDENT_BYTES
    } else {
        KEEP_RESIDENT_BYTES_WITHOUT_SCAN
    };
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(places)
        .total_core_instances(places.saturating_mul(CORE_INSTANCES_PER_COMPONENT))
        .max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT)
        .total_memories(places.saturating_mul(MEMORIES_PER_COMPONENT))
        .max_memories_per_component(MEMORIES_PER_COMPONENT)
        .total_tables(places.saturating_mul(TABLES_PER_COMPONENT))
        .max_tables_per_component(TABLES_PER_COMPONENT)
        .table_elements(TABLE_ELEMENTS)
        .total_stacks(places)
        .max_unused_warm_slots(KEPT_PLACES)
        .linear_memory_keep_resident(keep_resident)
        .table_keep_resident(KEEP_TABLE_RESIDENT_BYTES)
        .pagemap_scan(Enabled::Auto);
    pool
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
