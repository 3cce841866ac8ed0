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
pub mod contract;
pub mod dial;
mod dialogue;
pub mod engine;
mod file;
mod guest;
mod instances;
pub mod journal;
pub mod line;
mod measure;
pub mod network;
pub mod outbound;
pub mod state;
mod surroundings;
pub mod tape;
pub mod tls;
mod watch;

pub use artifact::{Artifact, ArtifactError};
pub use bindings::exports::patchbay::connector::commands::{Command, Receipt};
pub use bindings::exports::patchbay::connector::polling::Page;
pub use bindings::exports::patchbay::connector::stream::{Reply as Frames, Target};
pub use bindings::exports::patchbay::connector::webhook::{Reply, Request};
pub use bindings::patchbay::connector::types::{Event, Failure, Header, Piece, Retry};
pub use cache::CompileCache;
pub use connector::{Connector, LoadError, Runtime};
pub use guest::Limit;
pub use instances::{CallError, Executed, Instances};
pub use measure::Usage;
pub use surroundings::{Randomness, Surroundings, compose};
