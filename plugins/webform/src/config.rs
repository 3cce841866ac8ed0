//! The connection's configuration, as `connector.toml` describes it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The connection's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Meaning → names or paths of fields, best first.
    pub mapping: BTreeMap<String, Vec<String>>,
    /// Fields that people do not see: whoever fills one is a program.
    pub honeypot: Vec<String>,
    /// The field by which people agree to be contacted.
    pub consent_field: Option<String>,
    /// The page that a browser is sent to after a classic form.
    pub redirect_url: Option<String>,
    /// Refuse every delivery that is not signed with `signing_secret`.
    pub require_signature: bool,
}
