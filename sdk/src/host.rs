//! The hub, seen from a connector: configuration, time, log, state, arithmetic over secrets.

use std::sync::OnceLock;

use patchbay_schemas::{Timestamp, time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::imports::patchbay::connector::{host, secrets as raw_secrets, state as raw_state};
use crate::{Failure, json};

/// The connection's configuration, read in place. The leanest way: nothing is copied but what `read` keeps.
pub fn settings<T>(read: impl FnOnce(&json::Node) -> Result<T, Failure>) -> Result<T, Failure> {
    let text = host::config();
    let settings = json::Node::parse(text.as_bytes());
    read(&settings.map_err(|error| Failure::never("connector.config", format!("the configuration is {error}")))?)
}

/// The same, read once for all calls of an instance, whose configuration never changes. What is kept is [`Copy`]: it holds nothing on
/// the heap, which starts anew with every call.
pub fn settings_once<T: Copy>(known: &OnceLock<T>, read: impl FnOnce(&json::Node) -> Result<T, Failure>) -> Result<T, Failure> {
    if let Some(known) = known.get() {
        return Ok(*known);
    }
    let found = settings(read)?;
    Ok(*known.get_or_init(|| found))
}

/// The connection's configuration. It holds no secret. The hub checked it against the manifest's schema.
pub fn config<T: DeserializeOwned>() -> Result<T, Failure> {
    settings(|it| {
        json::read(it.clone().value()).map_err(|error| {
            Failure::never("connector.config", format!("the configuration does not have the shape this connector reads: {error}"))
        })
    })
}

/// The hub's clock.
#[must_use]
pub fn now() -> Timestamp {
    let ms = i64::try_from(host::now_ms()).unwrap_or(i64::MAX);
    time::from_millis(ms).unwrap_or(Timestamp::MAX)
}

/// Random bytes.
#[must_use]
pub fn random(len: u32) -> Vec<u8> {
    host::random(len)
}

/// How loud a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Somebody must act.
    Error,
    /// Somebody should know.
    Warn,
    /// A step worth seeing.
    Info,
    /// For the author.
    Debug,
}

/// Writes a line into the hub's log. Personal data and message texts do not belong there.
pub fn log(level: Level, message: &str, fields: &impl Serialize) {
    let level = match level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
    };
    let fields = json::write(fields).unwrap_or_else(|_| "{}".to_owned());
    host::log(level, message, &fields);
}

/// A few bytes that outlive the call, scoped to this connection, with a quota.
pub mod state {
    use super::{Failure, raw_state};

    /// The value, where there is one.
    pub fn get(key: &str) -> Result<Option<Vec<u8>>, Failure> {
        raw_state::get(key).map_err(Failure::from)
    }

    /// Sets the value, for ever or for `ttl_ms` milliseconds.
    pub fn set(key: &str, value: &[u8], ttl_ms: Option<u64>) -> Result<(), Failure> {
        raw_state::set(key, value, ttl_ms).map_err(Failure::from)
    }

    /// Replaces `expected` (none: nothing there) by `value` (none: remove); false when something else stood there.
    pub fn compare_and_set(key: &str, expected: Option<&[u8]>, value: Option<&[u8]>) -> Result<bool, Failure> {
        raw_state::compare_and_set(key, expected, value).map_err(Failure::from)
    }
}

/// Arithmetic over secrets: the value never enters the connector.
pub mod secrets {
    pub use super::raw_secrets::Part;
    use super::{Failure, raw_secrets};

    /// A hash (`sha1`, `sha256`, `sha512`) over bytes and secrets in order.
    pub fn digest(algorithm: &str, parts: &[Part]) -> Result<Vec<u8>, Failure> {
        raw_secrets::digest(algorithm, parts).map_err(|message| Failure::never("secrets.digest", message))
    }

    /// HMAC (`sha1`, `sha256`, `sha512`).
    pub fn mac(algorithm: &str, secret: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
        raw_secrets::mac(algorithm, secret, message).map_err(|message| Failure::never("secrets.mac", message))
    }

    /// Compares in constant time. A secret that is not set equals nothing.
    #[must_use]
    pub fn equals(secret: &str, presented: &[u8]) -> bool {
        raw_secrets::equals(secret, presented)
    }
}
