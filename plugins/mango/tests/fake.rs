//! A hub whose Mango answers what the test says.

use std::collections::BTreeMap;

use mango::hub::Hub;
use patchbay_sdk::Failure;
use patchbay_sdk::json::Object;
use patchbay_testing::Vendor;
use serde_json::Value;

/// What stands outside of the connector.
#[derive(Default)]
pub struct Fake {
    pub vendor: Vendor,
    pub notes: BTreeMap<String, String>,
}

impl Fake {
    /// A Mango that gives these answers in order.
    pub fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self { vendor: Vendor::answering(answers), ..Self::default() }
    }
}

impl Hub for Fake {
    fn post(&mut self, path: &str, document: &Object, _timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure> {
        let (status, body) = self.vendor.ask(path, document)?;
        Ok((status, body.to_string().into_bytes()))
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(self.notes.get(key).cloned())
    }

    fn note(&mut self, key: &str, value: &str, _ttl_ms: u64) -> Result<(), Failure> {
        self.notes.insert(key.to_owned(), value.to_owned());
        Ok(())
    }
}
