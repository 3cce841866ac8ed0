//! Where vendors post to: `/in/<connection>/…`.
//!
//! ```text
//! size → connection → verify → connector → schema → commit → only now the answer
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use axum::routing::any;
use http_body_util::BodyExt as _;
use patchbay_schemas::manifest::{Verify, Webhook};

use super::App;
use crate::audit::Purpose;
use crate::committer::CommitError;
use crate::ids::ConnectionId;
use crate::plugin::{self, Header, Reply};
use crate::reading::{self, Answer};
use crate::registry::Running;
use crate::rules::ingest::{Intake, Way};
use crate::rules::verify::{Presented, verify};

/// Longest time that a vendor may take to send a body.
const BODY_WAIT: Duration = Duration::from_secs(20);
/// Most bytes of a body that is not wanted that are read before it is turned away.
const DISCARDED: usize = 4 << 20;
/// Longest time for that.
const DISCARD_WAIT: Duration = Duration::from_secs(5);
/// After this many seconds an overloaded hub may be asked again.
const RETRY_AFTER_S: u64 = 2;
/// Headers that are never kept.
const HIDDEN: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "x-api-key"];

pub(super) fn router() -> Router<Arc<App>> {
    Router::new().route("/in/{connection}", any(receive)).route("/in/{connection}/{*path}", any(receive))
}

/// Why a delivery got no further. Each is one status and says no more than a stranger may know.
enum Turned {
    Unknown,
    TooLarge(u32),
    Slow,
    CutOff,
    Unverified,
    Overloaded,
    Unkept,
}

async fn receive(State(app): State<Arc<App>>, Path(path): Path<Vec<(String, String)>>, request: Request<Body>) -> Response<Body> {
    let started = std::time::Instant::now();
    let id = path.first().and_then(|(_, id)| id.parse::<ConnectionId>().ok());
    let running = id.and_then(|it| app.hub.registry.running(it));
    let Some((running, webhook)) = running.as_ref().and_then(|it| Some((it, listening(it)?))) else {
        discard(request.into_body()).await;
        return turned(&Turned::Unknown);
    };
    let response = if webhook.cors && request.method() == Method::OPTIONS {
        plain(StatusCode::NO_CONTENT, "")
    } else {
        take(&app, running, webhook, request).await.unwrap_or_else(|it| turned(&it))
    };
    let connector = running.origin.connector.clone();
    metrics::histogram!("patchbay_receive_seconds", "connector" => connector).record(started.elapsed().as_secs_f64());
    if webhook.cors { with_cors(response) } else { response }
}

/// The webhook's part of the manifest, where this connection takes posts.
fn listening(running: &Running) -> Option<&Webhook> {
    let manifest = &running.instances.surroundings().manifest;
    manifest.listens(&running.connection.config).then_some(manifest.webhook.as_ref()).flatten()
}

async fn take(app: &App, running: &Running, webhook: &Webhook, request: Request<Body>) -> Result<Response<Body>, Turned> {
    let (parts, body) = request.into_parts();
    let announced = parts.headers.get(header::CONTENT_LENGTH).and_then(|it| it.to_str().ok()).and_then(|it| it.parse::<u64>().ok());
    if announced.is_some_and(|it| it > webhook.max_body_bytes.into()) {
        discard(body).await;
        return Err(Turned::TooLarge(webhook.max_body_bytes));
    }
    // Room is taken before the first byte is read: what does not say its length is taken for as long as it may be.
    let expected = announced.and_then(|it| u32::try_from(it).ok()).unwrap_or(webhook.max_body_bytes);
    let Ok(_room) = app.room.try_acquire_many(expected.div_ceil(1024).max(1)) else {
        discard(body).await;
        return Err(Turned::Overloaded);
    };
    let body = read(body, webhook.max_body_bytes).await?;

    let request = plugin::Request {
        method: parts.method.as_str().to_owned(),
        path: rest_of_path(parts.uri.path()).to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers(&parts.headers),
        body,
    };
    let surroundings = running.instances.surroundings();
    if !webhook.verify.is_empty() {
        let named: Vec<(String, String)> = request.headers.iter().map(|it| (it.name.clone(), it.value.clone())).collect();
        let presented = Presented { method: &request.method, headers: &named, query: &request.query, body: &request.body };
        if let Err(reason) =
            verify(&webhook.verify, &presented, |name| surroundings.secret(name, Purpose::Verify).map(crate::secrets::SecretValue::reveal))
        {
            metrics::counter!("patchbay_unverified_total", "connection" => running.connection.id.to_string()).increment(1);
            tracing::info!(connection.id = %running.connection.id, reason = %reason, "a delivery was not the vendor's");
            return Err(Turned::Unverified);
        }
    }

    let received_at = app.hub.store.clock.now();
    let read = reading::of(&running.instances, &request).await;
    if matches!(read.answer, Answer::Busy) {
        return Err(Turned::Overloaded);
    }
    let hidden: Vec<&str> = HIDDEN.into_iter().chain(webhook.verify.iter().filter_map(credential_header)).collect();
    let fingerprint = reading::fingerprint(&request);
    let intake = Intake {
        id: app.hub.store.ids.next(),
        origin: running.origin.clone(),
        way: Way::Webhook,
        request: Some(surroundings.redact(&reading::kept(&request, &hidden))),
        body: request.body,
        fingerprint: Some(fingerprint),
        received_at,
        reading: read.reading,
        cursor: None,
    };
    let delivery = intake.id;
    let committed = app.committer.commit(intake).await.map_err(|error| match error {
        CommitError::Full => Turned::Overloaded,
        CommitError::Failed => Turned::Unkept,
    })?;
    tracing::debug!(delivery.id = %delivery, connection.id = %running.connection.id, outcome = committed.outcome.as_str(), "a delivery was committed");
    // Nobody hears a 2xx for what was not kept.
    if !committed.kept {
        return Err(Turned::Unkept);
    }
    Ok(answer(read.answer, webhook.refused_status))
}

