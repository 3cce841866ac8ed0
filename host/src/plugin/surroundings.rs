//! All that a connector can see and reach in one connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use patchbay_schemas::Manifest;
use serde_json::Value;

use super::outbound::Outbound;
use super::state::StateKeeper;
use crate::clock::Clock;
use crate::secrets::SecretValue;

/// Shorter secrets are not searched for in texts: they would match by chance.
const SHORTEST_REDACTED: usize = 6;
/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// All that a connector can see and reach in one connection. Shared by the instances of that connection and by nobody else.
pub struct Surroundings {
    /// `cxn_…`, for logs.
    pub connection: String,
    /// The connector's manifest.
    pub manifest: Arc<Manifest>,
    /// The configuration without secrets.
    pub config: Value,
    /// The same as JSON text, as the guest gets it.
    pub config_text: String,
    /// Secrets by property name. They never cross into the guest.
    pub secrets: BTreeMap<String, SecretValue>,
    /// The way out.
    pub outbound: Outbound,
    /// What the connector remembers.
    pub state: StateKeeper,
    /// The hub's clock.
    pub clock: Clock,
}

impl Surroundings {
    /// The text without secrets in it.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.searched().fold(text.to_owned(), |text, secret| if text.contains(secret) { text.replace(secret, REDACTED) } else { text })
    }

    /// The bytes without secrets in them. Bytes that are no text are left as they are unless a secret stands in them.
    #[must_use]
    pub fn redact_bytes(&self, bytes: Vec<u8>) -> Vec<u8> {
        self.searched().fold(bytes, |bytes, secret| {
            if bytes.windows(secret.len()).any(|it| it == secret.as_bytes()) { replace_bytes(&bytes, secret.as_bytes()) } else { bytes }
        })
    }

    fn searched(&self) -> impl Iterator<Item = &str> {
        self.secrets.values().map(SecretValue::reveal).filter(|it| it.len() >= SHORTEST_REDACTED)
    }
}

fn replace_bytes(bytes: &[u8], secret: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(secret.len()).position(|it| it == secret) {
        clean.extend_from_slice(&rest[..at]);
        clean.extend_from_slice(REDACTED.as_bytes());
        rest = &rest[at + secret.len()..];
    }
    clean.extend_from_slice(rest);
    clean
}
