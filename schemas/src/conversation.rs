//! A conversation: the interactions of one vendor thread.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a connector names the thread that an interaction belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationRef {
    /// The vendor's id of the thread, unique within the connection. A reply goes to this key.
    pub key: String,
    /// Its title, for groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// The interactions of one vendor thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// `cnv_…`.
    pub id: String,
    /// The connection that it came from, and that answers go to: `cxn_…`.
    pub connection: String,
    /// The medium: `telegram`, `email`.
    pub channel: String,
    /// The vendor's id of the thread.
    pub key: String,
    /// The thread's title, for groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The person on the other side: `con_…`.
    pub contact: String,
    /// When something last happened in it.
    pub last_at: Timestamp,
}
