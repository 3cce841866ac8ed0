//! The connection's configuration, as `connector.toml` describes it.

use patchbay_sdk::json::Node;

/// The connection's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Meaning → names or paths of fields, best first.
    pub mapping: Vec<(String, Vec<String>)>,
    /// Fields that people do not see: whoever fills one is a program.
    pub honeypot: Vec<String>,
    /// The field by which people agree to be contacted.
    pub consent_field: Option<String>,
    /// The page that a browser is sent to after a classic form.
    pub redirect_url: Option<String>,
    /// Refuse every delivery that is not signed with `signing_secret`.
    pub require_signature: bool,
}

impl Config {
    /// Reads the configuration, which the hub checked against the manifest's schema.
    #[must_use]
    pub fn of(settings: &Node) -> Self {
        let text = |name: &str| settings.get(name).and_then(Node::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
        let mut mapping = Vec::new();
        if let Some(Node::Object(meanings)) = settings.get("mapping") {
            for meaning in meanings.names() {
                mapping.push((meaning.to_owned(), names(meanings.get(meaning))));
            }
        }
        Self {
            mapping,
            honeypot: names(settings.get("honeypot")),
            consent_field: text("consent_field"),
            redirect_url: text("redirect_url"),
            require_signature: matches!(settings.get("require_signature"), Some(Node::Bool(true))),
        }
    }
}

fn names(list: Option<&Node>) -> Vec<String> {
    let items = list.map(Node::items).unwrap_or_default();
    items.iter().filter_map(Node::as_str).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}
