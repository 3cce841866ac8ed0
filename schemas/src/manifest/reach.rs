//! What a connector may reach, how often, and what a call may use.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A secret that the host makes of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Composed {
    /// Text with `{property}` for secrets and for values of the configuration.
    pub template: String,
    /// How it is then written.
    #[serde(default)]
    pub encoding: Writing,
}

/// How a composed secret is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Writing {
    /// As it is.
    #[default]
    Plain,
    /// Base64 with the standard alphabet.
    Base64,
    /// Between quotation marks, with a backslash before each one in it and before each backslash.
    Quoted,
}

/// A server that the connector may speak to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Scheme and host, with `{property}` for values of the configuration: `https://api.telegram.org`, `{base_url}`. HTTP: `https`, `http`.
    /// A WebSocket: `wss`, `ws`. A line protocol, with its port: `tls`, `starttls`, `tcp`.
    pub url: String,
    /// Where the credential goes. None: the server needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// Further headers that the host sets, with `{property}` for values of the configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Fields of a form-encoded body that the host sets before those of the connector, with `{name}` for secrets: what a vendor must be
    /// told of a secret besides the credential.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub form: BTreeMap<String, String>,
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
    /// The access token of `[oauth2]`, as `Authorization: Bearer …` (RFC 6750). A vendor that wants it elsewhere has `{access_token}` in
    /// another place's template.
    #[serde(rename = "oauth2")]
    OAuth2 {},
}

pub(super) fn holds_token(template: &str) -> bool {
    template.contains("{access_token}")
}

impl Credential {
    /// True when the access token of `[oauth2]` is part of it.
    #[must_use]
    pub fn has_access_token(&self) -> bool {
        match self {
            Self::OAuth2 {} => true,
            Self::Header { value, .. } | Self::Query { value, .. } | Self::Form { value, .. } => holds_token(value),
            Self::Path { prefix } => holds_token(prefix),
            Self::Basic { user, password } => holds_token(user) || holds_token(password),
        }
    }
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

impl Endpoint {
    /// The scheme, where the configuration does not say it.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        self.url.split_once("://").map(|it| it.0)
    }

    /// True unless it can only be spoken to otherwise than by HTTP.
    #[must_use]
    pub fn may_be_http(&self) -> bool {
        self.scheme().is_none_or(|it| matches!(it, "http" | "https"))
    }

    /// True unless it can only be spoken to otherwise than by a line protocol.
    #[must_use]
    pub fn may_be_socket(&self) -> bool {
        self.scheme().is_none_or(|it| matches!(it, "tcp" | "tls" | "starttls"))
    }
}
