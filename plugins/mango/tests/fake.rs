//! A hub whose Mango answers what the test says.

use std::collections::BTreeMap;

use mango::hub::Hub;
use patchbay_sdk::Failure;
use patchbay_sdk::json::Fields;
use serde_json::Value;

/// Answers in order; an empty list is a failure of the network.
#[derive(Default)]
pub struct Fake {
    pub answers: Vec<(u16, Value)>,
    pub asked: Vec<(String, Value)>,
    pub notes: BTreeMap<String, String>,
}

impl Fake {
    /// A Mango that gives these answers in order.
    pub fn answering(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self { answers: answers.into_iter().collect(), ..Self::default() }
    }
}

impl Hub for Fake {
    fn post(&mut self, path: &str, document: &Fields, _timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure> {
        self.asked.push((path.to_owned(), document.clone().value()));
        if self.answers.is_empty() {
            return Err(Failure::later("http.timeout", "no answer"));
        }
        let (status, body) = self.answers.remove(0);
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
