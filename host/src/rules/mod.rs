//! The rules: pure functions, no I/O, no clock.

pub mod identity;
pub mod ingest;
pub mod retry;
pub mod verify;
