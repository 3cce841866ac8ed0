//! What the user chose.

use patchbay_sdk::Failure;
use patchbay_sdk::json::Node;

use crate::payload::Chat;

/// The configuration, without its secrets. The host fills in what the user left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Config {
    /// How updates arrive.
    pub mode: Mode,
    /// What becomes of groups and channels.
    pub groups: Groups,
}

/// How updates arrive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// The hub asks Telegram.
    #[default]
    Polling,
    /// Telegram posts to the hub.
    Webhook,
}

/// What becomes of groups and channels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Groups {
    /// What a person writes there is a message of that person.
    #[default]
    Messages,
    /// Nothing of it is kept.
    Ignore,
}

impl Config {
    /// True when nothing of this chat is to be kept.
    #[must_use]
    pub fn ignores(self, chat: &Chat) -> bool {
        self.groups == Groups::Ignore && !chat.is_private
    }

    /// Reads the configuration.
    pub fn read(settings: &Node) -> Result<Self, Failure> {
        let wrong = |name: &str| Failure::never("telegram.config", format!("`{name}` has a value that this connector does not know"));
        let text = |name: &str| settings.get(name).map(|it| it.as_str().unwrap_or_default());
        let mode = match text("mode") {
            None | Some("polling") => Mode::Polling,
            Some("webhook") => Mode::Webhook,
            Some(_) => return Err(wrong("mode")),
        };
        let groups = match text("groups") {
            None | Some("messages") => Groups::Messages,
            Some("ignore") => Groups::Ignore,
            Some(_) => return Err(wrong("groups")),
        };
        Ok(Self { mode, groups })
    }
}
