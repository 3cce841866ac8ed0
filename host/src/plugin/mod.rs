//! The plugin host: the only place that knows wasmtime.
//!
//! ```text
//! .wasm ─ Artifact (manifest and imports, read without running) ─ CompileCache ─ Connector (linked) ─ Instances (of one connection)
//! ```

pub mod artifact;
mod bindings;
mod cache;
pub mod cassette;
mod connector;
pub mod engine;
mod guest;
mod instances;
mod measure;
pub mod network;
pub mod outbound;
pub mod state;
mod surroundings;

pub use artifact::{Artifact, ArtifactError};
pub use bindings::exports::patchbay::connector::commands::{Command, Receipt};
pub use bindings::exports::patchbay::connector::polling::Page;
pub use bindings::exports::patchbay::connector::webhook::{Reply, Request};
pub use bindings::patchbay::connector::types::{Event, Failure, Header, Retry};
pub use cache::CompileCache;
pub use connector::{Connector, LoadError, Runtime};
pub use guest::Limit;
pub use instances::{CallError, Instances};
pub use measure::Usage;
pub use surroundings::{Randomness, Surroundings};
