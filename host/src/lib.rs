//! The Patchbay hub: connectors in, leads out, nothing lost.

pub mod alerts;
pub mod audit;
pub mod calls;
pub mod catalogue;
pub mod committer;
pub mod config;
pub mod deliver;
pub mod example;
pub mod http;
pub mod hub;
pub mod import;
pub mod keys;
pub mod mapping;
pub mod oauth2;
pub mod operations;
pub mod pace;
pub mod package;
pub mod people;
pub mod plugin;
pub mod poll;
pub mod reading;
pub mod registration;
pub mod registry;
pub mod replay;
pub mod retention;
pub mod secrets;
pub mod serve;
pub mod shadow;
pub mod shelf;
pub mod store;
pub mod stream;
pub mod sync;

pub use patchbay_rules as rules;
pub use patchbay_rules::{clock, ids, setup};

/// Deliveries are many small pieces of text on several threads, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
