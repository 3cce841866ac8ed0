//! The rules: pure functions, no I/O, no clock.

pub mod alert;
pub mod breaker;
pub mod delivery;
pub mod identity;
pub mod ingest;
pub mod rate;
pub mod retry;
pub mod survivorship;
pub mod verify;
