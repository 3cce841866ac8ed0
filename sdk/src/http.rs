//! HTTP to the endpoints of the manifest. The host adds scheme, host and credential.

use patchbay_schemas::manifest::FILE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::imports::patchbay::connector::{http, types};
use crate::{Failure, Retry, json};

/// A request to a named endpoint.
#[derive(Debug, Clone)]
#[must_use = "a request does nothing until it is sent"]
pub struct Call {
    raw: http::Request,
}

/// What the vendor answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// A GET of `path_and_query` at the endpoint.
pub fn get(endpoint: &str, path_and_query: impl Into<String>) -> Call {
    Call::new("GET", endpoint, path_and_query.into())
}

/// A POST to `path_and_query` at the endpoint.
pub fn post(endpoint: &str, path_and_query: impl Into<String>) -> Call {
    Call::new("POST", endpoint, path_and_query.into())
}

/// A GET of the file of the message that is being sent: `url` is its attachment's address, and no other is let through. The manifest says
/// `files = true` under `[commands]`.
pub fn file(url: &str) -> Call {
    get(FILE, url)
}

impl Call {
    /// Any other method.
    pub fn new(method: &str, endpoint: &str, path_and_query: String) -> Self {
        Self {
            raw: http::Request {
                endpoint: endpoint.to_owned(),
                method: method.to_owned(),
                path_and_query,
                headers: Vec::new(),
                body: Vec::new(),
                timeout_ms: None,
            },
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.raw.headers.push(types::Header { name: name.to_owned(), value: value.into() });
        self
    }

    /// Sets a JSON body.
    pub fn json(mut self, document: &impl Serialize) -> Result<Self, Failure> {
        let text = json::write(document).map_err(|error| Failure::never("connector.json", error.to_string()))?;
        self.raw.body = text.into_bytes();
        Ok(self.header("content-type", "application/json"))
    }

    /// Sets a body as it is.
    pub fn body(mut self, content_type: &str, body: Vec<u8>) -> Self {
        self.raw.body = body;
        self.header("content-type", content_type)
    }

    /// Waits at most this long for the answer.
    pub fn timeout_ms(mut self, ms: u32) -> Self {
        self.raw.timeout_ms = Some(ms);
        self
    }

    /// Sends it. Any HTTP status is an answer; a failure means that there was none.
    pub fn send(self) -> Result<Answer, Failure> {
        let response = http::send(&self.raw)?;
        Ok(Answer {
            status: response.status,
            headers: response.headers.into_iter().map(|it| (it.name, it.value)).collect(),
            body: response.body,
        })
    }
}

impl Answer {
    /// True for 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of that name (any case).
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON. A vendor that answers something else is having a bad moment: the failure says `later`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        json::parse(&self.body).and_then(json::read).map_err(|error| {
            Failure::later("vendor.answer", format!("HTTP {} with a body that is not the JSON expected: {error}", self.status))
        })
    }

    /// The body as JSON of any shape, or null.
    #[must_use]
    pub fn value(&self) -> Value {
        json::parse(&self.body).unwrap_or(Value::Null)
    }

    /// The failure that this status means by the usual rules: 401 and 403 reauthorise, 408, 425, 429 and 5xx later
    /// (`Retry-After` in seconds is obeyed), any other never. Vendors with their own rules decide for themselves.
    #[must_use]
    pub fn failure(&self, message: impl Into<String>) -> Failure {
        let code = format!("vendor.http_{}", self.status);
        let wait = self.header("retry-after").and_then(|it| it.trim().parse::<u64>().ok());
        let retry = match (self.status, wait) {
            (401 | 403, _) => Retry::Reauthorise,
            (408 | 425 | 429 | 500..=599, Some(seconds)) => Retry::AfterMs(seconds.saturating_mul(1000)),
            (408 | 425 | 429 | 500..=599, None) => Retry::Later,
            _ => Retry::Never,
        };
        Failure { code, message: message.into(), retry }
    }
}
