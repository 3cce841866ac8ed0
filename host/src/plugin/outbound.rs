//! The way out: HTTP to the endpoints of the manifest, with the credential added here and every address checked.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::{ACCESS_TOKEN, Credential};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::Value;

use super::cassette::{Answer, Asked, Break, Exchange, Player};
use super::network::{Network, is_public};
use super::surroundings::Surroundings;
use super::tape::Tape;
use super::tls;
use crate::oauth2::TokenError;
use crate::rules::oauth2::TokenRequest;
use crate::rules::template::{fill, plain};
use crate::secrets::SecretValue;

/// Longest wait for one answer, whatever the connector asks for.
pub const MAX_WAIT: Duration = Duration::from_secs(60);
/// Longest wait for a token.
const TOKEN_WAIT: Duration = Duration::from_secs(20);
/// Largest answer to a request for a token, bytes.
const TOKEN_BYTES: u32 = 64 << 10;

/// What HTTP is spoken over.
const WEB: [&str; 2] = ["https", "http"];
/// What begins a WebSocket: `http` and `https` are read as what they become.
const WEB_SOCKETS: [&str; 4] = ["wss", "ws", "https", "http"];

/// Headers that belong to the host.
const HOST_HEADERS: [&str; 7] =
    ["host", "authorization", "proxy-authorization", "content-length", "transfer-encoding", "connection", "upgrade"];

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

/// What the handshake of a WebSocket asks for.
pub struct Handshake {
    /// Where to: the endpoint's address with what follows it, and a credential that stands in the query.
    pub url: Url,
    /// The endpoint's headers and a credential that stands there.
    pub headers: header::HeaderMap,
}

/// The handshake of a WebSocket with an endpoint, its credential placed as in any other request.
pub async fn handshake(here: &Surroundings, endpoint: &str, path_and_query: &str) -> Result<Handshake, OutboundError> {
    let credential = here.manifest.endpoints.get(endpoint).and_then(|it| it.credential.as_ref());
    let token = match credential.filter(|it| it.has_access_token()) {
        Some(_) => here.outgoing(ACCESS_TOKEN).await?,
        None => None,
    };
    let secret = |it: &str| token.as_ref().filter(|_| it == ACCESS_TOKEN).or_else(|| here.secrets.get(it)).cloned();
    let request = OutboundRequest {
        endpoint: endpoint.to_owned(),
        method: "GET".to_owned(),
        path_and_query: path_and_query.to_owned(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: None,
    };
    // Addresses are checked where they are connected to.
    let mut built = build(&here.manifest, &here.config, secret, &request, &Network::ANY, &WEB_SOCKETS)?;
    if !built.body_prefix.is_empty() {
        return Err(OutboundError::Request(format!(
            "the endpoint `{endpoint}` is a WebSocket, and its credential has no form to stand in"
        )));
    }
    if let Some((user, password)) = built.basic {
        let value = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let value = HeaderValue::from_str(&value).map_err(|error| OutboundError::Request(error.to_string()))?;
        built.headers.insert(header::AUTHORIZATION, value);
    }
    Ok(Handshake { url: built.url, headers: built.headers })
}

struct Built {
    method: Method,
    url: Url,
    headers: header::HeaderMap,
    basic: Option<(String, String)>,
    /// What stands before the connector's own body.
    body_prefix: Vec<u8>,
}

fn build(
    manifest: &Manifest,
    config: &Value,
    secret: impl Fn(&str) -> Option<SecretValue>,
    request: &OutboundRequest,
    granted: &[Network],
    schemes: &[&str],
) -> Result<Built, OutboundError> {
    let name = &request.endpoint;
    let endpoint = manifest.endpoints.get(name).ok_or_else(|| OutboundError::UnknownEndpoint(name.clone()))?;
    let wrong = |reason: String| OutboundError::Address { endpoint: name.clone(), reason };
    let public = |template: &str| {
        fill(template, |it| config.get(it).and_then(plain)).map_err(|it| wrong(format!("the configuration has no `{it}`")))
    };
    let secretly = |template: &str| {
        fill(template, |it| secret(it).map(|it| it.reveal().to_owned()))
            .map_err(|secret| OutboundError::MissingSecret { endpoint: name.clone(), secret })
    };

    let base = public(&endpoint.url)?;
    let path = &request.path_and_query;
    if !path.is_empty() && !path.starts_with('/') && !path.starts_with('?') {
        return Err(OutboundError::Request(format!("the path `{path}` must begin with a slash")));
    }
    let prefix = match &endpoint.credential {
        Some(Credential::Path { prefix }) => secretly(prefix)?,
        _ => String::new(),
    };
    let base_url = Url::parse(&base).map_err(|error| wrong(error.to_string()))?;
    let mut url = Url::parse(&format!("{}{prefix}{path}", base.trim_end_matches('/'))).map_err(|error| wrong(error.to_string()))?;
    if !schemes.contains(&url.scheme()) {
        return Err(wrong(format!("`{}` is none of {}", url.scheme(), schemes.join(", "))));
    }
    // A path such as `@elsewhere/` or `/../` must not lead away from the endpoint.
    if url.origin() != base_url.origin() || !url.path().starts_with(base_url.path().trim_end_matches('/')) {
        return Err(OutboundError::Request("the path leads away from the endpoint".to_owned()));
    }
    check_literal(name, &url, granted)?;

    let mut headers = header::HeaderMap::new();
    let mut put = |header: &str, value: &str| -> Result<(), OutboundError> {
        let bad = |what: &str| OutboundError::Request(format!("the header `{header}` has {what} that HTTP does not allow"));
        let header = HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad("a name"))?;
        headers.insert(header, HeaderValue::from_str(value).map_err(|_| bad("a value"))?);
        Ok(())
    };
    let credential_header = match &endpoint.credential {
        Some(Credential::Header { name, .. }) => Some(name.as_str()),
        _ => None,
    };
    for (header, value) in &request.headers {
        let lower = header.to_ascii_lowercase();
        let set_by_host = credential_header.is_some_and(|it| it.eq_ignore_ascii_case(header))
            || endpoint.headers.keys().any(|it| it.eq_ignore_ascii_case(header));
        if HOST_HEADERS.contains(&lower.as_str()) || set_by_host {
            return Err(OutboundError::Request(format!("the header `{header}` is set by the host, not by a connector")));
        }
        put(header, value)?;
    }
    for (header, value) in &endpoint.headers {
        put(header, &public(value)?)?;
    }
    let mut basic = None;
    let mut form = form_urlencoded::Serializer::new(String::new());
    match &endpoint.credential {
        Some(Credential::Header { name, value }) => put(name, &secretly(value)?)?,
        Some(Credential::Query { name, value }) => {
            let value = secretly(value)?;
            url.query_pairs_mut().append_pair(name, &value);
        }
        Some(Credential::Form { name, value }) => {
            form.append_pair(name, &secretly(value)?);
        }
        Some(Credential::Basic { user, password }) => {
            let either = |template: &str| {
                fill(template, |it| secret(it).map(|it| it.reveal().to_owned()).or_else(|| config.get(it).and_then(plain)))
                    .map_err(|secret| OutboundError::MissingSecret { endpoint: name.clone(), secret })
            };
            basic = Some((either(user)?, either(password)?));
        }
        Some(Credential::OAuth2 {}) => put("authorization", &secretly("Bearer {access_token}")?)?,
        Some(Credential::Path { .. }) | None => {}
    }
    for (field, value) in &endpoint.form {
        form.append_pair(field, &secretly(value)?);
    }
    let mut body_prefix = form.finish().into_bytes();
    if !body_prefix.is_empty() && !request.body.is_empty() {
        body_prefix.push(b'&');
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| OutboundError::Request(format!("`{}` is no HTTP method", request.method)))?;
    Ok(Built { method, url, headers, basic, body_prefix })
}

