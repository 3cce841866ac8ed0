//! What the user chose.

use patchbay_sdk::json::Node;

/// The configuration, without its secrets. The host checked it and filled in what the user left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The number that this connection is about, by Meta's id.
    pub phone_number_id: String,
    /// The version of the Graph API: `v24.0`.
    pub version: String,
    /// The WhatsApp account that the number belongs to; empty where a person tells Meta the callback address.
    pub account_id: String,
    /// True: chats from before the number joined are left out.
    pub ignores_history: bool,
}

impl Config {
    /// Reads the configuration.
    #[must_use]
    pub fn read(settings: &Node) -> Self {
        let text = |name: &str| settings.get(name).and_then(Node::as_str).unwrap_or_default();
        Self {
            phone_number_id: text("phone_number_id").to_owned(),
            version: text("version").to_owned(),
            account_id: text("account_id").to_owned(),
            ignores_history: text("history") == "ignore",
        }
    }
}
