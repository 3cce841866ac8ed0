//! The Patchbay hub: connectors in, leads out, nothing lost.

pub mod clock;
pub mod ids;
pub mod plugin;
pub mod rules;
pub mod secrets;
pub mod store;
