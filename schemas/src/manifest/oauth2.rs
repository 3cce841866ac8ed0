//! OAuth 2 (RFC 6749) as the hub runs it for a connector: the connector sees neither code, client secret nor token.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The name under which templates place the token that the hub got: `{access_token}`.
pub const ACCESS_TOKEN: &str = "access_token";

/// How the hub gets an access token from the vendor. One for each connection; every endpoint may place it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuth2 {
    /// Who grants: a person who follows a link, or the vendor to the client itself.
    #[serde(default)]
    pub grant: Grant,
    /// Where a person grants access, with `{property}` for values of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize_url: Option<String>,
    /// Where tokens are given, with `{property}` for values of the configuration.
    pub token_url: String,
    /// The client's id, with `{name}` for a secret or a value of the configuration.
    pub client_id: String,
    /// The client's secret, with `{name}` for a secret. None: a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
    /// How the client proves itself.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Whether the code is bound to who asked for it (RFC 7636, S256).
    #[serde(default = "yes")]
    pub pkce: bool,
    /// Further parameters of the link, with `{property}` for values of the configuration: `access_type = "offline"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub authorize_parameters: BTreeMap<String, String>,
    /// Further parameters of each request for a token, with `{property}` for values of the configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub token_parameters: BTreeMap<String, String>,
    /// What the vendor's answer says of the account: a property of the configuration takes the text of a field. `{ rest_url = "client_endpoint" }`
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub take: BTreeMap<String, String>,
    /// Configuration values under which the connection uses it at all, by property; empty: always.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, Value>,
}

fn yes() -> bool {
    true
}

/// Who grants access.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person follows a link and agrees (RFC 6749, section 4.1).
    #[default]
    AuthorizationCode,
    /// The vendor gives it to the client itself (RFC 6749, section 4.4).
    ClientCredentials,
}

/// How the client proves itself where tokens are given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// HTTP Basic (RFC 6749, section 2.3.1).
    #[default]
    Basic,
    /// `client_id` and `client_secret` in the form.
    Body,
    /// All parameters in the query of a GET, as some vendors have it.
    Query,
}
