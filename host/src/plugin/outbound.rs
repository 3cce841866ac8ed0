//! The way out: HTTP to the endpoints of the manifest, with the credential added here and every address checked.

mod address;
mod build;
mod error;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use patchbay_schemas::Manifest;
use reqwest::{Client, Method, Url, header};
use serde_json::Value;

use super::cassette::{Answer, Asked, Break, Exchange, Player};
use super::network::Network;
use super::tape::Tape;
use super::tls;
use crate::rules::oauth2::TokenRequest;
use crate::secrets::SecretValue;

use address::{CheckingResolver, check_literal, transport};
use build::build;

pub(super) use address::allowed;
pub use build::{Handshake, handshake};
pub use error::OutboundError;

/// Longest wait for one answer, whatever the connector asks for.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// Longest wait for a token.
const TOKEN_WAIT: Duration = Duration::from_secs(20);
/// Largest answer to a request for a token, bytes.
const TOKEN_BYTES: u32 = 64 << 10;

/// What HTTP is spoken over.
const WEB: [&str; 2] = ["https", "http"];

/// The way out of one connection.
pub enum Outbound {
    /// Every request is refused: mapping.
    Closed,
    /// A cassette answers: tests.
    Played(Player),
    /// The vendor answers, and a tape keeps it: a cassette is made.
    Recorded {
        /// The way to the vendor.
        open: Box<Outbound>,
        /// What was asked and answered so far.
        tape: Tape,
    },
    /// The declared endpoints can be reached.
    Open {
        /// The client with the checking resolver.
        client: Client,
        /// Private networks that the operator granted to this connection.
        granted: Arc<[Network]>,
    },
}

/// A request as the connector wants it.
#[derive(Clone)]
pub struct OutboundRequest {
    /// Name in the manifest.
    pub endpoint: String,
    /// Method.
    pub method: String,
    /// Path and query after the endpoint's own.
    pub path_and_query: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Longest wait.
    pub timeout: Option<Duration>,
}

/// An answer with its body read.
pub struct OutboundResponse {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

impl Outbound {
    /// The way out of a connection to which the operator granted these private networks.
    pub fn open(granted: Vec<Network>) -> Result<Self, reqwest::Error> {
        let granted: Arc<[Network]> = granted.into();
        let client = tls::http()
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("Patchbay/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(CheckingResolver { granted: Arc::clone(&granted) }))
            .build()?;
        Ok(Self::Open { client, granted })
    }

    /// The same way out once more, for what the host itself asks of the vendor.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::Open { client, granted } => Self::Open { client: client.clone(), granted: Arc::clone(granted) },
            Self::Closed | Self::Played(_) | Self::Recorded { .. } => Self::Closed,
        }
    }

