//! The API, asked without a socket, on a database of its own.

mod connections;
mod dead;
mod lists;
mod operations;
mod people;
mod routes;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use patchbay_schemas::manifest::HandleScope;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use crate::clock::Clock;
use crate::committer::Committer;
use crate::config::Config;
use crate::http::App;
use crate::hub::Hub;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::operations::NewConnection;
use crate::plugin::Event;
use crate::rules::ingest::{Context, Intake, Origin, Outcome, Reading, Way};

/// A connector without code: enough to be configured, not to be called.
const MANIFEST: &str = "id = 'chat'\nversion = '1.0.0'\ncontract = '0.1.0'\nname = 'Chat'\nsummary = 'x'\nchannel = 'chat'\n\
    roles = ['source', 'messenger']\n[webhook]\n[commands]\nkinds = ['message.send']\n\
    [config]\ntype = 'object'\nrequired = ['token']\nadditionalProperties = false\n\
    [config.properties.token]\ntype = 'string'\nwriteOnly = true\npattern = '^[0-9]+$'\n\
    [config.properties.mode]\nenum = ['a', 'b']\ndefault = 'a'";

struct World {
    folder: PathBuf,
    app: Arc<App>,
    router: Router,
    /// Opens the first workspace.
    token: String,
    /// A connection in it that hears of its leads.
    sink: ConnectionId,
    /// A connection in it that reports them.
    connection: ConnectionId,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.bytes)))
    }

    /// Status and code of a problem.
    fn problem(&self) -> (u16, String) {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", String::from_utf8_lossy(&self.bytes));
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        (self.status.as_u16(), problem["code"].as_str().unwrap().to_owned())
    }

    fn detail(&self) -> String {
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

impl World {
    async fn open() -> Self {
        let mut random = [0; 8];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random).unwrap();
        let folder = std::env::temp_dir().join(format!("patchbay-api-{}", hex::encode(random)));
        std::fs::create_dir_all(folder.join("connectors")).unwrap();
        std::fs::write(folder.join("connectors/chat.wasm"), component(MANIFEST)).unwrap();
        let config = Config {
            database: format!("sqlite:{}", folder.join("test.db").display()),
            connectors: folder.join("connectors"),
            cache: folder.join("cache"),
            secrets: crate::config::SecretsConfig { key: crate::secrets::KeySource::File(folder.join("key")), former_keys: Vec::new() },
            ..Config::default()
        };
        let hub = Hub::open(config, Clock::System).await.unwrap();
        hub.registry.refresh().await.unwrap();
        let (_, token) = hub.store.create_token(hub.workspace.id, "test").await.unwrap();
        let wake = Arc::new(Notify::new());
        let committer = Committer::start(&hub.store, &hub.registry, 8, &wake, &TaskTracker::new());
        let prometheus = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder().handle();
        let app = Arc::new(App { hub, committer, wake, room: Semaphore::new(1024), prometheus });
        let router = crate::http::router(Arc::clone(&app));
        let sink = connect(&app.hub, app.hub.workspace.id).await;
        let connection = connect(&app.hub, app.hub.workspace.id).await;
        Self { folder, app, router, token, sink, connection }
    }

    fn workspace(&self) -> WorkspaceId {
        self.app.hub.workspace.id
    }

    /// Another company in the same hub: its token, and a connection of it beside its sink.
    async fn neighbour(&self) -> (String, ConnectionId) {
        let workspace = self.app.hub.store.further_workspace("Other", "DE").await.unwrap();
        let (_, token) = self.app.hub.store.create_token(workspace, "test").await.unwrap();
        connect(&self.app.hub, workspace).await;
        (token, connect(&self.app.hub, workspace).await)
    }

    async fn ask(&self, token: Option<&str>, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 8 << 20).await.unwrap().to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Some(&self.token), "GET", &format!("/api/v1{path}"), None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask(Some(&self.token), "POST", &format!("/api/v1{path}"), Some(body)).await
    }

    /// What stands on every page of a list, in order.
    async fn walk(&self, path: &str, limit: usize) -> Vec<Value> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        let and = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self.get(&format!("{path}{and}limit={limit}{cursor}")).await.json();
            let items = page["items"].as_array().unwrap_or_else(|| panic!("{path}: {page}"));
            assert!(items.len() <= limit, "{path}");
            all.extend(items.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
            assert_eq!(items.len(), limit, "only the last page may be short");
        }
    }

    /// Somebody says something; the key names thread, person and event.
    async fn said(&self, connection: ConnectionId, key: &str, phone: &str) -> Outcome {
        let identities = json!([{ "kind": "handle", "value": key }, { "kind": "phone", "value": phone }]);
        let payload = json!({ "direction": "in", "person": { "identities": identities, "name": { "full": format!("Person {key}") } },
            "conversation": { "key": format!("chat-{key}") }, "text": format!("Hello {key}"), "message": {} });
        self.takes(connection, Reading::Events(vec![event(key, &payload)])).await
    }

    async fn takes(&self, connection: ConnectionId, reading: Reading) -> Outcome {
        let store = &self.app.hub.store;
        let (mut workspace, mut contexts) = (self.workspace(), HashMap::new());
        for it in store.workspaces().await.unwrap() {
            if store.connection(it.id, connection).await.unwrap().is_some() {
                workspace = it.id;
            }
            // The first connection of each is its sink.
            let sinks = store.connections(it.id, None, 1).await.unwrap().into_iter().map(|it| it.id).collect();
            contexts.insert(it.id, Context { region: it.region, settings: it.settings, sinks, ..Context::default() });
        }
        let origin = Origin {
            workspace,
            connection,
            connector: "chat".to_owned(),
            channel: "chat".to_owned(),
            handles: HandleScope::Connection,
            read_by: Arc::default(),
        };
        let intake = Intake {
            id: store.ids.next(),
            origin,
            way: Way::Webhook,
            request: Some(json!({ "method": "POST", "path": "", "query": "", "headers": [] }).to_string()),
            body: b"\xff raw".to_vec(),
            fingerprint: None,
            received_at: store.clock.now(),
            reading,
            cursor: None,
        };
        store.ingest(&[intake], &contexts, 0).await.unwrap()[0].outcome
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn event(key: &str, payload: &Value) -> crate::rules::ingest::CheckedEvent {
    crate::reading::check(Event { id: key.to_owned(), kind: "message".to_owned(), occurred_at_ms: None, payload: payload.to_string() })
}

async fn connect(hub: &Hub, workspace: WorkspaceId) -> ConnectionId {
    let config = json!({ "token": "8261" }).as_object().unwrap().clone();
    let new = NewConnection { connector: "chat".to_owned(), name: "Shop".to_owned(), config, networks: Vec::new() };
    hub.create_connection(workspace, new).await.unwrap().id
}

/// A component with nothing in it but its manifest.
fn component(manifest: &str) -> Vec<u8> {
    let mut section = vec![u8::try_from(patchbay_schemas::manifest::SECTION.len()).unwrap()];
    section.extend_from_slice(patchbay_schemas::manifest::SECTION.as_bytes());
    section.extend_from_slice(manifest.as_bytes());
    let mut wasm = b"\0asm\x0d\0\x01\0\0".to_vec();
    let mut length = section.len();
    while length >= 0x80 {
        wasm.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    wasm.push(u8::try_from(length).unwrap());
    wasm.extend(section);
    wasm
}
