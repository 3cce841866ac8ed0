//! A fake Bot API: `POST /bot<token>/<method>`.
//!
//! After <https://core.telegram.org/bots/api> (making requests, getUpdates, setWebhook, deleteWebhook, getWebhookInfo, sendMessage,
//! `ResponseParameters`) and the server's own code (`tdlib/telegram-bot-api`) for its words: updates come again until they are confirmed by a
//! higher `offset`, or taken by the webhook with a 2xx; a webhook and a poll exclude each other with 409, and so do two polls; 429 carries
//! `retry_after`; 401 is a token that is not the bot's. A webhook may have an HTTP address, as with a server of one's own that was
//! started with `--local`. Left out: files, groups that move, rights.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::vendor::Server;

/// How the fake behaves badly, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehave {
    /// 429, come again after so many seconds.
    TooMany(u32),
    /// 502 with a page instead of JSON.
    BadGateway,
    /// 400 with these words.
    BadRequest(&'static str),
}

/// Where the bot's updates are posted, as somebody told Telegram.
#[derive(Debug, Clone, Default)]
pub struct Webhook {
    /// Empty: nowhere.
    pub url: String,
    /// Presented with each update.
    pub secret: String,
    /// Posts at the same time.
    pub connections: u64,
    /// The kinds of update.
    pub updates: Vec<String>,
    /// Why the last post was not taken.
    last_error: Option<String>,
}

#[derive(Default)]
struct Bot {
    token: String,
    updates: VecDeque<Value>,
    webhook: Webhook,
    told: u64,
    polls: u64,
    sent: Vec<Value>,
    blocked_by: BTreeSet<i64>,
    plans: VecDeque<(String, Misbehave)>,
}

struct Shared {
    state: Mutex<Bot>,
    news: Notify,
}

/// A running fake. It stops when it is dropped.
pub struct FakeTelegram {
    server: Server,
    shared: Arc<Shared>,
}

impl FakeTelegram {
    /// A Bot API that knows one bot.
    #[must_use]
    pub fn start(token: &str) -> Self {
        let state = Bot { token: token.to_owned(), ..Bot::default() };
        let shared = Arc::new(Shared { state: Mutex::new(state), news: Notify::new() });
        Self { server: Server::start(Router::new().fallback(call).with_state(Arc::clone(&shared))), shared }
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Somebody wrote to the bot.
    pub fn update(&self, update: Value) {
        self.state().updates.push_back(update);
        self.shared.news.notify_waiters();
    }

    /// Updates that nobody confirmed yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state().updates.len()
    }

    /// What the bot sent, in order: the parameters of each call with its `method`.
    #[must_use]
    pub fn sent(&self) -> Vec<Value> {
        self.state().sent.clone()
    }

    /// Sets a webhook (empty: none), as somebody may do by hand.
    pub fn set_webhook(&self, url: &str) {
        self.state().webhook = Webhook { url: url.to_owned(), ..Webhook::default() };
    }

    /// Where updates are posted.
    #[must_use]
    pub fn webhook(&self) -> Webhook {
        self.state().webhook.clone()
    }

    /// How often setWebhook was called and obeyed.
    #[must_use]
    pub fn times_told(&self) -> u64 {
        self.state().told
    }

    /// Posts what waits to the webhook, in order. What is not taken with a 2xx waits on, with all behind it.
    pub async fn post_updates(&self) {
        let hook = self.webhook();
        loop {
            let Some(update) = self.state().updates.front().cloned() else { return };
            let post = crate::api::client().post(&hook.url).header("x-telegram-bot-api-secret-token", &hook.secret).json(&update);
            let error = match post.send().await {
                Ok(answer) if answer.status().is_success() => None,
                Ok(answer) => Some(format!("Wrong response from the webhook: {}", answer.status())),
                Err(_) => Some("Connection refused".to_owned()),
            };
            let mut state = self.state();
            state.webhook.last_error.clone_from(&error);
            if error.is_some() {
                return;
            }
            state.updates.pop_front();
        }
    }

    /// This person blocked the bot.
    pub fn block(&self, chat: i64) {
        self.state().blocked_by.insert(chat);
    }

    /// The bot has another token from now on.
    pub fn change_token(&self, token: &str) {
        token.clone_into(&mut self.state().token);
    }

    /// The next call of this method behaves so.
    pub fn misbehave(&self, method: &str, how: Misbehave) {
        self.state().plans.push_back((method.to_owned(), how));
    }

    /// From now on it behaves.
    pub fn behave(&self) {
        self.state().plans.clear();
    }

    fn state(&self) -> MutexGuard<'_, Bot> {
        lock(&self.shared.state)
    }
}