    /// Asks for a token and reads the whole answer. `name` stands for the server in errors.
    pub async fn ask(&self, name: &str, request: TokenRequest) -> Result<OutboundResponse, OutboundError> {
        let Self::Open { client, granted } = self else { return Err(OutboundError::Closed(name.to_owned())) };
        let wrong = |reason: String| OutboundError::Address { endpoint: name.to_owned(), reason };
        let url = Url::parse(&request.url).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(wrong(format!("`{}` is neither https nor http", url.scheme())));
        }
        check_literal(name, &url, granted)?;
        let method = if request.method == "GET" { Method::GET } else { Method::POST };
        let mut outgoing = client.request(method, url).timeout(TOKEN_WAIT).header(header::ACCEPT, "application/json");
        if !request.body.is_empty() {
            outgoing = outgoing.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(request.body);
        }
        if let Some(authorization) = request.authorization {
            outgoing = outgoing.header(header::AUTHORIZATION, authorization);
        }
        answer(outgoing, TOKEN_BYTES, |error| transport(name, TOKEN_WAIT, error)).await
    }

    /// Fetches the file of a message: a GET without a credential, of an address that the hub was given with the command.
    pub async fn fetch(&self, limit: u32, request: OutboundRequest) -> Result<OutboundResponse, OutboundError> {
        let wrong = |reason: String| OutboundError::Address { endpoint: request.endpoint.clone(), reason };
        let url = Url::parse(&request.path_and_query).map_err(|error| wrong(error.to_string()))?;
        if !WEB.contains(&url.scheme()) {
            return Err(wrong(format!("`{}` is none of {}", url.scheme(), WEB.join(", "))));
        }
        match self {
            Self::Closed => Err(OutboundError::Closed(request.endpoint)),
            Self::Recorded { open, tape } => taped(tape, request.clone(), Box::pin(open.fetch(limit, request))).await,
            Self::Played(player) => within(limit, player.answer(&request)?),
            Self::Open { client, granted } => {
                check_literal(&request.endpoint, &url, granted)?;
                let wait = request.timeout.unwrap_or(MAX_WAIT).min(MAX_WAIT);
                let outgoing = client.get(url).timeout(wait);
                answer(outgoing, limit, |error| transport(&request.endpoint, wait, error)).await
            }
        }
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(
        &self,
        manifest: &Manifest,
        config: &Value,
        secret: impl Fn(&str) -> Option<SecretValue>,
        request: OutboundRequest,
    ) -> Result<OutboundResponse, OutboundError> {
        let (client, granted) = match self {
            Self::Open { client, granted } => (client, granted),
            Self::Closed => return Err(OutboundError::Closed(request.endpoint)),
            Self::Recorded { open, tape } => {
                let asked = request.clone();
                return taped(tape, asked, Box::pin(open.send(manifest, config, secret, request))).await;
            }
            Self::Played(player) => {
                // What the real way out would refuse is refused here too.
                build(manifest, config, secret, &request, &Network::ANY, &WEB)?;
                return within(manifest.limits.response_bytes, player.answer(&request)?);
            }
        };
        let wait = request.timeout.unwrap_or(MAX_WAIT).min(MAX_WAIT);
        let built = build(manifest, config, secret, &request, granted, &WEB)?;
        let body = if built.body_prefix.is_empty() { request.body } else { [built.body_prefix, request.body].concat() };
        let mut outgoing = client.request(built.method, built.url).headers(built.headers).timeout(wait).body(body);
        if let Some((user, password)) = built.basic {
            outgoing = outgoing.basic_auth(user, Some(password));
        }
        answer(outgoing, manifest.limits.response_bytes, |error| transport(&request.endpoint, wait, error)).await
    }
}

/// A request that a tape keeps with its answer.
async fn taped(
    tape: &Tape,
    request: OutboundRequest,
    sent: impl Future<Output = Result<OutboundResponse, OutboundError>>,
) -> Result<OutboundResponse, OutboundError> {
    let (request, sent) = (Asked::of(&request), sent.await);
    let response = match &sent {
        Ok(response) => Answer::of(response),
        Err(OutboundError::Timeout(_)) => Answer::failed(Break::Timeout),
        Err(OutboundError::Transport(_)) => Answer::failed(Break::Refused),
        // It never left this machine.
        Err(_) => return sent,
    };
    tape.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange { request, response });
    sent
}

/// An answer of a cassette, where it is no larger than it may be.
fn within(limit: u32, response: OutboundResponse) -> Result<OutboundResponse, OutboundError> {
    if response.body.len() > limit as usize { Err(OutboundError::TooLarge { limit }) } else { Ok(response) }
}

/// Sends a request and reads the whole answer, up to its limit in bytes.
async fn answer(
    outgoing: reqwest::RequestBuilder,
    limit: u32,
    failed: impl Fn(&reqwest::Error) -> OutboundError,
) -> Result<OutboundResponse, OutboundError> {
    let mut response = outgoing.send().await.map_err(|error| failed(&error))?;
    let status = response.status().as_u16();
    let headers =
        response.headers().iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + chunk.len() > limit as usize {
            return Err(OutboundError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(OutboundResponse { status, headers, body })
}
