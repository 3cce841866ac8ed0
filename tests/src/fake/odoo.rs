//! A fake Odoo 19: the JSON-2 API (`POST /json/2/<model>/<method>`) over records in memory.
//!
//! It answers what the CRM connector calls as Odoo does: same status codes, same error bodies, same odd answers (500 for a field
//! that does not exist, `[]` for a record that does not, `load` with 200 and messages for everything). The documentation is
//! <https://www.odoo.com/documentation/19.0/developer/reference/external_api.html>; what it leaves open was looked up in Odoo's
//! source (`rpc/controllers/json2.py`, `http.py`, `orm/models.py`) and tried against a real server: the connector's own
//! scenarios run against both (`plugins/odoo/tests`).
//!
//! Left out: access rights per user, followers and notifications, the chatter rows that Odoo writes by itself, automation rules.

mod customers;
mod domain;
mod methods;
mod store;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::methods::Fault;
pub use self::store::Store;
pub use super::trouble::{Held, Misbehave, Moment};
use super::trouble::{Plans, lock};

/// The database that the fake holds.
pub const DATABASE: &str = "test";
/// The API key that it takes.
pub const KEY: &str = "4fac60a5cff2c08956abd77ad16a51c787eda476";

/// A running fake. It stops when it is dropped.
pub struct FakeOdoo {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    store: Mutex<Store>,
    plans: Plans,
}

impl FakeOdoo {
    /// Starts one on a free port of the loopback.
    pub fn start() -> std::io::Result<Self> {
        Self::on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }

    /// Starts one at an address.
    pub fn on(address: SocketAddr) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .route("/json/2/{model}/{method}", post(call))
            .route("/web/version", get(async || axum::Json(json!({ "version_info": [19, 0, 0, "final", 0, ""], "version": "19.0" }))))
            .with_state(Arc::clone(&shared));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("fake-odoo".to_owned()).spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                tokio::select! {
                    _ = axum::serve(listener, app).into_future() => {}
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

    /// Its records, for looking and for arranging.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.shared.store)
    }

    /// The next call of this method (`crm.lead/load`; `*`: any) behaves so.
    pub fn misbehave(&self, method: &str, how: Misbehave) {
        self.shared.plans.misbehave(method, how);
    }

    /// How many calls will still behave badly.
    #[must_use]
    pub fn planned(&self) -> usize {
        self.shared.plans.len()
    }

    /// The next call of this method waits at that moment.
    #[must_use]
    pub fn hold(&self, method: &str, moment: Moment) -> Held {
        self.shared.plans.hold(method, moment)
    }
}

impl Drop for FakeOdoo {
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

async fn call(
    State(shared): State<Arc<Shared>>,
    Path((model, method)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let name = format!("{model}/{method}");
    let answered = || answered(&shared, &model, &method, &headers, &body);
    shared.plans.meet(|it| it == name, answered, |name| answer(Err(Fault::new(500, name, "something broke")))).await
}

fn answered(shared: &Shared, model: &str, method: &str, headers: &HeaderMap, body: &[u8]) -> Response {
    let text = |name: &str| headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or("");
    if text("x-odoo-database") != DATABASE {
        let page = "<!DOCTYPE html>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>No database is selected and the requested URL was not found in the server-wide controllers.</p>";
        return (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response();
    }
    let unauthorized = "werkzeug.exceptions.Unauthorized";
    match text("authorization").split_once(' ') {
        Some((scheme, KEY)) if scheme.eq_ignore_ascii_case("bearer") => {}
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("bearer") => return answer(Err(Fault::new(401, unauthorized, "Invalid apikey"))),
        _ => {
            let message = "User not authenticated, use an API Key with a Bearer Authorization header.";
            return answer(Err(Fault::new(401, unauthorized, message)));
        }
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(arguments) => answer(methods::call(&mut lock(&shared.store), model, method, &arguments)),
        Err(error) => {
            let message = format!("could not parse the body as json: {error}");
            answer(Err(Fault::new(400, "werkzeug.exceptions.BadRequest", message)))
        }
    }
}

fn answer(result: Result<Value, Fault>) -> Response {
    match result {
        Ok(value) => axum::Json(value).into_response(),
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let body = json!({
                "name": fault.name, "message": fault.message, "arguments": [fault.message], "context": {}, "debug": "Traceback (most recent call last)",
            });
            (status, axum::Json(body)).into_response()
        }
    }
}
