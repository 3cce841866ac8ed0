//! Does this connection work?

use patchbay_sdk::Failure;
use patchbay_sdk::json::{Node, Object};
use serde_json::Value;

use crate::config::Config;
use crate::hub::Hub;

const TIMEOUT_MS: u32 = 10_000;
const FIELDS: &str =
    "display_phone_number,verified_name,quality_rating,name_status,code_verification_status,platform_type,throughput,status";

/// Which number it is, what people see as its name, and what stands in the way of its messages.
pub fn check(hub: &mut impl Hub, config: &Config) -> Result<Value, Failure> {
    let path = ["/", &config.version, "/", &config.phone_number_id, "?fields=", FIELDS].concat();
    let mut number = hub.ask(&path, None, TIMEOUT_MS)?;
    let mut warnings = Vec::new();
    let mut warn = |text: &str| warnings.push(Node::from(text.to_owned()));
    match number.peek_text("quality_rating") {
        Some("RED") => warn("the quality is RED: people block or report this number, and Meta may lower its limits"),
        Some("YELLOW") => warn("the quality is YELLOW: people begin to block or report this number"),
        _ => {}
    }
    if number.peek_text("name_status").is_some_and(|it| !matches!(it, "APPROVED" | "AVAILABLE_WITHOUT_REVIEW")) {
        warn("the display name is not approved");
    }
    if number.peek_text("status").is_some_and(|it| it != "CONNECTED") {
        warn("the number is not connected: register it, or look for a restriction in WhatsApp Manager");
    }
    if number.peek_text("platform_type").is_some_and(|it| it != "CLOUD_API") {
        warn("the number is not registered with the Cloud API");
    }
    let throughput = number.object("throughput").and_then(|mut it| it.text("level"));
    let mut report = Object::default();
    for (name, field) in [
        ("account", "display_phone_number"),
        ("name", "verified_name"),
        ("quality", "quality_rating"),
        ("name_status", "name_status"),
        ("status", "status"),
        ("id", "id"),
    ] {
        report.put(name, number.take(field).unwrap_or_default());
    }
    report.put("throughput", throughput.map(Node::from).unwrap_or_default());
    report.put("warnings", warnings);
    Ok(report.value())
}
