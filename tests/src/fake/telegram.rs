//! A fake Bot API: `POST /bot<token>/<method>`.
//!
//! After <https://core.telegram.org/bots/api> (making requests, getUpdates, setWebhook, sendMessage, `ResponseParameters`) and the
//! server's own code (`tdlib/telegram-bot-api`) for its words: updates come again until they are confirmed by a higher `offset`,
//! a webhook and a poll exclude each other with 409, and so do two polls; 429 carries `retry_after`; 401 is a token that is not
//! the bot's. Left out: files, groups that move, rights.

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
}

#[derive(Default)]
struct Bot {
    token: String,
    updates: VecDeque<Value>,
    webhook: String,
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
        url.clone_into(&mut self.state().webhook);
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
    let parameters: Value = serde_json::from_slice(&body).unwrap_or_default();
    {
        let mut state = lock(&shared.state);
        if token != state.token {
            return refused(401, "Unauthorized");
        }
        if let Some(at) = state.plans.iter().position(|(it, _)| it == method) {
            match state.plans.remove(at).map(|(_, how)| how) {
                Some(Misbehave::TooMany(seconds)) => return too_many(seconds),
                Some(Misbehave::BadGateway) | None => return (StatusCode::BAD_GATEWAY, "<html>502</html>").into_response(),
            }
        }
    }
    match method {
        "getMe" => done(&json!({ "id": 123_456_789, "is_bot": true, "first_name": "Tests", "username": "patchbay_tests_bot" })),
        "getWebhookInfo" => {
            let state = lock(&shared.state);
            done(&json!({ "url": state.webhook, "has_custom_certificate": false, "pending_update_count": state.updates.len() }))
        }
        "getUpdates" => updates(&shared, &parameters).await,
        _ if method.starts_with("send") => send(&mut lock(&shared.state), method, parameters),
        _ => refused(404, "Not Found"),
    }
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
            if !state.webhook.is_empty() {
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
