//! A fake of the Graph API for one WhatsApp number: `GET /<version>/<number id>`, `POST /<version>/<number id>/messages`, the callback address
//! of its account (`/<version>/<account id>/subscribed_apps`), which is asked for its challenge first, and what Meta posts there, signed.
//!
//! After <https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages> (shapes and lengths),
//! `…/support/error-codes` (the error object and its codes) and
//! <https://developers.facebook.com/docs/graph-api/webhooks/getting-started> (the challenge, the signature over the bytes as sent, with
//! everything outside of ASCII escaped). As with Meta, a message outside of the 24-hour window is taken, and a status says 131047
//! afterwards; deliveries are doubled. Left out: media, groups, quality.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use ring::hmac;
use serde_json::{Value, json};

use crate::api::{Answer, Connection};
use crate::vendor::Server;

/// The access token. No app has it.
pub const TOKEN: &str = "EAAtests0access0token0of0nobody";
/// What Meta signs with.
pub const APP_SECRET: &str = "5ebe2294ecd0e0f08eab7690d2a6ee69";
/// What Meta sends when the callback address is set.
pub const VERIFY_TOKEN: &str = "verify-token-of-the-tests";
/// The id of the account that our number belongs to.
pub const ACCOUNT: &str = "102290129340398";
/// The id of our number.
pub const NUMBER: &str = "106540352242922";

/// How the fake behaves badly, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehave {
    /// This error with this HTTP status.
    Error(u16, i64),
    /// 502 with a page instead of JSON.
    BadGateway,
}

#[derive(Default)]
struct Account {
    sent: Vec<Value>,
    plans: VecDeque<Misbehave>,
    is_revoked: bool,
    /// The address that goes before the app's own, and the verify token that it answered to.
    callback: Option<(String, String)>,
}

/// A running fake. It stops when it is dropped.
pub struct FakeWhatsApp {
    server: Server,
    account: Arc<Mutex<Account>>,
}

impl FakeWhatsApp {
    /// A Graph API that knows one number.
    #[must_use]
    pub fn start() -> Self {
        let account = Arc::<Mutex<Account>>::default();
        Self { server: Server::start(Router::new().fallback(call).with_state(Arc::clone(&account))), account }
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What a connection to it is configured with.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({ "phone_number_id": NUMBER, "token": TOKEN, "app_secret": APP_SECRET, "verify_token": VERIFY_TOKEN, "api_url": self.url() })
    }

    /// The same where the hub tells the callback address.
    #[must_use]
    pub fn registering(&self) -> Value {
        json!({ "phone_number_id": NUMBER, "account_id": ACCOUNT, "callback": "hub", "token": TOKEN, "app_secret": APP_SECRET, "api_url": self.url() })
    }

    /// The account's callback address, and the verify token that it answered to.
    #[must_use]
    pub fn callback(&self) -> Option<(String, String)> {
        lock(&self.account).callback.clone()
    }

    /// Somebody sets the callback address by hand.
    pub fn set_callback(&self, url: &str) {
        lock(&self.account).callback = Some((url.to_owned(), String::new()));
    }

    /// What was taken, in order, with the `id` that it got.
    #[must_use]
    pub fn sent(&self) -> Vec<Value> {
        lock(&self.account).sent.clone()
    }

    /// The next call behaves so.
    pub fn misbehave(&self, how: Misbehave) {
        lock(&self.account).plans.push_back(how);
    }

    /// The token holds no more.
    pub fn revoke(&self) {
        lock(&self.account).is_revoked = true;
    }

    /// Posts a change to the callback address, signed, and a second time, as Meta does. The first answer.
    pub async fn deliver(&self, connection: &Connection, value: Value) -> Answer {
        let mut value = value;
        value["messaging_product"] = "whatsapp".into();
        value["metadata"] = json!({ "display_phone_number": "74951234567", "phone_number_id": NUMBER });
        let change = json!({ "field": "messages", "value": value });
        let entry = json!({ "id": ACCOUNT, "changes": [change] });
        let body = escaped(&json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string());
        let signature = sign(&body);
        let headers = [("content-type", "application/json"), ("x-hub-signature-256", signature.as_str())];
        let first = connection.deliver("", &headers, body.clone()).await.expect("the hub answers");
        connection.deliver("", &headers, body).await.expect("the hub answers");
        first
    }

