//! The connections that run in this process, kept in step with the database.

mod running;
mod versions;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

pub(crate) use self::running::Secrets;
pub use self::running::{RunError, Running};
use self::versions::Versions;
use crate::audit::Ledger;
use crate::catalogue::Catalogue;
use crate::config::Config;
use crate::ids::{ConnectionId, WorkspaceId};
use crate::keys::Keyring;
use crate::pace::Keeper;
use crate::plugin::Connector;
use crate::plugin::journal::Journal;
use crate::rules::ingest::Context;
use crate::rules::quarantine::{Change, QuarantineRule};
use crate::store::connections::Connection;
use crate::store::quarantines::Quarantined;
use crate::store::{Store, StoreError};
use patchbay_schemas::manifest::Role;
use tokio_util::task::TaskTracker;

/// The connections that run in this process.
pub struct Registry {
    store: Store,
    catalogue: Arc<Catalogue>,
    keys: Arc<Keyring>,
    hub: String,
    keeper: Arc<Keeper>,
    tasks: TaskTracker,
    quarantine: QuarantineRule,
    ledger: Ledger,
    current: RwLock<Arc<Current>>,
    /// What is known of the connectors' files.
    versions: Versions,
    /// Most deliveries of a connection that another version of its connector reads in shadow before it takes over.
    shadows: u32,
    /// What connectors wrote to the log last, by their ids.
    journals: Mutex<HashMap<String, Arc<Journal>>>,
    /// One refresh at a time: a slow one must not put back what a later one saw.
    refreshing: tokio::sync::Mutex<()>,
    /// Set when another version of a connector stands ready.
    replaced: AtomicBool,
}

/// One state of the registry. It is replaced as a whole, never changed.
#[derive(Default)]
pub struct Current {
    revision: i64,
    /// By id.
    pub running: HashMap<ConnectionId, Arc<Running>>,
    /// What the planner must know, by workspace.
    pub contexts: HashMap<WorkspaceId, Context>,
    /// Connections that do not run, and why.
    pub failed: BTreeMap<String, String>,
}

impl Registry {
    /// Nothing runs before the first [`Registry::refresh`]. The configuration says what the hub is called among those on one database.
    #[must_use]
    pub fn new(store: Store, catalogue: Arc<Catalogue>, keys: Arc<Keyring>, config: &Config) -> Self {
        let keeper = Arc::new(Keeper::new(store.clone()));
        Self {
            store,
            catalogue,
            keys,
            hub: config.name.clone(),
            keeper,
            tasks: TaskTracker::new(),
            ledger: Ledger::default(),
            quarantine: config.quarantine.rule(),
            current: RwLock::default(),
            versions: Versions::default(),
            shadows: config.install.shadow,
            journals: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
            replaced: AtomicBool::new(false),
        }
    }

