//! A hub with a memory, and an Asterisk that answers what the test says.

use std::collections::BTreeMap;

use asterisk::ami::Block;
use asterisk::hub::Hub;
use patchbay_sdk::Failure;
use patchbay_testing::Vendor;
use serde_json::Value;

/// What stands outside of the connector.
#[derive(Default)]
pub struct Fake {
    pub vendor: Vendor,
    pub notes: BTreeMap<String, String>,
    pub now: i64,
}

impl Hub for Fake {
    fn ask(&mut self, method: &str, path_and_query: &str) -> Result<(u16, Vec<u8>), Failure> {
        let (status, body): (u16, Value) = self.vendor.ask(&[method, " ", path_and_query].concat(), &Value::Null)?;
        Ok((status, body.to_string().into_bytes()))
    }

    fn act(&mut self, username: &str, action: &str, id: &str) -> Result<Block, Failure> {
        let (_, said): (u16, Value) = self.vendor.ask(username, &action)?;
        let said = said.as_str().unwrap_or_default();
        Ok(Block::read(format!("ActionID: {id}\n{said}").as_bytes()))
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(self.notes.get(key).cloned())
    }

    fn note(&mut self, key: &str, value: &str, _ttl_ms: u64) -> Result<(), Failure> {
        self.notes.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    fn now(&self) -> i64 {
        self.now
    }
}
