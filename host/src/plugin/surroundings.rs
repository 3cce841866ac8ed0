//! All that a connector can see and reach in one connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use patchbay_schemas::Manifest;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::Value;

use super::outbound::Outbound;
use super::state::StateKeeper;
use crate::clock::Clock;
use crate::pace::Pace;
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
    /// The vendor's rate limits.
    pub pace: Pace,
    /// What the connector remembers.
    pub state: StateKeeper,
    /// The hub's clock.
    pub clock: Clock,
    /// Where random bytes come from.
    pub random: Randomness,
}

/// Where random bytes come from.
#[derive(Debug, Default)]
pub enum Randomness {
    /// The system.
    #[default]
    System,
    /// A sequence that is the same in every run: tests alone.
    Seeded(AtomicU64),
}

impl Randomness {
    /// The sequence that begins with this number.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded(AtomicU64::new(seed))
    }

    /// Begins a seeded sequence anew; the system's goes on.
    pub fn restart(&self, seed: u64) {
        if let Self::Seeded(state) = self {
            state.store(seed, Ordering::Relaxed);
        }
    }

    /// Fills these bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        match self {
            Self::System => SystemRandom::new().fill(bytes).expect("the system's randomness is there"),
            Self::Seeded(state) => {
                for byte in bytes {
                    let next = splitmix(state.fetch_add(GOLDEN, Ordering::Relaxed));
                    *byte = next.to_le_bytes()[0];
                }
            }
        }
    }
}

/// The step of splitmix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Splitmix64 (Steele, Lea and Flood 2014): a good number out of a counter.
fn splitmix(counter: u64) -> u64 {
    let it = (counter ^ (counter >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ (it >> 31)
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