/// An address written as digits does not pass the resolver, so it is checked here.
fn check_literal(endpoint: &str, url: &Url, granted: &[Network]) -> Result<(), OutboundError> {
    let Some(host) = url.host_str() else {
        return Err(OutboundError::Address { endpoint: endpoint.to_owned(), reason: "it has no host".to_owned() });
    };
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) if !allowed(address, granted) => Err(OutboundError::Private { endpoint: endpoint.to_owned(), address }),
        _ => Ok(()),
    }
}

/// True for a public address and for one of a network that the operator granted.
pub(super) fn allowed(address: IpAddr, granted: &[Network]) -> bool {
    is_public(address) || granted.iter().any(|it| it.contains(address))
}

/// Resolves names and lets only allowed addresses through: the connection goes to the very addresses that were checked.
struct CheckingResolver {
    granted: Arc<[Network]>,
}

/// What the resolver refused, carried through the HTTP client's error.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not a public address")]
struct PrivateAddress(IpAddr);

impl Resolve for CheckingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let granted = Arc::clone(&self.granted);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let refused = found.iter().find(|it| !allowed(it.ip(), &granted)).map(SocketAddr::ip);
            // One private address among public ones is how rebinding looks: nothing of that name is trusted.
            match refused {
                Some(address) => Err(PrivateAddress(address).into()),
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

fn transport(endpoint: &str, wait: Duration, error: &reqwest::Error) -> OutboundError {
    if error.is_timeout() {
        return OutboundError::Timeout(wait);
    }
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    let mut deepest = String::new();
    while let Some(it) = cause {
        if let Some(PrivateAddress(address)) = it.downcast_ref() {
            return OutboundError::Private { endpoint: endpoint.to_owned(), address: *address };
        }
        deepest = it.to_string();
        cause = it.source();
    }
    // The outer texts carry the whole address, and with it credentials that stand in the path or the query.
    OutboundError::Transport(deepest)
}
