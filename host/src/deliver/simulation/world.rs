//! A database with one channel and one sink, copied for each seed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use patchbay_schemas::manifest::HandleScope;
use serde_json::json;

use crate::clock::Clock;
use crate::config::{Config, DeliveryConfig, SecretsConfig};
use crate::hub::Hub;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::operations::NewConnection;
use crate::plugin::Event;
use crate::registry::Registry;
use crate::rules::ingest::{Context, Intake, Origin, Reading, Way};
use crate::secrets::KeySource;
use crate::store::Store;

/// When every simulation begins: 2026-01-01, milliseconds since 1970 UTC.
pub const BEGIN: i64 = 1_767_225_600_000;

/// A database that is ready, and the parts of a hub that no seed changes.
pub struct Template {
    folder: PathBuf,
    hub: Hub,
    channel: ConnectionId,
    sink: ConnectionId,
}

/// The hub's parts for one seed.
pub struct World {
    pub hub: Hub,
    pub clock: Arc<AtomicI64>,
    pub sink: ConnectionId,
    origin: Origin,
    contexts: HashMap<WorkspaceId, Context>,
    file: PathBuf,
}

impl Template {
    /// A folder in memory where the system has one: what is tested here is order, not the disk.
    pub fn make(name: &str) -> Self {
        let base = Some(PathBuf::from("/dev/shm")).filter(|it| it.is_dir()).unwrap_or_else(std::env::temp_dir);
        let folder = base.join(format!("patchbay-simulation-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("connectors")).unwrap();
        for (id, role) in [("chat", "source"), ("crm", "sink")] {
            let manifest = format!(
                "id = '{id}'\nversion = '1.0.0'\ncontract = '0.1.0'\nname = '{id}'\nsummary = 'x'\nchannel = '{id}'\nroles = ['{role}']\n"
            );
            let component = crate::plugin::artifact::with_manifest(b"\0asm\x0d\0\x01\0".to_vec(), &manifest);
            std::fs::write(folder.join(format!("connectors/{id}.wasm")), component).unwrap();
        }
        let config = Config {
            database: format!("sqlite:{}", folder.join("template.db").display()),
            connectors: folder.join("connectors"),
            cache: folder.join("cache"),
            secrets: SecretsConfig { key: KeySource::File(folder.join("key")), former_keys: Vec::new() },
            // Else most of the time would go into probes.
            delivery: DeliveryConfig { breaker_longest_wait_ms: 3_600_000, ..DeliveryConfig::default() },
            ..Config::default()
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (hub, channel, sink) = runtime.block_on(async {
            let hub = Hub::open(config, Clock::Manual(Arc::new(AtomicI64::new(BEGIN)))).await.unwrap();
            let mut made = Vec::new();
            for connector in ["chat", "crm"] {
                let new = NewConnection {
                    connector: connector.to_owned(),
                    name: connector.to_owned(),
                    config: serde_json::Map::new(),
                    networks: Vec::new(),
                };
                made.push(hub.create_connection(hub.workspace.id, new).await.unwrap().id);
            }
            hub.store.close().await;
            (hub, made[0], made[1])
        });
        Self { folder, hub, channel, sink }
    }

    /// A copy of the database under a clock of its own.
    pub async fn copy(&self, name: u64) -> World {
        let file = self.folder.join(format!("{name}.db"));
        std::fs::copy(self.folder.join("template.db"), &file).unwrap();
        let clock = Arc::new(AtomicI64::new(BEGIN));
        let store = Store::open(&format!("sqlite:{}", file.display()), Clock::Manual(Arc::clone(&clock))).await.unwrap();
        let registry =
            Arc::new(Registry::new(store.clone(), Arc::clone(&self.hub.catalogue), Arc::clone(&self.hub.keys), &self.hub.config));
        let hub = Hub { store, registry, ..self.hub.clone() };
        hub.registry.refresh().await.unwrap();
        let workspace = hub.workspace.id;
        let origin = Origin {
            workspace,
            connection: self.channel,
            connector: "chat".to_owned(),
            channel: "chat".to_owned(),
            handles: HandleScope::Vendor,
            read_by: Arc::default(),
        };
        let context = Context { region: "RU".to_owned(), sinks: vec![self.sink], ..Context::default() };
        World { hub, clock, sink: self.sink, origin, contexts: HashMap::from([(workspace, context)]), file }
    }
}

impl World {
    /// Somebody says something; `key` names the event, so that the same one may come again.
    pub fn said(&self, key: usize, handle: i64, phone: Option<i64>) -> Intake {
        let mut identities = vec![json!({ "kind": "handle", "value": format!("h{handle}") })];
        identities.extend(phone.map(|it| json!({ "kind": "phone", "value": format!("+7912555{it:04}") })));
        let payload = json!({ "direction": "in", "person": { "identities": identities }, "conversation": { "key": format!("c{handle}") },
            "text": format!("message {key}"), "message": {} });
        let event = Event { id: format!("e{key}"), kind: "message".to_owned(), occurred_at_ms: None, payload: payload.to_string() };
        Intake {
            id: self.hub.store.ids.next(),
            origin: self.origin.clone(),
            way: Way::Webhook,
            request: Some(json!({ "method": "POST", "path": "", "query": "", "headers": [] }).to_string()),
            body: payload.to_string().into_bytes(),
            fingerprint: None,
            received_at: self.hub.store.clock.now(),
            reading: Reading::Events(vec![crate::reading::check(event)]),
            cursor: None,
        }
    }

    /// Takes a batch in.
    pub async fn ingest(&self, batch: &[Intake]) {
        self.hub.store.ingest(batch, &self.contexts, 0).await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.file.display()));
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
