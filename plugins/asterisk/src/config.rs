//! What the user chose.

use patchbay_sdk::json::Node;

/// How Asterisk is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interface {
    /// Asterisk REST Interface: a WebSocket for events, HTTP for the rest.
    #[default]
    Ari,
    /// Asterisk Manager Interface: one connection for all.
    Ami,
}

/// The configuration, without its secrets. The host checked it and filled in what the user left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How Asterisk is spoken to.
    pub interface: Interface,
    /// Who logs in.
    pub username: String,
    /// Under this name ARI knows the hub.
    pub app: String,
    /// A number of at most so many digits is one of ours.
    pub longest_extension: usize,
    /// Contexts that calls from outside begin in; empty: by their names.
    pub outside_contexts: Vec<String>,
    /// Contexts that our own calls begin in; empty: by their names.
    pub inside_contexts: Vec<String>,
    /// Whether calls among ourselves are reported.
    pub internal_calls: bool,
    /// How an employee's phone is called, with `{extension}`.
    pub originate_endpoint: String,
    /// The context that dials numbers outside.
    pub originate_context: String,
    /// The employee for whom calls are made.
    pub extension: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self::read(&Node::Null)
    }
}

impl Config {
    /// Reads the configuration.
    #[must_use]
    pub fn read(settings: &Node) -> Self {
        let text = |name: &str| settings.get(name).and_then(Node::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
        let list = |name: &str| {
            let items = settings.get(name).map(Node::items).unwrap_or_default();
            items.iter().filter_map(Node::as_str).map(str::to_owned).collect()
        };
        Self {
            interface: if text("interface").as_deref() == Some("ami") { Interface::Ami } else { Interface::Ari },
            username: text("username").unwrap_or_default(),
            app: text("app").unwrap_or_else(|| "patchbay".to_owned()),
            longest_extension: settings
                .get("longest_extension")
                .and_then(Node::as_i64)
                .and_then(|it| usize::try_from(it).ok())
                .unwrap_or(5),
            outside_contexts: list("outside_contexts"),
            inside_contexts: list("inside_contexts"),
            internal_calls: !matches!(settings.get("internal_calls"), Some(Node::Bool(false))),
            originate_endpoint: text("originate_endpoint").unwrap_or_else(|| "PJSIP/{extension}".to_owned()),
            originate_context: text("originate_context").unwrap_or_else(|| "from-internal".to_owned()),
            extension: text("extension"),
        }
    }
}
