//! The rules: what becomes of a delivery, a person, a command. Pure functions over plain values: no I/O, and the time is passed in.
//!
//! Beside them the words that everything is told in: ids, times, secrets' values, configurations.

pub mod alert;
pub mod breaker;
pub mod clock;
pub mod conflict;
pub mod delivery;
pub mod identity;
pub mod ids;
pub mod ingest;
pub mod link;
pub mod mapping;
pub mod needles;
pub mod oauth2;
pub mod quarantine;
pub mod rate;
pub mod reread;
pub mod retry;
pub mod schema;
pub mod secret;
pub mod setup;
pub mod survivorship;
pub mod template;
pub mod verify;
