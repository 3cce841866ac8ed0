//! The wasm engine: one for the process, with pooled memory, epochs as its clock and copy-on-write images. An engine that measures
//! counts fuel as well, which costs time: it is made for `connector test` alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// Length of one epoch. Processor limits are measured in it.
pub const TICK: Duration = Duration::from_millis(10);

/// Largest linear memory that any connector may ask for, bytes.
pub const MAX_MEMORY: usize = 256 << 20;

/// Most instances that live at the same time, over all connections.
pub const MAX_INSTANCES: u32 = 1_000;

/// Most memory that the place of an instance keeps until the next one, bytes.
const KEPT_MEMORY: usize = 256 << 10;

/// The same of each table: those of a connector have a few hundred entries.
const KEPT_TABLE: usize = 16 << 10;

/// The engine and the thread that moves its clock.
#[derive(Clone)]
pub struct WasmEngine {
    engine: Engine,
    measures: bool,
    _ticker: Arc<Ticker>,
}

impl WasmEngine {
    /// Builds the engine and starts its clock.
    pub fn new() -> wasmtime::Result<Self> {
        Self::start(&config(), false)
    }

    /// One that measures what calls use up.
    pub fn measuring() -> wasmtime::Result<Self> {
        Self::start(config().consume_fuel(true), true)
    }

    fn start(config: &Config, measures: bool) -> wasmtime::Result<Self> {
        let engine = Engine::new(config)?;
        let ticker = Ticker::start(engine.clone());
        Ok(Self { engine, measures, _ticker: Arc::new(ticker) })
    }

    /// True when calls are measured.
    #[must_use]
    pub fn measures(&self) -> bool {
        self.measures
    }

    /// The engine itself.
    #[must_use]
    pub fn raw(&self) -> &Engine {
        &self.engine
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES * 4)
        .total_memories(MAX_INSTANCES)
        .total_tables(MAX_INSTANCES * 2)
        .total_stacks(MAX_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(4)
        .max_memory_size(MAX_MEMORY)
        .max_unused_warm_slots(16);
    // An instance's memory is made new by writing over the pages that were touched, where Linux (6.7 and later) tells which: a call
    // on a new instance then meets no page fault, 23 µs against 50. Elsewhere all pages are given back: to write over every first
    // page, touched or not, takes longer than that.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes).linear_memory_keep_resident(KEPT_MEMORY).table_keep_resident(KEPT_TABLE);
    }
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .epoch_interruption(true)
        .memory_init_cow(true)
        .cranelift_opt_level(OptLevel::Speed)
        .wasm_backtrace_details(wasmtime::WasmBacktraceDetails::Disable)
        .async_stack_size(1 << 20)
        .max_wasm_stack(512 << 10);
    config
}

/// Moves the engine's epoch on by one every [`TICK`].
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: Engine) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Relaxed) {
                    std::thread::sleep(TICK);
                    engine.increment_epoch();
                }
            })
            .ok();
        Self { stop, thread }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has nothing left to stop.
            drop(thread.join());
        }
    }
}
