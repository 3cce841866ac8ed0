//! The connector's manifest (`connector.toml`): what the hub knows of a connector without running it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name of the wasm custom section that holds the manifest's TOML text.
pub const SECTION: &str = "patchbay:manifest";

/// A connector's manifest, as `v1/manifest.json` describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Stable name, lower case: `telegram`.
    pub id: String,
    /// Semantic version of the connector.
    pub version: String,
    /// Version of the contract (`sdk/wit`) that it was written for.
    pub contract: String,
    /// Name for people.
    pub name: String,
    /// One sentence for people.
    pub summary: String,
    /// The medium that people use: `telegram`, `form`, `crm`.
    pub channel: String,
    /// What a connection of it can be to the hub.
    pub roles: Vec<Role>,
    /// Whether the vendor's ids of people hold for all its accounts or for one connection only.
    #[serde(default)]
    pub handles: HandleScope,
    /// JSON Schema of a connection's configuration. Properties with `writeOnly` are secrets: the connector never sees them.
    #[serde(default = "any_object")]
    pub config: Value,
    /// How deliveries come in by HTTP. Without it the connection has no address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// How often the vendor is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polling: Option<Polling>,
    /// What the hub may ask of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Commands>,
    /// The servers that the connector may speak to, by the names that its code uses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// How often the vendor lets itself be asked. The hub waits before a request would be one too many.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// What one call may use.
    #[serde(default)]
    pub limits: Limits,
}

fn any_object() -> Value {
    serde_json::json!({ "type": "object" })
}

/// What a connection can be to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reports events.
    Source,
    /// Sends messages to people.
    Messenger,
    /// Receives leads.
    Sink,
}

/// How far the vendor's ids of people reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandleScope {
    /// One connection: two accounts give one person two ids.
    #[default]
    Connection,
    /// The whole vendor: one person has the same id everywhere.
    Vendor,
}

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

/// How often the vendor is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polling {
    /// Milliseconds between a page without `more` and the next question.
    #[serde(default = "default_interval")]
    pub interval_ms: u64,
    /// Most events in a page.
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// Configuration values under which the vendor is asked at all, by property; empty: always.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Value>,
}

fn default_interval() -> u64 {
    30_000
}

fn default_limit() -> u32 {
    100
}

/// What the hub may ask of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// The kinds of command that it understands.
    pub kinds: Vec<String>,
    /// Most leads or conversations that are served at the same time.
    #[serde(default = "default_concurrency")]
    pub concurrency: u16,
}

fn default_concurrency() -> u16 {
    4
}

/// A server that the connector may speak to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Scheme and host, with `{property}` for values of the configuration: `https://api.telegram.org`, `{base_url}`.
    pub url: String,
    /// Where the credential goes. None: the server needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Further headers that the host sets, with `{property}` for values of the configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// Where a credential goes in a request. In every template `{name}` stands for the secret of that name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "place", rename_all = "snake_case", deny_unknown_fields)]
pub enum Credential {
    /// A header: `name = "Authorization"`, `value = "Bearer {token}"`.
    Header {
        /// The header.
        name: String,
        /// Its value.
        value: String,
    },
    /// A parameter of the query.
    Query {
        /// The parameter.
        name: String,
        /// Its value.
        value: String,
    },
    /// A field of a form-encoded body, before those of the connector.
    Form {
        /// The field.
        name: String,
        /// Its value.
        value: String,
    },
    /// In front of the path: `prefix = "/bot{token}"`.
    Path {
        /// What stands before the connector's own path.
        prefix: String,
    },
    /// HTTP Basic.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: String,
    },
}

/// How often a vendor lets itself be asked, as the vendor counts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RateLimit {
    /// A leaky bucket: each request fills it by one, it runs out at a steady pace, and a request that does not fit is one too many.
    Bucket {
        /// Requests by which it runs out in `per_seconds`.
        requests: u32,
        /// Seconds.
        #[serde(default = "one")]
        per_seconds: u32,
        /// Requests that it holds: so many may come at once.
        #[serde(default = "one")]
        burst: u32,
        /// Whose requests fill it.
        #[serde(default)]
        scope: RateScope,
    },
    /// So many requests a day, from midnight to midnight.
    Day {
        /// Requests.
        requests: u32,
        /// Minutes by which the vendor's midnight comes before that of UTC.
        #[serde(default)]
        utc_offset_minutes: i16,
        /// Whose requests count.
        #[serde(default)]
        scope: RateScope,
    },
}

fn one() -> u32 {
    1
}

/// Whose requests a vendor counts together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateScope {
    /// Those of one connection.
    #[default]
    Connection,
    /// Those of all connections to one server.
    Host,
}

/// What one call may use. The operator's own limits win where they are lower.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest linear memory, MiB.
    pub memory_mib: u32,
    /// Processor time, milliseconds (measured in ticks of 10).
    pub cpu_ms: u32,
    /// Time from start to end of a webhook or check, milliseconds, waiting included.
    pub webhook_ms: u32,
    /// Time from start to end of a poll or a batch of commands, milliseconds, waiting included.
    pub work_ms: u32,
    /// Calls of host functions.
    pub host_calls: u32,
    /// Largest answer of a vendor, bytes.
    pub response_bytes: u32,
    /// Largest sum of what a call hands back, bytes.
    pub output_bytes: u32,
    /// Everything that the connector keeps in `state`, bytes.
    pub state_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_mib: 32,
            cpu_ms: 500,
            webhook_ms: 5_000,
            work_ms: 60_000,
            host_calls: 1_000,
            response_bytes: 4 << 20,
            output_bytes: 4 << 20,
            state_bytes: 1 << 20,
        }
    }
}

impl Manifest {
    /// Names of the configuration properties that are secrets (`writeOnly`).
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        self.config
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter(|(_, property)| property.get("writeOnly") == Some(&Value::Bool(true)))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// True when a connection with this configuration polls.
    #[must_use]
    pub fn polls(&self, config: &Value) -> bool {
        self.polling.as_ref().is_some_and(|it| holds(&it.when, config))
    }

    /// True when a connection with this configuration has an address.
    #[must_use]
    pub fn listens(&self, config: &Value) -> bool {
        self.webhook.as_ref().is_some_and(|it| holds(&it.when, config))
    }
}

fn holds(when: &BTreeMap<String, Value>, config: &Value) -> bool {
    when.iter().all(|(property, wanted)| config.get(property) == Some(wanted))
}
