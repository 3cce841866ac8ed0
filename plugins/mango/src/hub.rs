//! What mapping, sending and checking need of the outside, so that tests can stand in for it.

use patchbay_sdk::host::secrets::{Part, digest};
use patchbay_sdk::host::state;
use patchbay_sdk::json::{self, Object};
use patchbay_sdk::{Failure, http};

/// The outside.
pub trait Hub {
    /// Posts a signed document to a path of Mango's API: the HTTP status and the body of the answer.
    fn post(&mut self, path: &str, document: &Object, timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure>;

    /// What was noted under `key`.
    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure>;

    /// Notes `value` under `key` for a while.
    fn note(&mut self, key: &str, value: &str, ttl_ms: u64) -> Result<(), Failure>;
}

/// The hub that this connector runs in.
pub struct Host;

impl Hub for Host {
    fn post(&mut self, path: &str, document: &Object, timeout_ms: u32) -> Result<(u16, Vec<u8>), Failure> {
        let text = json::write(document).map_err(|error| Failure::never("mango.json", error.to_string()))?;
        // Neither the key nor the salt is ever seen here: the host hashes them, and puts the key into the body.
        let secret = |name: &str| Part::Secret(name.to_owned());
        let sign = digest("sha256", &[secret("vpbx_api_key"), Part::Bytes(text.clone().into_bytes()), secret("vpbx_api_salt")])?;
        let json: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        let body = ["sign=", &hex::encode(sign), "&json=", &json].concat();
        let call = http::post("api", path).body("application/x-www-form-urlencoded", body.into_bytes());
        let answer = call.timeout_ms(timeout_ms).send()?;
        Ok((answer.status, answer.body))
    }

    fn recall(&mut self, key: &str) -> Result<Option<String>, Failure> {
        Ok(state::get(key)?.and_then(|it| String::from_utf8(it).ok()))
    }

    fn note(&mut self, key: &str, value: &str, ttl_ms: u64) -> Result<(), Failure> {
        state::set(key, value.as_bytes(), Some(ttl_ms))
    }
}
