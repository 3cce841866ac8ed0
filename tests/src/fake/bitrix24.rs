//! A fake Bitrix24: its REST API (`POST /rest/<user>/<code>/<method>`) over records in memory, and its outgoing webhook.
//!
//! It answers what the connector calls as the documentation says (<https://apidocs.bitrix24.ru>, read 2026-11-22 in
//! <https://github.com/bitrix-tools/b24-rest-docs>): a leaky bucket of requests for each address that asks (two a second, 50 before it
//! says `QUERY_LIMIT_EXCEEDED`), `batch` with `$result[…]`, `crm.duplicate.findbycomm`, filters with their prefixes, numbers as texts, `[]`
//! for an empty map, errors without a code. Its outgoing webhook tells an id, never repeats, and forgets or doubles as a test wants it.
//!
//! It is its own authorisation server: a code gives an access token, which a refresh replaces (`/oauth/token/`).
//!
//! What it does for applications alone, offline events and open lines, stands in `application`.
//!
//! Left out: rights of users, how long a method takes (a test says which one has no time left).

mod application;
mod fields;
mod list;
mod methods;
mod query;
mod store;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

pub use self::application::Application;
use self::methods::Fault;
pub use self::store::Store;
pub use super::trouble::{Held, Misbehave, Moment};
use super::trouble::{Plans, lock};

/// The user whose incoming webhook it is.
pub const USER: &str = "1";
/// The code of the incoming webhook.
pub const CODE: &str = "b24codeofthetests0";
/// The token of the outgoing webhook.
pub const TOKEN: &str = "b24-application-token-of-the-tests";

/// Code and key of the local application.
pub const APPLICATION: (&str, &str) = ("local.5f1c.1a2b", "b24-application-key-of-the-tests");
/// What an application's access tokens begin with.
pub const ACCESS: &str = "b24-access-token-of-the-tests";
/// What its refresh tokens begin with.
pub const REFRESH: &str = "b24-refresh-token-of-the-tests";

/// Requests before it says no.
const BURST: f64 = 50.0;
/// Requests that the bucket loses in a second.
const PER_SECOND: f64 = 2.0;

/// What becomes of an event for the outgoing webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// It is told once.
    Once,
    /// It is told twice.
    Twice,
    /// It is lost: whoever did not answer is not told again.
    Never,
}

struct Shared {
    store: Mutex<Store>,
    plans: Plans,
    buckets: Mutex<HashMap<IpAddr, (f64, Instant)>>,
    counts: Mutex<Counts>,
    telling: Mutex<Option<(String, Telling)>>,
    news: mpsc::UnboundedSender<(String, String)>,
    /// Tokens that were given so far: the last one is good.
    given: Mutex<u32>,
}

/// What it was asked.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// Requests.
    pub requests: usize,
    /// Requests that came when the bucket was full.
    pub limited: usize,
    /// Methods in order, those of batches too.
    pub methods: Vec<String>,
}

