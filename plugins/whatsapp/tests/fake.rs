//! A hub whose Meta answers what the test says, and whose clock the test moves.

use std::collections::BTreeMap;

use patchbay_sdk::Failure;
use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::Timestamp;
use patchbay_testing::Vendor;
use serde_json::{Value, json};
use whatsapp::config::Config;
use whatsapp::hub::{Answered, Hub};

/// What stands outside of the connector.
pub struct Fake {
    pub vendor: Vendor<Answered>,
    pub notes: BTreeMap<String, (String, Option<i64>)>,
    pub warnings: Vec<String>,
    pub now: i64,
    /// True: nothing can be noted, as when the quota is full.
    pub is_full: bool,
}

impl Fake {
    /// A Meta that gives these answers in order.
    pub fn answering(answers: impl IntoIterator<Item = Answered>) -> Self {
        Self { vendor: Vendor::answering(answers), notes: BTreeMap::new(), warnings: Vec::new(), now: 1_773_480_413, is_full: false }
    }
}

impl Hub for Fake {
    fn call(&mut self, path: &str, body: Option<&Object>, _timeout_ms: u32) -> Result<Answered, Failure> {
        self.vendor.ask(path, &body)
    }

    fn tell(&mut self, path: &str, form: String, _timeout_ms: u32) -> Result<Answered, Failure> {
        self.vendor.ask(path, &form)
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(self.notes.get(key).filter(|(_, until)| until.is_none_or(|it| it > self.now)).map(|(value, _)| value.clone()))
    }

    fn note(&mut self, key: &str, value: &str, ttl_ms: Option<u64>) -> Result<(), Failure> {
        if self.is_full {
            return Err(Failure::never("state.quota", "full"));
        }
        let until = ttl_ms.map(|it| self.now + i64::try_from(it / 1000).expect("a short time"));
        self.notes.insert(key.to_owned(), (value.to_owned(), until));
        Ok(())
    }

    fn forget(&mut self, key: &str) {
        self.notes.remove(key);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.now).expect("a time")
    }

    fn warn(&mut self, message: &str, _fields: &Object) {
        self.warnings.push(message.to_owned());
    }
}

/// What a connection is configured with.
pub fn config() -> Config {
    Config {
        phone_number_id: "106540352242922".to_owned(),
        version: "v24.0".to_owned(),
        account_id: "102290129340398".to_owned(),
        ignores_history: false,
    }
}

/// The answer to a message that was taken.
pub fn sent(id: &str) -> Answered {
    let body = json!({ "messaging_product": "whatsapp", "contacts": [{ "input": "7", "wa_id": "7" }], "messages": [{ "id": id }] });
    Answered { status: 200, usage: None, body: body.to_string().into_bytes() }
}

/// A refusal as Meta writes it.
pub fn refused(status: u16, error: &Value) -> Answered {
    Answered { status, usage: None, body: json!({ "error": error }).to_string().into_bytes() }
}