    /// Waits for what must not be cut off: a vendor that is asked for a token gives it once. The process must not end before.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        if let Err(error) = self.ledger.write(&self.store).await {
            tracing::warn!(error = %error, "the last uses of secrets could not be written down");
        }
    }

    /// The uses of secrets that were counted and are not written down yet.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// What runs now.
    #[must_use]
    pub fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A connection that runs.
    #[must_use]
    pub fn running(&self, id: ConnectionId) -> Option<Arc<Running>> {
        self.current().running.get(&id).cloned()
    }

    /// The clock was put back (less than zero) or forward by so many milliseconds.
    pub fn follow_clock(&self, by_ms: i64) {
        self.current().running.values().for_each(|it| it.instances.follow_clock(by_ms));
    }

    /// Takes over what changed in the database.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _turn = self.refreshing.lock().await;
        let before = self.current();
        let revision = self.store.connections_revision().await?;
        let replaced = self.replaced.swap(false, Ordering::AcqRel);
        if revision == before.revision && !before.contexts.is_empty() && !replaced {
            return Ok(());
        }
        let ended = self.replace(&before, revision, replaced).await;
        if replaced && ended.is_err() {
            // The next refresh takes it up.
            self.replaced.store(true, Ordering::Release);
        }
        ended
    }

    async fn replace(&self, before: &Current, revision: i64, replaced: bool) -> Result<(), StoreError> {
        let mut next = Current { revision, ..Current::default() };
        for workspace in self.store.workspaces().await? {
            next.contexts.insert(workspace.id, Context { region: workspace.region, settings: workspace.settings, ..Context::default() });
        }
        let connections = self.store.all_connections().await?;
        // Each connector that begins here is read once.
        let mut begun = HashMap::new();
        for connection in &connections {
            let unchanged = before.running.get(&connection.id).filter(|it| {
                let it = &it.connection;
                it.updated_at == connection.updated_at && it.config == connection.config && it.state == connection.state
            });
            let running = match unchanged {
                Some(running) if replaced => self.with_its_version(running, connection).await,
                Some(running) => Ok(Arc::clone(running)),
                None => self.begin(connection, &mut begun).await.map(Arc::new),
            };
            match running {
                Ok(running) => {
                    let (manifest, context) =
                        (&running.instances.connector().manifest, next.contexts.entry(connection.workspace).or_default());
                    if manifest.roles.contains(&Role::Sink) {
                        context.sinks.push(connection.id);
                    }
                    if running.takes("message.send") {
                        context.messengers.push(connection.id);
                    }
                    if running.takes("message.status") {
                        context.reporters.push(connection.id);
                    }
                    next.running.insert(connection.id, running);
                }
                Err(error) => {
                    tracing::error!(connection.id = %connection.id, connector.id = %connection.connector, error = %error, "a connection does not run");
                    next.failed.insert(connection.id.to_string(), error.to_string());
                }
            }
        }
        self.keep_versions(&connections, &next.running).await;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(())
    }

    /// A connection that begins, or begins anew, in this process.
    async fn begin(&self, connection: &Connection, begun: &mut HashMap<String, Arc<Connector>>) -> Result<Running, RunError> {
        let connector = match begun.get(&connection.connector) {
            Some(connector) => Arc::clone(connector),
            None => self.version(&connection.connector).await?,
        };
        begun.entry(connection.connector.clone()).or_insert_with(|| Arc::clone(&connector));
        self.run_with(connection.clone(), connector).await
    }

    /// The connection with the version of its connector that is installed now. Calls that are under way end with the version that they began
    /// with. One that cannot be had changes nothing.
    async fn with_its_version(&self, running: &Arc<Running>, connection: &Connection) -> Result<Arc<Running>, RunError> {
        match self.version(&connection.connector).await {
            Ok(connector) if connector.digest == running.instances.connector().digest => Ok(Arc::clone(running)),
            Ok(connector) => {
                let (from, to) = (&running.instances.connector().manifest.version, &connector.manifest.version);
                tracing::info!(connection.id = %connection.id, connector.id = %connection.connector, from, to, "another version of a connector takes over");
                self.run_with(connection.clone(), connector).await.map(Arc::new)
            }
            Err(error) => {
                tracing::error!(connection.id = %connection.id, error = %error, "the former version of a connector goes on");
                Ok(Arc::clone(running))
            }
        }
    }

    /// The database.
    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// What a connector wrote to the log last; none: it never ran in this process.
    #[must_use]
    pub fn journal(&self, connector: &str) -> Option<Arc<Journal>> {
        self.journals.lock().unwrap_or_else(PoisonError::into_inner).get(connector).cloned()
    }

    /// Writes down which versions were put into quarantine, or came out of it, since the last time.
    pub async fn note_quarantines(&self) -> Result<(), StoreError> {
        for (id, running) in &self.current().running {
            let connector = running.instances.connector();
            let (connector_id, version) = (&connector.manifest.id, &connector.manifest.version);
            match running.instances.quarantine_change() {
                Some(Change::Stands(it)) => {
                    let wait_s = (it.until - self.store.clock.now_ms()).max(0) / 1_000;
                    tracing::warn!(
                        connection.id = %id, connector.id = %connector_id, connector.version = %version, wait_s, rounds = it.rounds,
                        reason = %it.reason, "a version of a connector is left alone"
                    );
                    let found = Quarantined { digest: hex::encode(connector.digest), version: version.clone(), quarantine: it };
                    self.store.put_quarantine(*id, &found).await?;
                }
                Some(Change::Ended) => {
                    tracing::info!(connection.id = %id, connector.id = %connector_id, connector.version = %version, "a version of a connector works again");
                    self.store.end_quarantine(*id).await?;
                }
                None => {}
            }
        }
        Ok(())
    }
}
