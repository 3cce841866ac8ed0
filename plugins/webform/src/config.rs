//! The connection's configuration, as `connector.toml` describes it.

use serde_json::Value;

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
    pub fn of(settings: &Value) -> Self {
        let text = |name: &str| settings.get(name).and_then(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned);
        let mut mapping = Vec::new();
        for (meaning, fields) in settings.get("mapping").and_then(Value::as_object).into_iter().flatten() {
            mapping.push((meaning.clone(), names(Some(fields))));
        }
        Self {
            mapping,
            honeypot: names(settings.get("honeypot")),
            consent_field: text("consent_field"),
            redirect_url: text("redirect_url"),
            require_signature: settings.get("require_signature").and_then(Value::as_bool).unwrap_or_default(),
        }
    }
}

fn names(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).filter(|it| !it.is_empty()).map(str::to_owned).collect()
}
