//! What the vendor posts, and how it is known to be the vendor.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How deliveries come in by HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Every check must pass before the connector sees the request. None: the address itself is the only secret.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<Verify>,
    /// Largest body in bytes; a larger one gets 413.
    #[serde(default = "default_body")]
    pub max_body_bytes: u32,
    /// What the vendor gets for a delivery that is refused for good: 2xx where it would repeat for ever, 4xx where it wants to know.
    #[serde(default = "default_refused")]
    pub refused_status: u16,
    /// Pages of other sites may post here from a browser.
    #[serde(default)]
    pub cors: bool,
    /// Configuration values under which the address is open, by property; empty: always.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Value>,
    /// The vendor is told the address by its API, as the hub asks. None: a person tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
}

/// How the vendor is told where to post: by the commands `webhook.set` and `webhook.remove`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The property with the secret that the vendor presents with each delivery. Where nobody gives one the hub makes it up: 64
    /// hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Configuration values under which the vendor is told, by property, besides those under which the address is open; empty: always.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Value>,
}

fn default_body() -> u32 {
    1 << 20
}

fn default_refused() -> u16 {
    422
}

/// A check that the host makes before any code of the connector runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Verify {
    /// A secret is sent along as it is.
    Token {
        /// Where it stands.
        place: Place,
        /// Header, query parameter, form field or JSON pointer.
        name: String,
        /// The secret's property in the configuration.
        secret: String,
        /// The HTTP methods that it is made for, in capitals; empty: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        methods: Vec<String>,
    },
    /// A keyed hash over the request.
    Hmac {
        /// The hash.
        algorithm: Algorithm,
        /// The header that carries the signature.
        header: String,
        /// What stands before the signature in the header: `sha256=`.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        prefix: String,
        /// How the signature is written.
        encoding: Encoding,
        /// The secret's property in the configuration.
        secret: String,
        /// What is signed: text with `{body}` and `{header:Name}`; default `{body}`.
        #[serde(default = "default_over")]
        over: String,
        /// The HTTP methods that it is made for, in capitals; empty: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        methods: Vec<String>,
    },
    /// A hash without a key, over a text that secrets are part of.
    Digest {
        /// The hash.
        algorithm: Algorithm,
        /// Where it stands.
        place: Place,
        /// Header, query parameter, form field or JSON pointer.
        name: String,
        /// How it is written.
        encoding: Encoding,
        /// What is hashed: text with `{secret:name}`, `{header:Name}`, `{query:name}`, `{form:name}` and `{body}`.
        over: String,
        /// The HTTP methods that it is made for, in capitals; empty: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        methods: Vec<String>,
    },
}

impl Verify {
    /// The HTTP methods that the check is made for; empty: all.
    #[must_use]
    pub fn methods(&self) -> &[String] {
        match self {
            Self::Token { methods, .. } | Self::Hmac { methods, .. } | Self::Digest { methods, .. } => methods,
        }
    }
}

fn default_over() -> String {
    "{body}".to_owned()
}

/// Where a token stands in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// A header, by its name.
    Header,
    /// A parameter of the query, by its name.
    Query,
    /// A field of a form-encoded body, by its name.
    Form,
    /// A value of a JSON body, by its JSON pointer.
    Json,
}

/// Hash functions that vendors sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How bytes are written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// Hexadecimal, either case.
    Hex,
    /// Base64 with the standard alphabet.
    Base64,
}