/// A running fake. It stops when it is dropped.
pub struct FakeBitrix24 {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeBitrix24 {
    /// Starts one on a free port of the loopback.
    pub fn start() -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (news, told) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            store: Mutex::default(),
            plans: Plans::default(),
            buckets: Mutex::default(),
            counts: Mutex::default(),
            telling: Mutex::default(),
            news,
            given: Mutex::default(),
        });
        let app = Router::new()
            .route("/rest/{user}/{code}/{method}", post(by_webhook))
            .route("/rest/{method}", post(by_token))
            .route("/oauth/token/", get(token))
            .with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("fake-bitrix24".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let app = app.into_make_service_with_connect_info::<SocketAddr>();
                tokio::select! {
                    _ = axum::serve(listener, app).into_future() => {}
                    () = tell(told) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Self { address, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The configuration of a connection to it.
    #[must_use]
    pub fn config(&self) -> Value {
        json!({ "base_url": self.url(), "webhook_user": USER, "webhook_code": CODE, "application_token": TOKEN })
    }

    /// The configuration of a connection that gets in as an application.
    #[must_use]
    pub fn application(&self) -> Value {
        let (id, key) = APPLICATION;
        json!({
            "auth": "oauth2", "base_url": self.url(), "oauth_server": self.url(), "client_id": id, "client_secret": key,
            "application_token": TOKEN,
        })
    }

    /// From now on it takes none of the access tokens that it gave.
    pub fn forget_access(&self) {
        *lock(&self.shared.given) += 1;
    }

    /// Its records, for looking and for arranging.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.shared.store)
    }

    /// What it was asked so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        lock(&self.shared.counts).clone()
    }

    /// Somebody does it by hand, in the browser: nothing is counted, and the outgoing webhook tells of it. Panics when it cannot be done.
    #[expect(clippy::must_use_candidate, reason = "most tests look at the records instead")]
    pub fn by_hand(&self, method: &str, parameters: &Value) -> Value {
        let done = methods::call(&mut self.store(), method, parameters).expect("it can be done by hand");
        pass_on(&self.shared);
        done
    }

    /// An operator answers in a chat of the open line, which is told this often, each time a second later. Panics when nobody wrote from
    /// that chat, or nobody bound the event.
    pub fn operator_answers(&self, chat: &str, words: &str, times: i64) {
        let (at, posted) = {
            let mut store = self.store();
            let at = store.now_s();
            (at, store.application.answer(chat, words, at, TOKEN).expect("somebody wrote from the chat, and listens"))
        };
        let (url, body) = posted;
        for later in 0..times {
            let body = body.replace(&format!("ts={at}"), &format!("ts={}", at + later));
            // Nobody listens any more once the fake stops.
            let _ = self.shared.news.send((url.clone(), body));
        }
    }

    /// From now on the outgoing webhook tells this address.
    pub fn tell(&self, url: &str, how: Telling) {
        *lock(&self.shared.telling) = Some((url.to_owned(), how));
    }

    /// The next call of this method (`crm.lead.add`, in a batch too; `*`: any) behaves so.
    pub fn misbehave(&self, method: &str, how: Misbehave) {
        self.shared.plans.misbehave(method, how);
    }

    /// The next call of this method waits at that moment.
    #[must_use]
    pub fn hold(&self, method: &str, moment: Moment) -> Held {
        self.shared.plans.hold(method, moment)
    }

    /// How many calls will still behave badly.
    #[must_use]
    pub fn planned(&self) -> usize {
        self.shared.plans.len()
    }
}

