//! A vendor that gives access tokens by OAuth 2, and does what the connector `relay` asks for with one.
//!
//! After RFC 6749 (4.1 code, 4.4 client credentials, 5.1 answers, 5.2 errors, 6 refresh), RFC 7636 (S256) and RFC 6750 (401). Refresh
//! tokens rotate: one that is used twice takes back everything that was granted, as RFC 9700, 4.14.2, has it. A new token takes the
//! older ones back, as Bitrix24 does.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::digest;
use serde_json::{Value, json};

use crate::bodies::API_KEY;
use crate::vendor::Server;

/// What every access token begins with.
pub const ACCESS: &str = "access-token-of-the-tests";
/// What every refresh token begins with.
pub const REFRESH: &str = "refresh-token-of-the-tests";

/// How the fake answers the next request for a token badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehave {
    /// This status, without a document.
    Status(u16),
    /// This error of RFC 6749 with its status.
    Error(u16, &'static str),
    /// 200 and no token.
    Nothing,
}

struct Code {
    challenge: Option<String>,
    redirect_uri: String,
}

#[derive(Default)]
struct Vendor {
    codes: HashMap<String, Code>,
    /// The one that is valid, and until when.
    access: Option<(String, Instant)>,
    refresh: Option<String>,
    used: HashSet<String>,
    asked: u32,
    given: u32,
    refreshes: u32,
    reused: u32,
    refuses: bool,
    lifetime: Duration,
    slow: Duration,
    plans: VecDeque<Misbehave>,
    /// Commands that were carried out.
    commands: Vec<Value>,
    /// Requests that were refused with 401.
    refused: u32,
}

/// A running fake. It stops when it is dropped.
pub struct FakeOAuth2 {
    server: Server,
    vendor: Arc<Mutex<Vendor>>,
}

impl FakeOAuth2 {
    /// A vendor whose tokens live for an hour.
    #[must_use]
    pub fn start() -> Self {
        let vendor = Arc::new(Mutex::new(Vendor { lifetime: Duration::from_hours(1), ..Vendor::default() }));
        let server = Server::start(Router::new().fallback(answer).with_state(Arc::clone(&vendor)));
        Self { server, vendor }
    }

    /// What a connection of `relay` to it is configured with.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({ "base_url": self.server.url(), "api_key": API_KEY, "auth": "oauth2" })
    }

    /// A person follows a link and agrees: the query with which the vendor sends them back.
    #[must_use]
    pub fn agree(&self, link: &str) -> String {
        let (place, query) = link.split_once('?').expect("a link has a query");
        assert_eq!(place, format!("{}/authorize", self.server.url()));
        let asked: HashMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        assert_eq!((asked["response_type"].as_str(), asked["client_id"].as_str()), ("code", "hub"));
        assert_eq!(asked["scope"], "leads messages");
        let mut vendor = lock(&self.vendor);
        let code = format!("code-{}", vendor.codes.len());
        let challenge = asked.get("code_challenge").inspect(|_| assert_eq!(asked["code_challenge_method"], "S256")).cloned();
        vendor.codes.insert(code.clone(), Code { challenge, redirect_uri: asked["redirect_uri"].clone() });
        form_urlencoded::Serializer::new(String::new()).append_pair("code", &code).append_pair("state", &asked["state"]).finish()
    }

    /// Tells of an access token whether it is valid: for a server of another protocol that takes it.
    pub fn judge(&self) -> impl Fn(&str) -> bool + Send + Sync + 'static {
        let vendor = Arc::clone(&self.vendor);
        move |token| lock(&vendor).access.as_ref().is_some_and(|(it, ends)| it == token && Instant::now() < *ends)
    }

    /// How long access tokens live from now on.
    pub fn lifetime(&self, lifetime: Duration) {
        lock(&self.vendor).lifetime = lifetime;
    }

    /// How long a request for a token takes from now on.
    pub fn slow(&self, slow: Duration) {
        lock(&self.vendor).slow = slow;
    }

    /// The next requests for a token are answered so.
    pub fn plan(&self, plans: impl IntoIterator<Item = Misbehave>) {
        lock(&self.vendor).plans.extend(plans);
    }

    /// The access token that it gave last is not valid any more.
    pub fn forget_access(&self) {
        lock(&self.vendor).access = None;
    }

    /// Nothing that it granted is valid any more.
    pub fn revoke(&self) {
        let mut vendor = lock(&self.vendor);
        (vendor.access, vendor.refresh) = (None, None);
    }

    /// Whether it answers every request with 401 from now on, whatever the token.
    pub fn refuse(&self, refuses: bool) {
        lock(&self.vendor).refuses = refuses;
    }

    /// Commands that it carried out.
    #[must_use]
    pub fn commands(&self) -> Vec<Value> {
        lock(&self.vendor).commands.clone()
    }

    /// Tokens that it gave for a refresh token.
    #[must_use]
    pub fn refreshes(&self) -> u32 {
        lock(&self.vendor).refreshes
    }

    /// Requests for a token, answered or not.
    #[must_use]
    pub fn asked(&self) -> u32 {
        lock(&self.vendor).asked
    }

    /// Tokens that it gave for whatever.
    #[must_use]
    pub fn given(&self) -> u32 {
        lock(&self.vendor).given
    }

    /// Refresh tokens that it was shown a second time.
    #[must_use]
    pub fn reused(&self) -> u32 {
        lock(&self.vendor).reused
    }

    /// Requests that it refused with 401.
    #[must_use]
    pub fn refused(&self) -> u32 {
        lock(&self.vendor).refused
    }
}

