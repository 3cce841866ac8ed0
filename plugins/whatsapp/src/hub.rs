//! What sending and checking need of the outside, so that tests can stand in for it.

use patchbay_sdk::host::{self, Level, state};
use patchbay_sdk::json::Object;
use patchbay_sdk::schemas::Timestamp;
use patchbay_sdk::{Failure, http};

use crate::answer;

/// The outside.
pub trait Hub {
    /// Calls the Graph API: with a body a POST, without one a GET. The status, the header that tells how long to wait, and the body.
    fn call(&mut self, path: &str, body: Option<&Object>, timeout_ms: u32) -> Result<Answered, Failure>;

    /// Posts a form to which the host adds the verify token.
    fn tell(&mut self, path: &str, form: String, timeout_ms: u32) -> Result<Answered, Failure>;

    /// What was noted under `key`.
    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure>;

    /// Notes `value` under `key`; none: forgets it.
    fn note(&mut self, key: &str, value: &str, ttl_ms: Option<u64>) -> Result<(), Failure>;

    /// Forgets what was noted under `key`.
    fn forget(&mut self, key: &str);

    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Writes a warning into the log.
    fn warn(&mut self, message: &str, fields: &Object);

    /// Calls the Graph API and takes the document out of the answer.
    fn ask(&mut self, path: &str, body: Option<&Object>, timeout_ms: u32) -> Result<Object<'static>, Failure> {
        answer::document(&self.call(path, body, timeout_ms)?).map(Object::into_owned)
    }
}

/// What the Graph API answered.
#[derive(Debug, Clone, Default)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// `X-Business-Use-Case-Usage`.
    pub usage: Option<String>,
    /// Body.
    pub body: Vec<u8>,
}

/// The hub that this connector runs in.
pub struct Host;

impl Hub for Host {
    fn call(&mut self, path: &str, body: Option<&Object>, timeout_ms: u32) -> Result<Answered, Failure> {
        let call = match body {
            Some(body) => http::post("graph", path).json(body)?,
            None => http::get("graph", path),
        };
        answered(call.timeout_ms(timeout_ms))
    }

    fn tell(&mut self, path: &str, form: String, timeout_ms: u32) -> Result<Answered, Failure> {
        let call = http::post("registration", path).body("application/x-www-form-urlencoded", form.into_bytes());
        answered(call.timeout_ms(timeout_ms))
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(state::get(key)?.and_then(|it| String::from_utf8(it).ok()))
    }

    fn note(&mut self, key: &str, value: &str, ttl_ms: Option<u64>) -> Result<(), Failure> {
        state::set(key, value.as_bytes(), ttl_ms)
    }

    fn forget(&mut self, key: &str) {
        if let Ok(Some(known)) = state::get(key) {
            let _ = state::compare_and_set(key, Some(&known), None);
        }
    }

    fn now(&self) -> Timestamp {
        host::now()
    }

    fn warn(&mut self, message: &str, fields: &Object) {
        host::log(Level::Warn, message, fields);
    }
}

fn answered(call: http::Call) -> Result<Answered, Failure> {
    let answer = call.send()?;
    let usage = answer.header("x-business-use-case-usage").map(str::to_owned);
    Ok(Answered { status: answer.status, usage, body: answer.body })
}
