//! What sending, polling, checking and registering need of the outside, so that tests can stand in for it.

use patchbay_sdk::host::{self, Level, state};
use patchbay_sdk::json::Object;
use patchbay_sdk::{Failure, http};

/// The outside.
pub trait Hub {
    /// Calls a method of the Bot API: the HTTP status and the body of the answer.
    fn post(&mut self, method: &str, parameters: &Object, timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure>;

    /// Calls a method that is told the webhook's secret, which the host puts before these fields of a form.
    fn tell(&mut self, method: &str, form: String, timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure>;

    /// What was noted under `key`.
    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure>;

    /// Notes `value` under `key`. A note that cannot be kept is no reason to fail what it is about.
    fn note(&mut self, key: &str, value: &str, ttl_ms: Option<u64>);
}

/// The hub that this connector runs in.
pub struct Host;

impl Hub for Host {
    fn post(&mut self, method: &str, parameters: &Object, timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure> {
        let answer = http::post("api", ["/", method].concat()).json(parameters)?.timeout_ms(timeout_ms).send()?;
        Ok((answer.status, answer.body))
    }

    fn tell(&mut self, method: &str, form: String, timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure> {
        let call = http::post("registration", ["/", method].concat()).body("application/x-www-form-urlencoded", form.into_bytes());
        let answer = call.timeout_ms(timeout_ms).send()?;
        Ok((answer.status, answer.body))
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(state::get(key)?.and_then(|it| String::from_utf8(it).ok()))
    }

    fn note(&mut self, key: &str, value: &str, ttl_ms: Option<u64>) {
        if let Err(failure) = state::set(key, value.as_bytes(), ttl_ms) {
            let mut fields = Object::default();
            fields.put("failure.code", failure.code);
            host::log(Level::Warn, "could not note what was sent; a repeat of this command would send it again", &fields);
        }
    }
}