    /// Somebody writes to the number, so many seconds after 2025-10-09.
    pub async fn write(&self, connection: &Connection, from: &str, id: &str, text: &str, at: i64) -> Answer {
        let message =
            json!({ "from": from, "id": id, "timestamp": (1_760_000_000 + at).to_string(), "type": "text", "text": { "body": text } });
        let contact = json!({ "profile": { "name": format!("Анна {}", crate::bodies::LAST_NAME) }, "wa_id": from });
        self.deliver(connection, json!({ "contacts": [contact], "messages": [message] })).await
    }
}

/// The signature of a body: `sha256=<hex>`.
#[must_use]
pub fn sign(body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, APP_SECRET.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body.as_bytes())))
}

/// JSON as Meta sends it: everything outside of ASCII is escaped.
fn escaped(text: &str) -> String {
    let mut found = String::with_capacity(text.len() * 2);
    for it in text.chars() {
        if it.is_ascii() {
            found.push(it);
            continue;
        }
        for unit in it.encode_utf16(&mut [0; 2]) {
            found.push_str(&format!("\\u{unit:04x}"));
        }
    }
    found
}

async fn call(State(account): State<Arc<Mutex<Account>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    // Whoever is asked for a challenge may call in the meantime.
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let heard = match form.get("override_callback_uri") {
        Some(url) => Some(challenge(url, form.get("verify_token").map_or("", |it| it)).await),
        None => None,
    };
    let mut account = lock(&account);
    let bearer = headers.get("authorization").and_then(|it| it.to_str().ok()).unwrap_or_default();
    if account.is_revoked || bearer != format!("Bearer {TOKEN}") {
        return refused(401, 190, "Error validating access token");
    }
    match account.plans.pop_front() {
        Some(Misbehave::Error(status, code)) => return refused(status, code, "as the test wants it"),
        Some(Misbehave::BadGateway) => return (StatusCode::BAD_GATEWAY, "<html>502</html>").into_response(),
        None => {}
    }
    match (method, uri.path()) {
        (Method::GET, path) if path == format!("/v24.0/{NUMBER}") => answer(&json!({
            "id": NUMBER, "display_phone_number": "+7 495 123-45-67", "verified_name": "Tests", "quality_rating": "GREEN",
            "name_status": "APPROVED", "status": "CONNECTED", "platform_type": "CLOUD_API", "throughput": { "level": "STANDARD" },
        })),
        (Method::POST, path) if path == format!("/v24.0/{NUMBER}/messages") => {
            let mut message: Value = serde_json::from_slice(&body).unwrap_or_default();
            if let Err((code, details)) = check(&message) {
                return refused(400, code, details);
            }
            let id = format!("wamid.SENT{}", account.sent.len() + 1);
            message["id"] = id.as_str().into();
            account.sent.push(message);
            answer(&json!({ "messaging_product": "whatsapp", "contacts": [], "messages": [{ "id": id }] }))
        }
        (Method::GET, path) if path == format!("/v24.0/{ACCOUNT}/subscribed_apps") => {
            let mut app = json!({ "whatsapp_business_api_data": { "id": "670843887433847", "name": "Tests" } });
            if let Some((url, _)) = &account.callback {
                app["override_callback_uri"] = json!(url);
            }
            answer(&json!({ "data": [app] }))
        }
        (Method::POST, path) if path == format!("/v24.0/{ACCOUNT}/subscribed_apps") => match heard {
            Some(Err(what)) => refused(400, 2_200, &format!("Callback verification failed with the following errors: {what}")),
            Some(Ok(callback)) => {
                account.callback = Some(callback);
                answer(&json!({ "success": true }))
            }
            // Subscribing without an address takes the one away that is there.
            None => {
                account.callback = None;
                answer(&json!({ "success": true }))
            }
        },
        _ => refused(400, 100, "Unsupported request"),
    }
}

