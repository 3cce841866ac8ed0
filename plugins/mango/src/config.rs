//! What the user chose.

use patchbay_sdk::json::Node;

/// The configuration, without its secrets. The host checked it and filled in what the user left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// True: a call is reported once, when it is over.
    pub only_ended: bool,
    /// The employee on whose behalf we call and write.
    pub extension: Option<String>,
    /// The name that SMS come from.
    pub sms_sender: Option<String>,
}

impl Config {
    /// Reads the configuration.
    #[must_use]
    pub fn read(settings: &Node) -> Self {
        let text = |name: &str| settings.get(name).and_then(Node::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
        Self { only_ended: text("calls").as_deref() == Some("ended"), extension: text("extension"), sms_sender: text("sms_sender") }
    }
}
