//! Why a request out of the hub has no answer.

use std::net::IpAddr;
use std::time::Duration;

use crate::oauth2::TokenError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// This run has no network.
    #[error("this run has no network: nothing was sent to the endpoint `{0}`")]
    Closed(String),
    /// The cassette has no such request.
    #[error("the cassette does not have it: {0}")]
    Cassette(String),
    /// This is not how the file of a message is fetched.
    #[error("{0}")]
    File(&'static str),
    /// The manifest does not know the endpoint.
    #[error("the endpoint `{0}` is not in the manifest: a line `[endpoints.{0}]` with its `url` would allow it")]
    UnknownEndpoint(String),
    /// The endpoint's address with the configuration's values is no address.
    #[error("the address of the endpoint `{endpoint}` is not usable: {reason}")]
    Address {
        /// The endpoint.
        endpoint: String,
        /// What is wrong.
        reason: String,
    },
    /// The request itself is not well-formed or asks for what belongs to the host.
    #[error("{0}")]
    Request(String),
    /// A secret that the manifest places is not set.
    #[error("the endpoint `{endpoint}` needs the secret `{secret}`, which is not set for this connection")]
    MissingSecret {
        /// The endpoint.
        endpoint: String,
        /// The secret.
        secret: String,
    },
    /// The address is not public and the operator granted no such network.
    #[error(
        "the endpoint `{endpoint}` leads to {address}, which is not a public address: `patchbay connection add --allow-network {address}` would grant it"
    )]
    Private {
        /// The endpoint.
        endpoint: String,
        /// The address.
        address: IpAddr,
    },
    /// There is no access token for it.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The answer is larger than the limit.
    #[error("the answer is larger than the {limit} bytes that limits.response_bytes allows")]
    TooLarge {
        /// The limit in bytes.
        limit: u32,
    },
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Transport(String),
}

impl OutboundError {
    /// Stable, for the connector and the log.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Token(error) => error.code(),
            Self::Closed(_) => "http.closed",
            Self::Cassette(_) => "http.cassette",
            Self::File(_) => "http.file",
            Self::UnknownEndpoint(_) => "http.unknown_endpoint",
            Self::Address { .. } => "http.address",
            Self::Request(_) => "http.request",
            Self::MissingSecret { .. } => "http.missing_secret",
            Self::Private { .. } => "http.private_address",
            Self::TooLarge { .. } => "http.response_too_large",
            Self::Timeout(_) => "http.timeout",
            Self::Transport(_) => "http.transport",
        }
    }

    /// True when the same request may work later.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Token(error) => error.is_passing(),
            error => matches!(error, Self::Timeout(_) | Self::Transport(_) | Self::Closed(_)),
        }
    }
}