async fn read(body: Body, most: u32) -> Result<Vec<u8>, Turned> {
    tokio::time::timeout(BODY_WAIT, collect(body, most)).await.map_err(|_| Turned::Slow)?
}

async fn collect(mut body: Body, most: u32) -> Result<Vec<u8>, Turned> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Turned::CutOff)?.into_data() else { continue };
        if bytes.len() + data.len() > most as usize {
            discard(body).await;
            return Err(Turned::TooLarge(most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Reads what is not wanted, so that who sends it hears the answer: a connection that is closed over unread bytes is reset. What says that it
/// is longer than would be read is not begun.
async fn discard(mut body: Body) {
    if body.size_hint().lower() > DISCARDED as u64 {
        return;
    }
    let reading = async {
        let mut left = DISCARDED;
        while left > 0
            && let Some(Ok(frame)) = body.frame().await
        {
            left = left.saturating_sub(frame.data_ref().map_or(0, axum::body::Bytes::len));
        }
    };
    // Who sends on for longer than this does not listen.
    drop(tokio::time::timeout(DISCARD_WAIT, reading).await);
}

/// What follows `/in/<connection>`, percent-encoding untouched.
fn rest_of_path(path: &str) -> &str {
    path.strip_prefix("/in/").and_then(|it| it.find('/').map(|at| &it[at..])).unwrap_or_default()
}

fn headers(headers: &header::HeaderMap) -> Vec<Header> {
    headers
        .iter()
        .map(|(name, value)| Header { name: name.as_str().to_owned(), value: String::from_utf8_lossy(value.as_bytes()).into_owned() })
        .collect()
}

fn credential_header(check: &Verify) -> Option<&str> {
    match check {
        Verify::Token { place: patchbay_schemas::manifest::Place::Header, name, .. } => Some(name),
        Verify::Token { .. } | Verify::Hmac { .. } | Verify::Digest { .. } => None,
    }
}

fn answer(answer: Answer, refused_status: u16) -> Response<Body> {
    match answer {
        Answer::Reply(reply) => replied(reply),
        Answer::Refused(reason) => {
            plain(StatusCode::from_u16(refused_status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY), &format!("{reason}\n"))
        }
        Answer::Again { after_s } => later(after_s),
        Answer::Broken => plain(StatusCode::INTERNAL_SERVER_ERROR, "the connector failed; send it again\n"),
        Answer::Busy => later(RETRY_AFTER_S),
    }
}

fn replied(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).ok().filter(|it| it.as_u16() >= 200).unwrap_or(StatusCode::OK);
    for Header { name, value } in reply.headers {
        // Framing belongs to the host; what is no header is not sent.
        let framing = ["content-length", "transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str());
        if let (false, Ok(name), Ok(value)) = (framing, HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn turned(turned: &Turned) -> Response<Body> {
    match turned {
        Turned::Unknown => plain(StatusCode::NOT_FOUND, "not found\n"),
        Turned::TooLarge(most) => plain(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body is larger than {most} bytes\n")),
        Turned::Slow => plain(StatusCode::REQUEST_TIMEOUT, "the body took too long\n"),
        Turned::CutOff => plain(StatusCode::BAD_REQUEST, "the body ended early\n"),
        Turned::Unverified => plain(StatusCode::UNAUTHORIZED, "the signature or token is missing or wrong\n"),
        Turned::Overloaded => {
            metrics::counter!("patchbay_overloaded_total").increment(1);
            later(RETRY_AFTER_S)
        }
        Turned::Unkept => later(RETRY_AFTER_S),
    }
}

fn later(seconds: u64) -> Response<Body> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "not taken; send it again later\n");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn plain(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(text.to_owned()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn with_cors(mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
