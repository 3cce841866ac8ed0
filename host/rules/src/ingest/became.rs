//! What became of an answer that people wrote in a sink.

use patchbay_schemas::{MessageStatus, Timestamp};

/// What became of an answer.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Became {
    /// Its state.
    pub status: MessageStatus,
    /// Why it will not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When that was known.
    pub at: Timestamp,
}

impl Became {
    /// True where this is news to somebody who was to hear the other one first. Statuses come in any order: what was read was delivered before. A failure holds
    /// until the messenger takes the answer after all.
    #[must_use]
    pub fn is_newer_than(&self, other: &Self) -> bool {
        use MessageStatus::{Delivered, Failed, Read, Sent};
        !matches!((other.status, self.status), (Failed, Delivered | Read) | (Delivered | Read, Sent) | (Read, Delivered))
    }
}
