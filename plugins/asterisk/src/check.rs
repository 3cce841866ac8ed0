//! Does this connection work?

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use serde_json::Value;

use crate::config::{Config, Interface};
use crate::hub::Hub;
use crate::opened::refused;

/// The id of the question for AMI's settings.
const SETTINGS: &str = "patchbay-settings";

/// Whether Asterisk lets us in, and which it is.
pub fn check(hub: &mut impl Hub, config: &Config) -> Result<Value, Failure> {
    if config.interface == Interface::Ami {
        // Whoever may not ask for the settings was let in all the same.
        let settings = hub.act(&config.username, &["Action: CoreSettings\r\nActionID: ", SETTINGS, "\r\n"].concat(), SETTINGS)?;
        let word = |name: &str| settings.get(name).unwrap_or_default().to_owned();
        let mut report = Object::default();
        report.put("version", word("asteriskversion"));
        report.put("ami_version", word("amiversion"));
        return Ok(report.value());
    }
    let (status, body) = hub.ask("GET", "/ari/asterisk/info")?;
    if status != 200 {
        return Err(refused(status));
    }
    let info = Node::parse(&body).map_err(|error| Failure::later("asterisk.answer", ["the answer is ", &error.to_string()].concat()))?;
    let word = |part: &str, name: &str| info.get(part).and_then(|it| it.get(name)).and_then(Node::as_str).unwrap_or_default().to_owned();
    let mut report = Object::default();
    report.put("version", word("system", "version"));
    report.put("entity_id", word("system", "entity_id"));
    report.put("running_since", word("status", "startup_time"));
    Ok(report.value())
}
