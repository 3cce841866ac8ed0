//! A fake of Mango Office's API: commands by `POST /vpbx/…`, and the notifications of a PBX, signed.
//!
//! After MANGO OFFICE VPBX API 1.9 (2.4: `vpbx_api_key`, `sign`, `json`; 3.1.2: steps are counted and come in any order; 3.1.6: summary;
//! 3.2: commands; 1.4: limits; "Список кодов результатов"). A wrong signature is answered with 3102, and a second wrong request with
//! 401, as 1.4.1 says. Left out: statistics, the address book, the fetching of recordings.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::api::{Answer, Connection};
use crate::vendor::Server;

/// The unique code of the PBX. None has it.
pub const KEY: &str = "mango-code-of-the-tests-8f14e45f";
/// What both sides sign with.
pub const SALT: &str = "mango-salt-of-the-tests-c9f0f895";

/// How the fake behaves badly, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misbehave {
    /// 429: more requests than a second allows.
    TooMany,
    /// This result code.
    Result(i64),
}

#[derive(Default)]
struct Pbx {
    commands: Vec<(String, Value)>,
    plans: VecDeque<Misbehave>,
    wrong_requests: u32,
}

/// A running fake. It stops when it is dropped.
pub struct FakeMango {
    server: Server,
    pbx: Arc<Mutex<Pbx>>,
}

impl FakeMango {
    /// A PBX with one account.
    #[must_use]
    pub fn start() -> Self {
        let pbx = Arc::<Mutex<Pbx>>::default();
        Self { server: Server::start(Router::new().fallback(call).with_state(Arc::clone(&pbx))), pbx }
    }

    /// What a connection to it is configured with.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({ "vpbx_api_key": KEY, "vpbx_api_salt": SALT, "extension": "101", "api_url": self.server.url() })
    }

    /// The commands that it carried out, in order: the path and what it said.
    #[must_use]
    pub fn commands(&self) -> Vec<(String, Value)> {
        lock(&self.pbx).commands.clone()
    }

    /// The next command is answered so.
    pub fn misbehave(&self, how: Misbehave) {
        lock(&self.pbx).plans.push_back(how);
    }

    /// Notifies the hub of something, signed as Mango does.
    pub async fn notify(&self, connection: &Connection, path: &str, document: &Value) -> Answer {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        connection.deliver(path, &headers, signed(document, SALT)).await.expect("the hub answers")
    }
}

/// A notification's body, signed with this salt.
#[must_use]
pub fn signed(document: &Value, salt: &str) -> String {
    let json = document.to_string();
    let sign = sign(&json, salt);
    form_urlencoded::Serializer::new(String::new()).extend_pairs([("vpbx_api_key", KEY), ("sign", &sign), ("json", &json)]).finish()
}

fn sign(json: &str, salt: &str) -> String {
    hex::encode(ring::digest::digest(&ring::digest::SHA256, format!("{KEY}{json}{salt}").as_bytes()))
}

async fn call(State(pbx): State<Arc<Mutex<Pbx>>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut pbx = lock(&pbx);
    let is_form = headers.get("content-type").is_some_and(|it| it == "application/x-www-form-urlencoded");
    let field = |name: &str| form_urlencoded::parse(&body).find(|(it, _)| it == name).map(|(_, value)| value.into_owned());
    let (key, signature, text) = (field("vpbx_api_key"), field("sign"), field("json").unwrap_or_default());
    let document: Option<Value> = serde_json::from_str(&text).ok();
    let fault = if method != Method::POST || !is_form {
        Some(3101)
    } else if key.as_deref() != Some(KEY) {
        Some(3105)
    } else if signature != Some(sign(&text, SALT)) {
        Some(3102)
    } else if document.is_none() {
        Some(3104)
    } else {
        None
    };
    if let Some(result) = fault {
        pbx.wrong_requests += 1;
        // One wrong request in two minutes is forgiven.
        return if pbx.wrong_requests > 1 { plain(401, "Unauthorized") } else { answer(&json!({ "result": result })) };
    }
    match pbx.plans.pop_front() {
        Some(Misbehave::TooMany) => return plain(429, "Rate limit exceeded."),
        Some(Misbehave::Result(result)) => return answer(&json!({ "result": result })),
        None => {}
    }
    let document = document.unwrap_or_default();
    let is_whole = match uri.path() {
        "/vpbx/account/balance" => {
            return answer(&json!({ "result": 1000, "balance": 963_592.45, "currency": "RUB", "response_at": "2026-11-22 17:55:24" }));
        }
        "/vpbx/commands/sms" => document["text"].is_string() && document["from_extension"].is_string() && document["to_number"].is_string(),
        "/vpbx/commands/callback" => document["from"]["extension"].is_string() && document["to_number"].is_string(),
        "/vpbx/commands/call/hangup" => document["call_id"].is_string(),
        _ => return plain(404, "Not Found"),
    };
    if !is_whole || !document["command_id"].is_string() {
        return answer(&json!({ "result": 3103 }));
    }
    pbx.commands.push((uri.path().to_owned(), document));
    answer(&json!({ "result": 1000 }))
}

fn answer(document: &Value) -> Response {
    ([("content-type", "application/json")], document.to_string()).into_response()
}

fn plain(status: u16, message: &str) -> Response {
    let document = json!({ "name": "Service Unavailable", "message": message, "code": 0, "status": status });
    let status = StatusCode::from_u16(status).expect("a status that there is");
    (status, [("content-type", "application/json")], document.to_string()).into_response()
}

fn lock(pbx: &Mutex<Pbx>) -> MutexGuard<'_, Pbx> {
    pbx.lock().unwrap_or_else(PoisonError::into_inner)
}