impl Drop for FakeBitrix24 {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The receiver is gone when the server ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn by_webhook(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path((user, code, method)): Path<(String, String, String)>,
    body: Bytes,
) -> Response {
    let refused = Fault::new(401, "INVALID_CREDENTIALS", "Invalid request credentials");
    let may = if (user.as_str(), code.as_str()) == (USER, CODE) { Ok(()) } else { Err(refused) };
    call(&shared, from, may, false, &method, &body).await
}

async fn by_token(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    Path(method): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    body: Bytes,
) -> Response {
    let good = format!("{ACCESS}-{}", lock(&shared.given));
    let may = match query.get("auth") {
        None => Err(Fault::new(401, "NO_AUTH_FOUND", "Wrong authorization data")),
        Some(token) if *token != good => Err(Fault::new(401, "expired_token", "The access token provided has expired.")),
        Some(_) => Ok(()),
    };
    call(&shared, from, may, true, &method, &body).await
}

/// A token for a code or for the last refresh token: a GET, as Bitrix24's documentation has it.
async fn token(State(shared): State<Arc<Shared>>, Query(query): Query<HashMap<String, String>>) -> Response {
    let is = |name: &str, value: &str| query.get(name).is_some_and(|it| it == value);
    let mut given = lock(&shared.given);
    let asked = is("grant_type", "authorization_code") && query.contains_key("code")
        || is("grant_type", "refresh_token") && query.get("refresh_token").is_some_and(|it| it.starts_with(REFRESH));
    if !(asked && is("client_id", APPLICATION.0) && is("client_secret", APPLICATION.1)) {
        return (StatusCode::BAD_REQUEST, axum::Json(json!({ "error": "invalid_grant" }))).into_response();
    }
    *given += 1;
    let answer = json!({
        "access_token": format!("{ACCESS}-{given}"), "refresh_token": format!("{REFRESH}-{given}"), "expires_in": 3600, "scope": "crm,user_brief",
        "domain": "company.bitrix24.example", "member_id": "a223c6b3710f85df22e9377d6c4f7553", "status": "L",
    });
    axum::Json(answer).into_response()
}

async fn call(shared: &Shared, from: SocketAddr, may: Result<(), Fault>, application: bool, method: &str, body: &Bytes) -> Response {
    let mut parameters: Value = serde_json::from_slice(body).unwrap_or_default();
    let commands = parameters["cmd"].as_object().into_iter().flatten().filter_map(|(_, it)| it.as_str());
    let inner: Vec<String> = commands.map(|it| it.split('?').next().unwrap_or(it).to_owned()).collect();
    // PHP carries commands out in the order in which they were written.
    if let Some(commands) = parameters["cmd"].as_object() {
        let text = String::from_utf8_lossy(body).into_owned();
        let mut names: Vec<String> = commands.keys().cloned().collect();
        names.sort_by_key(|it| text.find(&format!("\"{it}\":")));
        parameters["order"] = json!(names);
    }
    if is_limited(shared, from.ip()) {
        return answer(Err(Fault::new(503, "QUERY_LIMIT_EXCEEDED", "Too many requests")));
    }
    {
        let mut counts = lock(&shared.counts);
        counts.methods.push(method.to_owned());
        counts.methods.extend(inner.iter().cloned());
    }
    let is_called = |it: &str| it == method || inner.iter().any(|inner| inner == it);
    let answered = || {
        if let Err(refused) = may {
            return answer(Err(refused));
        }
        let done = {
            let mut store = lock(&shared.store);
            store.application.asks = application;
            methods::call(&mut store, method, &parameters)
        };
        pass_on(shared);
        answer(done)
    };
    shared.plans.meet(is_called, answered, |code| answer(Err(Fault::new(500, code, "something broke")))).await
}

/// Counts a request. True: the bucket of its address is full.
fn is_limited(shared: &Shared, from: IpAddr) -> bool {
    let now = Instant::now();
    let mut buckets = lock(&shared.buckets);
    let (level, last) = buckets.entry(from).or_insert((0.0, now));
    *level = (*level - now.duration_since(*last).as_secs_f64() * PER_SECOND).max(0.0) + 1.0;
    *last = now;
    let full = *level > BURST;
    if full {
        *level -= 1.0;
    }
    let mut counts = lock(&shared.counts);
    counts.requests += 1;
    counts.limited += usize::from(full);
    full
}

fn answer(result: Result<Value, Fault>) -> Response {
    match result {
        Ok(value) => axum::Json(json!({ "result": value, "time": { "start": 1.5, "duration": 0.25, "operating": 0 } })).into_response(),
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, axum::Json(fault.value())).into_response()
        }
    }
}

/// Hands what happened to the outgoing webhook.
fn pass_on(shared: &Shared) {
    let (events, ts) = {
        let mut store = lock(&shared.store);
        let (events, now) = (std::mem::take(&mut store.events), store.now());
        for (event, id) in &events {
            store.application.note(event, *id, &now);
        }
        (events, store.now_s())
    };
    let telling = lock(&shared.telling).clone();
    let Some((url, how)) = telling else { return };
    let times = match how {
        Telling::Once => 1,
        Telling::Twice => 2,
        Telling::Never => 0,
    };
    for (event, id) in events {
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("event", &event)
            .append_pair("event_handler_id", "707")
            .append_pair("data[FIELDS][ID]", &id.to_string())
            .append_pair("ts", &ts.to_string())
            .append_pair("auth[domain]", "company.bitrix24.example")
            .append_pair("auth[member_id]", "a223c6b3710f85df22e9377d6c4f7553")
            .append_pair("auth[application_token]", TOKEN)
            .finish();
        for _ in 0..times {
            // Nobody listens any more once the fake stops.
            let _ = shared.news.send((url.clone(), body.clone()));
        }
    }
}

/// Tells whoever listens, once, whatever comes of it.
async fn tell(mut told: mpsc::UnboundedReceiver<(String, String)>) {
    let client = crate::api::client();
    while let Some((url, body)) = told.recv().await {
        let request = client.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        // Bitrix24 repeats nothing.
        drop(request.send().await);
    }
}
