//! The connector's manifest (`connector.toml`): what the hub knows of a connector without running it.

mod oauth2;
mod reach;
mod webhook;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::oauth2::{ACCESS_TOKEN, ClientAuth, Grant, OAuth2};
use self::reach::holds_token;
pub use self::reach::{Composed, Credential, Endpoint, Limits, RateLimit, RateScope, Writing};
pub use self::webhook::{Algorithm, Encoding, Place, Registration, Verify, Webhook};

/// The cursor with which an import begins.
pub const IMPORT: &str = "import";

/// The endpoint under which a connector fetches the file of a message that it is asked to send.
pub const FILE: &str = "file";

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
    /// A connection to the vendor that the hub keeps open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Stream>,
    /// What the hub may ask of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Commands>,
    /// The link or QR code that opens a chat with a connection. Without it there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Link>,
    /// Secrets that the host makes of others, by name: used like any other, and never shown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub composed: BTreeMap<String, Composed>,
    /// The servers that the connector may speak to, by the names that its code uses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, Endpoint>,
    /// How the hub gets the access token that endpoints place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2>,
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

/// How often the vendor is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Polling {
    /// Milliseconds between a page without `more` and the next question.
    #[serde(default = "default_interval")]
    pub interval_ms: u64,
    /// Time from start to end of one poll, milliseconds, where the vendor lets it wait for news; without it `limits.work_ms`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u32>,
    /// Most events in a page.
    #[serde(default = "default_limit")]
    pub limit: u32,
    /// Asked with the cursor [`IMPORT`], the connector tells what the vendor knows already, page by page.
    #[serde(default)]
    pub import: bool,
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

/// A connection to the vendor that the hub keeps open. The connector says to which endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stream {
    /// How what comes in is cut into frames.
    #[serde(default)]
    pub framing: Framing,
    /// Largest frame in bytes; at a larger one the hub connects anew.
    #[serde(default = "default_frame")]
    pub max_frame_bytes: u32,
    /// How the hub finds out that the other side is gone.
    #[serde(default)]
    pub heartbeat: Heartbeat,
    /// Configuration values under which the hub connects at all, by property; empty: always.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Value>,
}

fn default_frame() -> u32 {
    256 << 10
}

/// How what comes in is cut into frames. The messages of a WebSocket are frames whatever stands here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framing {
    /// Messages of a WebSocket; no other endpoint is connected to.
    #[default]
    Websocket,
    /// Lines, without their ends; empty ones are none.
    Lines,
    /// What stands between empty lines, as in Asterisk's AMI.
    Blocks,
}

/// How the hub finds out that the other side is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Heartbeat {
    /// Milliseconds from one sign of life of ours to the next. A WebSocket gets a ping.
    pub every_ms: u32,
    /// The frame that any other endpoint gets. None: nothing is sent there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub send: Option<String>,
    /// Milliseconds without a byte from the other side after which the connection counts as dead.
    pub silence_ms: u32,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { every_ms: 15_000, send: None, silence_ms: 45_000 }
    }
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
    /// Whether it fetches the file of a `message.send` itself: with HTTP to the endpoint [`FILE`], which leads to the address that the
    /// command names and nowhere else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub files: bool,
    /// Most commands that are handed over in one call.
    #[serde(default = "default_batch")]
    pub batch: u16,
}

fn default_batch() -> u16 {
    1
}

fn default_concurrency() -> u16 {
    4
}

/// The link or QR code that opens a chat with a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The address, with `{token}` for what comes back in the event (as `source.start`, or in the text of the first message), `{text}` for a text that
    /// ends with the token, and `{property}` for values of the configuration: `https://t.me/{username}?start={token}`.
    pub url: String,
}

impl Manifest {
    /// True for a secret that is the access token of `[oauth2]`, or is made of it.
    #[must_use]
    pub fn is_made_of_token(&self, secret: &str) -> bool {
        secret == ACCESS_TOKEN || self.composed.get(secret).is_some_and(|it| holds_token(&it.template))
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

    /// True when the hub keeps a stream open for a connection with this configuration.
    #[must_use]
    pub fn streams(&self, config: &Value) -> bool {
        self.stream.as_ref().is_some_and(|it| holds(&it.when, config))
    }

    /// How the hub gets an access token for a connection with this configuration. None: it needs none.
    #[must_use]
    pub fn authorises(&self, config: &Value) -> Option<&OAuth2> {
        self.oauth2.as_ref().filter(|it| holds(&it.when, config))
    }

    /// True when a connection with this configuration has an address.
    #[must_use]
    pub fn listens(&self, config: &Value) -> bool {
        self.webhook.as_ref().is_some_and(|it| holds(&it.when, config))
    }

    /// How the vendor of a connection with this configuration is told its address. None: the hub does not tell it.
    #[must_use]
    pub fn registers(&self, config: &Value) -> Option<&Registration> {
        let webhook = self.webhook.as_ref().filter(|it| holds(&it.when, config))?;
        webhook.registration.as_ref().filter(|it| holds(&it.when, config))
    }
}

fn holds(when: &BTreeMap<String, Value>, config: &Value) -> bool {
    when.iter().all(|(property, wanted)| config.get(property) == Some(wanted))
}
