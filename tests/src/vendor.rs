//! A vendor whose every answer the test decides, for the connectors of `tests/connectors`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use serde_json::{Value, json};

/// What the vendor was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// `GET`
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names are in lower case.
    pub headers: Vec<(String, String)>,
    /// The body as JSON, or null.
    pub document: Value,
    /// The body as it came, where it is text.
    pub body: String,
}

impl Asked {
    /// The first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

/// What the vendor answers.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(&'static str, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// How long it takes.
    pub after: Duration,
}

impl Answer {
    /// 200 with a JSON document.
    #[must_use]
    pub fn json(document: &Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: document.to_string().into_bytes(), after: Duration::ZERO }
    }

    /// A status without a body.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::json(&Value::Null) }
    }

    /// What the connector `relay` reports as a failure: `retry` is `never`, `later`, `reauthorise` or milliseconds.
    #[must_use]
    pub fn failure(code: &str, retry: impl Into<Value>) -> Self {
        Self::json(&json!({ "failure": { "code": code, "message": "as the test wants it", "retry": retry.into() } }))
    }

    /// The same, so much later.
    #[must_use]
    pub fn after(self, after: Duration) -> Self {
        Self { after, ..self }
    }
}

type Script = dyn Fn(&Asked) -> Answer + Send + Sync;

struct Shared {
    script: Mutex<Arc<Script>>,
    asked: Mutex<Vec<Asked>>,
}

/// A running vendor. It stops when it is dropped.
pub struct Vendor {
    server: Server,
    shared: Arc<Shared>,
}

impl Vendor {
    /// A vendor that answers as `script` says.
    #[must_use]
    pub fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared { script: Mutex::new(Arc::new(script)), asked: Mutex::default() });
        let server = Server::start(Router::new().fallback(answer).with_state(Arc::clone(&shared)));
        Self { server, shared }
    }

    /// From now on it answers so.
    pub fn now(&self, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *lock(&self.shared.script) = Arc::new(script);
    }

    /// What it was asked so far, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// The commands that `relay` passed on, in order.
    #[must_use]
    pub fn commands(&self) -> Vec<Value> {
        self.asked().into_iter().filter(|it| it.path == "/execute").map(|it| it.document).collect()
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let asked = Asked {
        method: method.to_string(),
        path: uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())).collect(),
        document: serde_json::from_slice(&body).unwrap_or_default(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let script = Arc::clone(&lock(&shared.script));
    let answer = script(&asked);
    lock(&shared.asked).push(asked);
    tokio::time::sleep(answer.after).await;
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).expect("tests use statuses that there are"));
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.body)).expect("tests use headers that there are")
}

/// An HTTP server on a thread of its own. It stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves the routes on a free port of the loopback.
    #[must_use]
    pub fn start(app: Router) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let address = listener.local_addr().expect("a listener has an address");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is non-blocking");
                tokio::select! {
                    _ = axum::serve(listener, app).into_future() => {}
                    _ = stopped => {}
                }
            });
        });
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:<port>`
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The receiver is gone when the server ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic of the script was told when it happened.
            let _ = thread.join();
        }
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