/// Asks an address for its challenge, as Meta does before it takes it: the address with its verify token, or why not.
async fn challenge(url: &str, token: &str) -> Result<(String, String), String> {
    if token.is_empty() {
        return Err("verify_token is required".to_owned());
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.mode", "subscribe")
        .append_pair("hub.challenge", "1158201444")
        .append_pair("hub.verify_token", token)
        .finish();
    let answer = crate::api::client().get(format!("{url}?{query}")).send().await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let is_heard = answer.text().await.is_ok_and(|it| it == "1158201444");
    if status == 200 && is_heard { Ok((url.to_owned(), token.to_owned())) } else { Err(format!("HTTP Status Code = {status}")) }
}

/// What Meta would find wrong with a message.
fn check(message: &Value) -> Result<(), (i64, &'static str)> {
    let length = |it: &Value| it.as_str().map_or(0, |it| it.chars().count());
    let wrong = |is_wrong: bool, details: &'static str| if is_wrong { Err((131_009, details)) } else { Ok(()) };
    wrong(message["messaging_product"] != "whatsapp", "messaging_product must be whatsapp")?;
    let to = [&message["to"], &message["recipient"]].into_iter().filter(|it| it.is_string()).count();
    wrong(to != 1, "either to or recipient is due")?;
    let kind = message["type"].as_str().ok_or((131_008, "the parameter type is required"))?;
    let content = &message[kind];
    match kind {
        "text" => wrong(!(1..=4096).contains(&length(&content["body"])), "text.body has 1 to 4096 characters"),
        "image" | "video" | "audio" | "document" | "sticker" => {
            wrong(content["id"].is_string() == content["link"].is_string(), "either id or link is due")?;
            let takes_caption = matches!(kind, "image" | "video" | "document");
            wrong(!takes_caption && content["caption"].is_string(), "no caption here")?;
            wrong(length(&content["caption"]) > 1024, "a caption has up to 1024 characters")
        }
        "template" => {
            wrong(!content["name"].is_string() || !content["language"]["code"].is_string(), "name and language.code are required")?;
            if content["name"] == "order_ready" { Ok(()) } else { Err((132_001, "the template does not exist")) }
        }
        "interactive" => interactive(content, length, wrong),
        "location" => wrong(!content["latitude"].is_number() || !content["longitude"].is_number(), "coordinates are required"),
        "contacts" => wrong(!content[0]["name"]["formatted_name"].is_string(), "formatted_name is required"),
        _ => Err((131_051, "unsupported message type")),
    }
}

fn interactive(
    content: &Value,
    length: impl Fn(&Value) -> usize,
    wrong: impl Fn(bool, &'static str) -> Result<(), (i64, &'static str)>,
) -> Result<(), (i64, &'static str)> {
    wrong(length(&content["body"]["text"]) == 0, "body.text is required")?;
    match content["type"].as_str() {
        Some("button") => {
            let buttons = content["action"]["buttons"].as_array().ok_or((131_008, "buttons are required"))?;
            wrong(!(1..=3).contains(&buttons.len()), "one to three buttons")?;
            let is_long = |it: &Value| !(1..=20).contains(&length(&it["reply"]["title"])) || length(&it["reply"]["id"]) > 256;
            wrong(buttons.iter().any(is_long), "a button has a title of up to 20 characters")
        }
        Some("list") => {
            wrong(!(1..=20).contains(&length(&content["action"]["button"])), "action.button has 1 to 20 characters")?;
            let sections = content["action"]["sections"].as_array().ok_or((131_008, "sections are required"))?;
            let rows: Vec<&Value> = sections.iter().filter_map(|it| it["rows"].as_array()).flatten().collect();
            wrong(!(1..=10).contains(&rows.len()), "one to ten rows")?;
            let is_long = |it: &&Value| {
                !(1..=24).contains(&length(&it["title"])) || length(&it["description"]) > 72 || !(1..=200).contains(&length(&it["id"]))
            };
            wrong(rows.iter().any(is_long), "a row has a title of up to 24 characters")
        }
        Some("cta_url") => wrong(!content["action"]["parameters"]["url"].is_string(), "url is required"),
        _ => Err((131_009, "unknown interactive type")),
    }
}

fn answer(document: &Value) -> Response {
    ([("content-type", "application/json")], document.to_string()).into_response()
}

fn refused(status: u16, code: i64, details: &str) -> Response {
    let error = json!({ "message": format!("(#{code}) {details}"), "type": "OAuthException", "code": code,
        "error_data": { "messaging_product": "whatsapp", "details": details }, "fbtrace_id": "Atests" });
    let status = StatusCode::from_u16(status).expect("tests use statuses that there are");
    (status, [("content-type", "application/json")], json!({ "error": error }).to_string()).into_response()
}

fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}
