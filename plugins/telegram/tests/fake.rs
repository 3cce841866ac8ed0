//! A hub whose Telegram answers what the test says.

use std::collections::BTreeMap;

use patchbay_sdk::Failure;
use patchbay_sdk::json::Object;
use patchbay_testing::Vendor;
use serde_json::{Value, json};
use telegram::hub::Hub;

/// What stands outside of the connector.
#[derive(Default)]
pub struct Fake {
    pub vendor: Vendor,
    pub notes: BTreeMap<String, String>,
    /// True: notes are lost, as when the hub is killed before they are kept.
    pub forgets: bool,
}

impl Fake {
    /// A Telegram that gives these answers in order.
    pub fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self { vendor: Vendor::answering(answers), ..Self::default() }
    }

    /// The methods that were called.
    pub fn methods(&self) -> Vec<&str> {
        self.vendor.asked.iter().map(|(method, _)| method.as_str()).collect()
    }
}

impl Hub for Fake {
    fn post(&mut self, method: &str, parameters: &Object, _timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure> {
        let (status, body) = self.vendor.ask(method, parameters)?;
        Ok((status, body.to_string().into_bytes()))
    }

    fn tell(&mut self, method: &str, form: String, _timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure> {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let (status, body) = self.vendor.ask(method, &fields)?;
        Ok((status, body.to_string().into_bytes()))
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(self.notes.get(key).cloned())
    }

    fn note(&mut self, key: &str, value: &str, _ttl_ms: Option<u64>) {
        if !self.forgets {
            self.notes.insert(key.to_owned(), value.to_owned());
        }
    }
}

/// The answer to a message that was sent.
pub fn sent(id: i64) -> (u16, Value) {
    (200, json!({ "ok": true, "result": { "message_id": id } }))
}

/// The answer to anything else that worked.
pub fn done(result: &Value) -> (u16, Value) {
    (200, json!({ "ok": true, "result": result }))
}

/// A refusal as Telegram writes it.
pub fn refused(code: u16, description: &str, parameters: &Value) -> (u16, Value) {
    (code, json!({ "ok": false, "error_code": code, "description": description, "parameters": parameters }))
}
