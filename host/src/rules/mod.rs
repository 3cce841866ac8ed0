//! The rules: pure functions, no I/O, no clock.

pub mod alert;
pub mod breaker;
pub mod conflict;
pub mod delivery;
pub mod identity;
pub mod ingest;
pub mod link;
pub mod mapping;
pub mod needles;
pub mod oauth2;
pub mod quarantine;
pub mod rate;
pub mod reread;
pub mod retry;
pub mod survivorship;
pub mod template;
pub mod verify;