fn lock(state: &Mutex<Bot>) -> MutexGuard<'_, Bot> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn call(State(shared): State<Arc<Shared>>, uri: Uri, body: Bytes) -> Response {
    let Some((token, method)) = uri.path().strip_prefix("/bot").and_then(|it| it.split_once('/')) else {
        return refused(404, "Not Found");
    };
    let parameters = parameters(&body);
    {
        let mut state = lock(&shared.state);
        if token != state.token {
            return refused(401, "Unauthorized");
        }
        if let Some(at) = state.plans.iter().position(|(it, _)| it == method) {
            match state.plans.remove(at).map(|(_, how)| how) {
                Some(Misbehave::TooMany(seconds)) => return too_many(seconds),
                Some(Misbehave::BadRequest(words)) => return refused(400, words),
                Some(Misbehave::BadGateway) | None => return (StatusCode::BAD_GATEWAY, "<html>502</html>").into_response(),
            }
        }
    }
    match method {
        "getMe" => done(&json!({ "id": 123_456_789, "is_bot": true, "first_name": "Tests", "username": "patchbay_tests_bot" })),
        "getWebhookInfo" => webhook_info(&lock(&shared.state)),
        "setWebhook" => {
            let answer = set_webhook(&mut lock(&shared.state), &parameters);
            shared.news.notify_waiters();
            answer
        }
        "deleteWebhook" => {
            let mut state = lock(&shared.state);
            state.webhook = Webhook::default();
            if parameters["drop_pending_updates"] == true {
                state.updates.clear();
            }
            done(&json!(true))
        }
        "getUpdates" => updates(&shared, &parameters).await,
        _ if method.starts_with("send") => send(&mut lock(&shared.state), method, parameters),
        _ => refused(404, "Not Found"),
    }
}

/// The parameters of a call: JSON, or a form.
fn parameters(body: &[u8]) -> Value {
    let form = || form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), Value::from(value.into_owned()))).collect();
    serde_json::from_slice(body).unwrap_or_else(|_| Value::Object(form()))
}

fn set_webhook(state: &mut Bot, parameters: &Value) -> Response {
    let text = |name: &str| parameters[name].as_str().unwrap_or_default().to_owned();
    let (url, secret) = (text("url"), text("secret_token"));
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook");
    }
    if !secret.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-') {
        return refused(400, "Bad Request: secret token contains unallowed characters");
    }
    let updates = serde_json::from_str(&text("allowed_updates")).unwrap_or_else(|_| state.webhook.updates.clone());
    let connections = text("max_connections").parse().unwrap_or(40);
    state.webhook = Webhook { url, secret, connections, updates, last_error: None };
    state.told += 1;
    done(&json!(true))
}

fn webhook_info(state: &Bot) -> Response {
    let hook = &state.webhook;
    let mut info = json!({ "url": hook.url, "has_custom_certificate": false, "pending_update_count": state.updates.len() });
    if !hook.url.is_empty() {
        info["max_connections"] = hook.connections.into();
        if !hook.updates.is_empty() {
            info["allowed_updates"] = json!(hook.updates);
        }
    }
    if let Some(error) = &hook.last_error {
        (info["last_error_date"], info["last_error_message"]) = (1_760_000_000.into(), error.as_str().into());
    }
    done(&info)
}

async fn updates(shared: &Shared, parameters: &Value) -> Response {
    let number = |name: &str| parameters[name].as_u64().unwrap_or_default();
    let (offset, limit) = (parameters["offset"].as_i64().unwrap_or_default(), number("limit").clamp(1, 100));
    let until = tokio::time::Instant::now() + Duration::from_secs(number("timeout").min(50));
    let mine = {
        let mut state = lock(&shared.state);
        state.polls += 1;
        state.polls
    };
    // Whoever asked before is told that somebody else asks now.
    shared.news.notify_waiters();
    loop {
        let news = shared.news.notified();
        tokio::pin!(news);
        news.as_mut().enable();
        {
            let mut state = lock(&shared.state);
            if !state.webhook.url.is_empty() {
                return refused(
                    409,
                    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
                );
            }
            if state.polls != mine {
                return refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running");
            }
            state.updates.retain(|it| it["update_id"].as_i64().unwrap_or_default() >= offset);
            let limit = usize::try_from(limit).unwrap_or(100);
            let found: Vec<Value> = state.updates.iter().take(limit).cloned().collect();
            if !found.is_empty() || tokio::time::Instant::now() >= until {
                return done(&Value::Array(found));
            }
        }
        tokio::select! {
            () = &mut news => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }
}

fn send(state: &mut Bot, method: &str, mut parameters: Value) -> Response {
    let Some(chat) = parameters["chat_id"].as_i64() else { return refused(400, "Bad Request: chat_id is empty") };
    if state.blocked_by.contains(&chat) {
        return refused(403, "Forbidden: bot was blocked by the user");
    }
    if method == "sendMessage" {
        match parameters["text"].as_str().map(|it| it.trim().encode_utf16().count()) {
            None | Some(0) => return refused(400, "Bad Request: message text is empty"),
            Some(4097..) => return refused(400, "Bad Request: message is too long"),
            Some(_) => {}
        }
    }
    parameters["method"] = method.into();
    let text = parameters["text"].clone();
    state.sent.push(parameters);
    let id = 5_000 + state.sent.len();
    done(&json!({ "message_id": id, "date": 1_760_000_000, "chat": { "id": chat, "type": "private" }, "text": text }))
}

fn done(result: &Value) -> Response {
    axum::Json(json!({ "ok": true, "result": result })).into_response()
}

fn refused(code: u16, description: &str) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_REQUEST);
    (status, axum::Json(json!({ "ok": false, "error_code": code, "description": description }))).into_response()
}

fn too_many(seconds: u32) -> Response {
    let description = format!("Too Many Requests: retry after {seconds}");
    let body = json!({ "ok": false, "error_code": 429, "description": description, "parameters": { "retry_after": seconds } });
    (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response()
}
