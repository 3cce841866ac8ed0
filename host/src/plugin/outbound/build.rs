//! A request as it goes out: the endpoint's address, the connector's path and headers, the credential in its place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use patchbay_schemas::Manifest;
use patchbay_schemas::manifest::{ACCESS_TOKEN, Credential};
use reqwest::header::{self, HeaderName, HeaderValue};
use reqwest::{Method, Url};
use serde_json::Value;

use super::address::check_literal;
use super::{OutboundError, OutboundRequest};
use crate::plugin::network::Network;
use crate::plugin::surroundings::Surroundings;
use crate::rules::template::{fill, plain};
use crate::secrets::SecretValue;

/// What begins a WebSocket: `http` and `https` are read as what they become.
const WEB_SOCKETS: [&str; 4] = ["wss", "ws", "https", "http"];

/// Headers that belong to the host.
const HOST_HEADERS: [&str; 7] =
    ["host", "authorization", "proxy-authorization", "content-length", "transfer-encoding", "connection", "upgrade"];

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

/// A request that is ready to go.
pub(super) struct Built {
    /// Method.
    pub method: Method,
    /// Address, with a credential that stands in its path or query.
    pub url: Url,
    /// The connector's headers, the endpoint's, and a credential that stands there.
    pub headers: header::HeaderMap,
    /// User and password, where the credential is these.
    pub basic: Option<(String, String)>,
    /// What stands before the connector's own body.
    pub body_prefix: Vec<u8>,
}

/// Puts a request together; refuses what leads elsewhere and what belongs to the host.
pub(super) fn build(
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