async fn answer(State(vendor): State<Arc<Mutex<Vendor>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    if uri.path() != "/token" {
        return serve(&mut lock(&vendor), uri.path(), &headers, &body);
    }
    let slow = {
        let mut vendor = lock(&vendor);
        vendor.asked += 1;
        vendor.slow
    };
    tokio::time::sleep(slow).await;
    let mut vendor = lock(&vendor);
    match vendor.plans.pop_front() {
        Some(Misbehave::Status(status)) => StatusCode::from_u16(status).expect("a status").into_response(),
        Some(Misbehave::Error(status, error)) => refusal(status, error),
        Some(Misbehave::Nothing) => json_of(200, &json!({ "token_type": "bearer" })),
        None => token(&mut vendor, &headers, &body),
    }
}

/// RFC 6749, section 5.
fn token(vendor: &mut Vendor, headers: &HeaderMap, body: &[u8]) -> Response {
    let form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("hub:{API_KEY}")));
    if headers.get(header::AUTHORIZATION).is_none_or(|it| it.as_bytes() != basic.as_bytes()) {
        return refusal(401, "invalid_client");
    }
    let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match field("grant_type") {
        "authorization_code" => {
            let Some(code) = vendor.codes.remove(field("code")) else { return refusal(400, "invalid_grant") };
            let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, field("code_verifier").as_bytes()));
            if code.challenge.is_some_and(|it| it != challenge) || code.redirect_uri != field("redirect_uri") {
                return refusal(400, "invalid_grant");
            }
        }
        "refresh_token" => {
            let shown = field("refresh_token");
            if vendor.used.contains(shown) {
                vendor.reused += 1;
                (vendor.access, vendor.refresh) = (None, None);
                return refusal(400, "invalid_grant");
            }
            if vendor.refresh.as_deref() != Some(shown) {
                return refusal(400, "invalid_grant");
            }
            vendor.used.insert(shown.to_owned());
            vendor.refreshes += 1;
        }
        "client_credentials" => {}
        _ => return refusal(400, "unsupported_grant_type"),
    }
    vendor.given += 1;
    let (access, refresh) = (format!("{ACCESS}-{}", vendor.given), format!("{REFRESH}-{}", vendor.given));
    vendor.access = Some((access.clone(), Instant::now() + vendor.lifetime));
    let mut answer =
        json!({ "access_token": access, "token_type": "bearer", "expires_in": vendor.lifetime.as_secs(), "account": "acme42" });
    if field("grant_type") != "client_credentials" {
        answer["refresh_token"] = json!(refresh);
        vendor.refresh = Some(refresh);
    }
    json_of(200, &answer)
}

fn serve(vendor: &mut Vendor, path: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok()).and_then(|it| it.strip_prefix("Bearer "));
    let valid = vendor.access.as_ref().is_some_and(|(token, until)| shown == Some(token.as_str()) && *until > Instant::now());
    if vendor.refuses || !valid {
        vendor.refused += 1;
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")], "").into_response();
    }
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    match path {
        "/execute" => {
            let answer = json!({ "remote_id": asked["idempotency_key"] });
            vendor.commands.push(asked);
            json_of(200, &answer)
        }
        // What a vendor echoes, the connector must not see.
        _ => json_of(200, &json!({ "ok": true, "shown": shown })),
    }
}

fn refusal(status: u16, error: &str) -> Response {
    json_of(status, &json!({ "error": error, "error_description": format!("{error}, as the tests want it") }))
}

fn json_of(status: u16, document: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], document.to_string()).into_response()
}

fn lock(vendor: &Mutex<Vendor>) -> MutexGuard<'_, Vendor> {
    vendor.lock().unwrap_or_else(PoisonError::into_inner)
}
