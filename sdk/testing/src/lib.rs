//! For a connector's own tests: what the schemas say of its events, and a vendor that answers what the test says.
//!
//! A crate of its own, to be named under `[dev-dependencies]`: it brings a schema validator along, which no connector should carry.

#![forbid(unsafe_code)]

use std::collections::VecDeque;

use jsonschema::{Registry, Validator};
use patchbay_sdk::Failure;
use patchbay_sdk::schemas::V1;
use serde::Serialize;
use serde_json::{Value, json};

/// One of the hub's schemas, compiled. The hub checks every event by it before it keeps one.
#[derive(Debug)]
pub struct Schema(Validator);

impl Schema {
    /// The schema of events.
    #[must_use]
    pub fn event() -> Self {
        Self::of("event.json")
    }

    /// The schema of manifests.
    #[must_use]
    pub fn manifest() -> Self {
        Self::of("manifest.json")
    }

    fn of(file: &str) -> Self {
        let base = "https://patchbay.dev/schemas/v1/";
        let files: Vec<(String, Value)> =
            V1.iter().map(|(file, text)| (format!("{base}{file}"), serde_json::from_str(text).expect("the schemas are JSON"))).collect();
        let files = files.iter().map(|(uri, schema)| (uri, schema));
        let registry = Registry::new().extend(files).expect("every $id is a URI").prepare().expect("every reference leads somewhere");
        let validator = jsonschema::options()
            .with_registry(&registry)
            .should_validate_formats(true)
            .offline()
            .build(&json!({ "$ref": format!("{base}{file}") }))
            .expect("the hub's own schemas compile");
        Self(validator)
    }

    /// What is wrong with a document, a line for each fault: the JSON pointer and the rule.
    #[must_use]
    pub fn faults(&self, document: &impl Serialize) -> Vec<String> {
        let document = serde_json::to_value(document).expect("what is checked can be written as JSON");
        self.0.iter_errors(&document).map(|it| format!("{}: {it}", it.instance_path())).collect()
    }
}

/// A vendor whose answers the test gives, in order. It keeps what it was asked.
#[derive(Debug, Clone, Default)]
pub struct Vendor<A = (u16, Value)> {
    /// HTTP status and body, or whatever the connector makes of them. When there is none left, the network fails.
    pub answers: VecDeque<A>,
    /// Method or path, and what was sent there.
    pub asked: Vec<(String, Value)>,
}

impl<A> Vendor<A> {
    /// A vendor that gives these answers.
    pub fn answering(answers: impl IntoIterator<Item = A>) -> Self {
        Self { answers: answers.into_iter().collect(), asked: Vec::new() }
    }

    /// The next answer.
    pub fn ask(&mut self, place: &str, sent: &impl Serialize) -> Result<A, Failure> {
        let sent = serde_json::to_value(sent).expect("what is sent can be written as JSON");
        self.asked.push((place.to_owned(), sent));
        self.answers.pop_front().ok_or_else(|| Failure::later("http.timeout", "no answer"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_named_with_its_place() {
        let event = json!({ "id": "1", "kind": "message", "payload": { "direction": "sideways", "message": {} } });
        let faults = Schema::event().faults(&event);
        assert!(!faults.is_empty() && faults.iter().all(|it| it.starts_with("/payload")), "{faults:?}");
    }

    #[test]
    fn answers_come_in_order_until_the_network_fails() {
        let mut vendor = Vendor::answering([(200, json!({ "ok": true }))]);
        assert_eq!(vendor.ask("send", &json!({ "text": "hi" })), Ok((200, json!({ "ok": true }))));
        assert_eq!(vendor.ask("send", &json!(null)).expect_err("none left").code, "http.timeout");
        assert_eq!(vendor.asked[0], ("send".to_owned(), json!({ "text": "hi" })));
    }
}
