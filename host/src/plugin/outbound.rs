//! The way out: HTTP to the endpoints of the manifest, with the credential added here and every address checked.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::Credential;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};
use serde_json::Value;

use super::cassette::{Answer, Asked, Break, Exchange, Player};
use super::network::{Network, is_public};
use crate::secrets::SecretValue;

/// Longest wait for one answer, whatever the connector asks for.
pub const MAX_WAIT: Duration = Duration::from_secs(60);

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
        tape: Mutex<Vec<Exchange>>,
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
    pub fn code(&self) -> &'static str {
        match self {
            Self::Closed(_) => "http.closed",
            Self::Cassette(_) => "http.cassette",
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
        matches!(self, Self::Timeout(_) | Self::Transport(_) | Self::Closed(_))
    }
}

impl Outbound {
    /// The way out of a connection to which the operator granted these private networks.
    pub fn open(granted: Vec<Network>) -> Result<Self, reqwest::Error> {
        let granted: Arc<[Network]> = granted.into();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent(concat!("Patchbay/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(CheckingResolver { granted: Arc::clone(&granted) }))
            .build()?;
        Ok(Self::Open { client, granted })
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
                let asked = Asked::of(&request);
                let sent = Box::pin(open.send(manifest, config, secret, request)).await;
                let answer = match &sent {
                    Ok(response) => Answer::of(response),
                    Err(OutboundError::Timeout(_)) => Answer::failed(Break::Timeout),
                    Err(OutboundError::Transport(_)) => Answer::failed(Break::Refused),
                    // It never left this machine.
                    Err(_) => return sent,
                };
                tape.lock().unwrap_or_else(PoisonError::into_inner).push(Exchange { request: asked, response: answer });
                return sent;
            }
            Self::Played(player) => {
                // What the real way out would refuse is refused here too.
                build(manifest, config, secret, &request, &Network::ANY)?;
                let limit = manifest.limits.response_bytes;
                return player
                    .answer(&request)
                    .and_then(|it| if it.body.len() > limit as usize { Err(OutboundError::TooLarge { limit }) } else { Ok(it) });
            }
        };
        let wait = request.timeout.unwrap_or(MAX_WAIT).min(MAX_WAIT);
        let built = build(manifest, config, secret, &request, granted)?;
        let body = if built.body_prefix.is_empty() { request.body } else { [built.body_prefix, request.body].concat() };
        let mut outgoing = client.request(built.method, built.url).headers(built.headers).timeout(wait).body(body);
        if let Some((user, password)) = built.basic {
            outgoing = outgoing.basic_auth(user, Some(password));
        }
        let failed = |error: reqwest::Error| transport(&request.endpoint, wait, &error);
        let mut response = outgoing.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let limit = manifest.limits.response_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > limit as usize {
                return Err(OutboundError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(OutboundResponse { status, headers, body })
    }
}

struct Built {
    method: Method,
    url: Url,
    headers: reqwest::header::HeaderMap,
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
    if !matches!(url.scheme(), "https" | "http") {
        return Err(wrong(format!("`{}` is neither https nor http", url.scheme())));
    }
    // A path such as `@elsewhere/` or `/../` must not lead away from the endpoint.
    if url.origin() != base_url.origin() || !url.path().starts_with(base_url.path().trim_end_matches('/')) {
        return Err(OutboundError::Request("the path leads away from the endpoint".to_owned()));
    }
    check_literal(name, &url, granted)?;

    let mut headers = reqwest::header::HeaderMap::new();
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
    let mut body_prefix = Vec::new();
    match &endpoint.credential {
        Some(Credential::Header { name, value }) => put(name, &secretly(value)?)?,
        Some(Credential::Query { name, value }) => {
            let value = secretly(value)?;
            url.query_pairs_mut().append_pair(name, &value);
        }
        Some(Credential::Form { name, value }) => {
            let value = secretly(value)?;
            let mut form = form_urlencoded::Serializer::new(String::new()).append_pair(name, &value).finish();
            if !request.body.is_empty() {
                form.push('&');
            }
            body_prefix = form.into_bytes();
        }
        Some(Credential::Basic { user, password }) => {
            let either = |template: &str| {
                fill(template, |it| secret(it).map(|it| it.reveal().to_owned()).or_else(|| config.get(it).and_then(plain)))
                    .map_err(|secret| OutboundError::MissingSecret { endpoint: name.clone(), secret })
            };
            basic = Some((either(user)?, either(password)?));
        }
        Some(Credential::Path { .. }) | None => {}
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| OutboundError::Request(format!("`{}` is no HTTP method", request.method)))?;
    Ok(Built { method, url, headers, basic, body_prefix })
}

/// Replaces `{name}` by what `value` gives for it; the error is the first name without a value.
fn fill(template: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        filled.push_str(before);
        filled.push_str(&value(name).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
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

fn allowed(address: IpAddr, granted: &[Network]) -> bool {
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
